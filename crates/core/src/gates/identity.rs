//! Identity: whoever proved to be one agent cannot speak for another.

use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match facts.proven {
        Some(proven) if *proven != facts.agent.id => Step::Refuse(Denial::IdentityMismatch),
        _ => Step::Pass,
    }
}
