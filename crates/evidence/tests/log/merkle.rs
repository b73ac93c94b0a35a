//! The laws of the tree.

use countersign_core::Digest;
use countersign_evidence::log::merkle::{Frontier, Node, TreeHead, leaf_hash, root_of};
use countersign_evidence::log::proof::{
    InvalidProof, Unproven, frontier_at, prove_consistency, prove_inclusion, root_at, verify_consistency,
    verify_inclusion, verify_subtree,
};
use proptest::prelude::*;

use crate::world::{Log, entry, leaves, mth, path, subproof};

/// The roots of trees over the leaves `""`, `00`, `10`, `2021`, … that the tests of
/// RFC 6962 implementations share.
/// <https://github.com/google/certificate-transparency/blob/master/python/ct/crypto/merkle_test.py>
const SHARED_LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const SHARED_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hashed(entries: &[&[u8]]) -> Vec<Digest> {
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}

#[test]
fn the_roots_are_those_that_other_implementations_compute() {
    for size in 1..=8 {
        assert_eq!(root_of(hashed(&SHARED_LEAVES[..size])).to_string(), SHARED_ROOTS[size - 1], "{size}");
    }
}

#[test]
fn the_frontier_has_the_root_of_the_whole_tree_at_every_size() {
    let leaves = leaves(600);
    let mut frontier = Frontier::new();
    for size in 0..=600 {
        assert_eq!(frontier.root(), mth(&leaves[..size]), "{size}");
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).unwrap(), frontier);
        if let Some(leaf) = leaves.get(size) {
            frontier.append(*leaf);
        }
    }
}

#[test]
fn a_frontier_can_be_read_back_out_of_the_stored_tree() {
    let log = Log::of(600);
    let mut frontier = Frontier::new();
    for size in 0..=600 {
        assert_eq!(frontier_at(size, &mut |node: Node| log.hash(node)).unwrap(), frontier);
        frontier.append(leaf_hash(&entry(size)));
    }
}

#[test]
fn every_inclusion_proof_is_the_one_of_rfc_6962_and_verifies() {
    let log = Log::of(70);
    for size in 1..=70_u64 {
        let known = &log.levels[0][..usize::try_from(size).unwrap()];
        let head = log.head_at(size);
        for index in 0..size {
            let proof = prove_inclusion(index, size, &mut |node: Node| log.hash(node)).unwrap();
            let at = usize::try_from(index).unwrap();
            assert_eq!(proof, path(at, known), "{index} in {size}");
            assert_eq!(verify_inclusion(&known[at], index, &head, &proof), Ok(()));
        }
    }
}

#[test]
fn every_consistency_proof_is_the_one_of_rfc_6962_and_verifies() {
    let log = Log::of(70);
    for new in 1..=70_u64 {
        let known = &log.levels[0][..usize::try_from(new).unwrap()];
        let head = log.head_at(new);
        for old in 1..=new {
            let proof = prove_consistency(old, new, &mut |node: Node| log.hash(node)).unwrap();
            assert_eq!(proof, subproof(usize::try_from(old).unwrap(), known, true), "{old} in {new}");
            assert_eq!(verify_consistency(&log.head_at(old), &head, &proof), Ok(()));
        }
    }
}

#[test]
fn every_subtree_of_a_tree_is_shown_to_be_part_of_it() {
    let log = Log::of(40);
    for size in 1..=40_usize {
        let whole = log.head_at(size as u64);
        for width in (0..6).map(|level| 1 << level) {
            for start in (0..size).step_by(width) {
                for end in start + width / 2 + 1..=size.min(start + width) {
                    let proof = subtree_proof((start, end), &log.levels[0][..size], true);
                    let root = mth(&log.levels[0][start..end]);
                    let found = verify_subtree(start as u64..end as u64, &root, &whole, &proof);
                    assert_eq!(found, Ok(()), "{start}..{end} of {size}");
                }
            }
        }
    }
}

/// `SUBTREE_SUBPROOF` of the Merkle Tree Certificates draft.
fn subtree_proof((start, end): (usize, usize), leaves: &[Digest], known: bool) -> Vec<Digest> {
    if (start, end) == (0, leaves.len()) {
        return if known { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    let (mut way, beside) = if end <= k {
        (subtree_proof((start, end), left, known), mth(right))
    } else if k <= start {
        (subtree_proof((start - k, end - k), right, known), mth(left))
    } else {
        (subtree_proof((0, end - k), right, false), mth(left))
    };
    way.push(beside);
    way
}

#[test]
fn what_a_tree_does_not_hold_is_not_proved() {
    let log = Log::of(7);
    let mut reader = |node: Node| log.hash(node);
    assert!(matches!(prove_inclusion(7, 7, &mut reader), Err(Unproven::OutOfRange { asked: 7, size: 7 })));
    assert!(matches!(prove_consistency(8, 7, &mut reader), Err(Unproven::OutOfRange { asked: 8, size: 7 })));
    assert!(matches!(prove_inclusion(0, 9, &mut reader), Err(Unproven::Missing(Node { level: 2, index: 1 }))));
    assert!(matches!(root_at(8, &mut reader), Err(Unproven::Missing(Node { level: 3, index: 0 }))));
}

#[test]
fn growth_from_the_empty_tree_proves_nothing() {
    let log = Log::of(7);
    let proof = prove_consistency(0, 7, &mut |node: Node| log.hash(node)).unwrap();
    assert!(proof.is_empty());
    assert_eq!(verify_consistency(&TreeHead::EMPTY, &log.head(), &proof), Err(InvalidProof::FromNothing));
}

#[test]
fn sizes_at_the_edge_of_64_bits_are_judged_without_overflow() {
    let leaf = leaf_hash(b"");
    let proof = [leaf; 63];
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
        let head = TreeHead { size, root: leaf };
        for at in [0, 1, size / 2, size - 1, size] {
            assert!(verify_inclusion(&leaf, at, &head, &proof).is_err());
            assert!(verify_subtree(at..size, &leaf, &head, &proof).is_err() || at == 0);
            assert!(verify_consistency(&TreeHead { size: at, root: leaf }, &head, &proof).is_err());
        }
    }
}

/// A proof, and one bit of it, of the leaf or of a root that is wrong.
fn flip(digest: &mut Digest, bit: usize) {
    let mut bytes = *digest.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    *digest = Digest::from_bytes(bytes);
}

proptest! {
    #[test]
    fn the_frontier_has_the_root_of_any_leaves(entries in prop::collection::vec(any::<[u8; 8]>(), 0..3000)) {
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        prop_assert_eq!(root_of(leaves.iter().copied()), mth(&leaves));
    }

    #[test]
    fn an_inclusion_proof_holds_until_anything_in_it_changes(
        size in 1..3000_u64, index in any::<prop::sample::Index>(), which in any::<prop::sample::Index>(), bit in 0..256_usize,
    ) {
        let log = Log::of(size);
        let index = index.index(usize::try_from(size).unwrap()) as u64;
        let mut proof = prove_inclusion(index, size, &mut |node: Node| log.hash(node)).unwrap();
        let mut leaf = leaf_hash(&entry(index));
        let mut head = log.head();
        prop_assert_eq!(verify_inclusion(&leaf, index, &head, &proof), Ok(()));
        prop_assert!(verify_inclusion(&leaf, index ^ 1, &head, &proof).is_err() || size == 1);
        let longer = [&proof[..], &[leaf]].concat();
        prop_assert_eq!(verify_inclusion(&leaf, index, &head, &longer), Err(InvalidProof::TooLong));
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert_eq!(verify_inclusion(&leaf, index, &head, shorter), Err(InvalidProof::TooShort));
        }
        let changed = which.index(proof.len() + 2);
        match changed.checked_sub(2) {
            Some(at) => flip(&mut proof[at], bit),
            None if changed == 0 => flip(&mut leaf, bit),
            None => flip(&mut head.root, bit),
        }
        prop_assert_eq!(verify_inclusion(&leaf, index, &head, &proof), Err(InvalidProof::WrongRoot));
    }

    #[test]
    fn a_consistency_proof_holds_until_anything_in_it_changes(
        old in 1..3000_u64, more in 0..3000_u64, which in any::<prop::sample::Index>(), bit in 0..256_usize,
    ) {
        let new = old + more;
        let log = Log::of(new);
        let mut proof = prove_consistency(old, new, &mut |node: Node| log.hash(node)).unwrap();
        let (mut before, mut after) = (log.head_at(old), log.head());
        prop_assert_eq!(verify_consistency(&before, &after, &proof), Ok(()));
        prop_assert!(verify_consistency(&after, &before, &proof).is_err() || old == new);
        let longer = [&proof[..], &[before.root]].concat();
        prop_assert_eq!(verify_consistency(&before, &after, &longer), Err(InvalidProof::TooLong));
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert_eq!(verify_consistency(&before, &after, shorter), Err(InvalidProof::TooShort));
        }
        let changed = which.index(proof.len() + 2);
        match changed.checked_sub(2) {
            Some(at) => flip(&mut proof[at], bit),
            None if changed == 0 => flip(&mut before.root, bit),
            None => flip(&mut after.root, bit),
        }
        prop_assert_eq!(verify_consistency(&before, &after, &proof), Err(InvalidProof::WrongRoot));
    }

    #[test]
    fn a_changed_past_is_never_consistent(old in 1..500_u64, more in 1..500_u64, at in any::<prop::sample::Index>()) {
        let honest = Log::of(old);
        let mut rewritten = leaves(old + more);
        let at = at.index(usize::try_from(old).unwrap());
        rewritten[at] = leaf_hash(b"never happened");
        let new = TreeHead { size: old + more, root: mth(&rewritten) };
        // The best proof that the liar can make, and the honest one.
        let lie = subproof(usize::try_from(old).unwrap(), &rewritten, true);
        let truth = subproof(usize::try_from(old).unwrap(), &leaves(old + more), true);
        prop_assert_eq!(verify_consistency(&honest.head(), &new, &lie), Err(InvalidProof::WrongRoot));
        prop_assert_eq!(verify_consistency(&honest.head(), &new, &truth), Err(InvalidProof::WrongRoot));
    }
}
