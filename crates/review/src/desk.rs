//! A reviewer with limits around it.
//!
//! A question goes: cache, circuit, size, place in the queue, money, the call
//! itself. The call runs on a thread that may block and keeps its place until it
//! ends, so what the caller stops waiting for still counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::breaker::Breaker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ask::Ask;
use crate::backend::{Backend, Heard};
use crate::brief::Brief;
use crate::budget::{Budget, Rates, Reserved};
use crate::cache::{Place, Reviews};
use crate::config::{ConfigError, ReviewConfig};
use crate::error::ReviewError;
use crate::exchange::{Line, Post};
use crate::review::Review;
use crate::secret::Secret;
use crate::{Reviewer, Reviewing, World};

/// For how long a reviewer may ask to be left alone.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// The reviewer that `config` names. `secret` is what [`ReviewerConfig::secret`]
/// names, read by the caller. Nothing is sent yet.
///
/// A review needs a Tokio runtime with its timer. A runtime that stops waits for
/// the calls that are under way, as long as a review may take at most.
///
/// [`ReviewerConfig::secret`]: crate::ReviewerConfig::secret
pub fn open(
    config: &ReviewConfig,
    secret: Option<&Secret>,
    world: Arc<dyn World>,
) -> Result<Box<dyn Reviewer>, ConfigError> {
    if let Some(problem) = config.problems().into_iter().next() {
        return Err(problem);
    }
    let (Some(backend), Some(endpoint)) = (Backend::of(config, secret)?, config.reviewer.endpoint()?) else {
        return Ok(Box::new(Person));
    };
    let state = State {
        breaker: Breaker::default(),
        budget: config.hourly_micros().map(Budget::new),
        reviews: config.cache.map(|cache| Reviews::new(Duration::from_secs(cache.seconds), cache.entries)),
    };
    Ok(Box::new(Desk(Arc::new(Room {
        backend,
        line: Line::to(&endpoint, config.max_response_bytes),
        rates: config.rates(),
        timeout: Duration::from_secs(config.timeout_seconds),
        longest: config.max_request_bytes,
        max_tokens: config.max_answer_tokens,
        places: Arc::new(Semaphore::new(config.concurrency + config.queue)),
        slots: Arc::new(Semaphore::new(config.concurrency)),
        state: Mutex::new(state),
        world,
    }))))
}

/// "Ask a person."
struct Person;

impl Reviewer for Person {
    fn review<'a>(&'a self, brief: &'a Brief) -> Reviewing<'a> {
        Box::pin(std::future::ready(Ok(Review::ask_a_person(brief.action_digest))))
    }
}

/// Asks over HTTP.
struct Desk(Arc<Room>);

impl Reviewer for Desk {
    fn review<'a>(&'a self, brief: &'a Brief) -> Reviewing<'a> {
        Box::pin(Arc::clone(&self.0).review(brief))
    }
}

struct Room {
    backend: Backend,
    line: Line,
    rates: Option<Rates>,
    timeout: Duration,
    longest: usize,
    max_tokens: u32,
    /// Who runs or waits.
    places: Arc<Semaphore>,
    /// Who runs.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    world: Arc<dyn World>,
}

struct State {
    breaker: Breaker,
    budget: Option<Budget>,
    reviews: Option<Reviews>,
}

/// One question, ready to be sent.
struct Question {
    ask: Ask,
    post: Post,
    place: Place,
    began: Duration,
}

impl Room {
    async fn review(self: Arc<Self>, brief: &Brief) -> Result<Review, ReviewError> {
        let began = self.world.monotonic();
        if let Some(found) = self.state().reviews.as_ref().and_then(|reviews| reviews.find(brief, began)) {
            return Ok(found);
        }
        self.check_circuit()?;
        let question = self.question(brief, began)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ReviewError::Busy)?;
        let after = self.timeout;
        let answered = tokio::time::timeout(after, self.run(question, place)).await;
        answered.unwrap_or(Err(ReviewError::TimedOut { after }))
    }

    fn question(&self, brief: &Brief, began: Duration) -> Result<Question, ReviewError> {
        let ask = Ask::new(brief.action_digest, self.world.luck());
        let post = self.backend.question(brief, &ask, self.world.now());
        let (bytes, limit) = (post.body.len(), self.longest);
        // A part of an action is not the action: what was cut off could be what matters.
        if bytes > limit {
            return Err(ReviewError::RequestTooLarge { bytes, limit });
        }
        Ok(Question { ask, post, place: Place::of(brief), began })
    }

    /// Waits for a slot, then asks on a thread that may block.
    async fn run(self: Arc<Self>, question: Question, place: OwnedSemaphorePermit) -> Result<Review, ReviewError> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| ReviewError::Broken)?;
        self.check_circuit()?;
        let reserved = self.reserve(&question.post)?;
        let call = tokio::task::spawn_blocking(move || {
            let _held = (place, slot);
            self.call(question, reserved)
        });
        call.await.unwrap_or(Err(ReviewError::Broken))
    }

    /// Asks, and keeps account of it.
    fn call(&self, question: Question, reserved: Option<Reserved>) -> Result<Review, ReviewError> {
        let Question { ask, post, place, began } = question;
        let within = self.timeout.saturating_sub(self.world.monotonic().saturating_sub(began));
        let sent = if within.is_zero() {
            Err(ReviewError::TimedOut { after: self.timeout })
        } else {
            self.line.send(post, within)
        };
        // Only an answer or a refusal says what was paid; a call that broke off may have been.
        let was_free = matches!(
            sent,
            Err(ReviewError::Unreachable { .. } | ReviewError::Overloaded { .. } | ReviewError::Refused { .. })
        );
        let heard = match sent {
            Ok(body) => self.backend.read(&body, &ask),
            Err(why) => Heard { usage: None, review: Err(why) },
        };
        let now = self.world.monotonic();
        let cost = heard.usage.zip(self.rates).map(|(usage, rates)| rates.cost(usage));
        let review = match heard.review {
            Err(ReviewError::TimedOut { .. }) => Err(ReviewError::TimedOut { after: self.timeout }),
            other => other.map(|review| review.with_bill(cost, now.saturating_sub(began))),
        };
        let mut state = self.state();
        state.settle(reserved, if was_free { Some(0) } else { cost });
        state.heed(&review, now);
        if let (Ok(review), Some(reviews)) = (&review, state.reviews.as_mut()) {
            reviews.keep(place, review, now);
        }
        review
    }

    fn check_circuit(&self) -> Result<(), ReviewError> {
        match self.state().breaker.wait(self.world.monotonic()) {
            Some(retry_after) => Err(ReviewError::CircuitOpen { retry_after }),
            None => Ok(()),
        }
    }

    fn reserve(&self, post: &Post) -> Result<Option<Reserved>, ReviewError> {
        let (Some(rates), Some(budget)) = (self.rates, &mut self.state().budget) else { return Ok(None) };
        let most = rates.most(post.body.len(), self.max_tokens);
        budget.reserve(most, self.world.monotonic()).map(Some).ok_or(ReviewError::OverBudget)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is counted here stays true if a thread died while it counted.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is not known to have cost less stays set aside.
    fn settle(&mut self, reserved: Option<Reserved>, cost: Option<u64>) {
        if let (Some(budget), Some(reserved), Some(cost)) = (&mut self.budget, reserved, cost) {
            budget.settle(reserved, cost);
        }
    }

    /// Moves the circuit.
    fn heed(&mut self, review: &Result<Review, ReviewError>, now: Duration) {
        let is_outage = review.as_ref().is_err_and(ReviewError::is_outage);
        self.breaker = self.breaker.step(!is_outage, now);
        if let Err(ReviewError::Overloaded { retry_after: Some(rest), .. }) = review {
            let rest = (*rest).min(LONGEST_REST);
            if self.breaker.wait(now).is_none_or(|wait| wait < rest) {
                self.breaker = Breaker::Open { until: now + rest };
            }
        }
    }
}
