//! Proofs about a tree: that an entry is in it, and that it only grew.
//!
//! Proving reads stored hashes through a [`HashReader`]; verifying needs nothing
//! but the proof. The procedures are those of RFC 9162 sections 2.1.3 and 2.1.4
//! (<https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3>) in the form that also
//! covers subtrees, from the Merkle Tree Certificates draft
//! (<https://datatracker.ietf.org/doc/draft-ietf-plants-merkle-tree-certs/>): a
//! tree is the subtree that begins at 0.

use std::ops::Range;

use countersign_core::Digest;

use super::merkle::{EMPTY_ROOT, Frontier, Node, TreeHead, cover, node_hash};

/// Reads stored hashes of a tree. Closures are readers too.
///
/// `Ok(None)` says that the hash is not stored. Reading may fill a cache, so it
/// takes `&mut self`.
pub trait HashReader {
    /// What can go wrong while reading.
    type Error;

    /// The hash of a complete subtree.
    fn read(&mut self, node: Node) -> Result<Option<Digest>, Self::Error>;
}

impl<E, F: FnMut(Node) -> Result<Option<Digest>, E>> HashReader for F {
    type Error = E;

    fn read(&mut self, node: Node) -> Result<Option<Digest>, E> {
        self(node)
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum Unproven<E> {
    /// The tree does not hold what was to be proved.
    #[error("a tree of {size} entries does not hold what was asked: {asked}")]
    OutOfRange {
        /// The index, or the size of the older tree.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A hash that the proof needs is not stored.
    #[error("{0} is not stored")]
    Missing(Node),
    /// Reading a hash failed.
    #[error("a stored hash could not be read")]
    Unreadable(#[source] E),
}

/// What is wrong with a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// The larger tree cannot hold what is claimed.
    #[error("the tree is too small to hold what is claimed, or the range is not a subtree")]
    OutOfRange,
    /// Every tree continues the empty one: a proof of that proves nothing.
    #[error("the older tree is empty, so nothing is proved")]
    FromNothing,
    /// The proof has too few hashes.
    #[error("the proof has too few hashes")]
    TooShort,
    /// The proof has too many hashes.
    #[error("the proof has too many hashes")]
    TooLong,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    WrongRoot,
}

/// The hash of one complete subtree, which must be stored.
fn hash_of<R: HashReader>(node: Node, reader: &mut R) -> Result<Digest, Unproven<R::Error>> {
    reader.read(node).map_err(Unproven::Unreadable)?.ok_or(Unproven::Missing(node))
}

/// The hash over the leaves of one subtree.
fn hash_over<R: HashReader>(leaves: Range<u64>, reader: &mut R) -> Result<Digest, Unproven<R::Error>> {
    let mut hash = None;
    for node in cover(leaves.start, leaves.end).rev() {
        let left = hash_of(node, reader)?;
        hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(hash.unwrap_or(EMPTY_ROOT))
}

/// The root that the tree had when it held `size` leaves.
pub fn root_at<R: HashReader>(size: u64, reader: &mut R) -> Result<Digest, Unproven<R::Error>> {
    hash_over(0..size, reader)
}

/// The right edge that the tree had when it held `size` leaves, to go on from.
pub fn frontier_at<R: HashReader>(size: u64, reader: &mut R) -> Result<Frontier, Unproven<R::Error>> {
    let peaks = cover(0, size).map(|node| hash_of(node, reader)).collect::<Result<_, _>>()?;
    Ok(Frontier::of_peaks(size, peaks))
}

/// Where a tree of two or more leaves divides: its left half is the largest
/// complete subtree that leaves something to its right.
fn halves(leaves: &Range<u64>) -> u64 {
    leaves.start + (1 << (leaves.end - leaves.start - 1).ilog2())
}

/// Proves that the leaf at `index` is in the tree of `size` leaves: the hashes
/// beside the way from the leaf to the root, the leaf's sibling first.
pub fn prove_inclusion<R: HashReader>(
    index: u64,
    size: u64,
    reader: &mut R,
) -> Result<Vec<Digest>, Unproven<R::Error>> {
    if index >= size {
        return Err(Unproven::OutOfRange { asked: index, size });
    }
    let mut beside = Vec::new();
    let mut around = 0..size;
    while around.end - around.start > 1 {
        let middle = halves(&around);
        if index < middle {
            beside.push(middle..around.end);
            around.end = middle;
        } else {
            beside.push(around.start..middle);
            around.start = middle;
        }
    }
    beside.into_iter().rev().map(|leaves| hash_over(leaves, reader)).collect()
}

/// Proves that the tree of `new` leaves begins with the tree of `old` leaves.
///
/// The proof from the empty tree has no hashes, as `tlog-witness` asks for, and
/// [`verify_consistency`] does not take it for a proof.
pub fn prove_consistency<R: HashReader>(old: u64, new: u64, reader: &mut R) -> Result<Vec<Digest>, Unproven<R::Error>> {
    if old > new {
        return Err(Unproven::OutOfRange { asked: old, size: new });
    }
    let mut beside = Vec::new();
    let mut around = 0..new;
    while old > 0 && around.end != old {
        let middle = halves(&around);
        if old <= middle {
            beside.push(middle..around.end);
            around.end = middle;
        } else {
            beside.push(around.start..middle);
            around.start = middle;
        }
    }
    // What is left ends where the old tree ended. Unless it is the whole old
    // tree, whose root the verifier has, the proof begins with it.
    if old > 0 && around.start > 0 {
        beside.push(around);
    }
    beside.into_iter().rev().map(|leaves| hash_over(leaves, reader)).collect()
}

/// Checks that the entry with leaf hash `leaf` is at `index` in the tree `head`.
pub fn verify_inclusion(leaf: &Digest, index: u64, head: &TreeHead, proof: &[Digest]) -> Result<(), InvalidProof> {
    verify_inclusion_in(leaf, index, 0..head.size, &head.root, proof)
}

/// Checks that the entry with leaf hash `leaf`, at `index` in the whole tree, is
/// in the subtree over `range`, whose hash is `root`.
pub fn verify_inclusion_in(
    leaf: &Digest,
    index: u64,
    range: Range<u64>,
    root: &Digest,
    proof: &[Digest],
) -> Result<(), InvalidProof> {
    if !is_subtree(&range) || !range.contains(&index) {
        return Err(InvalidProof::OutOfRange);
    }
    let mut at = index - range.start;
    let mut last = range.end - range.start - 1;
    let mut hash = *leaf;
    for beside in proof {
        if last == 0 {
            return Err(InvalidProof::TooLong);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            // A right edge has no sibling on the levels where it is alone.
            let alone = at.trailing_zeros();
            at >>= alone;
            last >>= alone;
        } else {
            hash = node_hash(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(InvalidProof::TooShort);
    }
    if hash == *root { Ok(()) } else { Err(InvalidProof::WrongRoot) }
}

/// Checks that the tree `new` begins with the tree `old`: nothing in it was
/// changed, moved or taken away.
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, proof: &[Digest]) -> Result<(), InvalidProof> {
    if old.size == 0 {
        return Err(InvalidProof::FromNothing);
    }
    verify_subtree(0..old.size, &old.root, new, proof)
}

/// Checks that the subtree over `range`, whose hash is `root`, is part of the
/// tree `whole`. An empty range is part of every tree.
pub fn verify_subtree(
    range: Range<u64>,
    root: &Digest,
    whole: &TreeHead,
    proof: &[Digest],
) -> Result<(), InvalidProof> {
    if !is_subtree(&range) || range.end > whole.size {
        return Err(InvalidProof::OutOfRange);
    }
    if range.is_empty() {
        return match proof {
            [] if *root == EMPTY_ROOT => Ok(()),
            [] => Err(InvalidProof::WrongRoot),
            _ => Err(InvalidProof::TooLong),
        };
    }
    let (mut first, mut last, mut end) = (range.start, range.end - 1, whole.size - 1);
    // The proof begins at the highest node on the subtree's right edge that is a
    // node of the whole tree too; below it there is nothing to join.
    let shared = if last == end { u64::BITS } else { last.trailing_ones() };
    let to_its_root = u64::BITS - (first ^ last).leading_zeros();
    let skip = shared.min(to_its_root);
    first = first.checked_shr(skip).unwrap_or(0);
    last = last.checked_shr(skip).unwrap_or(0);
    end = end.checked_shr(skip).unwrap_or(0);
    let (start, rest) = if first == last {
        (*root, proof)
    } else {
        let (lowest, rest) = proof.split_first().ok_or(InvalidProof::TooShort)?;
        (*lowest, rest)
    };
    let (mut of_range, mut of_whole) = (start, start);
    for beside in rest {
        if end == 0 {
            return Err(InvalidProof::TooLong);
        }
        if last & 1 == 1 || last == end {
            if first < last {
                of_range = node_hash(beside, &of_range);
            }
            of_whole = node_hash(beside, &of_whole);
            let alone = last.trailing_zeros();
            first >>= alone;
            last >>= alone;
            end >>= alone;
        } else {
            of_whole = node_hash(&of_whole, beside);
        }
        first >>= 1;
        last >>= 1;
        end >>= 1;
    }
    if end != 0 {
        return Err(InvalidProof::TooShort);
    }
    if of_range == *root && of_whole == whole.root { Ok(()) } else { Err(InvalidProof::WrongRoot) }
}

/// Whether the range is a node of some tree: its start is a multiple of its
/// length rounded up to a power of two.
fn is_subtree(range: &Range<u64>) -> bool {
    let Some(length) = range.end.checked_sub(range.start) else { return false };
    let width = length.checked_next_power_of_two();
    range.start == 0 || width.is_some_and(|width| range.start.is_multiple_of(width))
}
