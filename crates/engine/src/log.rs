//! The transparency log: the ledger as a Merkle tree, published.
//!
//! An entry is *sequenced* when the recorder commits it. A thread of its own
//! then *integrates* it into the tree and *publishes* a signed checkpoint, at
//! most about a second later: no decision ever waits for it. The tree follows
//! from the ledger alone, so after any crash it goes on where it was; a ledger
//! that is not the one a checkpoint was signed over is never signed again.

mod publisher;
mod tree;
mod unchanged;
mod witnesses;

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_core::{Digest, Timestamp};
use countersign_evidence::log::merkle::TreeHead;
use countersign_evidence::log::note::{Note, Signer, VerifierKey};
use countersign_evidence::log::proof::prove_inclusion;
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::log::tile::{Layer, TilePath, WIDTH, push_entry};
use countersign_evidence::log::tile_reader::TileReader;
use countersign_store::{Ledger, StoreError, Tiles};

use self::publisher::Publisher;
use self::tree::{Tree, narrowed};
pub use self::witnesses::{Cosign, Reply, Unreached, Witness, WitnessHealth};
use self::witnesses::{Panel, ROUND};
use crate::clock::{Clock, SystemClock};

/// A tree that was published.
#[derive(Debug)]
pub struct Published {
    /// Its size and root.
    pub head: TreeHead,
    /// The signed checkpoint.
    pub note: Note,
    /// When; `None` for what was published before this start.
    pub at: Option<Timestamp>,
}

/// Proofs that entries are in one published tree.
#[derive(Debug)]
pub struct Proofs {
    /// The tree; `None` before the first.
    pub published: Option<Arc<Published>>,
    /// The proof of each entry that was asked for; `None` for what is newer.
    pub proofs: Vec<Option<Vec<Digest>>>,
}

/// Why the log cannot be published or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger is not the one that was published.
    #[error("the ledger's first {size} entries are not those that were published under a checkpoint")]
    Altered {
        /// The size of the published tree.
        size: u64,
    },
    /// The ledger is shorter than what was published of it.
    #[error("{size} entries were published, and the ledger holds {there}: the last ones are lost")]
    Lost {
        /// How many entries there are.
        there: u64,
        /// The size of the published tree.
        size: u64,
    },
    /// What is stored of the tree does not fit together.
    #[error("the stored tree is damaged: {0}")]
    Damaged(String),
    /// Too few witnesses cosign.
    #[error("{found} witnesses have cosigned the tree of {size} entries, and {required} must before it is published")]
    Unwitnessed {
        /// How many have.
        found: usize,
        /// How many must.
        required: usize,
        /// The size of the tree that is held back.
        size: u64,
    },
}

impl LogError {
    /// What happened, and what it came from.
    fn in_full(&self) -> String {
        let causes = std::iter::successors(self.source(), |why| (*why).source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

/// How a log is published.
pub struct Publishing {
    signer: Signer,
    clock: Arc<dyn Clock>,
    witnesses: Vec<Witness>,
    quorum: usize,
    round: Duration,
    warning: Option<String>,
}

/// Signed by one key, and witnessed by nobody.
impl From<Signer> for Publishing {
    fn from(signer: Signer) -> Self {
        Self {
            signer,
            clock: Arc::new(SystemClock::default()),
            witnesses: Vec::new(),
            quorum: 0,
            round: ROUND,
            warning: None,
        }
    }
}

impl Publishing {
    /// Has every checkpoint cosigned by `witnesses`, and publishes only what at
    /// least `quorum` of them have cosigned.
    #[must_use]
    pub fn witnessed(self, witnesses: Vec<Witness>, quorum: usize) -> Self {
        Self { witnesses, quorum, ..self }
    }

    /// Waits for witnesses that long when it publishes, and no longer.
    #[must_use]
    pub fn waiting(self, round: Duration) -> Self {
        Self { round, ..self }
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn timed_by(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Shows `warning` to whoever asks how the log is.
    #[must_use]
    pub fn warning(self, warning: Option<String>) -> Self {
        Self { warning, ..self }
    }
}

/// How the log is.
#[derive(Debug, Clone)]
pub struct LogHealth {
    /// What it is called.
    pub origin: String,
    /// How many entries the published tree has.
    pub size: u64,
    /// When it was published, if since this start.
    pub published_at: Option<Timestamp>,
    /// Why nothing is being published, while nothing is.
    pub failure: Option<String>,
    /// What whoever verifies the log should know.
    pub warning: Option<String>,
    /// Its witnesses.
    pub witnesses: Vec<WitnessHealth>,
}

/// The log, published in the background.
pub struct Log {
    ledger: Arc<dyn Ledger>,
    tiles: Arc<dyn Tiles>,
    state: Arc<State>,
    key: VerifierKey,
    warning: Option<String>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    latest: RwLock<Option<Arc<Published>>>,
    failure: Mutex<Option<String>>,
    witnesses: Mutex<Vec<WitnessHealth>>,
    stopped: AtomicBool,
}

/// What a thread that panicked left behind is whole: it is replaced as one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn show(&self, published: Published) {
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(published));
    }

    fn fail(&self, why: &LogError) {
        let mut failure = locked(&self.failure);
        if failure.is_none() {
            tracing::error!(why = why.in_full(), "the log cannot be published; trying again");
        }
        *failure = Some(why.in_full());
    }
}

impl Log {
    /// Fails where the ledger is not the one that was published: it must be asked
    /// before anything is recorded, which would take the place of what was lost.
    pub fn check(ledger: &dyn Ledger, tiles: &dyn Tiles) -> Result<(), LogError> {
        unchanged::check(ledger, tiles)
    }

    /// Goes on from what was published, and starts the publisher.
    pub fn start(
        ledger: Arc<dyn Ledger>,
        tiles: Arc<dyn Tiles>,
        publishing: impl Into<Publishing>,
    ) -> Result<Self, LogError> {
        let Publishing { signer, clock, witnesses, quorum, round, warning } = publishing.into();
        let no_thread = |why| StoreError::Unavailable(Box::new(why));
        let key = signer.verifier().clone();
        let state = Arc::new(State::default());
        let mut publisher = Publisher {
            ledger: Arc::clone(&ledger),
            tiles: Arc::clone(&tiles),
            state: Arc::clone(&state),
            signer,
            panel: Panel::seat(witnesses, Arc::clone(&clock), round).map_err(no_thread)?,
            clock,
            tree: Tree::default(),
            promised: None,
            quorum,
            open: None,
        };
        Self::check(ledger.as_ref(), tiles.as_ref())?;
        publisher.resume()?;
        *locked(&state.witnesses) = publisher.panel.health();
        let thread = std::thread::Builder::new().name("publisher".into()).spawn(move || publisher.run());
        let thread = Mutex::new(Some(thread.map_err(no_thread)?));
        Ok(Self { ledger, tiles, state, key, warning, thread })
    }

    /// The key that verifies checkpoints, as one line of text.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// The last published tree; `None` before the first.
    pub fn published(&self) -> Option<Arc<Published>> {
        self.state.latest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing is being published, while nothing is.
    pub fn failure(&self) -> Option<String> {
        locked(&self.state.failure).clone()
    }

    /// How the log is.
    pub fn health(&self) -> LogHealth {
        let published = self.published();
        LogHealth {
            origin: self.key.name().to_string(),
            size: published.as_ref().map_or(0, |published| published.head.size),
            published_at: published.and_then(|published| published.at),
            failure: self.failure(),
            warning: self.warning.clone(),
            witnesses: locked(&self.state.witnesses).clone(),
        }
    }

    /// A tile or bundle of the published tree, as wide as its path asks.
    pub fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, LogError> {
        let size = self.published().map_or(0, |published| published.head.size);
        let there = TilePath::in_tree(path.layer(), path.index(), size);
        if there.is_none_or(|there| there.width() < path.width()) {
            return Ok(None);
        }
        if path.layer() == Layer::Entries {
            return self.bundle(path).map(Some);
        }
        narrowed(self.tiles.as_ref(), path).map_err(LogError::Store)
    }

    /// A bundle, straight from the ledger.
    fn bundle(&self, path: TilePath) -> Result<Vec<u8>, LogError> {
        let start = path.index() * u64::from(WIDTH);
        let mut bundle = Vec::new();
        for entry in self.ledger.read(start, usize::from(path.width()))? {
            push_entry(&mut bundle, &entry).map_err(|why| LogError::Damaged(why.to_string()))?;
        }
        Ok(bundle)
    }

    /// The receipt for the entry at `position`, with the entry inside; `None`
    /// while no checkpoint covers it.
    pub fn receipt(&self, position: u64, entry: &[u8]) -> Result<Option<Receipt>, LogError> {
        let Some(published) = self.published().filter(|published| position < published.head.size) else {
            return Ok(None);
        };
        let source = |path| narrowed(self.tiles.as_ref(), path);
        let mut reader = TileReader::believing(published.head.size, source);
        let proof = prove_inclusion(position, published.head.size, &mut reader)
            .map_err(|why| LogError::Damaged(why.to_string()))?;
        Ok(Some(Receipt { index: position, proof, checkpoint: published.note.clone(), extra: entry.to_vec() }))
    }

    /// The last published tree, and the proof that each of `positions` is in
    /// it; `None` in place of the proof of what is newer.
    pub fn prove(&self, positions: &[u64]) -> Result<Proofs, LogError> {
        let Some(published) = self.published() else {
            return Ok(Proofs { published: None, proofs: vec![None; positions.len()] });
        };
        let size = published.head.size;
        let mut reader = TileReader::believing(size, |path| narrowed(self.tiles.as_ref(), path));
        let mut prove = |position: &u64| {
            let proof = (*position < size).then(|| prove_inclusion(*position, size, &mut reader));
            proof.transpose().map_err(|why| LogError::Damaged(why.to_string()))
        };
        let proofs = positions.iter().map(&mut prove).collect::<Result<_, _>>()?;
        Ok(Proofs { published: Some(published), proofs })
    }

    /// Publishes what is committed and stops.
    pub fn stop(&self) {
        self.state.stopped.store(true, Ordering::Release);
        let thread = locked(&self.thread).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the publisher's thread panicked");
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop();
    }
}
