//! Versions of the policies that organisations publish, as they are stored.

use std::sync::Arc;

use countersign_core::id::OrgId;
use countersign_core::{Digest, Timestamp};
use countersign_policy::Fallback;
use serde::{Deserialize, Serialize};

use crate::collection::Stored;

/// How many versions of an organisation keep their texts.
const KEPT: usize = 100;
/// How many bytes of texts an organisation keeps, the version in force not counted.
const KEPT_BYTES: usize = 64 << 20;
/// One version of an organisation's own policies. The last one holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub(crate) key: String,
    pub(crate) org: OrgId,
    /// 1, and one more each time.
    pub number: u64,
    /// What it puts in force; `None` where it takes the policies away.
    pub set: Option<PublishedSet>,
    /// When it was published.
    pub published_at: Timestamp,
    /// The key that ordered it.
    pub by: String,
    /// Why, in the words of who ordered it.
    pub note: String,
    /// The earlier version that this one repeats.
    pub rolled_back_from: Option<u64>,
}

/// A set of a version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishedSet {
    /// Its digest.
    pub digest: Digest,
    /// What holds where it says nothing.
    pub fallback: Fallback,
    /// How many policies it has.
    pub policies: usize,
    /// How many tools it declares.
    pub tools: usize,
    /// How many cases it was tested with.
    pub cases: usize,
    /// How many bytes its texts have.
    pub bytes: usize,
}

/// How many of `versions`, the last of which comes first, keep their texts.
pub(crate) fn kept(versions: &[Arc<Stored<PolicyVersion>>]) -> usize {
    let mut bytes = 0;
    let fits = |(place, version): &(usize, &Arc<Stored<PolicyVersion>>)| {
        bytes += if *place == 0 { 0 } else { version.value.set.as_ref().map_or(0, |set| set.bytes) };
        *place < KEPT && bytes <= KEPT_BYTES
    };
    versions.iter().enumerate().take_while(fits).count()
}

/// The key of a version: keys are in the order of the versions.
pub(crate) fn key(org: &OrgId, number: u64) -> String {
    format!("{org}/{number:010}")
}
