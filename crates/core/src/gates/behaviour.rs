//! Behaviour: a session that probes or bursts is judged one tier worse.

use crate::behaviour::suspicion;
use crate::facts::{Action, Facts, SessionFacts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match (facts.session, suspicion(facts.tally)) {
        (SessionFacts::None, _) | (_, None) => Step::Pass,
        (_, Some(suspicion)) => Step::Raise(suspicion),
    }
}
