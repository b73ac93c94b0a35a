//! AGT's `govern()` documents (`apiVersion: governance.toolkit/v1`), as
//! `agent-governance-toolkit-core` 5.0.0 evaluates them.

pub(crate) mod condition;
pub(crate) mod oracle;

use crate::finding::{Findings, Severity};
use crate::rule::{Document, Expr, Rule, Verdict};
use crate::yaml::{Node, Value};

/// How the source resolves rules that disagree: the argument `conflict_strategy` of `govern()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Any deny wins: what `govern()` does when nothing else is asked for.
    #[default]
    DenyOverrides,
    /// Any allow wins.
    AllowOverrides,
    /// The rule with the highest priority wins. In one document `most_specific_wins` is the same.
    PriorityFirstMatch,
}

const DOCUMENT: [&str; 12] = [
    "apiVersion",
    "version",
    "name",
    "description",
    "extends",
    "agent",
    "agents",
    "scope",
    "rules",
    "default_action",
    "created_at",
    "updated_at",
];
const RULE: [&str; 9] =
    ["name", "description", "stage", "condition", "action", "limit", "approvers", "priority", "enabled"];
const STAGES: [&str; 4] = ["pre_input", "pre_tool", "post_tool", "pre_output"];

/// Reads `root`. The error is why the source would not load it: a line and what is wrong.
pub(crate) fn read(
    root: &Node,
    strategy: Strategy,
    findings: &mut Findings,
) -> Result<(Document, oracle::Engine), (usize, String)> {
    let members =
        root.members().ok_or((root.line, "not a policy: expected a mapping with `name` and `rules`".to_owned()))?;
    findings.unknown(members, &DOCUMENT, "the document");
    let name = required(root, "name", "the document")?;
    version(root, findings)?;
    let default = match root.get("default_action").map(|node| (node, node.text())) {
        None | Some((_, Some("deny"))) => Verdict::Deny,
        Some((_, Some("allow"))) => Verdict::Allow,
        Some((node, _)) => {
            return Err((node.line, format!("`default_action: {}`: expected `allow` or `deny`", node.shown())));
        }
    };
    let no_rules = Vec::new();
    let rules = match root.get("rules").map(|node| (node.line, node.items())) {
        None => &no_rules[..],
        Some((_, Some(rules))) => rules,
        Some((line, None)) => return Err((line, "`rules`: expected a list".to_owned())),
    };
    let mut drafts = Vec::new();
    for (number, node) in rules.iter().enumerate() {
        drafts.push(draft(number, node, findings)?);
    }
    if let Some(extends) = root.get("extends")
        && extends.items().is_none_or(|parents| !parents.is_empty())
    {
        let done = "import the parents too, each on its own; their rules come before these";
        findings.add(Severity::Lost, extends.line, "`extends` takes rules of other files", done);
    }
    if default == Verdict::Allow {
        let line = root.get("default_action").map_or(root.line, |node| node.line);
        let message = "what no rule names is allowed, and names are compared letter by letter: `DROP` is not `drop`";
        findings.add(Severity::Note, line, message, "carried: a policy permits the tools of the server");
    }
    let agents = agents(root, findings)?;
    let engine = oracle::Engine::new(&drafts, strategy, default, agents.clone());
    let mut rules: Vec<Ordered> = drafts.into_iter().filter_map(|draft| draft.rule(findings)).collect();
    sort(&mut rules, strategy);
    Ok((Document { name, rules: rules.into_iter().map(|ordered| ordered.rule).collect(), default, agents }, engine))
}

/// A rule as it is written.
#[derive(Debug)]
pub(crate) struct Draft {
    pub number: usize,
    pub name: String,
    pub line: usize,
    condition: String,
    condition_line: usize,
    pub action: Action,
    pub priority: i64,
    pub enabled: bool,
    pub stage: String,
    pub atoms: condition::Parsed,
    description: Option<String>,
    approvers: Vec<String>,
    limit: Option<(usize, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Deny,
    Warn,
    Log,
    Approve,
}

/// A rule and what orders it.
struct Ordered {
    rule: Rule,
    action: Action,
    priority: i64,
}

/// In the order in which the first that matches decides. Sorting keeps the order of equals, there as here.
fn sort(rules: &mut [Ordered], strategy: Strategy) {
    rules.sort_by_key(|rule| {
        let first = match strategy {
            Strategy::DenyOverrides => rule.action == Action::Deny,
            Strategy::AllowOverrides => rule.action == Action::Allow,
            Strategy::PriorityFirstMatch => false,
        };
        (!first, std::cmp::Reverse(rule.priority))
    });
}

fn required(node: &Node, key: &str, of: &str) -> Result<String, (usize, String)> {
    match node.get(key) {
        Some(found) => found
            .text()
            .map(str::to_owned)
            .ok_or_else(|| (found.line, format!("`{key}: {}`: expected a text", found.shown()))),
        None => Err((node.line, format!("{of} has no `{key}`: the source does not load it"))),
    }
}

fn version(root: &Node, findings: &mut Findings) -> Result<(), (usize, String)> {
    let Some(written) = root.get("apiVersion") else { return Ok(()) };
    if !matches!(written.text(), Some("governance.toolkit/v1" | "1.0")) {
        let message = format!("`apiVersion: {}`: expected `governance.toolkit/v1`", written.shown());
        return Err((written.line, message));
    }
    if written.text() == Some("1.0") {
        findings.add(Severity::Note, written.line, "`apiVersion: 1.0` is deprecated there", "read the same way");
    }
    Ok(())
}

fn agents(root: &Node, findings: &mut Findings) -> Result<Option<Vec<String>>, (usize, String)> {
    let mut named = Vec::new();
    let mut line = root.line;
    if let Some(agent) = root.get("agent") {
        line = agent.line;
        named.push(required(root, "agent", "the document")?);
    }
    if let Some(list) = root.get("agents") {
        line = list.line;
        for item in list.items().ok_or((list.line, "`agents`: expected a list".to_owned()))? {
            named.push(item.text().ok_or((item.line, "`agents`: expected texts".to_owned()))?.to_owned());
        }
    }
    named.retain(|name| !name.is_empty());
    // `agent: "*"` is compared as it is; only `agents` knows the wildcard.
    let everybody =
        root.get("agents").and_then(Node::items).is_some_and(|all| all.iter().any(|a| a.text() == Some("*")));
    if everybody || named.is_empty() {
        return Ok(None);
    }
    let done = "the policies speak of `Agent::\"…\"` with the same text: write the ids that your agents have here";
    findings.add(Severity::Changed, line, "agents are named as the source names them", done);
    Ok(Some(named))
}

fn draft(number: usize, node: &Node, findings: &mut Findings) -> Result<Draft, (usize, String)> {
    let members = node.members().ok_or((node.line, "a rule: expected a mapping".to_owned()))?;
    findings.unknown(members, &RULE, "a rule");
    let name = required(node, "name", "a rule")?;
    let condition = required(node, "condition", &format!("rule `{name}`"))?;
    let expected =
        |key: &str, node: &Node, what: &str| (node.line, format!("`{key}: {}`: expected {what}", node.shown()));
    let action = match node.get("action") {
        None => Action::Deny,
        Some(written) => match written.text() {
            Some("allow") => Action::Allow,
            Some("deny") => Action::Deny,
            Some("warn") => Action::Warn,
            Some("log") => Action::Log,
            Some("require_approval") => Action::Approve,
            _ => return Err(expected("action", written, "`allow`, `deny`, `warn`, `require_approval` or `log`")),
        },
    };
    let priority = match node.get("priority").map(|node| (node, &node.value)) {
        None => 0,
        Some((written, Value::Number(number))) => {
            number.as_i64().ok_or_else(|| expected("priority", written, "a whole number"))?
        }
        Some((written, _)) => return Err(expected("priority", written, "a whole number")),
    };
    let enabled = match node.get("enabled").map(|node| (node, &node.value)) {
        None => true,
        Some((_, Value::Truth(truth))) => *truth,
        Some((written, _)) => return Err(expected("enabled", written, "`true` or `false`")),
    };
    let stage = match node.get("stage").map(|node| (node, node.text())) {
        None => "pre_tool",
        Some((_, Some(stage))) if STAGES.contains(&stage) => stage,
        Some((written, _)) => {
            return Err(expected("stage", written, "`pre_input`, `pre_tool`, `post_tool` or `pre_output`"));
        }
    };
    let approvers = node.get("approvers").and_then(Node::items).unwrap_or_default();
    Ok(Draft {
        number,
        line: node.line,
        condition_line: node.get("condition").map_or(node.line, |node| node.line),
        atoms: condition::parse(&condition),
        condition,
        action,
        priority,
        enabled,
        stage: stage.to_owned(),
        description: node.get("description").and_then(Node::text).map(str::to_owned),
        approvers: approvers.iter().filter_map(Node::text).map(str::to_owned).collect(),
        limit: node.get("limit").map(|limit| (limit.line, limit.shown())),
        name,
    })
}

impl Draft {
    /// The rule, and everything there is to say about it. `None`: nothing of it is carried.
    fn rule(self, findings: &mut Findings) -> Option<Ordered> {
        let Self { number, name, line, action, priority, .. } = self;
        if !self.enabled {
            findings.add(Severity::Note, line, format!("rule `{name}` is not enabled"), "left out");
            return None;
        }
        if self.stage != "pre_tool" {
            let message = format!("rule `{name}` is for the stage `{}`, which `govern()` never evaluates", self.stage);
            findings.add(Severity::Silent, line, message, "left out: calls of tools are decided before they are made");
            return None;
        }
        if let Some((line, limit)) = &self.limit {
            let message = format!("rule `{name}` holds {limit} times, and refuses afterwards");
            let done = "policies count nothing: set the rate of the tool in its tool rules; the rule is left out";
            findings.add(Severity::Lost, *line, message, done);
            return None;
        }
        self.atoms.report(&name, self.condition_line, findings);
        let when = match self.atoms.lower() {
            Ok(when) => when,
            Err(why) => {
                findings.add(Severity::Lost, self.condition_line, format!("rule `{name}`: {why}"), "left out");
                return None;
            }
        };
        if matches!(when, Expr::Const(false)) {
            let message = format!("rule `{name}` never matches: `{}`", self.condition);
            findings.add(Severity::Silent, self.condition_line, message, "left out, as it does nothing there");
            return None;
        }
        let reason = self.description.unwrap_or_else(|| format!("Rule {name} matched"));
        let verdict = match action {
            Action::Allow => Verdict::Allow,
            Action::Approve => Verdict::Approve,
            Action::Deny => Verdict::Deny,
            Action::Warn | Action::Log => {
                let word = if action == Action::Warn { "warn" } else { "log" };
                let message = format!("rule `{name}`: `action: {word}` refuses there, whatever its name says");
                findings.add(
                    Severity::Changed,
                    line,
                    message,
                    "carried as a refusal; `@shadow` watches without refusing",
                );
                Verdict::Deny
            }
        };
        if action == Action::Approve && !self.approvers.is_empty() {
            let message = format!("rule `{name}` names who approves: {}", self.approvers.join(", "));
            findings.add(Severity::Changed, line, message, "any human who may approve here can; nobody is named");
        }
        Some(Ordered { rule: Rule { name, line, number, when, verdict, reason }, action, priority })
    }
}
