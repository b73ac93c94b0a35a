//! Gap disclosures: an issuer says that receipts of its chain were lost.
//!
//! A disclosure is spliced into the chain like a receipt: it links back, and
//! what comes after links back to it. That splice, and nothing it says, is what
//! it covers. At the end of a chain nothing seals it yet, and a chain that was
//! cut there looks the same: so it is granted nothing until the chain goes on.

use serde_json::Value;

use super::{Ring, is_digest_of, same, text};

/// Where in its chain a disclosure stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The session.
    pub session_id: &'a str,
    /// The digest of the element before it, if the verifier has that element.
    pub predecessor: Option<&'a str>,
    /// The keys that may disclose for this chain: that of the element before,
    /// and its permitted ancestors.
    pub permitted_key_ids: &'a [&'a str],
    /// What the element after it links to, if there is one.
    pub successor_link: Option<&'a str>,
    /// Whether an element that it says is lost is there.
    pub is_contradicted: bool,
}

/// What a disclosure is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is spliced in and sealed.
    Disclosed,
    /// Something about it is wrong, which is worse than silence.
    Invalid,
    /// Its key is not pinned, or nothing seals it yet.
    Unverified,
}

/// The answer for one disclosure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it is worth.
    pub status: Status,
    /// What is wrong, in the reference's order and words.
    pub failures: Vec<&'static str>,
    /// What a reader should know.
    pub warnings: Vec<&'static str>,
}

/// Judges a disclosure.
#[must_use]
pub fn verify(disclosure: &Value, keys: &Ring, place: &Place<'_>) -> Outcome {
    let issuer = text(disclosure, "issuer_key_id");
    let key = keys.get(issuer);
    let is = |holds: bool, code: &'static str| (!holds).then_some(code);
    let links_back = place.predecessor.is_some_and(|hash| same(disclosure, "previous_receipt_hash", hash));
    let is_sealed = place.successor_link.is_none_or(|link| is_digest_of(link, disclosure));
    let failures = [
        is(key.is_none_or(|key| key.signed_at(disclosure, "signature")), "disclosure_signature_invalid"),
        is(same(disclosure, "type", "GapDisclosure/1.0"), "disclosure_type_unsupported"),
        is(place.permitted_key_ids.contains(&issuer), "disclosure_issuer_not_chain_key"),
        is(same(disclosure, "session_id", place.session_id), "disclosure_stream_mismatch"),
        is(links_back, "disclosure_predecessor_absent"),
        is(!place.is_contradicted, "disclosure_contradicted"),
        is(is_sealed, "disclosure_not_sealed_by_successor"),
    ];
    let warnings =
        [is(key.is_some(), "disclosure_key_unknown"), is(place.successor_link.is_some(), "disclosure_not_yet_sealed")];
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    let warnings: Vec<_> = warnings.into_iter().flatten().collect();
    match (failures.is_empty(), warnings.is_empty()) {
        (false, _) => Outcome { status: Status::Invalid, failures, warnings },
        (true, false) => Outcome { status: Status::Unverified, failures, warnings },
        (true, true) => Outcome { status: Status::Disclosed, failures, warnings: vec![Status::Disclosed.code()] },
    }
}

impl Status {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Disclosed => "receipt_gap_disclosed",
            Self::Invalid => "receipt_invalid",
            Self::Unverified => "gap_disclosure_unverified",
        }
    }
}
