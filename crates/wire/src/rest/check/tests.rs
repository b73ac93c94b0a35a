//! How the question and the answer are spelled.

use countersign_core::decide::{Guard, Hold};
use countersign_core::{Denial, Effect as Known};
use serde_json::{Value, json};

use super::*;
use crate::json::parse;
use crate::rest::golden;

fn decision(verdict: Verdict) -> Decision {
    Decision {
        verdict,
        gate: None,
        guard: Guard::Spot,
        effect: Known::Mutating,
        raised: None,
        used_approval: false,
        review: false,
    }
}

/// The answer, printed, with everything that can be given.
fn answer(verdict: Verdict) -> String {
    let answer = CheckAnswer {
        decision: &decision(verdict),
        check_id: &CheckId::parse("chk_1").unwrap(),
        confidence: Confidence::new(0.95),
        latency_ms: 2,
        reason: "capability match",
        approval_id: Some(&ApprovalId::parse("appr_1").unwrap()),
        durability: Durability::Sync,
        policies: &[],
        unreachable: None,
        help: verdict.code().map(|_| "/docs/denials/x"),
    };
    serde_json::to_string(&answer).unwrap()
}

fn check(verdict: Verdict, expected: &Value) {
    let text = answer(verdict);
    let reply: CheckReply = serde_json::from_str(&text).unwrap();
    golden::check(&reply, expected);
    assert_eq!(serde_json::to_string(&reply).unwrap(), text, "both spellings are one");
}

#[test]
fn a_yes_is_spelled_as_published() {
    check(
        Verdict::Allow,
        &json!({
            "allowed": true,
            "check_id": "chk_1",
            "confidence": 0.95,
            "guard_tier": "spot",
            "latency_ms": 2,
            "reason": "capability match",
            "elevation_required": false,
            "effect": "mutating",
            "durability": "sync",
        }),
    );
}

#[test]
fn a_no_has_a_stable_code() {
    check(
        Verdict::Deny(Denial::CapabilityMissing),
        &json!({
            "allowed": false,
            "check_id": "chk_1",
            "confidence": 0.95,
            "guard_tier": "spot",
            "latency_ms": 2,
            "reason": "capability match",
            "elevation_required": false,
            "code": "capability_missing",
            "effect": "mutating",
            "durability": "sync",
            "help": "/docs/denials/x",
        }),
    );
}

#[test]
fn only_what_waits_for_a_human_names_an_approval() {
    check(
        Verdict::Elevate(Hold::ReadOnly),
        &json!({
            "allowed": false,
            "check_id": "chk_1",
            "confidence": 0.95,
            "guard_tier": "spot",
            "latency_ms": 2,
            "reason": "capability match",
            "elevation_required": true,
            "approval_id": "appr_1",
            "code": "session_read_only",
            "effect": "mutating",
            "durability": "sync",
            "help": "/docs/denials/x",
        }),
    );
}

#[test]
fn a_confidence_is_always_a_number_between_zero_and_one() {
    for (share, printed) in [(f64::NAN, "0.0"), (f64::INFINITY, "1.0"), (-1.0, "0.0"), (0.5, "0.5")] {
        assert_eq!(serde_json::to_string(&Confidence::new(share)).unwrap(), printed);
    }
}

#[test]
fn the_shortest_question_any_client_sends_is_understood() {
    let bodies = [
        r#"{"agent_id":"agent_1","action_name":"read_file"}"#,
        r#"{"agent_id":"agent_1","session_id":"","action_name":"read_file","action_source":"api","action_input_summary":""}"#,
        r#"{"agent_id":"agent_1","session_id":null,"action_name":"read_file","action_source":null,"action_input_summary":null,"action_effect":null,"action_input":null}"#,
        r#"{"agent_id":"agent_1","action_name":"read_file","action_effect":"","from_a_later_sdk":true}"#,
        r#"{"agent_id":"agent_1","action_name":"read_file","action_effect":"frobnicate"}"#,
    ];
    for body in bodies {
        let request: CheckRequest = parse(body.as_bytes()).unwrap();
        assert_eq!((request.agent_id.as_str(), request.action_name.as_str()), ("agent_1", "read_file"));
        assert_eq!((request.action_source.as_str(), request.action_input_summary.as_str()), ("api", ""));
        assert_eq!((request.session_id, request.action_effect), (None, None));
        assert!(request.action_input.is_none());
    }
}

#[test]
fn write_is_another_word_for_mutating() {
    for word in ["write", "mutating"] {
        let body = format!(r#"{{"agent_id":"a","action_name":"x","action_effect":"{word}"}}"#);
        assert_eq!(parse::<CheckRequest>(body.as_bytes()).unwrap().action_effect, Some(Known::Mutating));
    }
}

#[test]
fn arguments_are_kept_as_they_were_sent_and_never_printed() {
    let body = br#"{"agent_id":"a","action_name":"x","action_input":{"b":1.0, "a":"hunter2"}}"#;
    let request: CheckRequest = parse(body).unwrap();
    assert_eq!(request.action_input.as_ref().unwrap().as_str(), r#"{"b":1.0, "a":"hunter2"}"#);
    assert!(!format!("{request:?}").contains("hunter2"));
}

#[test]
fn what_is_no_question_is_refused() {
    let refusal = |body: &str| parse::<CheckRequest>(body.as_bytes()).unwrap_err().to_string();
    assert_eq!(refusal(r#"{"agent_id":"a"}"#), "missing field `action_name`");
    assert_eq!(refusal(r#"{"agent_id":"a","action_name":""}"#), "`action_name`: expected a string that is not empty");
    assert_eq!(
        refusal(r#"{"agent_id":"a","action_name":"x","action_effect":5}"#),
        "`action_effect`: invalid type: integer `5`, expected a string"
    );
    assert!(refusal(r#"{"agent_id":"","action_name":"x"}"#).starts_with("`agent_id`: not an id: expected"));
}

#[test]
fn the_legacy_question_is_the_same_question() {
    let cases = [
        (r#"{"agent_id":"a","action":"tool_call","tool_name":"files:read"}"#, "files:read"),
        (r#"{"agent_id":"a","action":"deploy","tool_name":""}"#, "deploy"),
        (r#"{"agent_id":"a"}"#, "tool_call"),
    ];
    for (body, name) in cases {
        let request = CheckRequest::from(parse::<LegacyCheckRequest>(body.as_bytes()).unwrap());
        assert_eq!((request.action_name.as_str(), request.action_source.as_str()), (name, "api"));
    }
}
