//! Delegation: a borrowed right is only as good as every link of its chain.

use crate::delegation::verify;
use crate::denial::Denial;
use crate::facts::{Action, Facts, SessionFacts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match verify(facts.delegation, facts.root_capabilities, facts.now) {
        Ok(()) if is_the_sessions_own(facts) => Step::Pass,
        Ok(()) => Step::Refuse(Denial::DelegationBroken),
        Err(denial) => Step::Refuse(denial),
    }
}

/// Whether the chain ends in the delegation the session rests on, and that in
/// the agent that acts.
fn is_the_sessions_own(facts: &Facts<'_>) -> bool {
    let named = match facts.session {
        SessionFacts::Ours { session, .. } => session.delegation.as_ref(),
        SessionFacts::None | SessionFacts::Tracked | SessionFacts::Unknown | SessionFacts::Altered => None,
    };
    match (named, facts.delegation.last().and_then(|link| link.delegation)) {
        (None, None) => true,
        (Some(id), Some(leaf)) => leaf.id == *id && leaf.to == facts.agent.id,
        _ => false,
    }
}
