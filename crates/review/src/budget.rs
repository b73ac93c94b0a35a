//! What reviews may cost in an hour.
//!
//! Money is counted in millionths of the unit in which prices are configured.
//! Before a call, the most it can cost is set aside; afterwards, what it did cost
//! stays. So calls that run at the same time cannot spend the same money.

use std::collections::VecDeque;
use std::time::Duration;

use crate::review::Usage;

/// Tokens that a provider adds of its own: the frame of messages and tools.
const FRAME: u64 = 1_000;
/// For how many minutes what was spent counts: an hour, and the minute it began in.
const MINUTES: u64 = 60;

/// The price of a million tokens, in millionths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

impl Rates {
    /// What `usage` costs, rounded up.
    pub(crate) fn cost(self, usage: Usage) -> u64 {
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = part(usage.input_tokens, self.input) + part(usage.output_tokens, self.output);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The most that sending `bytes` and receiving `tokens` can cost: no token
    /// is shorter than a byte.
    pub(crate) fn most(self, bytes: usize, tokens: u32) -> u64 {
        let input_tokens = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(FRAME);
        self.cost(Usage { input_tokens, output_tokens: tokens.into() })
    }
}

/// Money that is set aside for one call.
#[derive(Debug, Clone, Copy)]
#[must_use = "what is set aside and not settled counts as spent"]
pub(crate) struct Reserved {
    minute: u64,
    cost: u64,
}

/// What was spent in the last hour, by minute.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    spent: VecDeque<(u64, u64)>,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, spent: VecDeque::new() }
    }

    /// Sets `cost` aside; `None` if the hour's limit would be passed.
    pub(crate) fn reserve(&mut self, cost: u64, now: Duration) -> Option<Reserved> {
        let minute = now.as_secs() / 60;
        while self.spent.front().is_some_and(|(then, _)| then + MINUTES < minute) {
            self.spent.pop_front();
        }
        let spent = self.spent.iter().fold(0_u64, |sum, (_, cost)| sum.saturating_add(*cost));
        if spent.saturating_add(cost) > self.limit {
            return None;
        }
        match self.spent.back_mut() {
            Some((last, sum)) if *last == minute => *sum = sum.saturating_add(cost),
            _ => self.spent.push_back((minute, cost)),
        }
        Some(Reserved { minute, cost })
    }

    /// Replaces what was set aside by what it did cost.
    pub(crate) fn settle(&mut self, reserved: Reserved, cost: u64) {
        if let Some((_, sum)) = self.spent.iter_mut().find(|(minute, _)| *minute == reserved.minute) {
            *sum = sum.saturating_sub(reserved.cost).saturating_add(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_per_million_and_rounded_up() {
        let rates = Rates { input: 3_000_000, output: 15_000_000 };
        assert_eq!(rates.cost(Usage { input_tokens: 1_000, output_tokens: 100 }), 4_500);
        assert_eq!(Rates { input: 1, output: 0 }.cost(Usage { input_tokens: 1, output_tokens: 9 }), 1);
        assert_eq!(rates.cost(Usage { input_tokens: u64::MAX, output_tokens: u64::MAX }), u64::MAX);
    }

    #[test]
    fn two_calls_at_once_cannot_spend_the_same_money() {
        let (mut budget, now) = (Budget::new(100), Duration::from_secs(7));
        let first = budget.reserve(60, now).unwrap();
        assert!(budget.reserve(60, now).is_none());
        budget.settle(first, 10);
        assert!(budget.reserve(90, now).is_some());
        assert!(budget.reserve(1, now).is_none());
    }

    #[test]
    fn what_was_spent_counts_for_a_whole_hour() {
        let (mut budget, start) = (Budget::new(100), Duration::from_secs(59));
        let _spent = budget.reserve(100, start).unwrap();
        assert!(budget.reserve(1, start + Duration::from_hours(1)).is_none());
        assert!(budget.reserve(100, start + Duration::from_secs(3_661)).is_some());
    }

    #[test]
    fn a_call_that_cost_more_than_it_could_uses_the_hour_up() {
        let mut budget = Budget::new(100);
        let call = budget.reserve(1, Duration::ZERO).unwrap();
        budget.settle(call, u64::MAX);
        assert!(budget.reserve(1, Duration::ZERO).is_none());
    }
}
