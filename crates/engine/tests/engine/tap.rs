//! A ledger between the engine and its store, for a test to hold, to cut off
//! and to look into.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_store::{Batch, Checkpoint, Ledger, StoreError};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The ledger as the engine sees it: a test can hold its commits, make them
/// fail, and have it lose its checkpoints.
pub struct Tap {
    inner: Arc<dyn Ledger>,
    state: Mutex<TapState>,
    moved: Condvar,
    loses_checkpoints: bool,
}

#[derive(Default)]
struct TapState {
    held: bool,
    arrived: bool,
    fails: bool,
    commits: u64,
}

impl Tap {
    pub fn new(inner: Arc<dyn Ledger>, loses_checkpoints: bool) -> Self {
        Self { inner, state: Mutex::default(), moved: Condvar::new(), loses_checkpoints }
    }

    fn change(&self, change: impl FnOnce(&mut TapState)) {
        change(&mut self.state.lock().unwrap());
        self.moved.notify_all();
    }

    /// Commits that come from now on wait.
    pub fn hold(&self) {
        self.change(|state| *state = TapState { held: true, arrived: false, ..*state });
    }

    /// Waits until a commit waits.
    pub fn arrived(&self) {
        self.wait_until(|state| state.arrived);
    }

    /// Lets the commits go on.
    pub fn release(&self) {
        self.change(|state| state.held = false);
    }

    /// While `fails` is on, every commit is refused.
    pub fn fail(&self, fails: bool) {
        self.change(|state| state.fails = fails);
    }

    /// Waits until the recorder tried to commit more than `before` times.
    pub fn tried_more_than(&self, before: u64) {
        self.wait_until(|state| state.commits > before);
    }

    fn wait_until(&self, there: impl Fn(&TapState) -> bool) {
        let state = self.state.lock().unwrap();
        // What never comes fails the test instead of holding it for ever.
        let late = self.moved.wait_timeout_while(state, PATIENCE, |state| !there(state)).unwrap().1;
        assert!(!late.timed_out(), "the recorder never got there");
    }

    /// How many times the recorder tried to commit.
    pub fn tries(&self) -> u64 {
        self.state.lock().unwrap().commits
    }
}

impl Ledger for Tap {
    fn commit(&self, batch: &Batch) -> Result<u64, StoreError> {
        let mut state = self.state.lock().unwrap();
        state.arrived = true;
        self.moved.notify_all();
        // A test that failed meanwhile releases nothing any more.
        let mut state = self.moved.wait_timeout_while(state, PATIENCE, |state| state.held).unwrap().0;
        let answer = if state.fails {
            Err(StoreError::Unavailable("a test cut the ledger off".into()))
        } else if self.loses_checkpoints {
            let (entries, writes) = (batch.entries.clone(), batch.writes.clone());
            self.inner.commit(&Batch { entries, writes, chains: Vec::new() })
        } else {
            self.inner.commit(batch)
        };
        state.commits += 1;
        self.moved.notify_all();
        answer
    }

    fn read(&self, start: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.read(start, limit)
    }

    fn length(&self) -> Result<u64, StoreError> {
        self.inner.length()
    }

    fn chain(&self, id: &ChainId) -> Result<Option<Chain>, StoreError> {
        self.inner.chain(id)
    }

    fn checkpoint(&self, limit: usize) -> Result<Checkpoint, StoreError> {
        self.inner.checkpoint(limit)
    }
}
