//! Kill: what is stopped, suspended or revoked does nothing at all.

use crate::agent::Status;
use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match (facts.stop, facts.agent.status) {
        (Some(stop), _) if stop.tool.is_none() => Step::Refuse(Denial::OrganisationStopped),
        (_, Status::Revoked) => Step::Refuse(Denial::AgentRevoked),
        (_, Status::Suspended) => Step::Refuse(Denial::AgentSuspended),
        (Some(_), Status::Active) => Step::Refuse(Denial::ToolStopped),
        (None, Status::Active) => Step::Pass,
    }
}
