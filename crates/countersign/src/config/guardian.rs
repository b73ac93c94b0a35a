//! The section `[guardian]`: what is looked at beyond the rules.

use std::path::PathBuf;
use std::time::Duration;

use countersign_core::capability::Pattern;
use countersign_core::risk::RiskWeights;
use countersign_engine::{Heed, RESOURCES, Settings, Sources, Spot};
use countersign_review::{ReviewConfig, ReviewerConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tier::key::TierKey;
use crate::tier::line;

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
    /// A file with the key that processes of this installation show one another
    /// where a tier is in a process of its own: 32 to 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_key_file: Option<PathBuf>,
    /// Where baselines are kept, if not in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<SpotElsewhere>,
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

/// The Spot guard's baselines in another process: `countersign serve --only spot`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpotElsewhere {
    /// Its base URL: `https://`, or `http://` on this machine.
    pub url: String,
    /// How long it may take to answer, in milliseconds: from 1 to 10,000.
    #[serde(default = "spot_timeout")]
    #[schemars(range(min = 1, max = 10_000))]
    pub timeout_ms: u64,
}

fn spot_timeout() -> u64 {
    u64::try_from(Settings::default().spot_deadline.as_millis()).unwrap_or(u64::MAX)
}

/// Who reviews destructive and administrative actions, and within which limits.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deep {
    /// What the reviewer sees of the arguments of a call.
    #[serde(default)]
    pub arguments: Shown,
    /// The base URL of the process that asks the reviewer, `countersign serve --only
    /// deep`: who that is, is configured there, and `timeout_seconds` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How long a review may take whatever happens: from 1 to 180 seconds, and no less than
    /// `timeout_seconds`. Without it, five seconds more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 180))]
    pub deadline_seconds: Option<u64>,
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
        let (risk, detectors, content) = (risk.into(), detectors.into(), Content::default());
        Self { risk, detectors, resources, weights, content, tier_key_file: None, spot: None, deep: None }
    }
}

impl Guardian {
    /// What is wrong with the values.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.content.problems();
        if let Some(spot) = &self.spot {
            problems.extend(line::problem(&spot.url).map(|why| format!("`guardian.spot.url`: {why}")));
            if !(1..=10_000).contains(&spot.timeout_ms) {
                problems.push("`guardian.spot.timeout_ms` must be from 1 to 10000".into());
            }
        }
        if let Some(deep) = &self.deep {
            let found = deep.review.problems();
            let named =
                found.into_iter().map(|problem| format!("`guardian.deep.{}`: {}", problem.setting, problem.why));
            problems.extend(named.chain(deep.own_problems()));
        }
        let is_split = self.spot.is_some() || self.deep.as_ref().is_some_and(|deep| deep.url.is_some());
        match self.tier_key() {
            Ok(None) if is_split => problems.push(
                "`guardian.tier_key_file` is missing: a tier in another process is asked with a key that both hold"
                    .into(),
            ),
            Ok(_) => {}
            Err(why) => problems.push(format!("`guardian.tier_key_file`: {why}")),
        }
        problems
    }

    /// The key that processes of this installation show one another.
    pub fn tier_key(&self) -> Result<Option<TierKey>, String> {
        self.tier_key_file.as_deref().map(TierKey::read).transpose()
    }

    /// How long the engine waits for the Spot guard elsewhere.
    pub fn spot_deadline(&self) -> Duration {
        Duration::from_millis(self.spot.as_ref().map_or_else(spot_timeout, |spot| spot.timeout_ms))
    }

    /// How long the engine waits for a review.
    pub fn review_deadline(&self) -> Duration {
        let own = |deep: &Deep| deep.deadline_seconds.unwrap_or(deep.review.timeout_seconds.saturating_add(5));
        self.deep.as_ref().map_or(Settings::default().review_deadline, |deep| Duration::from_secs(own(deep)))
    }

    /// What the engine needs to know.
    pub fn spot(&self) -> Spot {
        Spot { risk: self.risk.into(), detectors: self.detectors.into(), weights: self.weights }
    }
}

impl Deep {
    fn own_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let is_elsewhere = self.url.is_some();
        problems.extend(self.url.as_deref().and_then(line::problem).map(|why| format!("`guardian.deep.url`: {why}")));
        if is_elsewhere && !matches!(self.review.reviewer, ReviewerConfig::Human {}) {
            problems.push(
                "`guardian.deep.url` and `guardian.deep.reviewer` exclude one another: the reviewer is configured where \
                 `countersign serve --only deep` runs"
                    .into(),
            );
        }
        if let Some(deadline) = self.deadline_seconds
            && (!(1..=180).contains(&deadline) || deadline < self.review.timeout_seconds)
        {
            problems.push(
                "`guardian.deep.deadline_seconds` must be from 1 to 180 and no less than `timeout_seconds`".into(),
            );
        }
        problems
    }
}
