//! Whether the key that signed a record was revoked.
//!
//! The boundary is a position in a log, never a time: who steals a key chooses
//! every time it signs, and cannot choose where a log puts what it is handed.
//! A record of a revoked key stands only if it is *proved* to be in the named
//! log at or before the last valid entry; without such a proof all of the key's
//! records fall.
//!
//! A bundle's silence is worth something while it is fresh. What it says needs
//! no clock: a statement that names the key counts however old the bundle is.

use std::time::Duration;

use countersign_core::Timestamp;
use serde_json::{Map, Value, json};

use super::digest::TaggedDigest;
use super::json;
use super::key::{self, PublicKey};
use super::schema;

mod publish;

pub use publish::{InvalidStatement, Statement, sign_bundle, statement_verifies};

/// The caller's own list or service: whether the key so named is revoked, or a
/// word for why that is not known.
pub type Store<'a> = &'a dyn Fn(&str) -> Result<bool, String>;

/// What is known about revoked keys.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// A list or a service to ask.
    pub store: Option<Store<'a>>,
    /// A `TraceRevocationBundle/1.0`.
    pub bundle: Option<&'a Value>,
    /// Whose bundles are believed.
    pub bundle_keys: &'a [PublicKey],
    /// How old a bundle may be, whatever it says itself.
    pub max_bundle_age: Duration,
    /// Where the record is logged.
    pub position: Option<Position<'a>>,
}

/// Where a record is logged. TRUST: to be given only after the record's
/// inclusion there was verified; nothing in a record can stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// The log.
    pub log_id: &'a str,
    /// The entry. Decimal numbers are compared as numbers.
    pub entry_id: &'a str,
}

/// What a verifier may say about revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was checked, against evidence that holds now.
    Verified,
    /// It could not be checked with the bundle at hand.
    Unverified,
    /// Nothing was at hand.
    NoCheck,
}

/// Why a bundle could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It does not have its shape, or speaks of more than one log.
    Malformed,
    /// It is signed in a way that cannot be checked here.
    SignatureUnsupported,
    /// It is signed by a key nobody here believes.
    KeyUntrusted,
    /// Its signature is wrong.
    SignatureInvalid,
    /// It is dated in the future.
    IssuedInFuture,
    /// It is older than its issuer or its reader allows.
    Expired,
}

/// What was found, with what a second verifier needs to find the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationCheck {
    /// What may be said.
    pub outcome: Outcome,
    /// Why no more may be said.
    pub cause: Option<Cause>,
    /// The facts, in the reference's names.
    pub evidence: Map<String, Value>,
}

/// The key was revoked, or nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It was, under this name.
    Key(String),
    /// The store gave no answer.
    Unknown(String),
}

impl Default for Known<'_> {
    /// Nothing; bundles count for a day.
    fn default() -> Self {
        Self { store: None, bundle: None, bundle_keys: &[], max_bundle_age: Duration::from_hours(24), position: None }
    }
}

impl Outcome {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified_for_revocation",
            Self::NoCheck => "no_check_performed",
        }
    }
}

impl Cause {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "bundle_malformed",
            Self::SignatureUnsupported => "bundle_signature_unsupported",
            Self::KeyUntrusted => "bundle_key_untrusted",
            Self::SignatureInvalid => "bundle_signature_invalid",
            Self::IssuedInFuture => "bundle_issued_in_future",
            Self::Expired => "bundle_expired",
        }
    }
}

/// Asks everything that is known about `key`.
pub fn check(
    key: &PublicKey,
    known: &Known<'_>,
    now: Timestamp,
    max_future_skew: Duration,
) -> Result<RevocationCheck, Revoked> {
    if let Some(store) = known.store {
        for name in key.identifiers() {
            if store(name).map_err(Revoked::Unknown)? {
                return Err(Revoked::Key(name.to_owned()));
            }
        }
    }
    match (known.bundle, known.store) {
        (Some(bundle), store) => {
            let mut check = check_bundle(key, bundle, known, now, max_future_skew)?;
            if store.is_some() {
                check.evidence.insert("store".to_owned(), "consulted".into());
            }
            Ok(check)
        }
        (None, Some(_)) => Ok(found(Outcome::Verified, None, json!({"source": "store"}))),
        (None, None) => Ok(found(Outcome::NoCheck, None, json!({}))),
    }
}

/// The order is the reference's: shape, who signed, what is said about this
/// key, and only then whether the silence about others still counts.
fn check_bundle(
    key: &PublicKey,
    bundle: &Value,
    known: &Known<'_>,
    now: Timestamp,
    max_future_skew: Duration,
) -> Result<RevocationCheck, Revoked> {
    if let Some((path, error)) = malformed(bundle) {
        let path = path.strip_prefix('/').filter(|path| !path.is_empty()).unwrap_or("/");
        return Ok(unverified(Cause::Malformed, Map::new(), json!({"path": path, "error": error})));
    }
    let text = |pointer: &str| bundle.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let time = |name: &str| bundle.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (log, issued_at, valid_until) = (text("/log_id"), time("issued_at"), time("valid_until"));
    let now = now.as_millis().div_euclid(1000);
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let (max_age, skew) = (seconds(known.max_bundle_age), seconds(max_future_skew));
    let digest = json::jcs(bundle).map(|bytes| TaggedDigest::sha256(&bytes));
    let facts = object(json!({
        "bundle_digest": digest.map(String::from).unwrap_or_default(),
        "log_id": log, "issued_at": issued_at, "valid_until": valid_until,
        "now": now, "max_bundle_age_seconds": max_age,
    }));
    if let Err((cause, more)) = signed_by_trusted(bundle, known.bundle_keys) {
        return Ok(unverified(cause, facts, more));
    }
    let statements = bundle.get("statements").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if let Some(name) = statements.iter().find_map(|statement| revokes(statement, key, known.position)) {
        return Err(Revoked::Key(name));
    }
    if issued_at > now.saturating_add(skew) {
        return Ok(unverified(Cause::IssuedInFuture, facts, json!({"max_future_skew_seconds": skew})));
    }
    let tripped = match (now > valid_until, now.saturating_sub(issued_at) > max_age) {
        (false, false) => {
            let more = json!({"statements_count": statements.len()});
            return Ok(found(Outcome::Verified, None, joined(facts, more)));
        }
        (true, false) => "issuer",
        (false, true) => "deployment",
        (true, true) => "both",
    };
    Ok(unverified(Cause::Expired, facts, json!({"bound_tripped": tripped})))
}

/// The first place where the bundle is not one, and why.
fn malformed(bundle: &Value) -> Option<(String, String)> {
    let mut violations = schema::bundle_violations(bundle);
    violations.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    if let Some(violation) = violations.first() {
        return Some((violation.pointer.clone(), violation.problem.to_string()));
    }
    let log = bundle.get("log_id");
    let statements = bundle.get("statements").and_then(Value::as_array)?;
    let other = statements.iter().position(|statement| statement.get("log_id") != log);
    let other = other.map(|i| (format!("/statements/{i}/log_id"), "a statement on another log".to_owned()));
    other.or_else(|| json::check(bundle).err().map(|refused| (String::new(), refused.to_string())))
}

fn signed_by_trusted(bundle: &Value, keys: &[PublicKey]) -> Result<(), (Cause, Value)> {
    let text = |pointer: &str| bundle.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (alg, key_id) = (text("/sig/alg"), text("/bundle_key_id"));
    if alg != "ed25519" {
        return Err((Cause::SignatureUnsupported, json!({"alg": alg})));
    }
    let named = json!({"bundle_key_id": key_id});
    let Some(key) = keys.iter().find(|key| key.identifiers().any(|name| name == key_id)) else {
        return Err((Cause::KeyUntrusted, named));
    };
    let signed = key::decode(text("/sig/value"))
        .is_some_and(|signature| bundle.as_object().is_some_and(|members| key.signed(members, &signature, "sig")));
    if signed { Ok(()) } else { Err((Cause::SignatureInvalid, named)) }
}

/// The name under which `statement` revokes `key` for a record at `position`.
fn revokes(statement: &Value, key: &PublicKey, position: Option<Position<'_>>) -> Option<String> {
    let text = |name: &str| statement.get(name).and_then(Value::as_str).unwrap_or_default();
    let named = key.identifiers().find(|name| *name == text("compromised_key_id"))?;
    let stands = position.is_some_and(|position| {
        position.log_id == text("log_id") && is_at_or_before(position.entry_id, text("last_valid_entry_id"))
    });
    (!stands).then(|| named.to_owned())
}

/// Entry ids are opaque but for numbers; what cannot be compared is not before.
fn is_at_or_before(entry: &str, last_valid: &str) -> bool {
    let is_number =
        |id: &str| id.bytes().all(|b| b.is_ascii_digit()) && !id.is_empty() && (id == "0" || !id.starts_with('0'));
    let both = is_number(entry) && is_number(last_valid);
    entry == last_valid || (both && (entry.len(), entry) < (last_valid.len(), last_valid))
}

fn unverified(cause: Cause, facts: Map<String, Value>, more: Value) -> RevocationCheck {
    found(Outcome::Unverified, Some(cause), joined(facts, more))
}

fn found(outcome: Outcome, cause: Option<Cause>, evidence: Value) -> RevocationCheck {
    RevocationCheck { outcome, cause, evidence: object(evidence) }
}

fn joined(mut facts: Map<String, Value>, more: Value) -> Value {
    facts.extend(object(more));
    Value::Object(facts)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
