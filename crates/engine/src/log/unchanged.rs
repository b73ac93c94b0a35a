//! Whether a ledger is the one that was published, before a server goes on with it.
//!
//! A store may open one that lost its end without noticing: of a torn log it
//! keeps what is whole. Nothing may be appended then, or the end that was
//! published would be replaced by another under the tree's next checkpoint.

use countersign_evidence::log::checkpoint::Checkpoint;
use countersign_evidence::log::merkle::leaf_hash;
use countersign_evidence::log::note::Note;
use countersign_evidence::log::proof::{prove_inclusion, verify_inclusion};
use countersign_evidence::log::tile_reader::TileReader;
use countersign_store::{Ledger, Tiles};

use super::{LogError, narrowed};

/// Fails where the ledger is shorter than the published tree, or ends the tree
/// with another entry. Where the tiles are damaged, the tree is made again and
/// compared later.
pub(super) fn check(ledger: &dyn Ledger, tiles: &dyn Tiles) -> Result<(), LogError> {
    let Some(text) = tiles.checkpoint()? else { return Ok(()) };
    let damaged = |why: &dyn std::fmt::Display| LogError::Damaged(why.to_string());
    let note = Note::parse(text.as_bytes()).map_err(|why| damaged(&why))?;
    let head = Checkpoint::parse(note.text()).map_err(|why| damaged(&why))?.head();
    let there = ledger.length()?;
    if there < head.size {
        return Err(LogError::Lost { there, size: head.size });
    }
    let Some(last) = head.size.checked_sub(1) else { return Ok(()) };
    let mut reader = TileReader::checking(head, |path| narrowed(tiles, path));
    let Ok(proof) = prove_inclusion(last, head.size, &mut reader) else { return Ok(()) };
    let entries = ledger.read(last, 1)?;
    let holds = entries.first().is_some_and(|entry| verify_inclusion(&leaf_hash(entry), last, &head, &proof).is_ok());
    if holds { Ok(()) } else { Err(LogError::Altered { size: head.size }) }
}
