//! Revoking a key: statements, and the bundles they travel in.

use countersign_core::Timestamp;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::trace::json::{self, Refused};
use crate::trace::key::{self, PublicKey, encode};
use crate::trace::schema::{self, Violation};

/// That a key's records stand no further than an entry of a log.
#[derive(Debug, Clone, Serialize)]
pub struct Statement<'a> {
    /// The key: its thumbprint or `kid`.
    pub compromised_key_id: &'a str,
    /// The last entry at which the key's records stand.
    pub last_valid_entry_id: &'a str,
    /// The entry after that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_after_entry: Option<&'a str>,
    /// The log.
    pub log_id: &'a str,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// When, in seconds since 1970. For readers only: the boundary is the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
}

/// Why a statement or a bundle was not signed.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStatement {
    /// Who holds a stolen key could choose the boundary.
    #[error("a key cannot revoke itself: sign with one that stands above it")]
    OwnKey,
    /// It does not have its shape.
    #[error("{0}")]
    Shape(Violation),
    /// It has no canonical form.
    #[error("no canonical form: {0}")]
    NoCanonicalForm(#[from] Refused),
}

impl Statement<'_> {
    /// The statement as `TraceRevocation/1.0`, signed by a key that stands above
    /// the revoked one or apart from it.
    pub fn sign(&self, key: &SigningKey) -> Result<Value, InvalidStatement> {
        let signer = PublicKey::from(key);
        if signer.thumbprint() == self.compromised_key_id {
            return Err(InvalidStatement::OwnKey);
        }
        let mut members = match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        members.insert("type".to_owned(), "TraceRevocation/1.0".into());
        members.insert("revocation_key_id".to_owned(), signer.thumbprint().into());
        let statement = sign(members, key)?;
        first(schema::statement_violations(&statement)).map_or(Ok(statement), |v| Err(InvalidStatement::Shape(v)))
    }
}

/// The signed statements about one log, as `TraceRevocationBundle/1.0`. None at
/// all is a statement too: nothing was revoked, as far as the issuer knew then.
pub fn sign_bundle(
    log_id: &str,
    issued_at: Timestamp,
    valid_until: Timestamp,
    statements: &[Value],
    key: &SigningKey,
) -> Result<Value, InvalidStatement> {
    let seconds = |time: Timestamp| time.as_millis().div_euclid(1000);
    let bundle = json!({
        "type": "TraceRevocationBundle/1.0", "log_id": log_id, "statements": statements,
        "issued_at": seconds(issued_at), "valid_until": seconds(valid_until),
        "bundle_key_id": PublicKey::from(key).thumbprint(),
    });
    let signed = sign(super::object(bundle), key)?;
    first(schema::bundle_violations(&signed)).map_or(Ok(signed), |v| Err(InvalidStatement::Shape(v)))
}

/// Whether `key` signed `statement`, and is not the key that it revokes.
#[must_use]
pub fn statement_verifies(statement: &Value, key: &PublicKey) -> bool {
    let text = |pointer: &str| statement.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let named = |name: &str| key.identifiers().any(|id| id == text(name));
    let signature = key::decode(text("/sig/value")).filter(|_| text("/sig/alg") == "ed25519");
    schema::statement_violations(statement).is_empty()
        && named("/revocation_key_id")
        && !named("/compromised_key_id")
        && signature.is_some_and(|s| statement.as_object().is_some_and(|members| key.signed(members, &s, "sig")))
}

fn sign(members: Map<String, Value>, key: &SigningKey) -> Result<Value, Refused> {
    let mut value = Value::Object(members);
    let signature = encode(&key.sign(&json::jcs(&value)?).to_bytes());
    if let Some(members) = value.as_object_mut() {
        members.insert("sig".to_owned(), json!({"alg": "ed25519", "value": signature}));
    }
    Ok(value)
}

fn first(violations: Vec<Violation>) -> Option<Violation> {
    violations.into_iter().next()
}
