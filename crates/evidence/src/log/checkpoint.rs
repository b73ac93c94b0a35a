//! Checkpoints: what the log says its tree is, in a note it signs.
//!
//! <https://c2sp.org/tlog-checkpoint>. Three lines: the log's origin, the size of
//! its tree, the root. [`Trust`] is what a reader was told out of band, and
//! [`Trust::open`] the only way from a note to a checkpoint that may be believed.

use std::fmt;

use countersign_core::Timestamp;

use super::merkle::TreeHead;
use super::note::{Algorithm, KeyName, Note, NoteText, Signer, Unverified, VerifierKey};
use super::{base64, decimal, digest, line};

/// The identity of a log, on the first line of its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// The text cannot be a log's origin.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot be the origin of a log: expected one line of text")]
pub struct InvalidOrigin(String);

impl Origin {
    /// Reads an origin.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        if text.is_empty() || text.contains(|c: char| c.is_control()) {
            return Err(InvalidOrigin(text.chars().take(64).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The origin.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A log signs with a key of its own name.
impl From<&KeyName> for Origin {
    fn from(name: &KeyName) -> Self {
        Self(name.as_str().to_owned())
    }
}

/// What a log's tree was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    head: TreeHead,
    extensions: Vec<String>,
}

/// The text of a note is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: expected an origin, a size and a root hash, each on a line, and no empty line")]
pub struct InvalidCheckpoint;

impl Checkpoint {
    /// What the log `origin` says of its tree.
    #[must_use]
    pub const fn new(origin: Origin, head: TreeHead) -> Self {
        Self { origin, head, extensions: Vec::new() }
    }

    /// Reads a note's text. The result is a claim until the note is verified.
    pub fn parse(text: &NoteText) -> Result<Self, InvalidCheckpoint> {
        Self::read(text.as_str()).ok_or(InvalidCheckpoint)
    }

    fn read(mut text: &str) -> Option<Self> {
        let origin = Origin::parse(line(&mut text)?).ok()?;
        let size = decimal(line(&mut text)?)?;
        let root = digest(line(&mut text)?)?;
        let extensions: Vec<_> = text.lines().map(str::to_owned).collect();
        let empty = extensions.iter().any(String::is_empty);
        (!empty).then_some(Self { origin, head: TreeHead { size, root }, extensions })
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The size of its tree, and the root.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// Lines after the root, whose meaning is the log's own.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> NoteText {
        // INVARIANT: no part of a checkpoint holds a control character.
        NoteText::of_lines(self.to_string())
    }

    /// Signs it as the log.
    #[must_use]
    pub fn sign(&self, signer: &Signer) -> Note {
        Note::sign(self.text(), signer)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, base64(self.head.root.as_bytes()))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What a reader knows beforehand: which log, which keys are its own, and which
/// witnesses must have seen what the reader is shown.
#[derive(Debug, Clone)]
pub struct Trust {
    origin: Origin,
    log: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    quorum: usize,
}

/// The witnesses cannot vouch as asked.
#[derive(Debug, thiserror::Error)]
pub enum InvalidQuorum {
    /// A key that signs as a log does is no witness's.
    #[error("`{0}` is not a witness's key: expected one of type 4 (cosignature)")]
    NotAWitness(KeyName),
    /// More witnesses are required than there are different keys.
    #[error("{required} witnesses are required and only {known} different keys are known")]
    OutOfReach {
        /// How many are required.
        required: usize,
        /// How many different keys there are.
        known: usize,
    },
}

/// A checkpoint whose log is who it says, and who else has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The log's keys that signed it.
    pub signed_by: Vec<VerifierKey>,
    /// The witnesses that cosigned it, each once.
    pub witnessed: Vec<Witnessed>,
}

/// A witness's word that this was the largest tree it had seen of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness's name.
    pub name: KeyName,
    /// When it said so.
    pub at: Timestamp,
}

/// Why a checkpoint must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The text is no checkpoint.
    #[error(transparent)]
    NotACheckpoint(#[from] InvalidCheckpoint),
    /// It is a checkpoint of another log.
    #[error("a checkpoint of `{found}`: expected one of `{expected}`")]
    OtherLog {
        /// The log that was expected.
        expected: Origin,
        /// The log it is of.
        found: Origin,
    },
    /// The log did not sign it.
    #[error("not signed by the log: {0}")]
    NotSigned(#[source] Unverified),
    /// A signature that says it is a trusted witness's is not.
    #[error("not cosigned as it says: {0}")]
    NotWitnessed(#[source] Unverified),
    /// Too few witnesses have seen it.
    #[error("cosigned by {found} witnesses: expected at least {required}")]
    TooFewWitnesses {
        /// How many have.
        found: usize,
        /// How many must.
        required: usize,
    },
}

impl Trust {
    /// Trusts `log` to sign for `origin`, and asks for no witness.
    #[must_use]
    pub const fn new(origin: Origin, log: Vec<VerifierKey>) -> Self {
        Self { origin, log, witnesses: Vec::new(), quorum: 0 }
    }

    /// Trusts one key for the log of the same name.
    #[must_use]
    pub fn in_key(log: VerifierKey) -> Self {
        Self::new(Origin::from(log.name()), vec![log])
    }

    /// Also asks that `required` of `witnesses` have cosigned. Those that are not
    /// required are still reported.
    pub fn witnessed(mut self, witnesses: Vec<VerifierKey>, required: usize) -> Result<Self, InvalidQuorum> {
        if let Some(other) = witnesses.iter().find(|key| key.algorithm() != Algorithm::CosignatureV1) {
            return Err(InvalidQuorum::NotAWitness(other.name().clone()));
        }
        let known = different(&witnesses).len();
        if required > known {
            return Err(InvalidQuorum::OutOfReach { required, known });
        }
        self.witnesses = witnesses;
        self.quorum = required;
        Ok(self)
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Believes a note to be a checkpoint of this log, or says why not.
    pub fn open(&self, note: &Note) -> Result<Opened, Untrusted> {
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != self.origin {
            return Err(Untrusted::OtherLog { expected: self.origin.clone(), found: checkpoint.origin });
        }
        let signed = note.verify(&self.log).map_err(Untrusted::NotSigned)?;
        let cosigned = match note.verify(&self.witnesses) {
            Ok(cosigned) => cosigned,
            Err(Unverified::NoKnownKey) => Vec::new(),
            Err(fault) => return Err(Untrusted::NotWitnessed(fault)),
        };
        let found = different(cosigned.iter().map(|by| by.key)).len();
        if found < self.quorum {
            return Err(Untrusted::TooFewWitnesses { found, required: self.quorum });
        }
        let mut witnessed: Vec<Witnessed> = Vec::new();
        for (key, at) in cosigned.iter().filter_map(|by| Some((by.key, by.at?))) {
            match witnessed.iter_mut().find(|witness| witness.name == *key.name()) {
                Some(witness) => witness.at = witness.at.max(at),
                None => witnessed.push(Witnessed { name: key.name().clone(), at }),
            }
        }
        Ok(Opened { checkpoint, signed_by: signed.into_iter().map(|by| by.key.clone()).collect(), witnessed })
    }
}

/// The different public keys among `keys`: one key under two names is one witness.
fn different<'k>(keys: impl IntoIterator<Item = &'k VerifierKey>) -> std::collections::HashSet<&'k [u8; 32]> {
    keys.into_iter().map(|key| key.key().as_bytes()).collect()
}
