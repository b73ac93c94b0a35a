//! A revoked agent is stopped at once and stays stopped.

use agenttrustid::{
    ActionCheckRequest, ActionCheckResult, Agent, AgentTrustError, AgentTrustGuard, IntrospectTokenRequest,
    IssueTokenRequest,
};
use countersign_compat::server;

fn ask(agent: &Agent, session_id: &str) -> ActionCheckResult {
    let request = ActionCheckRequest {
        agent_id: agent.id.clone(),
        tool_name: "read_file".to_string(),
        session_id: session_id.to_string(),
        ..Default::default()
    };
    server().admin().actions().check(&request).unwrap()
}

fn revoke(agent: &Agent) {
    server().admin().agents().revoke(&agent.id, "compromised").unwrap();
}

fn token_request(agent: &Agent) -> IssueTokenRequest {
    IssueTokenRequest {
        agent_id: agent.id.clone(),
        scope: vec!["read_file".to_string()],
        audience: Vec::new(),
        ttl: 300,
    }
}

#[test]
fn after_revocation_the_very_next_check_is_denied() {
    let agent = server().agent(&["read_file"]);
    assert!(ask(&agent, "").allowed);
    revoke(&agent);
    let decision = ask(&agent, "");
    assert!(!decision.allowed);
    assert_ne!(decision.elevation_required, Some(true));
    assert_ne!(decision.reason.unwrap_or_default(), "");
}

#[test]
fn revocation_reaches_an_open_session() {
    let agent = server().agent(&["read_file"]);
    let session = server().session(&agent);
    assert!(ask(&agent, &session.session_id).allowed);
    revoke(&agent);
    assert!(!ask(&agent, &session.session_id).allowed);
}

#[test]
fn the_guard_of_a_revoked_agent_blocks() {
    let agent = server().agent(&["read_file"]);
    let guard = AgentTrustGuard::new(server().admin(), &agent.id);
    guard.check("read_file", "").unwrap();
    revoke(&agent);
    let denied = guard.check("read_file", "");
    assert!(matches!(denied, Err(AgentTrustError::ActionDenied { .. })), "{denied:?}");
}

#[test]
fn a_revoked_agents_token_is_inactive_and_it_gets_no_new_one() {
    let agent = server().agent(&["read_file"]);
    let token = server().admin().tokens().issue(&token_request(&agent)).unwrap();
    revoke(&agent);
    let request = IntrospectTokenRequest { token: token.token, target: None, required_scopes: Vec::new() };
    assert!(!server().admin().tokens().introspect(&request).unwrap().active);
    let refused = server().admin().tokens().issue(&token_request(&agent));
    assert!(matches!(refused, Err(AgentTrustError::Authorization { .. })), "{refused:?}");
}

#[test]
fn a_revoked_agent_is_still_shown_as_revoked() {
    let agent = server().agent(&["read_file"]);
    revoke(&agent);
    assert_eq!(server().admin().agents().get(&agent.id).unwrap().status, "revoked");
    let listed = server().admin().agents().list(None).unwrap();
    assert!(listed.iter().any(|listed| listed.id == agent.id && listed.status == "revoked"));
}
