//! A manifest's policy that is Cedar.
//!
//! The built-in dispatcher of ACS asks `Agent::"ID"`, `Action::"pre_tool_call"` and
//! `Tool::"NAME"` with an empty context, and refuses where any policy fails. So a policy says
//! of each agent and each tool yes, no, or that it fails, and nothing else can matter to it:
//! agents that neither the policies nor the entities name are all alike to it. That is what
//! is carried, policy by policy.

mod oracle;
mod written;

use std::collections::BTreeSet;

use countersign_core::id::AgentId;
use countersign_policy::{PolicySet, split};
use serde_json::{Map, Value, json};

use super::manifest::{Beside, below, text_at};
use super::prove::{self, AGENT, Requests, names};
use super::{CALL, Point, Refused, Written};
use crate::finding::{Findings, Severity};
use crate::yaml::Node;
use crate::{Options, Proof};

use oracle::{Answer, Oracle};

/// The keys of such a policy: the source takes no others.
const KEYS: [&str; 6] = ["type", "policy_set", "policy_path", "entities_path", "schema_path", "query"];
/// The most answers that are looked at: agents by tools by policies.
const MAX_ANSWERS: usize = 2_000_000;

/// The policies of a manifest, loaded as the source loads them.
pub(crate) struct Cedar {
    oracle: Oracle,
    /// In the order they are written.
    policies: Vec<One>,
    /// The agents that something names.
    agents: Vec<String>,
}

/// One policy.
struct One {
    /// Where it is, for findings: the line of the manifest, and what to begin with.
    line: usize,
    place: String,
    /// What it is called, in quotes.
    name: String,
    /// `None`: a template, which nothing links.
    parsed: Option<cedar_policy::Policy>,
    reads_context: bool,
}

/// Reads `policy` and the files it names.
pub(crate) fn read(
    policy: &Node,
    point: &Point,
    beside: &Beside<'_>,
    findings: &mut Findings,
) -> Result<Cedar, Refused> {
    let id = &point.policy;
    let refused = |why: String| (policy.line, format!("`{id}`: {why}"));
    let unknown = policy.members().unwrap_or_default().iter().find(|(name, _)| !KEYS.contains(&name.as_str()));
    if let Some((name, node)) = unknown {
        return Err((node.line, format!("`{name}` is no key of a Cedar policy")));
    }
    let file = |key: &str| -> Result<Option<(String, String)>, Refused> {
        let Some(path) = policy.get(key).and_then(Node::text) else { return Ok(None) };
        let path = below("", path).map_err(refused)?;
        let text = text_at(&path, beside).map_err(refused)?;
        Ok(Some((path, text)))
    };
    let inline = policy.get("policy_set").and_then(|node| Some((node.line, node.text()?.to_owned())));
    let (begins, place, text) = match (inline, file("policy_path")?) {
        // The text of a block begins on the line after its key.
        (Some((line, text)), None) => (Some(line + usize::from(text.contains('\n'))), String::new(), text),
        (None, Some((path, text))) => (None, path, text),
        _ => return Err(refused("it must have one of `policy_set` and `policy_path`".to_owned())),
    };
    if let Some(query) = policy.get("query") {
        let message = "`query` of a Cedar policy: the built-in dispatcher does not look at it";
        findings.add(Severity::Silent, query.line, message, "left out");
    }
    let source = countersign_policy::Source { file: &place, text: &text };
    let mut policies = Vec::new();
    for (line, text) in split(source).map_err(|why| refused(why.to_string()))? {
        let (line, place) = match begins {
            Some(begins) => (begins + line - 1, String::new()),
            None => (policy.line, format!("{place}:{line}: ")),
        };
        policies.push(one(policies.len(), text, line, place)?);
    }
    let (entities, schema) = (file("entities_path")?, file("schema_path")?);
    let oracle =
        Oracle::load(&text, entities.as_ref().map(|(_, text)| &**text), schema.as_ref().map(|(_, text)| &**text));
    let oracle = oracle.map_err(|why| refused(format!("{why}: the source refuses every call")))?;
    let agents = agents(&policies, entities.as_ref().map_or("", |(_, text)| text));
    let answers =
        agents.len().saturating_add(1).saturating_mul(point.catalogue.len() + 1).saturating_mul(policies.len());
    if answers > MAX_ANSWERS {
        return Err(refused(format!("agents by tools by policies are more than {MAX_ANSWERS}: split the manifest")));
    }
    for agent in agents.iter().filter(|agent| AgentId::try_from((*agent).clone()).is_err()) {
        let message = format!("`Agent::{agent:?}`: no agent here can have that id");
        findings.add(Severity::Changed, policy.line, message, "carried: what it says of that agent holds for nobody");
    }
    Ok(Cedar { oracle, policies, agents })
}

fn one(number: usize, text: &str, line: usize, place: String) -> Result<One, Refused> {
    let id = cedar_policy::PolicyId::new(number.to_string());
    let parsed = cedar_policy::Policy::parse(Some(id.clone()), text);
    let (json, own, parsed) = match parsed {
        Ok(policy) => (policy.to_json().ok(), policy.annotation("id").map(str::to_owned), Some(policy)),
        Err(why) => match cedar_policy::Template::parse(Some(id), text) {
            Ok(template) => (template.to_json().ok(), template.annotation("id").map(str::to_owned), None),
            Err(_) => return Err((line, format!("{place}{why}: the source refuses every call"))),
        },
    };
    let name =
        own.filter(|own| !own.is_empty()).map_or_else(|| format!("policy {}", number + 1), |own| format!("`{own}`"));
    let reads_context = json.as_ref().and_then(|json| json.get("conditions")).is_some_and(reads_context);
    Ok(One { line, place, name, parsed, reads_context })
}

/// Whether a condition, as Cedar's JSON, reads the context.
fn reads_context(json: &Value) -> bool {
    match json {
        Value::Object(members) => {
            members.get("Var").and_then(Value::as_str) == Some("context") || members.values().any(reads_context)
        }
        Value::Array(items) => items.iter().any(reads_context),
        _ => false,
    }
}

/// The ids of `Agent` that policies and entities name.
fn agents(policies: &[One], entities: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for json in policies.iter().filter_map(|one| one.parsed.as_ref()?.to_json().ok()) {
        collect(&json, &mut found);
    }
    collect(&serde_json::from_str(entities).unwrap_or_default(), &mut found);
    found.into_iter().collect()
}

fn collect(json: &Value, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(members) => {
            let named = members.get("type").and_then(Value::as_str) == Some("Agent");
            found.extend(members.get("id").and_then(Value::as_str).filter(|_| named).map(str::to_owned));
            members.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The numbers of agents and tools.
type Places = BTreeSet<(usize, usize)>;

/// What each policy says of each agent and each tool.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By policy: where it matches.
    matches: Vec<Places>,
    /// The same for where it fails.
    fails: Vec<Places>,
    /// Where nothing can even be asked.
    unasked: Places,
}

impl Cedar {
    /// Policies that say the same of the same agents and tools.
    pub(crate) fn written(
        &self,
        point: &Point,
        options: &Options<'_>,
        findings: &mut Findings,
    ) -> Result<Written, String> {
        let (agents, tools) = (self.classes(), tools(point));
        let mut table = Table::default();
        for (number, one) in self.policies.iter().enumerate() {
            let (mut matches, mut fails) = (BTreeSet::new(), BTreeSet::new());
            let alone = match &one.parsed {
                None => None,
                Some(parsed) => Some(oracle::alone(parsed).map_err(|why| format!("policy {}: {why}", number + 1))?),
            };
            for (a, agent) in agents.iter().enumerate() {
                for (t, tool) in tools.iter().enumerate() {
                    let answer = alone
                        .as_ref()
                        .map_or(Answer::No, |alone| self.oracle.says(alone, agent, tool.as_deref(), point));
                    let _ = match answer {
                        Answer::Matches => matches.insert((a, t)),
                        Answer::Fails => fails.insert((a, t)),
                        Answer::Unasked => table.unasked.insert((a, t)),
                        Answer::No => false,
                    };
                }
            }
            say(one, point, (&matches, &fails), findings);
            table.matches.push(matches);
            table.fails.push(fails);
        }
        if !table.unasked.is_empty() {
            let message = "the schema has no such request, or a name has a quote in it: the source refuses these calls";
            findings.add(Severity::Changed, point.line, message, "carried: they are refused");
        }
        let policies = written::policies(
            &self.policies,
            &table,
            &written::World { agents: &self.agents, tools: &tools, server: options.server },
        );
        Ok(Written { policies, rego: Vec::new() })
    }

    /// Puts all policies at once, as the source does, and what was written the same calls.
    pub(crate) fn ask(&self, point: &Point, set: PolicySet, options: &Options<'_>) -> Result<Proof, String> {
        let near = self.agents.iter().flat_map(|agent| [agent.clone(), agent.to_uppercase(), format!("{agent}x")]);
        let mut agents: Vec<String> = near.chain([AGENT.to_owned(), "somebody-else".to_owned()]).collect();
        agents.sort();
        agents.dedup();
        let some = json!({"context": {}, "principal": "x"}).as_object().cloned().unwrap_or_default();
        let requests = Requests { agents, names: names(point), arguments: vec![Map::new(), some], is_all: true };
        let mut says = |call: crate::prove::Call<'_>| self.oracle.decides(call, point);
        prove::ask(&mut says, &requests, set, options)
    }

    /// The agents that are named, and one who stands for all others.
    fn classes(&self) -> Vec<String> {
        let mut other = "somebody".to_owned();
        while self.agents.contains(&other) {
            other.push('-');
        }
        self.agents.iter().cloned().chain([other]).collect()
    }
}

/// What the source makes of `one`, where that is not what it says.
fn say(one: &One, point: &Point, found: (&Places, &Places), findings: &mut Findings) {
    let One { line, place, name, .. } = one;
    let (matches, fails) = found;
    let mut silent = |why: &str| findings.add(Severity::Silent, *line, format!("{place}{name} {why}"), "left out");
    let Some(parsed) = &one.parsed else {
        return silent("is a template, and nothing links it: it never matches");
    };
    let never = matches.is_empty() && fails.is_empty();
    if one.reads_context {
        silent(if never {
            "reads `context`, in which the source never puts anything: it never matches"
        } else {
            "reads `context`, in which the source never puts anything: what it says of that never holds"
        });
    } else if never && !is_about_calls(parsed) {
        if !point.is_shared {
            silent(&format!("is not about `{CALL}`, and is asked there alone: it never matches"));
        }
    } else if never {
        silent("matches no agent and tool of the manifest");
    }
    if parsed.annotation("advice").is_some() {
        silent("has `@advice`, which the built-in dispatcher does not read: what it permits is allowed as it is");
    }
    if !fails.is_empty() {
        let message = format!("{place}{name} fails on calls, and the source refuses a call on which any policy fails");
        findings.add(Severity::Changed, *line, message, "carried: they are refused");
    }
}

/// The tools that are told apart: none where the manifest names none.
fn tools(point: &Point) -> Vec<Option<String>> {
    if point.names_tool { point.catalogue.keys().cloned().map(Some).collect() } else { vec![None] }
}

/// Whether the head of `policy` has the action that is asked.
fn is_about_calls(policy: &cedar_policy::Policy) -> bool {
    use cedar_policy::ActionConstraint as Is;
    let is_call = |uid: &cedar_policy::EntityUid| uid.id().unescaped() == CALL;
    match policy.action_constraint() {
        Is::Any => true,
        Is::Eq(uid) => is_call(&uid),
        Is::In(uids) => uids.iter().any(is_call),
    }
}
