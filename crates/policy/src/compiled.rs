//! Conditions in a form of our own, for what most policies ask.
//!
//! Cedar is what decides: [`Compiled::says`] answers only what Cedar would
//! answer too, and otherwise says nothing, so that Cedar is asked. A condition
//! outside the subset is not compiled, and an error is for Cedar to find and to
//! word. A property test compares both on generated policies and requests.

use countersign_core::Effect;
use countersign_core::behaviour::Suspicion;
use countersign_core::session::Mode;
use serde_json::Value;

use crate::request::{Clock, Request};

/// Longer conditions are left to Cedar: each level of nesting takes at least
/// two bytes, and compiling recurses.
const MAX_TEXT: usize = 1024;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compiled {
    Both(Box<Compiled>, Box<Compiled>),
    Either(Box<Compiled>, Box<Compiled>),
    Not(Box<Compiled>),
    Equal(Fact, Fact),
    Less(Fact, Fact),
    /// The texts between the wildcards.
    Like(Fact, Vec<String>),
    OneOf(Vec<Literal>, Fact),
    /// Whether it is among the labels of what the session has taken in.
    Tainted(Fact),
    /// Whether an argument is there; `null` is the same as not being there.
    HasArgument(String),
    HasSession,
    True(Fact),
}

/// Something a policy reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Literal(Literal),
    Argument(String),
    Trust,
    Depth,
    Effect,
    Session(Member),
    Clock(Hand),
    Suspected(Suspicion),
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    Truth(bool),
    Whole(i64),
    Text(String),
    Effect(Effect),
    Mode(Mode),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    Mode,
    Calls,
    Reads,
    Writes,
    Denied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    Hour,
    Minute,
    Weekday,
}

/// What a fact is in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item<'a> {
    Truth(bool),
    Whole(i64),
    Text(&'a str),
    Effect(Effect),
    Mode(Mode),
}

impl Compiled {
    /// The conditions of `policy`, whose text is `text`; `None` where they are outside the subset.
    pub(crate) fn of(policy: &cedar_policy::Policy, text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let json = policy.to_json().ok()?;
        let clauses = json.get("conditions")?.as_array()?.iter().map(|clause| {
            let body = condition(clause.get("body")?)?;
            match clause.get("kind")?.as_str()? {
                "when" => Some(body),
                "unless" => Some(Self::Not(Box::new(body))),
                _ => None,
            }
        });
        let clauses: Option<Vec<Self>> = clauses.collect();
        clauses?.into_iter().reduce(|all, next| Self::Both(Box::new(all), Box::new(next)))
    }

    /// Whether the condition holds; `None`: ask Cedar.
    pub(crate) fn says(&self, request: &Request<'_>) -> Option<bool> {
        let item = |fact| item(fact, request);
        Some(match self {
            Self::Both(a, b) => a.says(request)? && b.says(request)?,
            Self::Either(a, b) => a.says(request)? || b.says(request)?,
            Self::Not(a) => !a.says(request)?,
            Self::Equal(a, b) => item(a)? == item(b)?,
            Self::Less(a, b) => match (item(a)?, item(b)?) {
                (Item::Whole(a), Item::Whole(b)) => a < b,
                _ => return None,
            },
            Self::Like(fact, parts) => match item(fact)? {
                Item::Text(text) => like(text, parts)?,
                _ => return None,
            },
            Self::OneOf(set, fact) => {
                let item = item(fact)?;
                set.iter().any(|literal| literal.item() == item)
            }
            Self::Tainted(fact) => match item(fact)? {
                Item::Text(text) => request.taint.iter().any(|label| label == text),
                _ => false,
            },
            Self::HasArgument(name) => request.arguments.get(name).is_some_and(|value| !value.is_null()),
            Self::HasSession => request.session.is_some(),
            Self::True(fact) => match item(fact)? {
                Item::Truth(holds) => holds,
                _ => return None,
            },
        })
    }
}

impl Literal {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Truth(truth) => Item::Truth(*truth),
            Self::Whole(n) => Item::Whole(*n),
            Self::Text(text) => Item::Text(text),
            Self::Effect(effect) => Item::Effect(*effect),
            Self::Mode(mode) => Item::Mode(*mode),
        }
    }
}

/// What `fact` is in `request`; `None` where it is not there, or nothing we compare.
fn item<'a>(fact: &'a Fact, request: &Request<'a>) -> Option<Item<'a>> {
    let count = |n: u64| Item::Whole(i64::try_from(n).unwrap_or(i64::MAX));
    Some(match fact {
        Fact::Literal(literal) => literal.item(),
        Fact::Argument(name) => match request.arguments.get(name)? {
            Value::Bool(truth) => Item::Truth(*truth),
            Value::String(text) => Item::Text(text),
            // What is declared as a decimal is another thing to Cedar, but a policy
            // that validates compares it with nothing else.
            Value::Number(n) => Item::Whole(n.as_i64()?),
            _ => return None,
        },
        Fact::Trust => Item::Whole(i64::from(request.trust)),
        Fact::Depth => Item::Whole(i64::from(request.delegation_depth)),
        Fact::Effect => Item::Effect(request.effect),
        Fact::Session(member) => {
            let session = request.session?;
            match member {
                Member::Mode => Item::Mode(session.mode),
                Member::Calls => count(session.tally.total),
                Member::Reads => count(session.tally.read),
                Member::Writes => count(session.tally.write),
                Member::Denied => count(session.tally.denied),
            }
        }
        Fact::Clock(hand) => {
            let Clock { hour, minute, weekday } = request.clock();
            Item::Whole(match hand {
                Hand::Hour => hour,
                Hand::Minute => minute,
                Hand::Weekday => weekday,
            })
        }
        Fact::Suspected(suspicion) => Item::Truth(request.suspicion == Some(*suspicion)),
    })
}

/// Whether `text` is `parts`, with anything between them. Two parts at least,
/// or one, which is all of it.
fn like(text: &str, parts: &[String]) -> Option<bool> {
    let [first, middle @ .., last] = parts else { return Some(parts.first()? == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return Some(false) };
    for part in middle {
        let Some((_, after)) = rest.split_once(part.as_str()) else { return Some(false) };
        rest = after;
    }
    Some(rest.ends_with(last.as_str()))
}

/// The condition that `json`, an expression in Cedar's JSON form, is.
fn condition(json: &Value) -> Option<Compiled> {
    let (operator, of) = only(json)?;
    let side = |name: &str| of.get(name);
    let both = || Some((fact(side("left")?)?, fact(side("right")?)?));
    let not = |condition| Some(Compiled::Not(Box::new(condition)));
    match operator {
        "&&" | "||" => {
            let (left, right) = (Box::new(condition(side("left")?)?), Box::new(condition(side("right")?)?));
            Some(if operator == "&&" { Compiled::Both(left, right) } else { Compiled::Either(left, right) })
        }
        "!" => not(condition(side("arg")?)?),
        "==" => both().map(|(a, b)| Compiled::Equal(a, b)),
        "!=" => both().and_then(|(a, b)| not(Compiled::Equal(a, b))),
        "<" => both().map(|(a, b)| Compiled::Less(a, b)),
        ">" => both().map(|(a, b)| Compiled::Less(b, a)),
        // Where both are whole numbers, and otherwise neither says anything.
        "<=" => both().and_then(|(a, b)| not(Compiled::Less(b, a))),
        ">=" => both().and_then(|(a, b)| not(Compiled::Less(a, b))),
        "like" => Some(Compiled::Like(fact(side("left")?)?, pattern(side("pattern")?)?)),
        "contains" => {
            let (set, member) = (side("left")?, fact(side("right")?)?);
            match only(set)? {
                ("Set", literals) => {
                    let literals = literals.as_array()?.iter().map(|one| literal(one.get("Value")?));
                    literals.collect::<Option<_>>().map(|literals| Compiled::OneOf(literals, member))
                }
                _ => (path(set)? == ["taint"]).then_some(Compiled::Tainted(member)),
            }
        }
        "has" => match (path(side("left")?)?.as_slice(), side("attr")?.as_str()?) {
            (["arguments"], name) => Some(Compiled::HasArgument(name.to_owned())),
            ([], "session") => Some(Compiled::HasSession),
            _ => None,
        },
        _ => fact(json).map(Compiled::True),
    }
}

/// The one member of the object `json`.
fn only(json: &Value) -> Option<(&str, &Value)> {
    let members = json.as_object()?;
    let (name, value) = members.iter().next()?;
    (members.len() == 1).then_some((name, value))
}

/// The members that lead from the context to what `json` is.
fn path(json: &Value) -> Option<Vec<&str>> {
    match only(json)? {
        ("Var", name) => (name.as_str()? == "context").then(Vec::new),
        (".", of) => {
            let mut path = path(of.get("left")?)?;
            path.push(of.get("attr")?.as_str()?);
            Some(path)
        }
        _ => None,
    }
}

fn fact(json: &Value) -> Option<Fact> {
    if let ("Value", value) = only(json)? {
        return literal(value).map(Fact::Literal);
    }
    Some(match path(json)?.as_slice() {
        ["arguments", name] => Fact::Argument((*name).to_owned()),
        ["trust"] => Fact::Trust,
        ["delegation_depth"] => Fact::Depth,
        ["effect"] => Fact::Effect,
        ["session", "mode"] => Fact::Session(Member::Mode),
        ["session", "calls"] => Fact::Session(Member::Calls),
        ["session", "reads"] => Fact::Session(Member::Reads),
        ["session", "writes"] => Fact::Session(Member::Writes),
        ["session", "denied"] => Fact::Session(Member::Denied),
        ["time", "hour"] => Fact::Clock(Hand::Hour),
        ["time", "minute"] => Fact::Clock(Hand::Minute),
        ["time", "weekday"] => Fact::Clock(Hand::Weekday),
        ["behaviour", "probing"] => Fact::Suspected(Suspicion::DenialRate),
        ["behaviour", "bursting"] => Fact::Suspected(Suspicion::WriteRatio),
        _ => return None,
    })
}

fn literal(json: &Value) -> Option<Literal> {
    Some(match json {
        Value::Bool(truth) => Literal::Truth(*truth),
        Value::Number(n) => Literal::Whole(n.as_i64()?),
        Value::String(text) => Literal::Text(text.clone()),
        Value::Object(_) => {
            let ("__entity", entity) = only(json)? else { return None };
            let id = entity.get("id")?.as_str()?;
            match entity.get("type")?.as_str()? {
                "Effect" => Literal::Effect(Effect::parse(id).filter(|effect| effect.as_str() == id)?),
                "Mode" => Literal::Mode([Mode::ReadOnly, Mode::Standard].into_iter().find(|m| m.as_str() == id)?),
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// The texts between the wildcards of a pattern.
fn pattern(json: &Value) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    for element in json.as_array()? {
        match element {
            Value::String(word) if word == "Wildcard" => parts.push(String::new()),
            _ => {
                let ("Literal", text) = only(element)? else { return None };
                parts.last_mut()?.push_str(text.as_str()?);
            }
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(conditions: &str) -> Option<Compiled> {
        let text = format!("permit (principal, action, resource) {conditions};");
        Compiled::of(&cedar_policy::Policy::parse(None, &text).unwrap(), conditions)
    }

    #[test]
    fn what_most_policies_ask_is_compiled_and_nothing_is_that_we_do_not_know() {
        for common in [
            "when { context.arguments.amount > 500 }",
            "when { context.arguments has to && context.arguments.to like \"*@example.com\" }",
            "when { [\"a\", \"b\"].contains(context.arguments.to) || context.taint.contains(\"x\") }",
            "unless { context has session && context.session.mode == Mode::\"read_only\" }",
            "when { context.time.hour >= 7 && context.time.weekday <= 5 } unless { context.trust < -1 }",
            "when { context.effect != Effect::\"read\" && !context.behaviour.probing }",
        ] {
            assert!(compiled(common).is_some(), "{common}");
        }
        for ours_not in [
            "",
            "when { context.arguments.a.b > 500 }",
            "when { context.arguments.a + 1 > 500 }",
            "when { principal.name == \"x\" }",
            "when { principal == Agent::\"x\" }",
            "when { context.effect == Effect::\"write\" }",
            "when { if context.trust > 1 then true else false }",
            "when { context has trust }",
            "when { context.time.at > datetime(\"2026-01-01\") }",
            "when { {taint: [1]}.taint.contains(1) }",
            "when { context.trust > 1 } when { resource in Server::\"x\" }",
        ] {
            assert_eq!(compiled(ours_not), None, "{ours_not}");
        }
    }
}
