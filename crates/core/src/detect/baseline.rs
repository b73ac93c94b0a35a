//! What one version of one agent usually does.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::drift::Drift;
use super::entropy::Tools;
use super::hash::{self, InvalidHashes, Tool};
use super::known::FirstSeen;
use super::sequence::Sequence;
use super::series::{MINUTES, Series};
use super::{Finding, Findings, LEARNING_CALLS};
use crate::digest::Digest;
use crate::effect::Effect;
use crate::risk::History;
use crate::time::Timestamp;

/// How many tools are kept, and as many older ones.
const TOOLS: usize = 128;
/// How many resources are kept, and as many older ones.
const RESOURCES: usize = 512;
/// How many different resources of one minute are told apart.
const DISTINCT: usize = 256;

/// A call that an agent wants to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// When.
    pub at: Timestamp,
    /// The tool.
    pub tool: Tool<'a>,
    /// The digest of what it touches, where that is known.
    pub resource: Option<Digest>,
    /// Its own effect, before anything raised it.
    pub effect: Effect,
    /// Whether it carries something out: an operator's word, or
    /// [`is_egress`](super::is_egress).
    pub egress: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was allowed.
    Allowed,
    /// It was denied.
    Denied,
    /// It waits for an approval.
    Waiting,
}

/// A call and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation<'a> {
    /// The call.
    pub call: Call<'a>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What one version of one agent usually does, in bounded memory. Its stored
/// form names its version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    form: Form,
    decisions: u64,
    denied: u64,
    /// Allowed calls, up to [`LEARNING_CALLS`].
    allowed: u32,
    rates: Rates,
    mix: Tools,
    tools: FirstSeen<TOOLS>,
    resources: FirstSeen<RESOURCES>,
    sequence: Sequence,
}

/// The name of the stored form; another one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Form;

const FORM: &str = "countersign-baseline/1";

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(FORM)
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        if text == FORM {
            Ok(Self)
        } else {
            Err(de::Error::custom(format_args!("`{text}` is not a form of baseline: expected `{FORM}`")))
        }
    }
}

impl Baseline {
    /// What is unusual about a call, before anything is known of its outcome.
    #[must_use]
    pub fn judge(&self, call: &Call<'_>) -> Findings {
        let tool = call.tool.hash();
        let rates = self.rates.at(call.at);
        let (high, low) = self.mix.judge(tool);
        let has_learnt = self.allowed >= LEARNING_CALLS;
        let sent = if call.egress && has_learnt { self.sequence.judge(tool, call.at) } else { None };
        rates
            .judge(call)
            .with(Finding::EntropyHigh, high)
            .with(Finding::EntropyLow, low)
            .with(Finding::ToolFirstSeen, self.tools.news(tool))
            .with(Finding::ResourceFirstSeen, call.resource.and_then(|r| self.resources.news(hash::short(&r))))
            .with(Finding::ReadThenEgress, sent)
    }

    /// What is usual after a call.
    #[must_use]
    pub fn step(mut self, seen: &Observation<'_>) -> Self {
        self.take_in(seen);
        self
    }

    /// The same where it stands: it is large, and every decision moves it.
    pub fn take_in(&mut self, seen: &Observation<'_>) {
        let Observation { call, outcome } = seen;
        self.decisions = self.decisions.saturating_add(1);
        self.rates.advance(minute(call.at));
        self.rates.count(call);
        self.mix = std::mem::take(&mut self.mix).step(call.tool.hash());
        match outcome {
            Outcome::Allowed => self.learn(call),
            Outcome::Denied => self.denied = self.denied.saturating_add(1),
            Outcome::Waiting => {}
        }
    }

    /// What is unusual about a call, and what is usual after it.
    #[must_use]
    pub fn observe(self, seen: &Observation<'_>) -> (Self, Findings) {
        let findings = self.judge(&seen.call);
        (self.step(seen), findings)
    }

    /// Whether this version of the agent was never allowed this tool.
    #[must_use]
    pub fn is_new_tool(&self, tool: Tool<'_>) -> bool {
        self.tools.is_new(tool.hash())
    }

    /// Whether this version of the agent was never allowed this resource.
    #[must_use]
    pub fn is_new_resource(&self, resource: &Digest) -> bool {
        self.resources.is_new(hash::short(resource))
    }

    /// How many in a thousand of the earlier calls fell into the hour of the
    /// day of `at` (UTC). `None` before the first hour is over.
    #[must_use]
    pub fn hour_permille(&self, at: Timestamp) -> Option<u16> {
        self.rates.at(at).calls.permille(hour(minute(at)))
    }

    /// What was decided so far.
    #[must_use]
    pub const fn history(&self) -> History {
        History { decisions: self.decisions, denied: self.denied }
    }

    /// An allowed call teaches what the agent uses; no other does.
    fn learn(&mut self, call: &Call<'_>) {
        let tool = call.tool.hash();
        self.allowed = self.allowed.saturating_add(1).min(LEARNING_CALLS);
        self.tools = std::mem::take(&mut self.tools).step(tool);
        if let Some(resource) = call.resource {
            self.resources = std::mem::take(&mut self.resources).step(hash::short(&resource));
        }
        if call.egress {
            self.sequence = std::mem::take(&mut self.sequence).sent(tool, call.at);
        }
        if call.effect == Effect::Read {
            self.sequence = std::mem::take(&mut self.sequence).read(tool, call.at);
        }
    }
}

/// Everything that is counted by the minute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    /// The current minute since the epoch; `None` before the first call.
    minute: Option<i64>,
    calls: Series,
    writes: Series,
    fan_out: Series,
    /// The different resources of the current minute.
    distinct: Distinct,
    drift: Drift,
}

/// At most [`DISTINCT`] resources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Distinct(BTreeSet<u64>);

impl TryFrom<String> for Distinct {
    type Error = InvalidHashes;

    fn try_from(text: String) -> Result<Self, InvalidHashes> {
        Ok(Self(hash::parse(&text, DISTINCT)?.into_iter().collect()))
    }
}

impl From<Distinct> for String {
    fn from(distinct: Distinct) -> Self {
        hash::print(distinct.0.into_iter())
    }
}

impl Rates {
    /// The rates as they are at `at`, without a call.
    fn at(&self, at: Timestamp) -> Cow<'_, Self> {
        let now = minute(at);
        if self.minute.is_some_and(|minute| now > minute) {
            let mut rates = self.clone();
            rates.advance(now);
            Cow::Owned(rates)
        } else {
            Cow::Borrowed(self)
        }
    }

    fn judge(&self, call: &Call<'_>) -> Findings {
        let hour = hour(self.minute.unwrap_or_else(|| minute(call.at)));
        let count = self.calls.with_one_more();
        let usual = self.calls.usual(hour);
        let writes = if call.effect > Effect::Read { self.writes.spike(hour) } else { None };
        let fan_out = if self.is_another(call) { self.fan_out.spike(hour) } else { None };
        Findings::default()
            .with(Finding::CallSpike, self.calls.spike(hour))
            .with(Finding::WriteSpike, writes)
            .with(Finding::CallAverage, usual.and_then(|usual| self.drift.too_high(count, usual)))
            .with(Finding::CallDrift, usual.and_then(|usual| self.drift.too_long(count, usual)))
            .with(Finding::FanOut, fan_out)
    }

    /// Whether the call touches a resource that this minute did not yet see.
    fn is_another(&self, call: &Call<'_>) -> bool {
        call.resource.is_some_and(|resource| !self.distinct.0.contains(&hash::short(&resource)))
    }

    fn count(&mut self, call: &Call<'_>) {
        self.calls.count();
        if call.effect > Effect::Read {
            self.writes.count();
        }
        if let Some(resource) = call.resource
            && self.distinct.0.len() < DISTINCT
            && self.distinct.0.insert(hash::short(&resource))
        {
            self.fan_out.count();
        }
    }

    /// Closes minutes until `now` is the current one. Minutes without calls
    /// count as zero. A clock that goes back closes nothing.
    fn advance(&mut self, now: i64) {
        let Some(minute) = self.minute.replace(now) else { return };
        let kept = i64::try_from(MINUTES).unwrap_or(i64::MAX);
        if now <= minute {
            // A little back is a clock that is put right. Much back means that
            // it was wrong before: waiting for that time to come would make
            // one minute of the whole way there.
            self.minute = Some(if now.saturating_add(kept) < minute { now } else { minute });
            return;
        }
        for past in minute..now.min(minute.saturating_add(kept)) {
            self.drift = self.drift.close(self.calls.current(), self.calls.usual(hour(past)));
            self.calls.close();
            self.writes.close();
            self.fan_out.close();
        }
        if now.saturating_sub(minute) > kept {
            self.drift = Drift::default();
        }
        let (then, now) = (hour(minute), hour(now));
        self.calls.close_hours(then, now);
        self.writes.close_hours(then, now);
        self.fan_out.close_hours(then, now);
        self.distinct.0.clear();
    }
}

const fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000)
}

const fn hour(minute: i64) -> i64 {
    minute.div_euclid(60)
}
