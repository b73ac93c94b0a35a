//! Replaying a data directory's record, from its first entry to its last.
//!
//! Every entry names the digest of what came before it in its chain, so a
//! change to any but the last of a chain shows in the next one. The last ones,
//! and entries that were cut off the end, show in the checkpoint: where the
//! chains stood when the server last noted it down.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Result, bail};
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::entry::Entry;
use countersign_evidence::verify::Verifier;
use countersign_store::{Checkpoint, Ledger, SqliteStore, StoreError};

use crate::data_dir::database;
use crate::node::explain;

/// How many entries are read at once.
const CHUNK: usize = 1024;

/// What a record turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every entry verifies.
    Holds {
        /// How many entries.
        entries: u64,
        /// In how many chains.
        chains: usize,
    },
    /// An entry does not; it is the first.
    Bad {
        /// Where it stands, counting from 0.
        position: u64,
        /// What is wrong with it.
        fault: String,
    },
}

/// Replays the record in the data directory `dir`, also beside a server that
/// is running. `progress` hears how many entries of how many are done.
pub fn replay(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Finding> {
    let database = database(dir);
    if !database.is_file() {
        bail!("`{}` is no data directory: expected a file `countersign.db` in it", dir.display());
    }
    let explain = |why: StoreError| explain(&why, dir);
    let ledger = SqliteStore::open_read_only(&database).map_err(explain)?;
    // The checkpoint is read before the length, so that it never covers more.
    let checkpoint = ledger.checkpoint(usize::MAX).map_err(explain)?;
    let length = ledger.length().map_err(explain)?;

    let mut verifier = Verifier::new();
    let mut chunk = CHUNK;
    while verifier.entries() < length {
        let position = verifier.entries();
        let next_stop = if position < checkpoint.position { checkpoint.position.min(length) } else { length };
        let wanted = usize::try_from(next_stop - position).unwrap_or(chunk).min(chunk);
        let entries = match ledger.read(position, wanted) {
            Ok(entries) => entries,
            // Something in these is broken: go on one by one, up to it.
            Err(StoreError::Corrupt(_)) if wanted > 1 => {
                chunk = 1;
                continue;
            }
            Err(StoreError::Corrupt(fault)) => return Ok(Finding::Bad { position, fault }),
            Err(why) => return Err(explain(why)),
        };
        for bytes in &entries {
            if let Err(bad) = verifier.push(bytes) {
                return Ok(Finding::Bad { position: bad.position, fault: bad.fault.to_string() });
            }
        }
        if verifier.entries() == checkpoint.position
            && let Some(bad) = differs(&checkpoint, &verifier, &ledger).map_err(explain)?
        {
            return Ok(bad);
        }
        progress(verifier.entries(), length);
    }
    let entries = verifier.entries();
    if entries < checkpoint.position {
        let fault = format!("missing: {} entries were recorded, and {entries} are there", checkpoint.position);
        return Ok(Finding::Bad { position: entries, fault });
    }
    Ok(Finding::Holds { entries, chains: verifier.chains().count() })
}

/// The first chain that does not stand where the checkpoint says, by its last entry.
fn differs(checkpoint: &Checkpoint, verifier: &Verifier, ledger: &dyn Ledger) -> Result<Option<Finding>, StoreError> {
    let replayed: HashMap<&ChainId, &Chain> = verifier.chains().collect();
    let noted: HashMap<&ChainId, &Chain> = checkpoint.chains.iter().map(|(id, chain)| (id, chain)).collect();
    let wrong: HashSet<&str> = replayed
        .keys()
        .chain(noted.keys())
        .filter(|id| replayed.get(*id) != noted.get(*id))
        .map(|id| id.as_str())
        .collect();
    if wrong.is_empty() {
        return Ok(None);
    }
    let mut last: HashMap<String, u64> = HashMap::new();
    for position in 0..checkpoint.position {
        let entry = ledger.read(position, 1)?;
        let Some(Ok(entry)) = entry.first().map(|bytes| Entry::read(bytes)) else { continue };
        if wrong.contains(entry.chain.id) {
            last.insert(entry.chain.id.to_owned(), position);
        }
    }
    let (position, chain) = match last.into_iter().map(|(id, position)| (position, id)).min() {
        Some(found) => found,
        None => (checkpoint.position, wrong.iter().min().map(|id| (*id).to_owned()).unwrap_or_default()),
    };
    let fault = format!("changed: it ends chain `{chain}` otherwise than the checkpoint says");
    Ok(Some(Finding::Bad { position, fault }))
}
