//! The tree's right edge, and the tiles that it leaves behind.

use countersign_core::Digest;
use countersign_evidence::log::merkle::{Frontier, TreeHead, leaf_hash};
use countersign_evidence::log::proof::frontier_at;
use countersign_evidence::log::tile::{HEIGHT, Layer, TilePath, WIDTH, tile_bytes};
use countersign_evidence::log::tile_reader::TileReader;
use countersign_store::{StoreError, Tiles};

use super::LogError;

/// A stored hash tile, cut to the width its path asks for.
pub(super) fn narrowed(tiles: &dyn Tiles, path: TilePath) -> Result<Option<Vec<u8>>, StoreError> {
    let wide = tiles.tile(&path.full().to_string())?;
    let length = usize::from(path.width()) * 32;
    Ok(wide.and_then(|bytes| bytes.get(..length).map(<[u8]>::to_vec)))
}

/// The tree's right edge: what appending needs.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) frontier: Frontier,
    /// The hashes of the last, not yet full tile of each level.
    edge: Vec<Vec<Digest>>,
    /// Tiles that became full since the last checkpoint.
    full: Vec<(String, Vec<u8>)>,
}

impl Tree {
    /// The tree whose tiles are stored and make the root of `head`.
    pub(super) fn stored(head: TreeHead, tiles: &dyn Tiles) -> Result<Self, LogError> {
        let source = |path| narrowed(tiles, path);
        let mut reader = TileReader::checking(head, source);
        let damaged = |why: &dyn std::fmt::Display| LogError::Damaged(why.to_string());
        let frontier = frontier_at(head.size, &mut reader).map_err(|why| damaged(&why))?;
        if frontier.head() != head {
            return Err(damaged(&"the tiles make another root"));
        }
        let mut edge = Vec::new();
        for level in 0..HEIGHT {
            let count = head.size >> (u32::from(level) * u32::from(HEIGHT));
            if count == 0 {
                break;
            }
            let path = TilePath::in_tree(Layer::Hashes(level), count / u64::from(WIDTH), head.size);
            let bytes = match path {
                Some(path) => narrowed(tiles, path)?.ok_or_else(|| damaged(&path))?,
                None => Vec::new(),
            };
            edge.push(bytes.as_chunks::<32>().0.iter().map(|hash| Digest::from_bytes(*hash)).collect());
        }
        Ok(Self { frontier, edge, full: Vec::new() })
    }

    pub(super) fn append(&mut self, entry: &[u8]) {
        let (edge, full) = (&mut self.edge, &mut self.full);
        self.frontier.append_with(leaf_hash(entry), |node, hash| {
            if node.level % HEIGHT != 0 {
                return;
            }
            let level = usize::from(node.level / HEIGHT);
            if edge.len() <= level {
                edge.resize_with(level + 1, Vec::new);
            }
            let Some(tile) = edge.get_mut(level) else { return };
            tile.push(*hash);
            if tile.len() == usize::from(WIDTH) {
                let index = node.index / u64::from(WIDTH);
                if let Some(path) = path_of(node.level / HEIGHT, index) {
                    full.push((path, tile_bytes(tile.iter())));
                }
                tile.clear();
            }
        });
    }

    /// Takes back tiles that could not be written: what became full must be written
    /// the next time.
    pub(super) fn take_back(&mut self, changed: Vec<(String, Vec<u8>)>) {
        let full = changed.into_iter().filter(|(_, bytes)| bytes.len() == usize::from(WIDTH) * 32);
        self.full.extend(full);
    }

    /// Every tile that changed since the last time.
    pub(super) fn changed(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut changed = std::mem::take(&mut self.full);
        for (level, tile) in (0_u8..).zip(&self.edge) {
            let before = self.frontier.size() >> (u32::from(level) * u32::from(HEIGHT));
            if let Some(path) = path_of(level, before / u64::from(WIDTH)).filter(|_| !tile.is_empty()) {
                changed.push((path, tile_bytes(tile.iter())));
            }
        }
        changed
    }
}

/// The name a tile is stored under: that of the full tile.
fn path_of(level: u8, index: u64) -> Option<String> {
    let size = (index + 1).checked_mul(u64::from(WIDTH))?.checked_shl(u32::from(level) * u32::from(HEIGHT))?;
    TilePath::in_tree(Layer::Hashes(level), index, size).map(|path| path.full().to_string())
}
