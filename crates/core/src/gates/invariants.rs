//! Invariants: what no rule, approval or configuration can allow.

use crate::denial::Denial;
use crate::effect::Effect;
use crate::facts::{Action, Facts, SessionFacts};
use crate::step::Step;

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    let ours = action.tool.split(['/', ':', '.']).next().is_some_and(|s| s.eq_ignore_ascii_case("countersign"));
    if ours && action.class.effect > Effect::Read {
        return Step::Refuse(Denial::SelfAdministration);
    }
    match facts.session {
        SessionFacts::Ours { .. } if action.class.effect == Effect::Admin => Step::Refuse(Denial::AdminNeverElevated),
        _ => Step::Pass,
    }
}
