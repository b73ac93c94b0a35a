//! Transcripts: the bytes that `tool_transcript.hash` is the digest of.
//!
//! Every producer has its own form, so the form has a name, published with the
//! transcript. A verifier tries the one that is declared and no other. Two
//! records link by this hash only if their producers hashed the same bytes.

use countersign_core::Digest;
use sha2::{Digest as _, Sha256};

use super::digest::TaggedDigest;
use super::json::{self, Numbers, Refused};
use super::record::ToolTranscript;

/// How a transcript becomes bytes. The transcript is always a JSON array of
/// entries, and its count is their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The array in RFC 8785 form: ours.
    JcsEntries,
    /// The array of `AuditEntry` objects of the Agent Governance Toolkit, all
    /// members and nulls kept, sorted keys, ASCII, numbers as they are spelled.
    AgtAuditEntries,
}

/// Why a transcript has no hash.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATranscript {
    /// It is not JSON that has one meaning.
    #[error(transparent)]
    Unreadable(#[from] Refused),
    /// It is not an array.
    #[error("a transcript is a JSON array of entries")]
    NotAnArray,
}

/// Hashes entries one after another, in the form [`Form::JcsEntries`].
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    hash: Sha256,
    count: u64,
}

impl Form {
    /// The name published with a transcript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JcsEntries => "jcs-entries/1",
            Self::AgtAuditEntries => "agt-auditentry/1",
        }
    }

    /// The form of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::JcsEntries, Self::AgtAuditEntries].into_iter().find(|form| form.name() == name)
    }
}

/// What a record says of the transcript in `bytes`.
pub fn measure(bytes: &[u8], form: Form) -> Result<ToolTranscript, NotATranscript> {
    let entries = json::read_with(bytes, Numbers::Finite)?;
    let count = entries.as_array().ok_or(NotATranscript::NotAnArray)?.len();
    let hash = match form {
        Form::JcsEntries => TaggedDigest::sha256(&json::jcs_with(&entries, Numbers::Finite)?),
        Form::AgtAuditEntries => TaggedDigest::sha256(json::sorted_ascii_of_text(bytes)?.as_bytes()),
    };
    Ok(ToolTranscript { hash, call_count: u64::try_from(count).ok(), transcript_uri: None })
}

impl Hasher {
    /// A transcript without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. INVARIANT: `entry` is in RFC 8785 form, as entries of the
    /// record are: an array of such is in that form too.
    pub fn push(&mut self, entry: &[u8]) {
        self.hash.update(if self.count == 0 { b"[" } else { b"," });
        self.hash.update(entry);
        self.count += 1;
    }

    /// What a record says of the transcript.
    #[must_use]
    pub fn finish(mut self) -> ToolTranscript {
        self.hash.update(if self.count == 0 { &b"[]"[..] } else { b"]" });
        let hash = Digest::from_bytes(self.hash.finalize().into()).into();
        ToolTranscript { hash, call_count: Some(self.count), transcript_uri: None }
    }
}
