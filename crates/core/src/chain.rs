//! The chain of a session: a digest over everything recorded in it, and the
//! counts and the taint that follow from it.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::effect::Effect;
use crate::taint::Taint;

/// How many calls a session has made. `total` counts every decision; `read`
/// and `write` those allowed, `denied` those denied. A call that waits for an
/// approval is in `total` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Every decision.
    pub total: u64,
    /// Allowed calls that change nothing.
    pub read: u64,
    /// Allowed calls that change something.
    pub write: u64,
    /// Denied calls.
    pub denied: u64,
}

/// What one decision adds to a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// An allowed call with this effect.
    Allowed(Effect),
    /// A denied call.
    Denied,
    /// A call that waits for an approval.
    Waiting,
}

impl Tally {
    /// The tally after one more decision.
    #[must_use]
    pub const fn step(mut self, count: Count) -> Self {
        self.total += 1;
        match count {
            Count::Allowed(Effect::Read) => self.read += 1,
            Count::Allowed(_) => self.write += 1,
            Count::Denied => self.denied += 1,
            Count::Waiting => {}
        }
        self
    }
}

/// Where a chain stands: how many entries it has, the digest over them, and
/// what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// How many entries the chain has; the next entry's index.
    pub length: u64,
    /// `SHA-256(head ‖ entry)` folded over every entry, where `head` is its 64
    /// lower-case hex digits as ASCII, beginning with 64 zeros.
    pub head: Digest,
    /// What the chain's decisions add up to.
    pub tally: Tally,
    /// What was taken in.
    pub taint: Taint,
}

impl Chain {
    /// A chain without entries.
    pub const GENESIS: Self = Self {
        length: 0,
        head: Digest::ZERO,
        tally: Tally { total: 0, read: 0, write: 0, denied: 0 },
        taint: Taint::NONE,
    };

    /// The chain with one more entry.
    #[must_use]
    pub fn step(self, entry: &[u8], count: Option<Count>) -> Self {
        Self {
            length: self.length + 1,
            head: Digest::of_two(&self.head.hex(), entry),
            tally: count.map_or(self.tally, |c| self.tally.step(c)),
            taint: self.taint,
        }
    }

    /// The same chain after more was taken in.
    #[must_use]
    pub const fn tainted(mut self, by: Taint) -> Self {
        self.taint = self.taint.join(by);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_the_digest_of_the_old_head_in_hex_and_the_entry() {
        let genesis = "0".repeat(64);
        let one = Chain::GENESIS.step(b"entry", None);
        assert_eq!(one.head, Digest::of(format!("{genesis}entry").as_bytes()));
        assert_eq!(one.length, 1);
    }

    #[test]
    fn a_waiting_call_is_counted_but_is_neither_a_write_nor_a_denial() {
        let tally = Tally::default().step(Count::Waiting);
        assert_eq!(tally, Tally { total: 1, ..Tally::default() });
    }
}
