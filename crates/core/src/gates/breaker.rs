//! Breaker: a tool that keeps failing for an agent is paused for it.

use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match facts.circuit_wait {
        Some(wait) => Step::Refuse(Denial::CircuitOpen(wait)),
        None => Step::Pass,
    }
}
