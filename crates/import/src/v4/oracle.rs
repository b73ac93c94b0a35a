//! What the source answers, evaluated as it evaluates: values in Python's way.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Draft, Operator, TOOL};
use crate::prove::Call;
use crate::rule::Verdict;

/// The source engine with one document loaded.
#[derive(Debug)]
pub(crate) struct Engine {
    /// By priority, highest first.
    rules: Vec<Draft>,
    default: Verdict,
}

/// Python raised: the source refuses.
#[derive(Debug)]
pub(crate) struct Raised;

impl Engine {
    pub(crate) fn new(rules: Vec<Draft>, default: Verdict) -> Self {
        Self { rules, default }
    }

    /// The verdict on a call of `tool`, and the rule that decides, of those that are `kept`.
    pub(crate) fn decide(&self, kept: &dyn Fn(usize) -> bool, call: Call<'_>) -> (Verdict, Option<usize>) {
        let mut context = call.arguments.clone();
        context.extend(TOOL.map(|field| (field.to_owned(), Value::String(call.tool.to_owned()))));
        for rule in self.rules.iter().filter(|rule| kept(rule.number)) {
            match holds(rule, &context) {
                Ok(true) => return (rule.verdict, Some(rule.number)),
                Ok(false) => {}
                Err(Raised) => return (Verdict::Deny, None),
            }
        }
        (self.default, None)
    }
}

/// `_match_condition`.
pub(crate) fn holds(rule: &Draft, context: &Map<String, Value>) -> Result<bool, Raised> {
    let (target, value) = (&rule.value, context.get(&rule.field).unwrap_or(&Value::Null));
    if value.is_null() {
        return Ok(false);
    }
    match rule.operator {
        Operator::Eq => Ok(equal(value, target)),
        Operator::Ne => Ok(!equal(value, target)),
        Operator::Order(order) => compare(value, target).map(|found| found.is_some_and(|found| order.holds(found))),
        Operator::In => within(value, target),
        Operator::NotIn => within(value, target).map(|found| !found),
        Operator::Contains => within(target, value),
        Operator::Matches => {
            let regex = target.as_str().and_then(|pattern| Regex::new(pattern).ok()).ok_or(Raised)?;
            let text = shown(value);
            // Python's `$` also stands before a line break at the end.
            let ends = target_ends(target) && text.strip_suffix('\n').is_some_and(|text| regex.is_match(text));
            Ok(ends || regex.is_match(&text))
        }
    }
}

/// Python's `str()` of a text, a number or a truth.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

fn target_ends(target: &Value) -> bool {
    target.as_str().is_some_and(|pattern| pattern.contains('$'))
}

/// A number as Python compares it; `True` is 1.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.partial_cmp(&b) == Some(Ordering::Equal),
        (None, None) => a == b,
        _ => false,
    }
}

fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>, Raised> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(Some(a.cmp(b))),
        _ => Ok(number(a).ok_or(Raised)?.partial_cmp(&number(b).ok_or(Raised)?)),
    }
}

/// `item in whole`.
fn within(item: &Value, whole: &Value) -> Result<bool, Raised> {
    match (item, whole) {
        (item, Value::Array(items)) => Ok(items.iter().any(|one| equal(item, one))),
        (Value::String(part), Value::String(whole)) => Ok(whole.contains(part)),
        (Value::String(key), Value::Object(members)) => Ok(members.contains_key(key)),
        _ => Err(Raised),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::v4::read;
    use crate::vectors::{self, Vectors, Written};
    use crate::yaml;

    fn vectors() -> Vectors {
        vectors::read(include_str!("../../../../vectors/import/agt-v4.json"))
    }

    fn engine(policy: &Value) -> Engine {
        read(&yaml::read(&policy.to_string()).unwrap(), &mut Findings::of("p")).unwrap().1
    }

    #[test]
    fn every_condition_matches_what_the_published_engine_matches() {
        let Vectors { calls, conditions, .. } = vectors();
        assert!(conditions.len() > 50 && calls.len() > 100);
        for vectors::Condition { condition, matches } in conditions {
            let engine =
                engine(&serde_json::json!({"rules": [{"name": "r", "action": "deny", "condition": condition}]}));
            let holds = |call: &vectors::Call| {
                let mut context = call.arguments.clone();
                context.extend(TOOL.map(|field| (field.to_owned(), Value::String(call.tool.clone()))));
                match holds(&engine.rules[0], &context) {
                    Ok(true) => '1',
                    Ok(false) => '0',
                    Err(Raised) => '!',
                }
            };
            let ours: String = calls.iter().map(holds).collect();
            assert_eq!(ours, matches, "{condition}");
        }
    }

    #[test]
    fn every_document_is_answered_as_the_published_engine_answers_it() {
        let Vectors { calls, documents, .. } = vectors();
        assert!(documents.len() >= 40);
        for Written { policy, answers, .. } in documents {
            let engine = engine(&policy);
            let answer = |call: &vectors::Call| match engine.decide(&|_| true, call.asked()).0 {
                Verdict::Deny => '0',
                _ => '1',
            };
            let ours: String = calls.iter().map(answer).collect();
            assert_eq!(ours, answers, "{policy}");
        }
    }
}
