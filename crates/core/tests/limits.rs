//! `vectors/limits.yaml`, `vectors/budgets.yaml` and `vectors/breaker.yaml`: when an agent or a
//! tool has been asked for too often, when a day's budget is spent, and when a failing tool is paused.

#![expect(clippy::unwrap_used, reason = "a test stops where what it was given is wrong")]

use std::time::Duration;

use countersign_core::breaker::Breaker;
use countersign_core::budget::{Account, Budget};
use countersign_core::classify::classify;
use countersign_core::denial::Hope;
use countersign_core::limits::{Bucket, Rate};
use countersign_core::{Decision, Timestamp, Verdict};
use serde::Deserialize;

#[expect(dead_code, reason = "limits need only an ordinary world")]
#[path = "shared/world.rs"]
mod world;

use world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limited {
    name: String,
    given: Rates,
    steps: Vec<Asked>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    #[serde(default)]
    agent_per_minute: u32,
    #[serde(default)]
    tool_per_minute: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    at_ms: u64,
    #[serde(default = "once")]
    calls: u32,
    then: String,
    wait_ms: Option<u64>,
}

const fn once() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgeted {
    name: String,
    given: Budget,
    steps: Vec<Spending>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spending {
    at: String,
    #[serde(default = "once")]
    calls: u32,
    #[serde(default = "allowed")]
    then: String,
    wait_ms: Option<u64>,
    #[serde(default)]
    tokens: u64,
}

fn allowed() -> String {
    "allow".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Broken {
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_ms: u64,
    #[serde(default)]
    failed: u32,
    #[serde(default)]
    succeeded: u32,
    then: Option<String>,
    wait_ms: Option<u64>,
}

/// The answer's word, and how long it says to wait.
fn answer(decision: Decision) -> (&'static str, Option<Duration>) {
    let wait = match decision.verdict {
        Verdict::Deny(denial) => match denial.hope() {
            Hope::After(wait) => Some(wait),
            Hope::None | Hope::Administrator | Hope::Renewal => None,
        },
        Verdict::Allow | Verdict::Elevate(_) => None,
    };
    (decision.verdict.code().unwrap_or("allow"), wait)
}

fn decide(world: &World) -> (&'static str, Option<Duration>) {
    answer(world.decide("github/get_issue", classify("github/get_issue", None, None)))
}

#[test]
fn agents_and_tools_are_limited_as_the_vectors_say() {
    let cases: Vec<Limited> = serde_norway::from_str(include_str!("../../../vectors/limits.yaml")).unwrap();
    for case in cases {
        let (mut agent, mut tool) = (Bucket::default(), Bucket::default());
        for step in &case.steps {
            let now = Duration::from_millis(step.at_ms);
            for _ in 0..step.calls {
                let takes = (
                    agent.take(Rate { per_minute: case.given.agent_per_minute }, now),
                    tool.take(Rate { per_minute: case.given.tool_per_minute }, now),
                );
                let world = World { agent_wait: takes.0.err(), tool_wait: takes.1.err(), ..World::ordinary() };
                let found = decide(&world);
                assert_eq!(found, (&*step.then, step.wait_ms.map(Duration::from_millis)), "{}: {step:?}", case.name);
                if let (Ok(a), Ok(t)) = takes {
                    (agent, tool) = (a, t);
                }
            }
        }
    }
}

#[test]
fn budgets_are_spent_as_the_vectors_say() {
    let cases: Vec<Budgeted> = serde_norway::from_str(include_str!("../../../vectors/budgets.yaml")).unwrap();
    for case in cases {
        let mut account = Account::default();
        for step in &case.steps {
            let now = Timestamp::parse(&step.at).unwrap();
            for _ in 0..step.calls {
                let overdrawn = case.given.overdrawn(account, now);
                let found = decide(&World { overdrawn, ..World::ordinary() });
                assert_eq!(found, (&*step.then, step.wait_ms.map(Duration::from_millis)), "{}: {step:?}", case.name);
                if overdrawn.is_none() {
                    account = account.at(now).spend(1, 0);
                }
            }
            account = account.at(now).spend(0, step.tokens);
        }
    }
}

#[test]
fn failing_tools_are_paused_as_the_vectors_say() {
    let cases: Vec<Broken> = serde_norway::from_str(include_str!("../../../vectors/breaker.yaml")).unwrap();
    for case in cases {
        let mut breaker = Breaker::default();
        for step in &case.steps {
            let now = Duration::from_millis(step.at_ms);
            for _ in 0..step.failed {
                breaker = breaker.step(false, now);
            }
            for _ in 0..step.succeeded {
                breaker = breaker.step(true, now);
            }
            if let Some(then) = &step.then {
                let found = decide(&World { circuit_wait: breaker.wait(now), ..World::ordinary() });
                assert_eq!(found, (&**then, step.wait_ms.map(Duration::from_millis)), "{}: {step:?}", case.name);
            }
        }
    }
}
