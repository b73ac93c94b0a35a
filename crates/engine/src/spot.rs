//! The Spot guard: what an operator may choose about it, and what it says.
//!
//! What the core scores and detects needs facts that live between calls: a
//! baseline of every version of every agent ([`crate::baselines`]). It moves when
//! a decision was recorded.

use countersign_core::detect::{Figure, Finding, Findings};
use countersign_core::risk::{Risk, RiskWeights};
use countersign_evidence::event;

use crate::sight::NoAnswer;

/// How far what the Spot guard says is heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heed {
    /// It counts.
    Enforce,
    /// It is recorded and changes nothing.
    Watch,
    /// It is not asked.
    Off,
}

impl Heed {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Watch => "watch",
            Self::Off => "off",
        }
    }
}

/// What an operator may choose about the Spot guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Risk: from `mutating` up.
    pub risk: Heed,
    /// The detectors.
    pub detectors: Heed,
    /// How risk is scored, and what follows.
    pub weights: RiskWeights,
}

impl Spot {
    /// Whether nothing is asked of it.
    #[must_use]
    pub fn is_off(self) -> bool {
        self.risk == Heed::Off && self.detectors == Heed::Off
    }
}

impl Default for Spot {
    fn default() -> Self {
        Self { risk: Heed::Watch, detectors: Heed::Watch, weights: RiskWeights::default() }
    }
}

/// What the Spot guard says of one call.
#[derive(Debug, Clone, Copy)]
pub struct Spotted {
    pub(crate) chosen: Spot,
    /// What the detectors noticed.
    pub findings: Findings,
    /// The risk; `None` where it is not scored.
    pub risk: Option<Risk>,
    /// Why it said nothing.
    pub failed: Option<NoAnswer>,
}

impl Spotted {
    /// It was asked and said nothing.
    pub(crate) fn missing(chosen: Spot, why: NoAnswer) -> Self {
        Self { chosen, findings: Findings::default(), risk: None, failed: Some(why) }
    }

    /// What the entry says of it.
    pub(crate) fn event(&self) -> event::Risk<'static> {
        let finding = |(finding, figure): (Finding, Figure)| {
            let (limit, measured) = (figure.limit, figure.measured);
            event::Finding { limit, measured, mode: self.chosen.detectors.as_str(), word: finding.as_str() }
        };
        let scored = |risk: &Risk| event::Scored {
            mode: self.chosen.risk.as_str(),
            reasons: risk.reasons().map(|(why, points)| event::Points { points, word: why.as_str() }).collect(),
            score: risk.score,
            would: risk.holds.as_str(),
        };
        event::Risk {
            failed: self.failed.map(NoAnswer::as_str),
            findings: self.findings.iter().map(finding).collect(),
            scored: self.risk.as_ref().map(scored),
        }
    }
}
