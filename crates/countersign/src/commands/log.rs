//! `countersign log`: the transparency log, and the key it is signed with.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Subcommand;
use countersign_engine::RecordedKey;
use serde_json::json;

use crate::config::Config;
use crate::data_dir::{DataDir, database};
use crate::exit::Exit;
use crate::log_key::{KeyFile, Rotated};
use crate::logging::{self, LogFormat, LogLevel};
use crate::node::{self, explain};
use crate::output::Output;

/// Look at the transparency log, and change its key
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Replace the key that signs the log, while no server runs on the data directory
    ///
    /// The old key endorses the new one in an entry of the log, so that whoever trusts the old one can follow. What
    /// was interrupted is finished by running it again, or by the next start of the server.
    RotateKey(RotateKey),
}

/// Where the log is.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// The data directory of a server that is configured without `[evidence]`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Replace the key that signs the log
#[derive(Debug, clap::Args)]
pub struct RotateKey {
    #[command(flatten)]
    place: Place,
    /// Make the next key and print it, and change nothing yet: to give it to verifiers and witnesses beforehand
    #[arg(long)]
    prepare: bool,
}

impl Log {
    pub fn run(self, output: Output) -> Result<Exit> {
        match self {
            Self::RotateKey(command) => command.run(output),
        }
    }
}

impl RotateKey {
    fn run(self, output: Output) -> Result<Exit> {
        logging::start(LogFormat::Auto, LogLevel::Warn);
        let config = self.place.find()?;
        let (dir, evidence) = (&config.storage.data_dir, &config.evidence);
        if !database(dir).is_file() {
            bail!("`{}` is no data directory: expected a file `countersign.db` in it", dir.display());
        }
        let data = DataDir::open(dir)?;
        let opened = node::open(&data, &config)?;
        let engine = &opened.engine;
        let file = KeyFile::new(dir, evidence.key_file.as_deref());
        let recorded = RecordedKey::read(opened.store.as_ref()).map_err(|why| explain(&why, dir))?;
        let work = async {
            let settled = file.settle(engine, recorded, evidence.origin.as_deref(), false).await?;
            match &settled.recorded.previous {
                // Who runs it again after a crash wants this rotation, and no other.
                Some(previous) if settled.is_finished => {
                    let found = json!({ "vkey": settled.recorded.vkey.to_string(), "previous": previous });
                    output.done(&found, &said(&settled.recorded.vkey, None))
                }
                _ if self.prepare => {
                    let next = file.prepared(&settled)?.verifier().clone();
                    let found = json!({ "prepared": next.to_string(), "vkey": settled.recorded.vkey.to_string() });
                    output
                        .done(&found, &format!("{next} is prepared; run it again without `--prepare` to go over to it"))
                }
                _ => {
                    let Rotated { previous, signer, entry } = file.rotate(engine, settled).await?;
                    let vkey = signer.verifier().clone();
                    // What must be witnessed first is published by the server.
                    if evidence.witness_quorum == 0 {
                        node::publish_once(&opened, signer)?;
                    }
                    let found = json!({
                        "vkey": vkey.to_string(), "previous": previous.to_string(), "entry": entry,
                    });
                    output.done(&found, &said(&vkey, entry))
                }
            }
        };
        let done = node::runtime()?.block_on(work);
        engine.stop();
        done.map(|()| Exit::Done)
    }
}

fn said(vkey: &impl std::fmt::Display, entry: Option<u64>) -> String {
    let by = entry.map_or_else(String::new, |entry| format!(", as entry {entry} says"));
    format!("the log is signed with {vkey} from now on{by}; tell its witnesses")
}

impl Place {
    fn find(&self) -> Result<Config> {
        match (&self.config, &self.data) {
            (Some(file), _) => Ok(Config::load(file)?),
            (None, Some(dir)) => Ok(Config::of(dir.clone())),
            (None, None) => bail!("name the data directory with `--data`, or the configuration with `--config`"),
        }
    }
}
