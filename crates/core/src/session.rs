//! A session: a bounded stretch of one agent's work.

use serde::{Deserialize, Serialize};

use crate::capability::Pattern;
use crate::id::{AgentId, DelegationId, OrgId, ServerId, SessionId, TokenId};
use crate::seal::{Fields, Seal};
use crate::time::Timestamp;

/// Which surface started a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// For an MCP server.
    Mcp,
    /// From an access token.
    Api,
    /// From a delegation.
    A2a,
}

impl Source {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Api => "api",
            Self::A2a => "a2a",
        }
    }
}

/// Whether a session may change anything without an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Writes need a human's approval, one action at a time.
    ReadOnly,
    /// Writes need nothing more than the agent's rights: an operator chose
    /// this for the session's server.
    Standard,
}

impl Mode {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Standard => "standard",
        }
    }
}

/// A session as it was started. Only closing it ever changes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The organisation it belongs to.
    pub org: OrgId,
    /// The only agent that may use it.
    pub agent: AgentId,
    /// Which surface started it.
    pub source: Source,
    /// The server it was started for.
    pub server: Option<ServerId>,
    /// The token it was started from; it dies with it.
    pub token: Option<TokenId>,
    /// The delegation it was started from; it dies with it.
    pub delegation: Option<DelegationId>,
    /// The most it may ever do.
    pub ceiling: Vec<Pattern>,
    /// Whether it may write without an approval.
    pub mode: Mode,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

impl Seal for Session {
    fn feed(&self, fields: &mut Fields) {
        fields
            .text("session")
            .text(self.id.as_str())
            .text(self.org.as_str())
            .text(self.agent.as_str())
            .text(self.source.as_str())
            .maybe(self.server.as_ref().map(ServerId::as_str))
            .maybe(self.token.as_ref().map(TokenId::as_str))
            .maybe(self.delegation.as_ref().map(DelegationId::as_str))
            .text(self.mode.as_str())
            .number(self.created_at.as_millis())
            .number(self.expires_at.as_millis())
            .number(self.closed_at.map_or(-1, Timestamp::as_millis));
        for pattern in &self.ceiling {
            fields.text(pattern.as_str());
        }
    }
}

/// An opaque access token, as the server remembers it: never the token itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    /// Its public name.
    pub id: TokenId,
    /// The organisation it belongs to.
    pub org: OrgId,
    /// The agent that may present it.
    pub agent: AgentId,
    /// The most it may be used for.
    pub scopes: Vec<Pattern>,
    /// The session it was issued in; it dies with it.
    pub session: Option<SessionId>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Seal for Token {
    fn feed(&self, fields: &mut Fields) {
        fields
            .text("token")
            .text(self.id.as_str())
            .text(self.org.as_str())
            .text(self.agent.as_str())
            .maybe(self.session.as_ref().map(SessionId::as_str))
            .number(self.issued_at.as_millis())
            .number(self.expires_at.as_millis())
            .number(self.revoked_at.map_or(-1, Timestamp::as_millis));
        for scope in &self.scopes {
            fields.text(scope.as_str());
        }
    }
}
