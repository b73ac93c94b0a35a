//! The shapes of TRACE documents, and whether a value has one.
//!
//! The tables say what the packaged JSON Schemas say (`trace-v0.2`,
//! `trace-v0.1`, `trace-revocation`, `trace-revocation-bundle`): every object
//! closed, every digest lower case, every URI absolute, nothing null. A test
//! holds them against the schemas themselves.

use serde_json::{Map, Value};

use super::digest::is_tagged_digest;
use super::json::{self, within};
use super::key::PRIVATE_MEMBERS;
use super::profile::Profile;

mod tables;
mod text;

pub(super) use text::{is_subject, is_uri};

/// A place where a document does not have its shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}`: {problem}")]
pub struct Violation {
    /// Where, as a JSON pointer. A member that is missing or unknown is
    /// reported at the object it belongs to.
    pub pointer: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with the shape of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A member must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member that has no place here.
    #[error("`{0}` is not a member of this object")]
    Unknown(String),
    /// A member that must not be there beside another, or without it.
    #[error("`{0}` has no place here: {1}")]
    Forbidden(&'static str, &'static str),
    /// A value of another kind, or outside its bounds.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A value outside a closed set.
    #[error("expected one of {0:?}")]
    NotOneOf(&'static [&'static str]),
    /// A value that has no canonical form.
    #[error("{0}")]
    NoCanonicalForm(json::Fault),
}

/// What a value may be.
enum Shape {
    Text(Text),
    /// An integer between the two, both included.
    Integer(i64, i64),
    OneOf(&'static [&'static str]),
    Object(&'static Object),
    List(&'static Object),
    /// An object of the members given and any others that can be signed.
    Jwk,
}

/// What a string may be.
enum Text {
    Any,
    NonEmpty,
    Digest,
    Uri,
    Subject,
    Spiffe,
    Duration,
    Base64Url,
}

/// A closed object.
struct Object {
    members: &'static [Member],
    /// What must hold between its members.
    rule: Option<Rule>,
}

/// A rule between the members of an object; it reports what breaks it.
type Rule = fn(&Map<String, Value>, &str, &mut Vec<Violation>);

/// A member: its name, whether it must be there, and what it may be.
struct Member(&'static str, bool, Shape);

/// Every place where `record` is not a Trust Record of `profile`.
#[must_use]
pub fn record_violations(record: &Value, profile: Profile) -> Vec<Violation> {
    let object = match profile {
        Profile::V02 => &tables::RECORD_V02,
        Profile::LegacyV01 => &tables::RECORD_V01,
    };
    violations(record, object)
}

/// Every place where `bundle` is not a `TraceRevocationBundle/1.0`.
#[must_use]
pub fn bundle_violations(bundle: &Value) -> Vec<Violation> {
    violations(bundle, &tables::BUNDLE)
}

/// Every place where `statement` is not a `TraceRevocation/1.0`.
#[must_use]
pub fn statement_violations(statement: &Value) -> Vec<Violation> {
    violations(statement, &tables::STATEMENT)
}

fn violations(value: &Value, object: &Object) -> Vec<Violation> {
    let mut found = Vec::new();
    check_object(value, object, &mut String::new(), &mut found);
    found
}

fn check(value: &Value, shape: &Shape, pointer: &mut String, found: &mut Vec<Violation>) {
    match shape {
        Shape::Text(text) => match value.as_str() {
            Some(read) if text.holds(read) => {}
            _ => report(found, pointer, Problem::Expected(text.expected())),
        },
        Shape::Integer(min, max) => {
            let number = value.as_i64().filter(|_| value.is_number());
            if !number.is_some_and(|n| (*min..=*max).contains(&n)) {
                report(found, pointer, Problem::Expected(expected_integer(*min)));
            }
        }
        Shape::OneOf(words) => {
            if !value.as_str().is_some_and(|word| words.contains(&word)) {
                report(found, pointer, Problem::NotOneOf(words));
            }
        }
        Shape::Object(object) => check_object(value, object, pointer, found),
        Shape::List(object) => match value.as_array() {
            Some(items) => {
                for (i, item) in items.iter().enumerate() {
                    within(pointer, &i.to_string(), |at| check_object(item, object, at, found));
                }
            }
            None => report(found, pointer, Problem::Expected("an array")),
        },
        Shape::Jwk => check_jwk(value, pointer, found),
    }
}

fn check_object(value: &Value, object: &Object, pointer: &mut String, found: &mut Vec<Violation>) {
    let Some(map) = value.as_object() else {
        return report(found, pointer, Problem::Expected("an object"));
    };
    for Member(name, required, shape) in object.members {
        match map.get(*name) {
            Some(member) => within(pointer, name, |at| check(member, shape, at, found)),
            None if *required => report(found, pointer, Problem::Missing(name)),
            None => {}
        }
    }
    for name in map.keys().filter(|name| !object.members.iter().any(|Member(known, ..)| known == name)) {
        report(found, pointer, Problem::Unknown(name.clone()));
    }
    if let Some(rule) = object.rule {
        rule(map, pointer, found);
    }
}

/// RFC 7517 lets a key carry members no schema names. They are signed, so they
/// must have a canonical form; a private member would publish the signing key.
fn check_jwk(value: &Value, pointer: &mut String, found: &mut Vec<Violation>) {
    let Some(map) = value.as_object() else {
        return report(found, pointer, Problem::Expected("an object"));
    };
    let required: &[&'static str] = match map.get("kty").and_then(Value::as_str) {
        Some("OKP") => &["crv", "x"],
        Some("EC") => &["crv", "x", "y"],
        Some("RSA") => &["n", "e"],
        Some(_) => &[],
        None => &["kty"],
    };
    for name in required.iter().filter(|name| !map.contains_key(**name)) {
        report(found, pointer, Problem::Missing(name));
    }
    for name in PRIVATE_MEMBERS.iter().filter(|name| map.contains_key(**name)) {
        report(found, pointer, Problem::Forbidden(name, "it would publish the private key"));
    }
    for (name, member) in map {
        within(pointer, name, |at| {
            if matches!(name.as_str(), "kty" | "crv" | "x" | "y" | "n" | "e" | "kid") {
                check(member, &Shape::Text(Text::Any), at, found);
            } else if let Err(refused) = json::check(member) {
                let pointer = format!("{at}{}", refused.pointer);
                found.push(Violation { pointer, problem: Problem::NoCanonicalForm(refused.fault) });
            }
        });
    }
}

fn report(found: &mut Vec<Violation>, pointer: &str, problem: Problem) {
    found.push(Violation { pointer: pointer.to_owned(), problem });
}

const fn expected_integer(min: i64) -> &'static str {
    match min {
        0 => "an integer that is not negative and within its bounds",
        tables::EARLIEST => "seconds since 1970 as an integer, no earlier than 1700000000",
        _ => "an integer within ±(2^53−1)",
    }
}

impl Text {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::NonEmpty => !text.is_empty(),
            Self::Digest => is_tagged_digest(text),
            Self::Uri => is_uri(text),
            Self::Subject => is_subject(text),
            Self::Spiffe => text.starts_with("spiffe://"),
            Self::Duration => text::is_duration(text),
            Self::Base64Url => text::is_base64url(text),
        }
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::Any => "a string",
            Self::NonEmpty => "a string that is not empty",
            Self::Digest => "`sha256:` and 64, or `sha384:` and 96, lower-case hex digits",
            Self::Uri => "an absolute URI",
            Self::Subject => "`spiffe://domain/path` or `did:method:id`",
            Self::Spiffe => "a URI that begins with `spiffe://`",
            Self::Duration => "an ISO 8601 duration such as `P90D`",
            Self::Base64Url => "unpadded base64url",
        }
    }
}
