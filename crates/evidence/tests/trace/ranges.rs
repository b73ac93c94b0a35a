//! Mountain ranges: the 39 nodes every implementation knows, and the proofs.

use countersign_core::Digest;
use countersign_evidence::trace::mmr::{Range, peak_places, root};
use proptest::prelude::*;
use serde_json::Value;

use crate::vectors::{read, report};

fn digests(value: &Value) -> Vec<Digest> {
    value.as_array().unwrap().iter().map(|hex| Digest::parse(hex.as_str().unwrap()).unwrap()).collect()
}

fn range(leaves: &[Digest]) -> Range {
    let mut range = Range::new();
    for leaf in leaves {
        range.push(*leaf);
    }
    range
}

#[test]
fn the_39_nodes_and_their_peaks_are_known() {
    let kat = read("mmr/kat39.json");
    let range = range(&digests(&kat["leaves"]));
    let nodes = digests(&kat["nodes"]);
    let right = (0..).zip(&nodes).filter(|(place, node)| range.node(*place) == Some(**node)).count();
    report("mmr nodes", right, nodes.len());
    assert_eq!((right, nodes.len(), range.size()), (39, 39, 39));
    let peaks = kat["peak_indices"].as_object().unwrap();
    let is_right = |(last, places): &(&String, &Value)| {
        let size = last.parse::<u64>().unwrap() + 1;
        let places: Vec<_> = places.as_array().unwrap().iter().map(|place| place.as_u64().unwrap()).collect();
        peak_places(size) == Some(places) && range.peaks(size) == Some(digests(&kat["peak_hashes"][*last]))
    };
    let right = peaks.iter().filter(is_right).count();
    report("mmr sizes", right, peaks.len());
    assert_eq!((right, peaks.len()), (21, 21));
}

#[test]
fn a_size_that_no_range_has_is_refused() {
    let valid: Vec<u64> = (0..40).filter(|size| peak_places(*size).is_some()).collect();
    let known = [0, 1, 3, 4, 7, 8, 10, 11, 15, 16, 18, 19, 22, 23, 25, 26, 31, 32, 34, 35, 38, 39];
    assert_eq!(valid, known);
    assert_eq!(peak_places(u64::MAX), None);
}

#[test]
fn peaks_that_were_bagged_already_are_no_proof() {
    let leaves: Vec<_> = (0..7_u8).map(|i| Digest::of(&[i])).collect();
    let range = range(&leaves);
    let top = root(&range.peaks(range.size()).unwrap());
    let mut proof = range.prove_inclusion(0, range.size()).unwrap();
    assert_eq!(proof.peaks_right.len(), 2);
    proof.peaks_right = vec![root(&proof.peaks_right)];
    assert!(!proof.verifies(leaves[0], 0, range.size(), &top));
}

proptest! {
    #[test]
    fn every_leaf_is_proved_and_nothing_else_is(leaves in 1usize..60, flip in 0usize..32) {
        let leaves: Vec<_> = (0..leaves).map(|i| Digest::of(&i.to_be_bytes())).collect();
        let range = range(&leaves);
        let top = root(&range.peaks(range.size()).unwrap());
        for (index, leaf) in (0..).zip(&leaves) {
            let proof = range.prove_inclusion(index, range.size()).unwrap();
            prop_assert!(proof.verifies(*leaf, index, range.size(), &top));
            let mut wrong = *leaf.as_bytes();
            wrong[flip] ^= 1;
            prop_assert!(!proof.verifies(Digest::from_bytes(wrong), index, range.size(), &top));
            prop_assert!(!proof.verifies(*leaf, index + 1, range.size(), &top) || leaves.len() == 1);
        }
        prop_assert!(range.prove_inclusion(leaves.len() as u64, range.size()).is_none());
    }

    #[test]
    fn a_range_continues_each_of_its_beginnings_and_no_other(old in 0usize..40, more in 0usize..40) {
        let leaf = |i: usize| Digest::of(&i.to_be_bytes());
        let before = range(&(0..old).map(leaf).collect::<Vec<_>>());
        let after = range(&(0..old + more).map(leaf).collect::<Vec<_>>());
        let (a, b) = (before.size(), after.size());
        let (old_root, new_root) = (root(&before.peaks(a).unwrap()), root(&after.peaks(b).unwrap()));
        let proof = after.prove_consistency(a, b).unwrap();
        prop_assert!(proof.verifies((a, &old_root), (b, &new_root)));
        let other = range(&(0..old).map(|i| leaf(i + 1)).collect::<Vec<_>>());
        let other = root(&other.peaks(a).unwrap());
        prop_assert_eq!(proof.verifies((a, &other), (b, &new_root)), old == 0);
    }
}
