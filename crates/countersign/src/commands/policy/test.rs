//! `countersign policy test`.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_policy::cases::{Report, junit, run};
use serde_json::json;

use crate::exit::Exit;
use crate::output::{Output, complain, json, print, visible};
use crate::policies::Folder;

/// Run the cases of a folder against its policies
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all cases hold, 2 a case fails or a policy has none, 3 something cannot be read")]
pub struct Test {
    /// The folder
    #[arg(value_name = "DIR", default_value = "policies")]
    dir: PathBuf,
    /// Write a report in the format of `JUnit` here
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Fail if a policy applies in no case
    #[arg(long)]
    require_coverage: bool,
}

impl Test {
    pub fn run(self, output: Output) -> Result<Exit> {
        let folder = Folder::read(&self.dir)?;
        let set = Arc::new(folder.load()?);
        let cases = folder.cases()?;
        if cases.is_empty() {
            bail!("`{}` has no cases: expected lists of them in `cases/*.yaml`", self.dir.display());
        }
        for (file, case) in &cases {
            let question = case.question();
            super::warn_of_undeclared(set.tools(), &format!("{file}: {}", case.name), question.request().tool);
        }
        let mut worker = set.worker().map_err(|why| anyhow!(why))?;
        let report = run(&mut worker, cases.iter().map(|(file, case)| (*file, case)));
        if let Some(path) = &self.junit {
            let text = junit(&self.dir.display().to_string(), &report);
            fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        let policies = set.policies().len();
        let printed = if output.is_json() { print_json(&report, policies) } else { print_table(&report, policies) };
        printed?;
        let uncovered = self.require_coverage && !report.unexercised.is_empty();
        Ok(if report.failed() > 0 || uncovered { Exit::Denied } else { Exit::Done })
    }
}

fn print_table(report: &Report, policies: usize) -> Result<()> {
    for case in report.cases.iter().filter(|case| !case.differences.is_empty()) {
        print(&format!("FAILED  {}: {}\n", visible(&case.file), visible(&case.name)))?;
        for difference in &case.differences {
            print(&format!("        {}\n", visible(difference)))?;
        }
    }
    for policy in &report.unexercised {
        complain("warning", format_args!("`{policy}` applies in no case"));
    }
    let held = report.cases.len() - report.failed();
    let exercised = policies - report.unexercised.len();
    print(&format!("{held} of {} cases hold; {exercised} of {policies} policies applied\n", report.cases.len()))
}

fn print_json(report: &Report, policies: usize) -> Result<()> {
    let cases = report.cases.iter();
    let cases = cases.map(|case| json!({"file": case.file, "name": case.name, "differences": case.differences}));
    json(&json!({
        "cases": cases.collect::<Vec<_>>(),
        "failed": report.failed(),
        "policies": policies,
        "unexercised": report.unexercised,
    }))
}
