//! Risk: what scores too high is held for a human or refused.

use crate::denial::Denial;
use crate::effect::Effect;
use crate::facts::{Action, Facts};
use crate::risk::Consequence;
use crate::step::{Hold, Step};

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    if action.class.effect == Effect::Read {
        return Step::Pass;
    }
    match facts.risk {
        Consequence::Allow => Step::Pass,
        Consequence::Deny => Step::Refuse(Denial::RiskTooHigh),
        Consequence::Elevate if facts.approval.is_some_and(|a| a.grants(action.class.effect, facts.now)) => {
            Step::Approved
        }
        Consequence::Elevate => Step::Hold(Hold::Risk),
    }
}
