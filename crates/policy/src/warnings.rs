//! What may be written, and is hardly meant. What cannot be true at all Cedar's validator finds.

use cedar_policy::EntityUid;
use countersign_core::Effect;
use countersign_core::taint::Label;
use serde_json::Value;

use crate::condition;
use crate::fault::did_you_mean;
use crate::obligation::Obligation;
use crate::policy::{Kind, Policy};
use crate::tools::Tools;

/// A permit that lets everybody destroy: what is wrong with it, and what would be right.
pub(crate) fn too_wide(policy: &Policy) -> Option<(String, String)> {
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

/// Comparisons of `policy`, which is written as `text`, that are never true, since an entity of one type is none of
/// another: where each stands in the text, and what is wrong. Cedar allows them.
pub(crate) fn never_equal(policy: &cedar_policy::Policy, text: &str) -> Vec<(usize, String)> {
    let bodies = condition::bodies(text);
    // Most conditions name no entity, and need not be looked at closer.
    if !bodies.iter().any(|(_, body)| body.contains("::")) {
        return Vec::new();
    }
    let (json, mut odd) = (policy.to_json().unwrap_or_default(), Vec::new());
    each(json.get("conditions").unwrap_or(&Value::Null), &mut |expression| compare(expression, &mut odd));
    let place = |literal: &str| bodies.iter().find_map(|(at, body)| body.find(literal).map(|found| at + found));
    let said = |(what, expected, literal): (String, &str, String)| {
        (place(&literal).unwrap_or(0), format!("`{what}` is never `{literal}`: it is of the type `{expected}`"))
    };
    odd.into_iter().map(said).collect()
}

/// Hands an expression to `visit`, and everything in it.
fn each(expression: &Value, visit: &mut dyn FnMut(&Value)) {
    match expression {
        Value::Object(members) => {
            visit(expression);
            members.values().for_each(|child| each(child, visit));
        }
        Value::Array(items) => items.iter().for_each(|child| each(child, visit)),
        _ => {}
    }
}

/// What an `==` compares, of which type that is, and with which entity, where it can never be.
fn compare(expression: &Value, odd: &mut Vec<(String, &'static str, String)>) {
    let equal = expression.get("==").or_else(|| expression.get("!="));
    if let Some((left, right)) = equal.and_then(|sides| Some((sides.get("left")?, sides.get("right")?))) {
        for (one, other) in [(left, right), (right, left)] {
            if let (Some((what, expected)), Some((kind, literal))) = (typed(one), entity(other))
                && expected != kind
            {
                odd.push((what, expected, literal));
            }
        }
    }
}

/// What is named, and its type, where the shipped schema says that it is an entity.
fn typed(expression: &Value) -> Option<(String, &'static str)> {
    let path = path(expression)?;
    let kind = match path.as_str() {
        "principal" => "Agent",
        "resource" => "Tool",
        "action" => "Action",
        "context.effect" => "Effect",
        "context.session.mode" => "Mode",
        "context.session.id" => "Session",
        _ => return None,
    };
    Some((path, kind))
}

fn path(expression: &Value) -> Option<String> {
    if let Some(name) = expression.get("Var") {
        return name.as_str().map(str::to_owned);
    }
    let step = expression.get(".")?;
    Some(format!("{}.{}", path(step.get("left")?)?, step.get("attr")?.as_str()?))
}

/// Arguments that `policy` clamps or looks for with `has`, and that none of the declared tools in its head has: what is
/// wrong, and the nearest right name. To read one is an error; these are only never there.
pub(crate) fn unknown_arguments(
    policy: &Policy,
    parsed: &cedar_policy::Policy,
    tools: &Tools,
) -> Vec<(String, Option<String>)> {
    let actions = policy.head.actions.iter().flatten();
    let Some(declared) = actions.map(|action| tools.get(action.id().unescaped())).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let known: Vec<&str> = declared.iter().flat_map(|tool| tool.arguments.keys()).map(String::as_str).collect();
    if declared.is_empty() {
        return Vec::new();
    }
    let clamps = policy.advice.iter().filter_map(|one| match one {
        Obligation::Clamp(bounds) => Some(bounds.keys()),
        _ => None,
    });
    let mut named: Vec<(String, String)> =
        clamps.flatten().map(|name| (name.clone(), format!("`clamp` names `{name}`"))).collect();
    if policy.text.contains("has") {
        let (json, mut tested) = (parsed.to_json().unwrap_or_default(), Vec::new());
        let conditions = json.get("conditions").unwrap_or(&Value::Null);
        each(conditions, &mut |expression| tested.extend(looked_for(expression)));
        named.extend(tested.into_iter().map(|name| (name.clone(), format!("`has {name}` is never true"))));
    }
    let unknown = named.into_iter().filter(|(name, _)| !known.contains(&name.as_str()));
    let said = |(name, what): (String, String)| {
        (format!("for policy `{}`, {what}: its tool has no such argument", policy.id), did_you_mean(&name, &known))
    };
    unknown.map(said).collect()
}

/// The name of an argument that an expression looks for with `has`.
fn looked_for(expression: &Value) -> Option<String> {
    let tested = expression.get("has").filter(|has| has.get("left").and_then(path).as_deref() == Some(ARGUMENTS))?;
    tested.get("attr")?.as_str().map(str::to_owned)
}

/// Labels that `policy` looks for in `context.taint`, and that there are not: what is wrong, and the nearest right name.
pub(crate) fn unknown_labels(policy: &Policy, parsed: &cedar_policy::Policy) -> Vec<(String, Option<String>)> {
    if !policy.text.contains("taint") {
        return Vec::new();
    }
    let known: Vec<&str> = Label::ALL.iter().map(|label| label.as_str()).collect();
    let (json, mut named) = (parsed.to_json().unwrap_or_default(), Vec::new());
    each(json.get("conditions").unwrap_or(&Value::Null), &mut |expression| labels(expression, &mut named));
    let unknown = named.into_iter().filter(|name| !known.contains(&name.as_str()));
    let said = |name: String| {
        (format!("for policy `{}`, `context.taint` never has `{name}`", policy.id), did_you_mean(&name, &known))
    };
    unknown.map(said).collect()
}

/// The texts that an expression looks for in the labels.
fn labels(expression: &Value, found: &mut Vec<String>) {
    let asked = ["contains", "containsAny", "containsAll"].iter().filter_map(|how| expression.get(*how));
    for question in asked.filter(|question| question.get("left").and_then(path).as_deref() == Some("context.taint")) {
        let right = question.get("right").unwrap_or(&Value::Null);
        let set = right.get("Set").and_then(Value::as_array).into_iter().flatten();
        let texts = std::iter::once(right).chain(set);
        found.extend(texts.filter_map(|text| text.get("Value")?.as_str()).map(str::to_owned));
    }
}

const ARGUMENTS: &str = "context.arguments";

/// The type of an entity that is named outright, and the entity as it is written.
fn entity(expression: &Value) -> Option<(String, String)> {
    let entity = expression.get("Value")?.get("__entity")?;
    let (kind, id) = (entity.get("type")?.as_str()?, entity.get("id")?.as_str()?);
    Some((kind.to_owned(), format!("{kind}::\"{}\"", id.escape_debug())))
}
