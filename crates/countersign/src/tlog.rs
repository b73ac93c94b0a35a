//! Where a published log is read from: a server, a folder of plain files, or
//! the data directory that it is published from.
//!
//! <https://c2sp.org/tlog-tiles>. Nothing that is read here is believed: whoever
//! reads checks it against a checkpoint.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_core::Digest;
use countersign_evidence::log::checkpoint::Checkpoint;
use countersign_evidence::log::merkle::{Node, TreeHead};
use countersign_evidence::log::note::Note;
use countersign_evidence::log::proof::{HashReader as _, Unproven, prove_consistency, prove_inclusion};
use countersign_evidence::log::tile::{HEIGHT, Layer, TilePath, WIDTH, entries, push_entry};
use countersign_evidence::log::tile_reader::{TileError, TileReader};
use countersign_evidence::log::witness::{Views, split_view_in};
use countersign_store::{Ledger as _, SqliteStore, SqliteTiles, Tiles as _};

use crate::client::Client;
use crate::data_dir::database;
use crate::node::explain;

/// A log that can be read.
pub trait Source {
    /// The last checkpoint, as it was signed; `None` where nothing is published.
    fn checkpoint(&self) -> Result<Option<Vec<u8>>>;

    /// A tile or bundle of exactly that width; `None` where there is none.
    /// [`Denied`] where there may be one, and not for who asks.
    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>>;
}

/// The log does not show this to who asks.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Denied(String);

/// A log's last word, as it was shown: nobody's before its signatures are verified.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The signed note.
    pub note: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
}

impl Shown {
    /// Reads a signed checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// Reads the one that `source` shows; `name` is for errors.
    pub fn of(source: &dyn Source, name: &str) -> Result<Self> {
        let bytes = source.checkpoint()?;
        let bytes = bytes.with_context(|| {
            format!(
                "`{name}` shows no checkpoint: none is published yet, or it is no log (a server's ends with `/log`)"
            )
        })?;
        Self::parse(&bytes).with_context(|| format!("`{name}` is no log: its checkpoint cannot be read"))
    }
}

/// A bundle of entries as it was fetched.
pub struct Bundle {
    bytes: Vec<u8>,
    is_wider: bool,
}

impl Bundle {
    /// Fetches a bundle. Where a narrow one is gone, the full one that took its place will do.
    pub fn fetch(source: &dyn Source, path: TilePath) -> Result<Option<Self>> {
        if let Some(bytes) = source.tile(path)? {
            return Ok(Some(Self { bytes, is_wider: false }));
        }
        let full = if path.is_full() { None } else { source.tile(path.full())? };
        Ok(full.map(|bytes| Self { bytes, is_wider: true }))
    }

    /// The entries that the bundle at `path` holds, or what is wrong with it.
    pub fn entries(&self, path: TilePath) -> Result<Vec<&[u8]>, String> {
        let width = usize::from(path.width());
        let entries = entries(&self.bytes).collect::<Result<Vec<_>, _>>().map_err(|why| format!("`{path}`: {why}"))?;
        match entries.get(..width) {
            Some(first) if self.is_wider || entries.len() == width => Ok(first.to_vec()),
            _ => Err(format!("`{path}` holds {} entries", entries.len())),
        }
    }
}

/// The hashes of one tree, every one checked against its root.
pub struct Hashes<'s>(TileReader<Fetch<'s>>);

type Fetch<'s> = Box<dyn FnMut(TilePath) -> Result<Option<Vec<u8>>> + 's>;

/// Why there is no hash to go by.
pub enum NoHash {
    /// The log cannot be read.
    Unreadable(anyhow::Error),
    /// What it holds is not the tree of its checkpoint.
    Wrong {
        /// The first entry that the fault may be about.
        position: u64,
        /// What is wrong.
        fault: String,
    },
}

impl NoHash {
    /// As an error, for who cannot tell a wrong log from one that cannot be read.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Unreadable(why) => why,
            Self::Wrong { position, fault } => anyhow!("the log does not verify at entry {position}: {fault}"),
        }
    }
}

impl<'s> Hashes<'s> {
    /// The hashes of the tree `head`, as `source` shows them.
    pub fn of(source: &'s dyn Source, head: TreeHead) -> Self {
        Self(TileReader::checking(head, Box::new(move |path| source.tile(path))))
    }

    /// The hashes that the tile at `path` holds, or those of the entries in a bundle.
    pub fn at(&mut self, path: TilePath) -> Result<Vec<Digest>, NoHash> {
        let level = match path.layer() {
            Layer::Hashes(level) => level * HEIGHT,
            Layer::Entries => 0,
        };
        let position = path.range().start.checked_shl(level.into()).unwrap_or(u64::MAX);
        let mut found = Vec::with_capacity(path.width().into());
        for index in path.range() {
            let hash = self.0.read(Node { level, index }).map_err(|why| unusable(why, position))?;
            let missing = || NoHash::Wrong { position, fault: "missing: the tile that its hash is in".to_owned() };
            found.push(hash.ok_or_else(missing)?);
        }
        Ok(found)
    }

    /// Proves that the entry at `index` is in the tree of `size` entries.
    pub fn prove(&mut self, index: u64, size: u64) -> Result<Vec<Digest>, NoHash> {
        prove_inclusion(index, size, &mut self.0).map_err(|why| unproven(why, index))
    }

    /// Proves that the tree of `new` entries begins with that of `old`.
    pub fn prove_grown(&mut self, old: u64, new: u64) -> Result<Vec<Digest>, NoHash> {
        prove_consistency(old, new, &mut self.0).map_err(|why| unproven(why, old))
    }

    /// What two checkpoints say of one another, the larger being that of this tree.
    pub fn compare(&mut self, a: &Checkpoint, b: &Checkpoint) -> Result<Views, NoHash> {
        split_view_in(a, b, &mut self.0).map_err(|why| unproven(why, 0))
    }
}

fn unproven(why: Unproven<TileError<anyhow::Error>>, position: u64) -> NoHash {
    match why {
        Unproven::Unreadable(why) => unusable(why, position),
        Unproven::Missing(node) => NoHash::Wrong { position, fault: format!("missing: the tile with {node}") },
        Unproven::OutOfRange { .. } => NoHash::Wrong { position, fault: "the tree is too small".to_owned() },
    }
}

fn unusable(why: TileError<anyhow::Error>, position: u64) -> NoHash {
    match why {
        TileError::Unreadable { path, source } => NoHash::Unreadable(source.context(format!("`{path}`"))),
        wrong => NoHash::Wrong { position, fault: wrong.to_string() },
    }
}

/// A log that a server publishes.
pub struct Remote {
    open: Client,
    keyed: Client,
    has_key: bool,
}

impl Remote {
    /// The log at `url`. The key is shown only to ask for entries.
    pub fn new(url: &str, key: Option<String>) -> Result<Self> {
        let has_key = key.as_ref().is_some_and(|key| !key.is_empty());
        Ok(Self { open: Client::new(url, None)?, keyed: Client::new(url, key)?, has_key })
    }

    fn fetch(&self, client: &Client, path: &str) -> Result<Option<Vec<u8>>> {
        let (status, bytes) = client.fetch(path)?;
        match status.as_u16() {
            200 => Ok(Some(bytes)),
            404 | 410 => Ok(None),
            401 | 403 if self.has_key => Err(Denied("the log does not show them for this API key".into()).into()),
            401 | 403 => {
                Err(Denied("the log shows them only for an API key: give one with COUNTERSIGN_API_KEY".into()).into())
            }
            other => bail!("{}{path}: expected a file, and got HTTP {other}", self.open.url()),
        }
    }
}

impl Source for Remote {
    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.fetch(&self.open, "/checkpoint")
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>> {
        let client = if path.layer() == Layer::Entries { &self.keyed } else { &self.open };
        self.fetch(client, &format!("/{path}"))
    }
}

/// A log in plain files.
pub struct Folder(PathBuf);

impl Folder {
    /// The log in `path`, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Whether the folder holds a log.
    pub fn is_at(path: &Path) -> bool {
        path.join("checkpoint").is_file()
    }

    fn file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }
}

impl Source for Folder {
    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.file("checkpoint")
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>> {
        self.file(&path.to_string())
    }
}

/// The log of a data directory, read beside a server that may be running.
pub struct Recorded {
    dir: PathBuf,
    ledger: SqliteStore,
    tiles: Option<SqliteTiles>,
}

impl Recorded {
    /// Opens the data directory `dir` for reading alone.
    pub fn open(dir: &Path) -> Result<Self> {
        let database = database(dir);
        if !database.is_file() {
            bail!("`{}` is no data directory: expected a file `countersign.db` in it", dir.display());
        }
        let ledger = SqliteStore::open_read_only(&database).map_err(|why| explain(&why, dir))?;
        let path = dir.join("log.db");
        let tiles = path.is_file().then(|| SqliteTiles::open_read_only(&path)).transpose();
        Ok(Self { dir: dir.to_owned(), ledger, tiles: tiles.map_err(|why| explain(&why, dir))? })
    }

    /// The record itself.
    pub const fn ledger(&self) -> &SqliteStore {
        &self.ledger
    }
}

impl Source for Recorded {
    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        let Some(tiles) = &self.tiles else { return Ok(None) };
        let note = tiles.checkpoint().map_err(|why| explain(&why, &self.dir))?;
        Ok(note.map(String::into_bytes))
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>> {
        let width = usize::from(path.width());
        if path.layer() == Layer::Entries {
            let start = path.index() * u64::from(WIDTH);
            let entries = self.ledger.read(start, width).map_err(|why| explain(&why, &self.dir))?;
            let mut bundle = Vec::new();
            entries.iter().try_for_each(|entry| push_entry(&mut bundle, entry))?;
            return Ok((entries.len() == width).then_some(bundle));
        }
        let Some(tiles) = &self.tiles else { return Ok(None) };
        // A stored tile goes by the name of the full one, and is as wide as it has grown.
        let stored = tiles.tile(&path.full().to_string()).map_err(|why| explain(&why, &self.dir))?;
        Ok(stored.and_then(|bytes| bytes.get(..width * 32).map(<[u8]>::to_vec)))
    }
}
