//! Asking the Deep guard, at most once for a check.

use std::sync::Arc;

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
    /// The engine with somebody to ask about what would else wait for a human. A
    /// check then needs a Tokio runtime with its timer.
    #[must_use]
    pub fn reviewed_by(self, guard: Arc<dyn DeepGuard>) -> Self {
        Self { deep: Some(guard), ..self }
    }

    /// Asks the Deep guard. Whatever it does, there is an opinion, or none ever.
    pub(crate) async fn review(&self, brief: Brief) -> Asked {
        let Some(guard) = self.deep.clone() else {
            return Asked { brief, opinion: Opinion::unavailable("none", "unreachable") };
        };
        let (kind, asked) = (guard.kind(), brief.clone());
        // Made inside, where a panic is caught.
        let review = async move { guard.review(asked).await };
        let within = self.settings.review_deadline;
        let is_well = |opinion: &Opinion| !opinion.is_outage;
        let said = self.tiers.deep.ask(self.clock.as_ref(), within, review, is_well).await;
        Asked { brief, opinion: said.unwrap_or_else(|why| Opinion::unavailable(kind, why.as_str())) }
    }
}

/// What a review is told of policies where there are none.
pub(crate) fn no_policies() -> Digest {
    Digest::of(b"")
}
