//! A registered agent, and the switches that stop it.

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::capability::Pattern;
use crate::id::{AgentId, OrgId, StopId};
use crate::time::Timestamp;

/// Whether an agent may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It may.
    Active,
    /// Not until it is resumed.
    Suspended,
    /// Never again.
    Revoked,
}

impl Status {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }
}

/// A registered software principal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The organisation it belongs to.
    pub org: OrgId,
    /// Its name, unique within the organisation.
    pub name: String,
    /// What it is built with, as its registrant says.
    pub framework: String,
    /// Its Ed25519 public key as SPKI PEM; empty where it has none.
    pub public_key: String,
    /// Whether it may act.
    pub status: Status,
    /// What it may do. Empty means nothing.
    pub capabilities: Vec<Pattern>,
    /// What it may not do, whatever its capabilities say.
    pub blocked: Vec<Pattern>,
    /// What it may spend in a day.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
    /// How far it is trusted, 0 to 1000, as an administrator says. `None` where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<u16>,
    /// What its registrant noted, as JSON text.
    pub metadata: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// A stop: nothing that it names may act until it is lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Its id.
    pub id: StopId,
    /// The organisation it holds in.
    pub org: OrgId,
    /// The one tool it stops; `None` stops the whole organisation.
    pub tool: Option<String>,
    /// Why it was thrown.
    pub reason: String,
    /// When it was thrown.
    pub created_at: Timestamp,
}
