//! Signing: Ed25519 over the RFC 8785 form of the record without `signature`.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Map, Value};

use super::TrustRecord;
use crate::trace::json::{self, Refused};
use crate::trace::key::{PublicKey, encode};
use crate::trace::schema::{self, Violation};

/// Why a record was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It is not a Trust Record, and a signature would not make it one.
    #[error("not a Trust Record of its profile: {0}")]
    Shape(Violation),
    /// It has no canonical form.
    #[error("no canonical form: {0}")]
    NoCanonicalForm(#[from] Refused),
}

/// The record as it goes out, with the key in `cnf.jwk` and the signature.
pub fn sign(record: &TrustRecord, key: &SigningKey) -> Result<Value, SignError> {
    sign_as(record, key, None)
}

/// The same, with `kid` as the signed name of the key, e.g. the server's.
pub fn sign_as(record: &TrustRecord, key: &SigningKey, kid: Option<&str>) -> Result<Value, SignError> {
    let profile = record.eat_profile;
    // What is not an object is empty, and the first missing member says so.
    let mut members = match serde_json::to_value(record) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.remove("signature");
    let jwk = PublicKey::new(key.verifying_key(), kid).jwk();
    members.insert("cnf".to_owned(), Value::Object(Map::from_iter([("jwk".to_owned(), jwk)])));
    let mut record = Value::Object(members);
    if let Some(violation) = schema::record_violations(&record, profile).into_iter().next() {
        return Err(SignError::Shape(violation));
    }
    let signature = encode(&key.sign(&json::jcs(&record)?).to_bytes());
    if let Some(members) = record.as_object_mut() {
        members.insert("signature".to_owned(), signature.into());
    }
    Ok(record)
}
