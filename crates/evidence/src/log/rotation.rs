//! Following the log's key from one to the next.
//!
//! The log records which key signs its checkpoints, as entries of kind `log_key`.
//! A key that is replaced as planned endorses the next one: a signed note whose
//! text is
//!
//! ```text
//! countersign.log-key/1
//! <origin>
//! <verifier key of the next one>
//! ```
//!
//! Whoever trusts one key follows it to the present with the entries alone
//! ([`Keys`]), and is told where it cannot be followed: where a key was lost or
//! replaced by force, nobody vouches for the one after it. An endorsement is not a
//! checkpoint and none is one: the third line of a checkpoint has 44 characters, a
//! verifier key has more.

use super::note::{Algorithm, InvalidNote, KeyName, Note, NoteText, Signer, Unverified, VerifierKey};
use crate::entry::Entry;
use crate::event::{Event as _, LogKey};

/// The first line of an endorsement.
pub const ENDORSEMENT: &str = "countersign.log-key/1";

/// Why a key cannot endorse another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSuccessor {
    /// A log keeps its origin, so its keys have one name.
    #[error("`{next}` has another name than `{previous}`: a log keeps its origin")]
    OtherName {
        /// The name of the key that endorses.
        previous: String,
        /// The name of the other.
        next: String,
    },
    /// It does not sign checkpoints.
    #[error("`{0}` is not a key that signs checkpoints: expected one of type 1 (Ed25519)")]
    NotALogKey(String),
    /// It is the same key.
    #[error("a key does not follow itself")]
    Itself,
}

/// The word of `previous` that `next` signs the log's checkpoints after it.
pub fn endorse(previous: &Signer, next: &VerifierKey) -> Result<Note, InvalidSuccessor> {
    let before = previous.verifier();
    if next.algorithm() != Algorithm::Ed25519 {
        return Err(InvalidSuccessor::NotALogKey(next.to_string()));
    }
    if next.name() != before.name() {
        return Err(InvalidSuccessor::OtherName { previous: before.name().to_string(), next: next.name().to_string() });
    }
    if next.key() == before.key() {
        return Err(InvalidSuccessor::Itself);
    }
    Ok(Note::sign(text(next), previous))
}

/// What is signed to endorse a key, whose name is the log's origin.
fn text(next: &VerifierKey) -> NoteText {
    // INVARIANT: neither a key's name nor a printed key holds a control character.
    NoteText::of_lines(format!("{ENDORSEMENT}\n{}\n{next}\n", next.name()))
}

/// Why a key that the log names cannot be followed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The entry does not name a key.
    #[error("the entry names no verifier key")]
    NoKey,
    /// Nobody vouches for it.
    #[error("the key before it does not endorse it")]
    NotEndorsed,
    /// The endorsement is no signed note.
    #[error("its endorsement: {0}")]
    NotANote(#[from] InvalidNote),
    /// The endorsement is not of the key that is trusted.
    #[error("its endorsement: {0}")]
    NotByTrusted(#[from] Unverified),
    /// The endorsement is of another key, or for another log.
    #[error("its endorsement is for another key or another log")]
    OtherText,
    /// It held once, and another followed it.
    #[error("it was replaced before, and a key that was replaced does not come back")]
    Retired,
}

/// Where the log went on with a key that cannot be followed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry} names `{vkey}`, which cannot be trusted: {fault}")]
pub struct Break {
    /// The index of the entry that names the key.
    pub entry: u64,
    /// The key, as the entry spells it.
    pub vkey: String,
    /// What is wrong.
    pub fault: Fault,
}

/// The keys of a log, as far as one that is trusted leads to them.
///
/// Give [`follow`](Self::follow) every entry of the log, or every one of kind
/// `log_key`, with its index and in order; they must be known to be entries of the
/// log, by its chain or its tree. Then [`of_tree`](Self::of_tree) is the key that
/// must have signed the checkpoint of a tree: an entry at index `i` that names a
/// key is in every tree of more than `i` entries, and those are signed by that key.
///
/// The trusted key need not be the log's first. What was signed before the log
/// named it is not covered, unless no entry says that another key held then.
#[derive(Debug, Clone)]
pub struct Keys {
    trusted: VerifierKey,
    retired: Vec<VerifierKey>,
    /// The size of the smallest tree that each holds for. Never empty.
    spans: Vec<(u64, Result<VerifierKey, Break>)>,
}

impl Keys {
    /// Begins with a key that is trusted.
    #[must_use]
    pub fn trusting(key: VerifierKey) -> Self {
        Self { trusted: key.clone(), retired: Vec::new(), spans: vec![(0, Ok(key))] }
    }

    /// The name that every key of the log has.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        self.trusted.name()
    }

    /// Takes the entry at `index` into account. Entries of other kinds say nothing.
    pub fn follow(&mut self, index: u64, entry: &[u8]) {
        let Ok(entry) = Entry::read(entry) else { return };
        if entry.kind != LogKey::KIND {
            return;
        }
        let event = serde_json::from_str::<LogKey<'_>>(entry.event.get()).ok();
        let vkey = event.as_ref().map_or_else(String::new, |event| event.vkey.to_string());
        let found = event.ok_or(Fault::NoKey).and_then(|event| self.named(&event));
        if let Ok(key) = &found
            && *key != self.trusted
        {
            self.retired.push(std::mem::replace(&mut self.trusted, key.clone()));
        }
        let found = found.map_err(|fault| Break { entry: index, vkey, fault });
        if self.current() != found.as_ref() {
            self.spans.push((index + 1, found));
        }
    }

    /// The key that an entry names, if the one that is trusted leads to it.
    fn named(&self, event: &LogKey<'_>) -> Result<VerifierKey, Fault> {
        let next = VerifierKey::parse(&event.vkey).map_err(|_| Fault::NoKey)?;
        if next == self.trusted {
            return Ok(next);
        }
        if self.retired.contains(&next) {
            return Err(Fault::Retired);
        }
        let note = Note::parse(event.endorsement.as_deref().ok_or(Fault::NotEndorsed)?.as_bytes())?;
        if next.name() != self.trusted.name() || *note.text() != text(&next) {
            return Err(Fault::OtherText);
        }
        note.verify(std::slice::from_ref(&self.trusted))?;
        Ok(next)
    }

    /// The key that must have signed the checkpoint of the tree of `size` entries,
    /// or where the way to it breaks off.
    pub fn of_tree(&self, size: u64) -> Result<&VerifierKey, &Break> {
        match self.spans.iter().rev().find(|(since, _)| *since <= size) {
            Some((_, found)) => found.as_ref(),
            None => Ok(&self.trusted),
        }
    }

    /// The key that signs now.
    pub fn current(&self) -> Result<&VerifierKey, &Break> {
        self.of_tree(u64::MAX)
    }

    /// Every key that was followed to, in order, each with the size of the smallest
    /// tree that it signs; and where one could not be.
    pub fn spans(&self) -> impl Iterator<Item = (u64, Result<&VerifierKey, &Break>)> {
        self.spans.iter().map(|(since, found)| (*since, found.as_ref()))
    }
}
