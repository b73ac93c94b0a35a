//! Something was read, and then something is sent: how data leaves.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hash::{self, InvalidHashes};
use super::known::Known;
use super::{Figure, above};
use crate::classify;
use crate::time::Timestamp;

/// For how long a read is remembered.
const MEMORY: Duration = Duration::from_mins(10);
/// How many different tools that read are remembered.
const READS: usize = 8;
/// How many pairs are kept, and as many older ones.
const PAIRS: usize = 128;

/// The words in a tool's name that say that it carries something out.
const EGRESS: &[&str] = &[
    "send", "post", "upload", "publish", "forward", "share", "export", "notify", "push", "transfer", "reply", "submit",
];

/// Whether a tool's name says that it carries something out. Whole words
/// count, as in [`classify`].
#[must_use]
pub fn is_egress(tool: &str) -> bool {
    classify::words(tool).any(|word| EGRESS.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

/// The tools that read in the last minutes, and the pairs of a tool that read
/// and one that sent that are known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    reads: Reads,
    pairs: Known<PAIRS>,
}

/// Tools and when they last read, the latest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<(String, Timestamp)>", into = "Vec<(String, Timestamp)>")]
struct Reads(VecDeque<(u64, Timestamp)>);

impl TryFrom<Vec<(String, Timestamp)>> for Reads {
    type Error = InvalidHashes;

    fn try_from(stored: Vec<(String, Timestamp)>) -> Result<Self, InvalidHashes> {
        if stored.len() > READS {
            return Err(InvalidHashes { most: READS });
        }
        stored.into_iter().map(|(tool, at)| Ok((hash::parse_one(&tool)?, at))).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Reads> for Vec<(String, Timestamp)> {
    fn from(reads: Reads) -> Self {
        reads.0.into_iter().map(|(tool, at)| (hash::print(std::iter::once(tool)), at)).collect()
    }
}

impl Sequence {
    /// With how many of the tools that read lately it would be new that
    /// `tool` sends at `at`.
    #[must_use]
    pub fn judge(&self, tool: u64, at: Timestamp) -> Option<Figure> {
        let new = self.pairs_with(tool, at).filter(|pair| !self.pairs.contains(*pair)).count();
        above(u32::try_from(new).unwrap_or(u32::MAX), 0)
    }

    /// After `tool` sent at `at`.
    #[must_use]
    pub fn sent(mut self, tool: u64, at: Timestamp) -> Self {
        let pairs: Vec<u64> = self.pairs_with(tool, at).collect();
        self.pairs = pairs.into_iter().fold(self.pairs, Known::with);
        self
    }

    /// After `tool` read at `at`.
    #[must_use]
    pub fn read(mut self, tool: u64, at: Timestamp) -> Self {
        self.reads.0.retain(|(known, _)| *known != tool);
        if self.reads.0.len() == READS {
            self.reads.0.pop_front();
        }
        self.reads.0.push_back((tool, at));
        self
    }

    fn pairs_with(&self, tool: u64, at: Timestamp) -> impl Iterator<Item = u64> {
        self.reads
            .0
            .iter()
            .filter(move |(_, read_at)| at.since(*read_at) <= MEMORY)
            .map(move |(read, _)| hash::pair(*read, tool))
    }
}
