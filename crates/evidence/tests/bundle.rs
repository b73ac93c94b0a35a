//! The format of bundles, and following the entries of one.

#![cfg(test)]

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_core::{Digest, Timestamp};
use countersign_evidence::bundle::{Asked, Fault, FileDigest, InvalidManifest, Line, Manifest, Part, Replay};
use countersign_evidence::entry::Draft;
use countersign_evidence::event::Change;
use countersign_evidence::log::checkpoint::{Checkpoint, Origin};
use countersign_evidence::log::merkle::{Frontier, Node, leaf_hash};
use countersign_evidence::log::proof::{prove_consistency, prove_inclusion};

/// A log of entries on two chains in turn.
struct World {
    entries: Vec<Vec<u8>>,
    nodes: HashMap<Node, Digest>,
}

impl World {
    fn of(count: usize) -> Self {
        let mut chains = [Chain::GENESIS; 2];
        let mut world = Self { entries: Vec::new(), nodes: HashMap::new() };
        let mut tree = Frontier::new();
        for number in 0..count {
            let id = ChainId::parse(["sess_a", "agent_b"][number % 2]).unwrap();
            let change = Change { by: "key_1", id: &number.to_string(), noun: "agent", verb: "update" };
            let draft = Draft::new(id, None, Timestamp::from_millis(0), &change).unwrap();
            let (entry, after) = draft.seal(chains[number % 2]);
            chains[number % 2] = after;
            tree.append_with(leaf_hash(&entry), |node, hash| {
                world.nodes.insert(node, *hash);
            });
            world.entries.push(entry);
        }
        world
    }

    fn reader(&self) -> impl FnMut(Node) -> Result<Option<Digest>, Infallible> {
        |node| Ok(self.nodes.get(&node).copied())
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        self.checkpoint_of("log.example", size)
    }

    fn checkpoint_of(&self, origin: &str, size: u64) -> Checkpoint {
        let mut tree = Frontier::new();
        self.entries.iter().take(usize::try_from(size).unwrap()).for_each(|entry| tree.append(leaf_hash(entry)));
        Checkpoint::new(Origin::parse(origin).unwrap(), tree.head())
    }

    fn take(&self, replay: &mut Replay, index: u64, size: u64) -> Result<(), Fault> {
        let proof = prove_inclusion(index, size, &mut self.reader()).unwrap();
        replay.entry(&self.entries[usize::try_from(index).unwrap()], index, &proof)
    }
}

#[test]
fn a_chain_is_whole_only_if_every_entry_from_its_first_was_shown() {
    let world = World::of(8);
    let mut replay = Replay::default();
    replay.checkpoint(world.checkpoint(8), &[]).unwrap();
    for index in [0, 2, 4, 3, 7] {
        world.take(&mut replay, index, 8).unwrap();
    }
    let whole = replay.chain("sess_a").unwrap();
    assert!(whole.is_whole && whole.chain.length == 3);
    assert!(!replay.chain("agent_b").unwrap().is_whole);
    assert_eq!((replay.entries(), replay.chains()), (5, 2));
    // The other chain goes on all the same.
    world.take(&mut replay, 6, 8).unwrap();
    assert!(replay.chain("sess_a").unwrap().is_whole);
}

#[test]
fn an_entry_that_is_repeated_swapped_or_proved_elsewhere_is_refused() {
    let world = World::of(8);
    let mut replay = Replay::default();
    assert!(matches!(world.take(&mut replay, 0, 8), Err(Fault::NoCheckpoint)));
    replay.checkpoint(world.checkpoint(8), &[]).unwrap();
    world.take(&mut replay, 2, 8).unwrap();
    assert!(matches!(world.take(&mut replay, 2, 8), Err(Fault::OutOfOrder(_))));
    assert!(matches!(world.take(&mut replay, 0, 8), Err(Fault::OutOfOrder(_))));
    assert!(matches!(world.take(&mut replay, 4, 7), Err(Fault::NotIncluded(_))));
    let proof = prove_inclusion(4, 8, &mut world.reader()).unwrap();
    assert!(matches!(replay.entry(&world.entries[6], 4, &proof), Err(Fault::NotIncluded(_))));
    assert!(matches!(replay.entry(&world.entries[4], 5, &proof), Err(Fault::NotIncluded(_))));
}

#[test]
fn a_chain_that_the_log_published_broken_is_refused() {
    let mut world = World::of(8);
    let text = String::from_utf8(world.entries[2].clone()).unwrap();
    world.entries[2] = text.replace("update", "create").into_bytes();
    let mut tree = Frontier::new();
    for entry in &world.entries {
        tree.append_with(leaf_hash(entry), |node, hash| {
            world.nodes.insert(node, *hash);
        });
    }
    let mut replay = Replay::default();
    replay.checkpoint(world.checkpoint(8), &[]).unwrap();
    world.take(&mut replay, 0, 8).unwrap();
    world.take(&mut replay, 2, 8).unwrap();
    assert!(matches!(world.take(&mut replay, 4, 8), Err(Fault::WrongHead(_))));
}

#[test]
fn checkpoints_only_go_on() {
    let world = World::of(8);
    let proof = prove_consistency(5, 8, &mut world.reader()).unwrap();
    let begun = || {
        let mut replay = Replay::default();
        replay.checkpoint(world.checkpoint(5), &[]).unwrap();
        replay
    };
    begun().checkpoint(world.checkpoint(8), &proof).unwrap();
    assert!(matches!(begun().checkpoint(world.checkpoint(8), &[]), Err(Fault::Inconsistent(_))));
    assert!(matches!(begun().checkpoint(world.checkpoint(5), &[]), Err(Fault::GoesBack)));
    assert!(matches!(begun().checkpoint(world.checkpoint(4), &[]), Err(Fault::GoesBack)));
    assert!(matches!(begun().checkpoint(world.checkpoint_of("other.example", 8), &proof), Err(Fault::GoesBack)));
    let mut other = World::of(8);
    other.entries.swap(1, 3);
    assert!(matches!(begun().checkpoint(other.checkpoint(8), &proof), Err(Fault::Inconsistent(_))));
    assert!(matches!(Replay::default().checkpoint(world.checkpoint(8), &proof), Err(Fault::Inconsistent(_))));
}

#[test]
fn a_line_has_one_spelling() {
    let world = World::of(3);
    let proof = prove_inclusion(1, 3, &mut world.reader()).unwrap();
    let line = Line::Entry { entry: &world.entries[1], index: 1, proof };
    let bytes = line.to_bytes().unwrap();
    assert_eq!(Line::read(&bytes).unwrap(), line);
    let text = String::from_utf8(bytes).unwrap();
    for wrong in [
        text.replacen("{\"entry\"", "{ \"entry\"", 1),
        text.replacen("\"index\":1", "\"index\":01", 1),
        text.replacen("\"index\":1", "\"index\":1.0", 1),
        text.replacen("\"index\":1,", "\"index\":1,\"more\":1,", 1),
        text.replacen("\"index\":1,", "", 1),
        format!("{text} "),
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(Line::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_manifest_has_one_spelling_and_knows_its_own_damage() {
    let sum = FileDigest { sha256: Digest::of(b""), size: 0 };
    let files = BTreeMap::from([("entries.jsonl".to_owned(), sum)]);
    let asked = Asked { session: Some("sess_a".to_owned()), ..Asked::default() };
    let manifest = Manifest::new(asked, files.clone(), Timestamp::from_millis(0), "test/1").unwrap();
    let bytes = manifest.to_bytes().unwrap();
    assert_eq!(Manifest::read(&bytes).unwrap(), manifest);
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert!(Manifest::read(&wrong).is_err(), "byte {at}");
    }
    let strange = BTreeMap::from([("../../etc/passwd".to_owned(), sum)]);
    let strange = Manifest::new(Asked::default(), strange, Timestamp::from_millis(0), "test/1").unwrap();
    let read = Manifest::read(&strange.to_bytes().unwrap());
    assert!(matches!(read, Err(InvalidManifest::UnknownFile(_))));
}

#[test]
fn a_file_is_a_part_under_one_name_alone() {
    let digest = Digest::of(b"").to_string();
    let session = |make: fn(String) -> Part| make("sess_a".to_owned());
    for (name, part) in [
        ("manifest.json".to_owned(), Part::Manifest),
        ("entries.jsonl".to_owned(), Part::Entries),
        ("trace/sess_a.json".to_owned(), session(Part::Record)),
        ("trace/sess_a.receipt.json".to_owned(), session(Part::Receipt)),
        ("trace/sess_a.tlog-proof".to_owned(), session(Part::Anchor)),
        (format!("policies/{digest}.json"), Part::Policy(Digest::of(b""))),
    ] {
        assert_eq!(Part::parse(&name), Some(part), "{name}");
    }
    let upper = format!("policies/{}.json", digest.to_uppercase());
    for name in
        ["", "trace/", "trace/.json", "trace/a/b.json", "trace/../x.json", "policies/x.json", "./README.txt", &upper]
    {
        assert_eq!(Part::parse(name), None, "{name}");
    }
}
