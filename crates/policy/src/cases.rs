//! Cases: what a set of policies must answer, written in YAML beside it.
//!
//! A file is a list of cases, or for one request a single case without its
//! `then`. Whatever a case does not say has the default given here, so that a
//! case shows what it is about and nothing else.

mod junit;
mod run;

use countersign_core::behaviour::Suspicion;
use countersign_core::chain::Tally;
use countersign_core::classify::classify;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::request::{Request, SessionFacts};
use crate::source::Source;

pub use junit::junit;
pub use run::{Answer, Report, Tested, run};

/// One case: facts, a call, and what must be answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, as a sentence.
    pub name: String,
    #[serde(default)]
    given: Given,
    when: Call,
    /// What must be answered.
    pub then: Expected,
}

/// A request of its own: a case that expects nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    #[serde(default)]
    given: Given,
    when: Call,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    organisation: String,
    agent: String,
    agent_name: String,
    session: Option<Session>,
    delegation_depth: u32,
    trust: u16,
    behaviour: Option<Behaviour>,
    taint: Vec<String>,
    at: String,
}

/// Monday, 5 January 2026, noon: an hour in which most things are allowed.
const NOON: &str = "2026-01-05T12:00:00Z";

impl Default for Given {
    fn default() -> Self {
        Self {
            organisation: "acme".to_owned(),
            agent: "agent_1".to_owned(),
            agent_name: "agent".to_owned(),
            session: None,
            delegation_depth: 0,
            trust: 500,
            behaviour: None,
            taint: Vec::new(),
            at: NOON.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Session {
    id: String,
    mode: Mode,
    calls: u64,
    reads: u64,
    writes: u64,
    denied: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self { id: "sess_1".to_owned(), mode: Mode::Standard, calls: 0, reads: 0, writes: 0, denied: 0 }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Behaviour {
    Probing,
    Bursting,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    /// What the tool's name says where it is left out (`core/src/classify.rs`).
    effect: Option<Effect>,
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// What must be answered. What is left out is not looked at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// `permit`, `forbid`, `error`, `hold` or `none`.
    pub decision: Word,
    /// The policies that decide, by id, in any order.
    pub by: Option<Vec<String>>,
    /// The code of the refusal.
    pub code: Option<String>,
    /// What the refused caller is told.
    pub reason: Option<String>,
    /// All obligations, in the order of the ids of the policies that say so.
    pub obligations: Option<Vec<Value>>,
    /// All shadow policies that match, by id, and what each would have said.
    pub shadow: Option<Map<String, Value>>,
}

/// The word for an [`Outcome`](crate::Outcome).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It is permitted.
    Permit,
    /// It is forbidden.
    Forbid,
    /// A policy failed.
    Error,
    /// A human is to be asked, and no policy permits it.
    Hold,
    /// No policy speaks of it.
    None,
}

impl Word {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
            Self::Error => "error",
            Self::Hold => "hold",
            Self::None => "none",
        }
    }
}

/// Reads the cases of `source`. The error names the line, what is wrong and what is expected.
pub fn read(source: Source<'_>) -> Result<Vec<Case>, Fault> {
    let cases: Vec<Case> = parse(source).map_err(|fault| {
        let is_no_list = fault.message.starts_with("invalid type");
        let help = is_no_list.then(|| "expected a list of cases, each of which begins with `- name:`".to_owned());
        fault.with_help(help)
    })?;
    for case in &cases {
        case.given
            .time()
            .map_err(|why| Fault::error(source.file, source.text, 0, format!("`{}`: {why}", case.name)))?;
    }
    Ok(cases)
}

/// Reads the one request of `source`: a case without `name` and `then`, or a list of one case.
pub fn question(source: Source<'_>) -> Result<Question, Fault> {
    let question = match (parse(source), parse::<Vec<Case>>(source).as_deref()) {
        (_, Ok([case])) => case.question(),
        (question, _) => question?,
    };
    question.given.time().map_err(|why| Fault::error(source.file, source.text, 0, why))?;
    Ok(question)
}

fn parse<T: serde::de::DeserializeOwned>(source: Source<'_>) -> Result<T, Fault> {
    serde_norway::from_str(source.text).map_err(|why| {
        let at = why.location().map_or(0, |location| location.index());
        Fault::error(source.file, source.text, at, why.to_string())
    })
}

impl Case {
    /// What is asked.
    #[must_use]
    pub fn question(&self) -> Question {
        Question { given: self.given.clone(), when: self.when.clone() }
    }
}

impl Question {
    /// The request.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        let Self { given, when } = self;
        Request {
            organisation: &given.organisation,
            agent: &given.agent,
            agent_name: &given.agent_name,
            tool: &when.tool,
            effect: when.effect.unwrap_or_else(|| classify(&when.tool, None, None).effect),
            arguments: &when.arguments,
            session: given.session.as_ref().map(Session::facts),
            delegation_depth: given.delegation_depth,
            trust: given.trust,
            suspicion: given.behaviour.map(|behaviour| match behaviour {
                Behaviour::Probing => Suspicion::DenialRate,
                Behaviour::Bursting => Suspicion::WriteRatio,
            }),
            now: given.time().unwrap_or(Timestamp::from_millis(0)),
            taint: &given.taint,
        }
    }
}

impl Given {
    fn time(&self) -> Result<Timestamp, String> {
        Timestamp::parse(&self.at).map_err(|why| format!("`at`: {why}"))
    }
}

impl Session {
    fn facts(&self) -> SessionFacts<'_> {
        let tally = Tally { total: self.calls, read: self.reads, write: self.writes, denied: self.denied };
        SessionFacts { id: &self.id, mode: self.mode, tally }
    }
}
