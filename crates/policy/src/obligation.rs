//! What must be done when a policy decides: the JSON of `@advice`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::did_you_mean;

/// One thing that must be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Obligation {
    /// Blank these members of the result, dotted paths.
    Redact(Vec<String>),
    /// Bring a number among the arguments between two bounds, by its name.
    Clamp(BTreeMap<String, Bounds>),
    /// Tell these destinations.
    Notify(Vec<String>),
    /// Ask a human first, and show this text.
    RequireApproval(String),
}

/// Bounds of a number, both of them allowed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The least it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The most it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

const KINDS: [&str; 4] = ["redact", "clamp", "notify", "require_approval"];

/// Reads the text of an `@advice`: a JSON object with any of the four members.
/// The error says what is wrong, and what would be right where that is known.
pub(crate) fn parse(text: &str) -> Result<Vec<Obligation>, (String, Option<String>)> {
    let members: BTreeMap<String, Value> = serde_json::from_str(text)
        .map_err(|why| (format!("`@advice` is not a JSON object: {why}"), Some(EXAMPLE.to_owned())))?;
    if members.is_empty() {
        return Err(("`@advice` advises nothing".to_owned(), Some(EXAMPLE.to_owned())));
    }
    members.into_iter().map(|(kind, value)| one(&kind, value)).collect()
}

const EXAMPLE: &str = r#"write it like `@advice("{\"redact\": [\"ssn\"]}")`"#;

fn one(kind: &str, value: Value) -> Result<Obligation, (String, Option<String>)> {
    let wrong = |expected: &str| (format!("`{kind}` of `@advice` is not {expected}"), None);
    match kind {
        "redact" => names(value).map(Obligation::Redact).ok_or_else(|| wrong("a list of member names")),
        "notify" => names(value).map(Obligation::Notify).ok_or_else(|| wrong("a list of destination names")),
        "require_approval" => match value {
            Value::String(text) if !text.trim().is_empty() => Ok(Obligation::RequireApproval(text)),
            _ => Err(wrong("a text for the human who approves")),
        },
        "clamp" => bounds(value).map(Obligation::Clamp).ok_or_else(|| {
            wrong("an object of argument names, each with `min`, `max` or both, and `min` not above `max`")
        }),
        _ => {
            let help = did_you_mean(kind, &KINDS).unwrap_or_else(|| format!("expected one of {}", KINDS.join(", ")));
            Err((format!("`{kind}` is not an obligation"), Some(help)))
        }
    }
}

fn names(value: Value) -> Option<Vec<String>> {
    let names: Vec<String> = serde_json::from_value(value).ok()?;
    (!names.is_empty() && names.iter().all(|name| !name.trim().is_empty())).then_some(names)
}

fn bounds(value: Value) -> Option<BTreeMap<String, Bounds>> {
    let clamped: BTreeMap<String, Bounds> = serde_json::from_value(value).ok()?;
    let sound = |bounds: &Bounds| match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => min <= max,
        (None, None) => false,
        _ => true,
    };
    (!clamped.is_empty() && clamped.values().all(sound)).then_some(clamped)
}
