//! Limits: how often an agent may ask, and how often a tool may be asked for.

use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match (facts.agent_wait, facts.tool_wait) {
        (Some(wait), _) => Step::Refuse(Denial::AgentRate(wait)),
        (None, Some(wait)) => Step::Refuse(Denial::ToolRate(wait)),
        (None, None) => Step::Pass,
    }
}
