//! `countersign version`, `openapi` and `completions`: what this program is.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;
use countersign_evidence::entry::FORMAT;

use crate::exit::Exit;
use crate::output::{Output, json, print};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run<C: CommandFactory>(self) -> Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut C::command(), "countersign", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}

/// Prints the OpenAPI document.
pub fn openapi() -> Result<Exit> {
    print(&format!("{}\n", countersign_server::openapi_json(&[]).trim_end()))?;
    Ok(Exit::Done)
}

/// Prints the version, and the format of the entries it writes.
pub fn version(output: Output) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    if output.is_json() {
        json(&serde_json::json!({ "version": version, "entry_format": FORMAT }))?;
    } else {
        print(&format!("countersign {version} (entries {FORMAT})\n"))?;
    }
    Ok(Exit::Done)
}
