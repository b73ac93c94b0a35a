//! Running cases against a set, and which policies they never met.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Case, Question};
use crate::decision::{Decision, Outcome};
use crate::worker::Worker;

/// What a set answers to a case, in the words of cases. What is empty is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `permit`, `forbid`, `error`, `hold` or `none`.
    pub decision: &'static str,
    /// The policies that decide, by id.
    pub by: Vec<String>,
    /// The code of the refusal.
    pub code: Option<String>,
    /// What the refused caller is told.
    pub reason: Option<String>,
    /// All obligations.
    pub obligations: Vec<Value>,
    /// What shadow policies would have said, by id.
    pub shadow: Vec<(String, &'static str)>,
    /// What failed: policy and message.
    pub errors: Vec<(String, String)>,
}

/// One case that was run.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The file it is in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What differs from what was expected; empty when it holds.
    pub differences: Vec<String>,
}

/// What became of all cases.
#[derive(Debug, Clone)]
pub struct Report {
    /// Each case, in the order of the files.
    pub cases: Vec<Tested>,
    /// The policies that applied in no case, by id.
    pub unexercised: Vec<String>,
}

impl Report {
    /// How many cases do not hold.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.differences.is_empty()).count()
    }
}

/// Runs `cases`, each with the name of its file.
pub fn run<'a>(worker: &mut Worker, cases: impl IntoIterator<Item = (&'a str, &'a Case)>) -> Report {
    let mut applied: BTreeSet<String> = BTreeSet::new();
    let mut tested = Vec::new();
    for (file, case) in cases {
        let trace = worker.trace(&case.question().request());
        let spoke = trace.candidates.iter().filter(|(_, outcome)| *outcome != Outcome::Unmatched);
        applied.extend(spoke.map(|(policy, _)| policy.id.clone()));
        let differences = case.differences(&Answer::of(&trace.decision));
        tested.push(Tested { file: file.to_owned(), name: case.name.clone(), differences });
    }
    let never = worker.set().policies().iter().filter(|policy| !applied.contains(&policy.id));
    let unexercised = never.map(|policy| policy.id.clone()).collect();
    Report { cases: tested, unexercised }
}

impl Question {
    /// What `worker`'s set answers.
    pub fn answer(&self, worker: &mut Worker) -> Answer {
        Answer::of(&worker.decide(&self.request()))
    }
}

impl Answer {
    fn of(decision: &Decision) -> Self {
        Self {
            decision: decision.outcome.as_str(),
            by: decision.by.iter().map(|policy| policy.id.clone()).collect(),
            code: decision.code().map(str::to_owned),
            reason: decision.reason().map(str::to_owned),
            obligations: decision.obligations().map(|obligation| json!(obligation)).collect(),
            shadow: decision.shadow.iter().map(|one| (one.policy.id.clone(), one.would.as_str())).collect(),
            errors: decision.errors.iter().map(|error| (error.policy.id.clone(), error.message.clone())).collect(),
        }
    }
}

impl Case {
    /// What of `answer` is not as expected, a sentence each.
    fn differences(&self, answer: &Answer) -> Vec<String> {
        let expected = &self.then;
        let mut found = Vec::new();
        let mut compare = |what: &str, expected: Option<Value>, got: Value| {
            if let Some(expected) = expected
                && expected != got
            {
                found.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        compare("decision", Some(json!(expected.decision.as_str())), json!(answer.decision));
        compare("by", expected.by.clone().map(|by| json!(sorted(by))), json!(sorted(answer.by.clone())));
        compare("code", expected.code.as_ref().map(|code| json!(code)), json!(answer.code));
        compare("reason", expected.reason.as_ref().map(|reason| json!(reason)), json!(answer.reason));
        compare("obligations", expected.obligations.as_ref().map(|all| json!(all)), json!(answer.obligations));
        let shadow = answer.shadow.iter().map(|(id, would)| (id.clone(), Value::from(*would)));
        compare("shadow", expected.shadow.clone().map(Value::Object), Value::Object(shadow.collect()));
        let failures = answer.errors.iter().map(|(id, message)| format!("`{id}` failed: {message}"));
        if !found.is_empty() {
            found.extend(failures);
        }
        found
    }
}
