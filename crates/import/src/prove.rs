//! Asking both: requests at the edges of everything the rules compare with, put to an
//! evaluation of the source and to the policies that were made of it.

use std::collections::BTreeMap;

use countersign_core::Timestamp;
use countersign_core::classify::classify;
use countersign_policy::{Decision, Obligation, Outcome, Request, Worker};
use serde_json::{Map, Number, Value, json};

use crate::Engine;
use crate::cedar::Planned;
use crate::cedar::Row;
use crate::lower::{Check, Constant, Leaf};
use crate::rule::{Document, ONE, Verdict};
use crate::tools::{Kind, World};

/// A Monday at noon. What is imported does not ask for the time.
const NOON: i64 = 1_767_614_400_000;

/// What was asked, and whether both answered alike.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// How many requests were asked.
    pub asked: usize,
    /// How many requests had an argument of another type than declared, to which the policies
    /// must not say more than the source.
    pub odd: usize,
    /// Whether they were all that the edges give; else evenly chosen ones.
    pub complete: bool,
    /// The first on which the answers differ.
    pub difference: Option<Difference>,
}

/// A request that the source and the policies answer differently.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The agent.
    pub agent: String,
    /// The tool, with its server.
    pub tool: String,
    /// The arguments.
    pub arguments: Map<String, Value>,
    /// What the source answers.
    pub source: Verdict,
    /// What the policies answer.
    pub policies: String,
}

/// For each argument that is read, the values to try.
type Edges = Vec<(Vec<String>, Vec<Value>)>;

/// One request.
#[derive(Debug, Clone)]
struct Asked {
    agent: String,
    tool: String,
    arguments: Map<String, Value>,
}

/// A call as a source is asked about it: the tool without its server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub agent: &'a str,
    pub tool: &'a str,
    pub arguments: &'a Map<String, Value>,
}

impl Asked {
    fn call(&self) -> Call<'_> {
        Call { agent: &self.agent, tool: &self.tool, arguments: &self.arguments }
    }
}

/// What is asked of.
pub(crate) struct Question<'a> {
    pub document: &'a Document,
    pub rows: &'a [Row],
    pub world: &'a World,
    pub planned: &'a [Planned],
    pub engine: &'a Engine,
    /// The rules of the source that were carried, by number.
    pub kept: &'a dyn Fn(usize) -> bool,
}

impl Question<'_> {
    /// Asks at most `most` requests. Also: the cases that pin what the rules mean, as YAML.
    pub(crate) fn ask(&self, worker: &mut Worker, most: usize) -> (Proof, String) {
        let (requests, complete) = self.requests(most);
        let mut proof = Proof { asked: 0, odd: 0, complete, difference: None };
        let mut cases: BTreeMap<String, (bool, String)> = BTreeMap::new();
        for asked in requests {
            proof.asked += 1;
            let (verdict, rule) = self.engine.decide(self.kept, asked.call());
            let tool = format!("{}/{}", self.world.server, asked.tool);
            let decision = decide(worker, asked.call(), &tool);
            if !agree(verdict, &decision) {
                let policies = said(&decision);
                let Asked { agent, arguments, .. } = asked;
                proof.difference = Some(Difference { agent, tool, arguments, source: verdict, policies });
                break;
            }
            self.collect(&mut cases, &asked, rule, &decision);
        }
        if proof.difference.is_none() {
            self.ask_odd(worker, &mut proof);
        }
        let cases: String = cases.into_values().map(|(_, case)| case).collect();
        (proof, cases)
    }

    /// Asks with one argument of another type than declared, whichever it is.
    fn ask_odd(&self, worker: &mut Worker, proof: &mut Proof) {
        let agent = self.document.agents.as_ref().and_then(|agents| agents.first()).map_or("agent_1", String::as_str);
        for (at, name) in self.world.known.iter().enumerate() {
            let values = self.values(at);
            let total = values.iter().fold(1_u128, |total, (_, values)| total.saturating_mul(values.len() as u128));
            for (path, near) in &values {
                for (n, value) in odd_values(near).into_iter().enumerate() {
                    let mut arguments = combination(&values, (n as u128 * odd(total / 7)) % total.max(1));
                    set(&mut arguments, path, &value);
                    let asked = Asked { agent: agent.to_owned(), tool: name.clone(), arguments };
                    proof.odd += 1;
                    let (verdict, _) = self.engine.decide(self.kept, asked.call());
                    let tool = format!("{}/{name}", self.world.server);
                    let decision = decide(worker, asked.call(), &tool);
                    if decision.outcome == Outcome::Permit && verdict != Verdict::Allow && !agree(verdict, &decision) {
                        let (agent, arguments, policies) = (asked.agent, asked.arguments, said(&decision));
                        proof.difference = Some(Difference { agent, tool, arguments, source: verdict, policies });
                        return;
                    }
                }
            }
        }
    }

    /// Keeps a case for each policy that decides: one in which its own rule does, where there is one.
    fn collect(
        &self,
        cases: &mut BTreeMap<String, (bool, String)>,
        asked: &Asked,
        rule: Option<usize>,
        decision: &Decision,
    ) {
        let mut ids: Vec<&str> = decision.by.iter().map(|policy| policy.id.as_str()).collect();
        if ids.is_empty() {
            ids.push("");
        }
        for id in &ids {
            let own = self.planned.iter().any(|planned| planned.id == *id && planned.number == rule);
            let known = cases.get(*id);
            if known.is_some_and(|(was, _)| *was || !own) {
                continue;
            }
            let by: Vec<&str> = ids.iter().copied().filter(|id| !id.is_empty()).collect();
            let who = if id.is_empty() { "no rule matches" } else { id };
            let tool = format!("{}/{}", self.world.server, asked.tool);
            let name = json!(format!("{who}: {} {}", asked.tool, json!(asked.arguments)));
            let text = format!(
                "- name: {name}\n  given: {}\n  when: {}\n  then: {}\n\n",
                json!({"agent": asked.agent}),
                json!({"tool": tool, "arguments": asked.arguments}),
                json!({"decision": decision.outcome.as_str(), "by": by}),
            );
            cases.insert((*id).to_owned(), (own, text));
        }
    }

    /// Requests at the edges, at most `most`, and whether they are all.
    fn requests(&self, most: usize) -> (Vec<Asked>, bool) {
        let agents: Vec<&str> = match &self.document.agents {
            None => vec!["agent_1"],
            Some(agents) => agents.iter().map(String::as_str).chain(["somebody-else"]).collect(),
        };
        let mut subjects: Vec<(String, Edges)> = Vec::new();
        for (at, name) in self.world.known.iter().enumerate() {
            subjects.push((name.clone(), self.values(at)));
        }
        if self.rows.iter().all(|row| row.len() > self.world.known.len()) {
            subjects.extend(self.other_names().into_iter().map(|name| (name, Vec::new())));
        }
        let each = (most / (subjects.len() * agents.len()).max(1)).max(1);
        let (mut all, mut complete) = (Vec::new(), true);
        for (tool, values) in &subjects {
            let total = values.iter().fold(1_u128, |total, (_, values)| total.saturating_mul(values.len() as u128));
            let (count, step) =
                if total <= each as u128 { (total, 1) } else { (each as u128, odd(total / each as u128)) };
            complete &= step == 1 && count == total;
            for n in 0..count {
                let arguments = combination(values, (n * step) % total);
                for agent in &agents {
                    all.push(Asked { agent: (*agent).to_owned(), tool: tool.clone(), arguments: arguments.clone() });
                }
            }
        }
        (all, complete)
    }

    /// For each argument that is read of the tool at `subject`, values around what it is compared with.
    /// The first, `null`, is none.
    fn values(&self, subject: usize) -> Edges {
        let mut edges: BTreeMap<Vec<String>, Vec<Value>> = BTreeMap::new();
        for leaf in self.rows.iter().filter_map(|row| row.get(subject)).flat_map(|cond| cond.leaves()) {
            let values = edges.entry(leaf.path.clone()).or_insert_with(|| vec![Value::Null]);
            for value in around(leaf) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        edges.into_iter().collect()
    }

    /// Names of tools that no rule names: near those it does, and fitting the patterns.
    fn other_names(&self) -> Vec<String> {
        let mut names = vec!["some_other_tool".to_owned()];
        for name in &self.world.known {
            names.extend([name.to_uppercase(), format!("{name}_"), format!("x{name}")]);
        }
        for glob in self.rows.iter().filter_map(|row| row.last()).flat_map(|cond| cond.names()) {
            names.extend(["", "x", "_x_"].map(|star| glob.sample(star)));
        }
        names.retain(|name| !name.is_empty() && !self.world.known.contains(name));
        names.sort();
        names.dedup();
        names
    }
}

/// The values in `near` as other types, and some of each type.
fn odd_values(near: &[Value]) -> Vec<Value> {
    let mut odd = vec![json!([]), json!(true), json!(false), json!(0), json!(1.5), json!("x"), json!(""), json!({})];
    for value in near.iter().filter(|value| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let float = value.as_i64().and_then(|n| serde_json::from_str(&format!("{n}.0")).ok());
        odd.extend([json!(text), json!([value]), json!({"value": value})]);
        odd.extend(text.parse::<i64>().ok().map(|n| json!(n)));
        odd.extend(float.map(Value::Number));
    }
    odd
}

/// The next odd number: a step that meets most remainders.
const fn odd(n: u128) -> u128 {
    n | 1
}

/// What the policies say of `tool`, named with its server.
pub(crate) fn decide(worker: &mut Worker, call: Call<'_>, tool: &str) -> Decision {
    worker.decide(&Request {
        organisation: "acme",
        agent: call.agent,
        agent_name: "agent",
        tool,
        effect: classify(tool, None, None).effect,
        arguments: call.arguments,
        session: None,
        delegation_depth: 0,
        trust: 500,
        suspicion: None,
        now: Timestamp::from_millis(NOON),
        taint: &[],
    })
}

/// Whether a human is asked first.
pub(crate) fn asks(decision: &Decision) -> bool {
    decision.obligations().any(|one| matches!(one, Obligation::RequireApproval(_)))
}

fn agree(verdict: Verdict, decision: &Decision) -> bool {
    match (verdict, decision.outcome) {
        (Verdict::Allow, Outcome::Permit) => !asks(decision),
        (Verdict::Approve, Outcome::Permit) => asks(decision),
        // Where no policy speaks of a call it is refused: `policy.default` is `deny`.
        (Verdict::Deny, Outcome::Forbid | Outcome::Unmatched) => true,
        _ => false,
    }
}

fn said(decision: &Decision) -> String {
    let by: Vec<&str> = decision.by.iter().map(|policy| policy.id.as_str()).collect();
    let asks = if asks(decision) { ", with an approval" } else { "" };
    format!("{}{asks} ({})", decision.outcome.as_str(), by.join(", "))
}

/// The combination number `n` of one value for each path.
fn combination(values: &Edges, mut n: u128) -> Map<String, Value> {
    let mut arguments = Map::new();
    for (path, values) in values {
        let many = (values.len() as u128).max(1);
        let value = usize::try_from(n % many).ok().and_then(|at| values.get(at));
        n /= many;
        if let Some(value) = value.filter(|value| !value.is_null()) {
            set(&mut arguments, path, value);
        }
    }
    arguments
}

/// Puts `value` to where `path` leads, through objects that are made.
pub(crate) fn set(members: &mut Map<String, Value>, path: &[String], value: &Value) {
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

/// Values on both sides of what `leaf` asks.
fn around(leaf: &Leaf) -> Vec<Value> {
    match &leaf.check {
        Check::Given(Kind::Text) => vec![json!("x"), json!("")],
        Check::Given(Kind::Whole | Kind::Decimal) => vec![json!(-1), json!(0), json!(1)],
        Check::Equal(constant) | Check::Order(_, constant) => constant.around(),
        Check::OneOf(items) => items.iter().flat_map(Constant::around).collect(),
        Check::True | Check::Given(Kind::Truth | Kind::Object(_) | Kind::Other) => vec![json!(true), json!(false)],
        Check::Empty | Check::Given(Kind::Texts) => vec![json!([]), json!(["x"])],
        Check::Holds(text) => vec![json!([]), json!([text]), json!(["x", text]), json!([format!("{text}x")])],
        Check::Like(globs) => {
            let samples = globs.iter().flat_map(|glob| ["", "x", "\n", " y "].map(|star| glob.sample(star)));
            samples
                .flat_map(|text| [text.to_uppercase(), format!("x{text}"), format!("{text}x"), text])
                .map(|t| json!(t))
                .collect()
        }
    }
}

impl Constant {
    fn around(&self) -> Vec<Value> {
        match self {
            Self::Text(text) => {
                let mut near =
                    vec![text.clone(), format!("{text}x"), format!(" {text}"), text.to_uppercase(), String::new()];
                near.dedup();
                near.into_iter().map(Value::String).collect()
            }
            Self::Whole(whole) => [whole - 1, *whole, whole + 1, 0, -1].map(|n| json!(n)).to_vec(),
            Self::Decimal(decimal) => {
                let parts = [decimal.0 - ONE, decimal.0 - 1, decimal.0, decimal.0 + 1, decimal.0 + ONE, 0, -ONE];
                parts.into_iter().filter_map(json_number).collect()
            }
        }
    }
}

/// `parts` ten-thousandths as JSON; whole numbers without a point.
fn json_number(parts: i64) -> Option<Value> {
    if parts % ONE == 0 {
        return Some(Value::Number((parts / ONE).into()));
    }
    let number: f64 = crate::rule::Decimal(parts).written().parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}
