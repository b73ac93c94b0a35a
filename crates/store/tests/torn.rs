//! A power loss while the store writes. What a commit answered was synced, so it
//! is there; of what was being written, any sector may have reached the disk.

#![cfg(test)]

use std::fs;
use std::path::Path;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_store::{Batch, Documents as _, Ledger as _, SqliteStore, Write};

/// Commits, each of about 80 pages: the log of 1,024 is begun anew several times.
const COMMITS: u64 = 60;
/// A disk writes so many bytes or none.
const SECTOR: usize = 512;

/// A small generator: the same sectors in each run.
struct Luck(u64);

impl Luck {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (bound.max(1) as u64)).unwrap()
    }
}

/// The `number`th commit: entries, a checkpoint, and a document that replaces
/// the one before.
fn batch(number: u64) -> Batch {
    let body = Some([u8::try_from(number).unwrap()].repeat(600_000));
    Batch {
        entries: (0..3).map(|n| format!("entry {n} of commit {number}").into_bytes()).collect(),
        writes: vec![Write { kind: "agents", key: "a".into(), revision: number, body }],
        chains: vec![(ChainId::server(), Chain { length: number, ..Chain::GENESIS })],
    }
}

/// What of a store is on the disk: its file and its log.
struct Image {
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Image {
    fn of(store: &Path) -> Self {
        Self { file: fs::read(store).unwrap(), log: fs::read(store.with_extension("db-wal")).unwrap() }
    }
}

/// `before`, with some of the sectors that became `after`: those up to a point,
/// any, or all.
fn torn(before: &[u8], after: &[u8], luck: &mut Luck) -> Vec<u8> {
    let changed: Vec<_> = (0..after.len())
        .step_by(SECTOR)
        .map(|start| start..after.len().min(start + SECTOR))
        .filter(|sector| before.get(sector.clone()) != Some(&after[sector.clone()]))
        .collect();
    let (up_to, choice) = (luck.below(changed.len() + 1), luck.below(5));
    let mut image = before.to_vec();
    for (number, sector) in changed.into_iter().enumerate() {
        let reached = match choice {
            0 | 1 => number < up_to,
            2 | 3 => luck.below(2) == 0,
            _ => true,
        };
        if reached {
            // Where a file grew, what did not reach the disk reads as zeros.
            image.resize(image.len().max(sector.end), 0);
            image[sector.clone()].copy_from_slice(&after[sector]);
        }
    }
    image
}

/// Opens what a power loss left, and returns how many commits it holds: each
/// whole. The next one goes on from there.
fn commits_in(file: &[u8], log: &[u8], store: &Path) -> u64 {
    fs::write(store, file).unwrap();
    fs::write(store.with_extension("db-wal"), log).unwrap();
    let store = SqliteStore::open(store).unwrap();
    let held = store.length().unwrap() / 3;
    let entries = (0..held).flat_map(|number| batch(number).entries).collect::<Vec<_>>();
    assert_eq!(store.read(0, usize::MAX).unwrap(), entries);
    let document = store.get("agents", "a").unwrap();
    assert_eq!(document.as_ref().map_or(0, |document| document.revision), held);
    if let Some(last) = held.checked_sub(1) {
        assert_eq!(Some(document.unwrap().body), batch(last).writes.remove(0).body);
        assert_eq!(store.checkpoint(9).unwrap().position, held * 3);
    }
    assert_eq!(store.commit(&batch(held)).unwrap(), held * 3);
    held
}

#[test]
fn a_power_loss_in_any_commit_leaves_what_was_answered_and_that_commit_whole_or_not_at_all() {
    let (live, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, left) = (live.path().join("store.db"), left.path().join("store.db"));
    let (mut luck, mut whole, mut none) = (Luck(0x9e37_79b9_7f4a_7c15), 0, 0);
    let (mut copied, mut anew) = (0, 0);
    let store = SqliteStore::open(&live).unwrap();
    let mut before = Image::of(&live);
    for number in 0..COMMITS {
        store.commit(&batch(number)).unwrap();
        let after = Image::of(&live);
        copied += u32::from(before.file != after.file);
        anew += u32::from(before.log[..32] != after.log[..32]);
        for _ in 0..2 {
            // As it wrote the log, the file was as before.
            let held = commits_in(&before.file, &torn(&before.log, &after.log, &mut luck), &left);
            whole += u64::from(held == number + 1);
            none += u64::from(held == number);
        }
        assert_eq!(whole + none, 2 * (number + 1), "answered commits are gone");
        // As it copied the log into the file, all of the log was on the disk.
        let held = commits_in(&torn(&before.file, &after.file, &mut luck), &after.log, &left);
        assert_eq!(held, number + 1, "answered commits are gone");
        before = after;
    }
    println!("{COMMITS} commits, each torn twice: {whole} are there whole, {none} not at all");
    println!("the log was copied into the file {copied} times, and begun anew {anew} times");
    assert!(whole > 0 && none > 0 && copied > 2 && anew > 2, "nothing was torn");
}
