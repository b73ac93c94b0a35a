//! A human's yes or no to exactly one action.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chain::Tally;
use crate::digest::Digest;
use crate::effect::Effect;
use crate::id::{AgentId, ApprovalId, ChainId, CheckId, KeyId, OrgId, SessionId};
use crate::seal::{Fields, Seal};
use crate::time::Timestamp;

/// How long a request waits for a human.
pub const PENDING: Duration = Duration::from_mins(15);
/// How long a yes holds, at most.
pub const GRANTED: Duration = Duration::from_mins(5);

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No human has spoken.
    Pending,
    /// A human said yes.
    Approved,
    /// A human said no.
    Denied,
    /// Nobody spoke in time, or the request was replaced by another.
    Expired,
}

impl Status {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

/// A request for approval, and the answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The organisation it belongs to.
    pub org: OrgId,
    /// The agent that wants to act.
    pub agent: AgentId,
    /// The session the action belongs to, as the agent named it.
    pub session: Option<String>,
    /// The chain the action is recorded on: an approval holds on it alone.
    pub chain: ChainId,
    /// The tool.
    pub tool: String,
    /// The effect the human was shown. A worse one needs another approval.
    pub effect: Effect,
    /// The digest of the arguments. Other arguments need another approval.
    pub arguments: Digest,
    /// What the agent says it wants to do, for the human to read.
    pub summary: String,
    /// What the human is told besides, which the agent did not write.
    pub shown: Shown,
    /// Where the request stands, as last written.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends if nobody speaks.
    pub expires_at: Timestamp,
    /// Who spoke, as they call themselves.
    pub decided_by: Option<String>,
    /// The key they spoke with.
    pub decided_key: Option<KeyId>,
    /// When they spoke.
    pub decided_at: Option<Timestamp>,
    /// Whether a destructive action has used it up.
    pub spent: bool,
}

/// What is known of an action when a human is asked about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The decision that asked.
    pub check: CheckId,
    /// Why a human is asked: the code of a hold.
    pub code: String,
    /// What the policies have to say about it.
    pub advice: Option<String>,
    /// What a reviewer said who left it to a human.
    pub review: Option<String>,
    /// The risk score, 0 to 100, and where its points come from; `None` where it is not scored.
    pub risk: Option<u8>,
    /// See `risk`.
    pub reasons: Vec<String>,
    /// What the detectors noticed, and the labels of what the session took in.
    pub findings: Vec<String>,
    /// What was decided on the chain before.
    pub tally: Tally,
    /// How many delegations lie between the agent and the session's owner.
    pub delegation_depth: u32,
}

impl Shown {
    /// A human is asked by `check` because of `code`, and nothing else is known.
    #[must_use]
    pub fn new(check: CheckId, code: &str) -> Self {
        Self {
            check,
            code: code.to_owned(),
            advice: None,
            review: None,
            risk: None,
            reasons: Vec::new(),
            findings: Vec::new(),
            tally: Tally::default(),
            delegation_depth: 0,
        }
    }
}

impl Fields {
    fn shown(&mut self, shown: &Shown) -> &mut Self {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let Shown { check, code, advice, review, risk, reasons, findings, tally, delegation_depth } = shown;
        self.text(check.as_str()).text(code).maybe(advice.as_deref()).maybe(review.as_deref());
        self.number(risk.map_or(-1, i64::from));
        for words in [reasons, findings] {
            self.number(number(words.len() as u64));
            for word in words {
                self.text(word);
            }
        }
        let Tally { total, read, write, denied } = *tally;
        for count in [total, read, write, denied, u64::from(*delegation_depth)] {
            self.number(number(count));
        }
        self
    }
}

impl Seal for Approval {
    fn feed(&self, fields: &mut Fields) {
        fields
            .text("approval")
            .text(self.id.as_str())
            .text(self.org.as_str())
            .text(self.agent.as_str())
            .maybe(self.session.as_deref())
            .text(self.chain.as_str())
            .text(&self.tool)
            .text(self.effect.as_str())
            .bytes(self.arguments.as_bytes())
            .text(&self.summary)
            .shown(&self.shown)
            .text(self.status.as_str())
            .number(self.created_at.as_millis())
            .number(self.expires_at.as_millis())
            .maybe(self.decided_by.as_deref())
            .maybe(self.decided_key.as_ref().map(KeyId::as_str))
            .number(self.decided_at.map_or(-1, Timestamp::as_millis))
            .number(i64::from(self.spent));
    }
}

/// What a human may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// Who answers.
#[derive(Debug, Clone)]
pub struct Approver {
    /// How they call themselves.
    pub name: String,
    /// The key they speak with.
    pub key: KeyId,
}

/// The request cannot be answered any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the approval is already {}", .0.as_str())]
pub struct AlreadyDecided(pub Status);

impl Approval {
    /// Where the request stands at `now`.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        match self.status {
            Status::Pending if now >= self.expires_at => Status::Expired,
            status => status,
        }
    }

    /// The request with a human's answer.
    pub fn decide(mut self, answer: Answer, by: Approver, now: Timestamp) -> Result<Self, AlreadyDecided> {
        match self.status_at(now) {
            Status::Pending => {}
            status => return Err(AlreadyDecided(status)),
        }
        self.status = match answer {
            Answer::Approve => Status::Approved,
            Answer::Deny => Status::Denied,
        };
        self.decided_by = Some(by.name);
        self.decided_key = Some(by.key);
        self.decided_at = Some(now);
        Ok(self)
    }

    /// Whether this is about exactly these arguments of this tool on this chain.
    #[must_use]
    pub fn is_about(&self, chain: &ChainId, tool: &str, arguments: &Digest) -> bool {
        self.chain == *chain && self.tool == tool && self.arguments == *arguments
    }

    /// When a yes stops holding.
    #[must_use]
    pub fn granted_until(&self) -> Option<Timestamp> {
        match (self.status, self.decided_at) {
            (Status::Approved, Some(at)) => Some(at.plus(GRANTED)),
            _ => None,
        }
    }

    /// Whether a human's yes covers an action with this effect at `now`.
    #[must_use]
    pub fn grants(&self, effect: Effect, now: Timestamp) -> bool {
        effect <= self.effect
            && effect < Effect::Admin
            && !self.spent
            && self.granted_until().is_some_and(|until| now < until)
    }

    /// Whether a human's no still holds at `now`.
    #[must_use]
    pub fn refuses(&self, now: Timestamp) -> bool {
        self.status == Status::Denied && now < self.expires_at
    }

    /// The session's id, where the server issued it.
    #[must_use]
    pub fn server_session(&self) -> Option<SessionId> {
        let id = self.session.as_deref().filter(|s| s.starts_with(SessionId::PREFIX))?;
        SessionId::parse(id).ok()
    }
}
