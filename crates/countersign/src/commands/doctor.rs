//! `countersign doctor`: what is wrong, and what to do about it.

use std::path::PathBuf;

use anyhow::Result;

use crate::client::{Client, USUAL};
use crate::config::Config;
use crate::exit::Exit;
use crate::look;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[("", "/verdict"), ("looked at", "/what"), ("found", "/found"), ("what to do", "/do")];

/// Look for what is wrong with a server, a data directory or a configuration
///
/// Exit code 0 is that nothing has failed, 2 that something has.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// A data directory to look at
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A configuration file to look at, its data directory, and the server that it is for unless `--url` names another
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Doctor {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        let config = self.config.as_deref().map(Config::load);
        let configured = config.as_ref().and_then(|config| config.as_ref().ok()?.url());
        // Where a server was named, that one is meant.
        let other = configured.filter(|_| client.url() == USUAL).map(|url| client.of(&url));
        let client = other.as_ref().unwrap_or(client);
        let health = client.probe("/health");
        let mut looks = vec![look::server(client, &health)];
        if let Ok(reply) = &health {
            looks.push(look::key(client));
            looks.extend(look::policies(reply));
        }
        looks.push(look::clock(health.as_ref().ok()));
        looks.extend(config.iter().flat_map(|config| look::config(config.as_ref())));
        let configured = || config.and_then(Result::ok).map(|config| config.storage.data_dir);
        if let Some(dir) = self.data.or_else(configured) {
            looks.extend(look::data_dir(&dir));
        }
        let failed = looks.iter().any(look::Look::has_failed);
        output.list(&serde_json::json!({ "healthy": !failed, "checks": looks }), "/checks", COLUMNS)?;
        Ok(if failed { Exit::Denied } else { Exit::Done })
    }
}
