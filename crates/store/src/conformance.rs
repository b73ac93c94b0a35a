//! The contract of the traits, as cases that every backend runs in its tests.
//!
//! Each function panics with a sentence that names the broken promise. Nothing
//! here knows which backend it runs against, sleeps, or is called by a server.
#![expect(clippy::unwrap_used, reason = "these are test cases: an error is a failure of the case")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_core::limits::Rate;
use countersign_core::taint::Taint;

use crate::{Batch, Checkpoint, Document, Documents, Ledger, Live, StoreError, Write};

/// Every case of [`Ledger`] and [`Documents`]. `fresh` makes an empty store.
///
/// # Panics
///
/// Where the store breaks the contract.
pub fn store<S: Ledger + Documents>(fresh: impl Fn() -> S) {
    a_fresh_store_is_empty(&fresh());
    positions_are_contiguous_from_zero(&fresh());
    reading_respects_its_start_and_its_limit(&fresh());
    a_revision_counts_the_changes(&fresh());
    a_stale_revision_is_a_conflict_that_names_the_key(&fresh());
    a_deleted_document_begins_again_at_one(&fresh());
    the_writes_of_one_batch_see_each_other(&fresh());
    a_conflict_in_the_last_write_undoes_the_whole_batch(&fresh());
    a_list_is_one_kind_sorted_by_key(&fresh());
    a_chain_is_where_the_last_checkpoint_left_it(&fresh());
    a_checkpoint_has_the_latest_moved_first(&fresh());
    readers_never_see_half_a_batch(&fresh());
}

/// What a durable store still has after it was closed. `open` opens the same
/// store each time; it is empty at first.
///
/// # Panics
///
/// Where something committed is gone or changed.
pub fn reopened<S: Ledger + Documents>(open: impl Fn() -> S) {
    let store = open();
    store.commit(&entries(&["one", "two"])).unwrap();
    let chains = vec![moved("chain", 3)];
    let batch = Batch { chains, writes: vec![write("agents", "a", 0, Some("1"))], ..entries(&["three"]) };
    store.commit(&batch).unwrap();
    drop(store);

    let store = open();
    assert_eq!(texts(&store, 0, 9), ["one", "two", "three"], "every entry is there after a restart");
    assert_eq!(store.get("agents", "a").unwrap(), Some(document("a", 1, "1")), "so is a document");
    assert_eq!(store.chain(&id("chain")).unwrap(), Some(chain(3)), "so is a chain");
    let expected = Checkpoint { position: 3, chains: vec![moved("chain", 3)] };
    assert_eq!(store.checkpoint(9).unwrap(), expected, "so is the checkpoint");
    assert_eq!(store.commit(&entries(&["four"])).unwrap(), 3, "the ledger goes on where it stopped");
}

/// Every case of [`Live`]. `fresh` makes an empty one.
///
/// # Panics
///
/// Where it breaks the contract.
pub fn live<L: Live>(fresh: impl Fn() -> L) {
    a_chain_stands_where_it_was_last_advanced_to(&fresh());
    forgetting_keeps_the_latest_moved(&fresh());
    a_minute_of_calls_is_admitted_once_however_many_threads_ask(&fresh());
    one_key_does_not_take_from_another(&fresh());
    forgetting_does_not_refill_a_bucket(&fresh());
    a_bump_is_seen_by_every_thread(&fresh());
}

fn entries(texts: &[&str]) -> Batch {
    Batch { entries: texts.iter().map(|text| text.as_bytes().to_vec()).collect(), ..Batch::default() }
}

fn writes(writes: Vec<Write>) -> Batch {
    Batch { writes, ..Batch::default() }
}

fn write(kind: &'static str, key: &str, revision: u64, body: Option<&str>) -> Write {
    Write { kind, key: key.to_owned(), revision, body: body.map(|body| body.as_bytes().to_vec()) }
}

fn document(key: &str, revision: u64, body: &str) -> Document {
    Document { key: key.to_owned(), revision, body: body.as_bytes().to_vec() }
}

fn id(text: &str) -> ChainId {
    ChainId::parse(text).unwrap()
}

/// A chain that differs from any of another length in every field.
fn chain(length: u64) -> Chain {
    let mut chain = Chain::GENESIS.step(&length.to_le_bytes(), None);
    chain.length = length;
    chain.tally.total = length * 10;
    chain.tally.read = length * 10 + 1;
    chain.tally.write = length * 10 + 2;
    chain.tally.denied = length * 10 + 3;
    chain.taint = Taint::from_bits(u8::try_from(length % 64).unwrap());
    chain
}

fn moved(text: &str, length: u64) -> (ChainId, Chain) {
    (id(text), chain(length))
}

fn texts(store: &impl Ledger, start: u64, limit: usize) -> Vec<String> {
    let entries = store.read(start, limit).unwrap();
    entries.into_iter().map(|entry| String::from_utf8(entry).unwrap()).collect()
}

fn assert_conflict(answer: Result<u64, StoreError>, expected: &str, why: &str) {
    let key = answer.err().and_then(|error| match error {
        StoreError::Conflict { key } => Some(key),
        _ => None,
    });
    assert_eq!(key.as_deref(), Some(expected), "a conflict names the key: {why}");
}

fn a_fresh_store_is_empty(store: &(impl Ledger + Documents)) {
    assert_eq!(store.length().unwrap(), 0, "a fresh store has no entries");
    assert!(store.read(0, 9).unwrap().is_empty(), "reading a fresh store finds nothing");
    assert_eq!(store.get("agents", "a").unwrap(), None, "a fresh store has no documents");
    assert!(store.list("agents").unwrap().is_empty(), "a kind that was never written is an empty list");
    assert_eq!(store.chain(&id("c")).unwrap(), None, "a fresh store has no chains");
    assert_eq!(store.checkpoint(9).unwrap(), Checkpoint::default(), "a fresh store stands at position 0");
}

fn positions_are_contiguous_from_zero(store: &impl Ledger) {
    assert_eq!(store.commit(&entries(&["0", "1", "2"])).unwrap(), 0, "the first entry is at 0");
    assert_eq!(store.commit(&entries(&[])).unwrap(), 3, "an empty batch stands at the end");
    assert_eq!(store.commit(&entries(&["3"])).unwrap(), 3, "a batch begins where the last one ended");
    assert_eq!(store.commit(&entries(&["4", ""])).unwrap(), 4, "a batch begins where the last one ended");
    assert_eq!(store.length().unwrap(), 6, "the length counts every entry");
    assert_eq!(texts(store, 0, 9), ["0", "1", "2", "3", "4", ""], "entries are read in order, empty ones too");
}

fn reading_respects_its_start_and_its_limit(store: &impl Ledger) {
    store.commit(&entries(&["0", "1", "2", "3"])).unwrap();
    assert_eq!(texts(store, 1, 2), ["1", "2"], "no more than the limit, from the start on");
    assert_eq!(texts(store, 3, usize::MAX), ["3"], "no more than there is");
    assert!(texts(store, 0, 0).is_empty(), "a limit of nothing reads nothing");
    assert!(texts(store, 4, 9).is_empty(), "past the end there is nothing");
    assert!(texts(store, u64::MAX, 9).is_empty(), "far past the end there is nothing");
}

fn a_revision_counts_the_changes(store: &(impl Ledger + Documents)) {
    for revision in 0..3 {
        store.commit(&writes(vec![write("agents", "a", revision, Some("body"))])).unwrap();
        let expected = Some(document("a", revision + 1, "body"));
        assert_eq!(store.get("agents", "a").unwrap(), expected, "each change adds one to the revision");
    }
    assert_eq!(store.get("tokens", "a").unwrap(), None, "another kind has its own keys");
}

fn a_stale_revision_is_a_conflict_that_names_the_key(store: &(impl Ledger + Documents)) {
    let absent = [write("agents", "a", 1, Some("x")), write("agents", "a", 1, None)];
    for stale in absent {
        assert_conflict(store.commit(&writes(vec![stale])), "a", "what is not there has no revision 1");
    }
    store.commit(&writes(vec![write("agents", "a", 0, Some("1"))])).unwrap();
    store.commit(&writes(vec![write("agents", "a", 1, Some("2"))])).unwrap();
    for revision in [0, 1, 3, u64::MAX] {
        for body in [Some("x"), None] {
            let stale = writes(vec![write("agents", "a", revision, body)]);
            assert_conflict(store.commit(&stale), "a", "only the stored revision is the right one");
        }
    }
    assert_eq!(store.get("agents", "a").unwrap(), Some(document("a", 2, "2")), "a conflict changes nothing");
}

fn a_deleted_document_begins_again_at_one(store: &(impl Ledger + Documents)) {
    store.commit(&writes(vec![write("agents", "a", 0, Some("1"))])).unwrap();
    store.commit(&writes(vec![write("agents", "a", 1, None)])).unwrap();
    assert_eq!(store.get("agents", "a").unwrap(), None, "a deleted document is gone");
    assert!(store.list("agents").unwrap().is_empty(), "a deleted document is in no list");
    store.commit(&writes(vec![write("agents", "a", 0, Some("2"))])).unwrap();
    assert_eq!(store.get("agents", "a").unwrap(), Some(document("a", 1, "2")), "its successor is at revision 1");
}

fn the_writes_of_one_batch_see_each_other(store: &(impl Ledger + Documents)) {
    let sequence = [(0, Some("1")), (1, Some("2")), (2, None), (0, Some("3")), (1, Some("4"))];
    let sequence = sequence.map(|(revision, body)| write("agents", "a", revision, body));
    store.commit(&writes(sequence.to_vec())).unwrap();
    assert_eq!(store.get("agents", "a").unwrap(), Some(document("a", 2, "4")), "each write sees the one before it");
    let twice = vec![write("agents", "b", 0, Some("1")), write("agents", "b", 0, Some("2"))];
    assert_conflict(store.commit(&writes(twice)), "b", "a batch cannot create a document twice");
}

fn a_conflict_in_the_last_write_undoes_the_whole_batch(store: &(impl Ledger + Documents)) {
    store.commit(&writes(vec![write("agents", "old", 0, Some("1"))])).unwrap();
    let batch = Batch {
        chains: vec![moved("chain", 1)],
        writes: vec![
            write("agents", "new", 0, Some("1")),
            write("agents", "old", 1, None),
            write("agents", "stale", 7, Some("1")),
        ],
        ..entries(&["entry"])
    };
    assert_conflict(store.commit(&batch), "stale", "one stale write refuses the batch");
    assert_eq!(store.length().unwrap(), 0, "a refused batch leaves no entry");
    let documents = store.list("agents").unwrap();
    assert_eq!(documents, [document("old", 1, "1")], "a refused batch changes no document");
    assert_eq!(store.chain(&id("chain")).unwrap(), None, "a refused batch leaves no chain");
    assert_eq!(store.checkpoint(9).unwrap(), Checkpoint::default(), "a refused batch is no checkpoint");
    assert_eq!(store.commit(&entries(&["entry"])).unwrap(), 0, "the store goes on after a refused batch");
}

fn a_list_is_one_kind_sorted_by_key(store: &(impl Ledger + Documents)) {
    let keys = ["b", "a/é", "a", "B", "a-"];
    let kinds = ["agents", "agent", "tokens"];
    let all = kinds.iter().flat_map(|kind| keys.map(|key| write(kind, key, 0, Some(kind))));
    store.commit(&writes(all.collect())).unwrap();
    let expected = ["B", "a", "a-", "a/é", "b"].map(|key| document(key, 1, "agents"));
    assert_eq!(store.list("agents").unwrap(), expected, "a list has one kind, sorted by the bytes of the key");
}

fn a_chain_is_where_the_last_checkpoint_left_it(store: &impl Ledger) {
    store.commit(&Batch { chains: vec![moved("a", 1), moved("b", 2)], ..entries(&["0", "1"]) }).unwrap();
    store.commit(&Batch { chains: vec![moved("a", 3)], ..entries(&["2"]) }).unwrap();
    store.commit(&entries(&["3"])).unwrap();
    assert_eq!(store.chain(&id("a")).unwrap(), Some(chain(3)), "a chain is where the last checkpoint left it");
    assert_eq!(store.chain(&id("b")).unwrap(), Some(chain(2)), "a checkpoint keeps the chains it does not name");
    assert_eq!(store.checkpoint(0).unwrap().position, 3, "a batch without chains is no checkpoint");
}

fn a_checkpoint_has_the_latest_moved_first(store: &impl Ledger) {
    let first = vec![moved("a", 1), moved("b", 1), moved("c", 1), moved("d", 1)];
    store.commit(&Batch { chains: first, ..entries(&["0", "1", "2", "3"]) }).unwrap();
    store.commit(&Batch { chains: vec![moved("b", 2)], ..entries(&[]) }).unwrap();
    store.commit(&Batch { chains: vec![moved("a", 2)], ..entries(&["4"]) }).unwrap();
    let checkpoint = store.checkpoint(2).unwrap();
    assert_eq!(checkpoint.position, 5, "a checkpoint covers its own batch's entries");
    assert_eq!(checkpoint.chains, [moved("a", 2), moved("b", 2)], "the latest moved come first, up to the limit");
    let everything = store.checkpoint(usize::MAX).unwrap().chains;
    assert_eq!(everything.len(), 4, "a checkpoint has every chain the limit allows");
    assert!(store.checkpoint(0).unwrap().chains.is_empty(), "a limit of nothing has no chains");
}

fn readers_never_see_half_a_batch(store: &(impl Ledger + Documents)) {
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..100 {
                let both = ["a", "b"].map(|key| write("agents", key, round, Some("x")));
                let chains = vec![moved("chain", (round + 1) * 3)];
                store.commit(&Batch { writes: both.to_vec(), chains, ..entries(&["0", "1", "2"]) }).unwrap();
            }
        });
        while !writer.is_finished() {
            assert_eq!(store.length().unwrap() % 3, 0, "a length is that of whole batches");
            assert_eq!(store.read(0, usize::MAX).unwrap().len() % 3, 0, "a reader sees whole batches");
            let revisions: Vec<u64> = store.list("agents").unwrap().iter().map(|d| d.revision).collect();
            let whole = revisions.first() == revisions.last() && revisions.len() != 1;
            assert!(whole, "two documents of one batch change together, but were at {revisions:?}");
            let Checkpoint { position, chains } = store.checkpoint(9).unwrap();
            let covered = chains.first().map_or(0, |(_, chain)| chain.length);
            assert_eq!(position, covered, "a checkpoint's position belongs to its chains");
        }
    });
    assert_eq!(store.length().unwrap(), 300, "readers do not stop the writer");
}

fn a_chain_stands_where_it_was_last_advanced_to(live: &impl Live) {
    assert_eq!(live.chain(&id("a")), None, "a chain that never moved is not there");
    live.advance(&id("a"), chain(1));
    live.advance(&id("b"), chain(5));
    live.advance(&id("a"), chain(2));
    assert_eq!(live.chain(&id("a")), Some(chain(2)), "a chain stands where it was last advanced to");
    assert_eq!(live.chain(&id("b")), Some(chain(5)), "another chain is left alone");
}

fn forgetting_keeps_the_latest_moved(live: &impl Live) {
    for (text, length) in [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("a", 2)] {
        live.advance(&id(text), chain(length));
    }
    assert_eq!(live.forget(4, Duration::ZERO), 0, "as many as may be kept are kept");
    assert_eq!(live.forget(2, Duration::ZERO), 2, "forgetting answers how many went");
    let left = ["a", "b", "c", "d"].map(|text| live.chain(&id(text)).is_some());
    assert_eq!(left, [true, false, false, true], "those longest unmoved go first");
    assert_eq!(live.chain(&id("a")), Some(chain(2)), "what is kept stands where it stood");
    assert_eq!(live.forget(0, Duration::ZERO), 2, "nothing is kept if nothing may be");
}

fn a_minute_of_calls_is_admitted_once_however_many_threads_ask(live: &impl Live) {
    let rate = Rate { per_minute: 1_000 };
    let now = Duration::from_secs(7);
    let admitted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let taken = (0..500).filter(|_| live.take("key", rate, now).is_ok()).count();
                admitted.fetch_add(taken, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(admitted.into_inner(), 1_000, "exactly a minute's worth is admitted at one moment");
    let wait = Err(Duration::from_millis(60));
    assert_eq!(live.take("key", rate, now), wait, "a refusal says how long to wait");
    assert!(live.take("key", rate, now + Duration::from_millis(60)).is_ok(), "after that wait one is admitted");
}

fn one_key_does_not_take_from_another(live: &impl Live) {
    let rate = Rate { per_minute: 1 };
    assert!(live.take("a", rate, Duration::ZERO).is_ok(), "a fresh bucket is full");
    assert!(live.take("a", rate, Duration::ZERO).is_err(), "an empty bucket refuses");
    assert!(live.take("b", rate, Duration::ZERO).is_ok(), "another key has its own bucket");
}

fn forgetting_does_not_refill_a_bucket(live: &impl Live) {
    let rate = Rate { per_minute: 1 };
    assert!(live.take("a", rate, Duration::ZERO).is_ok(), "a fresh bucket is full");
    live.forget(0, Duration::from_secs(30));
    assert!(live.take("a", rate, Duration::from_secs(30)).is_err(), "forgetting does not refill a bucket");
    live.forget(0, Duration::from_mins(1));
    assert!(live.take("a", rate, Duration::from_mins(1)).is_ok(), "a forgotten bucket was full");
}

fn a_bump_is_seen_by_every_thread(live: &impl Live) {
    let first = live.epoch();
    assert_eq!(live.epoch(), first, "the epoch stays until it is bumped");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let old = live.epoch();
                    live.bump();
                    assert_ne!(live.epoch(), old, "once `bump` returned the epoch is another one");
                }
            });
        }
    });
    assert_ne!(live.epoch(), first, "a bump is seen by the threads that did not make it");
}
