//! `countersign config`: the configuration file, before a server reads it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::config::{self, Config as Settings};
use crate::exit::Exit;
use crate::output::{Output, complain, json, print};
use crate::tier::wire;

/// Check a configuration file, or print it, or its schema
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Say everything that is wrong with a file
    Check(File),
    /// Print what holds: the file, and the defaults for the rest; no secrets
    Show(File),
    /// Print the JSON Schema of the file
    Schema {
        /// Of what the Guardian's processes say to one another instead
        #[arg(long)]
        tiers: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct File {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "countersign.toml")]
    config: PathBuf,
}

impl Config {
    pub fn run(self, output: Output) -> Result<Exit> {
        match self {
            Self::Check(File { config }) => {
                let settings = Settings::load(&config)?;
                for warning in settings.warnings() {
                    complain("warning", warning);
                }
                output.done(&serde_json::json!({ "valid": true }), &format!("`{}` is valid", config.display()))?;
            }
            Self::Show(File { config }) => {
                let settings = Settings::load(&config)?;
                if output.is_json() { json(&settings)? } else { print(&toml::to_string(&settings)?)? }
            }
            Self::Schema { tiers: false } => json(&config::schema())?,
            Self::Schema { tiers: true } => json(&wire::schema())?,
        }
        Ok(Exit::Done)
    }
}
