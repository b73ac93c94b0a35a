//! How evenly the last calls are spread over tools: the Shannon entropy of
//! the last 64, in thousandths of a bit.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::hash::{self, InvalidHashes};
use super::{Figure, above};

/// How many calls are looked at.
const CALLS: usize = 64;
/// How far the entropy may be from what is usual: one and a half bits.
const DISTANCE: u32 = 1_500;

/// `round(1000 × log2(n))`; of zero, zero.
#[rustfmt::skip]
const LOG2: [u32; CALLS + 1] = [
    0, 0, 1000, 1585, 2000, 2322, 2585, 2807, 3000, 3170, 3322, 3459, 3585, 3700, 3807, 3907, 4000, 4087, 4170, 4248,
    4322, 4392, 4459, 4524, 4585, 4644, 4700, 4755, 4807, 4858, 4907, 4954, 5000, 5044, 5087, 5129, 5170, 5209, 5248,
    5285, 5322, 5358, 5392, 5426, 5459, 5492, 5524, 5555, 5585, 5615, 5644, 5672, 5700, 5728, 5755, 5781, 5807, 5833,
    5858, 5883, 5907, 5931, 5954, 5977, 6000,
];

/// The tools of the last calls, and the entropy that is usual.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "StoredTools", into = "StoredTools")]
pub struct Tools {
    last: VecDeque<u64>,
    /// `Σ n × log2(n)` over the tools, `n` being how often one is in `last`.
    sum: u32,
    /// The usual entropy times 1,024, once there were enough calls; a call
    /// counts a 256th.
    usual: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTools {
    /// The oldest first, each 16 lower-case hex digits.
    last: String,
    usual: Option<u32>,
}

impl TryFrom<StoredTools> for Tools {
    type Error = InvalidHashes;

    fn try_from(stored: StoredTools) -> Result<Self, InvalidHashes> {
        let last = hash::parse(&stored.last, CALLS)?;
        let tools = last.into_iter().fold(Self::default(), Self::pushed);
        Ok(Self { usual: stored.usual.map(|usual| usual.min(6_000 * 1_024)), ..tools })
    }
}

impl From<Tools> for StoredTools {
    fn from(tools: Tools) -> Self {
        Self { last: hash::print(tools.last.into_iter()), usual: tools.usual }
    }
}

impl Tools {
    /// Whether one more call to `tool` would spread the last ones over more
    /// tools than usual, and over fewer.
    #[must_use]
    pub fn judge(&self, tool: u64) -> (Option<Figure>, Option<Figure>) {
        let Some(usual) = self.usual else { return (None, None) };
        let (usual, now) = (usual / 1_024, entropy(self.sum_with(tool)));
        let least = usual.saturating_sub(DISTANCE);
        let low = (now < least).then_some(Figure { measured: now, limit: least });
        (above(now, usual + DISTANCE), low)
    }

    /// After one more call.
    #[must_use]
    pub fn step(self, tool: u64) -> Self {
        let after = self.pushed(tool);
        if after.last.len() < CALLS {
            return after;
        }
        let now = entropy(after.sum);
        let usual = after.usual.map_or(now * 1_024, |usual| usual - usual / 256 + now * 4);
        Self { usual: Some(usual), ..after }
    }

    fn pushed(mut self, tool: u64) -> Self {
        self.sum = self.sum_with(tool);
        if self.last.len() == CALLS {
            self.last.pop_front();
        }
        self.last.push_back(tool);
        self
    }

    /// The sum after one more call, of which the oldest may make room.
    fn sum_with(&self, tool: u64) -> u32 {
        let times = |wanted: u64| self.last.iter().filter(|tool| **tool == wanted).count();
        let leaving = self.last.front().copied().filter(|_| self.last.len() == CALLS);
        if leaving == Some(tool) {
            return self.sum;
        }
        let left = leaving.map_or(0, times);
        let here = times(tool);
        self.sum + part(left.saturating_sub(1)) + part(here + 1) - part(left) - part(here)
    }
}

/// `n × log2(n)`.
fn part(times: usize) -> u32 {
    LOG2.get(times).zip(u32::try_from(times).ok()).map_or(0, |(log2, n)| log2 * n)
}

/// The entropy of a full window: `log2(64) − sum / 64`.
const fn entropy(sum: u32) -> u32 {
    6_000_u32.saturating_sub(sum / 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(calls: impl Iterator<Item = u64>) -> Tools {
        calls.fold(Tools::default(), Tools::step)
    }

    #[test]
    fn the_logarithms_are_those_of_arithmetic() {
        for (n, log2) in (1_u32..).zip(&LOG2[1..]) {
            assert!((f64::from(*log2) - f64::from(n).log2() * 1000.0).abs() <= 0.5, "{n}");
        }
    }

    #[test]
    fn one_tool_has_no_entropy_and_sixty_four_have_six_bits() {
        assert_eq!(entropy(after(std::iter::repeat_n(7, 64)).sum), 0);
        assert_eq!(entropy(after(0..64).sum), 6_000);
        assert_eq!(entropy(after((0..64).map(|n| n % 4)).sum), 2_000);
    }

    #[test]
    fn the_sum_that_is_carried_on_is_that_of_the_calls_in_the_window() {
        let tools = after((0..1_000).map(|n: u64| n * n % 17));
        let anew = tools.last.iter().fold(Tools::default(), |tools, tool| tools.pushed(*tool));
        assert_eq!(tools.sum, anew.sum);
    }
}
