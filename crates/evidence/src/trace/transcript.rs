//! Transcripts: the bytes that `tool_transcript.hash` is the digest of.
//!
//! Every producer has its own form, so the form has a name, published with the
//! transcript. A verifier tries the one that is declared and no other. Two
//! records link by this hash only if their producers hashed the same bytes.

use countersign_core::chain::Chain;

use super::digest::TaggedDigest;
use super::json::{self, Numbers, Refused};
use super::record::ToolTranscript;

/// How a transcript becomes a digest. The transcript is always a JSON array of
/// entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// What a server records: the head of the session's chain after its last
    /// entry, folded over the entries as [`Chain::step`] says. The count is of
    /// those that are decisions.
    Chain,
    /// The array in RFC 8785 form. The count is of the entries.
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

impl Form {
    /// The name published with a transcript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "countersign-chain/1",
            Self::JcsEntries => "jcs-entries/1",
            Self::AgtAuditEntries => "agt-auditentry/1",
        }
    }

    /// The form of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Chain, Self::JcsEntries, Self::AgtAuditEntries].into_iter().find(|form| form.name() == name)
    }
}

/// What a record says of the transcript in `bytes`.
pub fn measure(bytes: &[u8], form: Form) -> Result<ToolTranscript, NotATranscript> {
    let read = json::read_with(bytes, Numbers::Finite)?;
    let entries = read.as_array().ok_or(NotATranscript::NotAnArray)?;
    let mut count = entries.len();
    let hash = match form {
        Form::Chain => {
            count = entries.iter().filter(|entry| entry.get("kind").is_some_and(|kind| kind == "decision")).count();
            let step = |chain: Chain, entry| json::jcs(entry).map(|bytes| chain.step(&bytes, None));
            entries.iter().try_fold(Chain::GENESIS, step)?.head.into()
        }
        Form::JcsEntries => TaggedDigest::sha256(&json::jcs_with(&read, Numbers::Finite)?),
        Form::AgtAuditEntries => TaggedDigest::sha256(json::sorted_ascii_of_text(bytes)?.as_bytes()),
    };
    Ok(ToolTranscript { hash, call_count: u64::try_from(count).ok(), transcript_uri: None })
}
