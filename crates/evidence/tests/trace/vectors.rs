//! Finding and replaying the vectors under `tests/trace-vectors`.

use std::io::Write as _;
use std::path::PathBuf;

use countersign_core::Timestamp;
use countersign_evidence::trace::json;
use countersign_evidence::trace::key::PublicKey;
use serde_json::Value;

/// Where a file or a set of vectors is.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/trace-vectors").join(name)
}

/// One vector file, read as strictly as a record.
pub fn read(name: &str) -> Value {
    let bytes = std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    json::read(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The names of a set's numbered vectors, in order.
pub fn names(set: &str) -> Vec<String> {
    let mut names = files(set);
    names.retain(|name| name.starts_with(|c: char| c.is_ascii_digit()));
    names
}

/// The names of a set's JSON files, in order.
pub fn files(set: &str) -> Vec<String> {
    let folder = std::fs::read_dir(path(set)).unwrap_or_else(|e| panic!("the set `{set}` is missing: {e}"));
    let mut names: Vec<_> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| std::path::Path::new(name).extension().is_some_and(|e| e == "json"));
    names.sort();
    names
}

/// Replays a set: every vector runs, and the count is printed past the capture.
pub fn replay(set: &str, expected: usize, case: impl Fn(&Value) -> Result<(), String>) {
    let names = names(set);
    let run = |name: &String| case(&read(&format!("{set}/{name}"))).err().map(|why| format!("{name}: {why}"));
    let failures: Vec<String> = names.iter().filter_map(run).collect();
    report(set, names.len() - failures.len(), names.len());
    assert_eq!(names.len(), expected, "{set}: vectors were added or lost");
    assert!(failures.is_empty(), "{set}:\n  {}", failures.join("\n  "));
}

/// Prints how much of a set holds.
pub fn report(set: &str, passed: usize, total: usize) {
    let line = format!("trace vectors: {set}: {passed} of {total}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What must be equal, for `replay`.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
}

pub fn seconds(value: &Value, pointer: &str) -> Timestamp {
    Timestamp::from_millis(value.pointer(pointer).and_then(Value::as_i64).unwrap() * 1000)
}

pub fn key(value: &Value, pointer: &str) -> PublicKey {
    PublicKey::from_jwk(value.pointer(pointer).unwrap()).unwrap()
}

pub fn keys(value: &Value, pointer: &str) -> Vec<PublicKey> {
    let jwks = value.pointer(pointer).and_then(Value::as_array).unwrap();
    jwks.iter().map(|jwk| PublicKey::from_jwk(jwk).unwrap()).collect()
}

pub fn strings(value: &Value, pointer: &str) -> Vec<String> {
    let items = value.pointer(pointer).and_then(Value::as_array).unwrap();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}
