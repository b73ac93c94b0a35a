//! What can happen, as entries spell it.
//!
//! Field order is the order of RFC 8785: members sorted by name. A type whose
//! fields are declared in that order, hold only strings, booleans, integers
//! below 2^53 and such types, and are printed by `serde_json` without spaces,
//! is canonical as it stands; a test checks every type against a general
//! canonicaliser. Never arguments, summaries or secrets: only digests.

use std::borrow::Cow;

use countersign_core::chain::Count;
use countersign_core::digest::Digest;
use countersign_core::effect::Effect;
use countersign_core::taint::Taint;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something that is recorded.
pub trait Event: Serialize {
    /// The word that names the kind of event in an entry.
    const KIND: &'static str;

    /// What the event adds to its chain's tally.
    fn count(&self) -> Option<Count> {
        None
    }

    /// What the event taints its chain with.
    fn taint(&self) -> Taint {
        Taint::NONE
    }
}

/// A decision about an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decision<'a> {
    /// What the agent wanted to do.
    #[serde(borrow)]
    pub action: Action<'a>,
    /// The agent.
    pub agent: &'a str,
    /// The agent document's revision that was read.
    pub agent_revision: u64,
    /// The approval that was used or asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<&'a str>,
    /// The key that asked.
    pub by: &'a str,
    /// The stable code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// What was found in what the call says, and what the session had taken in; absent
    /// where there is neither.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub content: Option<Content<'a>>,
    /// The effect, and what decided it.
    #[serde(borrow)]
    pub effect: Judgement<'a>,
    /// The revocation epoch the facts were read in.
    pub epoch: u64,
    /// The gate that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<&'a str>,
    /// The highest guard that was asked.
    pub guard: &'a str,
    /// The decision's id, as answered.
    pub id: &'a str,
    /// What the policies in force said; absent where there were none.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub policies: Option<Sets<'a>>,
    /// What the deep reviewer said; absent where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub review: Option<Review<'a>>,
    /// How risky the action is, and what was unusual about it; absent for reads
    /// about which nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub risk: Option<Risk<'a>>,
    /// The session, as the caller named it.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub session: Option<Cow<'a, str>>,
    /// How far the agent was trusted, 0 to 1000; absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<u16>,
    /// `allow`, `deny` or `elevate`.
    pub verdict: &'a str,
}

/// What each set in force said of an action: a list of one or two. The operator's comes before the
/// organisation's own.
#[derive(Debug, Clone)]
pub struct Sets<'a> {
    /// What the first said.
    pub first: Policies<'a>,
    /// What the second said, where there are two.
    pub second: Option<Policies<'a>>,
}

impl Serialize for Sets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(std::iter::once(&self.first).chain(&self.second))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Sets<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut sets = Vec::<Policies<'a>>::deserialize(deserializer)?.into_iter();
        match (sets.next(), sets.next(), sets.next()) {
            (Some(first), second, None) => Ok(Self { first, second }),
            _ => Err(D::Error::custom("expected what one or two sets of policies said")),
        }
    }
}

/// What one set of policies said of an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Policies<'a> {
    /// The policies that decided, by id.
    #[serde(borrow)]
    pub by: Vec<&'a str>,
    /// The first code that one of them gives to a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// `permit`, `forbid`, `none` or `error`.
    pub outcome: &'a str,
    /// The digest of the set that was in force.
    pub set: Digest,
    /// What policies that are only watched would have said, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<Shadow<'a>>,
    /// Whose set it is: `operator` or `organisation`.
    pub source: &'a str,
    /// The number of the version, where the set was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What a policy that is only watched would have said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shadow<'a> {
    /// Its id.
    pub policy: &'a str,
    /// `permit`, `forbid` or `error`.
    pub would: &'a str,
}

/// What a deep reviewer said, or why it said nothing that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review<'a> {
    /// How sure it says it is, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// Why there is no review that counts, as a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub failed: Option<Cow<'a, str>>,
    /// The model, as the reviewer names it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub model: Option<Cow<'a, str>>,
    /// Why, in the reviewer's words.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub reasoning: Option<Cow<'a, str>>,
    /// What kind of reviewer was asked.
    #[serde(borrow)]
    pub reviewer: Cow<'a, str>,
    /// What it said: `allow`, `deny` or `escalate`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub verdict: Option<Cow<'a, str>>,
}

/// How risky an action is, and what was unusual about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk<'a> {
    /// Why the Spot guard gave no answer, as a stable word; absent where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<&'a str>,
    /// What the detectors noticed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub findings: Vec<Finding<'a>>,
    /// The score and what follows from it; absent where risk is not scored.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub scored: Option<Scored<'a>>,
}

/// What a detector noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding<'a> {
    /// What would have been the last usual value.
    pub limit: u32,
    /// What was measured.
    pub measured: u32,
    /// `enforce` where it raised the effect or could have, or `watch`.
    pub mode: &'a str,
    /// Its word.
    pub word: &'a str,
}

/// A risk score and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored<'a> {
    /// `enforce`, or `watch` where nothing follows.
    pub mode: &'a str,
    /// Where the points come from.
    #[serde(borrow)]
    pub reasons: Vec<Points<'a>>,
    /// From 0 to 100.
    pub score: u8,
    /// What follows where the mode is `enforce`: `allow`, `elevate` or `deny`.
    pub would: &'a str,
}

/// Points of a risk score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points<'a> {
    /// How many.
    pub points: u16,
    /// What for.
    pub word: &'a str,
}

/// What was found in content, and the labels that come of it. Never its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content<'a> {
    /// The labels that the chain has from this entry on and had not before.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub added: Vec<&'a str>,
    /// What was found, the gravest first; not more than an entry has room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub findings: Vec<ContentFinding<'a>>,
    /// How much was found, listed or not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub found: u64,
    /// The labels that hold: those a decision was judged by.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub held: Vec<&'a str>,
    /// `enforce`, or `watch` where nothing follows.
    pub mode: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Content<'_> {
    fn taint(&self) -> Taint {
        Taint::named(self.added.iter().copied())
    }
}

/// Something that was found in content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFinding<'a> {
    /// The text it is in: a JSON pointer.
    #[serde(borrow)]
    pub at: Cow<'a, str>,
    /// The keyed digest of what was found.
    pub digest: Digest,
    /// What it is.
    pub family: &'a str,
    /// `low`, `medium` or `high`.
    pub severity: &'a str,
}

/// An action, without its arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Action<'a> {
    /// The digest of the arguments.
    pub arguments: Digest,
    /// The surface it came through.
    pub source: &'a str,
    /// The tool.
    #[serde(borrow)]
    pub tool: Cow<'a, str>,
}

/// An effect, and what decided it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement<'a> {
    /// `keyword`, `override`, `hint` or `unknown`.
    pub by: &'a str,
    /// The effect in the end.
    #[serde(rename = "final")]
    pub judged: Effect,
    /// Why it is one tier above the action's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raised: Option<&'a str>,
    /// The word that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<&'a str>,
}

impl Event for Decision<'_> {
    const KIND: &'static str = "decision";

    fn count(&self) -> Option<Count> {
        Some(match self.verdict {
            "allow" => Count::Allowed(self.effect.judged),
            "deny" => Count::Denied,
            _ => Count::Waiting,
        })
    }

    fn taint(&self) -> Taint {
        self.content.as_ref().map_or(Taint::NONE, Content::taint)
    }
}

/// What an agent took in, as its caller reports it: what a tool returned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The key that reported.
    pub by: &'a str,
    /// What was found, and what comes of it.
    #[serde(borrow)]
    pub content: Content<'a>,
    /// The session; absent where it is what the agent did under an id it made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// The tool it came from.
    #[serde(borrow)]
    pub tool: Cow<'a, str>,
}

impl Event for Taken<'_> {
    const KIND: &'static str = "content";

    fn taint(&self) -> Taint {
        self.content.taint()
    }
}

/// What an agent's models used, as its caller reports it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Usage<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The key that reported.
    pub by: &'a str,
    /// The session, as the reporter names it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub session: Option<Cow<'a, str>>,
    /// How many tokens.
    pub tokens: u64,
}

impl Event for Usage<'_> {
    const KIND: &'static str = "usage";
}

/// What came of an action, as its agent reports it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The key that reported.
    pub by: &'a str,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The name of the error, where it failed.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub error_type: Option<Cow<'a, str>>,
    /// The kind of event, as the reporter names it.
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// The session, as the reporter names it.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub session: Option<Cow<'a, str>>,
    /// Whether it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// The tool.
    #[serde(borrow)]
    pub tool: Cow<'a, str>,
}

impl Event for Outcome<'_> {
    const KIND: &'static str = "outcome";
}

/// A human's answer to a request for approval.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval<'a> {
    /// The agent that wants to act.
    pub agent: &'a str,
    /// The digest of the arguments that were approved or denied.
    pub arguments: Digest,
    /// The key the human spoke with.
    pub by: &'a str,
    /// The effect the human was shown.
    pub effect: Effect,
    /// The approval.
    pub id: &'a str,
    /// How the human calls themselves.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The session, as the agent named it.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub session: Option<Cow<'a, str>>,
    /// `approved` or `denied`.
    pub status: &'a str,
    /// The tool.
    #[serde(borrow)]
    pub tool: Cow<'a, str>,
}

impl Event for Approval<'_> {
    const KIND: &'static str = "approval";
}

/// A right that was taken away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revocation<'a> {
    /// The key that ordered it.
    pub by: &'a str,
    /// What it was taken from.
    pub id: &'a str,
    /// The kind of thing: `agent`, `token`, `session`, `delegation`, `key`, `stop`.
    pub noun: &'a str,
    /// Why.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// What was done: `revoke`, `suspend`, `close` or `stop`.
    pub verb: &'a str,
}

impl Event for Revocation<'_> {
    const KIND: &'static str = "revocation";
}

/// Anything else that changed what may happen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change<'a> {
    /// The key that ordered it.
    pub by: &'a str,
    /// What changed.
    pub id: &'a str,
    /// The kind of thing.
    pub noun: &'a str,
    /// What was done: `create`, `start`, `issue`, `update`, `resume`, `lift`,
    /// `delete`, `test` or `sweep`.
    pub verb: &'a str,
}

impl Event for Change<'_> {
    const KIND: &'static str = "change";
}

/// Policies that an organisation published for itself, or took away. They hold from here on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Publication<'a> {
    /// The key that ordered it.
    pub by: &'a str,
    /// What holds where no policy speaks of a call, `deny` or `allow`; absent where the policies
    /// were taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<&'a str>,
    /// Why, in the words of who ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub note: Option<Cow<'a, str>>,
    /// The earlier version that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_from: Option<u64>,
    /// The digest of the set; absent where the policies were taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Digest>,
    /// The number of the version: 1, and one more each time.
    pub version: u64,
}

impl Event for Publication<'_> {
    const KIND: &'static str = "publication";
}

/// A caller that could not prove who it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rejection<'a> {
    /// The stable code of the refusal.
    pub code: &'a str,
    /// The kind of credential that was shown.
    pub credential: &'a str,
    /// The address it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<&'a str>,
    /// The route that was asked for, as a pattern.
    #[serde(borrow)]
    pub route: Cow<'a, str>,
}

impl Event for Rejection<'_> {
    const KIND: &'static str = "rejection";
}

/// A session's Trust Record, anchored: the one leaf of a batch of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trace<'a> {
    /// The agent whose session it was.
    pub agent: &'a str,
    /// The RFC 7638 thumbprint of the key that signed the record.
    pub key: &'a str,
    /// How many records the batch has.
    pub leaf_count: u64,
    /// The root of the batch: `sha256:` and 64 hex digits.
    pub merkle_root: &'a str,
    /// The digest of the whole signed record in RFC 8785 form, which a record
    /// of a later hop names as its `parent_record_hash`.
    pub record: &'a str,
    /// The session.
    pub session: &'a str,
}

impl Event for Trace<'_> {
    const KIND: &'static str = "trace";
}

/// The key that signs the log's checkpoints from this entry on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogKey<'a> {
    /// The word of the key before it for this one: a signed note.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub endorsement: Option<Cow<'a, str>>,
    /// The verifier key that held before; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub previous: Option<Cow<'a, str>>,
    /// The verifier key.
    #[serde(borrow)]
    pub vkey: Cow<'a, str>,
}

impl Event for LogKey<'_> {
    const KIND: &'static str = "log_key";
}
