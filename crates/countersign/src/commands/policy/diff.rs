//! `countersign policy diff`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use countersign_policy::Worker;
use countersign_policy::cases::Answer;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{Output, json, print, visible};
use crate::policies::Folder;

/// Say which cases two folders of policies answer differently
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all answers are the same, 2 some differ, 3 something cannot be read")]
pub struct Diff {
    /// The policies that hold
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The policies that shall hold
    #[arg(value_name = "B")]
    after: PathBuf,
    /// A folder whose `cases/*.yaml` are asked; A and B where it is left out
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

impl Diff {
    pub fn run(self, output: Output) -> Result<Exit> {
        let (before, after) = (Folder::read(&self.before)?, Folder::read(&self.after)?);
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
