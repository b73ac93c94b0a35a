//! Receipts: everything one needs to see that an entry is in the log.
//!
//! <https://c2sp.org/tlog-proof>, version 1. The text holds the entry's index, the
//! way from it to the root, and a signed checkpoint of that root:
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64, only if there is any>
//! index 73894
//! <base64 of a hash, for each hash of the inclusion proof>
//!
//! <the checkpoint, as it was signed>
//! ```
//!
//! A receipt never says what the entry is: the verifier brings its bytes.

use std::fmt;

use countersign_core::Digest;

use super::checkpoint::{Opened, Trust, Untrusted};
use super::merkle::leaf_hash;
use super::note::{InvalidNote, Note};
use super::proof::{InvalidProof, verify_inclusion};
use super::{base64, decimal, hashes, line, unbase64};

/// The first line of every receipt.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The extension of a receipt's file.
pub const EXTENSION: &str = "tlog-proof";

/// A claim that an entry is in a log, with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How many entries come before it.
    pub index: u64,
    /// The hashes beside the way from the entry to the root.
    pub proof: Vec<Digest>,
    /// The checkpoint of the tree.
    pub checkpoint: Note,
    /// What else its maker put in: signed by nobody, and not to be believed.
    pub extra: Vec<u8>,
}

/// The text is not a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReceipt {
    /// It begins as something else.
    #[error("not a receipt: expected `{HEADER}` on the first line")]
    OtherFormat,
    /// A line before the checkpoint is not as the format says.
    #[error("not a receipt: expected `index`, a number, hashes and an empty line")]
    Malformed,
    /// What follows is not a signed note.
    #[error("the checkpoint in the receipt is {0}")]
    Note(#[from] InvalidNote),
}

/// Where an entry was shown to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAt {
    /// How many entries come before it.
    pub index: u64,
    /// The checkpoint of a tree that holds it.
    pub checkpoint: Opened,
}

/// Why a receipt does not show that an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its checkpoint is not to be believed.
    #[error("the checkpoint is not to be believed: {0}")]
    Checkpoint(#[from] Untrusted),
    /// The tree does not hold these bytes at that index.
    #[error("the entry is not in the tree: {0}")]
    Proof(#[from] InvalidProof),
}

impl Receipt {
    /// Reads a receipt. What it reads prints the same.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidReceipt> {
        let mut text = std::str::from_utf8(bytes).map_err(|_| InvalidReceipt::OtherFormat)?;
        if line(&mut text) != Some(HEADER) {
            return Err(InvalidReceipt::OtherFormat);
        }
        let (extra, index, proof) = Self::read(&mut text).ok_or(InvalidReceipt::Malformed)?;
        Ok(Self { index, proof, extra, checkpoint: Note::parse(text.as_bytes())? })
    }

    fn read(text: &mut &str) -> Option<(Vec<u8>, u64, Vec<Digest>)> {
        let mut next = line(text)?;
        let mut extra = Vec::new();
        if let Some(given) = next.strip_prefix("extra ") {
            extra = unbase64(given).filter(|extra| !extra.is_empty())?;
            next = line(text)?;
        }
        let index = decimal(next.strip_prefix("index ")?)?;
        Some((extra, index, hashes(text)?))
    }

    /// Checks that `entry` is in a tree of a log that is trusted. Nothing else is
    /// needed: no server, no other entry.
    pub fn verify(&self, entry: &[u8], trust: &Trust) -> Result<VerifiedAt, Fault> {
        let opened = trust.open(&self.checkpoint)?;
        verify_inclusion(&leaf_hash(entry), self.index, &opened.checkpoint.head(), &self.proof)?;
        Ok(VerifiedAt { index: self.index, checkpoint: opened })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", base64(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash.as_bytes())))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
