//! Where the Spot guard's baselines are: in this process or in another one.

use std::sync::Arc;

use crate::baselines::Baselines;
use crate::sight::{Known, NoAnswer, Seen, Sight, SpotGuard};

/// Where the baselines are.
pub(crate) enum Spotter {
    /// In this process.
    Here(Arc<Baselines>),
    /// In another one.
    Elsewhere(Arc<dyn SpotGuard>),
}

/// What was asked of a Spot guard elsewhere for one check, and what came of it.
#[derive(Debug)]
pub(crate) struct Sighted {
    pub(crate) sight: Sight,
    pub(crate) known: Result<Known, NoAnswer>,
}

impl Sighted {
    /// Whether it is about `seen`, and not about what was another call then, such
    /// as one by an older version of the agent.
    pub(crate) fn is_about(&self, seen: &Seen<'_>) -> bool {
        self.sight == Sight { at: self.sight.at, ..Sight::of(seen) }
    }
}
