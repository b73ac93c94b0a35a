//! Behaviour: a session that probes or bursts is judged one tier worse, and so
//! is what the detectors noticed.

use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    facts.suspicion(action.class.effect).map_or(Step::Pass, Step::Raise)
}
