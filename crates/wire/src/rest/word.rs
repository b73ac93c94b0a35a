//! The closed sets of words that the REST API uses.

use countersign_core as known;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
        }

        impl $name {
            /// Every word of the set.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word itself.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

macro_rules! spells {
    ($name:ty, $known:ty: $($variant:ident)*) => {
        impl From<$known> for $name {
            fn from(known: $known) -> Self {
                match known {
                    $(<$known>::$variant => Self::$variant,)*
                }
            }
        }
    };
}

word! {
    /// Whether an agent may act.
    AgentStatus {
        /// It may.
        Active = "active",
        /// Not until it is resumed.
        Suspended = "suspended",
        /// Never again.
        Revoked = "revoked",
    }
}
spells!(AgentStatus, known::agent::Status: Active Suspended Revoked);

word! {
    /// Where a request for approval stands.
    ApprovalStatus {
        /// No human has spoken.
        Pending = "pending",
        /// A human said yes.
        Approved = "approved",
        /// A human said no.
        Denied = "denied",
        /// Nobody spoke in time.
        Expired = "expired",
    }
}
spells!(ApprovalStatus, known::approval::Status: Pending Approved Denied Expired);

word! {
    /// What an action does to the world, from least harm to most.
    Effect {
        /// Changes nothing.
        Read = "read",
        /// Changes something that can be changed back. Also what is unknown.
        Mutating = "mutating",
        /// Destroys something.
        Destructive = "destructive",
        /// Changes who may do what.
        Admin = "admin",
    }
}
spells!(Effect, known::Effect: Read Mutating Destructive Admin);
spells!(known::Effect, Effect: Read Mutating Destructive Admin);

word! {
    /// A tier of the Guardian.
    GuardTier {
        /// Rules, for every effect.
        Fast = "fast",
        /// Limits, circuits and behaviour.
        Spot = "spot",
        /// A human's word on exactly this action.
        Deep = "deep",
    }
}
spells!(GuardTier, known::decide::Guard: Fast Spot Deep);

word! {
    /// What a decision says.
    Verdict {
        /// Yes.
        Allow = "allow",
        /// No.
        Deny = "deny",
        /// Not before a human has approved.
        Elevate = "elevate",
    }
}

impl From<known::Verdict> for Verdict {
    fn from(verdict: known::Verdict) -> Self {
        match verdict {
            known::Verdict::Allow => Self::Allow,
            known::Verdict::Deny(_) => Self::Deny,
            known::Verdict::Elevate(_) => Self::Elevate,
        }
    }
}

word! {
    /// When a decision's record is on disk.
    Durability {
        /// Before the answer.
        Sync = "sync",
        /// Within the time the server states, shortly after the answer.
        Grouped = "grouped",
    }
}

word! {
    /// Which surface started a session.
    SessionSource {
        /// For an MCP server.
        Mcp = "mcp",
        /// From an access token.
        Api = "api",
        /// From a delegation.
        A2a = "a2a",
    }
}
spells!(SessionSource, known::session::Source: Mcp Api A2a);

word! {
    /// Whether a session may change anything.
    SessionMode {
        /// Writes need a human's approval, one action at a time.
        ReadOnly = "read_only",
        /// As `read_only`, and an approval is in force for `allowed_actions`.
        Elevated = "elevated",
        /// Writes need no approval.
        Standard = "standard",
    }
}

word! {
    /// Whether a session can still be used.
    SessionStatus {
        /// It can.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// It was closed.
        Closed = "closed",
        /// What it was started from was revoked.
        Revoked = "revoked",
    }
}

word! {
    /// The mode in which a server's sessions start.
    #[derive(Default)]
    DefaultMode {
        /// Writes need a human's approval.
        #[default]
        ReadOnly = "read_only",
        /// Writes need no approval.
        Standard = "standard",
    }
}
spells!(DefaultMode, known::session::Mode: ReadOnly Standard);
spells!(known::session::Mode, DefaultMode: ReadOnly Standard);

word! {
    /// What an API key is for.
    KeyRole {
        /// Runs the organisation. May do everything in it.
        Admin = "admin",
        /// A human who says yes or no to what agents want to do.
        Approver = "approver",
        /// A program that asks before it acts.
        Agent = "agent",
        /// Reads everything, changes nothing.
        Auditor = "auditor",
    }
}
spells!(known::role::Role, KeyRole: Admin Approver Agent Auditor);

word! {
    /// How the server is.
    HealthStatus {
        /// Everything works.
        Healthy = "healthy",
        /// It answers, with less than it should have.
        Degraded = "degraded",
        /// It cannot do its work.
        Unhealthy = "unhealthy",
    }
}

word! {
    /// Whether a registered thing is in use.
    RegistryStatus {
        /// It is.
        Active = "active",
        /// It was switched off.
        Disabled = "disabled",
    }
}

word! {
    /// How a delivery to a destination ended.
    DeliveryStatus {
        /// The collector took it.
        Success = "success",
        /// It did not.
        Failed = "failed",
    }
}

word! {
    /// What policies say, all of them together.
    PolicyOutcome {
        /// At least one permits, none forbids, none failed.
        Permit = "permit",
        /// At least one forbids.
        Forbid = "forbid",
        /// One that could apply failed.
        Error = "error",
        /// None permits it, and one wants a human asked.
        Hold = "hold",
        /// None speaks of the call.
        None = "none",
    }
}

word! {
    /// Whose policies they are.
    PolicySource {
        /// The operator's, for every organisation.
        Operator = "operator",
        /// The organisation's own.
        Organisation = "organisation",
    }
}

word! {
    /// What holds where no policy speaks of a call.
    #[derive(Default)]
    PolicyDefault {
        /// It is refused.
        #[default]
        Deny = "deny",
        /// It goes on to the other gates.
        Allow = "allow",
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    macro_rules! assert_spelled_alike {
        ($($name:ty)*) => {$(
            let words: Vec<&str> = <$name>::ALL.iter().map(|word| word.as_str()).collect();
            assert_eq!(serde_json::to_value(<$name>::ALL).unwrap(), serde_json::json!(words));
            assert_eq!(serde_json::to_value(<$name>::schema()).unwrap()["enum"], serde_json::json!(words));
        )*};
    }

    #[test]
    fn a_word_is_spelled_alike_in_code_on_the_wire_and_in_the_document() {
        assert_spelled_alike!(AgentStatus ApprovalStatus Effect GuardTier Verdict Durability);
        assert_spelled_alike!(SessionSource SessionMode SessionStatus DefaultMode KeyRole);
        assert_spelled_alike!(HealthStatus RegistryStatus DeliveryStatus);
    }

    #[test]
    fn a_word_is_the_one_that_the_core_uses() {
        for word in Effect::ALL {
            assert_eq!(known::Effect::from(*word).as_str(), word.as_str());
            assert_eq!(Effect::from(known::Effect::from(*word)), *word);
        }
        for word in DefaultMode::ALL {
            assert_eq!(known::session::Mode::from(*word).as_str(), word.as_str());
        }
        for word in KeyRole::ALL {
            assert_eq!(known::role::Role::from(*word).as_str(), word.as_str());
        }
    }

    #[test]
    fn no_key_can_be_a_developer_key() {
        assert!(serde_json::from_str::<KeyRole>("\"developer\"").is_err());
    }
}
