//! The question whether an agent may do something, and the answer.

use countersign_core::Decision;
use countersign_core::decide::{Guard, Verdict};
use countersign_core::id::{AgentId, ApprovalId, CheckId};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::policy::PolicyReply;
use super::word::{Durability, Effect, GuardTier};
use crate::raw::Json;
use crate::spelling::{empty_as_none, filled, hint, null_as_default};

/// Asks whether an agent may act.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CheckRequest {
    /// The agent that wants to act.
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    /// The session the action belongs to: one that the server issued, or a name of the caller's own.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub session_id: Option<String>,
    /// The tool.
    #[serde(deserialize_with = "filled")]
    pub action_name: String,
    /// The surface the action came through. `api` where it is left out.
    #[serde(default = "api", deserialize_with = "source")]
    pub action_source: String,
    /// What the agent says it wants to do, for a human to read. About 200 characters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub action_input_summary: String,
    /// A hint at the effect, which may only raise it: `read`, `mutating`, `destructive` or
    /// `admin`. A word nobody knows is no hint.
    #[serde(default, deserialize_with = "hint")]
    #[schema(value_type = Option<Effect>)]
    pub action_effect: Option<countersign_core::Effect>,
    /// The arguments. Never stored: only their digest is, and an approval holds for it alone.
    #[serde(default)]
    pub action_input: Option<Json>,
}

fn api() -> String {
    "api".to_owned()
}

fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    empty_as_none(deserializer).map(|word| word.unwrap_or_else(api))
}

/// The same question, as clients asked it before there were action names.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct LegacyCheckRequest {
    /// The agent that wants to act.
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    /// The kind of action. `tool_call` where it is left out.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub action: Option<String>,
    /// The tool. The kind of action stands for it where it is left out.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub tool_name: Option<String>,
    /// What the agent says it wants to do, for a human to read.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tool_input_summary: String,
    /// The session the action belongs to.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub session_id: Option<String>,
    /// A hint at the effect, which may only raise it.
    #[serde(default, deserialize_with = "hint")]
    #[schema(value_type = Option<Effect>)]
    pub action_effect: Option<countersign_core::Effect>,
}

impl From<LegacyCheckRequest> for CheckRequest {
    fn from(legacy: LegacyCheckRequest) -> Self {
        Self {
            agent_id: legacy.agent_id,
            session_id: legacy.session_id,
            action_name: legacy.tool_name.or(legacy.action).unwrap_or_else(|| "tool_call".to_owned()),
            action_source: api(),
            action_input_summary: legacy.tool_input_summary,
            action_effect: legacy.action_effect,
            action_input: None,
        }
    }
}

/// How sure an answer is, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = f64, minimum = 0, maximum = 1)]
pub struct Confidence(f64);

impl Confidence {
    /// As sure as can be.
    pub const CERTAIN: Self = Self(1.0);

    /// `share` brought into bounds; what is no number is no confidence.
    #[must_use]
    pub fn new(share: f64) -> Self {
        if share.is_nan() { Self(0.0) } else { Self(share.clamp(0.0, 1.0)) }
    }
}

/// The answer, as the server prints it: borrowed, and copied nowhere.
///
/// What must agree with the decision is taken from it, so that no answer can
/// both allow and ask for an approval. Reads back as a [`CheckReply`].
#[derive(Debug, Clone, Copy)]
pub struct CheckAnswer<'a> {
    /// What was decided.
    pub decision: &'a Decision,
    /// The decision's id.
    pub check_id: &'a CheckId,
    /// How sure the answer is.
    pub confidence: Confidence,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// Why, for the agent to read.
    pub reason: &'a str,
    /// The request a human must answer. Printed only where the decision asks for one.
    pub approval_id: Option<&'a ApprovalId>,
    /// When the decision's record is on disk.
    pub durability: Durability,
    /// What each set of policies in force said.
    pub policies: &'a [PolicyReply],
    /// The tier of the Guardian that gave no answer.
    pub unreachable: Option<Guard>,
    /// The path of the page about the denial.
    pub help: Option<&'a str>,
}

impl Serialize for CheckAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let verdict = self.decision.verdict;
        let elevates = matches!(verdict, Verdict::Elevate(_));
        let mut answer = serializer.serialize_struct("CheckReply", 14)?;
        answer.serialize_field("allowed", &(verdict == Verdict::Allow))?;
        answer.serialize_field("check_id", self.check_id.as_str())?;
        answer.serialize_field("confidence", &self.confidence)?;
        answer.serialize_field("guard_tier", self.decision.guard.as_str())?;
        answer.serialize_field("latency_ms", &self.latency_ms)?;
        answer.serialize_field("reason", self.reason)?;
        answer.serialize_field("elevation_required", &elevates)?;
        if let Some(approval) = self.approval_id.filter(|_| elevates) {
            answer.serialize_field("approval_id", approval.as_str())?;
        }
        if let Some(code) = verdict.code() {
            answer.serialize_field("code", code)?;
        }
        answer.serialize_field("effect", self.decision.effect.as_str())?;
        answer.serialize_field("durability", self.durability.as_str())?;
        if !self.policies.is_empty() {
            answer.serialize_field("policies", self.policies)?;
        }
        if let Some(tier) = self.unreachable {
            answer.serialize_field("unreachable", tier.as_str())?;
        }
        if let Some(help) = self.help {
            answer.serialize_field("help", help)?;
        }
        answer.end()
    }
}

/// The answer whether an agent may act. A refusal is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckReply {
    /// Whether it may.
    pub allowed: bool,
    /// The decision's id.
    pub check_id: String,
    /// How sure the answer is.
    pub confidence: Confidence,
    /// The highest tier of the Guardian that was asked.
    pub guard_tier: GuardTier,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// Why, for the agent to read.
    pub reason: String,
    /// Whether a human must approve before the agent asks again. Never with `allowed`.
    pub elevation_required: bool,
    /// The request a human must answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub approval_id: Option<String>,
    /// The stable code of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The effect the action was judged by.
    pub effect: Effect,
    /// When the decision's record is on disk.
    pub durability: Durability,
    /// What each set of policies in force said, the operator's first; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyReply>,
    /// The tier of the Guardian that should have been met and gave no answer: the
    /// action went on with the rules alone, or was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unreachable: Option<GuardTier>,
    /// The path of the page about the denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub help: Option<String>,
}

#[cfg(test)]
mod tests;
