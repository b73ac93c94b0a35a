//! The guard an agent wraps around its tools: check before, report after.

use agenttrustid::{ActionCheckRequest, AgentTrustError, AgentTrustGuard, TelemetryEvent};
use countersign_compat::server;

fn guard(capabilities: &[&str]) -> AgentTrustGuard {
    let agent = server().agent(capabilities);
    AgentTrustGuard::new(server().client_of(&agent), &agent.id)
}

#[test]
fn a_tool_the_agent_is_capable_of_is_allowed() {
    let guard = guard(&["web_search", "summarize"]);
    guard.check("web_search", "news").unwrap();
    // A session id of the guard's own making is not a read-only session.
    guard.check("summarize", "news").unwrap();
}

#[test]
fn a_tool_the_agent_lacks_is_denied_with_a_reason() {
    match guard(&["web_search"]).check("send_mail", "hello") {
        Err(AgentTrustError::ActionDenied { message, check_id }) => {
            assert!(!message.contains("no reason given"), "{message}");
            assert!(check_id.is_some());
        }
        other => panic!("expected a denial, got {other:?}"),
    }
}

#[test]
fn the_decision_names_its_tier_and_confidence() {
    let agent = server().agent(&["web_search"]);
    let request = ActionCheckRequest { agent_id: agent.id, tool_name: "web_search".to_string(), ..Default::default() };
    let decision = server().admin().actions().check(&request).unwrap();
    assert!(decision.allowed);
    assert!(["fast", "spot", "deep"].map(Some).contains(&decision.guard_tier.as_deref()));
    assert!((0.0..=1.0).contains(&decision.confidence.unwrap()));
    assert_ne!(decision.elevation_required, Some(true));
}

#[test]
fn a_summary_longer_than_the_sdk_sends_is_accepted() {
    guard(&["web_search"]).check("web_search", &"news ".repeat(100)).unwrap();
}

#[test]
fn the_effect_word_of_this_sdk_is_understood() {
    guard(&["write_file"]).check_with_effect("write_file", "", "write").unwrap();
}

#[test]
fn a_key_bound_to_an_agent_cannot_ask_for_another() {
    let (agent, other) = (server().agent(&["web_search"]), server().agent(&["web_search"]));
    let refused = AgentTrustGuard::new(server().client_of(&agent), &other.id).check("web_search", "");
    assert!(matches!(refused, Err(AgentTrustError::Authorization { .. })), "{refused:?}");
}

#[test]
fn what_the_guard_reports_is_accepted() {
    let guard = guard(&["web_search"]);
    guard.report("web_search", true, 12);
    guard.report("web_search", false, 3);
    guard.flush().unwrap();
}

#[test]
fn a_report_with_a_wrong_key_is_not_accepted() {
    let agent = server().agent(&["web_search"]);
    let guard = AgentTrustGuard::new(server().client("sk_live_wrong"), &agent.id);
    guard.report("web_search", true, 12);
    assert!(matches!(guard.flush(), Err(AgentTrustError::Authentication { .. })));
}

#[test]
fn telemetry_sent_without_the_guard_is_accepted() {
    let agent = server().agent(&["web_search"]);
    let event = TelemetryEvent {
        event_type: "tool_error".to_string(),
        tool_name: "web_search".to_string(),
        duration_ms: 3,
        success: false,
        error_type: Some("Timeout".to_string()),
        timestamp: "2026-01-02T03:04:05.123456789+00:00".to_string(),
    };
    server().admin().telemetry().report(&agent.id, "a-session-of-the-clients-own", &[event]).unwrap();
}
