//! What the solver found, as a case of the kind that `policy test` and `policy explain` read.

use cedar_policy::EvalResult;
use cedar_policy_symcc::Env;
use countersign_core::{Effect, Timestamp};
use serde_json::{Map, Value, json};

use crate::space::{Named, Space};

/// `found` as a request: a case without `name` and `then`. The error is what a case cannot say.
pub(crate) fn request(found: &Env, space: &Space<'_>, named: &Named) -> Result<Value, String> {
    let nobody = || "the solver's request is not complete".to_owned();
    let request = &found.request;
    let (principal, resource) = request.principal().zip(request.resource()).ok_or_else(nobody)?;
    let context = request.context().ok_or_else(nobody)?;
    let part = |name: &str| context.get(name).ok_or_else(nobody);
    let name_of = |uid| match found.entities.get(uid).and_then(|entity| entity.attr("name")) {
        Some(Ok(EvalResult::String(name))) => name,
        _ => String::new(),
    };
    let organisation = found.entities.ancestors(principal).into_iter().flatten();
    let organisation = organisation.filter(|uid| named.has_organisation(uid)).map(|uid| uid.id().unescaped()).next();
    let mut given = Map::new();
    let mut say = |name: &str, value: Value| given.insert(name.to_owned(), value);
    say("organisation", organisation.map_or_else(|| named.other_organisation(), str::to_owned).into());
    say("agent", principal.id().unescaped().into());
    say("agent_name", name_of(principal).into());
    for name in ["trust", "delegation_depth", "taint"] {
        say(name, written(&part(name)?)?);
    }
    if let Some(EvalResult::Record(session)) = context.get("session") {
        say("session", members(session.iter())?.into());
    }
    let EvalResult::Record(behaviour) = part("behaviour")? else { return Err(nobody()) };
    if let Some(word) = ["probing", "bursting"].iter().find(|word| behaviour.get(word) == Some(&EvalResult::Bool(true)))
    {
        say("behaviour", (*word).into());
    }
    let EvalResult::Record(time) = part("time")? else { return Err(nobody()) };
    say("at", if named.reads_time { exactly(time.get("at")) } else { roughly(&time) }.ok_or_else(nobody)?.into());
    let tool = space.tool.map_or_else(|| name_of(resource), str::to_owned);
    let arguments = match part("arguments")? {
        EvalResult::Record(arguments) if space.tool.is_some() => members(arguments.iter())?,
        _ => Map::new(),
    };
    let when = json!({"tool": tool, "effect": space.effect.as_str(), "arguments": arguments});
    Ok(json!({"given": given, "when": when}))
}

fn members<'a>(record: impl Iterator<Item = (&'a String, &'a EvalResult)>) -> Result<Map<String, Value>, String> {
    record.map(|(name, value)| Ok((name.clone(), written(value)?))).collect()
}

fn written(value: &EvalResult) -> Result<Value, String> {
    Ok(match value {
        EvalResult::Bool(truth) => (*truth).into(),
        EvalResult::Long(n) => (*n).into(),
        EvalResult::String(text) => text.as_str().into(),
        EvalResult::EntityUid(uid) => uid.id().unescaped().into(),
        EvalResult::Set(set) => Value::Array(set.iter().map(written).collect::<Result<_, _>>()?),
        EvalResult::Record(record) => members(record.iter())?.into(),
        EvalResult::ExtensionValue(text) => {
            let number = text.split('"').nth(1).and_then(|number| number.parse::<f64>().ok());
            let number = number.and_then(serde_json::Number::from_f64);
            number.map(Value::Number).ok_or_else(|| format!("a case cannot say `{text}`"))?
        }
    })
}

/// A moment of the first week of 2026, whose Monday is the fifth.
fn roughly(time: &cedar_policy::Record) -> Option<String> {
    let long = |name: &str| match time.get(name) {
        Some(EvalResult::Long(n)) => Some(*n),
        _ => None,
    };
    let (hour, minute, weekday) = (long("hour")?, long("minute")?, long("weekday")?);
    Some(format!("2026-01-{:02}T{hour:02}:{minute:02}:00Z", weekday + 4))
}

/// The moment as Cedar writes what it made: `datetime("1970-01-01")`, and how many milliseconds later.
fn exactly(at: Option<&EvalResult>) -> Option<String> {
    let Some(EvalResult::ExtensionValue(text)) = at else { return None };
    let mut quoted = text.split('"').skip(1).step_by(2);
    let begins = quoted.next()? == "1970-01-01";
    let later = quoted.next().map_or(Some(0), |later| later.strip_suffix("ms")?.parse().ok())?;
    begins.then(|| Timestamp::from_millis(later).to_string())
}

/// `request` with as little in it as `still` holds of: what a case leaves out has its defaults.
pub(crate) fn shorter(mut request: Value, still: &mut dyn FnMut(&Value) -> bool) -> Value {
    let mut attempt = |request: &mut Value, change: &dyn Fn(&mut Value)| {
        let mut other = request.clone();
        change(&mut other);
        if other != *request && still(&other) {
            *request = other;
        }
    };
    for place in ["/given", "/given/session", "/when/arguments"] {
        let names: Vec<String> =
            request.pointer(place).and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect();
        for name in names {
            attempt(&mut request, &|other| drop(members_at(other, place).and_then(|members| members.remove(&name))));
        }
    }
    // A tool with a name that says its effect: of any server, or else of its own.
    let effect = request.pointer("/when/effect").and_then(Value::as_str).and_then(Effect::parse);
    let server = request.pointer("/when/tool").and_then(Value::as_str).and_then(|tool| tool.split_once('/'));
    let servers = [Some("server".to_owned()), server.map(|(server, _)| server.to_owned())];
    for (server, effect) in servers.into_iter().flatten().zip(std::iter::repeat(effect)) {
        attempt(&mut request, &|other| {
            if let (Some(tool), Some(effect)) = (other.pointer_mut("/when/tool"), effect) {
                *tool = format!("{server}/{}", verb(effect)).into();
            }
        });
    }
    for (place, name) in [("/given", "taint"), ("/when", "arguments"), ("", "given")] {
        let is_empty = |value: &Value| match value {
            Value::Object(members) => members.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if let Some(members) = members_at(&mut request, place).filter(|members| members.get(name).is_some_and(is_empty))
        {
            members.remove(name);
        }
    }
    request
}

fn members_at<'a>(value: &'a mut Value, place: &str) -> Option<&'a mut Map<String, Value>> {
    value.pointer_mut(place).and_then(Value::as_object_mut)
}

const fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "get_item",
        Effect::Mutating => "update_item",
        Effect::Destructive => "delete_item",
        Effect::Admin => "grant_role",
    }
}
