//! The transparency log over a ledger: what is published, resumed and refused.

#![cfg(test)]

use std::sync::Arc;

use countersign_engine::{Log, LogError};
use countersign_evidence::log::checkpoint::Trust;
use countersign_evidence::log::merkle::{leaf_hash, root_of};
use countersign_evidence::log::note::{KeyName, Signer};
use countersign_evidence::log::tile::{Layer, TilePath, entries};
use countersign_store::{Batch, Ledger, MemoryStore, MemoryTiles, Tiles};
use ed25519_dalek::SigningKey;

fn signer(seed: u8) -> Signer {
    Signer::new(KeyName::parse("example.com/log").unwrap(), SigningKey::from_bytes(&[seed; 32]))
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn append(ledger: &MemoryStore, count: u64) {
    let first = ledger.length().unwrap();
    let entries = (first..first + count).map(entry).collect();
    ledger.commit(&Batch { entries, ..Batch::default() }).unwrap();
}

/// Publishes everything that is committed, and stops.
fn published(ledger: &Arc<MemoryStore>, tiles: &Arc<MemoryTiles>) -> Log {
    let log = Log::start(ledger.clone(), tiles.clone(), signer(1)).unwrap();
    log.stop();
    log
}

#[test]
fn the_published_root_is_the_root_over_every_entry() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    for (count, total) in [(1, 1), (254, 255), (1, 256), (1, 257), (66_000, 66_257)] {
        append(&ledger, count);
        let head = published(&ledger, &tiles).published().unwrap().head;
        assert_eq!(head.size, total);
        assert_eq!(head.root, root_of((0..total).map(|number| leaf_hash(&entry(number)))));
    }
}

#[test]
fn every_entry_has_a_receipt_that_verifies_with_the_logs_key_alone() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    append(&ledger, 700);
    let log = published(&ledger, &tiles);
    let trust = Trust::in_key(log.verifier_key().clone());
    for number in 0..700 {
        let receipt = log.receipt(number, &entry(number)).unwrap().unwrap();
        assert!(receipt.verify(&entry(number), &trust).is_ok(), "entry {number}");
        assert!(receipt.verify(&entry(number + 1), &trust).is_err(), "another entry at {number}");
    }
    assert!(log.receipt(700, b"not yet").unwrap().is_none());
    let stranger = Trust::in_key(signer(2).verifier().clone());
    assert!(log.receipt(3, &entry(3)).unwrap().unwrap().verify(&entry(3), &stranger).is_err());
}

#[test]
fn bundles_hold_the_entries_and_no_tile_is_wider_than_the_tree() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    append(&ledger, 300);
    let log = published(&ledger, &tiles);
    let path = |text: &str| TilePath::parse(text).unwrap();
    let bundle = log.tile(path("tile/entries/001.p/44")).unwrap().unwrap();
    let held: Vec<_> = entries(&bundle).map(|entry| entry.unwrap().to_vec()).collect();
    assert_eq!(held, (256..300).map(entry).collect::<Vec<_>>());
    assert_eq!(log.tile(path("tile/0/001.p/10")).unwrap().unwrap().len(), 320);
    assert_eq!(log.tile(path("tile/0/000")).unwrap().unwrap().len(), 8_192);
    assert_eq!(log.tile(path("tile/1/000.p/1")).unwrap().unwrap().len(), 32);
    for beyond in ["tile/0/001.p/45", "tile/0/001", "tile/entries/001.p/45", "tile/1/000.p/2", "tile/2/000.p/1"] {
        assert_eq!(log.tile(path(beyond)).unwrap(), None, "{beyond}");
    }
}

#[test]
fn tiles_that_are_damaged_are_made_again_from_the_ledger() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    append(&ledger, 600);
    let before = published(&ledger, &tiles).published().unwrap().head;
    let checkpoint = tiles.checkpoint().unwrap().unwrap();
    let name = TilePath::in_tree(Layer::Hashes(0), 2, 600).unwrap().full().to_string();
    tiles.publish(&[(name, vec![0; 88 * 32])], &checkpoint).unwrap();
    append(&ledger, 10);
    let log = published(&ledger, &tiles);
    assert_eq!(log.failure(), None);
    assert_eq!(log.published().unwrap().head.size, 610);
    let trust = Trust::in_key(log.verifier_key().clone());
    assert!(log.receipt(599, &entry(599)).unwrap().unwrap().verify(&entry(599), &trust).is_ok());
    assert_ne!(log.published().unwrap().head, before);
}

#[test]
fn a_ledger_that_lost_entries_stops_the_start() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    append(&ledger, 100);
    published(&ledger, &tiles);
    let shorter = Arc::new(MemoryStore::default());
    append(&shorter, 90);
    let started = Log::start(shorter, tiles, signer(1));
    assert!(matches!(started, Err(LogError::Lost { there: 90, size: 100 })));
}

#[test]
fn a_ledger_that_lost_entries_and_grew_others_stops_the_start() {
    for size in [100, 256, 600] {
        let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
        append(&ledger, size);
        published(&ledger, &tiles);
        let other = Arc::new(MemoryStore::default());
        append(&other, size - 10);
        let entries = (0..30).map(|number| format!("instead {number}").into_bytes()).collect();
        other.commit(&Batch { entries, ..Batch::default() }).unwrap();
        let started = Log::start(other, tiles, signer(1));
        assert!(matches!(started, Err(LogError::Altered { size: found }) if found == size), "{size} entries");
    }
}

#[test]
fn another_ledger_is_not_signed_in_place_of_one_whose_tiles_are_lost() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    append(&ledger, 100);
    published(&ledger, &tiles);
    let (other, empty) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    let entries = (0..120).map(|number| format!("forged {number}").into_bytes()).collect();
    other.commit(&Batch { entries, ..Batch::default() }).unwrap();
    // The checkpoint survives, the tiles under it do not.
    empty.publish(&[], &tiles.checkpoint().unwrap().unwrap()).unwrap();
    let log = published(&other, &empty);
    assert!(log.failure().unwrap().contains("not those that were published"));
    assert_eq!(log.published().map(|p| p.head.size), None);
}

#[test]
fn a_new_key_signs_the_same_tree() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    append(&ledger, 5);
    let before = published(&ledger, &tiles).published().unwrap().head;
    let log = Log::start(ledger.clone(), tiles.clone(), signer(9)).unwrap();
    log.stop();
    let after = log.published().unwrap();
    assert_eq!(after.head, before);
    assert!(Trust::in_key(signer(9).verifier().clone()).open(&after.note).is_ok());
}

#[test]
fn a_checkpoint_that_is_no_checkpoint_stops_the_start() {
    let (ledger, tiles) = <(Arc<MemoryStore>, Arc<MemoryTiles>)>::default();
    tiles.publish(&[], "garbage").unwrap();
    assert!(matches!(Log::start(ledger, tiles, signer(1)), Err(LogError::Damaged(_))));
}
