//! Limits: how often an agent may ask, how often a tool may be asked for, and what an agent
//! may spend in a day.

use crate::budget::Overdrawn;
use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    if let Some(wait) = facts.agent_wait {
        return Step::Refuse(Denial::AgentRate(wait));
    }
    if let Some(wait) = facts.tool_wait {
        return Step::Refuse(Denial::ToolRate(wait));
    }
    match facts.overdrawn {
        Some(Overdrawn::Calls(wait)) => Step::Refuse(Denial::CallBudget(wait)),
        Some(Overdrawn::Tokens(wait)) => Step::Refuse(Denial::TokenBudget(wait)),
        None => Step::Pass,
    }
}
