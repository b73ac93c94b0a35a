//! Verifying a TRACE record by itself.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_core::Timestamp;
use countersign_evidence::trace::anchor::{NotIncluded, Receipt};
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::revocation::{Cause, Known, Outcome};
use countersign_evidence::trace::verify::{Check, Demands, Trust, Verdict, Verified, verify};
use serde_json::{Value, json};

use super::keys::{json_file, public_keys};
use crate::finding::Finding;

/// What is demanded of a record.
#[derive(Debug, Default, clap::Args)]
pub struct RecordTerms {
    /// A public key to trust for TRACE records, as a JWK, a JWK set or PEM
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// How old a TRACE record may be, such as `24h`; without it, any age
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_age: Option<Duration>,
    /// A TRACE record's anchor receipt, as JSON
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// A `TraceRevocationBundle` to check the record's key against
    #[arg(long, value_name = "FILE", requires = "revocation_keys")]
    revocations: Option<PathBuf>,
    /// A public key to trust for the revocation bundle
    #[arg(long = "revocation-key", value_name = "FILE", requires = "revocations")]
    revocation_keys: Vec<PathBuf>,
}

/// Reads a length of time, such as `90m` or `24h`.
pub fn duration(text: &str) -> Result<Duration> {
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.ok_or_else(|| anyhow!("`{text}` is no length of time: expected a form such as `90m` or `24h`"))
}

/// Judges records by what was demanded.
pub struct Judge {
    keys: Vec<PublicKey>,
    max_age: Option<Duration>,
    bundle: Option<Value>,
    bundle_keys: Vec<PublicKey>,
    now: Timestamp,
}

impl Judge {
    /// Reads the keys and the revocations that `terms` names; it judges as of `now`.
    pub fn load(terms: &RecordTerms, now: Timestamp) -> Result<Self> {
        Ok(Self {
            keys: public_keys(&terms.keys)?,
            max_age: terms.max_age,
            bundle: terms.revocations.as_deref().map(json_file).transpose()?,
            bundle_keys: public_keys(&terms.revocation_keys)?,
            now,
        })
    }

    /// Whether any key is trusted.
    pub fn has_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Judges a record.
    pub fn verdict(&self, record: &Value) -> Verdict {
        let known = Known { bundle: self.bundle.as_ref(), bundle_keys: &self.bundle_keys, ..Known::default() };
        let trust = if self.has_key() { Trust::AnyOf(&self.keys) } else { Trust::Embedded };
        verify(record, trust, &Demands { max_age: self.max_age, revocation: known, ..Demands::at(self.now) })
    }

    /// Why it is not known whether the key was revoked, where that was to be found out.
    pub fn unknown_revocation(&self, verified: &Verified) -> Option<&'static str> {
        let open = self.bundle.is_some() && verified.revocation.outcome != Outcome::Verified;
        open.then(|| verified.revocation.cause.map_or("no_check_performed", Cause::code))
    }
}

/// Verifies a record at the time `now`.
pub fn record(record: &Value, terms: &RecordTerms, now: Timestamp) -> Result<Finding> {
    let judge = Judge::load(terms, now)?;
    let verdict = judge.verdict(record);
    let verified = match &verdict {
        Verdict::Verified(verified) => verified,
        Verdict::Refused(refusal) => {
            let (code, message) = (refusal.code(), refusal.to_string());
            let found = json!({ "kind": "trace_record", "code": code, "subject": record.get("subject") });
            return Ok(Finding::bad(format!("{message} ({code})"), found));
        }
    };
    let mut found = facts(record, verified);
    let mut notes = notes(record, verified);
    if let Some(file) = &terms.receipt {
        match anchored(&json_file(file)?, record) {
            Ok(receipt) => {
                let (count, root) = (receipt.leaf_count, receipt.merkle_root.as_str());
                notes.push(format!(
                    "in a batch of {count} under the root {root}; that the root was published was not checked"
                ));
                insert(&mut found, "anchored", json!(receipt));
            }
            Err(why) => {
                insert(&mut found, "code", "not_included".into());
                return Ok(Finding::bad(format!("its receipt: {why} (not_included)"), found));
            }
        }
    }
    if let Some(why) = judge.unknown_revocation(verified) {
        insert(&mut found, "code", why.into());
        let what = format!("whether its key was revoked could not be checked: {why}");
        return Ok(Finding::unchecked(what, found).noting(notes));
    }
    if !judge.has_key() {
        insert(&mut found, "code", "no_trusted_key".into());
        let what = "not verified: no trusted key. The record is whole, and who signed it is unknown: give the key with \
                    `--key`, from someone other than who gave you this";
        return Ok(Finding::unchecked(what, found).noting(notes));
    }
    insert(&mut found, "code", "verified".into());
    let said =
        format!("record of `{}` verified under the key {}", text(record, "/subject"), verified.trusted_key_thumbprint);
    Ok(Finding::holds(said, found).noting(notes))
}

/// Reads a receipt and checks that `record` is in the batch it is from.
pub fn anchored(receipt: &Value, record: &Value) -> Result<Receipt, NotIncluded> {
    let receipt = Receipt::read(receipt)?;
    receipt.verify(record).map(|()| receipt)
}

/// Reads the record in `bytes`, if it is one: a JSON object that names a profile.
pub fn read(bytes: &[u8]) -> Result<Option<Value>> {
    let looks_like_one = serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value.get("eat_profile").is_some());
    if !looks_like_one {
        return Ok(None);
    }
    let record = countersign_evidence::trace::json::read(bytes);
    record.context("the record is JSON that two readers may read differently").map(Some)
}

fn facts(record: &Value, verified: &Verified) -> Value {
    let revocation = &verified.revocation;
    json!({
        "kind": "trace_record",
        "profile": verified.profile,
        "accepted_profiles": verified.accepted_profiles.uris().collect::<Vec<_>>(),
        "subject": record.get("subject"),
        "iat": record.get("iat"),
        "policy": record.get("policy"),
        "tool_transcript": record.get("tool_transcript"),
        "key_thumbprint": verified.trusted_key_thumbprint,
        "revocation": {
            "outcome": revocation.outcome.code(),
            "cause": revocation.cause.map(Cause::code),
            "evidence": revocation.evidence,
        },
        "checks_not_performed": verified.checks_not_performed.iter().map(|check| check.code()).collect::<Vec<_>>(),
    })
}

fn notes(record: &Value, verified: &Verified) -> Vec<String> {
    let issued = record.get("iat").and_then(Value::as_i64).unwrap_or_default();
    let mut notes = vec![
        format!("issued at {}", Timestamp::from_millis(issued.saturating_mul(1000))),
        format!("policy {} ({})", text(record, "/policy/bundle_hash"), text(record, "/policy/enforcement_mode")),
        format!("transcript {}", text(record, "/tool_transcript/hash")),
    ];
    let open: Vec<_> = verified.checks_not_performed.iter().map(|check: &Check| check.code()).collect();
    notes.push(format!("not checked: {}", open.join(", ")));
    notes
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or("none")
}

fn insert(found: &mut Value, name: &str, value: Value) {
    if let Some(members) = found.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
