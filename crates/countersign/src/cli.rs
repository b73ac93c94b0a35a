//! The command line: what there is to run, and what its exit code says.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::client::{Client, USUAL};
use crate::commands::{
    about, agent, approval, check, config, decision, dev, doctor, evidence, key, log, org, policy, serve, session,
    stop, token, trace, witness,
};
use crate::exit::Exit;
use crate::output::{Format, Output, complain};

/// Decides, before it happens, whether an AI agent may do a thing, and records the decision
#[derive(Debug, Parser)]
#[command(name = "countersign", version)]
#[command(after_help = "Exit codes: 0 done or allowed, 2 denied, 3 invalid, 4 needs approval, 5 does not verify, \
                        6 no solver")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Global {
    /// The server that client commands ask
    #[arg(long, global = true, env = "COUNTERSIGN_URL", default_value = USUAL, value_name = "URL")]
    url: String,
    /// The key that client commands show; better given by the environment, where no other user sees it
    #[arg(long, global = true, env = "COUNTERSIGN_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,
    /// How to print what was found
    #[arg(short, long, global = true, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server for development on this machine, with a demo organisation
    Dev(dev::Dev),
    /// Start a server from a configuration file
    Serve(serve::Serve),
    /// Ask whether an agent may use a tool now
    Check(check::Check),
    /// Look at recorded decisions
    #[command(subcommand)]
    Decision(decision::Decision),
    /// Register, stop and look at agents
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Look at sessions and close them
    #[command(subcommand)]
    Session(session::Session),
    /// Say yes or no to what agents want to do
    #[command(subcommand)]
    Approval(approval::Approval),
    /// Issue, examine and revoke access tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Make and revoke API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Look at organisations and create them
    #[command(subcommand)]
    Org(org::Org),
    /// Stop a tool, or everything, at once
    #[command(subcommand)]
    Stop(stop::Stop),
    /// Fetch Trust Records, and revoke the keys that sign them
    #[command(subcommand)]
    Trace(trace::Trace),
    /// Verify the record
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// Look at the transparency log, and change its key
    #[command(subcommand)]
    Log(log::Log),
    /// Start a witness of other servers' logs
    Witness(witness::Witness),
    /// Check, test, explain and publish policies
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Check a configuration file, or print it, or its schema
    #[command(subcommand)]
    Config(config::Config),
    /// Look for what is wrong with a server, a data directory or a configuration
    Doctor(doctor::Doctor),
    /// Print completions for a shell
    Completions(about::Completions),
    /// Print the OpenAPI document
    Openapi,
    /// Print the version
    Version,
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => cli.run().unwrap_or_else(|why| {
            complain("error", format_args!("{why:#}"));
            Exit::Invalid
        }),
        Err(usage) => {
            let exit = if usage.use_stderr() { Exit::Invalid } else { Exit::Done };
            // Where not even this can be printed, the exit code is all there is.
            let _ = usage.print();
            exit
        }
    };
    ExitCode::from(exit as u8)
}

impl Cli {
    fn run(self) -> Result<Exit> {
        let Global { url, api_key, output } = self.global;
        let output = Output::new(output);
        let client = || Client::new(&url, api_key.clone());
        match self.command {
            Command::Dev(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Check(command) => command.run(&client()?, output),
            Command::Decision(command) => command.run(&client()?, output),
            Command::Agent(command) => command.run(&client()?, output),
            Command::Session(command) => command.run(&client()?, output),
            Command::Approval(command) => command.run(&client()?, output),
            Command::Token(command) => command.run(&client()?, output),
            Command::Key(command) => command.run(&client()?, output),
            Command::Org(command) => command.run(&client()?, output),
            Command::Stop(command) => command.run(&client()?, output),
            Command::Trace(command) => command.run(&client()?),
            Command::Log(command) => command.run(output),
            Command::Witness(command) => command.run(),
            Command::Evidence(command) => command.run(&url, api_key, output),
            Command::Policy(command) => command.run(client, output),
            Command::Config(command) => command.run(output),
            Command::Doctor(command) => command.run(&client()?, output),
            Command::Completions(command) => command.run::<Self>(),
            Command::Openapi => about::openapi(),
            Command::Version => about::version(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
