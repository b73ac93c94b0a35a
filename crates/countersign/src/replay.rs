//! Replaying a data directory's record, from its first entry to its last.
//!
//! Every entry names the digest of what came before it in its chain, so a
//! change to any but the last of a chain shows in the next one. The last ones,
//! and entries that were cut off the end, show in the checkpoint: where the
//! chains stood when the server last noted it down.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::entry::Entry;
use countersign_evidence::log::checkpoint::{Checkpoint as Checkpointed, Trust};
use countersign_evidence::log::merkle::{Frontier, TreeHead, leaf_hash};
use countersign_evidence::log::note::{Algorithm, KeyName, Note, VerifierKey};
use countersign_evidence::log::proof::verify_inclusion;
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::verify::Verifier;
use countersign_store::{Checkpoint, Ledger, SqliteStore, SqliteTiles, StoreError, Tiles as _};
use ed25519_dalek::SigningKey;

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
    /// A receipt shows that its entry is in a log.
    Included {
        /// How many entries come before it.
        index: u64,
        /// The log.
        origin: String,
        /// How many entries the log had.
        size: u64,
    },
    /// Everything that could be checked holds, and a signature could not be.
    Unchecked {
        /// What could not be checked, and what to give.
        what: String,
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
pub fn replay(dir: &Path, key: Option<&VerifierKey>, progress: &mut dyn FnMut(u64, u64)) -> Result<Finding> {
    let database = database(dir);
    if !database.is_file() {
        bail!("`{}` is no data directory: expected a file `countersign.db` in it", dir.display());
    }
    let explain = |why: StoreError| explain(&why, dir);
    let ledger = SqliteStore::open_read_only(&database).map_err(explain)?;
    // The checkpoint is read before the length, so that it never covers more.
    let checkpoint = ledger.checkpoint(usize::MAX).map_err(explain)?;
    let published = published(dir)?;
    let mut tree = Frontier::new();
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
            tree.append(leaf_hash(bytes));
            if let Some((head, _)) =
                published.as_ref().filter(|(head, _)| head.size == tree.size() && *head != tree.head())
            {
                let fault = format!("the first {} entries are not those that were published", head.size);
                return Ok(Finding::Bad { position: verifier.entries() - 1, fault });
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
    if let Some((head, note)) = published {
        if head.size > entries {
            let fault = format!("missing: {} entries were published, and {entries} are there", head.size);
            return Ok(Finding::Bad { position: entries, fault });
        }
        let own = own_key(dir, &note);
        let Some(key) = key.cloned().or(own) else {
            return Ok(Finding::Unchecked {
                what: format!("{entries} entries hold, but not who published them: {NO_KEY}"),
            });
        };
        if let Err(why) = Trust::in_key(key).open(&note) {
            return Ok(Finding::Bad { position: head.size, fault: format!("its checkpoint: {why}") });
        }
    }
    Ok(Finding::Holds { entries, chains: verifier.chains().count() })
}

const NO_KEY: &str = "give the log's verifier key with `--vkey`, from someone other than who gave you this";

/// The last published checkpoint, if the directory has published any.
fn published(dir: &Path) -> Result<Option<(TreeHead, Note)>> {
    let path = dir.join("log.db");
    if !path.is_file() {
        return Ok(None);
    }
    let tiles = SqliteTiles::open_read_only(&path).map_err(|why| explain(&why, dir))?;
    let Some(text) = tiles.checkpoint().map_err(|why| explain(&why, dir))? else { return Ok(None) };
    let note = Note::parse(text.as_bytes()).context("the published checkpoint is not a signed note")?;
    let head = Checkpointed::parse(note.text()).context("the published checkpoint is not one")?.head();
    Ok(Some((head, note)))
}

/// The verifier key that belongs to the directory's own log key.
fn own_key(dir: &Path, note: &Note) -> Option<VerifierKey> {
    let bytes = <[u8; 32]>::try_from(std::fs::read(dir.join("log.key")).ok()?).ok()?;
    let name = KeyName::parse(Checkpointed::parse(note.text()).ok()?.origin().as_str()).ok()?;
    Some(VerifierKey::new(name, Algorithm::Ed25519, SigningKey::from_bytes(&bytes).verifying_key()))
}

/// Verifies a receipt, which holds its entry.
pub fn receipt(bytes: &[u8], key: Option<&VerifierKey>) -> Result<Finding> {
    let receipt = Receipt::parse(bytes).context("the file is not a receipt")?;
    let head = Checkpointed::parse(receipt.checkpoint.text()).context("the receipt's checkpoint is not one")?;
    let bad = |fault: String| Finding::Bad { position: receipt.index, fault };
    if let Err(why) = Entry::read(&receipt.extra) {
        return Ok(bad(format!("the receipt holds no entry: {why}")));
    }
    if let Err(why) = verify_inclusion(&leaf_hash(&receipt.extra), receipt.index, &head.head(), &receipt.proof) {
        return Ok(bad(why.to_string()));
    }
    let Some(key) = key else {
        let origin = head.origin();
        return Ok(Finding::Unchecked {
            what: format!("the entry is in the tree, but not that it is `{origin}`'s: {NO_KEY}"),
        });
    };
    match receipt.verify(&receipt.extra, &Trust::in_key(key.clone())) {
        Ok(at) => Ok(Finding::Included { index: at.index, origin: head.origin().to_string(), size: head.head().size }),
        Err(why) => Ok(bad(why.to_string())),
    }
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
