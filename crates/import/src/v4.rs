//! AGT's rule documents of versions 1 to 4 (`agent_os.policies`), as `agent-os-kernel`
//! 3.7.0 evaluates them: one comparison for each rule, the first by priority decides.

pub(crate) mod oracle;

use regex::Regex;

use crate::finding::{Findings, Severity};
use crate::rule::{Argument, Decimal, Document, Expr, Literal, Order, Rule, Test, Verdict};
use crate::yaml::{Node, Value};

const DOCUMENT: [&str; 9] =
    ["version", "name", "description", "rules", "defaults", "inherit", "scope", "network_allowlist", "tool_allowlist"];
const RULE: [&str; 6] = ["name", "condition", "action", "priority", "message", "override"];
const CONDITION: [&str; 3] = ["field", "operator", "value"];
/// The fields in which callers put the name of the tool.
const TOOL: [&str; 3] = ["action", "tool_name", "tool"];
/// Fields that are no argument of a call: what a model said or is asked, and what was counted.
const NOT_ARGUMENTS: [&str; 9] = [
    "input",
    "output",
    "response",
    "prompt",
    "token_count",
    "tool_call_count",
    "tool_call_depth",
    "confidence",
    "confidence_score",
];

/// A rule as it is written.
#[derive(Debug)]
pub(crate) struct Draft {
    pub number: usize,
    pub field: String,
    pub operator: Operator,
    pub value: serde_json::Value,
    pub verdict: Verdict,
    pub priority: i64,
    name: String,
    line: usize,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Order(Order),
    In,
    NotIn,
    Matches,
    Contains,
}

type Refused = (usize, String);

/// Reads `root`. The error is why the source would not load it: a line and what is wrong.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Result<(Document, oracle::Engine), Refused> {
    let members = root.members().ok_or((root.line, "not a policy: expected a mapping with `rules`".to_owned()))?;
    findings.unknown(members, &DOCUMENT, "the document");
    let name = root.get("name").map_or("unnamed", |name| name.text().unwrap_or("unnamed")).to_owned();
    let ignored = [
        ("scope", "holds for a folder, and only where folders are searched for policies"),
        ("network_allowlist", "is for sandboxes: the engine does not read it"),
        ("tool_allowlist", "is said to be enforced, and the engine does not read it"),
        ("inherit", "holds only where folders are searched for policies"),
    ];
    for (key, why) in ignored {
        if let Some(node) = root.get(key) {
            findings.add(Severity::Silent, node.line, format!("`{key}` {why}"), "left out");
        }
    }
    let default = defaults(root, findings)?;
    let mut drafts = Vec::new();
    if let Some(rules) = root.get("rules") {
        let rules = rules.items().ok_or((rules.line, "`rules`: expected a list".to_owned()))?;
        for (number, node) in rules.iter().enumerate() {
            drafts.extend(draft(number, node, findings)?);
        }
    }
    // Sorting keeps the order of equals, there as here.
    drafts.sort_by_key(|draft| std::cmp::Reverse(draft.priority));
    let rules = drafts.iter().filter_map(|draft| draft.rule(findings)).collect();
    let engine = oracle::Engine::new(drafts, default);
    Ok((Document { name, rules, default, agents: None }, engine))
}

fn defaults(root: &Node, findings: &mut Findings) -> Result<Verdict, Refused> {
    let Some(defaults) = root.get("defaults") else { return Ok(Verdict::Allow) };
    let members = defaults.members().ok_or((defaults.line, "`defaults`: expected a mapping".to_owned()))?;
    for (key, node) in members.iter().filter(|(key, _)| key != "action") {
        let message = format!("`defaults.{key}`: the engine decides nothing by it");
        findings.add(Severity::Silent, node.line, message, "left out: set budgets and rates in the tool rules");
    }
    defaults.get("action").map_or(Ok(Verdict::Allow), action)
}

fn action(node: &Node) -> Result<Verdict, Refused> {
    match node.text() {
        Some("allow" | "audit") => Ok(Verdict::Allow),
        Some("deny" | "block") => Ok(Verdict::Deny),
        _ => Err((node.line, format!("`action: {}`: expected `allow`, `deny`, `audit` or `block`", node.shown()))),
    }
}

/// `None`: a value that two versions of YAML read differently.
fn draft(number: usize, node: &Node, findings: &mut Findings) -> Result<Option<Draft>, Refused> {
    let members = node.members().ok_or((node.line, "a rule: expected a mapping".to_owned()))?;
    findings.unknown(members, &RULE, "a rule");
    let required = |node: &Node, key: &str| {
        let found = node.get(key).cloned();
        found.ok_or_else(|| (node.line, format!("no `{key}`: the source does not load it")))
    };
    let text = |node: &Node, key: &str| {
        let found = required(node, key)?;
        found
            .text()
            .map(str::to_owned)
            .ok_or_else(|| (found.line, format!("`{key}: {}`: expected a text", found.shown())))
    };
    let name = text(node, "name")?;
    let condition = required(node, "condition")?;
    findings.unknown(condition.members().unwrap_or_default(), &CONDITION, "a condition");
    let operator = match text(&condition, "operator")?.as_str() {
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "gt" => Operator::Order(Order::Above),
        "gte" => Operator::Order(Order::AtLeast),
        "lt" => Operator::Order(Order::Below),
        "lte" => Operator::Order(Order::AtMost),
        "in" => Operator::In,
        "not_in" => Operator::NotIn,
        "matches" => Operator::Matches,
        "contains" => Operator::Contains,
        other => {
            let expected = "`eq`, `ne`, `gt`, `lt`, `gte`, `lte`, `in`, `not_in`, `matches` or `contains`";
            return Err((condition.line, format!("`operator: {other}`: expected {expected}")));
        }
    };
    let written = required(&condition, "value")?;
    let Some(value) = written.json() else {
        let message = format!("rule `{name}`: `{}` is another value in YAML 1.1 than in 1.2", written.shown());
        findings.add(Severity::Lost, written.line, message, "left out: put it between quotes, or write it plainly");
        return Ok(None);
    };
    let written = required(node, "action")?;
    let verdict = action(&written)?;
    if written.text() == Some("audit") {
        let message = format!("rule `{name}`: `audit` allows there, and writes it down");
        findings.add(Severity::Note, written.line, message, "carried as a permit: everything is recorded here");
    }
    let priority = match node.get("priority").map(|node| (node.line, &node.value)) {
        None => 0,
        Some((_, Value::Number(n))) if n.is_i64() => n.as_i64().unwrap_or_default(),
        Some((line, _)) => return Err((line, "`priority`: expected a whole number".to_owned())),
    };
    if let Some(node) = node.get("override") {
        let message = format!("rule `{name}`: `override` means something only where folders are searched for policies");
        findings.add(Severity::Silent, node.line, message, "left out");
    }
    let reason = node.get("message").and_then(Node::text).unwrap_or_default();
    let reason = if reason.is_empty() { format!("Matched rule '{name}'") } else { reason.to_owned() };
    let field = text(&condition, "field")?;
    Ok(Some(Draft { number, field, operator, value, verdict, priority, line: node.line, name, reason }))
}

impl Draft {
    fn rule(&self, findings: &mut Findings) -> Option<Rule> {
        let Self { name, line, number, verdict, reason, .. } = self;
        match self.when() {
            Ok(when) => {
                let (name, reason) = (name.clone(), reason.clone());
                Some(Rule { name, line: *line, number: *number, when, verdict: *verdict, reason })
            }
            Err(why) => {
                findings.add(Severity::Lost, *line, format!("rule `{name}`: {why}"), "left out");
                None
            }
        }
    }

    /// The same in rules. A field that is not there never matches. The error is what has no counterpart.
    fn when(&self) -> Result<Expr, String> {
        let Self { field, value, .. } = self;
        let field = field.as_str();
        if NOT_ARGUMENTS.contains(&field) {
            return Err(format!(
                "`{field}` is no argument of a call: a policy is asked before a tool is called, about the call"
            ));
        }
        let literals = || value.as_array().map(|items| items.iter().map(literal).collect::<Result<Vec<_>, _>>());
        let listed = || literals().unwrap_or_else(|| Err("`in` and `not_in` are carried with a list".to_owned()));
        let part = || value.as_str().map(str::to_owned).ok_or_else(|| "`contains` is carried with a text".to_owned());
        let (test, negate) = match self.operator {
            Operator::Eq => (Test::Equal(literal(value)?), false),
            Operator::Ne => (Test::Equal(literal(value)?), true),
            Operator::In => (Test::OneOf(listed()?), false),
            Operator::NotIn => (Test::OneOf(listed()?), true),
            Operator::Contains => (Test::Contains(part()?), false),
            Operator::Matches => {
                let pattern = value.as_str().ok_or("`matches` is carried with a text")?;
                let regex = Regex::new(pattern)
                    .map_err(|_| format!("`{pattern}` is no regular expression that is read here"))?;
                (Test::Matches(regex), false)
            }
            Operator::Order(order) => match literal(value)? {
                Literal::Number(number) => (Test::Order(order, number), false),
                _ => return Err("a comparison is carried with a number".to_owned()),
            },
        };
        if TOOL.contains(&field) {
            return Ok(Expr::Tool { test, negate });
        }
        Ok(Expr::Argument(Argument { path: vec![field.to_owned()], test, negate, missing: false }))
    }
}

fn literal(value: &serde_json::Value) -> Result<Literal, String> {
    match value {
        serde_json::Value::String(text) => Ok(Literal::Text(text.clone())),
        serde_json::Value::Bool(truth) => Ok(Literal::Truth(*truth)),
        serde_json::Value::Number(number) => Decimal::parse(&number.to_string())
            .map(Literal::Number)
            .ok_or_else(|| format!("`{number}` has more digits than can be carried exactly")),
        _ => Err("a value that is null, a list or a mapping equals nothing a policy can hold".to_owned()),
    }
}
