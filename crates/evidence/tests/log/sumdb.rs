//! A log we had no part in: the checksum database of Go, as its tiles are served.

use std::path::Path;
use std::{fs, io};

use countersign_evidence::log::checkpoint::{Checkpoint, Origin, Trust};
use countersign_evidence::log::merkle::{Node, leaf_hash};
use countersign_evidence::log::note::{Note, VerifierKey};
use countersign_evidence::log::proof::{HashReader as _, Unproven, prove_inclusion, root_at, verify_inclusion};
use countersign_evidence::log::tile::TilePath;
use countersign_evidence::log::tile_reader::{TileError, TileReader};

const VKEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

fn stored(name: &str) -> io::Result<Vec<u8>> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/log/sumdb").join(name))
}

/// The index of the record, the record, and the checkpoint that came with it.
fn lookup() -> (u64, Vec<u8>, Checkpoint) {
    let text = String::from_utf8(stored("lookup").unwrap()).unwrap();
    let (index, rest) = text.split_once('\n').unwrap();
    let (record, note) = rest.split_once("\n\n").unwrap();
    let key = VerifierKey::parse(VKEY).unwrap();
    // The database signs as another name than its origin.
    let trust = Trust::new(Origin::parse("go.sum database tree").unwrap(), vec![key]);
    let opened = trust.open(&Note::parse(note.as_bytes()).unwrap()).unwrap();
    (index.parse().unwrap(), format!("{record}\n").into_bytes(), opened.checkpoint)
}

fn fetch(path: TilePath) -> io::Result<Option<Vec<u8>>> {
    match stored(&path.to_string().trim_start_matches("tile/").replace('/', "-")) {
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[test]
fn its_checkpoint_is_its_own() {
    let (_, _, checkpoint) = lookup();
    assert_eq!(checkpoint.head().size, 69_959_272);
    assert_eq!(
        checkpoint.to_string(),
        "go.sum database tree\n69959272\nL6xGIG9BJ5WLe0paJgb2RVNCdNi6wVyMUVOfn9Oo/8s=\n"
    );
}

#[test]
fn its_root_is_that_of_its_right_edge() {
    let (_, _, checkpoint) = lookup();
    let head = checkpoint.head();
    assert_eq!(root_at(head.size, &mut TileReader::believing(head.size, fetch)).unwrap(), head.root);
}

#[test]
fn one_of_its_records_is_proved_from_its_tiles() {
    let (index, record, checkpoint) = lookup();
    let head = checkpoint.head();
    let leaf = leaf_hash(&record);
    let mut reader = TileReader::checking(head, fetch);
    assert_eq!(reader.read(Node { level: 0, index }).unwrap(), Some(leaf));
    let proof = prove_inclusion(index, head.size, &mut reader).unwrap();
    assert_eq!(verify_inclusion(&leaf, index, &head, &proof), Ok(()));
}

#[test]
fn a_bit_changed_in_any_of_its_tiles_is_noticed() {
    let (index, _, checkpoint) = lookup();
    let head = checkpoint.head();
    for name in ["0/x264/212", "0/x273/278.p/104", "1/x001/032", "1/x001/067.p/126", "2/004.p/43", "3/000.p/4"] {
        let name = format!("tile/{name}");
        let mut reader = TileReader::checking(head, |path: TilePath| {
            let mut bytes = fetch(path)?;
            if path.to_string() == name {
                bytes.as_mut().unwrap()[100] ^= 1;
            }
            io::Result::Ok(bytes)
        });
        let found = prove_inclusion(index, head.size, &mut reader);
        assert!(
            matches!(found, Err(Unproven::Unreadable(TileError::NotOfThisTree(_) | TileError::WrongRoot))),
            "{name}: {found:?}"
        );
    }
}
