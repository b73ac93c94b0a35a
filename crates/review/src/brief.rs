//! What a reviewer is told about an action.

use countersign_core::chain::Tally;
use countersign_core::id::{AgentId, OrgId};
use countersign_core::{Digest, Effect};
use serde::Serialize;
use serde_json::Value;

/// One action, as data. Nothing in it is trusted: agents choose most of its words.
#[derive(Debug, Clone, Serialize)]
pub struct Brief {
    /// The organisation. Told to an external reviewer, not to a model.
    pub organisation: OrgId,
    /// Who wants to act.
    pub agent: AgentId,
    /// The tool, as the upstream names it.
    pub tool: String,
    /// What it would act on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What it would do to the world.
    pub effect: Effect,
    /// What the tool would be called with.
    pub arguments: Arguments,
    /// Commits to tool, resource, effect and arguments. An answer is bound to it.
    pub action_digest: Digest,
    /// Commits to the policies in force.
    pub policy_digest: Digest,
    /// What the session has done so far.
    pub session: Tally,
    /// How many delegations lie between the agent and the session's owner.
    pub delegation_depth: u32,
    /// What the risk function said.
    pub risk: Risk,
    /// What the detectors found.
    pub findings: Vec<String>,
    /// What the policies that applied advise.
    pub advice: Vec<String>,
}

/// What a tool would be called with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// The arguments themselves, where the organisation lets a reviewer see them.
    Shown(Value),
    /// Only their digest.
    Digest(Digest),
}

/// What the risk function said.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Risk {
    /// The score. More is worse.
    pub score: u32,
    /// What it is made of.
    pub reasons: Vec<String>,
}
