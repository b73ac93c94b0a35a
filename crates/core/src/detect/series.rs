//! How often something happens a minute, and how often is usual: the median
//! of the last hour and its distance from the rest (MAD), or what the hour of
//! the day lets expect, whichever is more.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Figure, LEARNING_MINUTES, above};

/// How many closed minutes are kept.
pub(super) const MINUTES: usize = 60;
/// The least spread there is, in calls a minute. Without it, one call more
/// than always would be infinitely unusual, or not unusual at all.
pub const FLOOR: u32 = 5;
/// How many spreads above what is usual a minute is a spike.
pub const SPREADS: u32 = 5;

/// What is usual in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The usual count.
    pub base: u32,
    /// How far counts are usually from it; at least [`FLOOR`].
    pub spread: u32,
}

impl Usual {
    /// The highest count that is no spike.
    #[must_use]
    pub const fn limit(self) -> u32 {
        self.base.saturating_add(self.spread.saturating_mul(SPREADS))
    }
}

/// The counts of the last [`MINUTES`] closed minutes, with their median and
/// median absolute deviation; both take the lower of two middles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Recent {
    counts: VecDeque<u32>,
    median: u32,
    deviation: u32,
}

/// More minutes than are kept.
#[derive(Debug, thiserror::Error)]
#[error("{0} minutes: expected at most 60")]
pub struct TooManyMinutes(usize);

impl TryFrom<Vec<u32>> for Recent {
    type Error = TooManyMinutes;

    fn try_from(counts: Vec<u32>) -> Result<Self, TooManyMinutes> {
        if counts.len() > MINUTES {
            return Err(TooManyMinutes(counts.len()));
        }
        Ok(Self { counts: counts.into(), ..Self::default() }.measured())
    }
}

impl From<Recent> for Vec<u32> {
    fn from(recent: Recent) -> Self {
        recent.counts.into()
    }
}

impl Recent {
    /// The minutes with one more closed, the oldest forgotten where there are
    /// enough.
    #[must_use]
    pub fn close(mut self, count: u32) -> Self {
        if self.counts.len() == MINUTES {
            self.counts.pop_front();
        }
        self.counts.push_back(count);
        self.measured()
    }

    fn measured(self) -> Self {
        let mut sorted: Vec<u32> = self.counts.iter().copied().collect();
        let median = middle(&mut sorted);
        for count in &mut sorted {
            *count = count.abs_diff(median);
        }
        Self { median, deviation: middle(&mut sorted), ..self }
    }
}

/// The lower middle; zero of nothing.
fn middle(counts: &mut [u32]) -> u32 {
    counts.sort_unstable();
    counts.get(counts.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// How much happens in each hour of the day (UTC): an average over days in
/// which a day counts a quarter, and a day without calls counts as well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Season {
    hours: [Option<u32>; 24],
    so_far: u32,
}

/// Hours without calls are closed one by one for two weeks; then nothing is
/// left to forget but what half a percent of a day was.
const HOURS: i64 = 24 * 14;

impl Season {
    /// How many in an hour are usual at `hour`, counted since the epoch.
    #[must_use]
    pub fn usual(&self, hour: i64) -> u32 {
        self.at(hour).unwrap_or(0)
    }

    /// How many in a thousand fall into this hour of the day. `None` before
    /// anything is known.
    #[must_use]
    pub fn permille(&self, hour: i64) -> Option<u16> {
        let total: u64 = self.hours.iter().flatten().map(|count| u64::from(*count)).sum();
        let share = (u64::from(self.usual(hour)) * 1_000).checked_div(total)?;
        u16::try_from(share).ok()
    }

    fn at(&self, hour: i64) -> Option<u32> {
        self.hours.get(hour_of_day(hour)).copied().flatten()
    }

    /// One more happened in the current hour.
    pub fn count(&mut self) {
        self.so_far = self.so_far.saturating_add(1);
    }

    /// `hour` is over, and `now` is the current one.
    pub fn advance(&mut self, hour: i64, now: i64) {
        for past in hour..now.min(hour.saturating_add(HOURS)) {
            let count = std::mem::take(&mut self.so_far);
            if let Some(usual) = self.hours.get_mut(hour_of_day(past)) {
                *usual = Some(usual.map_or(count, |old| averaged(old, count)));
            }
        }
    }
}

fn averaged(old: u32, count: u32) -> u32 {
    u32::try_from((u64::from(old) * 3 + u64::from(count)) / 4).unwrap_or(u32::MAX)
}

fn hour_of_day(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(24)).unwrap_or(0)
}

/// Something that is counted by the minute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    recent: Recent,
    season: Season,
    current: u32,
}

impl Series {
    /// What is usual in a minute of `hour`; `None` before enough minutes.
    #[must_use]
    pub fn usual(&self, hour: i64) -> Option<Usual> {
        let Recent { counts, median, deviation } = &self.recent;
        if counts.len() < LEARNING_MINUTES {
            return None;
        }
        let base = (*median).max(self.season.usual(hour).div_ceil(60));
        // 1.4826 MADs are a standard deviation where counts are normal; where
        // they are Poisson, it is the root of what is usual.
        let normal = (u64::from(*deviation) * 14_826).div_ceil(10_000);
        let spread = u32::try_from(normal).unwrap_or(u32::MAX).max(base.isqrt()).max(FLOOR);
        Some(Usual { base, spread })
    }

    /// Whether one more now would be a spike.
    #[must_use]
    pub fn spike(&self, hour: i64) -> Option<Figure> {
        above(self.with_one_more(), self.usual(hour)?.limit())
    }

    /// The current minute's count, and one.
    #[must_use]
    pub const fn with_one_more(&self) -> u32 {
        self.current.saturating_add(1)
    }

    /// The current minute's count.
    #[must_use]
    pub const fn current(&self) -> u32 {
        self.current
    }

    /// How many in a thousand fall into this hour of the day.
    #[must_use]
    pub fn permille(&self, hour: i64) -> Option<u16> {
        self.season.permille(hour)
    }

    /// One more happened in the current minute.
    pub fn count(&mut self) {
        self.current = self.with_one_more();
        self.season.count();
    }

    /// The current minute is over, and the next one begins.
    pub fn close(&mut self) {
        self.recent = std::mem::take(&mut self.recent).close(std::mem::take(&mut self.current));
    }

    /// The hour `hour` is over, and `now` is the current one.
    pub fn close_hours(&mut self, hour: i64, now: i64) {
        self.season.advance(hour, now);
    }
}
