//! What the processes of the Guardian say to one another: JSON, version 1. A
//! member that is not known is refused, so processes of different versions that
//! do not mean the same never act as if they did.

use std::borrow::Cow;

use countersign_core::chain::Tally;
use countersign_core::conclude::Reviewed;
use countersign_core::detect::{Figure, Finding, Findings, Outcome};
use countersign_core::id::{AgentId, OrgId};
use countersign_core::risk::History;
use countersign_core::{Digest, Effect, Timestamp};
use countersign_engine::{Brief, Known, Observed, Opinion, Said, Sight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the Spot guard is asked about a call.
pub const LOOK: &str = "/guardian/v1/spot/look";
/// Where the Spot guard is told what became of calls.
pub const OBSERVE: &str = "/guardian/v1/spot/observe";
/// Where the deep reviewer is asked.
pub const REVIEW: &str = "/guardian/v1/deep/review";
/// How many observations are told at once.
pub const MOST_OBSERVED: usize = 256;

/// Why there is no review, as far as another process may say so.
const REVIEW_FAILURES: [&str; 15] = [
    "unreachable",
    "timed_out",
    "overloaded",
    "refused",
    "declined",
    "truncated",
    "garbled",
    "malformed",
    "unbound",
    "request_too_large",
    "response_too_large",
    "over_budget",
    "busy",
    "circuit_open",
    "broken",
];

/// Every message, for the schema.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Messages {
    /// `POST /guardian/v1/spot/look`
    look: Look,
    /// What is answered to it.
    known: Knowledge,
    /// `POST /guardian/v1/spot/observe`; answered by status 204.
    observe: Observations,
    /// `POST /guardian/v1/deep/review`
    review: Question,
    /// What is answered to it.
    opinion: Answer,
}

/// The JSON Schema of every message.
pub fn schema() -> schemars::Schema {
    let inlined = schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    inlined.into_generator().into_root_schema_for::<Messages>()
}

/// A call that an agent wants to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Who makes it.
    #[schemars(with = "String")]
    pub agent: AgentId,
    /// In which version.
    pub revision: u64,
    /// The tool.
    pub tool: String,
    /// The digest of what it touches, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub resource: Option<Digest>,
    /// Its own effect: `read`, `mutating`, `destructive` or `admin`.
    #[schemars(with = "String")]
    pub effect: Effect,
    /// Whether it carries something out.
    pub egress: bool,
    /// When, in milliseconds since 1970.
    #[schemars(with = "i64")]
    pub at: Timestamp,
}

impl From<Sight> for Look {
    fn from(sight: Sight) -> Self {
        let Sight { agent, revision, tool, resource, effect, egress, at } = sight;
        Self { agent, revision, tool, resource, effect, egress, at }
    }
}

impl From<Look> for Sight {
    fn from(look: Look) -> Self {
        let Look { agent, revision, tool, resource, effect, egress, at } = look;
        Self { agent, revision, tool, resource, effect, egress, at }
    }
}

/// What a baseline says of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    /// What the detectors noticed.
    pub findings: Vec<Noticed>,
    /// How often this version of the agent was decided about.
    pub decisions: u64,
    /// How often it was denied.
    pub denied: u64,
    /// Whether it was never allowed this tool.
    pub tool_is_new: bool,
    /// Whether it was never allowed this resource, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_is_new: Option<bool>,
    /// How many in a thousand of its calls fell into this hour of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour_permille: Option<u16>,
}

/// What a detector noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noticed {
    /// Its word.
    pub word: Cow<'static, str>,
    /// What was measured.
    pub measured: u32,
    /// What would have been the last usual value.
    pub limit: u32,
}

impl From<Known> for Knowledge {
    fn from(known: Known) -> Self {
        let noticed = |(finding, figure): (Finding, Figure)| Noticed {
            word: finding.as_str().into(),
            measured: figure.measured,
            limit: figure.limit,
        };
        Self {
            findings: known.findings.iter().map(noticed).collect(),
            decisions: known.history.decisions,
            denied: known.history.denied,
            tool_is_new: known.tool_is_new,
            resource_is_new: known.resource_is_new,
            hour_permille: known.hour_permille,
        }
    }
}

impl Knowledge {
    /// What it says, if that can be: words that are known, once each, and counts
    /// that fit together.
    pub fn read(self) -> Option<Known> {
        let mut findings = Findings::default();
        for Noticed { word, measured, limit } in self.findings {
            let finding = *Finding::ALL.iter().find(|finding| finding.as_str() == word)?;
            if findings.iter().any(|(known, _)| known == finding) {
                return None;
            }
            findings = findings.with(finding, Some(Figure { measured, limit }));
        }
        let fits = self.denied <= self.decisions && self.hour_permille.is_none_or(|permille| permille <= 1_000);
        fits.then_some(Known {
            findings,
            history: History { decisions: self.decisions, denied: self.denied },
            tool_is_new: self.tool_is_new,
            resource_is_new: self.resource_is_new,
            hour_permille: self.hour_permille,
        })
    }
}

/// What became of calls, in the order in which they were decided: at most 256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observations {
    /// The calls.
    #[schemars(length(max = 256))]
    pub observations: Vec<Observation>,
}

/// A call, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The call.
    pub call: Look,
    /// What became of it: `allowed`, `denied` or `waiting`.
    #[schemars(with = "String")]
    pub outcome: Outcome,
}

impl From<Observed> for Observation {
    fn from(observed: Observed) -> Self {
        Self { call: observed.sight.into(), outcome: observed.outcome }
    }
}

impl From<Observation> for Observed {
    fn from(observation: Observation) -> Self {
        Self { sight: observation.call.into(), outcome: observation.outcome }
    }
}

/// An action to review. Agents choose most of its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The organisation.
    #[schemars(with = "String")]
    pub organisation: OrgId,
    /// Who wants to act.
    #[schemars(with = "String")]
    pub agent: AgentId,
    /// The tool.
    pub tool: String,
    /// The effect the action is judged by.
    #[schemars(with = "String")]
    pub effect: Effect,
    /// The digest of the arguments.
    #[schemars(with = "String")]
    pub arguments: Digest,
    /// The arguments as JSON text, where whoever decides shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The digest of the policies in force.
    #[schemars(with = "String")]
    pub policies: Digest,
    /// What the session did so far: `total`, `read`, `write` and `denied`.
    #[schemars(with = "std::collections::BTreeMap<String, u64>")]
    pub session: Tally,
    /// How many delegations lie between the agent and the session's owner.
    pub delegation_depth: u32,
    /// The risk score.
    pub risk: u8,
    /// Where its points come from.
    pub reasons: Vec<String>,
    /// What the detectors noticed.
    pub findings: Vec<String>,
    /// What the policies have to say about it.
    pub advice: Vec<String>,
}

impl From<Brief> for Question {
    fn from(brief: Brief) -> Self {
        Self {
            organisation: brief.organisation,
            agent: brief.agent,
            tool: brief.tool,
            effect: brief.effect,
            arguments: brief.arguments,
            input: brief.input,
            policies: brief.policies,
            session: brief.session,
            delegation_depth: brief.delegation_depth,
            risk: brief.risk,
            reasons: brief.reasons,
            findings: brief.findings,
            advice: brief.advice,
        }
    }
}

impl From<Question> for Brief {
    fn from(question: Question) -> Self {
        Self {
            organisation: question.organisation,
            agent: question.agent,
            tool: question.tool,
            effect: question.effect,
            arguments: question.arguments,
            input: question.input,
            policies: question.policies,
            session: question.session,
            delegation_depth: question.delegation_depth,
            risk: question.risk,
            reasons: question.reasons,
            findings: question.findings,
            advice: question.advice,
        }
    }
}

/// What came of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Commits to tool, effect and arguments of the question: an answer to another one does not count.
    #[schemars(with = "String")]
    pub action_digest: Digest,
    /// What it means.
    pub means: Means,
    /// What kind of reviewer was asked.
    pub reviewer: String,
    /// The model, as the reviewer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What was said; with every meaning but `unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Words>,
    /// Why there is no review, with `unavailable` alone: a word of `docs/reference/deep-review.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Whether the reviewer itself is not well.
    #[serde(default)]
    pub is_outage: bool,
}

/// What a review means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// The action may happen.
    Cleared,
    /// The reviewer said no.
    Denied,
    /// A person has to decide.
    Escalated,
    /// There is no review.
    Unavailable,
}

/// What a reviewer said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// `allow`, `deny` or `escalate`.
    pub verdict: Cow<'static, str>,
    /// Why, in the reviewer's words.
    pub reasoning: String,
    /// How sure it says it is, from 0 to 100.
    #[schemars(range(max = 100))]
    pub confidence: u8,
}

impl Answer {
    /// The answer to the question whose action is `about`.
    pub fn new(about: Digest, opinion: Opinion) -> Self {
        let words =
            |said: Said| Words { verdict: said.verdict.into(), reasoning: said.reasoning, confidence: said.confidence };
        Self {
            action_digest: about,
            means: match opinion.reviewed {
                Reviewed::Cleared => Means::Cleared,
                Reviewed::Denied => Means::Denied,
                Reviewed::Escalated => Means::Escalated,
                Reviewed::Unavailable => Means::Unavailable,
            },
            reviewer: opinion.reviewer.into_owned(),
            model: opinion.model,
            said: opinion.said.map(words),
            failed: opinion.failed.map(str::to_owned),
            is_outage: opinion.is_outage,
        }
    }

    /// What it says of the action `about`. The word says why it says nothing.
    ///
    /// TRUST: this is where the words of another process become an opinion; only
    /// an allow that means one, about this very action, is cleared.
    pub fn read(self, about: Digest) -> Result<Opinion, &'static str> {
        if self.action_digest != about {
            return Err("unbound");
        }
        let known = |words: Words| {
            let verdict = *["allow", "deny", "escalate"].iter().find(|known| **known == words.verdict)?;
            let is_sane = words.confidence <= 100 && !words.reasoning.is_empty();
            is_sane.then_some(Said { verdict, reasoning: words.reasoning, confidence: words.confidence })
        };
        let said = self.said.map(|words| known(words).ok_or("malformed")).transpose()?;
        let failed = self.failed.map(|word| REVIEW_FAILURES.into_iter().find(|known| *known == word));
        let failed = failed.map(|word| word.ok_or("malformed")).transpose()?;
        let reviewed = match (self.means, said.as_ref().map(|said| said.verdict), failed) {
            (Means::Cleared, Some("allow"), None) => Reviewed::Cleared,
            (Means::Denied, Some("deny"), None) => Reviewed::Denied,
            (Means::Escalated, Some("allow" | "escalate"), None) => Reviewed::Escalated,
            (Means::Unavailable, _, Some(_)) => Reviewed::Unavailable,
            _ => return Err("malformed"),
        };
        Ok(Opinion {
            reviewed,
            reviewer: self.reviewer.into(),
            model: self.model,
            said,
            failed,
            is_outage: self.is_outage,
        })
    }
}
