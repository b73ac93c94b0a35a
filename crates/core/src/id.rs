//! Identifiers. Each is its own type, and parsing is the only way in.
//!
//! Published clients put ids into paths without encoding them, so an id is
//! 1 to 128 characters of `A-Z a-z 0-9 _ . -` and nothing else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The text cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected 1 to 128 characters of `A-Z a-z 0-9 _ . -`")]
pub struct InvalidId(String);

fn check(text: &str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(InvalidId(text.chars().take(32).collect()))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// What every id of this kind that the server issues begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id made from 128 random bits.
            #[must_use]
            pub fn from_entropy(bits: u128) -> Self {
                Self(format!(concat!($prefix, "{:032x}"), bits).into())
            }

            /// Reads an id that came from outside.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(/** An organisation: the tenant everything else belongs to. */ OrgId, "org_");
id!(/** A registered agent. */ AgentId, "agent_");
id!(/** A session. The prefix is reserved: a client may not invent an id that has it. */ SessionId, "sess_");
id!(/** An opaque access token's public name (never the token itself). */ TokenId, "tok_");
id!(/** An API key's public name (never the key itself). */ KeyId, "key_");
id!(/** A request for a human's approval. */ ApprovalId, "appr_");
id!(/** One link of a delegation. */ DelegationId, "del_");
id!(/** A registered MCP server. */ ServerId, "srv_");
id!(/** A federation provider. */ ProviderId, "fedp_");
id!(/** A SIEM destination. */ DestinationId, "siem_");
id!(/** A stop: a kill switch that was thrown. */ StopId, "stop_");
id!(/** One decision, as named in the answer and in its ledger entry. */ CheckId, "chk_");
id!(/** A chain of entries: a session's id, or an agent's or organisation's where there is no session. */ ChainId, "chain_");

impl ChainId {
    /// The chain on which what belongs to no organisation is recorded.
    #[must_use]
    pub fn server() -> Self {
        Self("server".into())
    }

    /// The chain of a session id that a client made up: scoped to its
    /// organisation and agent, so two tenants that pick the same id stay apart.
    #[must_use]
    pub fn tracking(org: &OrgId, agent: &AgentId, client_id: &str) -> Self {
        let scope = format!("{org}/{agent}/");
        let digest = crate::Digest::of_two(scope.as_bytes(), client_id.as_bytes()).to_string();
        Self(format!("track_{}", digest.get(..32).unwrap_or_default()).into())
    }
}

macro_rules! chain_of {
    ($($id:ty),*) => {$(
        impl From<&$id> for ChainId {
            fn from(id: &$id) -> Self {
                Self(Arc::clone(&id.0))
            }
        }
    )*};
}
chain_of!(OrgId, AgentId, SessionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_would_break_a_path_are_refused() {
        for bad in ["", "a/b", "a b", "é", "a%2f", &"x".repeat(129)] {
            assert!(AgentId::parse(bad).is_err(), "`{bad}`");
        }
        assert!(AgentId::parse("agent_0f-1.2").is_ok());
    }

    #[test]
    fn the_same_client_session_id_is_a_different_chain_for_another_agent() {
        let org = OrgId::parse("o").unwrap();
        let one = ChainId::tracking(&org, &AgentId::parse("a").unwrap(), "s");
        let two = ChainId::tracking(&org, &AgentId::parse("b").unwrap(), "s");
        assert_ne!(one, two);
    }
}
