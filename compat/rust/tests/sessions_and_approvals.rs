//! Sessions start read-only; a human lifts that for one named action.

use agenttrustid::{
    ActionCheckRequest, ActionCheckResult, Agent, AgentTrustClient, AgentTrustError, AgentTrustGuard, Session,
};
use countersign_compat::server;

/// An agent at work: its record, a client holding its own key, and a fresh session.
struct Work {
    agent: Agent,
    client: AgentTrustClient,
    session: Session,
}

impl Work {
    fn start() -> Self {
        let agent = server().agent(&["read_file", "write_file", "update_file", "delete_file", "grant_role"]);
        Self { client: server().client_of(&agent), session: server().session(&agent), agent }
    }

    fn ask(&self, tool: &str) -> ActionCheckResult {
        let request = ActionCheckRequest {
            agent_id: self.agent.id.clone(),
            tool_name: tool.to_string(),
            session_id: self.session.session_id.clone(),
            ..Default::default()
        };
        self.client.actions().check(&request).unwrap()
    }

    /// Asks for a tool that needs a human, and names what the human has to decide.
    fn approval_for(&self, tool: &str) -> String {
        let decision = self.ask(tool);
        assert!(!decision.allowed);
        assert_eq!(decision.elevation_required, Some(true));
        decision.approval_id.unwrap()
    }

    fn status(&self, approval_id: &str) -> String {
        self.client.approvals().get(approval_id).unwrap().status
    }
}

#[test]
fn a_new_mcp_session_is_read_only_and_knows_its_owner() {
    let work = Work::start();
    assert_eq!(work.session.mode, "read_only");
    assert_eq!(work.session.source, "mcp");
    assert_eq!(work.session.agent_id, work.agent.id);
    assert_eq!(work.session.org_id, work.agent.org_id);
    assert!(work.session.allowed_actions.is_empty());
    let fetched = server().admin().sessions().get_session(&work.session.session_id).unwrap();
    assert_eq!(fetched.session_id, work.session.session_id);
    assert_eq!(fetched.server_id, work.session.server_id);
}

#[test]
fn a_session_nobody_opened_is_not_found() {
    let missing = server().admin().sessions().get_session("sess_nobody-opened-this");
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}

#[test]
fn a_read_needs_no_approval() {
    assert!(Work::start().ask("read_file").allowed);
}

#[test]
fn a_write_asks_for_a_human_and_the_agent_can_read_what_is_pending() {
    let work = Work::start();
    let pending = work.client.approvals().get(&work.approval_for("write_file")).unwrap();
    assert_eq!(pending.status, "pending");
    assert_eq!(pending.session_id, work.session.session_id);
    assert_eq!(pending.agent_id, work.agent.id);
    assert_eq!(pending.org_id, work.agent.org_id);
    assert_eq!(pending.action_name, "write_file");
    assert_eq!(pending.action_effect, "mutating");
    assert_eq!(pending.decided_by, None);
    assert!(pending.expires_at > pending.created_at);
}

#[test]
fn an_approved_write_is_allowed_when_asked_again() {
    let work = Work::start();
    let approval_id = work.approval_for("write_file");
    server().approver().approvals().approve(&approval_id, "alice@example.com").unwrap();

    let decided = work.client.approvals().get(&approval_id).unwrap();
    assert_eq!(decided.status, "approved");
    assert_eq!(decided.decided_by.as_deref(), Some("alice@example.com"));
    assert!(work.ask("write_file").allowed);
}

#[test]
fn an_approval_elevates_the_session_for_the_action_it_names() {
    let work = Work::start();
    server().approver().approvals().approve(&work.approval_for("write_file"), "alice@example.com").unwrap();
    let session = work.client.sessions().get_session(&work.session.session_id).unwrap();
    assert_eq!(session.mode, "elevated");
    assert_eq!(session.allowed_actions, ["write_file"]);
}

#[test]
fn an_approval_does_not_reach_another_action() {
    let work = Work::start();
    let approved = work.approval_for("write_file");
    server().approver().approvals().approve(&approved, "alice@example.com").unwrap();
    assert_ne!(work.approval_for("update_file"), approved);
}

#[test]
fn a_denied_action_stays_refused() {
    let work = Work::start();
    let approval_id = work.approval_for("update_file");
    server().approver().approvals().deny(&approval_id, "alice@example.com").unwrap();
    assert_eq!(work.status(&approval_id), "denied");
    assert!(!work.ask("update_file").allowed);
}

#[test]
fn the_agents_own_key_cannot_approve() {
    let work = Work::start();
    let approval_id = work.approval_for("write_file");
    let refused = work.client.approvals().approve(&approval_id, "the agent itself");
    assert!(matches!(refused, Err(AgentTrustError::Authorization { .. })), "{refused:?}");
    assert_eq!(work.status(&approval_id), "pending");
}

#[test]
fn a_caller_without_a_key_cannot_approve() {
    let work = Work::start();
    let approval_id = work.approval_for("write_file");
    let refused = server().keyless().approvals().approve(&approval_id, "nobody");
    assert!(matches!(refused, Err(AgentTrustError::Authorization { .. })), "{refused:?}");
    assert_eq!(work.status(&approval_id), "pending");
}

#[test]
fn an_approval_is_decided_once() {
    let work = Work::start();
    let approval_id = work.approval_for("write_file");
    let approver = server().approver();
    approver.approvals().deny(&approval_id, "alice@example.com").unwrap();
    let again = approver.approvals().approve(&approval_id, "alice@example.com");
    assert!(matches!(again, Err(AgentTrustError::Api { status: 409, .. })), "{again:?}");
    assert_eq!(work.status(&approval_id), "denied");
}

#[test]
fn an_approval_nobody_asked_for_is_not_found() {
    let missing = server().approver().approvals().approve("nobody-asked-for-this", "alice@example.com");
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}

#[test]
fn a_destructive_action_needs_a_human_and_runs_once_one_agrees() {
    let work = Work::start();
    let approval_id = work.approval_for("delete_file");
    assert_eq!(work.client.approvals().get(&approval_id).unwrap().action_effect, "destructive");
    server().approver().approvals().approve(&approval_id, "alice@example.com").unwrap();
    assert!(work.ask("delete_file").allowed);
}

#[test]
fn an_admin_action_is_refused_with_no_approval_to_ask_for() {
    let decision = Work::start().ask("grant_role");
    assert!(!decision.allowed);
    assert_ne!(decision.elevation_required, Some(true));
    assert_eq!(decision.approval_id, None);
}

#[test]
fn the_guard_hands_out_the_approval_it_needs() {
    let work = Work::start();
    let guard = AgentTrustGuard::builder(server().client_of(&work.agent), &work.agent.id)
        .session_id(&work.session.session_id)
        .build();
    match guard.check("write_file", "notes") {
        Err(AgentTrustError::ElevationRequired { approval_id, .. }) => {
            server().approver().approvals().approve(&approval_id, "alice@example.com").unwrap();
        }
        other => panic!("expected a need for elevation, got {other:?}"),
    }
    guard.check("write_file", "notes").unwrap();
}

#[test]
fn a_session_counts_its_calls() {
    let work = Work::start();
    work.ask("read_file");
    work.ask("write_file");
    let counted = work.client.sessions().get_session(&work.session.session_id).unwrap();
    assert_eq!((counted.total_calls, counted.read_calls), (2, 1));
}
