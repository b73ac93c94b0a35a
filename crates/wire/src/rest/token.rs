//! Opaque access tokens.

use countersign_core::capability::Pattern;
use countersign_core::id::AgentId;
use countersign_core::session::Token;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check::Confidence;
use super::texts;
use super::word::GuardTier;
use crate::secret::{Secret, Shown};
use crate::spelling::{empty_as_none, manual_revocation, null_as_default, reason};
use crate::time::Time;

/// Issues a token.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct TokenIssue {
    /// The agent that may present it.
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    /// The most it may be used for: names of tools, or prefixes that end in `*`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Pattern>,
    /// How long it lives, in seconds. The server's default where it is left out.
    #[serde(default)]
    pub ttl: Option<i64>,
    /// The session it is issued in; it dies with it. An id the client made up ties it to nothing.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub session_id: Option<String>,
}

/// A new token. Nothing ever shows it again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenIssued {
    /// The token.
    pub token: Shown,
    /// Its public name.
    pub token_id: String,
    /// The agent that may present it.
    pub agent_id: String,
    /// The most it may be used for.
    pub scopes: Vec<String>,
    /// Whom it is for. Always empty.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends by itself.
    pub expires_at: Time,
}

impl TokenIssued {
    /// The token with the text that stands for it.
    #[must_use]
    pub fn new(token: &Token, text: Shown) -> Self {
        Self {
            token: text,
            token_id: token.id.to_string(),
            agent_id: token.agent.to_string(),
            scopes: texts(&token.scopes),
            audience: Vec::new(),
            issued_at: token.issued_at.into(),
            expires_at: token.expires_at.into(),
        }
    }
}

/// Asks what a token is good for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct TokenIntrospect {
    /// The token.
    pub token: Secret,
    /// Where it was presented.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub target: Option<String>,
    /// What it must be good for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub required_scopes: Vec<String>,
}

/// What a token is good for. A token that is good for nothing is an answer, not an error.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Introspection {
    /// Whether it may be used as asked.
    pub active: bool,
    /// The agent that may present it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent_id: Option<String>,
    /// The organisation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub org_id: Option<String>,
    /// The most it may be used for.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<Time>,
    /// Why.
    pub reasoning: String,
    /// The tier of the Guardian that answered.
    pub guard_tier: GuardTier,
    /// How sure the answer is.
    pub confidence: Confidence,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
}

impl Introspection {
    /// The answer about a token that may be used.
    #[must_use]
    pub fn active(token: &Token, reasoning: &str, latency_ms: u64) -> Self {
        Self {
            active: true,
            agent_id: Some(token.agent.to_string()),
            org_id: Some(token.org.to_string()),
            scopes: texts(&token.scopes),
            expires_at: Some(token.expires_at.into()),
            ..Self::inactive(reasoning, latency_ms)
        }
    }

    /// The answer about a token that may not: nothing but why.
    #[must_use]
    pub fn inactive(reasoning: &str, latency_ms: u64) -> Self {
        Self {
            active: false,
            agent_id: None,
            org_id: None,
            scopes: Vec::new(),
            expires_at: None,
            reasoning: reasoning.to_owned(),
            guard_tier: GuardTier::Fast,
            confidence: Confidence::CERTAIN,
            latency_ms,
        }
    }
}

/// Revokes a token.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct TokenRevoke {
    /// The token.
    pub token: Secret,
    /// Why. `manual_revocation` where it is left out.
    #[serde(default = "manual_revocation", deserialize_with = "reason")]
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use countersign_core::id::{OrgId, TokenId};
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    fn token() -> Token {
        Token {
            id: TokenId::parse("tok_1").unwrap(),
            org: OrgId::parse("org_1").unwrap(),
            agent: AgentId::parse("agent_1").unwrap(),
            scopes: vec![Pattern::new("files:read")],
            session: None,
            issued_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(300_000),
            revoked_at: None,
        }
    }

    #[test]
    fn a_new_token_is_spelled_as_published() {
        let issued = TokenIssued::new(&token(), Shown::new("at_1".into()));
        golden::check(
            &issued,
            &json!({
                "token": "at_1",
                "token_id": "tok_1",
                "agent_id": "agent_1",
                "scopes": ["files:read"],
                "audience": [],
                "issued_at": "1970-01-01T00:00:00.000Z",
                "expires_at": "1970-01-01T00:05:00.000Z",
            }),
        );
        assert!(!format!("{issued:?}").contains("at_1"));
    }

    #[test]
    fn an_introspection_is_spelled_as_published() {
        golden::check(
            &Introspection::active(&token(), "the token is active", 1),
            &json!({
                "active": true,
                "agent_id": "agent_1",
                "org_id": "org_1",
                "scopes": ["files:read"],
                "expires_at": "1970-01-01T00:05:00.000Z",
                "reasoning": "the token is active",
                "guard_tier": "fast",
                "confidence": 1.0,
                "latency_ms": 1,
            }),
        );
        golden::check(
            &Introspection::inactive("the token is revoked", 0),
            &json!({
                "active": false,
                "scopes": [],
                "reasoning": "the token is revoked",
                "guard_tier": "fast",
                "confidence": 1.0,
                "latency_ms": 0,
            }),
        );
    }

    #[test]
    fn every_published_way_to_ask_is_understood() {
        let issue: TokenIssue = parse(br#"{"agent_id":"agent_1","scopes":["a"],"ttl":300,"session_id":""}"#).unwrap();
        assert_eq!((issue.ttl, issue.session_id, issue.scopes.len()), (Some(300), None, 1));
        let issue: TokenIssue = parse(br#"{"agent_id":"agent_1","scopes":null,"ttl":null}"#).unwrap();
        assert_eq!((issue.ttl, issue.scopes.len()), (None, 0));

        let asked: TokenIntrospect = parse(br#"{"token":"at_1","target":null}"#).unwrap();
        assert_eq!((asked.token.expose(), asked.target, asked.required_scopes), ("at_1", None, vec![]));
        let revoke: TokenRevoke = parse(br#"{"token":"at_1"}"#).unwrap();
        assert_eq!(format!("{revoke:?}"), r#"TokenRevoke { token: [secret], reason: "manual_revocation" }"#);
    }
}
