//! Reading a tree's hashes out of its tiles, and trusting none of them.
//!
//! A [`TileReader`] made from a tree head that was verified checks every tile it
//! reads against that head: a wrong byte in a mirror is an error, never a proof.
//! Its memory is bounded however large the tree is.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::Digest;

use super::merkle::{Node, TreeHead, cover, node_hash};
use super::proof::HashReader;
use super::tile::{HEIGHT, Layer, MalformedTile, Tile, TilePath};

/// How many full tiles are kept, at 8 KiB each.
const KEPT: usize = 64;

/// Reads hashes of one tree out of tiles that `source` fetches.
///
/// `source` answers `Ok(None)` where there is no such tile. A partial tile may be
/// gone once the full one exists, so that is asked for next.
pub struct TileReader<S> {
    size: u64,
    root: Option<Digest>,
    source: S,
    edge: Option<Vec<Arc<Tile>>>,
    kept: HashMap<TilePath, Arc<Tile>>,
}

/// Why a tile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// Fetching it failed.
    #[error("`{path}` could not be read")]
    Unreadable {
        /// The tile.
        path: TilePath,
        /// What went wrong.
        #[source]
        source: E,
    },
    /// It is not a tile of the width its path says.
    #[error(transparent)]
    Malformed(#[from] MalformedTile),
    /// It is not a tile of the tree whose root is trusted.
    #[error("`{0}` is not a tile of this tree")]
    NotOfThisTree(TilePath),
    /// The tiles on the tree's right edge do not make its root.
    #[error("the tiles on the right edge make another root")]
    WrongRoot,
}

impl<E, S: FnMut(TilePath) -> Result<Option<Vec<u8>>, E>> TileReader<S> {
    /// Reads the tree of `size` leaves and believes what it reads. Only for tiles
    /// that nobody else can write.
    pub fn believing(size: u64, source: S) -> Self {
        Self { size, root: None, source, edge: None, kept: HashMap::new() }
    }

    /// Reads the tree `head` and checks every tile against its root.
    pub fn checking(head: TreeHead, source: S) -> Self {
        Self { root: Some(head.root), ..Self::believing(head.size, source) }
    }

    fn tile(&mut self, path: TilePath) -> Result<Option<Arc<Tile>>, TileError<E>> {
        if let Some(tile) = self.kept.get(&path) {
            return Ok(Some(Arc::clone(tile)));
        }
        if let Some(root) = self.root {
            return self.checked(path, &root);
        }
        let Some(tile) = self.fetch(path)? else { return Ok(None) };
        Ok(Some(self.keep(tile)))
    }

    fn keep(&mut self, tile: Tile) -> Arc<Tile> {
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        let tile = Arc::new(tile);
        self.kept.insert(tile.path(), Arc::clone(&tile));
        tile
    }

    /// A full tile is checked against the hash over it one level above, and so on
    /// up to the right edge, which is checked against the root.
    fn checked(&mut self, path: TilePath, root: &Digest) -> Result<Option<Arc<Tile>>, TileError<E>> {
        if !path.is_full() {
            let Some(edge) = self.edge(root)? else { return Ok(None) };
            return Ok(edge.iter().find(|tile| tile.path() == path).cloned());
        }
        let Layer::Hashes(level) = path.layer() else { return Ok(None) };
        let above = Node { level: (level + 1) * HEIGHT, index: path.index() };
        let Some(parent) = TilePath::holding(above, self.size) else { return Ok(None) };
        let Some(parent) = self.tile(parent)? else { return Ok(None) };
        let Some(tile) = self.fetch(path)? else { return Ok(None) };
        if parent.hash(above).is_none_or(|hash| tile.over_all() != Some(hash)) {
            return Err(TileError::NotOfThisTree(path));
        }
        Ok(Some(self.keep(tile)))
    }

    /// The partial tiles, every hash of which goes into the root directly.
    fn edge(&mut self, root: &Digest) -> Result<Option<&[Arc<Tile>]>, TileError<E>> {
        if self.edge.is_none() {
            let mut tiles = Vec::new();
            let mut hash = None;
            for level in 0..HEIGHT {
                let last = (self.size >> (level * HEIGHT)) / u64::from(super::tile::WIDTH);
                let path = TilePath::in_tree(Layer::Hashes(level), last, self.size);
                let Some(path) = path.filter(|path| !path.is_full()) else { continue };
                let Some(tile) = self.fetch(path)? else { return Ok(None) };
                let range = path.range();
                for peak in cover(range.start, range.end).rev() {
                    let peak = Node { level: peak.level + level * HEIGHT, ..peak };
                    let left = tile.hash(peak).ok_or(TileError::NotOfThisTree(path))?;
                    hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
                }
                tiles.push(Arc::new(tile));
            }
            if hash != Some(*root) {
                return Err(TileError::WrongRoot);
            }
            self.edge = Some(tiles);
        }
        Ok(self.edge.as_deref())
    }

    /// Fetches a tile, or as much of the full one as the tree has of it.
    fn fetch(&mut self, path: TilePath) -> Result<Option<Tile>, TileError<E>> {
        let unreadable = |source| TileError::Unreadable { path, source };
        if let Some(bytes) = (self.source)(path).map_err(unreadable)? {
            return Ok(Some(Tile::parse(path, &bytes)?));
        }
        if path.is_full() {
            return Ok(None);
        }
        let Some(bytes) = (self.source)(path.full()).map_err(unreadable)? else { return Ok(None) };
        let full = Tile::parse(path.full(), &bytes)?;
        Ok(Some(full.narrowed(path.width())))
    }
}

impl<E, S: FnMut(TilePath) -> Result<Option<Vec<u8>>, E>> HashReader for TileReader<S> {
    type Error = TileError<E>;

    fn read(&mut self, node: Node) -> Result<Option<Digest>, Self::Error> {
        let Some(path) = TilePath::holding(node, self.size) else { return Ok(None) };
        Ok(self.tile(path)?.and_then(|tile| tile.hash(node)))
    }
}
