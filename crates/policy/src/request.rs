//! What a set of policies is asked.

use countersign_core::behaviour::Suspicion;
use countersign_core::chain::Tally;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use serde_json::{Map, Value};

/// One call, and what is known about it. Borrowed: asking copies nothing yet.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The organisation: the agent, the tool and its server are in it.
    pub organisation: &'a str,
    /// The agent's id: `Agent::"…"`.
    pub agent: &'a str,
    /// The agent's name: `principal.name`.
    pub agent_name: &'a str,
    /// The tool, such as `github/create_issue`; its server is what is before the first `/`.
    pub tool: &'a str,
    /// The effect that holds for this call, after overrides, hints and behaviour.
    pub effect: Effect,
    /// The arguments of the call.
    pub arguments: &'a Map<String, Value>,
    /// The session, where the call has one that is ours.
    pub session: Option<SessionFacts<'a>>,
    /// How many links the delegation has; 0 without one.
    pub delegation_depth: u32,
    /// How far the agent is trusted, 0 to 1000.
    pub trust: u16,
    /// What the session's history says.
    pub suspicion: Option<Suspicion>,
    /// The time of the call.
    pub now: Timestamp,
    /// Labels of what the session has taken in.
    pub taint: &'a [String],
}

/// What is known of the session.
#[derive(Debug, Clone, Copy)]
pub struct SessionFacts<'a> {
    /// Its id: `Session::"…"`.
    pub id: &'a str,
    /// Its mode.
    pub mode: Mode,
    /// What it has done so far.
    pub tally: Tally,
}

/// The time of a call as policies see it, in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 1 for Monday to 7 for Sunday.
    pub weekday: i64,
}

impl Request<'_> {
    pub(crate) fn clock(&self) -> Clock {
        const MINUTE: i64 = 60_000;
        const DAY: i64 = 24 * 60 * MINUTE;
        let at = self.now.as_millis();
        let minutes = at.rem_euclid(DAY) / MINUTE;
        // 1 January 1970 was a Thursday, the fourth day of the week.
        let weekday = (at.div_euclid(DAY) + 3).rem_euclid(7) + 1;
        Clock { hour: minutes / 60, minute: minutes % 60, weekday }
    }
}

impl<'a> Request<'a> {
    /// The server of the tool; a tool without one has none.
    #[must_use]
    pub fn server(&self) -> Option<&'a str> {
        self.tool.split_once('/').map(|(server, _)| server)
    }
}
