//! Action receipts: what an outside controller says about one call.
//!
//! A receipt is not a Trust Record. It is a signed statement, bound to a call, a
//! session and an action, chained to the one before, and believed only under a
//! key that was pinned; a receipt cannot vouch for itself. It says what its
//! issuer decided, never that the world changed accordingly.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::Timestamp;
use serde_json::Value;

use super::digest::TaggedDigest;
use super::json;
use super::key::PublicKey;

pub mod acta;
pub mod gap;

/// The keys a verifier has pinned, by their exact id.
pub type Ring = BTreeMap<String, PublicKey>;

/// What a receipt must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The call.
    pub call_id: &'a str,
    /// The session.
    pub session_id: &'a str,
    /// The digest of the receipt before.
    pub previous_receipt_hash: &'a str,
    /// The time of the verification.
    pub now: Timestamp,
    /// How old a receipt may be.
    pub max_age: Duration,
}

/// An action, its detached evidence, and the receipt for it, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The action, with its `action_ref`.
    pub action: &'a Value,
    /// What the controller saw.
    pub evidence: &'a Value,
    /// The receipt. Null is none.
    pub receipt: Option<&'a Value>,
}

/// What a receipt is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The controller accepted the action.
    ValidAccepted,
    /// The controller rejected it: valid evidence too.
    ValidRejected,
    /// There is none, and one was required.
    MissingRequired,
    /// Something about it is wrong.
    Invalid,
    /// Nothing is wrong that could be checked, and its key is not pinned.
    Unverified,
}

/// The answer for one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the receipt is worth.
    pub status: Status,
    /// What the controller decided; `unknown` unless the receipt is valid.
    pub controller_outcome: String,
    /// What is wrong, in the reference's order and words.
    pub failures: Vec<&'static str>,
    /// What a reader should know.
    pub warnings: Vec<&'static str>,
}

/// The members of an action that its `action_ref` is the digest of.
const ACTION_REF: [&str; 4] = ["agent_id", "action_type", "action_scope", "action_timestamp"];

/// Judges the receipt for an action that requires one.
#[must_use]
pub fn verify(case: &Case<'_>, keys: &Ring, expected: &Expected<'_>) -> Outcome {
    let Some(receipt) = case.receipt.filter(|receipt| !receipt.is_null()) else {
        return Outcome::unknown(Status::MissingRequired, vec!["receipt_missing"], Vec::new());
    };
    let (action, evidence) = (case.action, case.evidence);
    let key = keys.get(text(receipt, "issuer_key_id"));
    let age = age_millis(receipt, expected.now);
    let max_age = i64::try_from(expected.max_age.as_millis()).unwrap_or(i64::MAX);
    let decision = text(receipt, "decision");
    let is = |holds: bool, code: &'static str| (!holds).then_some(code);
    let failures = [
        is(is_digest_of(text(action, "action_ref"), &action_preimage(action)), "action_ref_invalid"),
        is(same(receipt, "action_ref", text(action, "action_ref")), "action_ref_mismatch"),
        is(same(receipt, "linked_call_id", expected.call_id), "call_id_mismatch"),
        is(same(receipt, "session_id", expected.session_id), "session_id_mismatch"),
        is(is_digest_of(text(receipt, "evidence_hash"), evidence), "evidence_hash_mismatch"),
        is(key.is_none_or(|key| key.signed_at(receipt, "signature")), "signature_or_key_mismatch"),
        is(age.is_some_and(|age| age <= max_age), "receipt_stale"),
        is(age.is_none_or(|age| age >= 0), "receipt_from_future"),
        is(same(receipt, "previous_receipt_hash", expected.previous_receipt_hash), "receipt_chain_gap"),
        is(same(evidence, "physical_completion_claim", "none"), "unsupported_physical_completion_claim"),
        is(matches!(decision, "accepted" | "rejected"), "decision_invalid"),
    ];
    let warnings = [
        is(key.is_some(), "issuer_key_unknown"),
        is(text(receipt, "issuer_independence") != "gateway_self_report", "issuer_not_independent"),
    ];
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    let warnings: Vec<_> = warnings.into_iter().flatten().collect();
    match (failures.is_empty(), key) {
        (false, _) => Outcome::unknown(Status::Invalid, failures, warnings),
        (true, None) => Outcome::unknown(Status::Unverified, failures, warnings),
        (true, Some(_)) => Outcome {
            status: if decision == "accepted" { Status::ValidAccepted } else { Status::ValidRejected },
            controller_outcome: text(evidence, "terminal_state").to_owned(),
            failures,
            warnings,
        },
    }
}

impl Outcome {
    fn unknown(status: Status, failures: Vec<&'static str>, warnings: Vec<&'static str>) -> Self {
        Self { status, controller_outcome: "unknown".to_owned(), failures, warnings }
    }
}

impl Status {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ValidAccepted => "receipt_valid_accepted",
            Self::ValidRejected => "receipt_valid_rejected",
            Self::MissingRequired => "receipt_missing_required",
            Self::Invalid => "receipt_invalid",
            Self::Unverified => "receipt_unverified",
        }
    }
}

/// What an action's `action_ref` is the digest of.
fn action_preimage(action: &Value) -> Value {
    let kept = ACTION_REF.iter().filter_map(|name| Some(((*name).to_owned(), action.get(name)?.clone())));
    Value::Object(kept.collect())
}

/// Whether `claimed` is the digest of the RFC 8785 form of `value`.
fn is_digest_of(claimed: &str, value: &Value) -> bool {
    json::jcs(value).is_ok_and(|bytes| TaggedDigest::sha256(&bytes).as_str() == claimed)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a member is there and is exactly this; ids are opaque.
fn same(value: &Value, name: &str, expected: &str) -> bool {
    !expected.is_empty() && value.get(name).and_then(Value::as_str) == Some(expected)
}

fn age_millis(receipt: &Value, now: Timestamp) -> Option<i64> {
    let issued = Timestamp::parse(text(receipt, "issued_at")).ok()?;
    Some(now.as_millis().saturating_sub(issued.as_millis()))
}
