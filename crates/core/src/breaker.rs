//! A circuit breaker: after repeated failures, stop trying for a while.

use std::time::Duration;

/// How many failures in a row open the circuit.
pub const FAILURES: u32 = 5;
/// How long an open circuit stays open before one trial call is let through.
pub const COOL_DOWN: Duration = Duration::from_secs(30);

/// The state of one circuit. Times count from an arbitrary monotonic origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Calls pass; this many failed in a row.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// Calls are refused until the given time; then calls pass again, and the
    /// first outcome decides.
    Open {
        /// When a trial may pass.
        until: Duration,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// How long a call must still wait, if the circuit is open at `now`.
    #[must_use]
    pub fn wait(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Open { until } => until.checked_sub(now).filter(|wait| !wait.is_zero()),
            Self::Closed { .. } => None,
        }
    }

    /// The circuit after one more outcome.
    #[must_use]
    pub fn step(self, succeeded: bool, now: Duration) -> Self {
        match self {
            _ if succeeded => Self::default(),
            Self::Closed { failures } if failures + 1 < FAILURES => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } | Self::Open { .. } => Self::Open { until: now + COOL_DOWN },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_after_the_wait_closes_it() {
        let now = Duration::from_secs(9);
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker = breaker.step(false, now);
        }
        assert_eq!(breaker.wait(now), None);
        breaker = breaker.step(false, now);
        assert_eq!(breaker.wait(now), Some(COOL_DOWN));
        assert_eq!(breaker.wait(now + COOL_DOWN), None);
        assert_eq!(breaker.step(false, now + COOL_DOWN).wait(now + COOL_DOWN), Some(COOL_DOWN));
        assert_eq!(breaker.step(true, now), Breaker::default());
    }
}
