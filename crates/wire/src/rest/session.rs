//! Sessions.

use countersign_core::chain::Chain;
use countersign_core::id::{AgentId, DelegationId, ServerId};
use countersign_core::session::Mode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts;
use super::word::{SessionMode, SessionSource, SessionStatus};
use crate::secret::Secret;
use crate::time::Time;

/// Starts a session with an MCP server.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SessionInit {
    /// The only agent that may use it.
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    /// The server it is for.
    #[schema(value_type = String)]
    pub server_id: ServerId,
}

/// Starts a session from an access token.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ApiSessionInit {
    /// The token. Its scopes become the session's ceiling.
    pub token: Secret,
}

/// A session: a bounded stretch of one agent's work.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub session_id: String,
    /// The only agent that may use it.
    pub agent_id: String,
    /// The organisation it belongs to.
    pub org_id: String,
    /// Which surface started it.
    pub source: SessionSource,
    /// The server it was started for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub server_id: Option<String>,
    /// The delegation it was started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delegation_id: Option<String>,
    /// Whether it may change anything.
    pub mode: SessionMode,
    /// The actions that a human's approval covers now.
    pub allowed_actions: Vec<String>,
    /// The most it may ever do.
    pub scope_ceiling: Vec<String>,
    /// How many decisions were made in it.
    pub total_calls: u64,
    /// How many allowed calls changed nothing.
    pub read_calls: u64,
    /// How many allowed calls changed something.
    pub write_calls: u64,
    /// How many calls were denied.
    pub denied_calls: u64,
    /// The labels of what it took in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taint: Vec<String>,
    /// When it was started.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Time,
    /// Whether it can still be used.
    pub status: SessionStatus,
    /// Everything recorded in it.
    pub chain: SessionChain,
}

/// Where the chain of everything recorded in a session stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionChain {
    /// How many entries it has.
    pub length: u64,
    /// The digest over them: 64 lower-case hex digits, all zero where there are none.
    pub head: String,
}

/// What is known of a session now, beyond how it was started.
#[derive(Debug, Clone)]
pub struct SessionNow<'a> {
    /// Whether it can still be used.
    pub status: SessionStatus,
    /// The actions that a human's approval covers now.
    pub allowed_actions: Vec<String>,
    /// Its chain and its counts.
    pub chain: &'a Chain,
}

impl Session {
    /// A session as it was started and as it is now.
    #[must_use]
    pub fn new(session: &countersign_core::session::Session, now: SessionNow<'_>) -> Self {
        let tally = now.chain.tally;
        Self {
            session_id: session.id.to_string(),
            agent_id: session.agent.to_string(),
            org_id: session.org.to_string(),
            source: session.source.into(),
            server_id: session.server.as_ref().map(ServerId::to_string),
            delegation_id: session.delegation.as_ref().map(DelegationId::to_string),
            mode: match session.mode {
                Mode::Standard => SessionMode::Standard,
                Mode::ReadOnly if now.allowed_actions.is_empty() => SessionMode::ReadOnly,
                Mode::ReadOnly => SessionMode::Elevated,
            },
            allowed_actions: now.allowed_actions,
            scope_ceiling: texts(&session.ceiling),
            total_calls: tally.total,
            read_calls: tally.read,
            write_calls: tally.write,
            denied_calls: tally.denied,
            taint: now.chain.taint.labels().map(|label| label.as_str().to_owned()).collect(),
            created_at: session.created_at.into(),
            expires_at: session.expires_at.into(),
            status: now.status,
            chain: SessionChain { length: now.chain.length, head: now.chain.head.to_string() },
        }
    }
}

/// The sessions of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// The sessions.
    pub sessions: Vec<Session>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use countersign_core::capability::Pattern;
    use countersign_core::id::{OrgId, SessionId};
    use countersign_core::session::Source;
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    fn session(mode: Mode) -> countersign_core::session::Session {
        countersign_core::session::Session {
            id: SessionId::parse("sess_1").unwrap(),
            org: OrgId::parse("org_1").unwrap(),
            agent: AgentId::parse("agent_1").unwrap(),
            source: Source::Mcp,
            server: Some(ServerId::parse("srv_1").unwrap()),
            token: None,
            delegation: None,
            ceiling: vec![Pattern::new("read_file")],
            mode,
            created_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(3_600_000),
            closed_at: None,
        }
    }

    fn now(allowed_actions: Vec<String>) -> SessionNow<'static> {
        SessionNow { status: SessionStatus::Active, allowed_actions, chain: &Chain::GENESIS }
    }

    #[test]
    fn a_session_is_spelled_as_published() {
        let session = Session::new(&session(Mode::ReadOnly), now(vec![]));
        let expected = json!({
            "session_id": "sess_1",
            "agent_id": "agent_1",
            "org_id": "org_1",
            "source": "mcp",
            "server_id": "srv_1",
            "mode": "read_only",
            "allowed_actions": [],
            "scope_ceiling": ["read_file"],
            "total_calls": 0,
            "read_calls": 0,
            "write_calls": 0,
            "denied_calls": 0,
            "created_at": "1970-01-01T00:00:00.000Z",
            "expires_at": "1970-01-01T01:00:00.000Z",
            "status": "active",
            "chain": {"length": 0, "head": "0".repeat(64)},
        });
        golden::check(&session, &expected);
        golden::check(&Sessions { sessions: vec![session] }, &json!({"sessions": [expected]}));
    }

    #[test]
    fn an_approval_in_force_elevates_a_session_that_may_not_write() {
        let mode = |mode, actions| Session::new(&session(mode), now(actions)).mode;
        assert_eq!(mode(Mode::ReadOnly, vec!["write_file".into()]), SessionMode::Elevated);
        assert_eq!(mode(Mode::Standard, vec!["drop_table".into()]), SessionMode::Standard);
    }

    #[test]
    fn a_session_is_started_for_a_server_or_from_a_token() {
        let init: SessionInit = parse(br#"{"agent_id":"agent_1","server_id":"srv_1"}"#).unwrap();
        assert_eq!((init.agent_id.as_str(), init.server_id.as_str()), ("agent_1", "srv_1"));
        let init: ApiSessionInit = parse(br#"{"token":"at_1"}"#).unwrap();
        assert_eq!(format!("{init:?} {}", init.token.expose()), "ApiSessionInit { token: [secret] } at_1");
    }
}
