//! Opaque capability tokens: issued, introspected, revoked.

use agenttrustid::{Agent, AgentTrustError, IntrospectTokenRequest, IntrospectionResult, IssueTokenRequest, Token};
use countersign_compat::server;

fn issue(agent: &Agent, scopes: &[&str]) -> agenttrustid::Result<Token> {
    server().admin().tokens().issue(&IssueTokenRequest {
        agent_id: agent.id.clone(),
        scope: scopes.iter().map(ToString::to_string).collect(),
        audience: Vec::new(),
        ttl: 300,
    })
}

fn introspect(token: &str, required: &[&str]) -> IntrospectionResult {
    let request = IntrospectTokenRequest {
        token: token.to_string(),
        target: None,
        required_scopes: required.iter().map(ToString::to_string).collect(),
    };
    server().admin().tokens().introspect(&request).unwrap()
}

#[test]
fn a_token_carries_what_was_asked_for() {
    let agent = server().agent(&["files:read", "files:write"]);
    let token = issue(&agent, &["files:read"]).unwrap();
    assert!(token.token.starts_with("at_"));
    assert_eq!(token.agent_id, agent.id);
    assert_eq!(token.scopes, ["files:read"]);
    assert!(token.token_id.is_some());
    assert!(token.issued_at.is_some());
    assert!(token.expires_at > token.issued_at);
}

#[test]
fn a_fresh_token_is_active() {
    let agent = server().agent(&["files:read"]);
    let token = issue(&agent, &["files:read"]).unwrap();
    let result = introspect(&token.token, &[]);
    assert!(result.active);
    assert_eq!(result.agent_id, Some(agent.id));
    assert_eq!(result.org_id, Some(agent.org_id));
    assert_eq!(result.scopes, ["files:read"]);
    assert_eq!(result.expires_at, token.expires_at);
}

#[test]
fn a_token_without_the_required_scope_is_inactive_and_says_why() {
    let agent = server().agent(&["files:read", "files:write"]);
    let token = issue(&agent, &["files:read"]).unwrap();
    let result = introspect(&token.token, &["files:read", "files:write"]);
    assert!(!result.active);
    assert_ne!(result.reasoning.unwrap_or_default(), "");
}

#[test]
fn a_revoked_token_is_inactive_and_says_why() {
    let agent = server().agent(&["files:read"]);
    let token = issue(&agent, &["files:read"]).unwrap();
    server().admin().tokens().revoke(&token.token, "compromised").unwrap();
    let result = introspect(&token.token, &[]);
    assert!(!result.active);
    assert_ne!(result.reasoning.unwrap_or_default(), "");
}

#[test]
fn a_token_nobody_issued_is_inactive() {
    assert!(!introspect("at_nobody-issued-this", &[]).active);
}

#[test]
fn a_token_may_not_exceed_the_agents_capabilities() {
    let refused = issue(&server().agent(&["files:read"]), &["payments:send"]);
    assert!(
        matches!(refused, Err(AgentTrustError::Authorization { .. } | AgentTrustError::Validation { .. })),
        "{refused:?}"
    );
}

#[test]
fn another_organisations_token_is_inactive() {
    let token = issue(&server().agent(&["files:read"]), &["files:read"]).unwrap();
    let request = IntrospectTokenRequest { token: token.token, target: None, required_scopes: Vec::new() };
    assert!(!server().stranger().tokens().introspect(&request).unwrap().active);
}
