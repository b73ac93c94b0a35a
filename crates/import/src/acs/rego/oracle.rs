//! The Rego of a manifest by itself, asked as the manifest's host asks it.

use std::collections::BTreeSet;

use countersign_policy::{Source, read_rego};
use regorus::Engine;
use serde_json::{Map, Value, json};

use super::Rego;
use crate::Verdict;
use crate::acs::prove::{AGENT, Requests, names};
use crate::acs::{CALL, Point};
use crate::prove::{Call, set};

/// The most values that are tried for one argument.
const MAX_VALUES: usize = 40;
/// The most sets of arguments that are made.
const MAX_ARGUMENTS: usize = 200_000;

/// The Rego and the data of a manifest.
pub(crate) fn engine(rego: &Rego) -> Result<Engine, String> {
    let mut engine = Engine::new();
    // As OPA does where nothing else is asked of it.
    engine.set_strict_builtin_errors(false);
    for (file, text) in &rego.files {
        let mut add = |is_v0| {
            engine.set_rego_v0(is_v0);
            engine.add_policy(file.clone(), text.clone()).map_err(|why| why.to_string())
        };
        add(false).or_else(|_| add(true))?;
    }
    let data = regorus::Value::from(Value::Object(rego.data.clone()));
    engine.add_data(data).map_err(|why| why.to_string())?;
    Ok(engine)
}

/// What the host of the manifest would do with a call (ACS 0.3.1, sections 9, 12 and 14).
pub(crate) fn asked(source: &mut Engine, point: &Point, rego: &Rego, call: Call<'_>) -> Verdict {
    let Call { agent, tool: name, arguments } = call;
    let tool = match (point.names_tool, point.catalogue.get(name)) {
        (false, _) => Value::Null,
        (true, None) => return Verdict::Deny,
        (true, Some(entry)) => {
            let mut entry = entry.as_object().cloned().unwrap_or_default();
            entry.insert("name".to_owned(), json!(name));
            Value::Object(entry)
        }
    };
    let agent = json!({"id": agent});
    let input = json!({
        "intervention_point": CALL,
        "policy_target": {"kind": point.kind, "path": point.path, "value": arguments},
        "snapshot": {
            "tool_call": {"name": name, "args": arguments}, "agent": agent, "envelope": {"agent": agent},
        },
        "annotations": {},
        "tool": tool,
    });
    source.set_input(regorus::Value::from(input));
    let said = source.eval_rule(rego.query.clone()).ok().and_then(|said| said.to_json_str().ok());
    let said: Option<Value> = said.and_then(|said| serde_json::from_str(&said).ok());
    said.as_ref().and_then(Value::as_object).map_or(Verdict::Deny, normal)
}

/// What a verdict comes to. `transform` is refused here on purpose, and so it is on both sides.
fn normal(said: &Map<String, Value>) -> Verdict {
    const MEMBERS: [&str; 6] = ["decision", "reason", "message", "transform", "evidence", "result_labels"];
    let is_reserved = said.get("reason").and_then(Value::as_str).is_some_and(|why| why.starts_with("runtime_error:"));
    if is_reserved || !said.keys().all(|name| MEMBERS.contains(&name.as_str())) {
        return Verdict::Deny;
    }
    match said.get("decision").and_then(Value::as_str) {
        Some("allow" | "warn") => Verdict::Allow,
        Some("escalate") => Verdict::Approve,
        _ => Verdict::Deny,
    }
}

/// For each argument that the Rego reads, none and the constants of the Rego; together two at a time.
pub(crate) fn requests(point: &Point, rego: &Rego) -> Requests {
    let (mut paths, mut values) = (BTreeSet::new(), BTreeSet::new());
    for (file, text) in &rego.files {
        let Ok(reading) = read_rego(Source { file, text }) else { continue };
        for (path, _, _) in reading.inputs {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if let ["policy_target", "value", rest @ ..] | ["snapshot", "tool_call", "args", rest @ ..] =
                path.as_slice()
                && !rest.is_empty()
            {
                paths.insert(rest.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
            }
        }
        values.extend(constants(text));
    }
    let mut of_data = BTreeSet::new();
    collect(&Value::Object(rego.data.clone()), &mut of_data);
    of_data.retain(|value| !values.contains(value));
    let paths: Vec<Vec<String>> = paths.into_iter().collect();
    let mut tried: Vec<Value> = vec![Value::Null, json!(""), json!(true), json!([])];
    for text in values.into_iter().take(MAX_VALUES).chain(of_data.into_iter().take(MAX_VALUES / 2)) {
        match text.parse::<i64>() {
            Ok(n) => tried.extend([json!(n), json!(n.saturating_add(1)), json!(n.saturating_sub(1))]),
            Err(_) => tried.extend([json!(text), json!(format!("x{text}x")), json!([text])]),
        }
    }
    let mut arguments = in_pairs(&paths, &tried);
    let is_all = arguments.len() <= MAX_ARGUMENTS;
    arguments.truncate(MAX_ARGUMENTS);
    Requests { agents: vec![AGENT.to_owned()], names: names(point), arguments, is_all }
}

fn in_pairs(paths: &[Vec<String>], tried: &[Value]) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    for (at, path) in paths.iter().enumerate().take_while(|(at, _)| at * tried.len() * tried.len() <= MAX_ARGUMENTS) {
        for value in tried {
            let mut one = Map::new();
            set(&mut one, path, value);
            let next = paths.get((at + 1) % paths.len()).filter(|next| *next != path);
            all.extend(next.into_iter().flat_map(|next| {
                tried.iter().map(|other| {
                    let mut two = one.clone();
                    set(&mut two, next, other);
                    two
                })
            }));
            all.push(one);
        }
    }
    all
}

/// The texts and whole numbers that are written in `text`.
fn constants(text: &str) -> impl Iterator<Item = String> + '_ {
    let texts = text.split(['"', '`']).skip(1).step_by(2).map(str::to_owned);
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).map(str::to_owned);
    texts.chain(numbers)
}

/// The texts, names and numbers in `data`.
fn collect(data: &Value, values: &mut BTreeSet<String>) {
    match data {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            values.insert(name.clone());
            collect(value, values);
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, values)),
        Value::String(text) => {
            values.insert(text.clone());
        }
        Value::Number(number) => {
            values.insert(number.to_string());
        }
        Value::Null | Value::Bool(_) => {}
    }
}
