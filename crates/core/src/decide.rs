//! The decision: every gate in order, as one pure function.

use crate::behaviour::Suspicion;
use crate::denial::Denial;
use crate::effect::Effect;
use crate::facts::{Action, Facts};
use crate::gates;
pub use crate::step::{Hold, Step};

/// A tier of the Guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// Rules, for every effect.
    Fast,
    /// Content, limits, circuits, behaviour and risk.
    Spot,
    /// A reviewer's or a human's word on exactly this action.
    Deep,
}

impl Guard {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Spot => "spot",
            Self::Deep => "deep",
        }
    }
}

/// The answer to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No.
    Deny(Denial),
    /// Not before a human has approved.
    Elevate(Hold),
}

impl Verdict {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny(_) => "deny",
            Self::Elevate(_) => "elevate",
        }
    }

    /// The stable code of a refusal.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Allow => None,
            Self::Deny(denial) => Some(denial.code()),
            Self::Elevate(hold) => Some(hold.code()),
        }
    }
}

/// A decision and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// The gate that decided; `None` where every gate let the action pass.
    pub gate: Option<&'static str>,
    /// The highest tier that was asked.
    pub guard: Guard,
    /// The effect the action was judged by in the end.
    pub effect: Effect,
    /// Why the effect is one tier above the action's own.
    pub raised: Option<Suspicion>,
    /// Whether a human's approval was what let the action pass.
    pub used_approval: bool,
    /// Whether the action waits for a deep review, and is denied unless
    /// `conclude` says otherwise.
    pub review: bool,
}

/// One pure check. Reads the action as judged so far.
pub type Gate = fn(&Action<'_>, &Facts<'_>) -> Step;

/// Every gate, in the order an action meets them, with the tier it belongs to.
///
/// The first refusal wins. A hold is remembered, so that no human is asked
/// about an action that a later gate refuses anyway.
pub const GATES: &[(&str, Guard, Gate)] = &[
    ("kill", Guard::Fast, gates::kill::gate),
    ("identity", Guard::Fast, gates::identity::gate),
    ("session", Guard::Fast, gates::session::gate),
    ("delegation", Guard::Fast, gates::delegation::gate),
    ("invariants", Guard::Fast, gates::invariants::gate),
    ("capability", Guard::Fast, gates::capability::gate),
    ("policy", Guard::Fast, gates::policy::gate),
    ("data", Guard::Spot, gates::data::gate),
    ("limits", Guard::Spot, gates::limits::gate),
    ("breaker", Guard::Spot, gates::breaker::gate),
    ("behaviour", Guard::Spot, gates::behaviour::gate),
    ("reach", Guard::Spot, gates::reach::gate),
    ("risk", Guard::Spot, gates::risk::gate),
    ("approval", Guard::Deep, gates::approval::gate),
];

/// Decides `action` from `facts`.
#[must_use]
pub fn decide(action: Action<'_>, facts: &Facts<'_>) -> Decision {
    let mut action = action;
    let mut approved = false;
    let mut decision = Decision {
        verdict: Verdict::Allow,
        gate: None,
        guard: Guard::Fast,
        effect: action.class.effect,
        raised: None,
        used_approval: false,
        review: false,
    };
    for (name, guard, gate) in GATES {
        match gate(&action, facts) {
            Step::Pass => {}
            Step::Approved => approved = true,
            Step::Raise(suspicion) => {
                action.class.effect = action.class.effect.raised();
                decision.raised = Some(suspicion);
            }
            Step::Hold(hold) => {
                if decision.verdict == Verdict::Allow {
                    decision.verdict = Verdict::Elevate(hold);
                    decision.gate = Some(name);
                }
            }
            Step::Review => match (decision.verdict, action.class.effect) {
                (Verdict::Allow, _) => {
                    decision.verdict = Verdict::Deny(Denial::ReviewUnavailable);
                    decision.gate = Some(name);
                    decision.review = true;
                }
                // What is held and has an admin effect, no human may approve.
                (_, Effect::Admin) => {
                    decision.verdict = Verdict::Deny(Denial::AdminUnreviewed);
                    decision.gate = Some(name);
                }
                _ => {}
            },
            Step::Refuse(denial) => {
                decision.verdict = Verdict::Deny(denial);
                decision.gate = Some(name);
                decision.guard = *guard;
                decision.effect = action.class.effect;
                return decision;
            }
        }
    }
    decision.used_approval = approved && decision.verdict == Verdict::Allow;
    decision.effect = action.class.effect;
    decision.guard = match action.class.effect {
        Effect::Read => Guard::Fast,
        // It fell back: the entry must not say that Spot was asked.
        Effect::Mutating if !facts.reach.spot => Guard::Fast,
        Effect::Mutating => Guard::Spot,
        Effect::Destructive | Effect::Admin => Guard::Deep,
    };
    decision
}

/// What to tell of a refusal, given its code: a denial's or a hold's.
#[must_use]
pub fn text_of(code: &str) -> Option<&'static str> {
    let hold = || Hold::ALL.iter().find(|hold| hold.code() == code).map(|hold| hold.text());
    Denial::text_of(code).or_else(hold)
}
