//! Which key signs the log, as the record has it.

use countersign_core::id::ChainId;
use countersign_evidence::entry::Draft;
use countersign_evidence::event::LogKey;
use countersign_evidence::log::note::{Note, VerifierKey};
use countersign_store::{Documents, StoreError, Write};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::Error;
use crate::recording::Recording;

/// The collection, and the one document in it.
const KIND: &str = "log_key";
const CURRENT: &str = "current";

/// The key that the log last recorded as its own.
#[derive(Debug, Clone)]
pub struct RecordedKey {
    /// The key.
    pub vkey: VerifierKey,
    /// The one before it, where it had one.
    pub previous: Option<String>,
    /// Whether the one before it vouches for it.
    pub is_endorsed: bool,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    vkey: String,
    previous: Option<String>,
    endorsed: bool,
}

impl RecordedKey {
    /// Reads which key was recorded last; `None` before the first.
    pub fn read(documents: &dyn Documents) -> Result<Option<Self>, StoreError> {
        let Some(document) = documents.get(KIND, CURRENT)? else { return Ok(None) };
        let corrupt = |why: String| StoreError::Corrupt(format!("{KIND} `{CURRENT}`: {why}"));
        let stored: Stored = serde_json::from_slice(&document.body).map_err(|why| corrupt(why.to_string()))?;
        let vkey = VerifierKey::parse(&stored.vkey).map_err(|why| corrupt(why.to_string()))?;
        Ok(Some(Self { vkey, previous: stored.previous, is_endorsed: stored.endorsed, revision: document.revision }))
    }

    /// Whether another key held before, and did not vouch for this one.
    #[must_use]
    pub const fn is_unvouched(&self) -> bool {
        self.previous.is_some() && !self.is_endorsed
    }
}

impl Engine {
    /// Records that the log is signed with `vkey` from here on, instead of
    /// `before`, with that one's endorsement if there is one. Returns what is
    /// recorded now, and the position of the entry. Nothing that holds the entry may
    /// have been signed yet.
    pub async fn record_log_key(
        &self,
        before: Option<RecordedKey>,
        vkey: &VerifierKey,
        endorsement: Option<&Note>,
    ) -> Result<(RecordedKey, Option<u64>), Error> {
        let revision = before.as_ref().map_or(0, |key| key.revision);
        let (next, previous) = (vkey.to_string(), before.map(|key| key.vkey.to_string()));
        let invalid = |why: serde_json::Error| Error::Invalid(why.to_string());
        let event = LogKey {
            endorsement: endorsement.map(|note| note.to_string().into()),
            previous: previous.as_deref().map(Into::into),
            vkey: next.as_str().into(),
        };
        let draft = Draft::new(ChainId::server(), None, self.now(), &event).map_err(invalid)?;
        let stored = Stored { vkey: next, previous: previous.clone(), endorsed: endorsement.is_some() };
        let write = Write {
            kind: KIND,
            key: CURRENT.into(),
            revision,
            body: Some(serde_json::to_vec(&stored).map_err(invalid)?),
        };
        // It is read at a start, and from the store alone: nothing in memory changes.
        let recording = Recording::new(draft).with(vec![write], || ());
        let position = self.recorder.record(recording).await?.position;
        let is_endorsed = endorsement.is_some();
        Ok((RecordedKey { vkey: vkey.clone(), previous, is_endorsed, revision: revision + 1 }, position))
    }
}
