//! Verifying a TRACE record by itself.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_core::Timestamp;
use countersign_evidence::log::checkpoint::Checkpoint;
use countersign_evidence::log::note::Note;
use countersign_evidence::log::receipt::HEADER;
use countersign_evidence::trace::anchor::{NotIncluded, Receipt};
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::revocation::{Cause, Known, Outcome, Position};
use countersign_evidence::trace::verify::{Check, Demands, Trust, Verdict, Verified, verify};
use serde_json::{Value, json};

use super::anchor::Anchor;
use super::keys::{LogKeys, NO_KEY, json_file, public_keys};
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
    /// A TRACE record's receipt: of the batch it was anchored in, as JSON, or the log's, for the entry that anchors it
    #[arg(long = "receipt", value_name = "FILE")]
    receipts: Vec<PathBuf>,
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

    /// Judges a record that was shown to be logged at `position`, if it was.
    pub fn verdict(&self, record: &Value, position: Option<Position<'_>>) -> Verdict {
        let (bundle, bundle_keys) = (self.bundle.as_ref(), self.bundle_keys.as_slice());
        let known = Known { bundle, bundle_keys, position, ..Known::default() };
        let trust = if self.has_key() { Trust::AnyOf(&self.keys) } else { Trust::Embedded };
        verify(record, trust, &Demands { max_age: self.max_age, revocation: known, ..Demands::at(self.now) })
    }

    /// Why it is not known whether the key was revoked, where that was to be found out.
    pub fn unknown_revocation(&self, verified: &Verified) -> Option<&'static str> {
        let open = self.bundle.is_some() && verified.revocation.outcome != Outcome::Verified;
        open.then(|| verified.revocation.cause.map_or("no_check_performed", Cause::code))
    }
}

/// Verifies a record at the time `now`; `log` are the keys of the log that may have anchored it.
pub fn record(record: &Value, terms: &RecordTerms, log: &LogKeys, now: Timestamp) -> Result<Finding> {
    let judge = Judge::load(terms, now)?;
    let shown = match receipts(record, &terms.receipts, log)? {
        Ok(shown) => shown,
        Err(why) => {
            let found = json!({ "kind": "trace_record", "code": "not_included" });
            return Ok(Finding::bad(format!("its receipt: {why} (not_included)"), found));
        }
    };
    let verdict = judge.verdict(record, shown.anchor.as_ref().map(Anchor::position));
    let verified = match &verdict {
        Verdict::Verified(verified) => verified,
        Verdict::Refused(refusal) => {
            let (code, message) = (refusal.code(), refusal.to_string());
            let found = json!({ "kind": "trace_record", "code": code, "subject": record.get("subject") });
            return Ok(Finding::bad(format!("{message} ({code})"), found));
        }
    };
    let open = verified.checks_not_performed.iter().copied();
    let open: Vec<_> = open.filter(|check| *check != Check::Inclusion || shown.anchor.is_none()).collect();
    let mut found = facts(record, verified, &open);
    let mut notes = notes(record, &open);
    notes.extend(shown.notes);
    if let Some(batch) = &shown.batch {
        insert(&mut found, "anchored", json!(batch));
    }
    if let Some(anchor) = &shown.anchor {
        let (log, entry) = (anchor.checkpoint.origin().as_str(), &anchor.index);
        insert(&mut found, "logged", json!({ "log": log, "entry": entry, "session": anchor.session }));
    }
    if let Some(why) = judge.unknown_revocation(verified) {
        insert(&mut found, "code", why.into());
        let what = format!("whether its key was revoked could not be checked: {why}");
        return Ok(Finding::unchecked(what, found).noting(notes));
    }
    if !judge.has_key() && shown.anchor.is_none() {
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

/// What receipts show.
#[derive(Default)]
struct Shown {
    batch: Option<Receipt>,
    anchor: Option<Anchor>,
    notes: Vec<String>,
}

/// Reads the receipts in `files`, or says what is wrong with one.
fn receipts(record: &Value, files: &[PathBuf], log: &LogKeys) -> Result<Result<Shown, String>> {
    let mut shown = Shown::default();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        if !bytes.starts_with(HEADER.as_bytes()) {
            match anchored(&json_file(file)?, record) {
                Ok(receipt) => shown.batch = Some(receipt),
                Err(why) => return Ok(Err(why.to_string())),
            }
            continue;
        }
        let mut is_signed = false;
        let opened = |note: &Note| {
            let opened = log.open(note).map_err(|why| format!("its checkpoint: {why}"))?;
            is_signed = opened.is_some();
            opened.map_or_else(|| Checkpoint::parse(note.text()).map_err(|why| why.to_string()), |o| Ok(o.checkpoint))
        };
        match Anchor::read(&bytes, record, opened) {
            Err(why) => return Ok(Err(why)),
            Ok(anchor) if is_signed => {
                let log = anchor.checkpoint.origin();
                shown.notes.push(format!("anchored by entry {} of `{log}`, which names its key", anchor.index));
                shown.anchor = Some(anchor);
            }
            Ok(_) => shown.notes.push(format!("the log's receipt fits, but not that it is the log's: {NO_KEY}")),
        }
    }
    match (&shown.batch, &shown.anchor) {
        (Some(batch), Some(anchor)) if batch.merkle_root.as_str() != anchor.root => {
            return Ok(Err("the log anchors another batch".to_owned()));
        }
        (Some(batch), None) => {
            let (count, root) = (batch.leaf_count, batch.merkle_root.as_str());
            let open = "that the root was published was not checked";
            shown.notes.push(format!("in a batch of {count} under the root {root}; {open}"));
        }
        _ => (),
    }
    Ok(Ok(shown))
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

fn facts(record: &Value, verified: &Verified, open: &[Check]) -> Value {
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
        "checks_not_performed": open.iter().map(|check| check.code()).collect::<Vec<_>>(),
    })
}

fn notes(record: &Value, open: &[Check]) -> Vec<String> {
    let issued = record.get("iat").and_then(Value::as_i64).unwrap_or_default();
    let mut notes = vec![
        format!("issued at {}", Timestamp::from_millis(issued.saturating_mul(1000))),
        format!("policy {} ({})", text(record, "/policy/bundle_hash"), text(record, "/policy/enforcement_mode")),
        format!("transcript {}", text(record, "/tool_transcript/hash")),
    ];
    let open: Vec<_> = open.iter().map(|check| check.code()).collect();
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
