//! The file of a `SQLite` store: making it, telling it from other files, and
//! opening connections to it.
//!
//! A store is in one file, readable by its owner alone, that names its schema
//! version. A file of anything else is refused and never written to.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::StoreError;

/// `CSGN`: what `file` and `SQLite`'s header call a Countersign store.
const APPLICATION: i32 = 0x4353_474E;

/// The schema below. Any change to it is another version.
const VERSION: i32 = 2;

/// What makes the schema of each version that of the next, beginning with version 1.
const STEPS: [&str; 1] = ["ALTER TABLE chains ADD COLUMN taint INTEGER NOT NULL DEFAULT 0;"];

// Chains have a rowid, for the index on `moved` to point at: a checkpoint took
// a quarter less time, and reading the latest a tenth.
const SCHEMA: &str = "
CREATE TABLE entries (position INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE chains (
    id TEXT NOT NULL PRIMARY KEY, length INTEGER NOT NULL, head BLOB NOT NULL,
    total INTEGER NOT NULL, read INTEGER NOT NULL, write INTEGER NOT NULL, denied INTEGER NOT NULL,
    moved INTEGER NOT NULL, taint INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX chains_moved ON chains (moved);
CREATE TABLE checkpoint (only INTEGER PRIMARY KEY CHECK (only = 0), position INTEGER NOT NULL) STRICT;
";

// Measured with 600-byte entries, 64 to a commit. Pages of 8 KiB gave 15 % more
// entries a second than 4 KiB, larger ones no more. A log of 8 MiB (1,024
// pages) keeps the commits that carry it over under one in a hundred; a larger
// one makes each of them longer. Reads that overlap without a gap let it grow;
// past 32 MiB the disk gets that back. The cache holds the chains a checkpoint
// touches. `fullfsync` is for macOS, where a plain sync stops at the drive's
// cache. No `mmap_size`: a failing disk would be a signal, not an error.
const SETTINGS: &str = "
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA wal_autocheckpoint = 1024;
PRAGMA journal_size_limit = 33554432;
PRAGMA cache_size = -16384;
";

/// Keeps other writers from the store at `path` until the answer is dropped.
/// A file of its own, because `SQLite` keeps locks on the others.
pub fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = OsString::from(path);
    name.push("-lock");
    let file = private().create(true).open(name).map_err(|e| StoreError::Unavailable(e.into()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable("another process writes to this store".into())),
        Err(TryLockError::Error(error)) => Err(StoreError::Unavailable(error.into())),
    }
}

/// Opens the store's one writing connection. A file that is missing or empty
/// becomes a store.
pub fn writer(path: &Path) -> Result<Connection, StoreError> {
    // A file that is there is not opened here: closing it would drop the locks
    // that SQLite holds on it in this process.
    match private().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(StoreError::Unavailable(error.into())),
        _ => {}
    }
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let is_new = is_empty(&conn)?;
    if !is_new {
        upgrade(&mut conn)?;
        recognise(&conn)?;
    }
    conn.pragma_update(None, "page_size", 8192)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!("write-ahead log refused: the journal is `{mode}`").into()));
    }
    conn.execute_batch(SETTINGS)?;
    if is_new {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.commit()?;
    }
    Ok(conn)
}

/// Opens a connection that cannot write.
pub fn reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    recognise(&conn)?;
    Ok(conn)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // TRUST: a file to be verified may come from anyone.
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(conn)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn is_empty(conn: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    let no_tables: bool = conn.query_row(sql, [], |row| row.get(0))?;
    Ok(no_tables && identity(conn)? == (0, 0))
}

fn identity(conn: &Connection) -> Result<(i32, i32), StoreError> {
    let application = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application, version))
}

/// Brings a store of an earlier version to this one, whole or not at all.
fn upgrade(conn: &mut Connection) -> Result<(), StoreError> {
    let (APPLICATION, version) = identity(conn)? else { return Ok(()) };
    let behind = usize::try_from(version).ok().and_then(|version| STEPS.get(version.checked_sub(1)?..));
    let Some(steps @ [_, ..]) = behind else { return Ok(()) };
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    steps.iter().try_for_each(|step| tx.execute_batch(step))?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(())
}

fn recognise(conn: &Connection) -> Result<(), StoreError> {
    match identity(conn)? {
        (APPLICATION, VERSION) => Ok(()),
        (APPLICATION, version) => {
            Err(StoreError::Corrupt(format!("schema version {version}, expected version {VERSION}")))
        }
        _ => Err(StoreError::Corrupt("a database of something else".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use countersign_core::chain::Chain;
    use countersign_core::id::ChainId;
    use countersign_core::taint::Taint;

    use super::*;
    use crate::{Batch, Ledger as _, SqliteStore};

    fn corrupt(opened: Result<SqliteStore, StoreError>) -> String {
        match opened {
            Err(StoreError::Corrupt(why)) => why,
            Err(other) => panic!("expected a corrupt store, not: {other}"),
            Ok(_) => panic!("expected a corrupt store, but it opened"),
        }
    }

    #[test]
    fn a_file_that_is_not_a_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let text = "not a database ".repeat(1000);
        fs::write(&path, &text).unwrap();
        corrupt(SqliteStore::open(&path));
        corrupt(SqliteStore::open_read_only(&path));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_database_of_something_else_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = fs::read(&path).unwrap();
        corrupt(SqliteStore::open(&path));
        corrupt(SqliteStore::open_read_only(&path));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_newer_schema_is_refused_and_both_versions_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        drop(SqliteStore::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
        for opened in [SqliteStore::open(&path), SqliteStore::open_read_only(&path)] {
            assert_eq!(corrupt(opened), "schema version 7, expected version 2");
        }
    }

    #[test]
    fn a_store_of_the_version_before_is_brought_to_this_one_and_keeps_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let id = ChainId::parse("sess_1").unwrap();
        let chain = Chain { length: 3, ..Chain::GENESIS };
        let store = SqliteStore::open(&path).unwrap();
        store.commit(&Batch { chains: vec![(id.clone(), chain)], ..Batch::default() }).unwrap();
        drop(store);
        let before = "ALTER TABLE chains DROP COLUMN taint; PRAGMA user_version = 1;";
        Connection::open(&path).unwrap().execute_batch(before).unwrap();
        assert_eq!(corrupt(SqliteStore::open_read_only(&path)), "schema version 1, expected version 2");
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.chain(&id).unwrap(), Some(chain));
        let tainted = chain.tainted(Taint::from_bits(1));
        store.commit(&Batch { chains: vec![(id.clone(), tainted)], ..Batch::default() }).unwrap();
        drop(store);
        assert_eq!(SqliteStore::open(&path).unwrap().chain(&id).unwrap(), Some(tainted));
    }

    #[test]
    fn a_missing_file_is_made_for_a_writer_but_not_for_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        assert!(matches!(SqliteStore::open_read_only(&path), Err(StoreError::Unavailable(_))));
        assert!(!path.exists());
        assert_eq!(SqliteStore::open(&path).unwrap().length().unwrap(), 0);
    }

    #[test]
    fn a_creation_that_was_cut_short_is_finished_by_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        fs::write(&path, "").unwrap();
        assert_eq!(SqliteStore::open(&path).unwrap().length().unwrap(), 0);
        assert_eq!(SqliteStore::open(&path).unwrap().length().unwrap(), 0);
    }

    #[test]
    fn a_second_writer_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let first = SqliteStore::open(&path).unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Unavailable(_))));
        drop(first);
        assert!(SqliteStore::open(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn every_file_of_a_store_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let _store = SqliteStore::open(&dir.path().join("store")).unwrap();
        for file in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.path().display());
        }
    }
}
