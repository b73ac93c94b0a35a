//! Approval: what only a human's word on exactly this action lets pass, or the
//! deep reviewer's, where there is one.

use crate::approval::Status;
use crate::denial::Denial;
use crate::effect::Effect;
use crate::facts::{Action, Facts, SessionFacts};
use crate::step::{Hold, Step};

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    // What an operator wants a human to approve, no reviewer lets pass.
    let may_review = facts.reviewer && !facts.tool_needs_approval;
    if action.class.effect == Effect::Admin {
        return match facts.session {
            SessionFacts::None if may_review => Step::Review,
            _ => Step::Refuse(Denial::AdminUnreviewed),
        };
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
        return Step::Approved;
    }
    // What waits for a human already is not put to another reviewer again.
    let waits = facts.approval.is_some_and(|a| a.status_at(facts.now) == Status::Pending);
    if may_review && !waits { Step::Review } else { Step::Hold(hold) }
}
