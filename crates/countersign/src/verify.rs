//! Verifying evidence, whatever it is, with no server and no account.
//!
//! What is given is told apart by what it is, never by its name.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use countersign_engine::{Clock as _, SystemClock};
use countersign_evidence::log::note::VerifierKey;
use countersign_evidence::log::receipt::HEADER;

use crate::data_dir::database;
use crate::finding::Finding;
use crate::tlog::{Folder, Remote};

mod anchor;
mod bundle;
mod data_dir;
pub mod keys;
mod link;
mod receipt;
pub mod record;
mod tree;

pub use data_dir::log_key;
pub use link::{Linking, link};
pub use tree::compare;

use keys::LogKeys;
use record::{Judge, RecordTerms};

/// How much of a file tells what it is.
const BEGINNING: u64 = 512;
/// The longest receipt or record that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// What to verify evidence by.
#[derive(Debug, clap::Args)]
pub struct Terms {
    /// A log's verifier key, one line of text; or that of a witness that must have cosigned
    ///
    /// Without one, a data directory is verified by its own key, and of anything else it is said that who signed it
    /// is not known, with exit code 5.
    #[arg(long = "vkey", value_name = "KEY", value_parser = VerifierKey::parse)]
    vkeys: Vec<VerifierKey>,
    /// A checkpoint of the log that was kept from before: the log must have grown from it
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
    #[command(flatten)]
    record: RecordTerms,
}

/// Verifies what is at `what`: a path, or the URL of a log, which `api_key` opens.
pub fn verify(
    what: &str,
    terms: Terms,
    api_key: Option<String>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Finding> {
    let mut keys = LogKeys::new(terms.vkeys)?;
    let seen = terms.seen.as_deref();
    if is_url(what) {
        return tree::tree(&Remote::new(what, api_key)?, what, &mut keys, seen, progress);
    }
    let path = Path::new(what);
    if database(path).is_file() {
        return data_dir::replay(path, keys, seen, progress);
    }
    if Folder::is_at(path) {
        return tree::tree(&Folder::new(path), what, &mut keys, seen, progress);
    }
    if path.is_dir() {
        bail!("`{what}` is no data directory (`countersign.db`), and no copy of a log (`checkpoint` and `tile/`)");
    }
    if seen.is_some() {
        bail!("`--seen` is for logs: a URL, a copy of one, or a data directory");
    }
    let now = SystemClock::default().now();
    let mut file = File::open(path).with_context(|| format!("cannot read `{what}`"))?;
    let mut bytes = Vec::new();
    (&mut file).take(BEGINNING).read_to_end(&mut bytes).with_context(|| format!("cannot read `{what}`"))?;
    if bundle::is_tar(&bytes) {
        return bundle::bundle(path, &keys, &Judge::load(&terms.record, now)?);
    }
    file.take(LONGEST).read_to_end(&mut bytes).with_context(|| format!("cannot read `{what}`"))?;
    if bytes.starts_with(HEADER.as_bytes()) {
        return receipt::receipt(&bytes, &keys);
    }
    if let Some(record) = record::read(&bytes)? {
        return record::record(&record, &terms.record, &keys, now);
    }
    bail!(
        "`{what}` is nothing that can be verified: expected a bundle, a receipt (`{HEADER}`) or a TRACE record \
         (`eat_profile`)"
    )
}

/// Whether a log is to be fetched.
pub fn is_url(what: &str) -> bool {
    what.starts_with("http://") || what.starts_with("https://")
}
