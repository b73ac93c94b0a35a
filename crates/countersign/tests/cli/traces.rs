use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Dev, Ran, countersign, ran};

const VARIABLE: &str = "TRACE_PRIVATE_KEY_PEM";

/// An Ed25519 key whose 32 secret bytes are all 7, and its public half.
const SEVENS: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
    -----END PRIVATE KEY-----\n";
/// The same with 8.
const EIGHTS: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n\
    -----END PRIVATE KEY-----\n";

/// `config check` of a configuration with that `[trace]` section, and `key` in the environment.
fn check(dir: &Path, section: &str, key: Option<&str>) -> Ran {
    let file = dir.join("countersign.toml");
    fs::write(&file, format!("[storage]\ndata_dir = 'data'\n[trace]\n{section}")).unwrap();
    let mut command = countersign();
    command.args(["config", "check", "-o", "json", "--config"]).arg(&file);
    ran(command.envs(key.map(|pem| (VARIABLE, pem))))
}

/// What `/trace/jwk` answers.
fn jwk(dev: &Dev) -> Value {
    let address = dev.says("url").strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET /trace/jwk HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).unwrap()
}

#[test]
fn what_is_wrong_with_the_section_is_named_with_what_is_right() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("not-a-key.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("model_provder = 'm'\n", &["`trace.model_provder`", "did you mean `trace.model_provider`"]),
        ("dataclass = 'secret'\n", &["did you mean `trace.data_class`"]),
        ("build_provenance_digest = 'sha256:ABC'\n", &["build_provenance_digest", "64 lower-case hex digits"]),
        ("build_provenance_slsa_level = 4\n", &["build_provenance_slsa_level", "from 0 to 3"]),
        ("appraisal_verifier = 'self'\n", &["appraisal_verifier", "an absolute URI"]),
        ("data_class = ''\n", &["data_class", "not empty"]),
        ("public_url = 'http://countersign.example'\n", &["`trace.public_url`", "`https://countersign.example`"]),
        ("public_url = 'https://'\n", &["`trace.public_url`"]),
        ("trust_domain = 'Agents.Example'\n", &["`trace.trust_domain`", "`agents.example`"]),
        ("key_file = 'none.pem'\n", &["`trace.key_file`", "cannot read", "none.pem"]),
        ("key_file = 'not-a-key.pem'\n", &["`trace.key_file`", "not-a-key.pem", "Ed25519 key as PEM", "openssl"]),
        (
            "data_class = ''\npublic_url = 'x'\ntrust_domain = ''\n",
            &["data_class", "trace.public_url", "trace.trust_domain"],
        ),
    ];
    for (section, said) in cases {
        check(dir.path(), section, None).refused(said);
    }
    check(dir.path(), "", Some("no PEM at all")).refused(&[VARIABLE, "Ed25519 key as PEM"]);
}

#[test]
fn two_keys_are_refused_unless_they_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key.pem"), SEVENS).unwrap();
    let section = "key_file = 'key.pem'\n";
    check(dir.path(), section, Some(EIGHTS)).refused(&["`trace.key_file`", VARIABLE, "different keys"]);
    for environment in [None, Some(SEVENS), Some(" \n")] {
        check(dir.path(), section, environment).exits(0);
    }
}

#[test]
fn a_key_in_the_environment_is_the_one_that_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::started(countersign().env(VARIABLE, SEVENS), dir.path(), &["127.0.0.1:0"]);
    assert_eq!(
        jwk(&dev),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw" })
    );
}

#[test]
fn the_key_that_is_made_is_private_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path());
    let file = dir.path().join("trace.pem");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (key, text) = (jwk(&dev), fs::read_to_string(&file).unwrap());
    assert_eq!(dev.stop("-TERM").0, Some(0));

    let again = Dev::start(dir.path());
    assert_eq!((jwk(&again), fs::read_to_string(&file).unwrap()), (key.clone(), text));
    assert_eq!(again.stop("-TERM").0, Some(0));

    // Another folder, another key.
    let other = tempfile::tempdir().unwrap();
    assert_ne!(jwk(&Dev::start(other.path())), key);
}

#[test]
fn a_key_that_is_damaged_stops_the_start_and_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Dev::start(dir.path()).stop("-TERM").0, Some(0));
    let file = dir.path().join("trace.pem");
    fs::write(&file, "damaged").unwrap();
    ran(countersign().args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path()))
        .refused(&["trace.pem", "restore it from a backup"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "damaged");
}
