//! The log's receipt for the entry that anchors a TRACE record.
//!
//! The entry names the record's digest, its session, the root of its batch and
//! the key that signed it: whoever believes the log believes that the record
//! was there, under that key, at that position.

use countersign_evidence::entry::Entry;
use countersign_evidence::event::{Event as _, Trace};
use countersign_evidence::log::checkpoint::Checkpoint;
use countersign_evidence::log::merkle::leaf_hash;
use countersign_evidence::log::note::Note;
use countersign_evidence::log::proof::verify_inclusion;
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::trace::delegation::record_digest;
use countersign_evidence::trace::digest::Algorithm;
use countersign_evidence::trace::key::thumbprint;
use countersign_evidence::trace::revocation::Position;
use serde_json::Value;

/// Where a record is anchored.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// The checkpoint of the tree that the entry is in.
    pub checkpoint: Checkpoint,
    /// The entry's index.
    pub index: String,
    /// The session.
    pub session: String,
    /// The root of the batch.
    pub root: String,
}

impl Anchor {
    /// Reads the receipt in `bytes` and checks that its entry anchors `record`.
    /// `open` believes a checkpoint.
    pub fn read(
        bytes: &[u8],
        record: &Value,
        open: impl FnOnce(&Note) -> Result<Checkpoint, String>,
    ) -> Result<Self, String> {
        let fault = |why: &dyn std::fmt::Display| why.to_string();
        let receipt = Receipt::parse(bytes).map_err(|why| fault(&why))?;
        let checkpoint = open(&receipt.checkpoint)?;
        let (leaf, head) = (leaf_hash(&receipt.extra), checkpoint.head());
        verify_inclusion(&leaf, receipt.index, &head, &receipt.proof).map_err(|why| fault(&why))?;
        let entry = Entry::read(&receipt.extra).map_err(|why| fault(&why))?;
        if entry.kind != Trace::KIND {
            return Err("its entry anchors nothing".to_owned());
        }
        let said: Trace<'_> = serde_json::from_str(entry.event.get()).map_err(|why| fault(&why))?;
        let digest = record_digest(record, Algorithm::Sha256).map_err(|why| fault(&why))?;
        let key = record.pointer("/cnf/jwk").and_then(|jwk| thumbprint(jwk).ok());
        if said.record != digest.as_str() || Some(said.key) != key.as_deref() {
            return Err("the entry anchors another record".to_owned());
        }
        let (session, root) = (said.session.to_owned(), said.merkle_root.to_owned());
        Ok(Self { checkpoint, index: receipt.index.to_string(), session, root })
    }

    /// Where the record is logged, as revocations speak of it. TRUST: only for a
    /// checkpoint that the log has signed.
    pub fn position(&self) -> Position<'_> {
        Position { log_id: self.checkpoint.origin().as_str(), entry_id: &self.index }
    }
}
