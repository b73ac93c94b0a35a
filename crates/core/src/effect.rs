//! What an action does to the world, in four steps.

use serde::{Deserialize, Serialize};

/// How much harm an action can do. Ordered: `Read < Mutating < Destructive < Admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something that can be changed back. Also what is unknown.
    Mutating,
    /// Destroys something.
    Destructive,
    /// Changes who may do what.
    Admin,
}

impl Effect {
    /// The word used on the wire and in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Mutating => "mutating",
            Self::Destructive => "destructive",
            Self::Admin => "admin",
        }
    }

    /// Reads the wire's word. `write` is what some published clients call mutating.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "mutating" | "write" => Some(Self::Mutating),
            "destructive" => Some(Self::Destructive),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// One tier higher; `Admin` stays.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Read => Self::Mutating,
            Self::Mutating => Self::Destructive,
            Self::Destructive | Self::Admin => Self::Admin,
        }
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
