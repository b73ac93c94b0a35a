//! `countersign evidence`: checking the record, with no server and no account.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use countersign_evidence::log::note::VerifierKey;
use serde_json::json;

use crate::exit::Exit;
use crate::output::Output;
use crate::replay::{Finding, receipt, replay};

/// How often progress is shown on a terminal.
const BEAT: Duration = Duration::from_millis(500);

/// Verify the record
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Verify a data directory, also beside a running server, or a receipt
    ///
    /// Exit code 0 is that everything verifies, 5 that something does not, and 3 that the record cannot be read.
    Verify {
        /// The data directory, or the file with the receipt
        path: PathBuf,
        /// The log's verifier key, one line of text; without it, that of the directory's own key
        #[arg(long, value_name = "KEY", value_parser = VerifierKey::parse)]
        vkey: Option<VerifierKey>,
    },
}

impl Evidence {
    pub fn run(self, output: Output) -> Result<Exit> {
        let Self::Verify { path, vkey } = self;
        let mut progress = Progress::default();
        let finding = if path.is_dir() {
            replay(&path, vkey.as_ref(), &mut |done, of| progress.show(done, of))
        } else {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()));
            bytes.and_then(|bytes| receipt(&bytes, vkey.as_ref()))
        };
        progress.clear();
        match finding? {
            Finding::Included { index, origin, size } => {
                let found = json!({ "verified": true, "index": index, "origin": origin, "size": size });
                output.done(&found, &format!("entry {index} of `{origin}`, in a tree of {size}, verified"))?;
                Ok(Exit::Done)
            }
            Finding::Unchecked { what } => {
                output.done(&json!({ "verified": false, "unchecked": what }), &what)?;
                Ok(Exit::Unverified)
            }
            Finding::Holds { entries, chains } => {
                let found = json!({ "verified": true, "entries": entries, "chains": chains });
                output.done(&found, &format!("{entries} entries, {chains} chains, verified"))?;
                Ok(Exit::Done)
            }
            Finding::Bad { position, fault } => {
                let found = json!({ "verified": false, "position": position, "fault": fault });
                output.done(&found, &format!("entry {position} does not verify: {fault}"))?;
                Ok(Exit::Unverified)
            }
        }
    }
}

/// A line on a terminal that says how far it is, once that takes a while.
struct Progress {
    last: Instant,
    is_shown: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { last: Instant::now(), is_shown: false }
    }
}

impl Progress {
    fn show(&mut self, done: u64, of: u64) {
        if self.last.elapsed() < BEAT || !std::io::stderr().is_terminal() {
            return;
        }
        self.last = Instant::now();
        self.is_shown = true;
        let _ = write!(std::io::stderr(), "\r{done} of {of} entries\u{1b}[K");
    }

    fn clear(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
