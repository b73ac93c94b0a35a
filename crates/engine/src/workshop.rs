//! Checking and comparing sets of policies, without keeping anybody from deciding.
//!
//! A set may be large and takes a core while it is checked, on behalf of one
//! organisation of many. So an organisation has one in hand at a time, and of all
//! organisations one is checked at a time.

use std::sync::Arc;

use ahash::RandomState;
use countersign_core::id::OrgId;
use dashmap::DashSet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(crate) struct Workshop {
    busy: DashSet<OrgId, RandomState>,
    turn: Arc<Semaphore>,
}

impl Default for Workshop {
    fn default() -> Self {
        Self { busy: DashSet::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

/// A set that an organisation has in hand. Another can be taken up once this is dropped.
#[derive(Debug)]
pub struct Workpiece {
    workshop: Arc<Workshop>,
    org: OrgId,
}

/// A set whose turn it is: nobody else's is checked until this is dropped.
#[derive(Debug)]
pub struct Turn {
    _workpiece: Workpiece,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Drop for Workpiece {
    fn drop(&mut self) {
        self.workshop.busy.remove(&self.org);
    }
}

impl Workpiece {
    /// Waits until it is this set's turn to be checked.
    pub async fn turn(self) -> Turn {
        let waiting = Arc::clone(&self.workshop.turn).acquire_owned();
        // It is never closed.
        Turn { _turn: waiting.await.ok(), _workpiece: self }
    }
}

impl Workshop {
    /// Takes up a set of `org`, if it has none in hand.
    pub(crate) fn take_up(self: &Arc<Self>, org: &OrgId) -> Option<Workpiece> {
        self.busy.insert(org.clone()).then(|| Workpiece { workshop: Arc::clone(self), org: org.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_all_organisations_one_is_checked_at_a_time() {
        let workshop = Arc::new(Workshop::default());
        let take_up = |id: &str| workshop.take_up(&OrgId::parse(id).unwrap());
        let (first, second) = (take_up("one").unwrap(), take_up("two").unwrap());
        assert!(take_up("one").is_none());
        let first = first.turn().await;
        let mut waiting = std::pin::pin!(second.turn());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert!(take_up("one").is_some());
    }
}
