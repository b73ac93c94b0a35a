//! The section `[guardian]`: what is looked at beyond the rules.

use std::path::PathBuf;

use countersign_core::capability::Pattern;
use countersign_core::risk::RiskWeights;
use countersign_engine::{Heed, RESOURCES, Sources, Spot};
use countersign_review::ReviewConfig;
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
    /// The arguments that name what a call touches, the most telling first: detectors
    /// tell resources apart by the first of them that a call has.
    pub resources: Vec<String>,
    /// How risk is scored, and what follows from a score.
    #[schemars(schema_with = "of_weights")]
    pub weights: RiskWeights,
    /// What calls say, and what sessions take in.
    pub content: Content,
    /// Who reviews destructive and administrative actions. Without it, a human does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep: Option<Deep>,
}

/// What calls say, and what sessions take in.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    /// `enforce` holds or refuses what a session does after what it took in, `watch`
    /// records what was found and shows it to policies, `off` does not look.
    pub heed: Heeded,
    /// Tools that bring content from outside when they are called: names, or beginnings
    /// of names and `*`.
    pub untrusted: Vec<String>,
    /// Tools whose results the operator answers for, when they are reported. Results of
    /// any other are from outside.
    pub trusted: Vec<String>,
}

impl Default for Content {
    fn default() -> Self {
        Self { heed: Heeded::Watch, untrusted: Vec::new(), trusted: Vec::new() }
    }
}

impl Content {
    /// What the engine needs to know of sources.
    pub fn sources(&self) -> Sources {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        Sources { untrusted: patterns(&self.untrusted), trusted: patterns(&self.trusted) }
    }

    /// What is wrong with the values.
    fn problems(&self) -> Vec<String> {
        let lists = [("untrusted", &self.untrusted), ("trusted", &self.trusted)];
        let wrong = lists.into_iter().flat_map(|(name, texts)| texts.iter().map(move |text| (name, text)));
        // A `*` elsewhere is an ordinary character, which hardly anybody means.
        let wrong = wrong.filter(|(_, text)| text.is_empty() || text.strip_suffix('*').unwrap_or(text).contains('*'));
        let said = |(name, text)| {
            format!("`guardian.content.{name}`: `{text}` is not a tool's name, or the beginning of one and `*`")
        };
        wrong.map(said).collect()
    }
}

/// Who reviews destructive and administrative actions, and within which limits.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deep {
    /// What the reviewer sees of the arguments of a call.
    #[serde(default)]
    pub arguments: Shown,
    /// The reviewer and its limits.
    #[serde(flatten)]
    pub review: ReviewConfig,
    /// Where relative paths begin.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// What a reviewer sees of the arguments of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// Their digest.
    #[default]
    Digest,
    /// The arguments themselves, where the caller sends them.
    Shown,
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
        let resources = RESOURCES.iter().map(ToString::to_string).collect();
        let content = Content::default();
        Self { risk: risk.into(), detectors: detectors.into(), resources, weights, content, deep: None }
    }
}

impl Guardian {
    /// What is wrong with the values.
    pub fn problems(&self) -> Vec<String> {
        let found = self.deep.iter().flat_map(|deep| deep.review.problems());
        let found = found.map(|problem| format!("`guardian.deep.{}`: {}", problem.setting, problem.why));
        found.chain(self.content.problems()).collect()
    }

    /// What the engine needs to know.
    pub fn spot(&self) -> Spot {
        Spot { risk: self.risk.into(), detectors: self.detectors.into(), weights: self.weights }
    }
}
