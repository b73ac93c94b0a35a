//! Captured payloads: sealed bytes beside the record, which can be deleted
//! without anything in the record changing.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::StoreError;

/// Payloads in a SQLite file of their own. What is deleted is overwritten.
///
/// A payload is on disk when [`put`](Self::put) returns as far as a crash of
/// the process goes; a power loss may lose the last ones.
#[derive(Debug)]
pub struct Payloads(Mutex<Connection>);

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS payloads (id TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS payloads_at ON payloads (at);
";

impl Payloads {
    /// Opens the file at `path`, and makes it where there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::on(Connection::open(path)?)
    }

    /// Payloads that end with the process.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::on(Connection::open_in_memory()?)
    }

    fn on(connection: Connection) -> Result<Self, StoreError> {
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(connection)))
    }

    // A panic while the lock is held rolls the transaction back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `body` as `id`, from the time `at` in milliseconds.
    pub fn put(&self, id: &str, at: i64, body: &[u8]) -> Result<(), StoreError> {
        let connection = self.lock();
        let mut insert = connection.prepare_cached("INSERT INTO payloads (id, at, body) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![id, at, body])?;
        Ok(())
    }

    /// What is kept as `id`.
    pub fn get(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT body FROM payloads WHERE id = ?1")?;
        Ok(select.query_row([id], |row| row.get(0)).optional()?)
    }

    /// How many there are.
    pub fn count(&self) -> Result<u64, StoreError> {
        Ok(self.lock().query_row("SELECT count(*) FROM payloads", [], |row| row.get(0))?)
    }

    /// Deletes what is kept as `id`. Returns whether there was anything.
    pub fn delete(&self, id: &str) -> Result<bool, StoreError> {
        let connection = self.lock();
        let gone = connection.prepare_cached("DELETE FROM payloads WHERE id = ?1")?.execute([id])?;
        empty_log(&connection)?;
        Ok(gone > 0)
    }

    /// Deletes everything kept before the time `at` in milliseconds. Returns
    /// how much went.
    pub fn delete_before(&self, at: i64) -> Result<usize, StoreError> {
        let connection = self.lock();
        let gone = connection.prepare_cached("DELETE FROM payloads WHERE at < ?1")?.execute([at])?;
        if gone > 0 {
            empty_log(&connection)?;
        }
        Ok(gone)
    }
}

/// The write-ahead log would keep what was overwritten for a while longer.
fn empty_log(connection: &Connection) -> Result<(), StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_kept_until_it_is_deleted_and_then_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payloads.db");
        let canary = b"canary-of-a-payload-that-is-long-enough-to-be-found";
        let payloads = Payloads::open(&path).unwrap();
        payloads.put("a", 1, canary).unwrap();
        payloads.put("b", 2, b"other").unwrap();
        assert_eq!(payloads.get("a").unwrap().as_deref(), Some(&canary[..]));
        assert!(payloads.put("a", 3, b"again").is_err(), "what is kept is never replaced");
        assert!(payloads.delete("a").unwrap());
        assert!(!payloads.delete("a").unwrap());
        assert_eq!(payloads.get("a").unwrap(), None);
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(canary.len()).any(|window| window == canary));
        }
        assert_eq!(payloads.delete_before(2).unwrap(), 0);
        assert_eq!(payloads.delete_before(3).unwrap(), 1);
    }
}
