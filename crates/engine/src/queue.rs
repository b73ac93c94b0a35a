//! A bounded queue with many producers and one consumer that takes everything
//! there is at once: one lock to push, one lock to take a whole batch.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    capacity: usize,
}

struct State<T> {
    waiting: Vec<T>,
    closed: bool,
    idle: bool,
}

/// Why a value was not queued.
pub(crate) enum Refused<T> {
    /// The queue is full or closed.
    Full,
    /// The value did not fit any more; here it is back.
    Unfit(T),
}

pub(crate) enum Taken {
    Some,
    Idle,
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { waiting: Vec::new(), closed: false, idle: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), capacity }
    }

    // A panic while the lock is held cannot leave the vector half-changed.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `value` if it `fits`, with nothing queued between the question
    /// and the answer.
    pub(crate) fn push_if(&self, value: T, fits: impl FnOnce(&T) -> bool) -> Result<(), Refused<T>> {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= self.capacity {
            return Err(Refused::Full);
        }
        if !fits(&value) {
            return Err(Refused::Unfit(value));
        }
        state.waiting.push(value);
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves everything into `into`, waiting up to `patience` for something.
    pub(crate) fn take(&self, into: &mut Vec<T>, patience: Duration) -> Taken {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.closed {
            state.idle = true;
            state = self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
            state.idle = false;
        }
        if !state.waiting.is_empty() {
            std::mem::swap(&mut state.waiting, into);
            Taken::Some
        } else if state.closed {
            Taken::Closed
        } else {
            Taken::Idle
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }
}
