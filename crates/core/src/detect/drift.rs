//! What single minutes do not show: an average that is too high for some
//! minutes (EWMA), and a little too much for many (CUSUM).

use serde::{Deserialize, Serialize};

use super::series::Usual;
use super::{Figure, above};

/// How many spreads the average may be above what is usual.
const AVERAGE_SPREADS: u32 = 2;
/// How many spreads may add up.
const SUM_SPREADS: u64 = 8;

/// The state of both, in thousandths of a call. A minute that is a spike counts
/// as the highest one that is none: one minute is not many, and does not leave
/// its mark on the next half hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The average of the counts; a minute counts a third.
    average: u64,
    /// What was above usual by more than half a spread, added up; never below
    /// zero and never above twice its limit, so that it can be lived down.
    sum: u64,
}

impl Drift {
    /// The state after a minute with `count` calls, where `usual` was usual.
    #[must_use]
    pub fn close(self, count: u32, usual: Option<Usual>) -> Self {
        match usual {
            None => Self { average: self.averaged(count), sum: 0 },
            Some(usual) => Self {
                average: self.averaged(count.min(usual.limit())),
                sum: self.summed(count, usual).min(2 * most(usual)),
            },
        }
    }

    /// Whether the average with `count` calls in the current minute is too high.
    #[must_use]
    pub fn too_high(self, count: u32, usual: Usual) -> Option<Figure> {
        above(
            calls(self.averaged(count.min(usual.limit()))),
            usual.base.saturating_add(usual.spread.saturating_mul(AVERAGE_SPREADS)),
        )
    }

    /// Whether too much added up with `count` calls in the current minute,
    /// which is not over: it may add to the sum and take nothing from it.
    #[must_use]
    pub fn too_long(self, count: u32, usual: Usual) -> Option<Figure> {
        above(calls(self.sum.max(self.summed(count, usual))), calls(most(usual)))
    }

    fn averaged(self, count: u32) -> u64 {
        self.average.saturating_mul(2).saturating_add(u64::from(count) * 1_000) / 3
    }

    fn summed(self, count: u32, usual: Usual) -> u64 {
        let expected = u64::from(usual.base) * 1_000 + u64::from(usual.spread) * 500;
        self.sum.saturating_add(u64::from(count.min(usual.limit())) * 1_000).saturating_sub(expected)
    }
}

/// The highest sum that is not too much.
fn most(usual: Usual) -> u64 {
    1_000 * SUM_SPREADS * u64::from(usual.spread)
}

fn calls(thousandths: u64) -> u32 {
    u32::try_from(thousandths / 1_000).unwrap_or(u32::MAX)
}
