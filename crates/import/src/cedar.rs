//! Rules as Cedar: conditions as text, and one policy for each group of tools that a
//! rule says the same of.
//!
//! In the source one rule decides; in Cedar a forbid beats every permit. So a forbid
//! also says that no rule before it allows, and a permit with an obligation that no
//! rule before it allows without.

use std::fmt::Write as _;

use serde_json::json;

use crate::glob::Glob;
use crate::lower::{Check, Cond, Constant, Leaf};
use crate::quote::escaped;
use crate::rule::{Document, Order, Verdict};
use crate::tools::{Kind, World};

/// What a rule says of each tool: of the known ones in their order, then of any other.
pub(crate) type Row = Vec<Cond>;

/// A policy to be written.
#[derive(Debug)]
pub(crate) struct Planned {
    pub id: String,
    /// The number of the rule in the source.
    pub number: Option<usize>,
    verdict: Verdict,
    cond: Cond,
    known: Vec<String>,
    other: bool,
    reason: String,
}

/// The policies of `document`; `rows` says of each rule what it says of each tool.
pub(crate) fn plan(document: &Document, rows: &[Row], world: &World) -> Vec<Planned> {
    let mut all = Vec::new();
    let prefix = slug(&document.name);
    for (at, (rule, row)) in document.rules.iter().zip(rows).enumerate() {
        let mut groups: Vec<(Cond, Vec<String>, bool)> = Vec::new();
        for (subject, base) in row.iter().enumerate() {
            let before =
                document.rules.iter().zip(rows).take(at).filter(|(before, _)| yields(rule.verdict, before.verdict));
            let before = before.filter_map(|(_, row)| row.get(subject).cloned()).map(Cond::not);
            let cond = Cond::all(std::iter::once(base.clone()).chain(before).collect());
            if cond == Cond::Const(false) {
                continue;
            }
            let found = groups.iter().position(|(known, ..)| *known == cond).unwrap_or_else(|| {
                groups.push((cond, Vec::new(), false));
                groups.len() - 1
            });
            if let Some((_, known, other)) = groups.get_mut(found) {
                match world.known.get(subject) {
                    Some(name) => known.push(name.clone()),
                    None => *other = true,
                }
            }
        }
        for (cond, known, other) in groups {
            let mut id = format!("{prefix}.{}", slug(&rule.name));
            let taken = |id: &str| all.iter().any(|planned: &Planned| planned.id == id);
            if taken(&id) {
                id = (2..1000).map(|n| format!("{id}.{n}")).find(|id| !taken(id)).unwrap_or(id);
            }
            let (verdict, reason, number) = (rule.verdict, rule.reason.clone(), Some(rule.number));
            all.push(Planned { id, number, verdict, cond, known, other, reason });
        }
    }
    if document.default != Verdict::Deny {
        let (known, reason) = (world.known.clone(), String::new());
        let id = format!("{prefix}.default");
        all.push(Planned {
            id,
            number: None,
            verdict: document.default,
            cond: Cond::Const(true),
            known,
            other: true,
            reason,
        });
    }
    all
}

/// Whether a rule with verdict `this` must not apply where one before it, with `before`, does.
fn yields(this: Verdict, before: Verdict) -> bool {
    match this {
        Verdict::Deny => before != Verdict::Deny,
        Verdict::Approve => before == Verdict::Allow,
        Verdict::Allow => false,
    }
}

/// A policy that refuses the tools of the server that were not declared.
pub(crate) fn undeclared(document: &Document, world: &World) -> String {
    let id = format!("{}.undeclared", slug(&document.name));
    let reason = "this tool was not declared when the policies were imported";
    format!(
        "@id(\"{id}\")\n@reason(\"{reason}\")\nforbid (principal, action, resource in Server::\"{}\")\nunless {{ {} }};\n",
        world.server,
        one_of(world, &world.known)
    )
}

impl Planned {
    /// The policy as Cedar.
    pub(crate) fn text(&self, document: &Document, world: &World) -> String {
        let mut text = format!("@id(\"{}\")\n", self.id);
        let reason = if self.reason.trim().is_empty() { "asked for by an imported rule" } else { &self.reason };
        let reason: String = reason.chars().take(500).collect();
        match self.verdict {
            Verdict::Allow => {}
            Verdict::Deny => {
                let _ = writeln!(text, "@reason(\"{}\")", escaped(&reason));
            }
            Verdict::Approve => {
                let advice = json!({"require_approval": reason}).to_string();
                let _ = writeln!(text, "@advice(\"{}\")", escaped(&advice));
            }
        }
        let (action, resource, mut when) = self.head(world);
        let principal = match document.agents.as_deref() {
            None => "principal".to_owned(),
            Some([one]) => format!("principal == Agent::\"{}\"", escaped(one)),
            Some(agents) => {
                let agents: Vec<_> = agents.iter().map(|agent| format!("Agent::\"{}\"", escaped(agent))).collect();
                when.push(format!("[{}].contains(principal)", agents.join(", ")));
                "principal".to_owned()
            }
        };
        if self.cond != Cond::Const(true) {
            when.push(written(&self.cond, world));
        }
        let effect = if self.verdict == Verdict::Deny { "forbid" } else { "permit" };
        let _ = write!(text, "{effect} ({principal}, {action}, {resource})");
        for part in when {
            let _ = write!(text, "\nwhen {{ {part} }}");
        }
        text.push_str(";\n");
        text
    }

    /// The action, the resource, and what else says which tools it is about.
    fn head(&self, world: &World) -> (String, String, Vec<String>) {
        let named = |kind: &str, name: &str| format!("{kind}::\"{}/{name}\"", world.server);
        let any = "action".to_owned();
        let server = format!("resource in Server::\"{}\"", world.server);
        // Only the action of a declared tool says which arguments there are.
        if !self.cond.leaves().is_empty() {
            let actions: Vec<_> = self.known.iter().map(|name| named("Action", name)).collect();
            let action = match actions.as_slice() {
                [one] => format!("action == {one}"),
                all => format!("action in [{}]", all.join(", ")),
            };
            return (action, "resource".to_owned(), Vec::new());
        }
        match (self.known.as_slice(), self.other) {
            ([one], false) => (any, format!("resource == {}", named("Tool", one)), Vec::new()),
            (known, false) => (any, server, vec![one_of(world, known)]),
            (known, true) => {
                let without: Vec<_> = world.known.iter().filter(|name| !known.contains(name)).cloned().collect();
                let when = if without.is_empty() { vec![] } else { vec![format!("!{}", one_of(world, &without))] };
                (any, server, when)
            }
        }
    }
}

fn one_of(world: &World, names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("Tool::\"{}/{name}\"", world.server)).collect();
    format!("[{}].contains(resource)", names.join(", "))
}

/// `name` as a part of an id.
pub(crate) fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let slug: String = name.chars().map(plain).take(50).collect();
    if slug.is_empty() { "unnamed".to_owned() } else { slug }
}

/// `cond` as Cedar. Needs no parentheses within a unary or a call.
fn written(cond: &Cond, world: &World) -> String {
    let inner = |cond: &Cond| match cond {
        Cond::All(_) | Cond::Any(_) => format!("({})", written(cond, world)),
        Cond::Leaf(leaf) => format!("({})", leaf.written()),
        other => written(other, world),
    };
    match cond {
        Cond::Const(truth) => truth.to_string(),
        Cond::All(parts) => parts.iter().map(inner).collect::<Vec<_>>().join(" && "),
        Cond::Any(parts) => parts.iter().map(inner).collect::<Vec<_>>().join(" || "),
        Cond::Not(part) => format!("!({})", written(part, world)),
        Cond::Leaf(leaf) => leaf.written(),
        Cond::Name(globs) => {
            let server = escaped(&world.server).replace('*', r"\*");
            let like = |glob: &Glob| format!("resource.name like \"{server}/{}\"", glob.pattern());
            format!("({})", globs.iter().map(like).collect::<Vec<_>>().join(" || "))
        }
    }
}

impl Leaf {
    /// Guarded by whether the argument is there. Cedar's checker follows a `has` through
    /// `&&` alone, so what holds without the argument is the opposite of what does not.
    fn written(&self) -> String {
        let mut place = "context.arguments".to_owned();
        let mut guards = Vec::new();
        for name in &self.path {
            let quoted = format!("\"{}\"", escaped(name));
            guards.push(format!("{place} has {quoted}"));
            let _ = write!(place, "[{quoted}]");
        }
        let opposite = self.negate != self.missing;
        let check = self.check.written(&place);
        guards.push(if opposite { format!("!({check})") } else { format!("({check})") });
        let text = guards.join(" && ");
        if self.missing { format!("!({text})") } else { text }
    }
}

impl Check {
    fn written(&self, place: &str) -> String {
        match self {
            // True of every value of the type; fails on any other.
            Self::Given(Kind::Text) => format!("{place} like \"*\""),
            Self::Given(Kind::Whole) => format!("{place} <= 0 || {place} > 0"),
            Self::Given(Kind::Decimal) => {
                let zero = "decimal(\"0.0\")";
                format!("{place}.lessThanOrEqual({zero}) || {place}.greaterThan({zero})")
            }
            Self::Given(Kind::Texts) => format!("{place}.isEmpty() || !{place}.isEmpty()"),
            Self::Given(_) => format!("{place} || !{place}"),
            Self::Equal(constant) => constant.equals(place),
            Self::OneOf(items) => {
                let items: Vec<_> = items.iter().map(|item| format!("({})", item.equals(place))).collect();
                format!("({})", items.join(" || "))
            }
            Self::True => place.to_owned(),
            Self::Empty => format!("{place}.isEmpty()"),
            Self::Holds(text) => format!("{place}.contains(\"{}\")", escaped(text)),
            Self::Like(globs) => {
                let like = |glob: &Glob| format!("{place} like \"{}\"", glob.pattern());
                format!("({})", globs.iter().map(like).collect::<Vec<_>>().join(" || "))
            }
            Self::Order(order, constant @ Constant::Decimal(_)) => {
                let method = match order {
                    Order::Above => "greaterThan",
                    Order::AtLeast => "greaterThanOrEqual",
                    Order::Below => "lessThan",
                    Order::AtMost => "lessThanOrEqual",
                };
                format!("{place}.{method}({})", constant.written())
            }
            Self::Order(order, constant) => {
                let sign = match order {
                    Order::Above => ">",
                    Order::AtLeast => ">=",
                    Order::Below => "<",
                    Order::AtMost => "<=",
                };
                format!("{place} {sign} {}", constant.written())
            }
        }
    }
}

impl Constant {
    /// Whether the value at `place` equals it. Between values of two types Cedar's `==` is
    /// false, and an agent would pass a rule by sending `500.0` for 500: these fail, and that refuses.
    fn equals(&self, place: &str) -> String {
        match self {
            Self::Text(text) => format!("{place} like \"{}\"", escaped(text).replace('*', r"\*")),
            Self::Whole(whole) => format!("{place} >= {whole} && {place} <= {whole}"),
            Self::Decimal(_) => {
                let constant = self.written();
                format!("{place}.greaterThanOrEqual({constant}) && {place}.lessThanOrEqual({constant})")
            }
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", escaped(text)),
            Self::Whole(whole) => whole.to_string(),
            Self::Decimal(decimal) => format!("decimal(\"{}\")", decimal.written()),
        }
    }
}
