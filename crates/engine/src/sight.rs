//! A call as the Spot guard's baselines see it, and [`SpotGuard`], behind which
//! somebody else keeps them.
//!
//! What is asked is what a baseline says of a call; told is what became of it.
//! The score and what follows from both stay with whoever decides.

use std::pin::Pin;

use countersign_core::detect::{Call, Findings, Outcome, Tool};
use countersign_core::effect::Effect;
use countersign_core::id::AgentId;
use countersign_core::risk::History;
use countersign_core::{Digest, Timestamp};

/// A look that is under way.
pub type Looking = Pin<Box<dyn Future<Output = Result<Known, NoAnswer>> + Send>>;

/// Somebody else who keeps baselines, such as another process.
///
/// It may be asked by many at once. One that panics or takes longer than
/// [`Settings::spot_deadline`](crate::Settings) counts as one that cannot be reached.
pub trait SpotGuard: Send + Sync {
    /// What is known of a call before it is decided.
    fn look(&self, sight: Sight) -> Looking;

    /// Takes note of what became of a call, and returns at once. What it cannot
    /// take in, it forgets.
    fn observe(&self, observed: Observed);
}

/// One call, as a baseline sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Who makes it.
    pub agent: AgentId,
    /// In which version: the revision of the agent's document.
    pub revision: u64,
    /// The tool.
    pub tool: String,
    /// The digest of what it touches, where that is known.
    pub resource: Option<Digest>,
    /// Its own effect, before anything raised it.
    pub effect: Effect,
    /// Whether it carries something out.
    pub egress: bool,
    /// When.
    pub at: Timestamp,
}

/// A call, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The call.
    pub sight: Sight,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a baseline says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What the detectors noticed.
    pub findings: Findings,
    /// What was decided about this version of the agent so far.
    pub history: History,
    /// Whether it was never allowed this tool.
    pub tool_is_new: bool,
    /// Whether it was never allowed this resource; `None` where nobody says what the call touches.
    pub resource_is_new: Option<bool>,
    /// How many in a thousand of its calls fell into this hour of the day.
    pub hour_permille: Option<u16>,
}

impl Sight {
    pub(crate) fn of(seen: &Seen<'_>) -> Self {
        let Call { at, tool, resource, effect, egress } = seen.call;
        let Version { agent, revision } = seen.by;
        Self { agent: agent.clone(), revision, tool: tool.name().to_owned(), resource, effect, egress, at }
    }

    pub(crate) fn by(&self) -> Version<'_> {
        Version { agent: &self.agent, revision: self.revision }
    }

    pub(crate) fn call(&self) -> Call<'_> {
        let tool = Tool::new(&self.tool);
        Call { at: self.at, tool, resource: self.resource, effect: self.effect, egress: self.egress }
    }
}

/// Why a tier gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// No address, no connection, no TLS.
    Unreachable,
    /// The time was up.
    TimedOut,
    /// It answered that it does not answer.
    Refused,
    /// What it answered cannot be read.
    Garbled,
    /// Too many questions wait already.
    Busy,
    /// It failed too often and is not asked.
    CircuitOpen,
    /// It broke off on this side.
    Broken,
}

impl NoAnswer {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Garbled => "garbled",
            Self::Busy => "busy",
            Self::CircuitOpen => "circuit_open",
            Self::Broken => "broken",
        }
    }
}

/// One call, as the baselines see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Who makes it, in which version.
    pub(crate) by: Version<'a>,
    /// What it is.
    pub(crate) call: Call<'a>,
}

/// One version of one agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) agent: &'a AgentId,
    /// The revision of the agent's document.
    pub(crate) revision: u64,
}
