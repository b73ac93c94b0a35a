//! Everything a decision needs to know, gathered before deciding.

use std::time::Duration;

use crate::agent::{Agent, Stop};
use crate::approval::Approval;
use crate::behaviour::{Suspicion, suspicion};
use crate::budget::Overdrawn;
use crate::capability::Pattern;
use crate::chain::Tally;
use crate::classify::Classification;
use crate::delegation::Link;
use crate::detect::Finding;
use crate::effect::Effect;
use crate::id::AgentId;
use crate::risk::Consequence;
use crate::router::Reach;
use crate::session::Session;
use crate::taint::Taint;
use crate::time::Timestamp;

/// What an agent wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Its effect, and what decided it.
    pub class: Classification,
}

/// What is known when a decision is made. Borrowed: gathering copies nothing.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The current time.
    pub now: Timestamp,
    /// The stop in force that names this tool or organisation.
    pub stop: Option<&'a Stop>,
    /// The agent the caller speaks of.
    pub agent: &'a Agent,
    /// The agent the caller proved to be, where it proved one.
    pub proven: Option<&'a AgentId>,
    /// What the token that was presented may be used for.
    pub token_scopes: Option<&'a [Pattern]>,
    /// The session.
    pub session: SessionFacts<'a>,
    /// The delegation the session rests on, from its root to the link in use.
    pub delegation: &'a [Link<'a>],
    /// The capabilities of the agent at the delegation's root.
    pub root_capabilities: &'a [Pattern],
    /// What the policies say.
    pub policy: PolicyWord,
    /// Whether an operator wants a human's approval for this tool, always.
    pub tool_needs_approval: bool,
    /// How long the agent's rate makes this call wait.
    pub agent_wait: Option<Duration>,
    /// How long the tool's rate makes this call wait.
    pub tool_wait: Option<Duration>,
    /// What of a day's budget is used up: the agent's own, or that of one who lent to it.
    pub overdrawn: Option<Overdrawn>,
    /// How long an open circuit makes this call wait.
    pub circuit_wait: Option<Duration>,
    /// What the session has done so far.
    pub tally: Tally,
    /// What the session took in, this call's own arguments included, where that is heeded.
    pub taint: Taint,
    /// Whether the call carries a secret out, where that is heeded.
    pub secret_leaves: bool,
    /// The first thing that detectors noticed about the call, where they are heeded.
    pub finding: Option<Finding>,
    /// What follows from the risk of the call, where that is heeded. Of a read
    /// nothing follows.
    pub risk: Consequence,
    /// Which tiers can be reached. Whether Deep can is found out after this
    /// decision: `conclude` says what follows.
    pub reach: Reach,
    /// Whether a deep reviewer other than a human is there to be asked.
    pub reviewer: bool,
    /// The last request for approval of exactly this action, its seal checked.
    pub approval: Option<&'a Approval>,
}

impl Facts<'_> {
    /// Why an action with `effect` of its own is judged one tier worse. One
    /// reason is enough: an effect is never raised twice. Neither taint nor a finding
    /// makes an admin effect, which nobody may approve.
    #[must_use]
    pub fn suspicion(&self, effect: Effect) -> Option<Suspicion> {
        let of_session = match self.session {
            SessionFacts::None => None,
            _ => suspicion(self.tally),
        };
        let tainted = || self.taint.reason_to_raise(effect).map(Suspicion::Tainted);
        of_session
            .or_else(tainted)
            .or_else(|| self.finding.filter(|_| effect < Effect::Destructive).map(Suspicion::Found))
    }
}

/// What the policies say of an action, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyWord {
    /// Nothing: there are none, or none speaks of it where that is no refusal.
    #[default]
    Silent,
    /// Yes.
    Permit,
    /// Yes, after a human has approved.
    Hold,
    /// No.
    Forbid,
    /// One that could apply failed.
    Failed,
    /// None speaks of it, and what none permits is refused.
    Unmatched,
}

impl PolicyWord {
    /// How much it takes away: of several sets, the word of the strictest holds, so that one more set
    /// never allows more.
    #[must_use]
    pub const fn strictness(self) -> u8 {
        match self {
            Self::Silent => 0,
            Self::Permit => 1,
            Self::Hold => 2,
            Self::Unmatched => 3,
            Self::Failed => 4,
            Self::Forbid => 5,
        }
    }
}

/// What is known of the session a call names.
#[derive(Debug, Clone, Copy)]
pub enum SessionFacts<'a> {
    /// The call names none.
    None,
    /// The call names an id that the client made up: counted, not enforced.
    Tracked,
    /// The call names an id that only the server issues, and it never did.
    Unknown,
    /// The session's integrity tag does not hold.
    Altered,
    /// A session of ours.
    Ours {
        /// The session, its tag checked.
        session: &'a Session,
        /// Whether everything it rests on (its token) still lives.
        parent_lives: bool,
    },
}
