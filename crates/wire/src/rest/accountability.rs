//! Accountability: what was recorded, and whether it fits together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::session::Session;
use crate::raw::Json;

/// Ends a session.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct SessionClose {
    /// The session, closed before, of the agent that delegated to this one: the
    /// record then names that session's record as its parent. Only for a
    /// session that was started from a delegation.
    #[serde(default)]
    pub parent_session: Option<String>,
    /// A verifier's challenge of 1 to 256 printable ASCII characters, which the
    /// record gives back as `runtime.nonce`.
    #[serde(default)]
    pub nonce: Option<String>,
}

/// What holds of a session now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionAccount {
    /// The session.
    pub session: Session,
    /// `intact`, or `altered` where its integrity tag does not hold.
    pub integrity: String,
    /// Whether its Trust Record is made.
    pub traced: bool,
    /// The log's last signed checkpoint; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub checkpoint: Option<String>,
}

/// A session, replayed from its first entry.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionVerification {
    /// The session.
    pub session_id: String,
    /// Whether the replay leads to where the chain stands, the integrity tag
    /// holds, and every published entry is in the tree.
    pub verified: bool,
    /// `intact`, or `altered` where its integrity tag does not hold.
    pub integrity: String,
    /// How many entries were replayed.
    pub entries: u64,
    /// The head that the replay leads to: 64 lower-case hex digits.
    pub head: String,
    /// The head that the server goes on from.
    pub expected_head: String,
    /// How many decisions the replay counts.
    pub total_calls: u64,
    /// How many of its entries are shown to be under the checkpoint.
    pub included: u64,
    /// How many are newer than it.
    pub pending: u64,
    /// What does not fit, and where; absent where all does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fault: Option<ReplayFault>,
    /// The log's last signed checkpoint; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub checkpoint: Option<String>,
}

/// Where a replay stopped fitting.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReplayFault {
    /// The entry's index in the log.
    pub index: u64,
    /// What is wrong with it.
    pub message: String,
}

/// Entries in the order of the log, each with the proof that it is in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Entries {
    /// The signed checkpoint that the proofs are for; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub checkpoint: Option<String>,
    /// The entries.
    pub entries: Vec<ProvenEntry>,
    /// Where the next page begins: `from` of the next request; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<u64>,
}

/// An entry and its place in the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProvenEntry {
    /// The entry as it is in the ledger: what a verifier hashes.
    pub entry: Json,
    /// How many entries come before it.
    pub index: u64,
    /// The hashes beside the way from the entry to the root, in base 64;
    /// absent where the entry is newer than the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub proof: Option<Vec<String>>,
}
