//! What was seen before, in bounded memory, and whether it is news that
//! something was not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::hash::{self, InvalidHashes};
use super::{Figure, LEARNING_CALLS};

/// From which share on, in permille, new things are this agent's custom and
/// no longer worth a word each.
const CUSTOM_PERMILLE: u32 = 100;

/// At most `2 × MOST` things that were seen. When `MOST` are new or seen again
/// since the last time, all others are forgotten. What is forgotten is new
/// again: the error asks for more scrutiny, not for less.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "StoredKnown", into = "StoredKnown")]
pub struct Known<const MOST: usize> {
    recent: BTreeSet<u64>,
    older: BTreeSet<u64>,
}

/// Each a row of 16 lower-case hex digits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKnown {
    recent: String,
    older: String,
}

impl<const MOST: usize> TryFrom<StoredKnown> for Known<MOST> {
    type Error = InvalidHashes;

    fn try_from(stored: StoredKnown) -> Result<Self, InvalidHashes> {
        let read = |text: &str| Ok(hash::parse(text, MOST)?.into_iter().collect());
        Ok(Self { recent: read(&stored.recent)?, older: read(&stored.older)? })
    }
}

impl<const MOST: usize> From<Known<MOST>> for StoredKnown {
    fn from(known: Known<MOST>) -> Self {
        Self { recent: hash::print(known.recent.into_iter()), older: hash::print(known.older.into_iter()) }
    }
}

impl<const MOST: usize> Known<MOST> {
    /// Whether it was seen.
    #[must_use]
    pub fn contains(&self, thing: u64) -> bool {
        self.recent.contains(&thing) || self.older.contains(&thing)
    }

    /// With one that was seen now.
    #[must_use]
    pub fn with(mut self, thing: u64) -> Self {
        if self.recent.len() >= MOST && !self.recent.contains(&thing) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(thing);
        self
    }
}

/// What was seen, and how often something new is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstSeen<const MOST: usize> {
    known: Known<MOST>,
    /// How many were seen, new or not, up to [`LEARNING_CALLS`].
    taught: u32,
    /// How many in a thousand are new, times 1,024; one counts a 64th.
    novelty: u32,
}

impl<const MOST: usize> FirstSeen<MOST> {
    /// Whether it was never seen.
    #[must_use]
    pub fn is_new(&self, thing: u64) -> bool {
        !self.known.contains(thing)
    }

    /// One thing that is new where little is: after enough calls, and unless
    /// more than a tenth of the latest were new.
    #[must_use]
    pub fn news(&self, thing: u64) -> Option<Figure> {
        let is_news = self.taught >= LEARNING_CALLS && self.novelty / 1_024 <= CUSTOM_PERMILLE && self.is_new(thing);
        is_news.then_some(Figure { measured: 1, limit: 0 })
    }

    /// After a call that was allowed. Others teach nothing: what was refused
    /// once is as new the second time.
    #[must_use]
    pub fn step(self, thing: u64) -> Self {
        let share = if self.is_new(thing) { 1_000 * 1_024 / 64 } else { 0 };
        Self {
            taught: self.taught.saturating_add(1).min(LEARNING_CALLS),
            novelty: self.novelty - self.novelty / 64 + share,
            known: self.known.with(thing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(things: &[u64]) -> Known<2> {
        things.iter().fold(Known::default(), |known, thing| known.with(*thing))
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_forgotten_is_new_again() {
        assert!(after(&[1, 2, 3, 4]).contains(1));
        assert!(!after(&[1, 2, 3, 4, 5]).contains(1));
        let known = after(&(0..1_000).collect::<Vec<_>>());
        assert!(known.recent.len() + known.older.len() <= 4);
    }

    #[test]
    fn what_is_used_again_is_not_forgotten() {
        assert!(after(&[1, 2, 3, 1, 5]).contains(1));
        assert!(!after(&[1, 2, 3, 1, 5]).contains(2));
    }
}
