//! Every refusal reaches the caller as the SDK's matching error, with a message.

use agenttrustid::{ActionCheckRequest, AgentTrustError, CreateAgentRequest};
use countersign_compat::server;

#[test]
fn an_unknown_agent_is_not_found() {
    match server().admin().agents().get("nobody-registered-this") {
        Err(AgentTrustError::NotFound { message, status: 404 }) => assert_ne!(message, ""),
        other => panic!("expected not found, got {other:?}"),
    }
}

#[test]
fn a_check_for_an_unknown_agent_is_not_found() {
    let request = ActionCheckRequest {
        agent_id: "nobody-registered-this".to_string(),
        tool_name: "read_file".to_string(),
        ..Default::default()
    };
    let missing = server().admin().actions().check(&request);
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}

#[test]
fn a_wrong_key_is_refused_even_where_no_key_would_do() {
    match server().client("sk_live_wrong").agents().list(None) {
        Err(AgentTrustError::Authentication { message, status: 401 }) => assert_ne!(message, ""),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn an_agent_without_a_name_is_invalid() {
    match server().admin().agents().create(&CreateAgentRequest::default()) {
        Err(AgentTrustError::Validation { message, status: 400 }) => assert_ne!(message, ""),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_name_already_taken_is_a_conflict() {
    let taken = server().agent(&[]).name;
    let request = CreateAgentRequest { name: taken.clone(), ..Default::default() };
    match server().admin().agents().create(&request) {
        Err(AgentTrustError::Api { message, status: 409, .. }) => assert!(message.contains(&taken), "{message}"),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[test]
fn another_organisations_agent_is_not_found() {
    let agent = server().agent(&[]);
    let missing = server().stranger().agents().get(&agent.id);
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}
