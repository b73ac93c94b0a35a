//! Whether an agent behaves as it used to.
//!
//! Small detectors over what one version of one agent did, put together in a
//! [`Baseline`]. All of it is whole numbers and a time that is an argument, so
//! a baseline can be rebuilt from the ledger, and any language gets the same.
//! Minutes without calls count as zero, and what is usual has a floor, so a
//! spike stands out of a perfectly regular past. A finding raises scrutiny and
//! does nothing else. `docs/reference/behaviour.md` has the formulas.

mod baseline;
mod drift;
mod entropy;
mod hash;
mod known;
mod sequence;
mod series;

pub use baseline::{Baseline, Call, Observation, Outcome};
pub use hash::Tool;
pub use sequence::is_egress;

use crate::effect::Effect;

/// How many closed minutes a rate must have before it is judged by them.
pub const LEARNING_MINUTES: usize = 10;
/// How many allowed calls it takes before what is new is news.
pub const LEARNING_CALLS: u32 = 50;

/// What a detector noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// More calls in this minute than the last hour explains (median and MAD).
    CallSpike,
    /// More calls with an effect in this minute than the last hour explains.
    WriteSpike,
    /// More calls over the last minutes than usual (EWMA).
    CallAverage,
    /// A little more calls than usual for a long time (CUSUM).
    CallDrift,
    /// More different resources in this minute than the last hour explains.
    FanOut,
    /// The last calls are spread over more tools than usual.
    EntropyHigh,
    /// The last calls are spread over fewer tools than usual.
    EntropyLow,
    /// A tool this version of the agent never used.
    ToolFirstSeen,
    /// A resource this version of the agent never touched.
    ResourceFirstSeen,
    /// Something was read, and something is sent, in a pair of tools that is
    /// new to this version of the agent.
    ReadThenEgress,
}

/// How many findings there are.
const FINDINGS: usize = 10;

impl Finding {
    /// Every finding, in the order in which they are listed.
    pub const ALL: [Self; FINDINGS] = [
        Self::CallSpike,
        Self::WriteSpike,
        Self::CallAverage,
        Self::CallDrift,
        Self::FanOut,
        Self::EntropyHigh,
        Self::EntropyLow,
        Self::ToolFirstSeen,
        Self::ResourceFirstSeen,
        Self::ReadThenEgress,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallSpike => "call_spike",
            Self::WriteSpike => "write_spike",
            Self::CallAverage => "call_average",
            Self::CallDrift => "call_drift",
            Self::FanOut => "resource_fan_out",
            Self::EntropyHigh => "tool_entropy_high",
            Self::EntropyLow => "tool_entropy_low",
            Self::ToolFirstSeen => "tool_first_seen",
            Self::ResourceFirstSeen => "resource_first_seen",
            Self::ReadThenEgress => "read_then_egress",
        }
    }
}

/// What was measured, and the limit it passed: from above, but for
/// [`Finding::EntropyLow`]. In calls, resources or pairs; entropy in
/// thousandths of a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// What was measured.
    pub measured: u32,
    /// What would have been the last usual value.
    pub limit: u32,
}

/// What the detectors noticed about one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Findings([Option<Figure>; FINDINGS]);

impl Findings {
    /// Whether nothing was noticed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// What was noticed, in the order of [`Finding::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Finding, Figure)> {
        Finding::ALL.into_iter().zip(self.0).filter_map(|(finding, figure)| Some((finding, figure?)))
    }

    /// These findings and one more, if there is a figure for it.
    #[must_use]
    pub fn with(mut self, finding: Finding, figure: Option<Figure>) -> Self {
        // The findings are declared in the order of `ALL`.
        if let Some(place) = self.0.get_mut(finding as usize) {
            *place = figure.or(*place);
        }
        self
    }
}

/// The effect an action is judged by after `findings`: one tier worse, but
/// never `Admin` for that reason alone. A suspicion asks for the last look
/// there is; it does not refuse what nobody may approve.
#[must_use]
pub fn raise(effect: Effect, findings: &Findings) -> Effect {
    match effect {
        Effect::Read | Effect::Mutating if !findings.is_empty() => effect.raised(),
        Effect::Read | Effect::Mutating | Effect::Destructive | Effect::Admin => effect,
    }
}

/// The figure, if it is above its limit.
const fn above(measured: u32, limit: u32) -> Option<Figure> {
    if measured > limit { Some(Figure { measured, limit }) } else { None }
}
