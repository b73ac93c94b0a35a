//! A tier of the Guardian that is asked and may not answer: how long it may
//! take, and its circuit.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use countersign_core::decide::Guard;
use countersign_core::router::{Circuit, State};

use crate::clock::Clock;
use crate::sight::NoAnswer;

/// How a tier of the Guardian is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierHealth {
    /// Which.
    pub tier: Guard,
    /// Where it is or who it is: `here`, `elsewhere`, `off`, `human` or a kind of reviewer.
    pub by: &'static str,
    /// Its circuit; `None` where nothing is asked that could fail to answer.
    pub circuit: Option<State>,
    /// How often it was asked since the start.
    pub asked: u64,
    /// How often it gave no answer.
    pub failed: u64,
    /// How often it was not asked, because its circuit was open.
    pub passed_over: u64,
}

/// The circuit of a tier, and what is counted.
#[derive(Debug)]
pub(crate) struct Tier {
    guard: Guard,
    circuit: Mutex<Circuit>,
    asked: AtomicU64,
    failed: AtomicU64,
    passed_over: AtomicU64,
}

impl Tier {
    pub(crate) fn new(guard: Guard) -> Self {
        Self {
            guard,
            circuit: Mutex::default(),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
        }
    }

    /// What the tier answers `within` that time. Whatever it does, this returns:
    /// a question that breaks off and one that takes too long are no answer. What
    /// it says counts as none where `is_answer` says so.
    pub(crate) async fn ask<T>(
        &self,
        clock: &dyn Clock,
        within: Duration,
        question: impl Future<Output = T>,
        is_answer: impl FnOnce(&T) -> bool,
    ) -> Result<T, NoAnswer> {
        if !self.admit(clock.monotonic()) {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
            return Err(NoAnswer::CircuitOpen);
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut question = pin!(question);
        let guarded = poll_fn(|context| {
            // A guard that panics must not take the check with it: nothing would be recorded.
            let polled = catch_unwind(AssertUnwindSafe(|| question.as_mut().poll(context)));
            polled.map_or(Poll::Ready(Err(NoAnswer::Broken)), |polled| polled.map(Ok))
        });
        let said = tokio::time::timeout(within, guarded).await.unwrap_or(Err(NoAnswer::TimedOut));
        self.heed(said.as_ref().is_ok_and(is_answer), clock.monotonic());
        said
    }

    /// Takes down that a tier in this process broke off.
    pub(crate) fn broke(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn admit(&self, now: Duration) -> bool {
        let mut circuit = self.circuit();
        let (next, may) = circuit.admit(now);
        *circuit = next;
        may
    }

    fn heed(&self, answered: bool, now: Duration) {
        if !answered {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        let (before, after) = {
            let mut circuit = self.circuit();
            let before = circuit.state(now);
            *circuit = circuit.step(answered, now);
            (before, circuit.state(now))
        };
        let tier = self.guard.as_str();
        match (before, after) {
            (State::Closed, State::Open) => {
                tracing::error!(tier, "the {tier} guard does not answer and is not asked for a while");
            }
            (State::Open | State::HalfOpen, State::Closed) => tracing::info!(tier, "the {tier} guard answers again"),
            _ => {}
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // A circuit is replaced as a whole.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self, by: &'static str, now: Duration) -> TierHealth {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        TierHealth {
            tier: self.guard,
            by,
            circuit: Some(self.circuit().state(now)),
            asked: count(&self.asked),
            failed: count(&self.failed),
            passed_over: count(&self.passed_over),
        }
    }
}

/// The tiers that may not answer. The rules are what asks them.
#[derive(Debug)]
pub(crate) struct Tiers {
    pub(crate) spot: Tier,
    pub(crate) deep: Tier,
}

impl Default for Tiers {
    fn default() -> Self {
        Self { spot: Tier::new(Guard::Spot), deep: Tier::new(Guard::Deep) }
    }
}
