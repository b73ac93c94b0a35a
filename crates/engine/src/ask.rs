//! What is asked of a check, and what it answers.

use std::time::Duration;

use countersign_core::decide::{Decision, Guard};
use countersign_core::digest::Digest;
use countersign_core::effect::Effect;
use countersign_core::id::{AgentId, ApprovalId, CheckId};

use crate::deep::Opinion;
use crate::engine::Durability;
use crate::judged::Rulings;
use crate::recorder::Permit;

/// How often a check is decided again because rights changed under it.
pub(crate) const TRIES: usize = 5;

/// What an agent wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The agent.
    pub agent: &'a AgentId,
    /// The session: one of ours, or an id the client made up.
    pub session: Option<&'a str>,
    /// The tool.
    pub tool: &'a str,
    /// The surface it came through.
    pub source: &'a str,
    /// How bad the caller says it is. May only raise the effect.
    pub hint: Option<Effect>,
    /// What the agent says it wants to do, for a human to read.
    pub summary: &'a str,
    /// The digest of the arguments, however the surface spells them.
    pub arguments: Digest,
    /// The arguments as JSON text, for policies to read.
    pub input: Option<&'a str>,
    /// The bytes that `arguments` is the digest of, to be kept where payloads are.
    pub content: Option<&'a [u8]>,
}

/// The answer to a check.
#[derive(Debug)]
pub struct Answer {
    /// Its id, as recorded.
    pub id: CheckId,
    /// The decision.
    pub decision: Decision,
    /// What the policies said; `None` where there are none.
    pub policies: Option<Rulings>,
    /// What the Deep guard said; `None` where it was not asked.
    pub review: Option<Opinion>,
    /// The tier of the Guardian that should have been met and gave no answer.
    pub unreachable: Option<Guard>,
    /// The approval to wait for, or that was used.
    pub approval: Option<ApprovalId>,
    /// Whether the record was on disk before the answer was given.
    pub durability: Durability,
    /// The right to act, where the decision is an allow.
    pub permit: Option<Permit>,
    /// How long deciding and recording took.
    pub took: Duration,
}
