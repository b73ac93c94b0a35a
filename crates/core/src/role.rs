//! Which credential may ask the server for what.

use serde::{Deserialize, Serialize};

/// What an API key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the organisation. May do everything in it.
    Admin,
    /// A human who says yes or no to what agents want to do.
    Approver,
    /// A program that asks before it acts.
    Agent,
    /// Reads everything, changes nothing.
    Auditor,
    /// A call without a key in dev mode.
    Developer,
}

/// Something a caller may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Ask for decisions, start sessions, report outcomes.
    Ask,
    /// Issue and revoke access tokens.
    Issue,
    /// Register agents.
    Register,
    /// Delegate from one agent to another.
    Delegate,
    /// See agents, sessions, servers and approvals.
    Read,
    /// See the record: every decision of the organisation.
    Audit,
    /// Say yes or no to an approval.
    Approve,
    /// Revoke, suspend, stop; servers, providers, destinations, settings and keys.
    Administer,
}

impl Role {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Approver => "approver",
            Self::Agent => "agent",
            Self::Auditor => "auditor",
            Self::Developer => "developer",
        }
    }

    /// Reads the role of a key. `developer` is not one: no key has it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Admin, Self::Approver, Self::Agent, Self::Auditor].into_iter().find(|r| r.as_str() == word)
    }

    /// Whether this role has `right`.
    #[must_use]
    pub const fn may(self, right: Right) -> bool {
        match self {
            Self::Admin => true,
            Self::Approver => matches!(right, Right::Read | Right::Audit | Right::Approve),
            Self::Agent => matches!(right, Right::Ask | Right::Issue | Right::Delegate | Right::Read),
            Self::Auditor => matches!(right, Right::Read | Right::Audit),
            Self::Developer => matches!(
                right,
                Right::Ask | Right::Issue | Right::Register | Right::Delegate | Right::Read | Right::Audit
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_an_agent_nor_a_developer_nor_an_auditor_may_approve_or_administer() {
        for role in [Role::Agent, Role::Developer, Role::Auditor] {
            assert!(!role.may(Right::Approve) && !role.may(Right::Administer), "{role:?}");
        }
        assert!(Role::Approver.may(Right::Approve));
    }

    #[test]
    fn no_key_can_be_a_developer_key() {
        assert_eq!(Role::parse("developer"), None);
        assert_eq!(Role::parse("auditor"), Some(Role::Auditor));
    }
}
