//! `countersign policy`: policies in a folder, before a server reads them, and published to one.

mod diff;
mod explain;
mod fmt;
mod import;
mod prove;
mod publish;
mod record;
mod simulate;
mod test;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use countersign_policy::{Source, Tools};
use serde_json::json;

use crate::client::Client;
use crate::exit::Exit;
use crate::nearest::nearest;
use crate::output::{Output, complain, print, visible};
use crate::policies::{Faults, Folder};

/// Check, test, explain and publish policies
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Say everything that is wrong with the policies of a folder
    Check(Dir),
    /// Write policies the way everybody writes them
    Fmt(fmt::Fmt),
    /// Run the cases of a folder against its policies
    Test(test::Test),
    /// Say which policies could apply to a request, which decide, and why
    Explain(explain::Explain),
    /// Say which cases, or which recorded calls, two folders of policies answer differently
    Diff(diff::Diff),
    /// Say which decisions of the record would have been others
    Simulate(simulate::Simulate),
    /// Prove what no request can get past the policies of a folder, or show a request that does
    Prove(prove::Prove),
    /// Turn the policies of another engine into Cedar, and say what they never did
    Import(import::Import),
    /// Put the policies of a folder in force for the organisation, as its next version
    Publish(publish::Publish),
    /// List what the organisation published, last first
    Versions,
    /// Show a version, or what it changed
    Show(publish::Show),
    /// Put the policies of an earlier version in force again, as the next version
    Rollback(publish::Rollback),
    /// Take the organisation's policies away, as the next version; the operator's stay
    Withdraw(publish::About),
    /// Print the Cedar schema: what a policy may speak of
    Schema(Schema),
}

#[derive(Debug, clap::Args)]
pub struct Dir {
    /// The folder
    #[arg(value_name = "DIR", default_value = "policies")]
    dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Schema {
    /// What an MCP server answers to `tools/list`; its tools become actions with typed arguments
    #[arg(value_name = "FILE", requires = "server")]
    tools: Option<PathBuf>,
    /// What the server is called: the part of its tools' names before the `/`
    #[arg(long, value_name = "NAME", requires = "tools")]
    server: Option<String>,
}

impl Policy {
    /// Runs it; `client` is who asks the server, where one is asked.
    pub fn run(self, client: impl FnOnce() -> Result<Client>, output: Output) -> Result<Exit> {
        match self {
            Self::Check(Dir { dir }) => check(&Folder::read(&dir)?, output),
            Self::Fmt(command) => command.run(),
            Self::Test(command) => command.run(output),
            Self::Explain(command) => command.run(output),
            Self::Diff(command) => command.run(output),
            Self::Simulate(command) => command.run(output),
            Self::Prove(command) => command.run(output),
            Self::Import(command) => command.run(output),
            Self::Publish(command) => command.run(&client()?, output),
            Self::Versions => publish::versions(&client()?, output),
            Self::Show(command) => command.run(&client()?, output),
            Self::Rollback(command) => command.run(&client()?, output),
            Self::Withdraw(about) => publish::withdraw(about, &client()?, output),
            Self::Schema(command) => command.run(),
        }
    }
}

fn check(folder: &Folder, output: Output) -> Result<Exit> {
    let set = folder.load()?;
    let cases = folder.cases()?;
    folder.invariants(set.tools())?;
    for warning in set.warnings() {
        complain("warning", warning);
    }
    if let Some(nothing) = folder.nothing() {
        complain("warning", nothing);
    }
    let (policies, tools, cases) = (set.policies().len(), set.tools().iter().count(), cases.len());
    let digest = set.digest().to_string();
    let said = format!("{policies} policies, {tools} tools and {cases} cases are valid: {digest}");
    let answer = json!({"valid": true, "policies": policies, "tools": tools, "cases": cases, "digest": digest});
    output.done(&answer, &said)?;
    Ok(Exit::Done)
}

/// Warns of a tool that is not declared though others of its server are: no policy about a declared one applies.
fn warn_of_undeclared(tools: &Tools, place: &str, tool: &str) {
    let Some((server, _)) = tool.split_once('/') else { return };
    let names = tools.iter().map(|(name, _)| name);
    let others: Vec<String> =
        names.filter(|name| name.split_once('/').is_some_and(|(of, _)| of == server)).map(str::to_owned).collect();
    if others.is_empty() || tools.get(tool).is_some() {
        return;
    }
    let meant = nearest(tool, &others).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    complain("warning", visible(&format!("{place}: `tools/{server}.json` does not declare `{tool}`{meant}")));
}

impl Schema {
    fn run(self) -> Result<Exit> {
        let mut tools = Tools::default();
        if let (Some(server), Some(path)) = (&self.server, &self.tools) {
            let file = path.display().to_string();
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{file}`"))?;
            let source = Source { file: &file, text: &text };
            tools.declare(server, source).map_err(|fault| Faults(vec![fault]))?;
            for argument in tools.untyped() {
                complain("warning", format_args!("`{argument}` has no type that Cedar has: no policy can name it"));
            }
        }
        print(&countersign_policy::schema(&tools))?;
        Ok(Exit::Done)
    }
}
