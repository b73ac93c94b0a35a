//! `data` without what Rego makes: read as OPA reads it, and written as packages of constants.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_policy::{Source, read_rego};
use serde_json::{Map, Value, json};

use super::Rego;
use super::bundle::Read;
use crate::acs::manifest::{Beside, is_a, text_at};
use crate::yaml;

/// Where the packages of constants are written.
pub(crate) const FOLDER: &str = "imported-data";

/// Words that are no names in Rego.
const WORDS: [&str; 15] = [
    "as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "not", "null",
    "package", "true",
];

/// What OPA loads from `--data PATH`: a file as `data`, or a folder, whose folders are where in `data`
/// their files are.
pub(crate) fn read(path: &str, beside: &Beside<'_>) -> Result<Read, String> {
    if path.contains(':') {
        return Err(format!("`{path}`: a path with a prefix is not read here"));
    }
    let mut all = Read::default();
    for file in (beside.list)(path)? {
        let is_rego = is_a(&file, "rego");
        if !is_rego && !["json", "yaml", "yml"].iter().any(|end| is_a(&file, end)) {
            if file == path || file.ends_with(".tar.gz") {
                return Err(format!("`{file}` is no JSON, YAML or Rego"));
            }
            continue;
        }
        let text = text_at(&file, beside)?;
        if is_rego {
            all.files.push((file, text));
            continue;
        }
        let inner = file.strip_prefix(path).unwrap_or_default().trim_start_matches('/');
        let at: Vec<&str> = inner.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect());
        merge(&mut all.data, below(&at, parse(&file, &text)?), &file)?;
    }
    Ok(all)
}

/// A document, which is an object.
pub(crate) fn parse(file: &str, text: &str) -> Result<Map<String, Value>, String> {
    let value = if is_a(file, "json") {
        serde_json::from_str(text).map_err(|why| format!("`{file}`: {why}"))?
    } else {
        let node = yaml::read(text).map_err(|(line, why)| format!("{file}:{line}: {why}"))?;
        node.json().ok_or_else(|| format!("`{file}` has a value that versions of YAML read differently: quote it"))?
    };
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(format!("`{file}` is no object: the source refuses every call")),
    }
}

/// `members` within an object at `path`.
pub(crate) fn below(path: &[&str], members: Map<String, Value>) -> Map<String, Value> {
    let within = |inner: Map<String, Value>, name: &&str| Map::from_iter([((*name).to_owned(), Value::Object(inner))]);
    path.iter().rev().fold(members, within)
}

/// Adds `more`: what both have must be objects.
pub(crate) fn merge(all: &mut Map<String, Value>, more: Map<String, Value>, from: &str) -> Result<(), String> {
    for (name, value) in more {
        match (all.get_mut(&name), value) {
            (None, value) => {
                all.insert(name, value);
            }
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more, from)?,
            _ => return Err(format!("`{from}` says `{name}` a second time: the source refuses every call")),
        }
    }
    Ok(())
}

/// Takes away what is at `path`, and says whether something was.
pub(crate) fn take(all: &mut Map<String, Value>, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => all.remove(last).is_some(),
        [name, rest @ ..] => all.get_mut(name).and_then(Value::as_object_mut).is_some_and(|inner| take(inner, rest)),
    }
}

/// The data that the Rego reads, as packages: names and texts.
pub(crate) fn written(rego: &Rego) -> Result<Vec<(String, String)>, String> {
    let mut packages: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    let mut made: Vec<(String, Vec<String>)> = Vec::new();
    let mut read = Vec::new();
    for (file, text) in &rego.files {
        // They were read before.
        let Ok(reading) = read_rego(Source { file, text }) else { continue };
        read.extend(reading.data.into_iter().map(|(path, ..)| path));
        made.push((reading.package, reading.rules.into_iter().collect()));
    }
    for (package, rules) in &made {
        if let Some(path) = said_twice(&rego.data, package, rules) {
            return Err(format!("`data.{path}` is in the data and in Rego: the source refuses every call"));
        }
    }
    for path in &read {
        let Some((name, rest)) = path.split_first() else { continue };
        let Some((name, value)) = rego.data.get_key_value(name) else { continue };
        let Value::Object(members) = value else {
            return Err(format!(
                "`data.{name}` is a value by itself, which no package can have: put it into an object"
            ));
        };
        let of = packages.entry(name).or_default();
        match rest.first() {
            Some(member) => of.extend(members.get_key_value(member).map(|(member, value)| (&**member, value))),
            None => of.extend(members.iter().map(|(member, value)| (&**member, value))),
        }
    }
    let mut files = Vec::new();
    for (package, members) in packages.into_iter().filter(|(_, members)| !members.is_empty()) {
        let mut text = format!("# Data of the manifest.\npackage {}\n", name(package)?);
        for (member, value) in members {
            let path = format!("{package}.{member}");
            if made.iter().any(|(other, _)| *other == path || other.starts_with(&format!("{path}."))) {
                return Err(format!("`data.{path}` is in the data and a package: write all of it in one of them"));
            }
            let _ = writeln!(text, "\n{} := {}", name(member)?, json!(value));
        }
        files.push((format!("{FOLDER}/{package}.rego"), text));
    }
    Ok(files)
}

/// What `data` has where a rule of `package` makes it.
fn said_twice(data: &Map<String, Value>, package: &str, rules: &[String]) -> Option<String> {
    let (mut at, mut path) = (data, String::new());
    for part in package.split('.') {
        path = if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
        match at.get(part) {
            None => return None,
            Some(Value::Object(inner)) => at = inner,
            Some(_) => return Some(path),
        }
    }
    rules.iter().find(|rule| at.contains_key(*rule)).map(|rule| format!("{path}.{rule}"))
}

/// `name` where Rego wants a name.
fn name(name: &str) -> Result<&str, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) && !WORDS.contains(&name);
    if is_name && !name.is_empty() { Ok(name) } else { Err(format!("`{name}` in the data is no name in Rego")) }
}
