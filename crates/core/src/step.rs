//! What a gate may say.

use crate::behaviour::Suspicion;
use crate::denial::Denial;

/// What one gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing against it.
    Pass,
    /// A human's approval covers what the gate would otherwise hold back.
    Approved,
    /// Treat the action as one tier worse from here on.
    Raise(Suspicion),
    /// The deep reviewer must let it pass.
    Review,
    /// A human must approve, unless a later gate refuses.
    Hold(Hold),
    /// No.
    Refuse(Denial),
}

/// Why a human must approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The session is read-only and the action writes.
    ReadOnly,
    /// The action destroys something.
    Destructive,
    /// A policy wants the action approved.
    Policy,
    /// The call carries a secret out.
    Secret,
    /// The risk is high.
    Risk,
    /// An operator wants every call of this tool approved.
    Tool,
}

impl Hold {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ReadOnly => "session_read_only",
            Self::Destructive => "destructive_needs_approval",
            Self::Policy => "policy_needs_approval",
            Self::Secret => "secret_needs_approval",
            Self::Risk => "risk_needs_approval",
            Self::Tool => "tool_needs_approval",
        }
    }

    /// What to tell the agent.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ReadOnly => "session is read_only: a human must approve this action",
            Self::Destructive => "requires approval: a human must approve this destructive action",
            Self::Policy => "requires approval: a policy wants a human to approve this action",
            Self::Secret => "requires approval: the arguments hold a secret and the tool carries data out",
            Self::Risk => "requires approval: the risk of this action is high, so a human must approve it",
            Self::Tool => "requires approval: an operator wants every call of this tool approved",
        }
    }

    /// Every hold there is.
    pub const ALL: [Self; 6] = [Self::ReadOnly, Self::Destructive, Self::Policy, Self::Secret, Self::Risk, Self::Tool];

    /// Every code there is.
    pub const CODES: &'static [&'static str] = &[
        "session_read_only",
        "destructive_needs_approval",
        "policy_needs_approval",
        "secret_needs_approval",
        "risk_needs_approval",
        "tool_needs_approval",
    ];
}
