//! Asking policies about what was decided: what `policy simulate` and `policy diff` share.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use countersign_core::Timestamp;
use countersign_core::decide::GATES;
use countersign_engine::{Clock as _, Fallback, PastCall, SystemClock, replay_calls};
use countersign_policy::{PolicySet, Request};
use serde_json::{Map, Value, json};

use crate::config::PolicyDefault;
use crate::exit::Exit;
use crate::node::explain;
use crate::tlog::Recorded;
use crate::vault;

/// What was decided, and since when.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// The data directory that the record is in
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// From when on: a time, or how long ago, such as `24h` or `7d`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = since)]
    pub since: Since,
    /// What holds where no policy speaks of a call
    #[arg(long, value_name = "WORD", default_value = "deny")]
    pub default: PolicyDefault,
}

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy)]
pub enum Since {
    At(Timestamp),
    Ago(Duration),
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    let expected = || format!("`{text}` is no time: expected one such as `2026-11-21T08:00:00Z`, `30m`, `24h` or `7d`");
    let unit = |unit: char| text.strip_suffix(unit).and_then(|count| count.parse::<u32>().ok()).map(u64::from);
    let minutes = unit('m').or_else(|| unit('h').map(|h| h * 60)).or_else(|| unit('d').map(|d| d * 24 * 60));
    match minutes {
        Some(minutes) => Ok(Since::Ago(Duration::from_secs(minutes * 60))),
        None => Timestamp::parse(text).map(Since::At).map_err(|_| expected()),
    }
}

/// How many calls there were, and how many could not be asked again.
#[derive(Default)]
pub struct Counts {
    pub calls: u64,
    arguments: u64,
    session: u64,
}

impl Record {
    /// What holds where no policy speaks of a call.
    pub fn fallback(&self) -> Fallback {
        match self.default {
            PolicyDefault::Deny => Fallback::Deny,
            PolicyDefault::Allow => Fallback::Allow,
        }
    }

    /// Hands every call that was decided to `take`, with what `sets` are asked about it.
    pub fn replay(&self, sets: &[&PolicySet], take: &mut dyn FnMut(&PastCall, Request<'_>)) -> Result<Counts> {
        let recorded = Recorded::open(&self.data)?;
        let store = recorded.ledger();
        let vault = vault::look(&self.data)?;
        let since = match self.since {
            Since::At(at) => at,
            Since::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(SystemClock::default().now().as_millis().saturating_sub(ago))
            }
        };
        let (mut counts, none) = (Counts::default(), Map::new());
        let mut each = |call: PastCall| {
            counts.calls += 1;
            // What nobody declared has no arguments that a policy could name.
            let is_declared = sets.iter().any(|set| set.tools().get(&call.tool).is_some());
            if call.arguments.is_none() && is_declared {
                counts.arguments += 1;
            } else if !call.is_known {
                counts.session += 1;
            } else {
                take(&call, call.request(&none));
            }
        };
        replay_calls((store, store), vault.as_ref(), since, &mut each, &mut |_, _| ())
            .map_err(|why| explain(&why, &self.data))?;
        Ok(counts)
    }
}

impl Counts {
    /// `answer`, with these.
    pub fn with(&self, mut answer: Value) -> Value {
        if let Some(members) = answer.as_object_mut() {
            members.insert("calls".to_owned(), self.calls.into());
            members.insert("unknown".to_owned(), json!({ "arguments": self.arguments, "session": self.session }));
        }
        answer
    }

    /// What the exit code says, where what could be asked is answered as it was or not. Where
    /// there were calls, and none of them could be asked, nothing was learnt.
    pub const fn exit(&self, is_same: bool) -> Exit {
        let is_blind = self.calls > 0 && self.calls == self.arguments + self.session;
        match (is_blind, is_same) {
            (true, _) => Exit::Invalid,
            (false, true) => Exit::Done,
            (false, false) => Exit::Denied,
        }
    }

    /// What could not be asked again, and why, a line each.
    pub fn unknown(&self) -> String {
        let mut said = String::new();
        let mut unknown = |count: u64, why: &str| {
            if count > 0 {
                let _ = writeln!(said, "{count} could not be asked again: {why}");
            }
        };
        unknown(self.arguments, "their arguments were not captured (`capture.arguments`), and policies may read them");
        unknown(self.session, "their session is no longer kept");
        said
    }
}

/// Whether policies are heard about `call`: not where an earlier gate refused it.
pub fn heard(call: &PastCall) -> bool {
    let place = |name: &str| GATES.iter().position(|(gate, ..)| *gate == name);
    call.verdict != "deny" || call.gate.as_deref().and_then(place) >= place("policy")
}
