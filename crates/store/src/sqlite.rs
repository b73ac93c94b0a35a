//! A store in one `SQLite` file.
//!
//! One connection writes, a transaction and a sync to each commit; others read
//! beside it and never wait for it. What `commit` answered survives a crash
//! and a power loss. It never leaves a transaction open: after a failure the
//! next commit starts clean.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use countersign_core::Digest;
use countersign_core::chain::{Chain, Tally};
use countersign_core::id::ChainId;
use countersign_core::taint::Taint;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::{Batch, Checkpoint, Document, Documents, Ledger, StoreError, Write};

mod file;

/// How many reading connections are kept open while nobody reads.
const IDLE_READERS: usize = 8;

/// A ledger and its documents, in a `SQLite` file.
#[derive(Debug)]
pub struct SqliteStore {
    // INVARIANT: the writer is dropped after the readers, so that the last
    // connection to close can empty the log; the lock goes after both.
    readers: Readers,
    writer: Option<(Mutex<Connection>, File)>,
}

impl SqliteStore {
    /// Opens the store at `path`, and makes it where there is none. One at a
    /// time may have it open this way.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = file::lock(path)?;
        let writer = Mutex::new(file::writer(path)?);
        Ok(Self { readers: Readers::open(path)?, writer: Some((writer, lock)) })
    }

    /// Opens the store at `path` for reading alone: beside a server, or after
    /// one that was killed. A commit answers [`StoreError::Unavailable`].
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { readers: Readers::open(path)?, writer: None })
    }
}

impl Ledger for SqliteStore {
    fn commit(&self, batch: &Batch) -> Result<u64, StoreError> {
        let Some((writer, _)) = &self.writer else {
            return Err(StoreError::Unavailable("opened for reading alone".into()));
        };
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Any way out of here before `commit` rolls back.
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first = length(&tx)?;
        append(&tx, first, &batch.entries)?;
        batch.writes.iter().try_for_each(|write| apply(&tx, write))?;
        if !batch.chains.is_empty() {
            checkpoint(&tx, &batch.chains)?;
        }
        tx.commit()?;
        Ok(first)
    }

    fn read(&self, start: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.readers.read(|conn| {
            let sql = "SELECT position, body FROM entries WHERE position >= ?1 ORDER BY position LIMIT ?2";
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map([at_most(start), at_most(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut bodies = Vec::new();
            for (expected, row) in (start..=u64::MAX).zip(rows) {
                let (position, body): (u64, _) = row?;
                if position != expected {
                    return Err(StoreError::Corrupt(format!("entry {expected} is missing")));
                }
                bodies.push(body);
            }
            Ok(bodies)
        })
    }

    fn length(&self) -> Result<u64, StoreError> {
        self.readers.read(length)
    }

    fn chain(&self, id: &ChainId) -> Result<Option<Chain>, StoreError> {
        self.readers.read(|conn| {
            let sql = "SELECT id, length, head, total, read, write, denied, taint FROM chains WHERE id = ?1";
            let chain = conn.prepare_cached(sql)?.query_row([id.as_str()], to_chain).optional()?;
            Ok(chain.map(|(_, chain)| chain))
        })
    }

    fn checkpoint(&self, limit: usize) -> Result<Checkpoint, StoreError> {
        self.readers.read(|conn| {
            let snapshot = conn.unchecked_transaction()?;
            let mut position = snapshot.prepare_cached("SELECT position FROM checkpoint")?;
            let position = position.query_row([], |row| row.get(0)).optional()?;
            let sql =
                "SELECT id, length, head, total, read, write, denied, taint FROM chains ORDER BY moved DESC LIMIT ?1";
            let mut chains = snapshot.prepare_cached(sql)?;
            let chains = chains.query_map([at_most(limit)], to_chain)?.collect::<Result<_, _>>()?;
            Ok(Checkpoint { position: position.unwrap_or(0), chains })
        })
    }
}

impl Documents for SqliteStore {
    fn get(&self, kind: &str, key: &str) -> Result<Option<Document>, StoreError> {
        self.readers.read(|conn| {
            let sql = "SELECT key, revision, body FROM documents WHERE kind = ?1 AND key = ?2";
            Ok(conn.prepare_cached(sql)?.query_row([kind, key], to_document).optional()?)
        })
    }

    fn list(&self, kind: &str) -> Result<Vec<Document>, StoreError> {
        self.readers.read(|conn| {
            let sql = "SELECT key, revision, body FROM documents WHERE kind = ?1 ORDER BY key";
            Ok(conn.prepare_cached(sql)?.query_map([kind], to_document)?.collect::<Result<_, _>>()?)
        })
    }
}

/// Connections that only read: as many as read at once.
#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), idle: Mutex::new(vec![file::reader(path)?]) })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = idle.map_or_else(|| file::reader(&self.path), Ok)?;
        let answer = read(&conn);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(conn);
        }
        answer
    }
}

fn length(conn: &Connection) -> Result<u64, StoreError> {
    let last = "SELECT max(position) FROM entries";
    let last: Option<u64> = conn.prepare_cached(last)?.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last + 1))
}

fn append(conn: &Connection, first: u64, entries: &[Vec<u8>]) -> Result<(), StoreError> {
    let mut insert = conn.prepare_cached("INSERT INTO entries (position, body) VALUES (?1, ?2)")?;
    for (position, body) in (first..).zip(entries) {
        insert.execute(params![position, body])?;
    }
    Ok(())
}

fn apply(conn: &Connection, write: &Write) -> Result<(), StoreError> {
    let Write { kind, key, revision, body } = write;
    let stored = "SELECT revision FROM documents WHERE kind = ?1 AND key = ?2";
    let stored: Option<u64> =
        conn.prepare_cached(stored)?.query_row([kind, key.as_str()], |row| row.get(0)).optional()?;
    if stored.unwrap_or(0) != *revision {
        return Err(StoreError::Conflict { key: key.clone() });
    }
    if let Some(body) = body {
        let sql = "REPLACE INTO documents (kind, key, revision, body) VALUES (?1, ?2, ?3, ?4)";
        conn.prepare_cached(sql)?.execute(params![kind, key, revision + 1, body])?;
    } else {
        conn.prepare_cached("DELETE FROM documents WHERE kind = ?1 AND key = ?2")?.execute([kind, key.as_str()])?;
    }
    Ok(())
}

fn checkpoint(conn: &Connection, chains: &[(ChainId, Chain)]) -> Result<(), StoreError> {
    let sql = "REPLACE INTO checkpoint (only, position) VALUES (0, ?1)";
    conn.prepare_cached(sql)?.execute([length(conn)?])?;
    let latest = "SELECT max(moved) FROM chains";
    let latest: Option<u64> = conn.prepare_cached(latest)?.query_row([], |row| row.get(0))?;
    let sql = "INSERT INTO chains (id, length, head, total, read, write, denied, moved, taint)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT (id) DO UPDATE SET
               length = ?2, head = ?3, total = ?4, read = ?5, write = ?6, denied = ?7, moved = ?8, taint = ?9";
    let mut upsert = conn.prepare_cached(sql)?;
    for (moved, (id, chain)) in (latest.unwrap_or(0) + 1..).zip(chains) {
        let Tally { total, read, write, denied } = chain.tally;
        let head = chain.head.as_bytes();
        let taint = chain.taint.bits();
        upsert.execute(params![id.as_str(), chain.length, head, total, read, write, denied, moved, taint])?;
    }
    Ok(())
}

fn to_chain(row: &Row<'_>) -> rusqlite::Result<(ChainId, Chain)> {
    let id = ChainId::try_from(row.get::<_, String>(0)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?;
    let tally = Tally { total: row.get(3)?, read: row.get(4)?, write: row.get(5)?, denied: row.get(6)? };
    let taint = Taint::from_bits(row.get(7)?);
    Ok((id, Chain { length: row.get(1)?, head: Digest::from_bytes(row.get(2)?), tally, taint }))
}

fn to_document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document { key: row.get(0)?, revision: row.get(1)?, body: row.get(2)? })
}

/// A bound as `SQLite` counts: no table reaches the number it stops at.
fn at_most(bound: impl TryInto<i64>) -> i64 {
    bound.try_into().unwrap_or(i64::MAX)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;

        let is_corrupt = match &error {
            E::SqliteFailure(failure, _) => {
                matches!(failure.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
            }
            // Our statements are fixed: what they do not fit is not our schema.
            E::SqlInputError { .. }
            | E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => true,
            _ => false,
        };
        // SQLite's own words leave open what is full, and for want of room for
        // the index of its log they say no more than `disk I/O error`.
        let is_full = error.sqlite_error().is_some_and(|failure| {
            failure.code == ErrorCode::DiskFull || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        });
        if is_corrupt {
            Self::Corrupt(error.to_string())
        } else if is_full {
            Self::Unavailable("the disk is full".into())
        } else {
            Self::Unavailable(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::{MemoryStore, conformance};

    #[test]
    fn the_sqlite_store_keeps_the_contract() {
        let (dir, made) = (tempfile::tempdir().unwrap(), Cell::new(0));
        conformance::store(|| SqliteStore::open(&dir.path().join(made.replace(made.get() + 1).to_string())).unwrap());
    }

    #[test]
    fn the_sqlite_store_has_everything_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        conformance::reopened(|| SqliteStore::open(&dir.path().join("store")).unwrap());
    }

    fn entry(body: &[u8]) -> Batch {
        Batch { entries: vec![body.to_vec()], ..Batch::default() }
    }

    #[test]
    fn a_reader_sees_what_a_live_server_commits_and_cannot_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let server = SqliteStore::open(&path).unwrap();
        let reader = SqliteStore::open_read_only(&path).unwrap();
        server.commit(&entry(b"entry")).unwrap();
        assert_eq!(reader.read(0, 9).unwrap(), [b"entry"]);
        assert!(matches!(reader.commit(&entry(b"forged")), Err(StoreError::Unavailable(_))));
        server.commit(&entry(b"more")).unwrap();
        assert_eq!(reader.length().unwrap(), 2);
    }

    #[test]
    fn the_files_a_killed_server_left_have_all_it_committed() {
        let (live, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let server = SqliteStore::open(&live.path().join("store")).unwrap();
        for _ in 0..10 {
            server.commit(&entry(b"entry")).unwrap();
        }
        for name in ["store", "store-wal"] {
            fs::copy(live.path().join(name), left.path().join(name)).unwrap();
        }
        let path = left.path().join("store");
        assert_eq!(SqliteStore::open_read_only(&path).unwrap().length().unwrap(), 10);
        assert_eq!(SqliteStore::open(&path).unwrap().commit(&entry(b"next")).unwrap(), 10);
    }

    #[test]
    fn a_full_disk_refuses_the_batch_and_the_store_goes_on_when_there_is_space() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("store")).unwrap();
        let limit_pages = |pages: u32| {
            let writer = store.writer.as_ref().unwrap().0.lock().unwrap();
            writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        store.commit(&entry(b"before")).unwrap();
        limit_pages(1);
        let large = Batch { chains: vec![(ChainId::server(), Chain::GENESIS)], ..entry(&[7].repeat(100_000)) };
        let refused = store.commit(&large);
        assert!(matches!(refused, Err(StoreError::Unavailable(why)) if why.to_string() == "the disk is full"));
        assert_eq!(store.length().unwrap(), 1);
        limit_pages(1_000_000);
        assert_eq!(store.commit(&large).unwrap(), 1);
        assert_eq!(store.checkpoint(9).unwrap().position, 2);
    }

    #[test]
    fn a_missing_entry_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = SqliteStore::open(&path).unwrap();
        store.commit(&Batch { entries: vec![vec![0], vec![1], vec![2]], ..Batch::default() }).unwrap();
        Connection::open(&path).unwrap().execute("DELETE FROM entries WHERE position = 1", []).unwrap();
        assert!(matches!(store.read(0, 9), Err(StoreError::Corrupt(why)) if why == "entry 1 is missing"));
    }

    fn any_write() -> impl Strategy<Value = Write> {
        let kind = prop::sample::select(vec!["agents", "tokens"]);
        let body = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..4));
        (kind, "[ab]", 0..3_u64, body).prop_map(|(kind, key, revision, body)| Write { kind, key, revision, body })
    }

    fn any_chain() -> impl Strategy<Value = (ChainId, Chain)> {
        ("[a-d]", any::<[u8; 32]>(), 0..9_u64).prop_map(|(id, head, length)| {
            let chain = Chain { length, head: Digest::from_bytes(head), ..Chain::GENESIS };
            (ChainId::parse(&id).unwrap(), chain)
        })
    }

    fn any_batch() -> impl Strategy<Value = Batch> {
        let entries = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..4);
        let writes = prop::collection::vec(any_write(), 0..3);
        let chains = prop::collection::vec(any_chain(), 0..3);
        (entries, writes, chains).prop_map(|(entries, writes, chains)| Batch { entries, writes, chains })
    }

    fn assert_equal(one: &(impl Ledger + Documents), other: &(impl Ledger + Documents)) {
        assert_eq!(one.length().unwrap(), other.length().unwrap());
        assert_eq!(one.read(0, usize::MAX).unwrap(), other.read(0, usize::MAX).unwrap());
        for kind in ["agents", "tokens"] {
            assert_eq!(one.list(kind).unwrap(), other.list(kind).unwrap());
        }
        for limit in [2, usize::MAX] {
            assert_eq!(one.checkpoint(limit).unwrap(), other.checkpoint(limit).unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_sequence_of_batches_leaves_memory_and_sqlite_equal(batches in prop::collection::vec(any_batch(), 1..24)) {
            let dir = tempfile::tempdir().unwrap();
            let sqlite = SqliteStore::open(&dir.path().join("store")).unwrap();
            let memory = MemoryStore::default();
            for batch in batches {
                let answers = [sqlite.commit(&batch), memory.commit(&batch)].map(|answer| format!("{answer:?}"));
                prop_assert_eq!(&answers[0], &answers[1]);
                assert_equal(&sqlite, &memory);
            }
        }
    }
}
