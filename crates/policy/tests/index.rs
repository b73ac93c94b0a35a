//! Evaluating only the candidates answers what evaluating everything answers.

#![cfg(test)]

use std::sync::Arc;

use countersign_core::{Effect, Timestamp};
use countersign_policy::{Decision, PolicySet, Request, Source, Tools, Worker};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

const TOOLS: &str = r#"{"tools": [{"name": "get_a", "inputSchema": {"properties": {"n": {"type": "integer"}}}},
    {"name": "delete_b", "inputSchema": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}]}"#;

fn policy() -> impl Strategy<Value = String> {
    let effect = select(vec!["permit", "forbid"]);
    let shadow = select(vec!["", "", "", "@shadow "]);
    let principal = select(vec![
        "principal",
        "principal is Agent",
        "principal == Agent::\"a\"",
        "principal in Agent::\"b\"",
        "principal in Organisation::\"acme\"",
        "principal is Agent in Organisation::\"other\"",
    ]);
    let action = select(vec![
        "action",
        "action in Action::\"read\"",
        "action in [Action::\"mutating\", Action::\"admin\"]",
        "action == Action::\"s/delete_b\"",
        "action in [Action::\"s/get_a\", Action::\"read\", Action::\"destructive\"]",
        "action in [Action::\"s/get_a\"]",
    ]);
    let resource = select(vec![
        "resource",
        "resource is Tool",
        "resource == Tool::\"s/get_a\"",
        "resource in Tool::\"lonely\"",
        "resource in Server::\"s\"",
        "resource is Tool in Server::\"t\"",
        "resource in Organisation::\"acme\"",
    ]);
    let condition = select(vec![
        "",
        "",
        "when { context.trust > 500 }",
        "unless { principal in Organisation::\"acme\" && resource in Server::\"s\" }",
        "when { context.arguments has n && context.arguments.n + 1 > 5 }",
        "when { context.trust + 9223372036854775000 > 0 }",
        "when { action in Action::\"destructive\" || resource == Tool::\"s/get_a\" }",
        "when { context has session && context.session.calls > 1 }",
    ]);
    (effect, shadow, principal, action, resource, condition)
        .prop_map(|(effect, shadow, p, a, r, condition)| format!("{shadow}{effect} ({p}, {a}, {r}) {condition};"))
}

#[derive(Debug, Clone)]
struct Asked {
    organisation: &'static str,
    agent: &'static str,
    tool: &'static str,
    effect: Effect,
    arguments: Map<String, Value>,
    trust: u16,
}

fn asked() -> impl Strategy<Value = Asked> {
    let effect = select(vec![Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin]);
    let number = select(vec![Value::Null, 1.into(), 9.into(), i64::MAX.into(), "9".into()]);
    let tools = vec!["s/get_a", "s/delete_b", "s/unknown", "t/get_a", "lonely", "read", "s/read"];
    (select(vec!["acme", "other"]), select(vec!["a", "b", "acme"]), select(tools), effect, number, 0..1000u16).prop_map(
        |(organisation, agent, tool, effect, n, trust)| Asked {
            organisation,
            agent,
            tool,
            effect,
            arguments: Map::from_iter([("n".to_owned(), n)]),
            trust,
        },
    )
}

fn worker(policies: &[String]) -> Worker {
    let named: Vec<_> = policies.iter().enumerate().map(|(n, text)| format!("@id(\"p{n}\") {text}")).collect();
    let text = named.join("\n");
    let mut tools = Tools::default();
    tools.declare("s", Source { file: "tools/s.json", text: TOOLS }).unwrap();
    let set = PolicySet::load(&[Source { file: "p.cedar", text: &text }], tools);
    Arc::new(set.unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"))).worker().unwrap()
}

impl Asked {
    fn request(&self) -> Request<'_> {
        Request {
            organisation: self.organisation,
            agent: self.agent,
            agent_name: "name",
            tool: self.tool,
            effect: self.effect,
            arguments: &self.arguments,
            session: None,
            delegation_depth: 0,
            trust: self.trust,
            suspicion: None,
            now: Timestamp::from_millis(1_800_000_000_000),
            taint: &[],
        }
    }
}

fn told(decision: &Decision) -> impl PartialEq + std::fmt::Debug {
    let ids = |policies: &[Arc<countersign_policy::Policy>]| policies.iter().map(|p| p.id.clone()).collect::<Vec<_>>();
    let errors: Vec<_> = decision.errors.iter().map(|error| (error.policy.id.clone(), error.message.clone())).collect();
    let shadow: Vec<_> = decision.shadow.iter().map(|one| (one.policy.id.clone(), one.would)).collect();
    (decision.outcome, ids(&decision.by), errors, shadow)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn indexed_and_full_evaluation_agree(
        policies in prop::collection::vec(policy(), 0..12),
        asked in prop::collection::vec(asked(), 1..12),
    ) {
        let mut worker = worker(&policies);
        for asked in asked {
            let full = worker.set().decide_in_full(&asked.request()).unwrap();
            let indexed = worker.decide(&asked.request());
            prop_assert_eq!(told(&indexed), told(&full), "{:?}", asked);
        }
    }

    #[test]
    fn adding_a_forbid_never_allows_more(
        policies in prop::collection::vec(policy(), 0..8),
        forbid in policy().prop_filter("a forbid that decides", |text| text.starts_with("forbid")),
        asked in asked(),
    ) {
        let before = worker(&policies).decide(&asked.request());
        let with: Vec<String> = policies.iter().cloned().chain([forbid]).collect();
        let after = worker(&with).decide(&asked.request());
        for fallback in [countersign_policy::Fallback::Deny, countersign_policy::Fallback::Allow] {
            prop_assert!(before.allows(fallback) || !after.allows(fallback));
        }
    }
}
