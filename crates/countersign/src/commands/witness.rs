//! `countersign witness`: remember what logs show, and cosign it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use countersign_evidence::log::note::VerifierKey;
use serde_json::json;

use crate::exit::Exit;
use crate::listen::{Address, bind};
use crate::logging::{self, LogFormat, LogLevel};
use crate::node;
use crate::output::print;
use crate::witness::memory::Memory;
use crate::witness::routes::routes;

/// How many threads answer requests: there are few.
const WORKERS: usize = 2;

/// Start a witness: it cosigns what logs show, as long as they only add to it
#[derive(Debug, clap::Args)]
pub struct Witness {
    /// Where to listen: an address, or `unix:PATH`; may be repeated
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: Vec<Address>,
    /// The folder that holds what it remembers, and its key; made on the first start
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A log's verifier key, as its server answers at `/log/vkey`; may be repeated, also for one log
    #[arg(long, value_name = "VKEY", required = true, num_args = 1.., value_parser = VerifierKey::parse)]
    log: Vec<VerifierKey>,
    /// What it is called in its key, such as `example.org/witness`; it stays as on the first start
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print one line of JSON when ready
    #[arg(long)]
    json: bool,
    /// How to write logs
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,
}

impl Witness {
    pub fn run(self) -> Result<Exit> {
        logging::start(self.log_format, LogLevel::Info);
        let memory = Arc::new(Memory::open(&self.data, self.name.as_deref(), self.log)?);
        let bound = bind(&self.listen)?;
        let stop = node::stop_signal()?;
        let vkey = memory.vkey().to_string();
        let greeting = if self.json {
            format!("{}\n", json!({ "vkey": vkey, "url": bound.urls.first(), "urls": bound.urls }))
        } else {
            format!("witness    {vkey}\nlistening  {}\n", bound.urls.join(", "))
        };
        print(&greeting)?;
        countersign_server::serve_routes(&routes(memory), &bound.listeners, WORKERS, &stop)
            .context("the witness stopped by itself")?;
        tracing::info!("stopped");
        Ok(Exit::Done)
    }
}
