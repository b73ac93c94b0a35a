//! What the source answers, evaluated as it evaluates: values in Python's way, and
//! nothing shared with how the rules are carried but the reading of a condition.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::condition::Atom;
use super::{Action, Draft, Strategy};
use crate::prove::Call;
use crate::rule::Verdict;

/// The source engine with one document loaded.
#[derive(Debug)]
pub(crate) struct Engine {
    rules: Vec<Loaded>,
    strategy: Strategy,
    default: Verdict,
    agents: Option<Vec<String>>,
}

#[derive(Debug)]
struct Loaded {
    number: usize,
    any: Vec<Vec<Atom>>,
    action: Action,
    priority: i64,
}

impl Engine {
    pub(crate) fn new(drafts: &[Draft], strategy: Strategy, default: Verdict, agents: Option<Vec<String>>) -> Self {
        let live = drafts.iter().filter(|draft| draft.enabled && draft.stage == "pre_tool");
        let load = |draft: &Draft| Loaded {
            number: draft.number,
            any: draft.atoms.any.iter().map(|all| all.iter().map(|part| part.atom.clone()).collect()).collect(),
            action: draft.action,
            priority: draft.priority,
        };
        Self { rules: live.map(load).collect(), strategy, default, agents }
    }

    /// The verdict on a call of `tool`, and the rule that decides, of those that are `kept`.
    pub(crate) fn decide(&self, kept: &dyn Fn(usize) -> bool, call: Call<'_>) -> (Verdict, Option<usize>) {
        if self.agents.as_ref().is_some_and(|agents| !agents.iter().any(|known| known == call.agent)) {
            return (Verdict::Deny, None);
        }
        let context = context(call.tool, call.arguments);
        let mut matched: Vec<&Loaded> =
            self.rules.iter().filter(|rule| kept(rule.number) && rule.matches(&context)).collect();
        matched.sort_by_key(|rule| Reverse(rule.priority));
        let first = |action| matched.iter().find(|rule| rule.action == action);
        let winner = match self.strategy {
            Strategy::DenyOverrides => first(Action::Deny).or(matched.first()),
            Strategy::AllowOverrides => first(Action::Allow).or(matched.first()),
            Strategy::PriorityFirstMatch => matched.first(),
        };
        winner.map_or((self.default, None), |rule| (rule.verdict(), Some(rule.number)))
    }
}

/// `_build_context`: the arguments that are no mapping are put into one.
fn context(tool: &str, arguments: &Map<String, Value>) -> Value {
    let mut context = Map::new();
    context.insert("action".to_owned(), json!({"type": tool}));
    for (name, value) in arguments.iter().filter(|(name, _)| *name != "action") {
        let value = if value.is_object() { value.clone() } else { json!({"value": value}) };
        context.insert(name.clone(), value);
    }
    Value::Object(context)
}

impl Loaded {
    fn matches(&self, context: &Value) -> bool {
        self.any.iter().any(|all| all.iter().all(|atom| holds(atom, context)))
    }

    /// `allowed=(winner.action == "allow")`.
    const fn verdict(&self) -> Verdict {
        match self.action {
            Action::Allow => Verdict::Allow,
            Action::Approve => Verdict::Approve,
            Action::Deny | Action::Warn | Action::Log => Verdict::Deny,
        }
    }
}

/// Whether `atom` holds. `null` and what is not there are the same.
pub(crate) fn holds(atom: &Atom, context: &Value) -> bool {
    let at = |path: &str| path.split('.').try_fold(context, |value, part| value.get(part)).unwrap_or(&Value::Null);
    match atom {
        Atom::Never => false,
        Atom::Equal(path, text) => at(path) == text,
        Atom::Differs(path, text) => at(path) != text,
        Atom::In(path, items) => items.iter().any(|item| at(path) == item),
        Atom::Truthy(path) => truthy(at(path)),
        Atom::Compare(path, order, number) => {
            let actual = if at(path).is_null() { Some(0.0) } else { float(at(path)) };
            let ordering =
                actual.zip(number.parse::<f64>().ok()).and_then(|(actual, number)| actual.partial_cmp(&number));
            ordering.is_some_and(|ordering| order.holds(ordering))
        }
    }
}

/// Python's `bool()`.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// Python's `float()`, as far as it does not raise.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        // Rust reads what Python does, but for an underscore between digits.
        Value::String(text) => {
            let text = text.trim();
            let lone = text.starts_with('_') || text.ends_with('_') || text.contains("__");
            if lone { None } else { text.replace('_', "").parse().ok() }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::govern::{condition, read};
    use crate::vectors::{self, Vectors, Written};
    use crate::yaml;

    fn vectors() -> Vectors {
        vectors::read(include_str!("../../../../vectors/import/agt-govern.json"))
    }

    #[test]
    fn every_condition_matches_what_the_published_engine_matches() {
        let Vectors { calls, conditions, .. } = vectors();
        assert!(conditions.len() > 50 && calls.len() > 100);
        for vectors::Condition { condition, matches } in conditions {
            let parsed = condition::parse(condition.as_str().unwrap());
            let holds = |call: &vectors::Call| {
                let context = context(&call.tool, &call.arguments);
                parsed.any.iter().any(|all| all.iter().all(|part| super::holds(&part.atom, &context)))
            };
            let ours: String = calls.iter().map(|call| if holds(call) { '1' } else { '0' }).collect();
            assert_eq!(ours, matches, "{condition}");
        }
    }

    #[test]
    fn every_document_is_answered_as_the_published_engine_answers_it() {
        let Vectors { calls, documents, .. } = vectors();
        assert!(documents.len() >= 40);
        for Written { policy, strategy, answers } in documents {
            let strategy = match strategy.as_str() {
                "deny_overrides" => Strategy::DenyOverrides,
                "allow_overrides" => Strategy::AllowOverrides,
                _ => Strategy::PriorityFirstMatch,
            };
            let root = yaml::read(&policy.to_string()).unwrap();
            let (_, engine) = read(&root, strategy, &mut Findings::of("p")).unwrap();
            let answer = |call: &vectors::Call| match engine.decide(&|_| true, call.asked()).0 {
                Verdict::Allow => '1',
                Verdict::Approve => '?',
                Verdict::Deny => '0',
            };
            let ours: String = calls.iter().map(answer).collect();
            assert_eq!(ours, answers, "{policy}");
        }
    }
}
