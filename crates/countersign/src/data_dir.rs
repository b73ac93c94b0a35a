//! The data directory: one server's files, its owner's alone.
//!
//! It holds `countersign.db` (the record and the documents), `seal.key` (what
//! rights are sealed with), `log.key` and `log.db` (the transparency log: its
//! key, and the tiles that follow from the record), `content.key` (what digests of findings are
//! made with), `lock` (held while a server runs) and, for
//! development, `dev-keys.json`.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use countersign_core::seal::SealKey;
use countersign_engine::Entropy;

/// A data directory that this process alone uses.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// The database in the data directory at `dir`.
pub fn database(dir: &Path) -> PathBuf {
    dir.join("countersign.db")
}

/// The seal key in the data directory at `dir`.
pub fn seal_key(dir: &Path) -> PathBuf {
    dir.join("seal.key")
}

impl DataDir {
    /// Opens the data directory at `path`, and makes it where there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory `{shown}`"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| format!("cannot write to the data directory `{shown}`"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "the data directory `{shown}` is in use by another countersign process, and only one may use it; \
                 stop that one, or choose another directory"
            ),
            Err(TryLockError::Error(why)) => Err(why).with_context(|| format!("cannot lock `{shown}`")),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The seal key; made on the first start.
    pub fn seal_key(&self, entropy: &dyn Entropy) -> Result<SealKey> {
        let path = seal_key(&self.path);
        let shown = path.display();
        match std::fs::read(&path) {
            Ok(bytes) => {
                let length = bytes.len();
                let bytes = <[u8; 32]>::try_from(bytes).ok();
                let bytes = bytes.with_context(|| {
                    format!("`{shown}` has {length} bytes and not the 32 of a seal key; restore it from a backup")
                })?;
                if is_open(&path) {
                    tracing::warn!(
                        "others may read `{shown}`: whoever has it can forge rights; run `chmod 600 {shown}`"
                    );
                }
                Ok(SealKey::new(bytes))
            }
            Err(why) if why.kind() == ErrorKind::NotFound => {
                if database(&self.path).exists() {
                    bail!(
                        "`{shown}` is missing, and every session, token, delegation and approval in the database is \
                         sealed with it; restore it from a backup, or give all of them up with \
                         `head -c 32 /dev/urandom > {shown}`"
                    );
                }
                let mut bytes = [0; 32];
                entropy.fill(&mut bytes);
                write_private(&path, &bytes)?;
                Ok(SealKey::new(bytes))
            }
            Err(why) => Err(why).with_context(|| format!("cannot read `{shown}`")),
        }
    }
}

/// Whether others than its owner may read or write the file at `path`.
pub fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// Writes a file that its owner alone may read: whole or not at all, and on
/// disk when this returns.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let unfinished = path.with_extension("new");
        if let Err(why) = std::fs::remove_file(&unfinished)
            && why.kind() != ErrorKind::NotFound
        {
            return Err(why);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use countersign_engine::SystemEntropy;

    use super::*;

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        let refused = DataDir::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&path.display().to_string()), "{refused}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn the_directory_and_its_key_are_the_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let dir = DataDir::open(&path).unwrap();
        dir.seal_key(&SystemEntropy).unwrap();
        assert!(!is_open(&path) && !is_open(&seal_key(&path)) && !is_open(&path.join("lock")));
        assert_eq!(std::fs::read(seal_key(&path)).unwrap().len(), 32);
    }

    #[test]
    fn a_seal_key_is_made_once_and_a_short_or_lost_one_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        dir.seal_key(&SystemEntropy).unwrap();
        let made = std::fs::read(seal_key(parent.path())).unwrap();
        dir.seal_key(&SystemEntropy).unwrap();
        assert_eq!(std::fs::read(seal_key(parent.path())).unwrap(), made);

        std::fs::write(seal_key(parent.path()), [7; 31]).unwrap();
        assert!(dir.seal_key(&SystemEntropy).unwrap_err().to_string().contains("31 bytes"));

        std::fs::write(database(parent.path()), "").unwrap();
        std::fs::remove_file(seal_key(parent.path())).unwrap();
        assert!(dir.seal_key(&SystemEntropy).unwrap_err().to_string().contains("missing"));
        assert!(!seal_key(parent.path()).exists());
    }
}
