//! What a deep review makes of a decision that waits for one.

use crate::decide::{Decision, Verdict};
use crate::denial::Denial;
use crate::effect::Effect;
use crate::step::Hold;

/// What came of asking the deep reviewer about exactly this action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewed {
    /// The action may happen.
    Cleared,
    /// The reviewer said no.
    Denied,
    /// A person has to decide.
    Escalated,
    /// There is no answer, or none that can be read.
    Unavailable,
}

/// The decision after the review. One that does not wait for a review stays as
/// it is, and nothing but [`Reviewed::Cleared`] makes an allow.
#[must_use]
pub const fn conclude(decision: Decision, reviewed: Reviewed) -> Decision {
    if !decision.review {
        return decision;
    }
    let gate = decision.gate;
    let (verdict, gate) = match reviewed {
        Reviewed::Cleared => (Verdict::Allow, None),
        Reviewed::Denied => (Verdict::Deny(Denial::ReviewDenied), gate),
        // Nobody may approve an admin effect.
        Reviewed::Escalated if matches!(decision.effect, Effect::Admin) => {
            (Verdict::Deny(Denial::AdminUnreviewed), gate)
        }
        Reviewed::Escalated => (Verdict::Elevate(Hold::Destructive), gate),
        Reviewed::Unavailable => (Verdict::Deny(Denial::ReviewUnavailable), gate),
    };
    Decision { verdict, gate, review: false, ..decision }
}
