//! The policies of other engines, turned into Cedar.
//!
//! [`import`] reads a document, says of each construct what the source makes of it and
//! what became of it, writes policies, the tools they need and cases, and asks an
//! evaluation of the source and the policies the same requests. It claims that both
//! answer alike for what was asked, and nothing else. Nothing here reads a file or a clock.

mod acs;
mod cedar;
mod finding;
mod glob;
mod govern;
mod lower;
mod prove;
mod quote;
mod rule;
mod tools;
mod v4;
#[cfg(test)]
mod vectors;
mod yaml;

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use countersign_policy::{PolicySet, Source, Tools, format};

use crate::finding::Findings;
use crate::lower::{Cond, Subject, Unwritten};
use crate::prove::Call;
use crate::tools::World;

pub use acs::{Beside, Manifest, import_acs, resolve};
pub use finding::{Finding, Severity};
pub use govern::Strategy;
pub use prove::{Difference, Proof};
pub use rule::Verdict;

/// The kinds of documents that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AGT's `govern()` YAML.
    AgtGovern,
    /// AGT's rule documents, versions 1 to 4.
    AgtV4,
}

/// What is imported, and for which tools.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What kind of document it is.
    pub kind: Kind,
    /// What to call the file in findings.
    pub file: &'a str,
    /// The server of the tools: `send_email` becomes `SERVER/send_email`.
    pub server: &'a str,
    /// What that server answers to MCP `tools/list`.
    pub tools: Option<&'a str>,
    /// How the source resolves rules that disagree.
    pub strategy: Strategy,
    /// How many requests to ask both.
    pub prove: usize,
}

/// What became of a document.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The policies, as Cedar.
    pub policies: String,
    /// The declaration of the tools, for `tools/SERVER.json`, where a policy needs one.
    pub tools: Option<String>,
    /// Cases that pin what was meant, as YAML.
    pub cases: String,
    /// What there is to say, by line.
    pub findings: Vec<Finding>,
    /// How many rules the document has, of a manifest how many intervention points, and how
    /// many of them are in the policies.
    pub rules: (usize, usize),
    /// What was asked of both.
    pub proof: Proof,
    /// Rego beside the policies: name and text.
    pub rego: Vec<(String, String)>,
}

impl Imported {
    /// What was written in the source and is not in the policies.
    pub fn missing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity.is_missing())
    }
}

/// Why there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for Unreadable {}

/// The source, to be asked.
pub(crate) enum Engine {
    Govern(govern::oracle::Engine),
    V4(v4::oracle::Engine),
}

impl Engine {
    pub(crate) fn decide(&self, kept: &dyn Fn(usize) -> bool, call: Call<'_>) -> (Verdict, Option<usize>) {
        match self {
            Self::Govern(engine) => engine.decide(kept, call),
            Self::V4(engine) => engine.decide(kept, call),
        }
    }
}

/// Reads `text`, writes policies and asks both.
///
/// The error is why the source would not load the document either, or why the options
/// do not fit it.
pub fn import(text: &str, options: &Options<'_>) -> Result<Imported, Unreadable> {
    let unreadable = |(line, message)| Unreadable { file: options.file.to_owned(), line, message };
    let root = yaml::read(text).map_err(unreadable)?;
    let mut findings = Findings::of(options.file);
    let all = root.get("rules").and_then(yaml::Node::items).map_or(0, <[_]>::len);
    let (mut document, engine) = match options.kind {
        Kind::AgtGovern => {
            let (document, engine) = govern::read(&root, options.strategy, &mut findings).map_err(unreadable)?;
            (document, Engine::Govern(engine))
        }
        Kind::AgtV4 => {
            let (document, engine) = v4::read(&root, &mut findings).map_err(unreadable)?;
            (document, Engine::V4(engine))
        }
    };
    let world = World::new(&document, options.server, options.tools).map_err(|why| unreadable((1, why)))?;
    let mut rows = Vec::new();
    let mut refuse_others = false;
    document.rules.retain(|rule| match row(&world, rule, &mut findings) {
        Some((row, others)) => {
            refuse_others |= others;
            rows.push(row);
            true
        }
        None => false,
    });
    let carried = (all, document.rules.len());
    if refuse_others {
        for row in &mut rows {
            row.truncate(world.known.len());
        }
    }
    let planned = cedar::plan(&document, &rows, &world);
    let needs_tools = rows.iter().flatten().any(|cond| !cond.leaves().is_empty());
    let tools = needs_tools.then(|| options.tools.map_or_else(|| format!("{:#}\n", world.listing()), str::to_owned));
    let mut policies: String = planned.iter().map(|planned| planned.text(&document, &world) + "\n").collect();
    if refuse_others {
        policies.push_str(&cedar::undeclared(&document, &world));
        findings.add(
            Severity::Changed,
            1,
            "rules read arguments of whichever tool is called",
            "they hold for the declared tools; other tools of the server are refused",
        );
    }
    let set = load(&policies, tools.as_deref(), options.server).map_err(|why| unreadable((1, why)))?;
    let mut worker = Arc::new(set).worker().map_err(|why| unreadable((1, why)))?;
    let numbers: Vec<usize> = document.rules.iter().map(|rule| rule.number).collect();
    let kept = |number: usize| numbers.contains(&number);
    let (rows, world, planned, document, engine) = (&rows, &world, &planned, &document, &engine);
    let question = prove::Question { document, rows, world, planned, engine, kept: &kept };
    let (proof, cases) = question.ask(&mut worker, options.prove);
    let findings = findings.sorted();
    let policies = head(options, &findings, &proof) + &policies;
    let policies = format(Source { file: "imported", text: &policies }).unwrap_or(policies);
    Ok(Imported { policies, tools, cases, findings, rules: carried, proof, rego: Vec::new() })
}

/// What `rule` says of each tool, and whether it reads arguments of tools that are not declared.
/// `None`: it cannot be carried.
fn row(world: &World, rule: &rule::Rule, findings: &mut Findings) -> Option<(cedar::Row, bool)> {
    let mut row = Vec::new();
    for name in &world.known {
        match lower::lower(world, Subject::Known(name), &rule.when) {
            Ok(cond) => row.push(cond),
            Err(why) => {
                lost(rule, &why, findings);
                return None;
            }
        }
    }
    match lower::lower(world, Subject::Other, &rule.when) {
        Ok(cond) => row.push(cond),
        Err(Unwritten::OtherTools) if world.is_declared() => {
            row.push(Cond::Const(false));
            return Some((row, true));
        }
        Err(why) => {
            lost(rule, &why, findings);
            return None;
        }
    }
    Some((row, false))
}

fn lost(rule: &rule::Rule, why: &Unwritten, findings: &mut Findings) {
    let (message, done) = match why {
        Unwritten::OtherTools => (
            format!("rule `{}` reads arguments of whichever tool is called", rule.name),
            "left out: say with `--tools` which tools there are, or name them in the condition",
        ),
        Unwritten::Because(why) => (format!("rule `{}`: {why}", rule.name), "left out"),
    };
    findings.add(Severity::Lost, rule.line, message, done);
}

fn load(policies: &str, tools: Option<&str>, server: &str) -> Result<PolicySet, String> {
    let mut declared = Tools::default();
    if let Some(text) = tools {
        declared.declare(server, Source { file: "tools", text }).map_err(|fault| fault.to_string())?;
    }
    PolicySet::load(&[Source { file: "imported", text: policies }], declared).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("what was made of it is not valid: {}", lines.join("; "))
    })
}

/// What a reader of the policies must know: where they come from and what is missing.
fn head(options: &Options<'_>, findings: &[Finding], proof: &Proof) -> String {
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let mut text = format!("// Imported from {}. Where no policy speaks of a call it must be\n", plain(options.file));
    text.push_str("// refused: `policy.default` is \"deny\" where nothing else is set.\n");
    if proof.asked > 0 && proof.difference.is_none() {
        let _ = writeln!(text, "// {} requests were answered as the source answers them.", proof.asked);
    }
    let missing: Vec<_> = findings.iter().filter(|finding| finding.severity.is_missing()).collect();
    if !missing.is_empty() {
        text.push_str("//\n// MISSING, of what the source says:\n");
    }
    for finding in missing {
        let _ = writeln!(text, "// {}", plain(&finding.to_string()));
    }
    text.push('\n');
    text
}
