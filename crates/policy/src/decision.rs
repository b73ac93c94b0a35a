//! What a set of policies answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::obligation::Obligation;
use crate::policy::{Kind, Policy};

/// What the policies say, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// At least one permits, none forbids, none failed.
    Permit,
    /// At least one forbids.
    Forbid,
    /// None forbids, and at least one that could apply failed: a refusal.
    Failed,
    /// At least one wants a human asked, none permits, forbids or failed. It permits
    /// nothing: the organisation chose what holds, and where that lets the call go on, a
    /// human is asked first.
    Hold,
    /// None speaks of this call. The organisation chose what then holds.
    Unmatched,
}

impl Outcome {
    /// The word used in cases and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
            Self::Failed => "error",
            Self::Hold => "hold",
            Self::Unmatched => "none",
        }
    }
}

impl Outcome {
    /// What holds where nothing forbids or failed, and who says so, by id.
    pub(crate) fn of_willing(permits: Vec<Arc<Policy>>, holds: Vec<Arc<Policy>>) -> (Self, Vec<Arc<Policy>>) {
        let outcome = match (permits.is_empty(), holds.is_empty()) {
            (false, _) => Self::Permit,
            (true, false) => Self::Hold,
            (true, true) => Self::Unmatched,
        };
        let mut by = [permits, holds].concat();
        by.sort_by(|a, b| a.id.cmp(&b.id));
        (outcome, by)
    }
}

impl From<Kind> for Outcome {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Permit => Self::Permit,
            Kind::Forbid => Self::Forbid,
            Kind::Hold => Self::Hold,
        }
    }
}

/// What holds when no policy speaks of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The call is refused.
    #[default]
    Deny,
    /// Policies only take away: the call goes on to the other gates.
    Allow,
}

impl Fallback {
    /// The word used in configurations and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// The answer to one request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What all of them together say.
    pub outcome: Outcome,
    /// The policies that decided, by id: those that forbid, else those that
    /// failed, else those that permit and those that want a human asked.
    pub by: Vec<Arc<Policy>>,
    /// What failed, by id. Not empty only with `Forbid` and `Failed`.
    pub errors: Vec<PolicyError>,
    /// What shadow policies would have said, by id. They never decide.
    pub shadow: Vec<Shadowed>,
}

/// A policy that failed on a request.
#[derive(Debug, Clone)]
pub struct PolicyError {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What went wrong. May quote an argument: for logs of the operator, not for the caller.
    pub message: String,
}

/// A shadow policy that matched, or failed.
#[derive(Debug, Clone)]
pub struct Shadowed {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What it would have said: `Permit`, `Forbid` or `Failed`.
    pub would: Outcome,
}

/// The code of a refusal that names no other.
const FORBIDDEN: &str = "policy_forbids";
const FAILED: &str = "policy_failed";
const UNMATCHED: &str = "policy_unmatched";

impl Decision {
    /// Whether the call may go on.
    #[must_use]
    pub fn allows(&self, fallback: Fallback) -> bool {
        match self.outcome {
            Outcome::Permit => true,
            Outcome::Unmatched | Outcome::Hold => fallback == Fallback::Allow,
            Outcome::Forbid | Outcome::Failed => false,
        }
    }

    /// What must be done, in the order of the ids of the policies that say so.
    pub fn obligations(&self) -> impl Iterator<Item = &Obligation> {
        let decides = matches!(self.outcome, Outcome::Permit | Outcome::Forbid | Outcome::Hold);
        self.by.iter().filter(move |_| decides).flat_map(|policy| &policy.advice)
    }

    /// The code of the refusal: the first `@code` of the policies that forbid,
    /// by id, or ours. `None` where nothing is refused by a policy.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self.outcome {
            Outcome::Forbid => Some(self.by.iter().find_map(|policy| policy.code.as_deref()).unwrap_or(FORBIDDEN)),
            Outcome::Failed => Some(FAILED),
            Outcome::Unmatched | Outcome::Hold => Some(UNMATCHED),
            Outcome::Permit => None,
        }
    }

    /// What the refused caller is told: the first `@reason` of the policies that forbid, by id.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        let mut forbids = self.by.iter().filter(|policy| policy.kind == Kind::Forbid);
        if self.outcome == Outcome::Forbid { forbids.find_map(|policy| policy.reason.as_deref()) } else { None }
    }
}
