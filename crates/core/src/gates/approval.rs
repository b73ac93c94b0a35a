//! Approval: what only a human's word on exactly this action lets pass.

use crate::denial::Denial;
use crate::effect::Effect;
use crate::facts::{Action, Facts};
use crate::step::{Hold, Step};

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    if action.class.effect == Effect::Admin {
        return Step::Refuse(Denial::AdminUnreviewed);
    }
    if facts.approval.is_some_and(|a| a.refuses(facts.now)) {
        return Step::Refuse(Denial::ApprovalDenied);
    }
    let hold = match action.class.effect {
        Effect::Destructive => Hold::Destructive,
        _ if facts.tool_needs_approval => Hold::Tool,
        _ => return Step::Pass,
    };
    if facts.approval.is_some_and(|a| a.grants(action.class.effect, facts.now)) {
        Step::Approved
    } else {
        Step::Hold(hold)
    }
}
