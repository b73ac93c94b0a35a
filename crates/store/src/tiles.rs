//! The published tree: tiles and the checkpoint over them, in a file of its own.
//!
//! Everything in it follows from the ledger and the log's key, so losing it
//! loses nothing but the time to make it again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::StoreError;

/// What a tree's publisher keeps.
pub trait Tiles: Send + Sync {
    /// Puts tiles, by the name of the full tile, and the checkpoint over them,
    /// all together. A tile that is there already is replaced: it only grows.
    fn publish(&self, tiles: &[(String, Vec<u8>)], checkpoint: &str) -> Result<(), StoreError>;

    /// Puts tiles that no checkpoint covers yet. What is published reads the same.
    fn keep(&self, tiles: &[(String, Vec<u8>)]) -> Result<(), StoreError>;

    /// A tile as last put.
    fn tile(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The last checkpoint.
    fn checkpoint(&self) -> Result<Option<String>, StoreError>;
}

/// Tiles in a SQLite file.
#[derive(Debug)]
pub struct SqliteTiles(Mutex<Connection>);

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS tiles (name TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (only INTEGER PRIMARY KEY CHECK (only = 0), note TEXT NOT NULL) STRICT;
";

impl SqliteTiles {
    /// Opens the tiles at `path`, and makes the file where there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Opens the tiles at `path` for reading alone.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self(Mutex::new(connection)))
    }

    fn put(&self, tiles: &[(String, Vec<u8>)], checkpoint: Option<&str>) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for (name, body) in tiles {
            tx.prepare_cached("INSERT OR REPLACE INTO tiles (name, body) VALUES (?1, ?2)")?
                .execute(params![name, body])?;
        }
        if let Some(checkpoint) = checkpoint {
            tx.execute("INSERT OR REPLACE INTO checkpoint (only, note) VALUES (0, ?1)", [checkpoint])?;
        }
        Ok(tx.commit()?)
    }

    // A panic while the lock is held rolls the transaction back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tiles for SqliteTiles {
    fn publish(&self, tiles: &[(String, Vec<u8>)], checkpoint: &str) -> Result<(), StoreError> {
        self.put(tiles, Some(checkpoint))
    }

    fn keep(&self, tiles: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.put(tiles, None)
    }

    fn tile(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT body FROM tiles WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        Ok(self.lock().query_row("SELECT note FROM checkpoint", [], |row| row.get(0)).optional()?)
    }
}

/// Tiles in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryTiles(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tiles: HashMap<String, Vec<u8>>,
    checkpoint: Option<String>,
}

impl MemoryTiles {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tiles for MemoryTiles {
    fn publish(&self, tiles: &[(String, Vec<u8>)], checkpoint: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.tiles.extend(tiles.iter().cloned());
        state.checkpoint = Some(checkpoint.to_owned());
        Ok(())
    }

    fn keep(&self, tiles: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.lock().tiles.extend(tiles.iter().cloned());
        Ok(())
    }

    fn tile(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().tiles.get(name).cloned())
    }

    fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        Ok(self.lock().checkpoint.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_what_was_published(tiles: &dyn Tiles) {
        assert_eq!(tiles.checkpoint().unwrap(), None);
        assert_eq!(tiles.tile("tile/0/000").unwrap(), None);
        tiles.publish(&[("tile/0/000".into(), vec![1])], "one").unwrap();
        tiles.publish(&[("tile/0/000".into(), vec![1, 2])], "two").unwrap();
        assert_eq!(tiles.tile("tile/0/000").unwrap(), Some(vec![1, 2]));
        tiles.keep(&[("tile/0/001".into(), vec![3])]).unwrap();
        assert_eq!(tiles.tile("tile/0/001").unwrap(), Some(vec![3]));
        assert_eq!(tiles.checkpoint().unwrap().as_deref(), Some("two"));
    }

    #[test]
    fn memory_keeps_what_was_published() {
        keeps_what_was_published(&MemoryTiles::default());
    }

    #[test]
    fn a_file_keeps_what_was_published_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        keeps_what_was_published(&SqliteTiles::open(&path).unwrap());
        assert_eq!(SqliteTiles::open(&path).unwrap().checkpoint().unwrap().as_deref(), Some("two"));
    }
}
