//! What may be written, and is hardly meant. What cannot be true at all Cedar's validator finds.

use cedar_policy::EntityUid;
use countersign_core::Effect;

use crate::obligation::Obligation;
use crate::policy::{Kind, Policy};

/// What is wrong with `policy`, and what would be right.
pub(crate) fn of(policy: &Policy) -> Option<(String, String)> {
    let is_bare = policy.condition.is_none() && policy.head.principal.is_none() && policy.head.resource.is_none();
    let asks = policy.advice.iter().any(|one| matches!(one, Obligation::RequireApproval(_)));
    if policy.kind != Kind::Permit || policy.shadow || !is_bare || asks {
        return None;
    }
    let reached: Vec<String> = [Effect::Destructive, Effect::Admin]
        .into_iter()
        .filter(|effect| policy.head.actions.as_ref().is_none_or(|actions| actions.iter().any(|one| is(one, *effect))))
        .map(|effect| format!("`{effect}`"))
        .collect();
    if reached.is_empty() {
        return None;
    }
    let message =
        format!("`{}` permits every agent every {} call without a condition", policy.id, reached.join(" and "));
    let help = "name who or what it is for, say `when`, or permit `action in [Action::\"read\", Action::\"mutating\"]`";
    Some((message, help.to_owned()))
}

fn is(action: &EntityUid, effect: Effect) -> bool {
    action.id().unescaped() == effect.as_str()
}
