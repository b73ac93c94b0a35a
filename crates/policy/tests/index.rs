//! Evaluating only the candidates answers what evaluating everything answers.

#![cfg(test)]

use std::sync::Arc;

use countersign_core::behaviour::Suspicion;
use countersign_core::chain::Tally;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use countersign_policy::{Decision, PolicySet, Request, SessionFacts, Source, Tools, Worker};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const TOOLS: &str = r#"{"tools": [{"name": "get_a", "inputSchema": {"properties": {"n": {"type": "integer"},
        "t": {"type": "string"}, "b": {"type": "boolean"}, "d": {"type": "number"}}}},
    {"name": "delete_b", "inputSchema": {"properties": {"n": {"type": "integer"}, "t": {"type": "string"},
        "b": {"type": "boolean"}, "d": {"type": "number"}}, "required": ["n"]}}]}"#;

/// Something that is true or not, or fails: arguments need not be what was declared.
fn truth() -> impl Strategy<Value = String> {
    let whole = || {
        select(vec![
            "0",
            "1",
            "9",
            "-1",
            "500",
            "context.trust",
            "context.delegation_depth",
            "context.time.hour",
            "context.time.minute",
            "context.time.weekday",
            "9223372036854775807",
        ])
    };
    let compare = (whole(), select(vec!["==", "!=", "<", "<=", ">", ">="]), whole());
    prop_oneof![
        compare.prop_map(|(a, operator, b)| format!("{a} {operator} {b}")),
        (select(vec!["t == \"abc\"", "t != \"\"", "b == true", "b != false", "n == 1", "n != 9"])).prop_map(
            |compared| {
                let name = compared.split_once(' ').map_or("", |(name, _)| name);
                format!("(context.arguments has {name} && context.arguments.{compared})")
            }
        ),
        (select(vec!["<", "<=", ">", ">="]), whole())
            .prop_map(|(operator, b)| format!("(context.arguments has n && context.arguments.n {operator} {b})")),
        (select(vec!["calls", "reads", "writes", "denied"]), select(vec!["==", "<", ">="]), whole())
            .prop_map(|(name, operator, b)| format!("(context has session && context.session.{name} {operator} {b})")),
        "[abc*é]{0,4}"
            .prop_map(|pattern| format!("(context.arguments has t && context.arguments.t like \"{pattern}\")")),
        select(vec![
            "true",
            "context.arguments has n",
            "context.arguments has d",
            "(context.arguments has d && context.arguments.d == decimal(\"1.0\"))",
            "(context.arguments has b && context.arguments.b)",
            "(context.arguments has t && [\"abc\", \"\", \"é\"].contains(context.arguments.t))",
            "(context.arguments has n && [1, 9].contains(context.arguments.n))",
            "(context.arguments has t && context.taint.contains(context.arguments.t))",
            "context.taint.contains(\"abc\")",
            "context has session",
            "(context has session && context.session.mode == Mode::\"read_only\")",
            "context.effect == Effect::\"read\"",
            "context.effect != Effect::\"admin\"",
            "context.behaviour.probing",
            "context.behaviour.bursting",
            "resource in Server::\"s\"",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Conditions of every form that is compiled, and of some that are not, put together.
fn clause() -> impl Strategy<Value = String> {
    let truth = truth().prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), select(vec!["&&", "||"]), inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    });
    let word = select(vec!["when", "unless"]);
    prop::collection::vec((word, truth), 1..3).prop_map(|clauses| {
        clauses.iter().map(|(word, truth)| format!("{word} {{ {truth} }} // c\n")).collect::<Vec<_>>().concat()
    })
}

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
    let condition = prop_oneof![condition.prop_map(str::to_owned), clause(), clause()];
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
    session: Option<(Mode, u64)>,
    suspicion: Option<Suspicion>,
    taint: Vec<String>,
    now: i64,
}

/// What an agent may send for an argument, declared so or not.
fn sent() -> impl Strategy<Value = Value> {
    let text = "[abcé]{0,4}".prop_map(Value::from);
    let whole = select(vec![0, 1, 9, -1, i64::MAX]).prop_map(Value::from);
    let odd =
        select(vec![json!(null), json!(true), json!(false), json!(1.5), json!(1e300), json!([1]), json!({"x": 1})]);
    prop_oneof![text, whole, odd, Just(json!("abc")), Just(json!(u64::MAX))]
}

fn asked() -> impl Strategy<Value = Asked> {
    let effect = select(vec![Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin]);
    let name = select(vec!["n", "t", "b", "d", "other"]).prop_map(str::to_owned);
    let arguments = prop::collection::btree_map(name, sent(), 0..5).prop_map(Map::from_iter);
    let tools =
        vec!["s/get_a", "s/delete_b", "s/get_a", "s/delete_b", "s/unknown", "t/get_a", "lonely", "read", "s/read"];
    let who = (select(vec!["acme", "other"]), select(vec!["a", "b", "acme"]), select(tools));
    let session = prop::option::of((select(vec![Mode::ReadOnly, Mode::Standard]), select(vec![0, 1, 9, u64::MAX])));
    let suspicion = select(vec![None, Some(Suspicion::DenialRate), Some(Suspicion::WriteRatio)]);
    let taint = prop::collection::vec("[abc]{0,3}", 0..3);
    let known = (0..1000_u16, session, suspicion, taint, -1_000_000_000_000..4_000_000_000_000_i64);
    (who, effect, arguments, known).prop_map(|(who, effect, arguments, (trust, session, suspicion, taint, now))| {
        let (organisation, agent, tool) = who;
        Asked { organisation, agent, tool, effect, arguments, trust, session, suspicion, taint, now }
    })
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
            session: self.session.map(|(mode, n)| SessionFacts {
                id: "sess",
                mode,
                tally: Tally { total: n, read: 1, write: n, denied: 0 },
            }),
            delegation_depth: 1,
            trust: self.trust,
            suspicion: self.suspicion,
            now: Timestamp::from_millis(self.now),
            taint: &self.taint,
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

#[test]
fn every_argument_a_policy_reads_is_to_it_what_it_is_to_cedar() {
    let conditions = [
        "has n",
        "has n && context.arguments.n < 9",
        "has n && context.arguments.n >= 9",
        "has n && [1, 9].contains(context.arguments.n)",
        "has n && context.arguments.n == 9",
        "has b && context.arguments.b",
        "has b && !context.arguments.b",
        "has d && context.arguments.d == decimal(\"1.0\")",
        "has d && context.arguments.d != decimal(\"1.0\")",
        "has d && [decimal(\"1.0\")].contains(context.arguments.d)",
        "has d && context.arguments.d == context.arguments.d",
        "has d && has n && context.arguments.n == 1 && context.arguments.d == context.arguments.d",
        "has t && context.arguments.t like \"\"",
        "has t && context.arguments.t like \"*\"",
        "has t && context.arguments.t like \"ab*ba\"",
        "has t && context.arguments.t like \"a*b*c\"",
        "has t && context.arguments.t like \"*\\*\"",
        "has t && context.arguments.t == \"abc\"",
        "has t && context.taint.contains(context.arguments.t)",
    ];
    let policies: Vec<String> = conditions
        .iter()
        .map(|condition| {
            let condition = condition.replace("&& has", "&& context.arguments has");
            // Each is told of by itself, whatever the others say.
            let head = "@shadow permit (principal, action == Action::\"s/delete_b\", resource)";
            format!("{head} when {{ context.arguments {condition} }};")
        })
        .collect();
    let mut worker = worker(&policies);
    let texts = ["", "abc", "aba", "abba", "ab-ba", "axbxc", "a*", "*", "1", "true"];
    let numbers = [json!(0), json!(1), json!(9), json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1.0), json!(1e300)];
    let others = [json!(null), json!(true), json!(false), json!([1]), json!([]), json!({}), json!({"n": 1})];
    for value in texts.map(Value::from).into_iter().chain(numbers).chain(others) {
        for tool in ["s/delete_b", "s/get_a"] {
            let arguments = Map::from_iter(["n", "t", "b", "d"].map(|name| (name.to_owned(), value.clone())));
            let asked = Asked {
                organisation: "acme",
                agent: "a",
                tool,
                effect: Effect::Admin,
                arguments,
                trust: 0,
                session: None,
                suspicion: None,
                taint: vec!["abc".to_owned(), String::new()],
                now: 0,
            };
            let full = worker.set().decide_in_full(&asked.request()).unwrap();
            assert_eq!(told(&worker.decide(&asked.request())), told(&full), "{value}");
        }
    }
}
