//! The proof vectors of `transparency-dev/merkle`, most of which must fail.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_core::Digest;
use countersign_evidence::log::merkle::TreeHead;
use countersign_evidence::log::proof::{
    InvalidProof, verify_consistency, verify_inclusion, verify_inclusion_in, verify_subtree,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The vectors of one kind; `None` where they are not on this machine.
fn vectors<V: DeserializeOwned>(kind: &str) -> Option<Vec<(PathBuf, V)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/merkle").join(kind);
    if !folder.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is not there, and this is CI", folder.display());
        eprintln!("skipped: the {kind} vectors, because {} is not there", folder.display());
        return None;
    }
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(folder).unwrap() {
            let found = found.unwrap().path();
            if found.is_dir() { folders.push(found) } else { files.push(found) }
        }
    }
    files.sort();
    let read = |file: PathBuf| {
        let vector = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        (file, vector)
    };
    Some(files.into_iter().map(read).collect())
}

/// Base 64 of what should be a digest and often is not. What is none never becomes
/// a `Digest` outside this test; here another digest stands for it, the same for
/// the same bytes, so that the procedure still runs.
#[derive(Deserialize, Clone)]
#[serde(from = "String")]
struct Hash {
    digest: Digest,
    stands_in: bool,
}

impl From<String> for Hash {
    fn from(text: String) -> Self {
        let bytes = BASE64_STANDARD.decode(text).unwrap();
        let exact = <[u8; 32]>::try_from(bytes.as_slice()).map(Digest::from_bytes);
        let stands_in = exact.is_err();
        Self { digest: exact.unwrap_or_else(|_| Digest::of_two(b"stands in for ", &bytes)), stands_in }
    }
}

impl Hash {
    /// What stands for a leaf's hash is never what stands for a root: unlike two
    /// roots, the two are not of one kind, and a tree of one leaf compares them.
    fn as_leaf(&self) -> Digest {
        if self.stands_in { Digest::of_two(b"leaf ", self.digest.as_bytes()) } else { self.digest }
    }
}

fn digests(proof: Option<&Vec<Hash>>) -> Vec<Digest> {
    proof.into_iter().flatten().map(|hash| hash.digest).collect()
}

/// Counts what was replayed, and stops at the first vector that is not as it says.
struct Tally {
    kind: &'static str,
    accepted: usize,
    refused: usize,
    stand_ins: usize,
}

impl Tally {
    fn new(kind: &'static str) -> Self {
        Self { kind, accepted: 0, refused: 0, stand_ins: 0 }
    }

    fn count(&mut self, file: &Path, want_error: bool, stands_in: bool, found: Result<(), InvalidProof>) {
        assert_eq!(found.is_err(), want_error, "{}: {found:?}", file.display());
        if want_error {
            self.refused += 1;
        } else {
            self.accepted += 1;
        }
        self.stand_ins += usize::from(stands_in);
    }

    fn print(&self, expected: usize) {
        let Self { kind, accepted, refused, stand_ins } = self;
        println!(
            "{kind}: {} vectors replayed, {accepted} accepted, {refused} refused as they must be \
             ({stand_ins} of them with a hash that is not 32 bytes long)",
            accepted + refused
        );
        assert_eq!(accepted + refused, expected);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: Hash,
    leaf_hash: Hash,
    proof: Option<Vec<Hash>>,
    #[serde(rename = "desc")]
    _description: String,
    want_err: bool,
}

#[test]
fn every_inclusion_vector_is_judged_as_it_says() {
    let Some(vectors) = vectors::<Inclusion>("inclusion") else { return };
    let mut tally = Tally::new("inclusion");
    for (file, vector) in vectors {
        let head = TreeHead { size: vector.tree_size, root: vector.root.digest };
        let proof = digests(vector.proof.as_ref());
        let found = verify_inclusion(&vector.leaf_hash.as_leaf(), vector.leaf_idx, &head, &proof);
        let stands_in = vector.root.stands_in || vector.leaf_hash.stands_in;
        tally.count(&file, vector.want_err, stands_in, found);
    }
    tally.print(98);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: Hash,
    root2: Hash,
    proof: Option<Vec<Hash>>,
    #[serde(rename = "desc")]
    _description: String,
    want_err: bool,
}

#[test]
fn every_consistency_vector_is_judged_as_it_says() {
    let Some(vectors) = vectors::<Consistency>("consistency") else { return };
    let mut tally = Tally::new("consistency");
    for (file, vector) in vectors {
        let old = TreeHead { size: vector.size1, root: vector.root1.digest };
        let new = TreeHead { size: vector.size2, root: vector.root2.digest };
        let found = verify_consistency(&old, &new, &digests(vector.proof.as_ref()));
        tally.count(&file, vector.want_err, vector.root1.stands_in || vector.root2.stands_in, found);
    }
    tally.print(98);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubtreeInclusion {
    leaf_idx: u64,
    start: u64,
    end: u64,
    root: Hash,
    leaf_hash: Hash,
    proof: Option<Vec<Hash>>,
    #[serde(rename = "desc")]
    _description: String,
    want_err: bool,
}

#[test]
fn every_subtree_inclusion_vector_is_judged_as_it_says() {
    let Some(vectors) = vectors::<SubtreeInclusion>("subtreeinclusion") else { return };
    let mut tally = Tally::new("subtree inclusion");
    for (file, vector) in vectors {
        let proof = digests(vector.proof.as_ref());
        let range = vector.start..vector.end;
        let found =
            verify_inclusion_in(&vector.leaf_hash.as_leaf(), vector.leaf_idx, range, &vector.root.digest, &proof);
        tally.count(&file, vector.want_err, vector.root.stands_in || vector.leaf_hash.stands_in, found);
    }
    tally.print(204);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubtreeConsistency {
    start: u64,
    end: u64,
    size: u64,
    root1: Hash,
    root2: Hash,
    proof: Option<Vec<Hash>>,
    #[serde(rename = "desc")]
    _description: String,
    want_err: bool,
}

#[test]
fn every_subtree_consistency_vector_is_judged_as_it_says() {
    let Some(vectors) = vectors::<SubtreeConsistency>("subtreeconsistency") else { return };
    let mut tally = Tally::new("subtree consistency");
    for (file, vector) in vectors {
        let whole = TreeHead { size: vector.size, root: vector.root2.digest };
        let proof = digests(vector.proof.as_ref());
        let found = verify_subtree(vector.start..vector.end, &vector.root1.digest, &whole, &proof);
        tally.count(&file, vector.want_err, vector.root1.stands_in || vector.root2.stands_in, found);
    }
    tally.print(118);
}
