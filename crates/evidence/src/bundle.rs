//! Bundles: what an auditor needs of a session or a stretch of time, in one file.
//!
//! `docs/reference/bundle.md` is the specification of `countersign.bundle/1`.
//! A bundle is a tar of files in a fixed order, each named with its digest in a
//! [`Manifest`]. Its entries come with proofs ([`Line`]) under checkpoints of the
//! log; [`Replay`] checks those and follows every chain. Nothing here reads a
//! file or believes a checkpoint: whose word it is, the caller has found out.

use std::collections::{BTreeMap, HashMap};

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_core::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::entry::{Entry, FORMAT as ENTRY_FORMAT};
use crate::log::checkpoint::Checkpoint;
use crate::log::merkle::{TreeHead, leaf_hash};
use crate::log::note::Note;
use crate::log::proof::{InvalidProof, verify_consistency, verify_inclusion};
use crate::log::{hash_text, read_hash};

/// The format that a manifest names.
pub const FORMAT: &str = "countersign.bundle/1";

/// What a file in a bundle is. The order is that of the files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `manifest.json`.
    Manifest,
    /// `README.txt`.
    Readme,
    /// `log.vkey`: the log's key, by the word of whoever made the bundle.
    LogKey,
    /// `trace.jwk.json`: the key that signs records, by the same word.
    RecordKey,
    /// `entries.jsonl`.
    Entries,
    /// `trace/<session>.json`.
    Record(String),
    /// `trace/<session>.receipt.json`: the record's receipt in its batch.
    Receipt(String),
    /// `trace/<session>.tlog-proof`: the log's receipt for the entry that anchors the record.
    Anchor(String),
    /// `policies/<digest>.json`.
    Policy(Digest),
}

impl Part {
    /// The part that a file of that name is.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let session = |name: &str| ChainId::parse(name).is_ok().then(|| name.to_owned());
        let part = match name {
            "manifest.json" => Self::Manifest,
            "README.txt" => Self::Readme,
            "log.vkey" => Self::LogKey,
            "trace.jwk.json" => Self::RecordKey,
            "entries.jsonl" => Self::Entries,
            _ => match name.split_once('/')? {
                ("trace", name) => {
                    if let Some(name) = name.strip_suffix(".receipt.json") {
                        Self::Receipt(session(name)?)
                    } else if let Some(name) = name.strip_suffix(".tlog-proof") {
                        Self::Anchor(session(name)?)
                    } else {
                        Self::Record(session(name.strip_suffix(".json")?)?)
                    }
                }
                ("policies", name) => Self::Policy(Digest::parse(name.strip_suffix(".json")?).ok()?),
                _ => return None,
            },
        };
        // A name has one spelling.
        (part.name() == name).then_some(part)
    }

    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Manifest => "manifest.json".to_owned(),
            Self::Readme => "README.txt".to_owned(),
            Self::LogKey => "log.vkey".to_owned(),
            Self::RecordKey => "trace.jwk.json".to_owned(),
            Self::Entries => "entries.jsonl".to_owned(),
            Self::Record(session) => format!("trace/{session}.json"),
            Self::Receipt(session) => format!("trace/{session}.receipt.json"),
            Self::Anchor(session) => format!("trace/{session}.tlog-proof"),
            Self::Policy(digest) => format!("policies/{digest}.json"),
        }
    }

    /// Where it stands among the files: the kind, and then a session's files
    /// together, its record first.
    #[must_use]
    pub fn rank(&self) -> (u8, String, u8) {
        match self {
            Self::Manifest => (0, String::new(), 0),
            Self::Readme => (1, String::new(), 0),
            Self::LogKey => (2, String::new(), 0),
            Self::RecordKey => (3, String::new(), 0),
            Self::Entries => (4, String::new(), 0),
            Self::Record(session) => (5, session.clone(), 0),
            Self::Receipt(session) => (5, session.clone(), 1),
            Self::Anchor(session) => (5, session.clone(), 2),
            Self::Policy(digest) => (6, digest.to_string(), 0),
        }
    }
}

/// What a bundle holds and what was asked for. It is in RFC 8785 form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What was asked for.
    pub asked: Asked,
    /// The digest of this manifest without this member: it finds damage, not forgery.
    pub digest: Digest,
    /// Every other file.
    pub files: BTreeMap<String, FileDigest>,
    /// [`FORMAT`].
    pub format: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The program that made it.
    pub made_by: String,
}

/// What was asked for: a session, or a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// From this moment on, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before this moment, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A file's digest and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// SHA-256, in 64 hex digits.
    pub sha256: Digest,
    /// How many bytes.
    pub size: u64,
}

/// Why a manifest is not one.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// It is not JSON of that shape.
    #[error("not a manifest: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Its format is not one this program knows.
    #[error("format `{0}` is not known: expected `{FORMAT}`")]
    UnknownFormat(String),
    /// It is not in RFC 8785 form.
    #[error("not in canonical form (RFC 8785)")]
    NotCanonical,
    /// It was changed.
    #[error("it is not what its `digest` is of")]
    Changed,
    /// It names a file that no bundle holds.
    #[error("it names `{0}`, which is no part of a bundle")]
    UnknownFile(String),
}

impl Manifest {
    /// The manifest of a bundle with `files`.
    pub fn new(
        asked: Asked,
        files: BTreeMap<String, FileDigest>,
        made_at: Timestamp,
        made_by: &str,
    ) -> Result<Self, serde_json::Error> {
        let (made_at, made_by) = (made_at.to_string(), made_by.to_owned());
        let mut manifest = Self { asked, digest: Digest::ZERO, files, format: FORMAT.to_owned(), made_at, made_by };
        manifest.digest = manifest.own_digest()?;
        Ok(manifest)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        crate::canonical(self)
    }

    /// Reads a manifest.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let read: Self = serde_json::from_slice(bytes)?;
        if read.format != FORMAT {
            return Err(InvalidManifest::UnknownFormat(read.format.chars().take(64).collect()));
        }
        if read.to_bytes()? != bytes {
            return Err(InvalidManifest::NotCanonical);
        }
        if read.own_digest()? != read.digest {
            return Err(InvalidManifest::Changed);
        }
        let known = |name: &String| Part::parse(name).is_some_and(|part| part != Part::Manifest);
        if let Some(other) = read.files.keys().find(|name| !known(name)) {
            return Err(InvalidManifest::UnknownFile(other.chars().take(80).collect()));
        }
        Ok(read)
    }

    fn own_digest(&self) -> Result<Digest, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(members) = value.as_object_mut() {
            members.remove("digest");
        }
        Ok(Digest::of(&crate::canonical(&value)?))
    }
}

/// A file's digest, as its bytes come.
#[derive(Debug, Clone, Default)]
pub struct Summing {
    hash: Sha256,
    size: u64,
}

impl Summing {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// The digest of all of them.
    #[must_use]
    pub fn finish(self) -> FileDigest {
        FileDigest { sha256: Digest::from_bytes(self.hash.finalize().into()), size: self.size }
    }
}

/// A line of `entries.jsonl`.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The checkpoint that the proofs below are for.
    Checkpoint {
        /// The signed note.
        note: Note,
        /// That its tree begins with the tree of the checkpoint before; empty for the first.
        consistency: Vec<Digest>,
    },
    /// An entry, and the way from it to the root.
    Entry {
        /// Its exact bytes.
        entry: &'a [u8],
        /// How many entries of the log come before it.
        index: u64,
        /// The hashes beside the way.
        proof: Vec<Digest>,
    },
}

/// The text is not a line of `entries.jsonl`, in the one spelling that has.
#[derive(Debug, thiserror::Error)]
#[error("expected `{{\"checkpoint\":…,\"consistency\":[…]}}` or `{{\"entry\":…,\"index\":…,\"proof\":[…]}}`")]
pub struct InvalidLine;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCheckpoint {
    checkpoint: String,
    consistency: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry<'a> {
    #[serde(borrow)]
    entry: &'a RawValue,
    index: u64,
    proof: Vec<String>,
}

impl<'a> Line<'a> {
    /// Reads a line, without its newline.
    pub fn read(text: &'a [u8]) -> Result<Self, InvalidLine> {
        let line = if text.starts_with(b"{\"checkpoint\"") {
            let read: WrittenCheckpoint = serde_json::from_slice(text).map_err(|_| InvalidLine)?;
            let note = Note::parse(read.checkpoint.as_bytes()).map_err(|_| InvalidLine)?;
            Self::Checkpoint { note, consistency: hashes(&read.consistency)? }
        } else {
            let read: WrittenEntry<'a> = serde_json::from_slice(text).map_err(|_| InvalidLine)?;
            Self::Entry { entry: read.entry.get().as_bytes(), index: read.index, proof: hashes(&read.proof)? }
        };
        if line.to_bytes()? == text { Ok(line) } else { Err(InvalidLine) }
    }

    /// Its bytes, without a newline.
    pub fn to_bytes(&self) -> Result<Vec<u8>, InvalidLine> {
        let texts = |hashes: &[Digest]| hashes.iter().map(hash_text).collect();
        let written = match self {
            Self::Checkpoint { note, consistency } => {
                let (checkpoint, consistency) = (note.to_string(), texts(consistency));
                serde_json::to_vec(&WrittenCheckpoint { checkpoint, consistency })
            }
            Self::Entry { entry, index, proof } => {
                let entry = serde_json::from_slice(entry).map_err(|_| InvalidLine)?;
                serde_json::to_vec(&WrittenEntry { entry, index: *index, proof: texts(proof) })
            }
        };
        written.map_err(|_| InvalidLine)
    }
}

fn hashes(texts: &[String]) -> Result<Vec<Digest>, InvalidLine> {
    texts.iter().map(|text| read_hash(text).ok_or(InvalidLine)).collect()
}

/// What is wrong with the entries of a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No checkpoint stands above the first entry.
    #[error("no checkpoint stands above it")]
    NoCheckpoint,
    /// A checkpoint of another log, or of a smaller tree.
    #[error("the checkpoint does not go on from the one before: another log, or a smaller tree")]
    GoesBack,
    /// The tree of a checkpoint does not begin with that of the one before.
    #[error("the checkpoint does not continue the one before: {0}")]
    Inconsistent(#[source] InvalidProof),
    /// The entry is not in the tree.
    #[error("it is not in the tree of its checkpoint: {0}")]
    NotIncluded(#[source] InvalidProof),
    /// It is no entry.
    #[error("not an entry: {0}")]
    NotAnEntry(#[source] serde_json::Error),
    /// Its format, chain or time is not one, or it is not in RFC 8785 form.
    #[error("its format, chain or time is malformed, or it is not in canonical form")]
    Malformed,
    /// It is there twice, or out of order.
    #[error("chain `{0}`: it is there twice, or out of order")]
    OutOfOrder(String),
    /// Something recorded before it was changed.
    #[error("chain `{0}` does not continue: the digest of what came before is another")]
    WrongHead(String),
}

/// A chain as far as a bundle shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Where it stands. The tally counts what the bundle shows.
    pub chain: Chain,
    /// Whether every entry of it up to there was shown.
    pub is_whole: bool,
}

/// Follows the entries of a bundle.
#[derive(Debug, Default)]
pub struct Replay {
    head: Option<Checkpoint>,
    chains: HashMap<String, Followed>,
    entries: u64,
}

impl Replay {
    /// Takes the checkpoint that the entries from here on are proved under, which
    /// the caller has found to be the log's.
    pub fn checkpoint(&mut self, next: Checkpoint, consistency: &[Digest]) -> Result<(), Fault> {
        if let Some(before) = &self.head {
            continues(before, &next, consistency)?;
        } else if !consistency.is_empty() {
            return Err(Fault::Inconsistent(InvalidProof::TooLong));
        }
        self.head = Some(next);
        Ok(())
    }

    /// Takes the next entry.
    pub fn entry(&mut self, bytes: &[u8], index: u64, proof: &[Digest]) -> Result<(), Fault> {
        let head = self.head.as_ref().ok_or(Fault::NoCheckpoint)?.head();
        verify_inclusion(&leaf_hash(bytes), index, &head, proof).map_err(Fault::NotIncluded)?;
        let entry = Entry::read(bytes).map_err(Fault::NotAnEntry)?;
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Fault::NotAnEntry)?;
        let is_canonical = crate::canonical(&value).is_ok_and(|canonical| canonical == bytes);
        let is_chain = ChainId::parse(entry.chain.id).is_ok() && Timestamp::parse(entry.time).is_ok();
        if entry.format != ENTRY_FORMAT || !is_canonical || !is_chain {
            return Err(Fault::Malformed);
        }
        let id = entry.chain.id.to_owned();
        let first = Followed { chain: Chain::GENESIS, is_whole: true };
        let mut at = self.chains.get(&id).copied().unwrap_or(first);
        if entry.chain.index < at.chain.length {
            return Err(Fault::OutOfOrder(id));
        }
        if entry.chain.index > at.chain.length {
            // What lies between is not shown: go on from what the entry says.
            at.is_whole = false;
            at.chain.length = entry.chain.index;
            at.chain.head = entry.chain.prev;
        }
        if entry.chain.prev != at.chain.head {
            return Err(Fault::WrongHead(id));
        }
        at.chain = entry.onto(at.chain, bytes);
        self.chains.insert(id, at);
        self.entries += 1;
        Ok(())
    }

    /// How many entries there were.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// How many chains they are on.
    #[must_use]
    pub fn chains(&self) -> usize {
        self.chains.len()
    }

    /// The last checkpoint.
    #[must_use]
    pub const fn head(&self) -> Option<&Checkpoint> {
        self.head.as_ref()
    }

    /// Where a chain stands.
    #[must_use]
    pub fn chain(&self, id: &str) -> Option<&Followed> {
        self.chains.get(id)
    }
}

/// Checks that the log went on from one checkpoint to the other.
fn continues(before: &Checkpoint, next: &Checkpoint, consistency: &[Digest]) -> Result<(), Fault> {
    let (old, new): (TreeHead, TreeHead) = (before.head(), next.head());
    if before.origin() != next.origin() || new.size <= old.size {
        return Err(Fault::GoesBack);
    }
    verify_consistency(&old, &new, consistency).map_err(Fault::Inconsistent)
}
