//! Tiles: the tree and its entries as files that never change.
//!
//! <https://c2sp.org/tlog-tiles>. A tile holds up to 256 hashes of one level in
//! eight; the levels between are computed from them. A bundle holds the entries
//! whose leaf hashes are in the tile of the same index at level 0. What is full
//! never changes; what is partial is replaced by a wider one under another name.

use std::fmt;
use std::ops::Range;

use countersign_core::Digest;

use super::decimal;
use super::merkle::{Node, node_hash};

/// How many levels of the tree one tile covers.
pub const HEIGHT: u8 = 8;

/// How many hashes or entries a full tile or bundle holds.
pub const WIDTH: u16 = 256;

/// The longest entry, in bytes: bundles write lengths as 16 bits.
pub const MAX_ENTRY: usize = 65_535;

/// Levels a path can name, and levels a tree of 2^63 leaves has.
const MAX_LEVEL: u8 = 63;

/// More tiles than a level of a tree of 2^63 leaves has.
const MAX_INDEX: u64 = 1 << 55;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Hashes of the tree: level 0 holds leaf hashes, and each hash of the next
    /// level is over one full tile of this one.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// Which tile or bundle: `tile/0/x001/x234/067`, `tile/entries/000.p/7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePath {
    layer: Layer,
    index: u64,
    width: u16,
}

/// The text is not the path of a tile.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the path of a tile: expected a form such as `tile/0/x001/x234/067` or `tile/entries/000.p/7`")]
pub struct InvalidTilePath(String);

impl TilePath {
    /// The tile as it stands in a tree of `size` leaves; `None` if it would be
    /// empty or the layer does not exist.
    #[must_use]
    pub fn in_tree(layer: Layer, index: u64, size: u64) -> Option<Self> {
        let before = index.checked_mul(WIDTH.into())?;
        let here = layer.length(size).checked_sub(before).filter(|count| *count > 0)?;
        let width = here.min(WIDTH.into());
        (index < MAX_INDEX).then_some(Self { layer, index, width: u16::try_from(width).unwrap_or(WIDTH) })
    }

    /// The tile that the hash of `node` is read from in a tree of `size` leaves;
    /// `None` if the tree does not have that node.
    #[must_use]
    pub fn holding(node: Node, size: u64) -> Option<Self> {
        let above = node.level % HEIGHT;
        let tile = Self::in_tree(Layer::Hashes(node.level / HEIGHT), node.index >> (HEIGHT - above), size)?;
        tile.span(node).map(|_| tile)
    }

    /// Reads a path, which has exactly one spelling.
    pub fn parse(text: &str) -> Result<Self, InvalidTilePath> {
        let parsed = Self::read(text).filter(|path| path.to_string() == text);
        parsed.ok_or_else(|| InvalidTilePath(text.chars().take(64).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        let (layer, rest) = text.strip_prefix("tile/")?.split_once('/')?;
        let layer = match layer {
            "entries" => Layer::Entries,
            level => Layer::Hashes(decimal(level)?.try_into().ok().filter(|level| *level <= MAX_LEVEL)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, u16::try_from(decimal(width)?).ok()?),
            None => (rest, WIDTH),
        };
        let mut number = 0_u64;
        for group in index.split('/') {
            let digits = group.trim_start_matches('x');
            let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let group: u64 = three.then(|| digits.parse().ok()).flatten()?;
            number = number.checked_mul(1000)?.checked_add(group).filter(|number| *number < MAX_INDEX)?;
        }
        (1..=WIDTH).contains(&width).then_some(Self { layer, index: number, width })
    }

    /// What the tile holds.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        self.layer
    }

    /// How many tiles of its layer come before it.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will never be wider.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// The same tile when it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: WIDTH, ..self }
    }

    /// Which of its layer's hashes or entries it holds.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let start = self.index * u64::from(WIDTH);
        start..start + u64::from(self.width)
    }

    /// Which of its hashes lie under `node`, if all that do are here.
    fn span(&self, node: Node) -> Option<Range<usize>> {
        let above = node.level.checked_sub(HEIGHT.checked_mul(self.layer.level()?)?)?;
        let wide = 1_u64.checked_shl(above.into())?;
        let start = node.index.checked_mul(wide)?.checked_sub(self.range().start)?;
        let end = start.checked_add(wide).filter(|end| *end <= self.width.into())?;
        Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

impl Layer {
    const fn level(self) -> Option<u8> {
        match self {
            Self::Hashes(level) => Some(level),
            Self::Entries => None,
        }
    }

    /// How many hashes or entries the layer has in a tree of `size` leaves.
    fn length(self, size: u64) -> u64 {
        let levels = u32::from(self.level().unwrap_or(0)) * u32::from(HEIGHT);
        size.checked_shr(levels).unwrap_or(0)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Layer::Hashes(level) => write!(f, "tile/{level}/")?,
            Layer::Entries => f.write_str("tile/entries/")?,
        }
        let mut unit = 1_000_000_000_000_000;
        while unit > 1 {
            if self.index >= unit {
                write!(f, "x{:03}/", self.index / unit % 1000)?;
            }
            unit /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// The bundles and tiles that a log writes when its tree grows from `old` leaves
/// to `new`: bundles first, then hashes from the leaves up. Each holds the
/// [`range`](TilePath::range) of its layer. A hash tile's level `L` holds the
/// nodes of level `8 L`.
pub fn grown(old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    let layers = std::iter::once(Layer::Entries).chain((0..=MAX_LEVEL).map(Layer::Hashes));
    layers.take_while(move |layer| layer.length(new) > 0).flat_map(move |layer| {
        let (before, after) = (layer.length(old), layer.length(new));
        let changed = before / u64::from(WIDTH)..after.div_ceil(WIDTH.into());
        let changed = if before < after { changed } else { 0..0 };
        changed.filter_map(move |index| TilePath::in_tree(layer, index, new))
    })
}

/// The bytes are not what the path says.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` does not hold {} hashes or entries", path.width())]
pub struct MalformedTile {
    /// The path.
    pub path: TilePath,
}

/// A tile of hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    path: TilePath,
    hashes: Vec<Digest>,
}

impl Tile {
    /// Reads a tile's bytes.
    pub fn parse(path: TilePath, bytes: &[u8]) -> Result<Self, MalformedTile> {
        let (hashes, torn) = bytes.as_chunks::<32>();
        if !torn.is_empty() || hashes.len() != usize::from(path.width) || path.layer == Layer::Entries {
            return Err(MalformedTile { path });
        }
        Ok(Self { path, hashes: hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect() })
    }

    /// Which tile it is.
    #[must_use]
    pub const fn path(&self) -> TilePath {
        self.path
    }

    /// Its hashes.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// The hash of `node`; `None` if it cannot be computed from this tile alone.
    #[must_use]
    pub fn hash(&self, node: Node) -> Option<Digest> {
        join(self.hashes.get(self.path.span(node)?)?)
    }

    /// What the tile was when it held only its first `width` hashes.
    pub(super) fn narrowed(mut self, width: u16) -> Self {
        self.hashes.truncate(width.into());
        Self { path: TilePath { width, ..self.path }, ..self }
    }

    /// The hash over all of a full tile, which the level above holds.
    pub(super) fn over_all(&self) -> Option<Digest> {
        self.path.is_full().then(|| join(&self.hashes)).flatten()
    }
}

/// The hash over a number of hashes that is a power of two.
fn join(hashes: &[Digest]) -> Option<Digest> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(&join(left)?, &join(right)?))
        }
    }
}

/// A tile's bytes: its hashes, one after the other.
#[must_use]
pub fn tile_bytes<'a>(hashes: impl IntoIterator<Item = &'a Digest>) -> Vec<u8> {
    hashes.into_iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The entry is longer than a bundle can say.
#[derive(Debug, thiserror::Error)]
#[error("an entry of {0} bytes does not fit a bundle: expected at most {MAX_ENTRY}")]
pub struct EntryTooLong(pub usize);

/// Appends an entry to a bundle: its length in two bytes, most significant first,
/// and the entry.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle, in order.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

/// The bundle ends inside an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bundle ends inside an entry")]
pub struct TornBundle;

/// Reads a bundle's entries one after the other, without copying them. The bundle
/// does not say how many there are: its path does.
#[must_use]
pub const fn entries(bundle: &[u8]) -> Entries<'_> {
    Entries { rest: bundle }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], TornBundle>;

    fn next(&mut self) -> Option<Self::Item> {
        let bundle = std::mem::take(&mut self.rest);
        let (length, rest) = match bundle {
            [] => return None,
            [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
            [_] => return Some(Err(TornBundle)),
        };
        let Some((entry, rest)) = rest.split_at_checked(length.into()) else { return Some(Err(TornBundle)) };
        self.rest = rest;
        Some(Ok(entry))
    }
}
