//! When a session's own history makes its next action more suspect.

use crate::chain::Tally;
use crate::detect::Finding;
use crate::taint::Label;

/// How many calls a session must have made before its behaviour says anything.
pub const MINIMUM_CALLS: u64 = 5;
/// The share of denied calls, in percent, from which a session looks as if it
/// were probing.
pub const DENIED_PERCENT: u64 = 30;
/// The share of writes, in percent, from which a session looks like a burst.
pub const WRITE_PERCENT: u64 = 80;

/// Why an action is treated as one tier worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// Too many of the session's calls were denied.
    DenialRate,
    /// Too many of the session's calls were writes.
    WriteRatio,
    /// What the session took in.
    Tainted(Label),
    /// A detector noticed something that this agent does not usually do.
    Found(Finding),
}

impl Suspicion {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DenialRate => "denial_rate",
            Self::WriteRatio => "write_ratio",
            Self::Tainted(label) => label.as_str(),
            Self::Found(finding) => finding.as_str(),
        }
    }
}

/// What a session's counts say about its next action.
#[must_use]
pub const fn suspicion(tally: Tally) -> Option<Suspicion> {
    if tally.total < MINIMUM_CALLS {
        None
    } else if tally.denied * 100 >= tally.total * DENIED_PERCENT {
        Some(Suspicion::DenialRate)
    } else if tally.write * 100 >= tally.total * WRITE_PERCENT {
        Some(Suspicion::WriteRatio)
    } else {
        None
    }
}
