//! What survives a restart, behind three small traits.
//!
//! A [`Ledger`] commits: entries, the documents they change and the chains
//! they extend become durable together or not at all, so a stored right can
//! never disagree with the record of how it came about. [`Documents`] reads
//! what was committed. [`Live`] holds what every call touches and a restart
//! may lose or rebuild: chains in memory, rates, the revocation epoch.
//!
//! Nothing here decides anything. The contracts are the comments below and the
//! cases in [`conformance`], which every backend runs.

use std::time::Duration;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_core::limits::Rate;

pub mod conformance;
mod memory;
mod payloads;
mod sqlite;
mod tiles;

pub use memory::{MemoryLive, MemoryStore};
pub use payloads::Payloads;
pub use sqlite::SqliteStore;
pub use tiles::{MemoryTiles, SqliteTiles, Tiles};

/// Why a store did not do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or cannot write: asking again later may help.
    #[error("store unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document is not at the revision the writer had read.
    #[error("`{key}` changed since it was read")]
    Conflict {
        /// The document's key.
        key: String,
    },
    /// What was stored is not what a store writes.
    #[error("store is corrupt: {0}")]
    Corrupt(String),
}

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name, unique within its kind.
    pub key: String,
    /// 1 when created, one more at each change.
    pub revision: u64,
    /// Its content, as the writer encoded it.
    pub body: Vec<u8>,
}

/// A change to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which collection the document is in.
    pub kind: &'static str,
    /// The document's name.
    pub key: String,
    /// The revision the writer read: 0 where the document must not exist yet.
    pub revision: u64,
    /// The new content; `None` deletes the document.
    pub body: Option<Vec<u8>>,
}

/// What becomes durable together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Entries, appended in this order.
    pub entries: Vec<Vec<u8>>,
    /// Document changes, applied in this order.
    pub writes: Vec<Write>,
    /// Where these chains stand after this batch: a checkpoint, so that a
    /// restart need not read the whole ledger. When not empty it covers every
    /// chain that moved since the last checkpoint, the latest moved last.
    pub chains: Vec<(ChainId, Chain)>,
}

/// Where chains stood at a point of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// How many entries of the ledger the chains below cover.
    pub position: u64,
    /// The chains, at most the asked number, latest moved first.
    pub chains: Vec<(ChainId, Chain)>,
}

/// The record. One writer; any number of readers.
pub trait Ledger: Send + Sync {
    /// Makes `batch` durable, whole, and returns the position of its first
    /// entry (entries count from 0). After `Ok` a crash or power loss loses
    /// none of it; after `Err` none of it is there while the store runs (a
    /// restart may find it whole, if only the answer was lost).
    /// [`StoreError::Conflict`]
    /// when any write's revision is not the stored one. The caller does not
    /// call this from two threads at once.
    fn commit(&self, batch: &Batch) -> Result<u64, StoreError>;

    /// Up to `limit` entries from position `start` on, in order.
    fn read(&self, start: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// How many entries there are.
    fn length(&self) -> Result<u64, StoreError>;

    /// Where `id` stood at the last checkpoint that named it.
    fn chain(&self, id: &ChainId) -> Result<Option<Chain>, StoreError>;

    /// The last checkpoint, with at most `limit` chains.
    fn checkpoint(&self, limit: usize) -> Result<Checkpoint, StoreError>;
}

/// Named documents, written through [`Ledger::commit`].
pub trait Documents: Send + Sync {
    /// One document, if it is there.
    fn get(&self, kind: &str, key: &str) -> Result<Option<Document>, StoreError>;

    /// Every document of a kind, by key.
    fn list(&self, kind: &str) -> Result<Vec<Document>, StoreError>;
}

/// What every call touches. Atomic under concurrency; never blocks on a disk.
pub trait Live: Send + Sync {
    /// Where a chain stands, if it moved lately.
    fn chain(&self, id: &ChainId) -> Option<Chain>;

    /// Publishes where a chain stands now. The recorder alone calls this.
    fn advance(&self, id: &ChainId, chain: Chain);

    /// Forgets the chains that are longest unmoved until at most `keep`
    /// remain, and the rates that are full again. Returns how many chains went.
    fn forget(&self, keep: usize, now: Duration) -> usize;

    /// Takes one from the bucket called `key`. `Err` says how long to wait.
    /// `now` is monotonic time since the process began.
    fn take(&self, key: &str, rate: Rate, now: Duration) -> Result<(), Duration>;

    /// The revocation epoch: it differs after every order that takes a right away.
    fn epoch(&self) -> u64;

    /// Moves the epoch on. After this returns, no reader sees the old one.
    fn bump(&self);
}
