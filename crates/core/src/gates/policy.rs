//! Policy: what the organisation's and the operator's own rules say.

use crate::denial::Denial;
use crate::facts::{Action, Facts, PolicyWord};
use crate::step::{Hold, Step};

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    match facts.policy {
        PolicyWord::Silent | PolicyWord::Permit => Step::Pass,
        PolicyWord::Forbid => Step::Refuse(Denial::PolicyForbids),
        PolicyWord::Failed => Step::Refuse(Denial::PolicyFailed),
        PolicyWord::Unmatched => Step::Refuse(Denial::PolicyUnmatched),
        PolicyWord::Hold if facts.approval.is_some_and(|a| a.grants(action.class.effect, facts.now)) => Step::Approved,
        PolicyWord::Hold => Step::Hold(Hold::Policy),
    }
}
