//! `countersign policy explain`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use countersign_policy::cases::question;
use countersign_policy::{Decision, Outcome, Policy, Source, Trace};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{Output, json, print, visible};
use crate::policies::{Faults, Folder};

/// Say which policies could apply to a request, which decide, and why
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The folder
    #[arg(value_name = "DIR", default_value = "policies")]
    dir: PathBuf,
    /// The request: a case without `name` and `then`, YAML or JSON
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

impl Explain {
    pub fn run(self, output: Output) -> Result<Exit> {
        let file = self.request.display().to_string();
        let text = fs::read_to_string(&self.request).with_context(|| format!("cannot read `{file}`"))?;
        let question = question(Source { file: &file, text: &text }).map_err(|fault| Faults(vec![fault]))?;
        let set = Arc::new(Folder::read(&self.dir)?.load()?);
        super::warn_of_undeclared(set.tools(), &file, question.request().tool);
        let mut worker = set.worker().map_err(|why| anyhow!(why))?;
        let trace = worker.trace(&question.request());
        let printed = if output.is_json() { json(&as_json(&trace)) } else { print(&in_words(&trace)) };
        printed?;
        Ok(Exit::Done)
    }
}

fn as_json(trace: &Trace) -> Value {
    let candidate = |(policy, outcome): &(Arc<Policy>, Outcome)| {
        json!({
            "id": policy.id, "file": policy.file, "line": policy.line, "shadow": policy.shadow, "says": outcome.as_str(),
        })
    };
    let decision = &trace.decision;
    let errors = decision.errors.iter().map(|error| json!({"id": error.policy.id, "message": error.message}));
    json!({
        "decision": decision.outcome.as_str(),
        "by": decision.by.iter().map(|policy| &policy.id).collect::<Vec<_>>(),
        "code": decision.code(),
        "reason": decision.reason(),
        "obligations": decision.obligations().collect::<Vec<_>>(),
        "errors": errors.collect::<Vec<_>>(),
        "candidates": trace.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "policies": trace.total,
    })
}

fn in_words(trace: &Trace) -> String {
    let Trace { decision, candidates, total } = trace;
    let mut text = format!("{}\n", why(decision));
    for (name, value) in [("code", decision.code()), ("reason", decision.reason())] {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name}: {}", visible(value));
        }
    }
    for obligation in decision.obligations() {
        let _ = writeln!(text, "  must be done: {}", visible(&json!(obligation).to_string()));
    }
    let _ = writeln!(text, "\n{} of {total} policies could apply, judged by their heads:", candidates.len());
    for (policy, outcome) in candidates {
        let says = match outcome {
            Outcome::Permit => "permits",
            Outcome::Forbid => "forbids",
            Outcome::Failed => "fails",
            Outcome::Hold => "wants a human asked",
            Outcome::Unmatched => "does not apply: its conditions do not hold",
        };
        let shadow = if policy.shadow { " (shadow: decides nothing)" } else { "" };
        let _ = writeln!(text, "  {} {says}{shadow}  {}:{}", policy.id, visible(&policy.file), policy.line);
        let failed = decision.errors.iter().find(|error| error.policy.id == policy.id);
        if let Some(error) = failed {
            let _ = writeln!(text, "    {}", visible(&error.message));
        }
    }
    text
}

fn why(decision: &Decision) -> String {
    let ids: Vec<String> = decision.by.iter().map(|policy| format!("`{}`", policy.id)).collect();
    let ids = ids.join(", ");
    match decision.outcome {
        Outcome::Permit => format!("permit: {ids} permits it, nothing forbids it, and no policy failed"),
        Outcome::Forbid => format!("forbid: {ids} forbids it, and a forbid beats every permit"),
        Outcome::Failed => format!("error: {ids} failed, and what cannot be evaluated is refused"),
        Outcome::Hold => {
            format!(
                "hold: {ids} wants a human asked, and no policy permits it; the organisation's setting for that holds"
            )
        }
        Outcome::Unmatched => "none: no policy speaks of it; the organisation's setting for that holds".to_owned(),
    }
}
