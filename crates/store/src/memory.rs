//! Stores that forget everything when the process ends.
//!
//! [`MemoryStore`] keeps the same promises as a durable store, restarts aside,
//! and fails when a test asks it to. [`MemoryLive`] is what a server that runs
//! alone uses. Neither ever touches a disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_core::limits::{Bucket, Rate};
use dashmap::DashMap;

use crate::{Batch, Checkpoint, Document, Documents, Ledger, Live, StoreError, Write};

type Kinds = HashMap<&'static str, BTreeMap<String, Document>>;

/// A ledger and its documents, in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
    fails: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Vec<u8>>,
    kinds: Kinds,
    chains: HashMap<ChainId, Moved>,
    covered: u64,
    moves: u64,
}

/// A chain, and when it moved: the higher `at`, the later.
#[derive(Debug, Clone, Copy)]
struct Moved {
    at: u64,
    chain: Chain,
}

impl MemoryStore {
    /// While `fail` is on, every commit answers [`StoreError::Unavailable`].
    pub fn fail_commits(&self, fail: bool) {
        self.fails.store(fail, Ordering::SeqCst);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document as a batch leaves it: `None` where it was deleted.
type Changed<'a> = BTreeMap<(&'static str, &'a str), Option<Document>>;

/// What `writes` change, or the first conflict among them. Changes nothing.
fn changed<'a>(kinds: &Kinds, writes: &'a [Write]) -> Result<Changed<'a>, StoreError> {
    let mut changed = Changed::new();
    for write in writes {
        let name = (write.kind, write.key.as_str());
        let stored = match changed.get(&name) {
            Some(document) => document.as_ref(),
            None => kinds.get(write.kind).and_then(|kind| kind.get(&write.key)),
        };
        if stored.map_or(0, |d| d.revision) != write.revision {
            return Err(StoreError::Conflict { key: write.key.clone() });
        }
        let document =
            write.body.clone().map(|body| Document { key: write.key.clone(), revision: write.revision + 1, body });
        changed.insert(name, document);
    }
    Ok(changed)
}

fn length(entries: &[Vec<u8>]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

impl Ledger for MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<u64, StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("a test asked for this failure".into()));
        }
        let kept = &mut *self.kept();
        for ((kind, key), document) in changed(&kept.kinds, &batch.writes)? {
            let documents = kept.kinds.entry(kind).or_default();
            match document {
                Some(document) => documents.insert(key.to_owned(), document),
                None => documents.remove(key),
            };
        }
        let first = length(&kept.entries);
        kept.entries.extend_from_slice(&batch.entries);
        for (id, chain) in &batch.chains {
            kept.moves += 1;
            kept.chains.insert(id.clone(), Moved { at: kept.moves, chain: *chain });
            kept.covered = length(&kept.entries);
        }
        Ok(first)
    }

    fn read(&self, start: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        Ok(self.kept().entries.iter().skip(start).take(limit).cloned().collect())
    }

    fn length(&self) -> Result<u64, StoreError> {
        Ok(length(&self.kept().entries))
    }

    fn chain(&self, id: &ChainId) -> Result<Option<Chain>, StoreError> {
        Ok(self.kept().chains.get(id).map(|moved| moved.chain))
    }

    fn checkpoint(&self, limit: usize) -> Result<Checkpoint, StoreError> {
        let kept = self.kept();
        let mut chains: Vec<_> = kept.chains.iter().collect();
        chains.sort_unstable_by_key(|(_, moved)| std::cmp::Reverse(moved.at));
        let latest = chains.into_iter().take(limit);
        Ok(Checkpoint { position: kept.covered, chains: latest.map(|(id, moved)| (id.clone(), moved.chain)).collect() })
    }
}

impl Documents for MemoryStore {
    fn get(&self, kind: &str, key: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.kept().kinds.get(kind).and_then(|kind| kind.get(key)).cloned())
    }

    fn list(&self, kind: &str) -> Result<Vec<Document>, StoreError> {
        let kept = self.kept();
        Ok(kept.kinds.get(kind).into_iter().flat_map(BTreeMap::values).cloned().collect())
    }
}

/// What every call touches, in memory.
#[derive(Debug, Default)]
pub struct MemoryLive {
    chains: DashMap<ChainId, Moved, ahash::RandomState>,
    moves: AtomicU64,
    rates: DashMap<String, Bucket, ahash::RandomState>,
    epoch: AtomicU64,
}

impl Live for MemoryLive {
    fn chain(&self, id: &ChainId) -> Option<Chain> {
        self.chains.get(id).map(|moved| moved.chain)
    }

    fn advance(&self, id: &ChainId, chain: Chain) {
        let moved = Moved { at: self.moves.fetch_add(1, Ordering::Relaxed), chain };
        // A chain that is there keeps its key: no reference count is touched.
        if let Some(mut there) = self.chains.get_mut(id) {
            *there = moved;
            return;
        }
        self.chains.insert(id.clone(), moved);
    }

    fn forget(&self, keep: usize, now: Duration) -> usize {
        self.rates.retain(|_, bucket| !bucket.is_full(now));
        let mut moves: Vec<u64> = self.chains.iter().map(|moved| moved.at).collect();
        let surplus = moves.len().saturating_sub(keep);
        let Some(last) = surplus.checked_sub(1) else { return 0 };
        let (_, &mut latest_forgotten, _) = moves.select_nth_unstable(last);
        let mut forgotten = 0;
        self.chains.retain(|_, moved| {
            let goes = moved.at <= latest_forgotten;
            forgotten += usize::from(goes);
            !goes
        });
        forgotten
    }

    fn take(&self, key: &str, rate: Rate, now: Duration) -> Result<(), Duration> {
        // The key is copied only for a bucket that is not there. Whoever else
        // makes it in between, `entry` finds what they made.
        if let Some(mut bucket) = self.rates.get_mut(key) {
            *bucket = bucket.take(rate, now)?;
            return Ok(());
        }
        let mut bucket = self.rates.entry(key.to_owned()).or_default();
        *bucket = bucket.take(rate, now)?;
        Ok(())
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    fn bump(&self) {
        // One order for all threads: a reader that publishes something of its
        // own and then asks for the epoch either sees this one, or was seen.
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn the_memory_store_keeps_the_contract() {
        conformance::store(MemoryStore::default);
    }

    #[test]
    fn the_live_memory_keeps_the_contract() {
        conformance::live(MemoryLive::default);
    }

    #[test]
    fn a_store_that_was_told_to_fail_changes_nothing_until_it_is_told_to_stop() {
        let store = MemoryStore::default();
        let batch = Batch { entries: vec![b"entry".to_vec()], ..Batch::default() };
        store.fail_commits(true);
        assert!(matches!(store.commit(&batch), Err(StoreError::Unavailable(_))));
        assert_eq!(store.length().unwrap(), 0);
        store.fail_commits(false);
        assert_eq!(store.commit(&batch).unwrap(), 0);
    }

    #[test]
    fn forgetting_drops_the_buckets_that_are_full_again_and_no_others() {
        let live = MemoryLive::default();
        let rate = Rate { per_minute: 60 };
        live.take("early", rate, Duration::ZERO).unwrap();
        live.take("late", rate, Duration::from_secs(5)).unwrap();
        live.forget(0, Duration::from_secs(5));
        let left: Vec<_> = live.rates.iter().map(|bucket| bucket.key().clone()).collect();
        assert_eq!(left, ["late"]);
    }
}
