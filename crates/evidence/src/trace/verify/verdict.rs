//! What a verifier answers.

use std::time::Duration;

use crate::trace::citation::Citations;
use crate::trace::json;
use crate::trace::profile::{AcceptedProfiles, Profile};
use crate::trace::revocation::{RevocationCheck, Revoked};
use crate::trace::schema::Violation;

/// The answer to "can this record be believed?".
#[derive(Debug, Clone)]
#[must_use = "a verdict that is not read verifies nothing"]
pub enum Verdict {
    /// The trusted key signed it, and every check asked for holds.
    Verified(Box<Verified>),
    /// It cannot be believed, for the first reason found.
    Refused(Refusal),
}

/// A record that verified, and under what.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The profile it was read under.
    pub profile: Profile,
    /// All the profiles the verifier accepts.
    pub accepted_profiles: AcceptedProfiles,
    /// The RFC 7638 thumbprint of the key that signed.
    pub trusted_key_thumbprint: String,
    /// What is known about the key's revocation. Only
    /// [`Outcome::Verified`](crate::trace::revocation::Outcome::Verified) may be
    /// reported as affirming.
    pub revocation: RevocationCheck,
    /// What came of the objects the record cites.
    pub citations: Citations,
    /// What nobody looked at.
    pub checks_not_performed: Vec<Check>,
}

/// Why a record cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not a JSON object.
    #[error("a record is a JSON object")]
    NotAnObject,
    /// It does not say what it means.
    #[error("the record names no profile")]
    ProfileAbsent,
    /// It means something this verifier does not implement.
    #[error("profile `{profile}` is not accepted{}", if *superseded { ": v0.1 is superseded" } else { "" })]
    ProfileNotAccepted {
        /// The profile it names.
        profile: String,
        /// Whether that is v0.1.
        superseded: bool,
    },
    /// It is not signed.
    #[error("the record is not signed")]
    SignatureMissing,
    /// Its signature is not base64url in its one spelling.
    #[error("the signature is not canonical unpadded base64url")]
    SignatureEncoding,
    /// It does not have the shape of its profile.
    #[error("not a Trust Record: {0}")]
    Schema(Violation),
    /// No trusted key is the one it names.
    #[error("no trusted key is the one that the record names")]
    KeyUntrusted(Option<String>),
    /// It names another key than the trusted one.
    #[error("the record names another key than the trusted one")]
    KeyMismatch,
    /// The key was revoked.
    #[error("the key `{0}` is revoked")]
    KeyRevoked(String),
    /// Whether the key was revoked could not be found out, and an answer that
    /// is missing is not a good answer.
    #[error("whether the key is revoked could not be found out: {0}")]
    RevocationUnavailable(String),
    /// It is dated too far ahead.
    #[error("dated {} s in the future", ahead.as_secs())]
    FromFuture {
        /// How far.
        ahead: Duration,
    },
    /// It is too old.
    #[error("{} s old", age.as_secs())]
    Stale {
        /// How old.
        age: Duration,
    },
    /// It does not give the challenge back.
    #[error("`runtime.nonce` is not the challenge")]
    NonceMismatch,
    /// It has no RFC 8785 form to sign.
    #[error("no canonical form: {0}")]
    NotCanonicalizable(json::Refused),
    /// The trusted key did not sign it.
    #[error("the signature does not verify under the trusted key")]
    SignatureInvalid,
}

/// A check that a verifier may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// That the key is the issuer's.
    KeyTrust,
    /// That the record is recent.
    Age,
    /// That the record answers a challenge.
    Challenge,
    /// That the key was not revoked when the record was logged.
    Revocation,
    /// That the platform is what it says, down to its maker's root.
    Hardware,
    /// That the measurement is of what the producer documents.
    Measurement,
    /// That the policy is the one the verifier expects.
    PolicyBundle,
    /// That the transcript hashes to what the record says.
    Transcript,
    /// That the delegation reaches a trusted root.
    Delegation,
    /// That the record is in the log it names.
    Inclusion,
    /// That the build resolves to a trusted builder.
    BuildProvenance,
    /// That what the record cites can be had.
    Citations,
}

impl From<Revoked> for Refusal {
    fn from(revoked: Revoked) -> Self {
        match revoked {
            Revoked::Key(name) => Self::KeyRevoked(name),
            Revoked::Unknown(why) => Self::RevocationUnavailable(why),
        }
    }
}

impl Verdict {
    /// The record's verification, unless it was refused.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Verified(verified) => Some(verified),
            Self::Refused(_) => None,
        }
    }

    /// The reason, if it was refused.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Verified(_) => None,
            Self::Refused(refusal) => Some(refusal),
        }
    }
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::ProfileAbsent => "profile_absent",
            Self::ProfileNotAccepted { .. } => "profile_not_accepted",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureEncoding => "signature_encoding",
            Self::Schema(_) => "schema",
            Self::KeyUntrusted(_) => "key_untrusted",
            Self::KeyMismatch => "key_mismatch",
            Self::KeyRevoked(_) => "key_revoked",
            Self::RevocationUnavailable(_) => "revocation_unavailable",
            Self::FromFuture { .. } => "from_future",
            Self::Stale { .. } => "stale",
            Self::NonceMismatch => "nonce_mismatch",
            Self::NotCanonicalizable(_) => "not_canonicalizable",
            Self::SignatureInvalid => "signature_invalid",
        }
    }
}

impl Check {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeyTrust => "key_trust",
            Self::Age => "age",
            Self::Challenge => "challenge",
            Self::Revocation => "revocation",
            Self::Hardware => "hardware",
            Self::Measurement => "measurement",
            Self::PolicyBundle => "policy_bundle",
            Self::Transcript => "transcript",
            Self::Delegation => "delegation",
            Self::Inclusion => "inclusion",
            Self::BuildProvenance => "build_provenance",
            Self::Citations => "citations",
        }
    }
}
