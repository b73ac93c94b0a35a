//! Acta receipts (`draft-farley-acta-signed-receipts-02`): a policy gate's
//! decision about a tool call.
//!
//! The signature shows who said it and that it was not changed. The place in
//! the chain, the policy in force and the session are checks of their own, each
//! with an answer of its own.

use countersign_core::{Digest, Timestamp};
use serde_json::Value;

use super::text;
use crate::trace::json;
use crate::trace::key::PublicKey;

/// What a receipt must agree with, besides its signer.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The envelope before it.
    pub predecessor: Option<&'a Value>,
    /// The digest of the policy in force.
    pub policy_digest: &'a str,
    /// The session.
    pub session_id: &'a str,
}

/// Whether a check held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It held.
    Pass,
    /// It did not.
    Fail,
    /// It has nothing to say here.
    NotApplicable,
}

/// Every check, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The envelope has its shape.
    pub structure: Answer,
    /// The key signed the payload.
    pub signature: Answer,
    /// The link is to the envelope before.
    pub chain: Answer,
    /// The policy is the one in force.
    pub policy_freshness: Answer,
    /// The session is this one.
    pub session_binding: Answer,
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}

impl Answer {
    /// The word in the fixtures.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotApplicable => "n/a",
        }
    }
}

/// Judges an envelope. What an unsigned payload says is not looked at.
#[must_use]
pub fn verify(envelope: &Value, key: &PublicKey, expected: &Expected<'_>) -> Outcome {
    let payload = envelope.get("payload").unwrap_or(&Value::Null);
    let is_signed = signature(envelope)
        .is_some_and(|signature| json::jcs(payload).is_ok_and(|body| key.verifies(&body, &signature)));
    let answer = |holds: bool| if is_signed { holds.into() } else { Answer::NotApplicable };
    let link = |before: &Value| json::jcs(before).is_ok_and(|b| text(payload, "previousReceiptHash") == hex(&b));
    Outcome {
        structure: has_shape(envelope, payload).into(),
        signature: is_signed.into(),
        chain: expected.predecessor.map_or(Answer::NotApplicable, |before| answer(link(before))),
        policy_freshness: answer(text(payload, "policy_digest") == expected.policy_digest),
        session_binding: answer(text(payload, "session_id") == expected.session_id),
    }
}

fn hex(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn has_shape(envelope: &Value, payload: &Value) -> bool {
    let has_only = |value: &Value, names: &[&str]| {
        value.as_object().is_some_and(|o| o.len() == names.len() && names.iter().all(|name| o.contains_key(*name)))
    };
    let signature = envelope.get("signature").unwrap_or(&Value::Null);
    let issued = text(payload, "issued_at");
    has_only(envelope, &["payload", "signature"])
        && has_only(signature, &["alg", "kid", "sig"])
        && text(signature, "alg") == "EdDSA"
        && text(payload, "type") == "protectmcp:decision"
        && matches!(text(payload, "decision"), "allow" | "deny" | "rate_limit")
        && text(payload, "issuer_id") == text(signature, "kid")
        && Timestamp::parse(issued).is_ok()
        && issued.ends_with('Z')
}

/// The 64 bytes that `sig` spells in lower-case hex.
fn signature(envelope: &Value) -> Option<Vec<u8>> {
    let digits = envelope.pointer("/signature/sig")?.as_str()?;
    let (first, second) = digits.split_at_checked(64)?;
    let half = |hex: &str| Digest::parse(hex).ok().map(|digest| *digest.as_bytes());
    Some([half(first)?, half(second)?].concat())
}
