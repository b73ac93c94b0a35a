//! A log in memory, its keys, and the tree as RFC 6962 writes it down.

use std::collections::HashMap;
use std::convert::Infallible;

use countersign_core::Digest;
use countersign_evidence::log::checkpoint::{Checkpoint, Origin};
use countersign_evidence::log::merkle::{Frontier, Node, TreeHead, leaf_hash, node_hash};
use countersign_evidence::log::note::{Cosigner, KeyName, Note, Signer};
use countersign_evidence::log::tile::{HEIGHT, Layer, TilePath, grown, push_entry, tile_bytes};
use ed25519_dalek::SigningKey;

pub const NAME: &str = "log.example/main";

/// The entry at `index` of every log here.
pub fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// The leaf hashes of the first `count` entries.
pub fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|index| leaf_hash(&entry(index))).collect()
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn signer(seed: u8) -> Signer {
    Signer::new(KeyName::parse(NAME).unwrap(), key(seed))
}

pub fn cosigner(seed: u8) -> Cosigner {
    Cosigner::new(KeyName::parse(&format!("witness{seed}.example")).unwrap(), key(seed))
}

pub fn checkpoint(head: TreeHead) -> Checkpoint {
    Checkpoint::new(Origin::parse(NAME).unwrap(), head)
}

pub fn signed(head: TreeHead) -> Note {
    checkpoint(head).sign(&signer(1))
}

/// Everything a log stores, by level of the tree and by tile.
#[derive(Default)]
pub struct Log {
    pub frontier: Frontier,
    pub levels: Vec<Vec<Digest>>,
    pub files: HashMap<String, Vec<u8>>,
}

impl Log {
    pub fn of(size: u64) -> Self {
        let mut log = Self::default();
        log.grow(size);
        log
    }

    /// Appends entries up to `size` and writes the tiles that this changes.
    pub fn grow(&mut self, size: u64) {
        let before = self.frontier.size();
        for index in before..size {
            let Self { frontier, levels, .. } = self;
            frontier.append_with(leaf_hash(&entry(index)), |node, hash| {
                let level = usize::from(node.level);
                levels.resize_with(levels.len().max(level + 1), Vec::new);
                assert_eq!(node.index, levels[level].len() as u64);
                levels[level].push(*hash);
            });
        }
        for path in grown(before, size) {
            let bytes = self.bytes(path);
            self.files.insert(path.to_string(), bytes);
        }
    }

    fn bytes(&self, path: TilePath) -> Vec<u8> {
        let range = path.range();
        match path.layer() {
            Layer::Hashes(level) => {
                let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                tile_bytes(&self.levels[usize::from(level * HEIGHT)][range])
            }
            Layer::Entries => {
                let mut bundle = Vec::new();
                range.for_each(|index| push_entry(&mut bundle, &entry(index)).unwrap());
                bundle
            }
        }
    }

    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// The tree as it was with `size` entries.
    pub fn head_at(&self, size: u64) -> TreeHead {
        TreeHead { size, root: mth(&self.levels[0][..usize::try_from(size).unwrap()]) }
    }

    #[expect(clippy::unnecessary_wraps, reason = "readers may fail")]
    pub fn hash(&self, node: Node) -> Result<Option<Digest>, Infallible> {
        let level = self.levels.get(usize::from(node.level));
        Ok(level.and_then(|level| level.get(usize::try_from(node.index).unwrap())).copied())
    }

    #[expect(clippy::unnecessary_wraps, reason = "readers may fail")]
    pub fn file(&self, path: TilePath) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.files.get(&path.to_string()).cloned())
    }
}

/// `MTH(D[n])` of RFC 6962 section 2.1, over leaf hashes.
pub fn mth(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// `PATH(m, D[n])` of section 2.1.1.
pub fn path(m: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut way, beside) = if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
    way.push(beside);
    way
}

/// `SUBPROOF(m, D[n], b)` of section 2.1.2.
pub fn subproof(m: usize, leaves: &[Digest], known: bool) -> Vec<Digest> {
    if m == leaves.len() {
        return if known { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut way, beside) =
        if m <= k { (subproof(m, left, known), mth(right)) } else { (subproof(m - k, right, false), mth(left)) };
    way.push(beside);
    way
}

/// The largest power of two smaller than `n`.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}
