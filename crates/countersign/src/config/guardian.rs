//! The section `[guardian]`: what is looked at beyond the rules.

use countersign_core::risk::RiskWeights;
use countersign_engine::{Heed, Spot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is looked at beyond the rules.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guardian {
    /// Risk, for every effect but reads: `enforce` holds or refuses what scores
    /// high, `watch` records what it would do, `off` does not score.
    pub risk: Heeded,
    /// The detectors of unusual behaviour: `enforce` raises the effect of what
    /// they notice by one tier, `watch` records it, `off` does not look.
    pub detectors: Heeded,
    /// How risk is scored, and what follows from a score.
    #[schemars(schema_with = "of_weights")]
    pub weights: RiskWeights,
}

/// The weights by name, with their defaults: what they mean is in
/// `docs/reference/risk.md`.
fn of_weights(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let defaults = serde_json::to_value(RiskWeights::default()).unwrap_or_default();
    let one = |(name, default): (&String, &serde_json::Value)| {
        (name.clone(), serde_json::json!({ "type": "integer", "minimum": 0, "default": default }))
    };
    let properties: serde_json::Map<_, _> = defaults.as_object().into_iter().flatten().map(one).collect();
    schemars::json_schema!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// How far something is heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Heeded {
    /// It counts.
    Enforce,
    /// It is recorded and changes nothing.
    Watch,
    /// It is not asked.
    Off,
}

impl From<Heed> for Heeded {
    fn from(heed: Heed) -> Self {
        match heed {
            Heed::Enforce => Self::Enforce,
            Heed::Watch => Self::Watch,
            Heed::Off => Self::Off,
        }
    }
}

impl From<Heeded> for Heed {
    fn from(heeded: Heeded) -> Self {
        match heeded {
            Heeded::Enforce => Self::Enforce,
            Heeded::Watch => Self::Watch,
            Heeded::Off => Self::Off,
        }
    }
}

impl Default for Guardian {
    fn default() -> Self {
        let Spot { risk, detectors, weights } = Spot::default();
        Self { risk: risk.into(), detectors: detectors.into(), weights }
    }
}

impl Guardian {
    /// What the engine needs to know.
    pub fn spot(&self) -> Spot {
        Spot { risk: self.risk.into(), detectors: self.detectors.into(), weights: self.weights }
    }
}
