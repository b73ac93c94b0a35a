//! The manifest's Rego and the policies, asked the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::classify::classify;
use countersign_policy::{Decision, Obligation, Outcome, PolicySet, Request, Source, read_rego};
use regorus::Engine;
use serde_json::{Map, Value, json};

use super::{Bound, CALL};
use crate::{Difference, Options, Proof, Verdict};

const AGENT: &str = "agent_1";
/// The most values that are tried for one argument.
const MAX_VALUES: usize = 40;

/// Nothing was asked.
pub(crate) const fn nothing() -> Proof {
    Proof { asked: 0, odd: 0, complete: false, difference: None }
}

/// Puts the same calls to both, up to `options.prove`.
pub(crate) fn ask(bound: &Bound, set: PolicySet, options: &Options<'_>) -> Result<Proof, String> {
    let mut worker = Arc::new(set).worker()?;
    let mut source = engine(bound)?;
    let (names, arguments) = (names(bound), arguments(bound));
    let all = names.len().saturating_mul(arguments.len());
    let mut proof = Proof { complete: all <= options.prove, ..nothing() };
    for number in 0..all.min(options.prove) {
        // Tools in turn, so that a few requests still meet each of them.
        let (Some(name), Some(with)) = (names.get(number % names.len()), arguments.get(number / names.len())) else {
            break;
        };
        let says = asked(&mut source, bound, name, with);
        let tool = format!("{}/{name}", options.server);
        let decision = worker.decide(&Request {
            organisation: "acme",
            agent: AGENT,
            agent_name: "agent",
            tool: &tool,
            effect: classify(&tool, None, None).effect,
            arguments: with,
            session: None,
            delegation_depth: 0,
            trust: 500,
            suspicion: None,
            now: Timestamp::from_millis(0),
            taint: &[],
        });
        match (says, verdict(&decision)) {
            (says, ours) if says == ours => proof.asked += 1,
            // The source takes a function that fails for silence; here it refuses.
            (_, Verdict::Deny) if decision.outcome == Outcome::Failed => proof.odd += 1,
            (says, _) => {
                let by: Vec<&str> = decision.by.iter().map(|policy| policy.id.as_str()).collect();
                let policies = format!("{} ({})", decision.outcome.as_str(), by.join(", "));
                let (agent, arguments) = (AGENT.to_owned(), with.clone());
                proof.difference = Some(Difference { agent, tool, arguments, source: says, policies });
                break;
            }
        }
    }
    Ok(proof)
}

fn verdict(decision: &Decision) -> Verdict {
    let asks = decision.obligations().any(|one| matches!(one, Obligation::RequireApproval(_)));
    match decision.outcome {
        Outcome::Permit if asks => Verdict::Approve,
        Outcome::Permit => Verdict::Allow,
        _ => Verdict::Deny,
    }
}

/// The manifest's Rego by itself.
fn engine(bound: &Bound) -> Result<Engine, String> {
    let mut engine = Engine::new();
    // As OPA does where nothing else is asked of it.
    engine.set_strict_builtin_errors(false);
    for (file, text) in &bound.files {
        let mut add = |is_v0| {
            engine.set_rego_v0(is_v0);
            engine.add_policy(file.clone(), text.clone()).map_err(|why| why.to_string())
        };
        add(false).or_else(|_| add(true))?;
    }
    Ok(engine)
}

/// What the host of the manifest would do with a call (ACS 0.3.1, sections 9, 12 and 14).
fn asked(source: &mut Engine, bound: &Bound, name: &str, arguments: &Map<String, Value>) -> Verdict {
    let tool = match (bound.names_tool, bound.catalogue.get(name)) {
        (false, _) => Value::Null,
        (true, None) => return Verdict::Deny,
        (true, Some(entry)) => {
            let mut entry = entry.as_object().cloned().unwrap_or_default();
            entry.insert("name".to_owned(), json!(name));
            Value::Object(entry)
        }
    };
    let input = json!({
        "intervention_point": CALL,
        "policy_target": {"kind": bound.kind, "path": bound.path, "value": arguments},
        "snapshot": {"tool_call": {"name": name, "args": arguments}, "agent": {"id": AGENT}},
        "annotations": {},
        "tool": tool,
    });
    source.set_input(regorus::Value::from(input));
    let said = source.eval_rule(bound.query.clone()).ok().and_then(|said| said.to_json_str().ok());
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

/// The tools of the manifest, and names near them.
fn names(bound: &Bound) -> Vec<String> {
    let near = bound.catalogue.keys().flat_map(|name| [name.clone(), name.to_uppercase(), format!("{name}_")]);
    let mut names: Vec<String> = near.chain(["some_other_tool".to_owned()]).collect();
    names.sort();
    names.dedup();
    names
}

/// Arguments: for each that the Rego reads, none and the constants of the Rego; together two at a time.
fn arguments(bound: &Bound) -> Vec<Map<String, Value>> {
    let (mut paths, mut values) = (BTreeSet::new(), BTreeSet::new());
    for (file, text) in &bound.files {
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
    let paths: Vec<Vec<String>> = paths.into_iter().collect();
    let mut tried: Vec<Value> = vec![Value::Null, json!(""), json!(true), json!([])];
    for text in values.into_iter().take(MAX_VALUES) {
        match text.parse::<i64>() {
            Ok(n) => tried.extend([json!(n), json!(n.saturating_add(1)), json!(n.saturating_sub(1))]),
            Err(_) => tried.extend([json!(text), json!(format!("x{text}x")), json!([text])]),
        }
    }
    let mut all = vec![Map::new()];
    for (at, path) in paths.iter().enumerate() {
        for value in &tried {
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

fn set(members: &mut Map<String, Value>, path: &[String], value: &Value) {
    match path {
        [] => {}
        [last] => {
            members.insert(last.clone(), value.clone());
        }
        [name, rest @ ..] => {
            if let Value::Object(inner) = members.entry(name.clone()).or_insert_with(|| json!({})) {
                set(inner, rest, value);
            }
        }
    }
}
