//! A record that was cut off is never verified, wherever it was cut.

use std::path::Path;
use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_core::id::{ChainId, OrgId};
use countersign_engine::Log;
use countersign_evidence::entry::Draft;
use countersign_evidence::event::Change;
use countersign_evidence::log::note::{KeyName, Signer};
use countersign_store::{Batch, Ledger as _, SqliteStore, SqliteTiles};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::harness::run;

/// How many entries the record has, and how many of them the store's own
/// checkpoint covers: the rest is covered by the log's alone.
const ENTRIES: u64 = 1_200;
const CHECKPOINTED: u64 = 150;

/// A data directory whose whole record is published, and the log's key.
struct Published {
    folder: TempDir,
    vkey: String,
}

impl Published {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).unwrap());
        let (id, org) = (ChainId::parse("acme").unwrap(), OrgId::parse("acme").unwrap());
        let event = Change { by: "key_1", id: "agent_1", noun: "agent", verb: "update" };
        let (mut chain, mut batch) = (Chain::GENESIS, Batch::default());
        for number in 1..=ENTRIES {
            let draft = Draft::new(id.clone(), Some(&org), Timestamp::from_millis(0), &event).unwrap();
            let (bytes, after) = draft.seal(chain);
            batch.entries.push(bytes);
            chain = after;
            if number == CHECKPOINTED {
                batch.chains.push((id.clone(), chain));
                store.commit(&std::mem::take(&mut batch)).unwrap();
            }
        }
        store.commit(&batch).unwrap();

        let signer = Signer::new(KeyName::parse("log.example/main").unwrap(), SigningKey::from_bytes(&[1; 32]));
        let vkey = signer.verifier().to_string();
        let tiles = SqliteTiles::open(&folder.path().join("log.db")).unwrap();
        let log = Log::start(store, Arc::new(tiles), signer).unwrap();
        // Publishes what is committed.
        log.stop();
        assert_eq!(log.published().unwrap().head.size, ENTRIES);
        drop(log);
        Self { folder, vkey }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it verifies. A refusal says what is wrong or that it cannot be read.
    fn verifies(&self) -> bool {
        let ran = run(["evidence", "verify", self.path().to_str().unwrap(), "--vkey", &self.vkey]);
        assert!(matches!(ran.code, Some(0 | 3 | 5)) && !ran.err.contains("panicked"), "{ran:?}");
        ran.code == Some(0)
    }
}

#[test]
fn no_record_verifies_whose_last_entries_are_gone() {
    let record = Published::new();
    assert!(record.verifies());
    let db = Connection::open(record.path().join("countersign.db")).unwrap();
    for left in (ENTRIES - 1_000..ENTRIES).rev() {
        db.execute("DELETE FROM entries WHERE position >= ?1", [i64::try_from(left).unwrap()]).unwrap();
        assert!(!record.verifies(), "verified with {left} entries of {ENTRIES}");
    }
}

#[test]
fn no_record_verifies_whose_file_was_cut_off() {
    let record = Published::new();
    assert!(record.verifies());
    let path = record.path().join("countersign.db");
    let whole = std::fs::read(&path).unwrap();
    // A linear congruential generator (Numerical Recipes), so that every run cuts alike.
    let mut luck = 7_u64;
    for _ in 0..1_000 {
        luck = luck.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % (1 << 32);
        let length = usize::try_from(luck).unwrap() % whole.len();
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(!record.verifies(), "verified with {length} bytes of {}", whole.len());
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(record.verifies());
}
