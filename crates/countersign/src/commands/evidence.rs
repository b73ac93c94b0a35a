//! `countersign evidence`: checking the record, with no server and no account.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Subcommand;
use countersign_engine::{Clock as _, SystemClock};

use crate::archive::{Archive, Offline, Online};
use crate::bundle::{Bundling, bundle};
use crate::exit::Exit;
use crate::export::{Exporting, export};
use crate::mirror::{Copying, mirror};
use crate::output::Output;
use crate::verify::{Linking, Terms, link, log_key, verify};

/// How often progress is shown on a terminal.
const BEAT: Duration = Duration::from_millis(500);

/// Verify the record
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Verify evidence, whatever it is: a log, a bundle, a receipt or a TRACE record
    ///
    /// Exit code 0 is that everything verifies, 5 that something does not or could not be checked, and 3 that it
    /// cannot be read.
    Verify {
        /// A data directory (also beside a running server), a copy of a log in plain files, the URL of a log such as
        /// `https://host/log`, a bundle, a receipt, or a TRACE record
        #[arg(value_name = "PATH|URL")]
        what: String,
        #[command(flatten)]
        terms: Box<Terms>,
    },
    /// Copy a log to plain files, or bring a copy up to date, verifying it on the way
    ///
    /// The files are laid out as c2sp.org/tlog-tiles says: any web server can serve them, and `evidence verify`
    /// verifies them. A log that does not continue the copy is not copied, with exit code 5.
    Mirror(Copying),
    /// Take entries, OCSF events or TRACE records away
    Export {
        #[command(flatten)]
        what: Exporting,
        /// Read this data directory, also beside a running server, and ask no server
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Say whether two TRACE records speak of one session
    Link(Box<Linking>),
    /// Put what an auditor needs of a session, or of a stretch of time, into one file
    ///
    /// The file is a tar that verifies with no server: entries with their proofs, TRACE records, policies and keys.
    Bundle {
        #[command(flatten)]
        what: Bundling,
        /// Read this data directory, also beside a running server, and ask no server
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

impl Evidence {
    /// Runs it; `url` is the server that is asked where no data directory is given.
    pub fn run(self, url: &str, api_key: Option<String>, output: Output) -> Result<Exit> {
        let archive = |data: Option<PathBuf>, api_key| -> Result<Box<dyn Archive>> {
            Ok(match data {
                Some(dir) => Box::new(Offline::open(&dir, log_key(&dir)?)?),
                None => Box::new(Online::new(url, api_key)?),
            })
        };
        let mut progress = Progress::default();
        let mut show = |done, of| progress.show(done, of);
        let finding = match self {
            Self::Verify { what, terms } => verify(&what, *terms, api_key, &mut show),
            Self::Mirror(what) => mirror(what, api_key, &mut show),
            Self::Link(what) => link(&what, SystemClock::default().now()),
            Self::Bundle { what, data } => {
                bundle(&what, archive(data, api_key)?.as_ref(), SystemClock::default().now())
            }
            Self::Export { what, data } => match export(&what, archive(data, api_key)?.as_ref())? {
                Some(done) => Ok(done),
                None => return Ok(Exit::Done),
            },
        };
        progress.clear();
        finding?.print(output)
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
