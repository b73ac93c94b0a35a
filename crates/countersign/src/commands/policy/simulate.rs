//! `countersign policy simulate`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use countersign_core::facts::PolicyWord;
use countersign_engine::{InForce, Judged, PastCall};
use serde_json::json;

use super::record::{Counts, Record, heard};
use crate::exit::Exit;
use crate::output::{Output, json, print, visible};
use crate::policies::Folder;

/// Say which decisions of the record would have been others under these policies
///
/// The record is read from a data directory, also beside a running server. A call of a tool whose arguments policies
/// can read is asked again only where its arguments were captured (`capture.arguments`).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 none would, 2 some would, 3 something cannot be read, or no call could be asked again"
)]
pub struct Simulate {
    /// The policies that shall hold
    #[arg(value_name = "DIR", default_value = "policies")]
    draft: PathBuf,
    #[command(flatten)]
    record: Record,
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
    counts: Counts,
    changes: Vec<Change>,
}

impl Simulate {
    pub fn run(self, output: Output) -> Result<Exit> {
        let set = Arc::new(Folder::read(&self.draft)?.load()?);
        let draft = InForce::new(set, self.record.fallback(), 0).map_err(|why| anyhow!(why))?;
        let Found { counts, changes } = replay(&self.record, &draft)?;
        if output.is_json() {
            let all = changes.iter().map(|change| {
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
            json(&counts.with(json!({ "changes": all.collect::<Vec<_>>() })))?;
        } else {
            for change in &changes {
                print(&line(change))?;
            }
            let would = format!("{} of {} decisions would be others\n", changes.len(), counts.calls);
            print(&(would + &counts.unknown()))?;
        }
        Ok(counts.exit(changes.is_empty()))
    }
}

fn replay(record: &Record, draft: &InForce) -> Result<Found> {
    let mut changes = Vec::new();
    let counts = record.replay(&[draft.set()], &mut |call, request| {
        let judged = draft.judge(&request);
        if let Some(would) = would(call, call.beside_own(judged.word())) {
            changes.push(Change { call: call.clone(), would, judged });
        }
    })?;
    Ok(Found { counts, changes })
}

/// What a call would be answered, where that is not what it was.
fn would(call: &PastCall, word: PolicyWord) -> Option<(&'static str, Option<&'static str>)> {
    if !heard(call) {
        return None;
    }
    let was_ours = call.gate.as_deref() == Some("policy");
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
