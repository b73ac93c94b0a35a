//! What a set answers.

#![cfg(test)]

use std::sync::Arc;

use countersign_core::behaviour::Suspicion;
use countersign_core::chain::Tally;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use countersign_policy::{
    Decision, Fallback, Obligation, Outcome, PolicySet, Request, SessionFacts, Source, Tools, Worker,
};
use serde_json::{Map, Value, json};

const TOOLS: &str = r#"{"tools": [
    {"name": "transfer", "inputSchema": {"properties": {"amount": {"type": "integer"}, "rate": {"type": "number"},
        "to": {"type": "string"}}, "required": ["amount"]}},
    {"name": "get_balance"}]}"#;

fn worker(text: &str) -> Worker {
    let mut tools = Tools::default();
    tools.declare("payments", Source { file: "tools/payments.json", text: TOOLS }).unwrap();
    let set = PolicySet::load(&[Source { file: "p.cedar", text }], tools).unwrap_or_else(|faults| panic!("{faults:?}"));
    Arc::new(set).worker().unwrap()
}

fn arguments(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("not an object: {value}") };
    members
}

fn request<'a>(tool: &'a str, effect: Effect, arguments: &'a Map<String, Value>) -> Request<'a> {
    Request {
        organisation: "acme",
        agent: "agent_1",
        agent_name: "billing-bot",
        tool,
        effect,
        arguments,
        session: None,
        delegation_depth: 0,
        trust: 500,
        suspicion: None,
        // Saturday.
        now: Timestamp::parse("2026-11-21T13:05:00Z").unwrap(),
        taint: &[],
    }
}

/// What the policies of `text` say of a transfer with these arguments.
fn transfer(text: &str, with: Value) -> Decision {
    worker(text).decide(&request("payments/transfer", Effect::Mutating, &arguments(with)))
}

fn ids(decision: &Decision) -> Vec<&str> {
    decision.by.iter().map(|policy| policy.id.as_str()).collect()
}

const PERMIT: &str = "@id(\"permit-all\") permit (principal, action, resource);";

#[test]
fn a_forbid_beats_any_number_of_permits() {
    let text = format!(
        "{PERMIT} @id(\"b\") permit (principal, action, resource); @id(\"no\") @code(\"too_much\") @deny(\"at most 5\")
        forbid (principal, action == Action::\"payments/transfer\", resource) when {{ context.arguments.amount > 5 }};"
    );
    let refused = transfer(&text, json!({"amount": 6}));
    assert_eq!((refused.outcome, ids(&refused)), (Outcome::Forbid, vec!["no"]));
    assert_eq!((refused.code(), refused.reason()), (Some("too_much"), Some("at most 5")));
    let allowed = transfer(&text, json!({"amount": 5}));
    assert_eq!((allowed.outcome, ids(&allowed)), (Outcome::Permit, vec!["b", "permit-all"]));
    assert_eq!((allowed.code(), allowed.reason()), (None, None));
}

#[test]
fn where_no_policy_speaks_the_organisation_chose_what_holds() {
    let silent = transfer("@id(\"a\") permit (principal == Agent::\"other\", action, resource);", json!({"amount": 1}));
    assert_eq!(silent.outcome, Outcome::Unmatched);
    assert!(!silent.allows(Fallback::Deny) && silent.allows(Fallback::Allow) && !silent.allows(Fallback::default()));
}

#[test]
fn a_policy_that_fails_refuses_whatever_else_permits() {
    let text = format!(
        "{PERMIT} @id(\"limit\") forbid (principal, action == Action::\"payments/transfer\", resource)
        when {{ context.arguments.amount > 5 }};"
    );
    let left_out = json!({});
    // What Cedar cannot hold, or what the declaration does not say, is not skipped.
    for hostile in [
        left_out,
        json!({"amount": null}),
        json!({"amount": "6"}),
        json!({"amount": 1e30}),
        json!({"amount": [6]}),
        json!({"amount": 6.5}),
        json!({"amount": 9_223_372_036_854_775_808_u64}),
    ] {
        let decision = transfer(&text, hostile.clone());
        assert_eq!((decision.outcome, ids(&decision)), (Outcome::Failed, vec!["limit"]), "{hostile}");
        assert!(
            !decision.allows(Fallback::Allow) && decision.errors.len() == 1 && decision.code() == Some("policy_failed")
        );
        assert_eq!(decision.obligations().count(), 0);
    }
    // An overflow is an error too, and a forbid still beats one.
    let text = format!(
        "{PERMIT} @id(\"over\") permit (principal, action == Action::\"payments/transfer\", resource)
        when {{ context.arguments.amount + 1 > 0 }};"
    );
    assert_eq!(transfer(&text, json!({"amount": i64::MAX})).outcome, Outcome::Failed);
    let both =
        transfer(&format!("{text} @id(\"no\") forbid (principal, action, resource);"), json!({"amount": i64::MAX}));
    assert_eq!((both.outcome, ids(&both), both.errors.len()), (Outcome::Forbid, vec!["no"], 1));
}

#[test]
fn decimals_are_held_to_four_digits_and_no_further() {
    let text = format!(
        "{PERMIT} @id(\"rate\") forbid (principal, action == Action::\"payments/transfer\", resource)
        when {{ context.arguments has rate && context.arguments.rate.greaterThan(decimal(\"1.5\")) }};"
    );
    for (rate, outcome) in [
        (json!(1.5), Outcome::Permit),
        (json!(1.5001), Outcome::Forbid),
        (json!(2), Outcome::Forbid),
        (json!(-2), Outcome::Permit),
        (json!(1.50001), Outcome::Failed),
        (json!(922_337_203_685_478_i64), Outcome::Failed),
        (json!(1e-9), Outcome::Failed),
    ] {
        assert_eq!(transfer(&text, json!({"amount": 1, "rate": rate})).outcome, outcome, "{rate}");
    }
}

#[test]
fn a_declared_tool_is_in_the_group_of_the_effect_this_call_has() {
    let text = "@id(\"reads\") permit (principal, action in Action::\"read\", resource);
        @id(\"tool\") permit (principal, action == Action::\"payments/get_balance\", resource) when { context.trust > 900 };";
    let (mut worker, none) = (worker(text), Map::new());
    let decided = |worker: &mut Worker, tool, effect| worker.decide(&request(tool, effect, &none)).outcome;
    assert_eq!(decided(&mut worker, "payments/get_balance", Effect::Read), Outcome::Permit);
    assert_eq!(decided(&mut worker, "payments/get_balance", Effect::Mutating), Outcome::Unmatched);
    assert_eq!(decided(&mut worker, "nobody/declared_it", Effect::Read), Outcome::Permit);
    assert_eq!(decided(&mut worker, "nobody/declared_it", Effect::Admin), Outcome::Unmatched);
}

#[test]
fn a_tool_that_calls_itself_an_effect_is_not_one() {
    let text = "@id(\"reads\") permit (principal, action in Action::\"read\", resource);";
    let none = Map::new();
    assert_eq!(worker(text).decide(&request("read", Effect::Destructive, &none)).outcome, Outcome::Unmatched);
}

#[test]
fn policies_see_everything_that_is_known_of_a_call() {
    let holds = |condition: &str| {
        let text = format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};");
        let (with, taint) = (arguments(json!({"to": "x"})), ["untrusted_web".to_owned()]);
        let tally = Tally { total: 7, read: 3, write: 2, denied: 1 };
        let request = Request {
            session: Some(SessionFacts { id: "sess_1", mode: Mode::ReadOnly, tally }),
            delegation_depth: 2,
            suspicion: Some(Suspicion::DenialRate),
            taint: &taint,
            ..request("github/create_issue", Effect::Mutating, &with)
        };
        worker(&text).decide(&request).outcome == Outcome::Permit
    };
    for condition in [
        "principal == Agent::\"agent_1\" && principal in Organisation::\"acme\" && principal.name == \"billing-bot\"",
        "resource in Server::\"github\" && resource in Organisation::\"acme\" && resource.name like \"github/*\"",
        "action in Action::\"mutating\" && context.effect == Effect::\"mutating\"",
        "context has session && context.session.id == Session::\"sess_1\" && context.session.mode == Mode::\"read_only\"",
        "context has session && context.session.calls == 7 && context.session.reads == 3 && context.session.writes == 2",
        "context has session && context.session.denied == 1",
        "context.delegation_depth == 2 && context.trust == 500",
        "context.behaviour.probing && !context.behaviour.bursting && context.taint.contains(\"untrusted_web\")",
        "context.time.weekday == 6 && context.time.hour == 13 && context.time.minute == 5",
        "context.time.at == datetime(\"2026-11-21T13:05:00Z\")",
    ] {
        assert!(holds(condition), "{condition}");
    }
    assert!(!holds("context.trust > 500"));
}

#[test]
fn a_shadow_policy_is_reported_and_never_decides() {
    let text = format!("{PERMIT} @id(\"soon\") @shadow forbid (principal, action, resource);
        @id(\"fails\") @shadow forbid (principal, action == Action::\"payments/transfer\", resource) when {{ context.arguments.amount + 1 > 0 }};
        @id(\"grants\") @shadow permit (principal, action, resource);");
    let decision = transfer(&text, json!({"amount": i64::MAX}));
    assert_eq!((decision.outcome, ids(&decision), decision.errors.len()), (Outcome::Permit, vec!["permit-all"], 0));
    let shadow: Vec<_> = decision.shadow.iter().map(|one| (one.policy.id.as_str(), one.would)).collect();
    assert_eq!(shadow, [("fails", Outcome::Failed), ("grants", Outcome::Permit), ("soon", Outcome::Forbid)]);
    let alone = transfer("@id(\"grants\") @shadow permit (principal, action, resource);", json!({"amount": 1}));
    assert_eq!(alone.outcome, Outcome::Unmatched, "a shadow permit grants nothing");
}

#[test]
fn the_obligations_of_every_policy_that_decides_hold() {
    let text = "@id(\"a\") @advice(\"{\\\"redact\\\": [\\\"ssn\\\"]}\") permit (principal, action, resource);
        @id(\"b\") @advice(\"{\\\"require_approval\\\": \\\"money leaves\\\"}\") permit (principal, action, resource) when { context.trust < 501 };
        @id(\"c\") @advice(\"{\\\"notify\\\": [\\\"soc\\\"]}\") permit (principal, action, resource) when { context.trust < 5 };";
    let decision = transfer(text, json!({"amount": 1}));
    let expected = [Obligation::Redact(vec!["ssn".to_owned()]), Obligation::RequireApproval("money leaves".to_owned())];
    assert_eq!(decision.obligations().cloned().collect::<Vec<_>>(), expected);
}
