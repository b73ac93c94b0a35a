//! The transparency log: the ledger as a Merkle tree, published.
//!
//! An entry is *sequenced* when the recorder commits it. A thread of its own
//! then *integrates* it into the tree and *publishes* a signed checkpoint, at
//! most about a second later: no decision ever waits for it. The tree follows
//! from the ledger alone, so after any crash it goes on where it was; a ledger
//! that is not the one a checkpoint was signed over is never signed again.

mod unchanged;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_core::Digest;
use countersign_evidence::log::checkpoint::{Checkpoint, Origin, Trust};
use countersign_evidence::log::merkle::{Frontier, TreeHead, leaf_hash};
use countersign_evidence::log::note::{Note, Signer, VerifierKey};
use countersign_evidence::log::proof::{frontier_at, prove_inclusion};
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::log::tile::{HEIGHT, Layer, TilePath, WIDTH, push_entry, tile_bytes};
use countersign_evidence::log::tile_reader::TileReader;
use countersign_store::{Ledger, StoreError, Tiles};

/// How often the publisher looks for new entries.
const BEAT: Duration = Duration::from_millis(250);
/// How many entries are read at once.
const CHUNK: usize = 2_048;
/// How many entries one checkpoint adds at most, so that a long backlog is
/// published step by step.
const STEP: u64 = 65_536;

/// A tree that was published.
#[derive(Debug)]
pub struct Published {
    /// Its size and root.
    pub head: TreeHead,
    /// The signed checkpoint.
    pub note: Note,
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
}

/// The log, published in the background.
pub struct Log {
    ledger: Arc<dyn Ledger>,
    tiles: Arc<dyn Tiles>,
    state: Arc<State>,
    key: VerifierKey,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    latest: RwLock<Option<Arc<Published>>>,
    failure: Mutex<Option<String>>,
    stopped: AtomicBool,
}

impl Log {
    /// Goes on from what was published, and starts the publisher.
    pub fn start(ledger: Arc<dyn Ledger>, tiles: Arc<dyn Tiles>, signer: Signer) -> Result<Self, LogError> {
        let key = signer.verifier().clone();
        let state = Arc::new(State::default());
        let mut publisher = Publisher {
            ledger: Arc::clone(&ledger),
            tiles: Arc::clone(&tiles),
            state: Arc::clone(&state),
            signer,
            tree: Tree::default(),
            promised: None,
        };
        unchanged::check(ledger.as_ref(), tiles.as_ref())?;
        publisher.resume()?;
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || publisher.run())
            .map_err(|why| StoreError::Unavailable(Box::new(why)))?;
        Ok(Self { ledger, tiles, state, key, thread: Mutex::new(Some(thread)) })
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
        self.state.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
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

/// A stored hash tile, cut to the width its path asks for.
fn narrowed(tiles: &dyn Tiles, path: TilePath) -> Result<Option<Vec<u8>>, StoreError> {
    let wide = tiles.tile(&path.full().to_string())?;
    let length = usize::from(path.width()) * 32;
    Ok(wide.and_then(|bytes| bytes.get(..length).map(<[u8]>::to_vec)))
}

/// The tree's right edge: what appending needs.
#[derive(Default)]
struct Tree {
    frontier: Frontier,
    /// The hashes of the last, not yet full tile of each level.
    edge: Vec<Vec<Digest>>,
    /// Tiles that became full since the last checkpoint.
    full: Vec<(String, Vec<u8>)>,
}

impl Tree {
    fn append(&mut self, entry: &[u8]) {
        let (edge, full) = (&mut self.edge, &mut self.full);
        self.frontier.append_with(leaf_hash(entry), |node, hash| {
            if node.level % HEIGHT != 0 {
                return;
            }
            let level = usize::from(node.level / HEIGHT);
            if edge.len() <= level {
                edge.resize_with(level + 1, Vec::new);
            }
            let Some(tile) = edge.get_mut(level) else { return };
            tile.push(*hash);
            if tile.len() == usize::from(WIDTH) {
                let index = node.index / u64::from(WIDTH);
                if let Some(path) = path_of(node.level / HEIGHT, index) {
                    full.push((path, tile_bytes(tile.iter())));
                }
                tile.clear();
            }
        });
    }

    /// Every tile that changed since the last time.
    fn changed(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut changed = std::mem::take(&mut self.full);
        for (level, tile) in (0_u8..).zip(&self.edge) {
            let before = self.frontier.size() >> (u32::from(level) * u32::from(HEIGHT));
            if let Some(path) = path_of(level, before / u64::from(WIDTH)).filter(|_| !tile.is_empty()) {
                changed.push((path, tile_bytes(tile.iter())));
            }
        }
        changed
    }
}

/// The name a tile is stored under: that of the full tile.
fn path_of(level: u8, index: u64) -> Option<String> {
    let size = (index + 1).checked_mul(u64::from(WIDTH))?.checked_shl(u32::from(level) * u32::from(HEIGHT))?;
    TilePath::in_tree(Layer::Hashes(level), index, size).map(|path| path.full().to_string())
}

struct Publisher {
    ledger: Arc<dyn Ledger>,
    tiles: Arc<dyn Tiles>,
    state: Arc<State>,
    signer: Signer,
    tree: Tree,
    /// A checkpoint that was signed, where the tree has to be made again.
    promised: Option<TreeHead>,
}

impl Publisher {
    /// Reads what was published. Where the stored tiles do not make its root,
    /// the tree is made again from the ledger.
    fn resume(&mut self) -> Result<(), LogError> {
        let Some(text) = self.tiles.checkpoint()? else { return Ok(()) };
        let damaged = |why: &dyn std::fmt::Display| LogError::Damaged(why.to_string());
        let note = Note::parse(text.as_bytes()).map_err(|why| damaged(&why))?;
        let head = Checkpoint::parse(note.text()).map_err(|why| damaged(&why))?.head();
        if let Ok(tree) = self.stored_tree(head) {
            self.tree = tree;
            // A checkpoint of another key is replaced by the first of ours.
            if Trust::in_key(self.signer.verifier().clone()).open(&note).is_ok() {
                self.show(Published { head, note });
            }
        } else {
            tracing::warn!(size = head.size, "the stored tiles are damaged: making the tree again from the ledger");
            self.promised = Some(head);
        }
        Ok(())
    }

    fn stored_tree(&self, head: TreeHead) -> Result<Tree, LogError> {
        let source = |path| narrowed(self.tiles.as_ref(), path);
        let mut reader = TileReader::checking(head, source);
        let damaged = |why: &dyn std::fmt::Display| LogError::Damaged(why.to_string());
        let frontier = frontier_at(head.size, &mut reader).map_err(|why| damaged(&why))?;
        if frontier.head() != head {
            return Err(damaged(&"the tiles make another root"));
        }
        let mut edge = Vec::new();
        for level in 0..HEIGHT {
            let count = head.size >> (u32::from(level) * u32::from(HEIGHT));
            if count == 0 {
                break;
            }
            let path = TilePath::in_tree(Layer::Hashes(level), count / u64::from(WIDTH), head.size);
            let bytes = match path {
                Some(path) => narrowed(self.tiles.as_ref(), path)?.ok_or_else(|| damaged(&path))?,
                None => Vec::new(),
            };
            edge.push(bytes.as_chunks::<32>().0.iter().map(|hash| Digest::from_bytes(*hash)).collect());
        }
        Ok(Tree { frontier, edge, full: Vec::new() })
    }

    fn run(&mut self) {
        loop {
            let stopped = self.state.stopped.load(Ordering::Acquire);
            match self.catch_up() {
                Ok(()) => *self.state.failure.lock().unwrap_or_else(PoisonError::into_inner) = None,
                Err(why) => self.fail(&why),
            }
            if stopped {
                return;
            }
            std::thread::park_timeout(BEAT);
        }
    }

    fn fail(&self, why: &LogError) {
        let mut failure = self.state.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_none() {
            tracing::error!(%why, "the log cannot be published; trying again");
        }
        *failure = Some(why.to_string());
    }

    /// Publishes everything that is committed.
    fn catch_up(&mut self) -> Result<(), LogError> {
        let length = self.ledger.length()?;
        if length < self.tree.frontier.size() {
            return Err(LogError::Altered { size: self.tree.frontier.size() });
        }
        while self.tree.frontier.size() < length {
            let mut goal = length.min(self.tree.frontier.size() + STEP);
            // A promise is kept or broken at exactly its size.
            if let Some(promised) = self.promised {
                goal = if self.tree.frontier.size() < promised.size { promised.size } else { goal };
            }
            self.integrate(goal.min(length))?;
            self.keep_promise(length)?;
            self.publish()?;
        }
        if self.state.latest.read().unwrap_or_else(PoisonError::into_inner).is_none() && length > 0 {
            self.publish()?;
        }
        Ok(())
    }

    fn integrate(&mut self, goal: u64) -> Result<(), LogError> {
        while self.tree.frontier.size() < goal {
            let start = self.tree.frontier.size();
            let limit = usize::try_from(goal - start).unwrap_or(CHUNK).min(CHUNK);
            let entries = self.ledger.read(start, limit)?;
            if entries.is_empty() {
                return Err(LogError::Altered { size: goal });
            }
            for entry in &entries {
                self.tree.append(entry);
            }
        }
        Ok(())
    }

    fn keep_promise(&mut self, length: u64) -> Result<(), LogError> {
        let Some(promised) = self.promised else { return Ok(()) };
        let kept = promised.size <= length && self.tree.frontier.head() == promised;
        if self.tree.frontier.size() >= promised.size || promised.size > length {
            if !kept {
                self.tree = Tree::default();
                return Err(LogError::Altered { size: promised.size });
            }
            self.promised = None;
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), LogError> {
        let head = self.tree.frontier.head();
        let note = Checkpoint::new(Origin::from(self.signer.verifier().name()), head).sign(&self.signer);
        let changed = self.tree.changed();
        if let Err(why) = self.tiles.publish(&changed, &note.to_string()) {
            // What became full must be written the next time.
            let full = changed.into_iter().filter(|(_, bytes)| bytes.len() == usize::from(WIDTH) * 32);
            self.tree.full.extend(full);
            return Err(why.into());
        }
        self.show(Published { head, note });
        Ok(())
    }

    fn show(&self, published: Published) {
        *self.state.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(published));
    }
}
