//! Capability: the allow-list, the blocklist, and the scopes of a token.

use crate::capability::{Pattern, allows};
use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    let blocked = |patterns: &[Pattern]| allows(patterns, action.tool);
    if blocked(&facts.agent.blocked) || facts.delegation.iter().any(|link| blocked(link.lender_blocks)) {
        return Step::Refuse(Denial::CapabilityBlocked);
    }
    // In a delegated session the right is the lender's: the ceiling bounds it
    // and the delegation gate has checked that every link only narrows.
    let held = if facts.delegation.is_empty() { &facts.agent.capabilities } else { facts.root_capabilities };
    if !allows(held, action.tool) {
        return Step::Refuse(Denial::CapabilityMissing);
    }
    match facts.token_scopes {
        Some(scopes) if !allows(scopes, action.tool) => Step::Refuse(Denial::TokenScope),
        _ => Step::Pass,
    }
}
