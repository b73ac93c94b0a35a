//! Witnesses: someone else remembers what the log showed.
//!
//! <https://c2sp.org/tlog-witness>. A log sends its new checkpoint and a proof that
//! its tree only grew; a witness that agrees cosigns. [`Request::judge`] is the
//! whole of a witness's decision. What it remembers between requests is one
//! [`TreeHead`] per log, kept by the caller: it is replaced by the next one, if it
//! is still the one that was judged by, before the cosignature is given out.

use std::fmt;

use countersign_core::{Digest, Timestamp};

use super::checkpoint::{Checkpoint, InvalidCheckpoint, Origin, Trust, Untrusted};
use super::merkle::TreeHead;
use super::note::{Cosigner, InvalidNote, Note, NoteText, Signature};
use super::proof::{HashReader, InvalidProof, Unproven, root_at, verify_consistency};
use super::{base64, decimal, hashes, line};

/// The media type of the body of a [`Refusal::Conflict`].
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// The body of an `add-checkpoint` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    old: u64,
    proof: Vec<Digest>,
    note: Note,
    origin: Origin,
}

/// The bytes are not a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The lines before the checkpoint are not as the format says.
    #[error("expected `old`, a size, at most 63 hashes and an empty line")]
    Malformed,
    /// What follows is not a signed note.
    #[error(transparent)]
    Note(#[from] InvalidNote),
    /// The note is not a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] InvalidCheckpoint),
}

impl Request {
    /// Asks a witness that has seen the tree of `old` entries to cosign
    /// `checkpoint`; `proof` is of consistency between the two.
    pub fn new(old: u64, proof: Vec<Digest>, checkpoint: Note) -> Result<Self, InvalidCheckpoint> {
        let origin = Checkpoint::parse(checkpoint.text())?.origin().clone();
        Ok(Self { old, proof, note: checkpoint, origin })
    }

    /// Reads a request's body.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidRequest> {
        let mut text = std::str::from_utf8(bytes).map_err(|_| InvalidRequest::Malformed)?;
        let (old, proof) = Self::read(&mut text).ok_or(InvalidRequest::Malformed)?;
        Ok(Self::new(old, proof, Note::parse(text.as_bytes())?)?)
    }

    fn read(text: &mut &str) -> Option<(u64, Vec<Digest>)> {
        let old = decimal(line(text)?.strip_prefix("old ")?)?;
        Some((old, hashes(text)?))
    }

    /// The log that the request says it is about: the key to what is remembered.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The checkpoint, which is nobody's word before it is judged or opened.
    #[must_use]
    pub const fn checkpoint(&self) -> &Note {
        &self.note
    }

    /// Whether a witness that trusts `log` and last cosigned `seen` (or
    /// [`TreeHead::EMPTY`]) cosigns this checkpoint.
    pub fn judge(&self, log: &Trust, seen: TreeHead) -> Result<Accepted, Refusal> {
        let opened = log.open(&self.note).map_err(|fault| match fault {
            Untrusted::OtherLog { .. } => Refusal::UnknownLog,
            Untrusted::NotACheckpoint(fault) => Refusal::Malformed(fault.into()),
            _ => Refusal::NotSigned,
        })?;
        let new = opened.checkpoint.head();
        if self.old > new.size {
            return Err(Refusal::Shrinks);
        }
        if self.old != seen.size || (new.size == seen.size && new.root != seen.root) {
            return Err(Refusal::Conflict { size: seen.size });
        }
        match verify_consistency(&seen, &new, &self.proof) {
            // Whatever comes after the empty tree continues it.
            Err(InvalidProof::FromNothing) if self.proof.is_empty() => (),
            other => other.map_err(Refusal::NotProved)?,
        }
        Ok(Accepted { before: seen, after: new, text: self.note.text().clone() })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash.as_bytes())))?;
        write!(f, "\n{}", self.note)
    }
}

/// A checkpoint that a witness may cosign.
///
/// INVARIANT: [`after`](Self::after) is stored in place of
/// [`before`](Self::before), atomically, before [`cosign`](Self::cosign) is called:
/// a witness that forgets what it signed is none.
#[derive(Debug)]
#[must_use = "remember the tree, then cosign it"]
pub struct Accepted {
    before: TreeHead,
    after: TreeHead,
    text: NoteText,
}

impl Accepted {
    /// What the witness remembered when it judged.
    #[must_use]
    pub const fn before(&self) -> TreeHead {
        self.before
    }

    /// What it must remember from now on.
    #[must_use]
    pub const fn after(&self) -> TreeHead {
        self.after
    }

    /// The cosignature, whose printed form is the body of the answer.
    #[must_use]
    pub fn cosign(self, witness: &Cosigner, at: Timestamp) -> Signature {
        witness.cosign(&self.text, at)
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not a request.
    #[error("malformed request: {0}")]
    Malformed(#[from] InvalidRequest),
    /// The old tree is larger than the new one.
    #[error("the old size is larger than the checkpoint's")]
    Shrinks,
    /// The witness knows nothing of this log.
    #[error("unknown log")]
    UnknownLog,
    /// No key that is trusted for the log signed the checkpoint.
    #[error("no valid signature of the log")]
    NotSigned,
    /// The witness has seen a tree of another size, or of this size with another
    /// root.
    #[error("the last checkpoint seen has {size} entries")]
    Conflict {
        /// The size of the tree that it has seen.
        size: u64,
    },
    /// The proof does not show that the tree only grew.
    #[error("not consistent: {0}")]
    NotProved(InvalidProof),
}

impl Refusal {
    /// The HTTP status that says so.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Shrinks => 400,
            Self::NotSigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::NotProved(_) => 422,
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }
}

impl From<InvalidCheckpoint> for Refusal {
    fn from(fault: InvalidCheckpoint) -> Self {
        Self::Malformed(fault.into())
    }
}

/// What two checkpoints say of one another. Both must have been
/// [opened](Trust::open): anyone can write a checkpoint that nobody signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// They are of different logs.
    Unrelated,
    /// They are of the same tree.
    Same,
    /// The larger tree begins with the smaller one.
    Consistent,
    /// The log showed two trees that cannot both be its own. The two signed
    /// checkpoints are the evidence.
    Split,
    /// Nothing shows that they agree, and nothing that they do not: the proof is
    /// missing or wrong.
    Unproved,
}

/// Compares two checkpoints, with a consistency proof where their sizes differ.
///
/// A proof that fails is no evidence against the log: anyone can make one. See
/// [`split_view_in`] for what is.
#[must_use]
pub fn split_view(a: &Checkpoint, b: &Checkpoint, proof: Option<&[Digest]>) -> Views {
    if let Some(known) = at_first_sight(a, b) {
        return known;
    }
    let (old, new) = by_size(a, b);
    let proved = proof.is_some_and(|proof| verify_consistency(&old, &new, proof).is_ok());
    if proved { Views::Consistent } else { Views::Unproved }
}

/// Compares two checkpoints by the tree of the larger one, read through a reader
/// that [checks](super::tile_reader::TileReader::checking) every hash against its
/// root: finds that the log showed two trees even when nobody can prove more than
/// that they differ.
pub fn split_view_in<R: HashReader>(
    a: &Checkpoint,
    b: &Checkpoint,
    larger: &mut R,
) -> Result<Views, Unproven<R::Error>> {
    if let Some(known) = at_first_sight(a, b) {
        return Ok(known);
    }
    let (old, _) = by_size(a, b);
    Ok(if root_at(old.size, larger)? == old.root { Views::Consistent } else { Views::Split })
}

fn by_size(a: &Checkpoint, b: &Checkpoint) -> (TreeHead, TreeHead) {
    if a.head().size <= b.head().size { (a.head(), b.head()) } else { (b.head(), a.head()) }
}

/// What the checkpoints show without a proof.
fn at_first_sight(a: &Checkpoint, b: &Checkpoint) -> Option<Views> {
    let (old, new) = by_size(a, b);
    if a.origin() != b.origin() {
        Some(Views::Unrelated)
    } else if old.size == new.size {
        Some(if old.root == new.root { Views::Same } else { Views::Split })
    } else if old.size == 0 {
        // There is one empty tree, and every tree begins with it.
        Some(if old == TreeHead::EMPTY { Views::Consistent } else { Views::Split })
    } else {
        None
    }
}
