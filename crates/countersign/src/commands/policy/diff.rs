//! `countersign policy diff`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use countersign_engine::Fallback;
use countersign_policy::cases::Answer;
use countersign_policy::{Decision, Obligation, Outcome, Worker};
use serde_json::{Value, json};

use super::record::{Record, Since, heard, since};
use crate::config::PolicyDefault;
use crate::exit::Exit;
use crate::output::{Output, json, print, visible};
use crate::policies::Folder;

/// Say which cases, or which recorded calls, two folders of policies answer differently
///
/// With --data the calls of a record are asked instead of cases, as by `policy simulate`: what changes is shown by
/// tool and agent.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all answers are the same, 2 some differ, 3 something cannot be read, or no call could be asked"
)]
pub struct Diff {
    /// The policies that hold
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The policies that shall hold
    #[arg(value_name = "B")]
    after: PathBuf,
    /// A folder whose `cases/*.yaml` are asked; A and B where it is left out
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    cases: Option<PathBuf>,
    /// The data directory of a record, whose calls are asked
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// From when on: a time, or how long ago, such as `24h` or `7d`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = since, requires = "data")]
    since: Since,
    /// What holds where no policy speaks of a call
    #[arg(long, value_name = "WORD", default_value = "deny", requires = "data")]
    default: PolicyDefault,
}

/// Calls that change alike: the tool, the agent's name, and what was and would be answered.
type Change = (String, String, String, String);

impl Diff {
    pub fn run(self, output: Output) -> Result<Exit> {
        let (before, after) = (Folder::read(&self.before)?, Folder::read(&self.after)?);
        if let Some(data) = self.data {
            let record = Record { data, since: self.since, default: self.default };
            return recorded(&record, (worker(&before)?, worker(&after)?), output);
        }
        let other = self.cases.as_deref().map(Folder::read).transpose()?;
        let folders = other.as_ref().map_or_else(|| vec![&before, &after], |other| vec![other]);
        let (mut old, mut new) = (worker(&before)?, worker(&after)?);
        let (mut asked, mut changes) = (0, Vec::new());
        for folder in folders {
            for (file, case) in folder.cases()? {
                asked += 1;
                let question = case.question();
                let (was, is) = (question.answer(&mut old), question.answer(&mut new));
                let place = (folder.path.join(file).display().to_string(), case.name);
                // The same case is often in both folders.
                let known = changes.iter().any(|((_, name), a, b)| (name, a, b) == (&place.1, &was, &is));
                if was != is && !known {
                    changes.push((place, was, is));
                }
            }
        }
        if asked == 0 {
            bail!("there are no cases to ask: expected lists of them in `cases/*.yaml`");
        }
        if output.is_json() {
            let all = changes.iter().map(
                |((file, name), was, is)| json!({"file": file, "name": name, "before": whole(was), "after": whole(is)}),
            );
            json(&json!({"asked": asked, "changes": all.collect::<Vec<_>>()}))?;
        } else {
            for ((file, name), was, is) in &changes {
                print(&format!("{}: {}\n  - {}\n  + {}\n", visible(file), visible(name), line(was), line(is)))?;
            }
            print(&format!("{} of {asked} cases are answered differently\n", changes.len()))?;
        }
        Ok(if changes.is_empty() { Exit::Done } else { Exit::Denied })
    }
}

/// Asks the calls of `record`.
fn recorded(record: &Record, (mut old, mut new): (Worker, Worker), output: Output) -> Result<Exit> {
    let (before, after) = (Arc::clone(old.set()), Arc::clone(new.set()));
    let mut changes: BTreeMap<Change, (u64, String)> = BTreeMap::new();
    let counts = record.replay(&[&before, &after], &mut |call, request| {
        let [was, is] = [&mut old, &mut new].map(|worker| said(&worker.decide(&request), record.fallback()));
        if was != is && heard(call) {
            let change = (call.tool.clone(), call.agent_name.clone(), was, is);
            changes.entry(change).or_insert_with(|| (0, call.id.clone())).0 += 1;
        }
    })?;
    let affected: u64 = changes.values().map(|(count, _)| count).sum();
    if output.is_json() {
        let all = changes.iter().map(|((tool, agent, was, is), (count, first))| {
            json!({ "tool": tool, "agent": agent, "before": was, "after": is, "calls": count, "first": first })
        });
        json(&counts.with(json!({ "changed": affected, "changes": all.collect::<Vec<_>>() })))?;
    } else {
        for ((tool, agent, was, is), (count, first)) in &changes {
            let head = format!("`{}` by {}: {count}, first {first}", visible(tool), visible(agent));
            print(&format!("{head}\n  - {}\n  + {}\n", visible(was), visible(is)))?;
        }
        print(&format!("{affected} of {} calls are answered differently\n{}", counts.calls, counts.unknown()))?;
    }
    Ok(counts.exit(changes.is_empty()))
}

/// What a set says of a call, and by which policies.
fn said(decision: &Decision, fallback: Fallback) -> String {
    let held = decision.obligations().any(|one| matches!(one, Obligation::RequireApproval(_)));
    let word = match decision.outcome {
        Outcome::Permit if held => "permit after an approval",
        Outcome::Unmatched if fallback == Fallback::Allow => "none, which allows",
        Outcome::Unmatched => "none, which refuses",
        outcome => outcome.as_str(),
    };
    let by: Vec<&str> = decision.by.iter().map(|policy| policy.id.as_str()).collect();
    if by.is_empty() { word.to_owned() } else { format!("{word}, by {}", by.join(", ")) }
}

fn worker(folder: &Folder) -> Result<Worker> {
    Arc::new(folder.load()?).worker().map_err(|why| anyhow!(why))
}

fn whole(answer: &Answer) -> Value {
    let Answer { decision, by, code, reason, obligations, shadow, errors } = answer;
    json!({
        "decision": decision, "by": by, "code": code, "reason": reason, "obligations": obligations,
        "shadow": shadow.iter().map(|(id, would)| json!({"id": id, "would": would})).collect::<Vec<_>>(),
        "errors": errors.iter().map(|(id, message)| json!({"id": id, "message": message})).collect::<Vec<_>>(),
    })
}

/// An answer on one line, without what it has not.
fn line(answer: &Answer) -> String {
    let mut value = whole(answer);
    if let Value::Object(members) = &mut value {
        members.retain(|_, value| !value.is_null() && value != &json!([]));
    }
    visible(&value.to_string())
}
