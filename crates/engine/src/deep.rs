//! The Deep guard: somebody who is asked about one action before it happens.
//!
//! The engine opens no sockets: who is asked, and how, is behind [`DeepGuard`].
//! What an answer means for the decision is `countersign_core::conclude`.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use countersign_core::chain::Tally;
use countersign_core::conclude::Reviewed;
use countersign_core::id::{AgentId, OrgId};
use countersign_core::{Digest, Effect};
use countersign_evidence::event;

/// How much of a reviewer's reasoning is recorded, in characters.
const LONGEST_REASONING: usize = 1_000;

/// A review that is under way.
pub type Reviewing = Pin<Box<dyn Future<Output = Opinion> + Send>>;

/// Somebody who can be asked about an action, such as a model.
///
/// It answers within a deadline of its own and may be asked by many at once. One
/// that panics or takes longer than [`Settings::review_deadline`](crate::Settings)
/// counts as one that cannot be reached.
pub trait DeepGuard: Send + Sync {
    /// Asks about one action.
    fn review(&self, brief: Brief) -> Reviewing;

    /// What kind of reviewer it is, in one word.
    fn kind(&self) -> &'static str {
        "unknown"
    }
}

/// What a reviewer is told about an action. Nothing in it is trusted: agents
/// choose most of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// The organisation.
    pub organisation: OrgId,
    /// Who wants to act.
    pub agent: AgentId,
    /// The tool.
    pub tool: String,
    /// The effect the action is judged by.
    pub effect: Effect,
    /// The digest of the arguments.
    pub arguments: Digest,
    /// The arguments as JSON text, where the caller sent them.
    pub input: Option<String>,
    /// The digest of the policies in force; of nothing where there are none.
    pub policies: Digest,
    /// What the session has done so far.
    pub session: Tally,
    /// How many delegations lie between the agent and the session's owner.
    pub delegation_depth: u32,
    /// The risk score; 0 where it is not scored.
    pub risk: u8,
    /// Where its points come from.
    pub reasons: Vec<String>,
    /// What the detectors noticed, and the labels of what the session took in.
    pub findings: Vec<String>,
    /// What the policies have to say about it.
    pub advice: Vec<String>,
}

impl Brief {
    /// Commits to tool, effect and arguments: what an answer is bound to.
    #[must_use]
    pub fn action_digest(&self) -> Digest {
        let effect = self.effect.as_str();
        Digest::of(format!("{}\n{effect}\n{}", self.arguments, self.tool).as_bytes())
    }

    /// Whether a review of this is one of `other`: the same action, judged alike.
    pub(crate) fn is_about(&self, other: &Self) -> bool {
        self.action_digest() == other.action_digest() && self.agent == other.agent && self.policies == other.policies
    }
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What it means. Only a well-formed yes about this action is `Cleared`.
    pub reviewed: Reviewed,
    /// What kind of reviewer was asked.
    pub reviewer: Cow<'static, str>,
    /// The model, as the reviewer names it.
    pub model: Option<String>,
    /// What was said; `None` where nothing that counts was.
    pub said: Option<Said>,
    /// Why there is no review, as a stable word.
    pub failed: Option<&'static str>,
    /// Whether that says that the reviewer itself is not well. What the words of
    /// an action can bring about does not: one agent must not stop the reviews of others.
    pub is_outage: bool,
}

/// What a reviewer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `allow`, `deny` or `escalate`.
    pub verdict: &'static str,
    /// Why, in the reviewer's words.
    pub reasoning: String,
    /// How sure it says it is, from 0 to 100.
    pub confidence: u8,
}

impl Opinion {
    /// There is no review, for the reason that `why` names, and the reviewer is not well.
    #[must_use]
    pub fn unavailable(reviewer: impl Into<Cow<'static, str>>, why: &'static str) -> Self {
        let reviewer = reviewer.into();
        Self { reviewed: Reviewed::Unavailable, reviewer, model: None, said: None, failed: Some(why), is_outage: true }
    }

    /// What the entry says of it.
    pub(crate) fn event(&self) -> event::Review<'_> {
        let said = self.said.as_ref();
        let clipped = |text: &str, limit| -> Cow<'static, str> { text.chars().take(limit).collect::<String>().into() };
        event::Review {
            confidence: said.map(|said| said.confidence),
            failed: self.failed.map(Cow::Borrowed),
            model: self.model.as_deref().map(|model| clipped(model, 256)),
            reasoning: said.map(|said| clipped(&said.reasoning, LONGEST_REASONING)),
            reviewer: self.reviewer.as_ref().into(),
            verdict: said.map(|said| said.verdict.into()),
        }
    }
}
