//! Tiles and bundles: their names, their bytes, and reading a tree out of them.

use std::cell::Cell;
use std::collections::HashSet;
use std::convert::Infallible;

use countersign_evidence::log::merkle::{Node, TreeHead, leaf_hash};
use countersign_evidence::log::proof::{HashReader as _, Unproven, prove_consistency, prove_inclusion, root_at};
use countersign_evidence::log::tile::{
    Layer, MAX_ENTRY, Tile, TilePath, TornBundle, WIDTH, entries, grown, push_entry,
};
use countersign_evidence::log::tile_reader::{TileError, TileReader};
use proptest::prelude::*;

use crate::world::Log;

fn paths(old: u64, new: u64) -> Vec<String> {
    grown(old, new).map(|path| path.to_string()).collect()
}

#[test]
fn a_path_is_spelled_as_the_specification_does() {
    for (text, layer, index, width) in [
        ("tile/0/x001/x234/067", Layer::Hashes(0), 1_234_067, 256),
        ("tile/3/x001/x234/067.p/8", Layer::Hashes(3), 1_234_067, 8),
        ("tile/0/000", Layer::Hashes(0), 0, 256),
        ("tile/0/999.p/255", Layer::Hashes(0), 999, 255),
        ("tile/63/x001/000.p/1", Layer::Hashes(63), 1000, 1),
        ("tile/entries/x057/500", Layer::Entries, 57_500, 256),
        ("tile/entries/x036/x028/x797/x018/x963/967", Layer::Entries, (1 << 55) - 1, 256),
    ] {
        let path = TilePath::parse(text).unwrap();
        assert_eq!((path.layer(), path.index(), path.width()), (layer, index, width), "{text}");
        assert_eq!(path.to_string(), text);
    }
}

#[test]
fn a_path_has_one_spelling() {
    for text in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/01",
        "tile/0/1000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/x000/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/xx01/000",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001.p/1/",
        "tile/0/001.p/1.p/1",
        "tile/0/001.p/65537",
        "tile/0/001/",
        "/tile/0/001",
        "tile/0/001 ",
        "tile/0/0 1",
        "tile/0/..",
        "tile/0/+01",
        "tile/data/000",
        "tile/Entries/000",
        "tile/8/0/000",
        "tile/0/x001/x234/067.P/8",
        "tile/0/x٠٠١/000",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(TilePath::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_tree_of_70000_is_the_tiles_that_the_specification_lists() {
    let paths = paths(0, 70_000);
    let of = |layer: &str| paths.iter().filter(|path| path.starts_with(layer)).cloned().collect::<Vec<_>>();
    assert_eq!(of("tile/0/").len(), 274);
    assert_eq!(of("tile/0/").last().unwrap(), "tile/0/273.p/112");
    assert_eq!(of("tile/1/"), ["tile/1/000", "tile/1/001.p/17"]);
    assert_eq!(of("tile/2/"), ["tile/2/000.p/1"]);
    assert_eq!(of("tile/entries/").len(), 274);
    assert_eq!(paths.len(), 274 + 274 + 2 + 1);
}

#[test]
fn a_tree_of_256_has_a_full_tile_and_one_of_a_single_hash() {
    assert_eq!(paths(0, 256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(paths(255, 256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(paths(256, 257), ["tile/entries/001.p/1", "tile/0/001.p/1"]);
    assert_eq!(paths(0, 0), Vec::<String>::new());
    assert_eq!(paths(257, 257), Vec::<String>::new());
}

#[test]
fn growing_by_any_steps_writes_every_tile_of_the_tree() {
    let mut log = Log::default();
    for size in [1, 2, 255, 256, 257, 300, 511, 512, 1000, 66_000] {
        log.grow(size);
        let all: HashSet<_> = paths(0, size).into_iter().collect();
        assert!(all.iter().all(|path| log.files.contains_key(path)), "{size}");
        assert_eq!(
            root_at(size, &mut TileReader::believing(size, |path| log.file(path))).unwrap(),
            log.frontier.root()
        );
    }
}

#[test]
fn a_tile_answers_for_every_node_above_its_hashes() {
    let log = Log::of(66_000);
    for (level, hashes) in log.levels.iter().enumerate() {
        for index in (0..hashes.len()).step_by(1 + hashes.len() / 50).chain([hashes.len() - 1]) {
            let node = Node { level: u8::try_from(level).unwrap(), index: index as u64 };
            let path = TilePath::holding(node, 66_000).unwrap();
            let tile = Tile::parse(path, &log.files[&path.to_string()]).unwrap();
            assert_eq!(tile.hash(node), Some(hashes[index]), "{node}");
        }
        let beyond = Node { level: u8::try_from(level).unwrap(), index: hashes.len() as u64 };
        assert_eq!(TilePath::holding(beyond, 66_000), None);
    }
}

#[test]
fn a_tile_of_another_width_is_refused() {
    let path = TilePath::parse("tile/0/000.p/2").unwrap();
    for length in [0, 32, 63, 65, 96] {
        assert!(Tile::parse(path, &vec![0; length]).is_err(), "{length}");
    }
    assert!(Tile::parse(TilePath::parse("tile/entries/000.p/2").unwrap(), &[0; 64]).is_err());
    assert_eq!(Tile::parse(path, &[0; 64]).unwrap().hash(Node { level: 8, index: 0 }), None);
}

#[test]
fn a_bundle_gives_back_the_entries_whose_leaves_are_in_its_tile() {
    let log = Log::of(300);
    for index in 0..2 {
        let bundle = &log.files[&TilePath::in_tree(Layer::Entries, index, 300).unwrap().to_string()];
        let path = TilePath::in_tree(Layer::Hashes(0), index, 300).unwrap();
        let tile = Tile::parse(path, &log.files[&path.to_string()]).unwrap();
        let leaves: Vec<_> = entries(bundle).map(|entry| leaf_hash(entry.unwrap())).collect();
        assert_eq!(leaves, tile.hashes());
        assert_eq!(leaves.len(), usize::from(path.width()));
    }
}

#[test]
fn the_longest_entry_fits_a_bundle_and_a_longer_one_does_not() {
    let mut bundle = Vec::new();
    push_entry(&mut bundle, b"").unwrap();
    push_entry(&mut bundle, &vec![7; MAX_ENTRY]).unwrap();
    let before = bundle.clone();
    assert_eq!(push_entry(&mut bundle, &vec![7; MAX_ENTRY + 1]).unwrap_err().0, MAX_ENTRY + 1);
    assert_eq!(bundle, before);
    let found: Vec<_> = entries(&bundle).map(Result::unwrap).collect();
    assert_eq!(found, [Vec::new(), vec![7; MAX_ENTRY]]);
}

#[test]
fn a_bundle_that_ends_inside_an_entry_says_so_once() {
    let mut bundle = Vec::new();
    push_entry(&mut bundle, b"whole").unwrap();
    push_entry(&mut bundle, b"torn").unwrap();
    for cut in [8, 9, 12] {
        let found: Vec<_> = entries(&bundle[..cut]).collect();
        assert_eq!(found, [Ok(&b"whole"[..]), Err(TornBundle)], "{cut}");
    }
}

#[test]
fn checked_tiles_prove_the_same_as_the_tree_even_when_old_partial_ones_are_gone() {
    let sizes = [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000];
    let mut log = Log::default();
    for size in sizes {
        log.grow(size);
    }
    let full: HashSet<_> = log.files.keys().filter(|path| !path.contains(".p/")).cloned().collect();
    for pruned in [false, true] {
        if pruned {
            log.files.retain(|path, _| path.split_once(".p/").is_none_or(|(of, _)| !full.contains(of)));
        }
        for size in sizes {
            let mut checked = TileReader::checking(log.head_at(size), |path| log.file(path));
            let mut memory = |node: Node| log.hash(node);
            for index in [0, size / 3, size / 2, size - 1] {
                let expected = prove_inclusion(index, size, &mut memory).unwrap();
                assert_eq!(prove_inclusion(index, size, &mut checked).unwrap(), expected);
                let expected = prove_consistency(index + 1, size, &mut memory).unwrap();
                assert_eq!(prove_consistency(index + 1, size, &mut checked).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_missing_tile_is_a_missing_hash() {
    let log = Log::of(1000);
    let mut reader =
        TileReader::checking(
            log.head(),
            |path: TilePath| {
                if path.to_string() == "tile/0/001" { Ok(None) } else { log.file(path) }
            },
        );
    assert!(prove_inclusion(0, 1000, &mut reader).is_ok());
    assert!(matches!(prove_inclusion(256, 1000, &mut reader), Err(Unproven::Missing(_))));
}

#[test]
fn tiles_of_another_tree_are_not_of_this_one() {
    let log = Log::of(1000);
    let head = TreeHead { root: leaf_hash(b"another tree"), ..log.head() };
    let found = prove_inclusion(0, 1000, &mut TileReader::checking(head, |path| log.file(path)));
    assert!(matches!(found, Err(Unproven::Unreadable(TileError::WrongRoot))));
}

#[test]
fn reading_a_large_tree_asks_for_each_tile_once() {
    let log = Log::of(66_000);
    let asked = Cell::new(0);
    let mut reader = TileReader::checking(log.head(), |path| {
        asked.set(asked.get() + 1);
        log.file(path)
    });
    prove_inclusion(40_000, 66_000, &mut reader).unwrap();
    // The right edge has three tiles; the leaf's own and the one above it are full.
    assert_eq!(asked.get(), 5);
    prove_inclusion(40_001, 66_000, &mut reader).unwrap();
    assert_eq!(asked.get(), 5);
}

proptest! {
    #[test]
    fn every_path_reads_back(layer in "entries|[0-9]|[1-5][0-9]|6[0-3]", index in 0..1_u64 << 55, width in 1..=WIDTH) {
        let mut number = format!("{:03}", index % 1000);
        let mut rest = index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let partial = if width == WIDTH { String::new() } else { format!(".p/{width}") };
        let text = format!("tile/{layer}/{number}{partial}");
        let path = TilePath::parse(&text).unwrap();
        prop_assert_eq!((path.index(), path.width()), (index, width));
        prop_assert_eq!(path.to_string(), text);
    }

    #[test]
    fn any_text_is_refused_or_is_its_own_spelling(text in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,3}[0-9x]{2,4}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = TilePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn what_changes_when_a_tree_grows_is_exactly_what_differs(old in 0..2000_u64, more in 0..2000_u64) {
        let new = old + more;
        let before: HashSet<_> = paths(0, old).into_iter().collect();
        let after: HashSet<_> = paths(0, new).into_iter().collect();
        let changed: HashSet<_> = paths(old, new).into_iter().collect();
        let differs: HashSet<_> = after.difference(&before).cloned().collect();
        prop_assert_eq!(changed, differs);
        let left: u64 = grown(0, new).filter(|path| path.layer() == Layer::Entries).map(|path| u64::from(path.width())).sum();
        prop_assert_eq!(left, new);
    }

    #[test]
    fn a_changed_byte_in_a_tile_is_never_believed(
        size in 1..2000_u64, which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let log = Log::of(size);
        let tiles: Vec<_> = grown(0, size).filter(|path| path.layer() != Layer::Entries).collect();
        let bad = tiles[which.index(tiles.len())];
        let mut reader = TileReader::checking(log.head(), |path: TilePath| {
            let mut bytes = log.file(path)?;
            if let Some(bytes) = bytes.as_mut().filter(|_| path == bad) {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Ok::<_, Infallible>(bytes)
        });
        // Whatever is read is either right or an error.
        let range = bad.range();
        let Layer::Hashes(level) = bad.layer() else { unreachable!() };
        let found = reader.read(Node { level: level * 8, index: range.start });
        prop_assert!(matches!(found, Err(TileError::NotOfThisTree(_) | TileError::WrongRoot)));
    }

    #[test]
    fn any_entries_read_back_from_a_bundle(given in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..50)) {
        let mut bundle = Vec::new();
        for entry in &given {
            push_entry(&mut bundle, entry).unwrap();
        }
        let found: Vec<_> = entries(&bundle).map(|entry| entry.unwrap().to_vec()).collect();
        prop_assert_eq!(found, given);
    }
}
