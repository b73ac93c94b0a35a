//! Asking the Deep guard, at most once for a check.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use countersign_core::conclude::{Reviewed, conclude};
use countersign_core::{Decision, Digest};

use crate::deep::{Brief, DeepGuard, Opinion};
use crate::engine::Engine;

/// What was asked of the Deep guard for one check, and what came of it.
#[derive(Debug)]
pub(crate) struct Asked {
    brief: Brief,
    pub(crate) opinion: Opinion,
}

impl Asked {
    /// The decision after the review. An opinion about what has meanwhile become
    /// another action, such as one that is judged worse, is none.
    pub(crate) fn conclude(&self, decision: Decision, brief: &Brief) -> Decision {
        let reviewed = if self.brief.is_about(brief) { self.opinion.reviewed } else { Reviewed::Unavailable };
        conclude(decision, reviewed)
    }
}

impl Engine {
    /// The engine with somebody to ask about what would else wait for a human.
    #[must_use]
    pub fn reviewed_by(self, guard: Arc<dyn DeepGuard>) -> Self {
        Self { deep: Some(guard), ..self }
    }

    /// Asks the Deep guard. Whatever it does, there is an opinion, or none ever.
    pub(crate) async fn review(&self, brief: Brief) -> Asked {
        let Some(guard) = self.deep.clone() else {
            return Asked { brief, opinion: Opinion::unavailable("none", "unreachable") };
        };
        let asked = brief.clone();
        let mut reviewing = Box::pin(async move { guard.review(asked).await });
        let opinion = poll_fn(|context| {
            // A guard that panics must not take the check with it: nothing would be recorded.
            let polled = catch_unwind(AssertUnwindSafe(|| reviewing.as_mut().poll(context)));
            polled.unwrap_or_else(|_| Poll::Ready(Opinion::unavailable("unknown", "broken")))
        })
        .await;
        Asked { brief, opinion }
    }
}

/// What a review is told of policies where there are none.
pub(crate) fn no_policies() -> Digest {
    Digest::of(b"")
}
