//! A Merkle mountain range, as `draft-mih-scitt-checkpointed-local-log` has it.
//!
//! Nodes are numbered from 0 in the order they are written, and never
//! rewritten. An inner node commits to its place, `SHA-256(be64(place + 1) ‖
//! left ‖ right)`, so that it is valid nowhere else; the root bags the peaks from
//! the right, `SHA-256(right ‖ left)`, and is 32 zero bytes where there are none.

use countersign_core::Digest;
use sha2::{Digest as _, Sha256};

/// The largest number of nodes.
const MAX_NODES: u64 = 1 << 50;

/// A range, with all its nodes.
#[derive(Debug, Clone, Default)]
pub struct Range {
    nodes: Vec<Digest>,
}

/// A proof that a leaf is in a range of a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The siblings on the way to the leaf's peak.
    pub witness: Vec<Digest>,
    /// The peaks left of it.
    pub peaks_left: Vec<Digest>,
    /// The peaks right of it.
    pub peaks_right: Vec<Digest>,
}

/// A proof that a range continues a smaller one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The peaks of the smaller range.
    pub old_peaks: Vec<Digest>,
    /// For each of them, the siblings on the way to its new peak.
    pub witness: Vec<Vec<Digest>>,
    /// The peaks of the larger range.
    pub new_peaks: Vec<Digest>,
}

/// The leaf for the digest of what is logged.
#[must_use]
pub fn leaf(body: &Digest) -> Digest {
    Digest::of_two(&[0], body.as_bytes())
}

fn inner(left: &Digest, right: &Digest, place: u64) -> Digest {
    let hash = Sha256::new().chain_update((place + 1).to_be_bytes());
    Digest::from_bytes(hash.chain_update(left.as_bytes()).chain_update(right.as_bytes()).finalize().into())
}

/// The root over `peaks`.
#[must_use]
pub fn root(peaks: &[Digest]) -> Digest {
    let bagged = peaks.iter().rev().copied().reduce(|right, left| Digest::of_two(right.as_bytes(), left.as_bytes()));
    bagged.unwrap_or(Digest::ZERO)
}

/// Where a peak is, and how high: a mountain of height `h` has `2^(h+1) − 1` nodes.
#[derive(Clone, Copy)]
struct Peak {
    place: u64,
    height: u32,
}

impl Peak {
    const fn nodes(self) -> u64 {
        (2 << self.height) - 1
    }

    const fn holds(self, place: u64) -> bool {
        place <= self.place && place + self.nodes() > self.place
    }

    /// The steps from `target`, in this mountain, up to its peak.
    fn path_from(self, target: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut at, mut height) = (self.place, self.height);
        while height > 0 && at != target {
            let (left, right) = (at - (1 << height), at - 1);
            let from_right = target > left;
            steps.push(Step { sibling: if from_right { left } else { right }, from_right, parent: at });
            at = if from_right { right } else { left };
            height -= 1;
        }
        steps.reverse();
        steps
    }
}

struct Step {
    sibling: u64,
    from_right: bool,
    parent: u64,
}

fn climb(from: Digest, steps: &[Step], siblings: &[Digest]) -> Option<Digest> {
    let fold = |reached: Digest, (step, sibling): (&Step, &Digest)| {
        let (left, right) = if step.from_right { (sibling, &reached) } else { (&reached, sibling) };
        inner(left, right, step.parent)
    };
    (steps.len() == siblings.len()).then(|| steps.iter().zip(siblings).fold(from, fold))
}

/// The peaks of a range of `size` nodes, from the left; `None` if no range has
/// that size.
fn peaks_of(size: u64) -> Option<Vec<Peak>> {
    let mut peaks: Vec<Peak> = Vec::new();
    let (mut rest, mut offset) = (Some(size).filter(|size| *size < MAX_NODES)?, 0);
    while rest > 0 {
        let height = (rest + 1).ilog2() - 1;
        let peak = Peak { place: offset + (2 << height) - 2, height };
        if peaks.last().is_some_and(|before| before.height <= height) {
            return None;
        }
        offset += peak.nodes();
        rest -= peak.nodes();
        peaks.push(peak);
    }
    Some(peaks)
}

/// The places of the peaks of a range of `size` nodes, from the left.
#[must_use]
pub fn peak_places(size: u64) -> Option<Vec<u64>> {
    Some(peaks_of(size)?.iter().map(|peak| peak.place).collect())
}

/// The place of the leaf at `index`.
fn leaf_place(index: u64) -> u64 {
    2 * index - u64::from(index.count_ones())
}

fn leaf_count(peaks: &[Peak]) -> u64 {
    peaks.iter().map(|peak| 1 << peak.height).sum()
}

impl Range {
    /// An empty range.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a leaf, and the nodes above that it completes.
    pub fn push(&mut self, leaf: Digest) {
        let peaks = peaks_of(self.size()).unwrap_or_default();
        let mut node = leaf;
        self.nodes.push(node);
        for (height, peak) in (0..).zip(peaks.iter().rev()) {
            let Some(left) = self.node(peak.place).filter(|_| peak.height == height) else { break };
            node = inner(&left, &node, self.size());
            self.nodes.push(node);
        }
    }

    /// How many nodes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// The node at `place`.
    #[must_use]
    pub fn node(&self, place: u64) -> Option<Digest> {
        self.nodes.get(usize::try_from(place).ok()?).copied()
    }

    /// The peaks at the time the range had `size` nodes.
    #[must_use]
    pub fn peaks(&self, size: u64) -> Option<Vec<Digest>> {
        peaks_of(size)?.iter().map(|peak| self.node(peak.place)).collect()
    }

    /// The proof that the leaf at `index` is in the range of `size` nodes.
    #[must_use]
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Option<Inclusion> {
        let peaks = peaks_of(size)?;
        let place = leaf_place(Some(index).filter(|index| *index < leaf_count(&peaks))?);
        let at = peaks.iter().position(|peak| peak.holds(place))?;
        let nodes = |peaks: &[Peak]| peaks.iter().map(|peak| self.node(peak.place)).collect::<Option<_>>();
        let steps = peaks.get(at)?.path_from(place);
        Some(Inclusion {
            witness: steps.iter().map(|step| self.node(step.sibling)).collect::<Option<_>>()?,
            peaks_left: nodes(peaks.get(..at)?)?,
            peaks_right: nodes(peaks.get(at + 1..)?)?,
        })
    }

    /// The proof that the range of `new` nodes continues that of `old`.
    #[must_use]
    pub fn prove_consistency(&self, old: u64, new: u64) -> Option<Consistency> {
        let (old_peaks, new_peaks) = (peaks_of(old)?, peaks_of(new)?);
        let witness = old_peaks.iter().map(|old| {
            let mountain = new_peaks.iter().find(|new| new.holds(old.place))?;
            mountain.path_from(old.place).iter().map(|step| self.node(step.sibling)).collect()
        });
        let witness = witness.collect::<Option<_>>()?;
        Some(Consistency { old_peaks: self.peaks(old)?, witness, new_peaks: self.peaks(new)? })
    }
}

impl Inclusion {
    /// Whether `leaf` is the one at `index` in the range of `size` nodes under
    /// `root`.
    #[must_use]
    pub fn verifies(&self, leaf: Digest, index: u64, size: u64, root: &Digest) -> bool {
        self.root(leaf, index, size).is_some_and(|reached| reached == *root)
    }

    fn root(&self, leaf: Digest, index: u64, size: u64) -> Option<Digest> {
        let peaks = peaks_of(size)?;
        let place = leaf_place(Some(index).filter(|index| *index < leaf_count(&peaks))?);
        let at = peaks.iter().position(|peak| peak.holds(place))?;
        let fits = (self.peaks_left.len(), self.peaks_right.len()) == (at, peaks.len() - at - 1);
        let peak = climb(leaf, &peaks.get(at)?.path_from(place), &self.witness).filter(|_| fits)?;
        Some(root(&[self.peaks_left.as_slice(), &[peak], &self.peaks_right].concat()))
    }
}

impl Consistency {
    /// Whether the range of `new` nodes under `new_root` continues that of
    /// `old` nodes under `old_root`.
    #[must_use]
    pub fn verifies(&self, (old, old_root): (u64, &Digest), (new, new_root): (u64, &Digest)) -> bool {
        root(&self.old_peaks) == *old_root && root(&self.new_peaks) == *new_root && self.fits(old, new).is_some()
    }

    fn fits(&self, old: u64, new: u64) -> Option<()> {
        let (old_peaks, new_peaks) = (peaks_of(old)?, peaks_of(new)?);
        let lengths = [self.old_peaks.len(), self.witness.len(), self.new_peaks.len()];
        if lengths != [old_peaks.len(), old_peaks.len(), new_peaks.len()] {
            return None;
        }
        for ((peak, node), siblings) in old_peaks.iter().zip(&self.old_peaks).zip(&self.witness) {
            let at = new_peaks.iter().position(|new| new.holds(peak.place))?;
            let reached = climb(*node, &new_peaks.get(at)?.path_from(peak.place), siblings)?;
            self.new_peaks.get(at).filter(|new| **new == reached)?;
        }
        Some(())
    }
}
