//! The Merkle tree of RFC 6962: hashes, and the frontier that grows it.
//!
//! RFC 6962 section 2.1 (<https://www.rfc-editor.org/rfc/rfc6962#section-2.1>) and
//! RFC 9162 section 2.1.1 define the same tree. The tree is never held in memory:
//! a [`Frontier`] is its right edge, at most 64 hashes, and what was completed is
//! handed out to be stored.

use std::fmt;

use countersign_core::Digest;

/// The root of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Digest = Digest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The hash of an entry as a leaf: `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::of_two(&[0], entry)
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut pair = [0; 64];
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left.as_bytes());
    second.copy_from_slice(right.as_bytes());
    Digest::of_two(&[1], &pair)
}

/// The root of the tree over `leaves`, which are leaf hashes.
#[must_use]
pub fn root_of(leaves: impl IntoIterator<Item = Digest>) -> Digest {
    let mut frontier = Frontier::new();
    leaves.into_iter().for_each(|leaf| frontier.append(leaf));
    frontier.root()
}

/// A complete subtree: the leaves `index << level` up to `(index + 1) << level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// How many levels of hashing lie between the leaves and this node.
    pub level: u8,
    /// How many nodes of this level come before it.
    pub index: u64,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of level {}", self.index, self.level)
    }
}

/// What a tree is: how many leaves, and the root over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHead {
    /// How many leaves the tree has.
    pub size: u64,
    /// The hash over all of them.
    pub root: Digest,
}

impl TreeHead {
    /// The tree without leaves.
    pub const EMPTY: Self = Self { size: 0, root: EMPTY_ROOT };
}

/// The right edge of a tree: enough to append to it and to know its root.
///
/// INVARIANT: one peak for every bit set in `size`, the largest subtree first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

/// The bytes are not a frontier.
#[derive(Debug, thiserror::Error)]
#[error("expected a tree's size in 8 bytes and 32 bytes for every bit set in it")]
pub struct InvalidFrontier;

impl Frontier {
    /// The edge of the tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The edge of the tree of `size` leaves, whose peaks these are.
    pub(super) const fn of_peaks(size: u64, peaks: Vec<Digest>) -> Self {
        Self { size, peaks }
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn append(&mut self, leaf: Digest) {
        self.append_with(leaf, |_, _| ());
    }

    /// Appends a leaf hash and hands every subtree that this completes to
    /// `made`, the leaf first. Hashes whose level is a multiple of
    /// [`tile::HEIGHT`](super::tile::HEIGHT) are those that tiles hold.
    pub fn append_with(&mut self, leaf: Digest, mut made: impl FnMut(Node, &Digest)) {
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        made(node, &hash);
        while node.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            made(node, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        let from_the_right = self.peaks.iter().rev().copied();
        from_the_right.reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
    }

    /// The size and the root of the tree.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The size in 8 bytes, most significant first, and the peaks.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(peak.as_bytes()));
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidFrontier> {
        let (size, rest) = bytes.split_first_chunk().ok_or(InvalidFrontier)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, torn) = rest.as_chunks::<32>();
        if !torn.is_empty() || u64::from(size.count_ones()) != peaks.len() as u64 {
            return Err(InvalidFrontier);
        }
        Ok(Self { size, peaks: peaks.iter().map(|peak| Digest::from_bytes(*peak)).collect() })
    }
}

/// The fewest complete subtrees that together are the leaves `start..end`, from
/// the left. Where the range is a subtree of some tree, their sizes fall, and its
/// hash is theirs joined from the right.
pub(super) fn cover(start: u64, end: u64) -> impl DoubleEndedIterator<Item = Node> {
    let mut nodes = Vec::new();
    let mut at = start;
    while at < end {
        let fits = (end - at).ilog2();
        let level = if at == 0 { fits } else { fits.min(at.trailing_zeros()) };
        nodes.push(Node { level: u8::try_from(level).unwrap_or(u8::MAX), index: at >> level });
        at += 1 << level;
    }
    nodes.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_sha_256_of_nothing() {
        assert_eq!(EMPTY_ROOT, Digest::of(b""));
        assert_eq!(Frontier::new().head(), TreeHead::EMPTY);
    }

    #[test]
    fn leaves_and_nodes_are_told_apart_by_their_first_byte() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        assert_eq!(left, Digest::of(b"\x00a"));
        let joined = [&[1], left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_eq!(node_hash(&left, &right), Digest::of(&joined));
    }

    #[test]
    fn a_frontier_of_the_wrong_length_is_refused() {
        let mut frontier = Frontier::new();
        (0..5).for_each(|leaf: u8| frontier.append(leaf_hash(&[leaf])));
        let bytes = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(&bytes).unwrap(), frontier);
        for wrong in 0..bytes.len() {
            assert!(Frontier::from_bytes(&bytes[..wrong]).is_err(), "{wrong}");
        }
        assert!(Frontier::from_bytes(&[&bytes[..], &[0; 32]].concat()).is_err());
    }
}
