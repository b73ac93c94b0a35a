//! `countersign policy simulate`, and what it shares with `policy diff`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use countersign_core::Timestamp;
use countersign_core::decide::GATES;
use countersign_core::facts::PolicyWord;
use countersign_engine::{Clock as _, Fallback, InForce, Judged, PastCall, SystemClock, replay_calls};
use serde_json::{Map, json};

use crate::config::PolicyDefault;
use crate::exit::Exit;
use crate::node::explain;
use crate::output::{Output, json, print, visible};
use crate::policies::Folder;
use crate::tlog::Recorded;
use crate::vault;

/// Say which decisions of the record would have been others under these policies
///
/// The record is read from a data directory, also beside a running server. A call of a tool whose arguments policies
/// can read is asked again only where its arguments were captured (`capture.arguments`).
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 none would, 2 some would, 3 something cannot be read")]
pub struct Simulate {
    /// The policies that shall hold
    #[arg(value_name = "DIR", default_value = "policies")]
    draft: PathBuf,
    #[command(flatten)]
    record: Record,
}

/// What was decided, and since when.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// The data directory that the record is in
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// From when on: a time, or how long ago, such as `24h` or `7d`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = since)]
    since: Since,
    /// What holds where no policy speaks of a call
    #[arg(long, value_name = "WORD", default_value = "deny")]
    default: PolicyDefault,
}

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy)]
enum Since {
    At(Timestamp),
    Ago(Duration),
}

fn since(text: &str) -> Result<Since, String> {
    let expected = || format!("`{text}` is no time: expected one such as `2026-11-21T08:00:00Z`, `30m`, `24h` or `7d`");
    let unit = |unit: char| text.strip_suffix(unit).and_then(|count| count.parse::<u32>().ok()).map(u64::from);
    let minutes = unit('m').or_else(|| unit('h').map(|h| h * 60)).or_else(|| unit('d').map(|d| d * 24 * 60));
    match minutes {
        Some(minutes) => Ok(Since::Ago(Duration::from_secs(minutes * 60))),
        None => Timestamp::parse(text).map(Since::At).map_err(|_| expected()),
    }
}

/// A call that would be answered otherwise.
struct Change {
    call: PastCall,
    /// The verdict and the code that would take their place.
    would: (&'static str, Option<&'static str>),
    judged: Judged,
}

/// What replaying came to.
#[derive(Default)]
struct Found {
    calls: u64,
    unknown_arguments: u64,
    unknown_session: u64,
    changes: Vec<Change>,
}

impl Simulate {
    pub fn run(self, output: Output) -> Result<Exit> {
        let draft = self.record.in_force(&self.draft)?;
        let found = self.record.replay(&draft)?;
        if output.is_json() {
            let changes = found.changes.iter().map(|change| {
                let Change { call, would: (verdict, code), judged } = change;
                json!({
                    "check_id": call.id, "time": call.time.to_string(), "agent_id": call.agent, "tool": call.tool,
                    "before": { "verdict": call.verdict, "code": call.code },
                    "after": {
                        "verdict": verdict, "code": code, "by": judged.by().collect::<Vec<_>>(),
                        "reason": judged.reason(),
                    },
                })
            });
            let unknown = json!({ "arguments": found.unknown_arguments, "session": found.unknown_session });
            json(&json!({ "calls": found.calls, "unknown": unknown, "changes": changes.collect::<Vec<_>>() }))?;
        } else {
            for change in &found.changes {
                print(&line(change))?;
            }
            print(&summary(&found))?;
        }
        Ok(if found.changes.is_empty() { Exit::Done } else { Exit::Denied })
    }
}

impl Record {
    fn in_force(&self, dir: &Path) -> Result<InForce> {
        let fallback = match self.default {
            PolicyDefault::Deny => Fallback::Deny,
            PolicyDefault::Allow => Fallback::Allow,
        };
        InForce::new(Arc::new(Folder::read(dir)?.load()?), fallback, 0).map_err(|why| anyhow!(why))
    }

    fn replay(&self, draft: &InForce) -> Result<Found> {
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
        let (mut found, none) = (Found::default(), Map::new());
        let mut take = |call: PastCall| {
            found.calls += 1;
            // What nobody declared has no arguments that a policy could name.
            if call.arguments.is_none() && draft.set().tools().get(&call.tool).is_some() {
                found.unknown_arguments += 1;
            } else if !call.is_known {
                found.unknown_session += 1;
            } else {
                let judged = draft.judge(&call.request(&none));
                if let Some(would) = would(&call, judged.word()) {
                    found.changes.push(Change { call, would, judged });
                }
            }
        };
        replay_calls((store, store), vault.as_ref(), since, &mut take, &mut |_, _| ())
            .map_err(|why| explain(&why, &self.data))?;
        Ok(found)
    }
}

/// What a call would be answered, where that is not what it was.
fn would(call: &PastCall, word: PolicyWord) -> Option<(&'static str, Option<&'static str>)> {
    let place = |name: &str| GATES.iter().position(|(gate, ..)| *gate == name);
    let ours = place("policy");
    let decided = call.gate.as_deref().and_then(place);
    // What an earlier gate refuses, policies are not heard about.
    if call.verdict == "deny" && decided < ours {
        return None;
    }
    let was_ours = decided == ours;
    let refusal = match word {
        PolicyWord::Forbid => "policy_forbids",
        PolicyWord::Failed => "policy_failed",
        PolicyWord::Unmatched => "policy_unmatched",
        PolicyWord::Hold if call.verdict == "allow" && !call.is_approved => {
            return Some(("elevate", Some("policy_needs_approval")));
        }
        PolicyWord::Hold if call.verdict == "deny" && was_ours => {
            return Some(("elevate", Some("policy_needs_approval")));
        }
        PolicyWord::Hold => return None,
        PolicyWord::Permit | PolicyWord::Silent => return was_ours.then_some(("the other gates decide", None)),
    };
    let is_same = call.verdict == "deny" && (!was_ours || call.code.as_deref() == Some(refusal));
    (!is_same).then_some(("deny", Some(refusal)))
}

fn line(change: &Change) -> String {
    let Change { call, would: (verdict, code), judged } = change;
    let answer = |verdict: &str, code: Option<&str>| {
        code.map_or_else(|| verdict.to_owned(), |code| format!("{verdict} ({code})"))
    };
    let by: Vec<&str> = judged.by().collect();
    let by = if by.is_empty() { String::new() } else { format!(", by {}", by.join(", ")) };
    let reason = judged.reason().map_or_else(String::new, |reason| format!(": {reason}"));
    let said = format!(
        "{} {} {} `{}`\n  - {}\n  + {}{by}{reason}",
        call.time,
        call.id,
        call.agent_name,
        call.tool,
        answer(&call.verdict, call.code.as_deref()),
        answer(verdict, *code)
    );
    let lines: Vec<String> = said.lines().map(visible).collect();
    lines.join("\n") + "\n"
}

fn summary(found: &Found) -> String {
    let mut said = format!("{} of {} decisions would be others\n", found.changes.len(), found.calls);
    let mut unknown = |count: u64, why: &str| {
        if count > 0 {
            let _ = writeln!(said, "{count} could not be asked again: {why}");
        }
    };
    unknown(found.unknown_arguments, "their arguments were not captured, and policies may read them");
    unknown(found.unknown_session, "their session is no longer kept");
    said
}
