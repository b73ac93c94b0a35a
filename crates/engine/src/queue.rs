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

/// The queue is full or closed; here is the value back.
pub(crate) struct Full;

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

    pub(crate) fn push(&self, value: T) -> Result<(), Full> {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= self.capacity {
            return Err(Full);
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
