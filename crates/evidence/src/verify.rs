//! Checking the record, with nothing but the record.

use std::collections::HashMap;

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;

use crate::entry::{Entry, FORMAT};

/// Replays entries in order and checks that every chain holds.
#[derive(Debug, Default)]
pub struct Verifier {
    chains: HashMap<ChainId, Chain>,
    entries: u64,
}

/// An entry that does not verify.
#[derive(Debug, thiserror::Error)]
#[error("entry {position}: {fault}")]
pub struct Bad {
    /// Its position in the ledger, counting from 0.
    pub position: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is not an entry at all.
    #[error("not an entry: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// Its bytes are not the canonical form of what they say.
    #[error("not in canonical form (RFC 8785)")]
    NotCanonical,
    /// Its format is not one this program knows.
    #[error("format `{0}` is not known: expected `{FORMAT}`")]
    UnknownFormat(String),
    /// Its chain id or time is not one.
    #[error("its chain id or time is malformed")]
    Malformed,
    /// Entries of its chain are missing, repeated or out of order.
    #[error("chain `{chain}` has {expected} entries before it, and it says {found}")]
    WrongIndex {
        /// The chain.
        chain: String,
        /// How many entries came before.
        expected: u64,
        /// How many it says came before.
        found: u64,
    },
    /// Something recorded before it was changed.
    #[error("chain `{chain}` does not continue: the digest of what came before is another")]
    WrongHead {
        /// The chain.
        chain: String,
    },
}

impl Verifier {
    /// A verifier that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next entry.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Bad> {
        let position = self.entries;
        self.check(bytes).map_err(|fault| Bad { position, fault })?;
        self.entries += 1;
        Ok(())
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let entry = Entry::read(bytes).map_err(Fault::Unreadable)?;
        if entry.format != FORMAT {
            return Err(Fault::UnknownFormat(entry.format.to_owned()));
        }
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Fault::Unreadable)?;
        if crate::canonical(&value).map_err(Fault::Unreadable)? != bytes {
            return Err(Fault::NotCanonical);
        }
        let id = ChainId::parse(entry.chain.id).map_err(|_| Fault::Malformed)?;
        Timestamp::parse(entry.time).map_err(|_| Fault::Malformed)?;
        let before = self.chains.get(&id).copied().unwrap_or(Chain::GENESIS);
        if entry.chain.index != before.length {
            return Err(Fault::WrongIndex { chain: id.to_string(), expected: before.length, found: entry.chain.index });
        }
        if entry.chain.prev != before.head {
            return Err(Fault::WrongHead { chain: id.to_string() });
        }
        self.chains.insert(id, before.step(bytes, entry.count()));
        Ok(())
    }

    /// How many entries verified.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Where every chain stands.
    pub fn chains(&self) -> impl Iterator<Item = (&ChainId, &Chain)> {
        self.chains.iter()
    }
}
