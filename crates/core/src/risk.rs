//! How risky an action is: the published function of the Spot guard.
//!
//! A score from 0 to 100 is a sum of points, one word for each part of it, all
//! in integers. What is not known counts as the worst it could be. Making one
//! fact worse never lowers the score, whatever the weights: every part is a
//! line that rises (or stays) from nothing to its weight. The numbers and
//! words are explained in `docs/reference/risk.md`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chain::Count;
use crate::effect::Effect;

/// The highest score.
pub const HIGHEST: u8 = 100;

/// What is known of an action and its agent. `None` is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiskFacts {
    /// The effect the action is judged by.
    pub effect: Effect,
    /// How long ago the agent's long-lived credential (its key) was made.
    pub credential_age: Option<Duration>,
    /// What was ever decided about this agent.
    pub history: Option<History>,
    /// What the session did so far; outside a session, the agent's own chain.
    pub session: Option<Cumulative>,
    /// How far the agent is trusted, from 0 to 1000. More counts as 1000.
    pub trust: Option<u16>,
    /// Whether this version of the agent never used the tool before.
    pub tool_is_new: Option<bool>,
    /// Whether this version of the agent never touched the resource before.
    /// An action without a resource touches none that is new.
    pub resource_is_new: Option<bool>,
    /// How many in a thousand of the agent's earlier calls fell into this hour
    /// of the day (UTC).
    pub hour_permille: Option<u16>,
}

/// What was ever decided about an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// All decisions.
    pub decisions: u64,
    /// Those that were denials.
    pub denied: u64,
}

/// What a session did so far, with its changes told apart by effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cumulative {
    /// Every decision.
    pub calls: u64,
    /// Denied calls.
    pub denied: u64,
    /// Allowed calls with a mutating effect.
    pub mutating: u64,
    /// Allowed calls with a destructive effect.
    pub destructive: u64,
    /// Allowed calls with an admin effect.
    pub admin: u64,
}

impl Cumulative {
    /// The counts after one more decision.
    #[must_use]
    pub const fn step(mut self, count: Count) -> Self {
        self.calls += 1;
        match count {
            Count::Allowed(Effect::Mutating) => self.mutating += 1,
            Count::Allowed(Effect::Destructive) => self.destructive += 1,
            Count::Allowed(Effect::Admin) => self.admin += 1,
            Count::Denied => self.denied += 1,
            Count::Allowed(Effect::Read) | Count::Waiting => {}
        }
        self
    }

    /// The changes, a destructive one counting as five mutating ones and an
    /// admin one as ten.
    const fn changes(self) -> u64 {
        self.mutating.saturating_add(self.destructive.saturating_mul(5)).saturating_add(self.admin.saturating_mul(10))
    }
}

/// How much each part counts, and what follows from a score. Every value is
/// valid: none breaks the order of worse and better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskWeights {
    /// Points for a read.
    pub effect_read: u8,
    /// Points for a mutating effect; never less than for a read.
    pub effect_mutating: u8,
    /// Points for a destructive effect; never less than for a milder one.
    pub effect_destructive: u8,
    /// Points for an admin effect; never less than for a milder one.
    pub effect_admin: u8,
    /// Most points for a credential that is too new or too old.
    pub credential: u8,
    /// From which age on, in hours, a credential is no longer new.
    pub credential_new_hours: u32,
    /// From which age on, in days, a credential is old. At twice that age it
    /// has all the points.
    pub credential_old_days: u32,
    /// Most points for a short history.
    pub history_short: u8,
    /// From how many decisions that were not denials on a history is long.
    pub history_long_enough: u32,
    /// Most points for the share of denials in the history.
    pub history_denied: u8,
    /// From which share on, in percent, denials have all the points.
    pub history_denied_percent: u8,
    /// Most points for the number of calls in the session.
    pub session_long: u8,
    /// From how many calls on a session's length has all the points.
    pub session_long_calls: u32,
    /// Most points for denied calls in the session.
    pub session_denied: u8,
    /// From how many on denied calls have all the points.
    pub session_denied_calls: u32,
    /// Most points for changes in the session.
    pub session_changes: u8,
    /// From how many on changes have all the points. A destructive one counts
    /// as five, an admin one as ten.
    pub session_changes_calls: u32,
    /// Most points for lack of trust.
    pub trust: u8,
    /// Points for a tool this version of the agent never used.
    pub tool_new: u8,
    /// Points for a resource this version of the agent never touched.
    pub resource_new: u8,
    /// Most points for an unusual hour.
    pub hour_unusual: u8,
    /// From which share of earlier calls on, in permille, an hour is usual.
    pub hour_usual_permille: u16,
    /// From which score on a human must approve. More than 100 is never.
    pub elevate_from: u8,
    /// From which score on the action is denied. More than 100 is never.
    pub deny_from: u8,
}

impl Default for RiskWeights {
    fn default() -> Self {
        Self {
            effect_read: 0,
            effect_mutating: 5,
            effect_destructive: 15,
            effect_admin: 20,
            credential: 8,
            credential_new_hours: 24,
            credential_old_days: 90,
            history_short: 8,
            history_long_enough: 100,
            history_denied: 10,
            history_denied_percent: 30,
            session_long: 6,
            session_long_calls: 500,
            session_denied: 14,
            session_denied_calls: 5,
            session_changes: 12,
            session_changes_calls: 50,
            trust: 10,
            tool_new: 5,
            resource_new: 4,
            hour_unusual: 3,
            hour_usual_permille: 20,
            elevate_from: 50,
            deny_from: 80,
        }
    }
}

/// What gave points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// What the action does.
    Effect,
    /// The credential was only just made.
    CredentialNew,
    /// The credential should have been replaced.
    CredentialOld,
    /// Nobody knows how old the credential is.
    CredentialUnknown,
    /// Little was decided about the agent yet.
    HistoryShort,
    /// The agent was often denied.
    HistoryDenied,
    /// The agent's history is not known.
    HistoryUnknown,
    /// The session made many calls.
    SessionLong,
    /// The session was denied.
    SessionDenied,
    /// The session changed much.
    SessionChanges,
    /// What the session did is not known.
    SessionUnknown,
    /// The agent is not fully trusted.
    TrustLow,
    /// How far the agent is trusted is not known.
    TrustUnknown,
    /// The tool is new to this version of the agent.
    ToolNew,
    /// Whether the tool is new is not known.
    ToolUnknown,
    /// The resource is new to this version of the agent.
    ResourceNew,
    /// Whether the resource is new is not known.
    ResourceUnknown,
    /// The agent seldom works at this hour.
    HourUnusual,
    /// When the agent works is not known.
    HourUnknown,
}

/// How many reasons there are.
const REASONS: usize = 19;

impl Reason {
    /// Every reason, in the order in which they are listed.
    pub const ALL: [Self; REASONS] = [
        Self::Effect,
        Self::CredentialNew,
        Self::CredentialOld,
        Self::CredentialUnknown,
        Self::HistoryShort,
        Self::HistoryDenied,
        Self::HistoryUnknown,
        Self::SessionLong,
        Self::SessionDenied,
        Self::SessionChanges,
        Self::SessionUnknown,
        Self::TrustLow,
        Self::TrustUnknown,
        Self::ToolNew,
        Self::ToolUnknown,
        Self::ResourceNew,
        Self::ResourceUnknown,
        Self::HourUnusual,
        Self::HourUnknown,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Effect => "effect",
            Self::CredentialNew => "credential_new",
            Self::CredentialOld => "credential_old",
            Self::CredentialUnknown => "credential_unknown",
            Self::HistoryShort => "history_short",
            Self::HistoryDenied => "history_denied",
            Self::HistoryUnknown => "history_unknown",
            Self::SessionLong => "session_long",
            Self::SessionDenied => "session_denied",
            Self::SessionChanges => "session_changes",
            Self::SessionUnknown => "session_unknown",
            Self::TrustLow => "trust_low",
            Self::TrustUnknown => "trust_unknown",
            Self::ToolNew => "tool_new",
            Self::ToolUnknown => "tool_unknown",
            Self::ResourceNew => "resource_new",
            Self::ResourceUnknown => "resource_unknown",
            Self::HourUnusual => "hour_unusual",
            Self::HourUnknown => "hour_unknown",
        }
    }
}

/// What follows from a score. Ordered: `Allow < Elevate < Deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// Nothing.
    Allow,
    /// A human must approve.
    Elevate,
    /// The action is denied.
    Deny,
}

impl Consequence {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Elevate => "elevate",
            Self::Deny => "deny",
        }
    }
}

/// The answer: a score, where its points come from, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Risk {
    /// From 0 to 100.
    pub score: u8,
    /// What follows from the score.
    pub holds: Consequence,
    points: [u16; REASONS],
}

impl Risk {
    /// The reasons that gave points, with their points, in the order of
    /// [`Reason::ALL`]. They add up to the score, or to more than 100.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u16)> {
        Reason::ALL.into_iter().zip(self.points).filter(|(_, points)| *points > 0)
    }
}

/// The risk of an action.
#[must_use]
pub fn risk(facts: &RiskFacts, weights: &RiskWeights) -> Risk {
    let mut sum = Sum([0; REASONS]);
    sum.effect(facts.effect, weights);
    sum.credential(facts.credential_age, weights);
    sum.history(facts.history, weights);
    sum.session(facts.session, weights);
    sum.trust(facts.trust, weights);
    sum.novelty(facts, weights);
    sum.hour(facts.hour_permille, weights);

    let total: u16 = sum.0.iter().sum();
    let score = u8::try_from(total).unwrap_or(HIGHEST).min(HIGHEST);
    let holds = if score >= weights.deny_from {
        Consequence::Deny
    } else if score >= weights.elevate_from {
        Consequence::Elevate
    } else {
        Consequence::Allow
    };
    Risk { score, holds, points: sum.0 }
}

/// The points of each reason. At most eleven parts of at most 255 each.
struct Sum([u16; REASONS]);

impl Sum {
    fn add(&mut self, reason: Reason, points: u8) {
        if let Some((_, sum)) = Reason::ALL.iter().zip(&mut self.0).find(|(r, _)| **r == reason) {
            *sum += u16::from(points);
        }
    }

    fn effect(&mut self, effect: Effect, w: &RiskWeights) {
        let table = [
            (Effect::Read, w.effect_read),
            (Effect::Mutating, w.effect_mutating),
            (Effect::Destructive, w.effect_destructive),
            (Effect::Admin, w.effect_admin),
        ];
        let points = table.iter().filter(|(e, _)| *e <= effect).map(|(_, points)| *points).max();
        self.add(Reason::Effect, points.unwrap_or(HIGHEST));
    }

    fn credential(&mut self, age: Option<Duration>, w: &RiskWeights) {
        let Some(age) = age else {
            return self.add(Reason::CredentialUnknown, w.credential);
        };
        let settled = u64::from(w.credential_new_hours) * 3_600;
        let old = u64::from(w.credential_old_days) * 86_400;
        let (new, old) =
            (falling(age.as_secs(), settled, w.credential), rising(age.as_secs(), old, old * 2, w.credential));
        // Where an operator lets the two overlap, the worse one counts alone.
        if new >= old {
            self.add(Reason::CredentialNew, new);
        } else {
            self.add(Reason::CredentialOld, old);
        }
    }

    fn history(&mut self, history: Option<History>, w: &RiskWeights) {
        let Some(History { decisions, denied }) = history else {
            self.add(Reason::HistoryUnknown, w.history_short);
            return self.add(Reason::HistoryUnknown, w.history_denied);
        };
        let long = u64::from(w.history_long_enough);
        self.add(Reason::HistoryShort, falling(decisions.saturating_sub(denied), long, w.history_short));
        // A share of few decisions says little: it is taken of at least 20.
        let permille = (u128::from(denied) * 1_000 / u128::from(decisions.max(20))).min(1_000);
        let full = u64::from(w.history_denied_percent) * 10;
        self.add(Reason::HistoryDenied, rising(u64::try_from(permille).unwrap_or(u64::MAX), 0, full, w.history_denied));
    }

    /// Counts, not shares: what was denied is not made good by many reads.
    fn session(&mut self, session: Option<Cumulative>, w: &RiskWeights) {
        let Some(session) = session else {
            for weight in [w.session_long, w.session_denied, w.session_changes] {
                self.add(Reason::SessionUnknown, weight);
            }
            return;
        };
        for (reason, count, full, weight) in [
            (Reason::SessionLong, session.calls, w.session_long_calls, w.session_long),
            (Reason::SessionDenied, session.denied, w.session_denied_calls, w.session_denied),
            (Reason::SessionChanges, session.changes(), w.session_changes_calls, w.session_changes),
        ] {
            self.add(reason, rising(count, 0, u64::from(full), weight));
        }
    }

    fn trust(&mut self, trust: Option<u16>, w: &RiskWeights) {
        match trust {
            Some(trust) => self.add(Reason::TrustLow, falling(u64::from(trust), 1_000, w.trust)),
            None => self.add(Reason::TrustUnknown, w.trust),
        }
    }

    fn novelty(&mut self, facts: &RiskFacts, w: &RiskWeights) {
        match facts.tool_is_new {
            Some(true) => self.add(Reason::ToolNew, w.tool_new),
            None => self.add(Reason::ToolUnknown, w.tool_new),
            Some(false) => {}
        }
        match facts.resource_is_new {
            Some(true) => self.add(Reason::ResourceNew, w.resource_new),
            None => self.add(Reason::ResourceUnknown, w.resource_new),
            Some(false) => {}
        }
    }

    fn hour(&mut self, permille: Option<u16>, w: &RiskWeights) {
        match permille {
            Some(share) => self
                .add(Reason::HourUnusual, falling(u64::from(share), u64::from(w.hour_usual_permille), w.hour_unusual)),
            None => self.add(Reason::HourUnknown, w.hour_unusual),
        }
    }
}

/// Nothing up to `from`, `weight` from `full` on, and between the two a line,
/// rounded up.
fn rising(value: u64, from: u64, full: u64, weight: u8) -> u8 {
    if value <= from {
        0
    } else if value >= full {
        weight
    } else {
        let points = (u128::from(value - from) * u128::from(weight)).div_ceil(u128::from(full - from));
        u8::try_from(points).unwrap_or(weight)
    }
}

/// `weight` at zero, nothing from `enough` on, and between the two a line,
/// rounded up.
fn falling(value: u64, enough: u64, weight: u8) -> u8 {
    rising(enough.saturating_sub(value), 0, enough, weight)
}
