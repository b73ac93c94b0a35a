//! One agent lends another a part of what it may do, and can take it back.

use agenttrustid::{ActionCheckRequest, Agent, AgentTrustError, CreateDelegationRequest, Delegation, Session};
use countersign_compat::server;
use serde_json::json;

/// The lender can `read_file` and `search_files`, the borrower only `list_users` by itself.
fn pair() -> (Agent, Agent) {
    (server().agent(&["read_file", "search_files"]), server().agent(&["list_users"]))
}

fn request(from: &Agent, to: &Agent, scope: &[&str]) -> CreateDelegationRequest {
    CreateDelegationRequest {
        from_agent_id: from.id.clone(),
        to_agent_id: to.id.clone(),
        scope: scope.iter().map(ToString::to_string).collect(),
        ttl_seconds: None,
        restrictions: None,
        parent_delegation_id: None,
    }
}

fn lend(from: &Agent, to: &Agent) -> Delegation {
    server().admin().delegations().create(&request(from, to, &["read_file"])).unwrap()
}

fn allowed(agent: &Agent, tool: &str, session: &Session) -> bool {
    let request = ActionCheckRequest {
        agent_id: agent.id.clone(),
        tool_name: tool.to_string(),
        session_id: session.session_id.clone(),
        ..Default::default()
    };
    server().admin().actions().check(&request).unwrap().allowed
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(refused: agenttrustid::Result<T>) {
    assert!(
        matches!(refused, Err(AgentTrustError::Authorization { .. } | AgentTrustError::Validation { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_delegation_says_who_lends_what_to_whom() {
    let (lender, borrower) = pair();
    let made = lend(&lender, &borrower);
    assert!(!made.id.is_empty());
    assert_eq!(made.from_agent_id, lender.id);
    assert_eq!(made.to_agent_id, borrower.id);
    assert_eq!(made.scope, ["read_file"]);
    assert_eq!(made.revoked_at, None);
    assert!(made.expires_at > made.created_at);
}

#[test]
fn a_delegation_is_fetched_and_listed_as_it_was_made() {
    let (lender, borrower) = pair();
    let restrictions = json!({ "paths": ["/tmp/*"], "max_calls": 10 });
    let made = server()
        .admin()
        .delegations()
        .create(&CreateDelegationRequest {
            ttl_seconds: Some(60),
            restrictions: Some(restrictions.clone()),
            ..request(&lender, &borrower, &["read_file"])
        })
        .unwrap();
    let fetched = server().admin().delegations().get(&made.id).unwrap();
    let listed = server().admin().delegations().list().unwrap();
    let listed = listed.iter().find(|listed| listed.id == made.id).unwrap();
    for delegation in [&made, &fetched, listed] {
        assert_eq!(delegation.id, made.id);
        assert_eq!(delegation.scope, ["read_file"]);
        assert_eq!(delegation.restrictions.as_ref(), Some(&restrictions));
        assert_eq!(delegation.expires_at, made.expires_at);
    }
}

#[test]
fn a_delegation_nobody_made_is_not_found() {
    let missing = server().admin().delegations().get("nobody-made-this");
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}

#[test]
fn a_delegated_session_belongs_to_the_borrower_and_is_capped_by_the_loan() {
    let (lender, borrower) = pair();
    let session = server().admin().delegations().init_session(&lend(&lender, &borrower).id).unwrap();
    assert_eq!(session.source, "a2a");
    assert_eq!(session.mode, "read_only");
    assert_eq!(session.agent_id, borrower.id);
    assert_eq!(session.org_id, borrower.org_id);
    assert_eq!(session.scope_ceiling, ["read_file"]);
}

#[test]
fn only_what_was_borrowed_is_allowed_in_the_delegated_session() {
    let (lender, borrower) = pair();
    let session = server().admin().delegations().init_session(&lend(&lender, &borrower).id).unwrap();
    assert!(allowed(&borrower, "read_file", &session));
    assert!(!allowed(&borrower, "list_users", &session));
    assert!(!allowed(&borrower, "search_files", &session));
}

#[test]
fn after_revocation_the_very_next_check_of_the_delegated_session_is_denied() {
    let (lender, borrower) = pair();
    let delegation = lend(&lender, &borrower);
    let session = server().admin().delegations().init_session(&delegation.id).unwrap();
    assert!(allowed(&borrower, "read_file", &session));
    server().admin().delegations().revoke(&delegation.id).unwrap();
    assert!(!allowed(&borrower, "read_file", &session));
}

#[test]
fn a_revoked_delegation_says_when_and_opens_no_session() {
    let (lender, borrower) = pair();
    let delegation = lend(&lender, &borrower);
    server().admin().delegations().revoke(&delegation.id).unwrap();
    assert!(server().admin().delegations().get(&delegation.id).unwrap().revoked_at.is_some());
    assert_refused(server().admin().delegations().init_session(&delegation.id));
}

#[test]
fn what_was_borrowed_can_be_lent_on_until_the_first_link_is_revoked() {
    let (lender, borrower) = pair();
    let third = server().agent(&["list_users"]);
    let first = lend(&lender, &borrower);
    let onward = server()
        .admin()
        .delegations()
        .create(&CreateDelegationRequest {
            parent_delegation_id: Some(first.id.clone()),
            ..request(&borrower, &third, &["read_file"])
        })
        .unwrap();
    let session = server().admin().delegations().init_session(&onward.id).unwrap();
    assert!(allowed(&third, "read_file", &session));
    server().admin().delegations().revoke(&first.id).unwrap();
    assert!(!allowed(&third, "read_file", &session));
}

#[test]
fn an_agent_cannot_lend_what_it_does_not_have() {
    let (lender, borrower) = pair();
    assert_refused(server().admin().delegations().create(&request(&lender, &borrower, &["send_mail"])));
}

#[test]
fn an_agent_cannot_lend_to_itself() {
    let (lender, _) = pair();
    assert_refused(server().admin().delegations().create(&request(&lender, &lender, &["read_file"])));
}

#[test]
fn another_organisations_delegation_is_not_found() {
    let (lender, borrower) = pair();
    let missing = server().stranger().delegations().get(&lend(&lender, &borrower).id);
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}
