//! Data: what the session took in, and what the call would carry out. Content only
//! ever takes away.

use crate::behaviour::Suspicion;
use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::{Hold, Step};

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    let effect = action.class.effect;
    if facts.taint.forbids(effect) {
        return Step::Refuse(Denial::ContentSteered);
    }
    if facts.secret_leaves {
        let approved = facts.approval.is_some_and(|a| a.grants(effect, facts.now));
        return if approved { Step::Approved } else { Step::Hold(Hold::Secret) };
    }
    match facts.suspicion(effect) {
        Some(tainted @ Suspicion::Tainted(_)) => Step::Raise(tainted),
        // Of anything else the gate `behaviour` makes what it makes; also of taint,
        // where a secret was in the way.
        _ => Step::Pass,
    }
}
