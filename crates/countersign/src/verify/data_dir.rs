//! Replaying a data directory's record, from its first entry to its last.
//!
//! Every entry names the digest of what came before it in its chain, so a
//! change to any but the last of a chain shows in the next one. The last ones,
//! and entries that were cut off the end, show in the checkpoint: where the
//! chains stood when the server last noted it down.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::entry::Entry;
use countersign_evidence::log::merkle::{Frontier, leaf_hash};
use countersign_evidence::log::note::{Algorithm, KeyName, VerifierKey};
use countersign_evidence::verify::Verifier;
use countersign_store::{Checkpoint, Ledger, StoreError};
use serde_json::json;

use super::keys::{LogKeys, NO_KEY};
use super::tree::compare;
use crate::finding::Finding;
use crate::log_key::{self, default_file};
use crate::node::explain;
use crate::tlog::{Recorded, Shown, Source as _};

/// How many entries are read at once.
const CHUNK: usize = 1024;

/// Replays the record in the data directory `dir`, also beside a server that
/// is running. `progress` hears how many entries of how many are done.
pub fn replay(dir: &Path, keys: LogKeys, seen: Option<&Path>, progress: &mut dyn FnMut(u64, u64)) -> Result<Finding> {
    let recorded = Recorded::open(dir)?;
    let ledger = recorded.ledger();
    let explain = |why: StoreError| explain(&why, dir);
    // The checkpoint is read before the length, so that it never covers more.
    let checkpoint = ledger.checkpoint(usize::MAX).map_err(explain)?;
    let published = published(&recorded)?;
    let mut keys = match &published {
        Some(shown) if keys.is_empty() => keys.or(own_key(dir, shown)?),
        _ => keys,
    };
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
            Err(StoreError::Corrupt(fault)) => return Ok(Finding::bad_entry(position, fault)),
            Err(why) => return Err(explain(why)),
        };
        for bytes in &entries {
            match verifier.push(bytes) {
                Ok(kind) => keys.follow(verifier.entries() - 1, kind, bytes),
                Err(bad) => return Ok(Finding::bad_entry(bad.position, bad.fault.to_string())),
            }
            tree.append(leaf_hash(bytes));
            if let Some(head) = published
                .as_ref()
                .map(|shown| shown.checkpoint.head())
                .filter(|head| head.size == tree.size() && *head != tree.head())
            {
                let fault = format!("the first {} entries are not those that were published", head.size);
                return Ok(Finding::bad_entry(verifier.entries() - 1, fault));
            }
        }
        if verifier.entries() == checkpoint.position
            && let Some(bad) = differs(&checkpoint, &verifier, ledger).map_err(explain)?
        {
            return Ok(bad);
        }
        progress(verifier.entries(), length);
    }
    let entries = verifier.entries();
    if entries < checkpoint.position {
        let fault = format!("missing: {} entries were recorded, and {entries} are there", checkpoint.position);
        return Ok(Finding::bad_entry(entries, fault));
    }
    let chains = verifier.chains().count();
    let found = json!({ "entries": entries, "chains": chains });
    if let Some(shown) = &published {
        let size = shown.checkpoint.head().size;
        if size > entries {
            let fault = format!("missing: {size} entries were published, and {entries} are there");
            return Ok(Finding::bad_entry(entries, fault));
        }
        match keys.open(&shown.note) {
            Err(why) => return Ok(Finding::bad_entry(size, format!("its checkpoint: {why}"))),
            Ok(None) => {
                let what = format!("{entries} entries hold, but not who published them: {NO_KEY}");
                return Ok(Finding::unchecked(what, found));
            }
            Ok(Some(_)) => (),
        }
        if let Some(seen) = seen
            && let Some(bad) = compare(&recorded, shown, seen, &keys)?
        {
            return Ok(bad);
        }
    }
    Ok(Finding::holds(format!("{entries} entries, {chains} chains, verified"), found))
}

/// The last published checkpoint, if the directory has published any.
fn published(recorded: &Recorded) -> Result<Option<Shown>> {
    let Some(note) = recorded.checkpoint()? else { return Ok(None) };
    Shown::parse(&note).context("what the directory has published is no checkpoint").map(Some)
}

/// The key that verifies the log of the directory `dir`, by the directory's own word.
pub fn log_key(dir: &Path) -> Result<Option<VerifierKey>> {
    let published = published(&Recorded::open(dir)?)?;
    Ok(published.map(|shown| own_key(dir, &shown)).transpose()?.flatten())
}

/// The verifier key that belongs to the directory's own log key.
fn own_key(dir: &Path, shown: &Shown) -> Result<Option<VerifierKey>> {
    let Some(key) = log_key::read(&default_file(dir))? else { return Ok(None) };
    let name = KeyName::parse(shown.checkpoint.origin().as_str())?;
    Ok(Some(VerifierKey::new(name, Algorithm::Ed25519, key.verifying_key())))
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
    Ok(Some(Finding::bad_entry(position, fault)))
}
