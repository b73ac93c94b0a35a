//! `countersign policy publish` and what belongs to it: an organisation's own policies on a server.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use countersign_policy::{Fault, Files, Severity};
use serde_json::{Value, json};

use crate::client::{Client, Reply, accept};
use crate::config::PolicyDefault;
use crate::exit::Exit;
use crate::output::{self, Field, Output, complain, print, visible};
use crate::policies::{Faults, Folder};

const PATH: &str = "/api/v1/policies";

const COLUMNS: &[Field] = &[
    ("version", "/number"),
    ("policies", "/summary/policies"),
    ("default", "/summary/default"),
    ("published", "/published_at"),
    ("by", "/by"),
    ("repeats", "/rolled_back_from"),
    ("set", "/summary/set"),
    ("note", "/note"),
];

/// Why, and on top of what.
#[derive(Debug, Args)]
pub struct About {
    /// Why, for those who read the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The last version you know of, 0 for none: where another is the last, nothing is published
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Publish {
    /// The folder
    #[arg(value_name = "DIR", default_value = "policies")]
    dir: PathBuf,
    /// What holds where no policy speaks of a call
    #[arg(long, value_name = "WORD", default_value = "deny")]
    default: PolicyDefault,
    #[command(flatten)]
    about: About,
    /// Only say what is wrong: nothing is published
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The number of the version
    number: u64,
    /// Show only what it changed from this version; 0 is no policies
    #[arg(long, value_name = "N")]
    against: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Rollback {
    /// The number of the version whose policies are to be in force again
    number: u64,
    #[command(flatten)]
    about: About,
}

impl Publish {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        let folder = Folder::read(&self.dir)?;
        if let Some(nothing) = folder.nothing() {
            bail!("{nothing}; `policy withdraw` takes away what was published, `stop add` stops every call");
        }
        let texts = folder.texts();
        let files = |all: Files| all.into_iter().map(|(file, text)| json!({ "file": file, "text": text }));
        let default = match self.default {
            PolicyDefault::Deny => "deny",
            PolicyDefault::Allow => "allow",
        };
        let body = json!({
            "policies": files(texts.policies).collect::<Vec<_>>(),
            "tools": files(texts.tools).collect::<Vec<_>>(),
            "cases": files(texts.cases).collect::<Vec<_>>(),
            "default": default,
            "note": self.about.note,
            "if_version": self.about.if_version,
            "dry_run": self.dry_run,
        });
        let answer = published(client.ask_to(PATH, &body)?)?;
        for warning in faults(&answer, "warnings") {
            complain("warning", visible(&warning.to_string()));
        }
        if answer.get("valid") == Some(&Value::Bool(false)) {
            return Err(Faults(faults(&answer, "faults")).into());
        }
        told(&answer, output)
    }
}

/// Lists the versions.
pub fn versions(client: &Client, output: Output) -> Result<Exit> {
    output.list(&client.get(&format!("{PATH}/versions"), &[])?, "/versions", COLUMNS)?;
    Ok(Exit::Done)
}

impl Show {
    pub fn run(&self, client: &Client, output: Output) -> Result<Exit> {
        let path = format!("{PATH}/versions/{}", self.number);
        if let Some(against) = self.against {
            let changes = client.get(&format!("{path}/diff"), &[("against", Some(against.to_string()))])?;
            if output.is_json() {
                output::json(&changes)?;
            } else {
                print(&difference(&changes))?;
            }
            return Ok(Exit::Done);
        }
        let version = client.get(&path, &[])?;
        output.one(&version, COLUMNS)?;
        if output.is_json() {
            return Ok(Exit::Done);
        }
        if version.get("summary").is_some() && version.get("texts").is_none() {
            bail!("the texts of version {} are no longer kept, only their digest is", self.number);
        }
        for file in list(&version, "/texts/policies") {
            print(&format!("\n// {}\n{}", visible(text(file, "file")), lines(text(file, "text"), "")))?;
        }
        Ok(Exit::Done)
    }
}

impl Rollback {
    pub fn run(&self, client: &Client, output: Output) -> Result<Exit> {
        let body = json!({ "note": self.about.note, "if_version": self.about.if_version });
        let path = format!("{PATH}/versions/{}/rollback", self.number);
        told(&published(client.ask_to(&path, &body)?)?, output)
    }
}

/// Takes the organisation's own policies away.
pub fn withdraw(about: About, client: &Client, output: Output) -> Result<Exit> {
    let query = [("note", about.note), ("if_version", about.if_version.map(|number| number.to_string()))];
    told(&client.delete_with(PATH, &query)?, output)
}

/// What was published. The error is what `policy check` says of a folder.
fn published(reply: Reply) -> Result<Value> {
    if reply.body.get("code").and_then(Value::as_str) == Some("policies_invalid") {
        return Err(Faults(faults(&reply.body, "faults")).into());
    }
    accept(reply)
}

fn faults(answer: &Value, member: &str) -> Vec<Fault> {
    let number = |fault: &Value, name: &str| {
        fault.get(name).and_then(Value::as_u64).and_then(|number| number.try_into().ok()).unwrap_or(1)
    };
    let read = |fault: &Value| Fault {
        severity: Severity::Error,
        file: text(fault, "file").to_owned(),
        line: number(fault, "line"),
        column: number(fault, "column"),
        message: text(fault, "message").to_owned(),
        help: fault.get("suggestion").and_then(Value::as_str).map(str::to_owned),
    };
    list(answer, &format!("/{member}")).iter().map(read).collect()
}

fn told(answer: &Value, output: Output) -> Result<Exit> {
    let number = answer.get("number").and_then(Value::as_u64);
    let said = match (number, answer.get("summary")) {
        (Some(number), Some(set)) => format!("version {number} is in force: {}", summary(set)),
        (Some(number), None) => format!("version {number} is in force: no policies but the operator's"),
        (None, set) => format!("valid, and not published: {}", set.map(summary).unwrap_or_default()),
    };
    output.done(answer, &said)?;
    Ok(Exit::Done)
}

fn summary(set: &Value) -> String {
    let count = |name: &str| set.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (policies, tools, cases) = (count("policies"), count("tools"), count("cases"));
    let (default, digest) = (text(set, "default"), text(set, "set"));
    format!("{policies} policies, {tools} tools and {cases} cases, where none speaks: {default}; {digest}")
}

/// What a version changed, for people.
fn difference(changes: &Value) -> String {
    let mut said = String::new();
    for (sign, member) in [("-", "/removed"), ("+", "/added"), ("~", "/changed")] {
        for policy in list(changes, member) {
            let _ = writeln!(said, "{sign} {}", visible(text(policy, "policy")));
            for (member, before) in [("text", sign), ("before", "-"), ("after", "+")] {
                said.push_str(&lines(text(policy, member), &format!("  {before} ")));
            }
        }
    }
    for file in list(changes, "/tools").iter().filter_map(Value::as_str) {
        let _ = writeln!(said, "~ {}", visible(file));
    }
    let default = |name: &str| changes.get(name).and_then(Value::as_str).unwrap_or("no policies");
    let (before, after) = (default("default_before"), default("default_after"));
    if before != after {
        let _ = writeln!(said, "where none speaks: {} became {}", visible(before), visible(after));
    }
    if said.is_empty() { "nothing changed\n".to_owned() } else { said }
}

/// Each line of `text` after `before`, without what acts on a terminal.
fn lines(text: &str, before: &str) -> String {
    let mut said = String::new();
    for line in text.lines() {
        let _ = writeln!(said, "{before}{}", visible(line));
    }
    said
}

fn list<'a>(value: &'a Value, at: &str) -> &'a [Value] {
    value.pointer(at).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
