//! Changes to documents, on their way to be recorded.

use std::sync::Arc;

use countersign_store::Write;

use crate::collection::Stored;
use crate::error::Error;
use crate::recording::Recording;
use crate::registry::{Record, Registry};

type Apply = Box<dyn FnOnce(&Registry) + Send>;

/// What becomes durable with one entry, and visible after it.
#[derive(Default)]
pub(crate) struct Changes {
    writes: Vec<Write>,
    applies: Vec<Apply>,
}

impl Changes {
    /// Creates a document.
    pub(crate) fn create<T: Record>(&mut self, value: T) -> Result<(), Error> {
        self.put(value, 0)
    }

    /// Replaces a document that was read at `before`.
    pub(crate) fn replace<T: Record>(&mut self, before: &Stored<T>, value: T) -> Result<(), Error> {
        self.put(value, before.revision)
    }

    /// Creates or replaces, as `before` says.
    pub(crate) fn put<T: Record>(&mut self, value: T, revision: u64) -> Result<(), Error> {
        let body = serde_json::to_vec(&value).map_err(|why| Error::Invalid(why.to_string()))?;
        self.writes.push(Write { kind: T::KIND, key: value.key().to_owned(), revision, body: Some(body) });
        self.applies.push(Box::new(move |registry| {
            // The document is there before what looks it up can find it.
            let placed = value.key().to_owned();
            T::collection(registry).put(value, revision + 1);
            if let Some(stored) = T::collection(registry).any(&placed) {
                stored.value.placed(registry);
            }
        }));
        Ok(())
    }

    /// Deletes a document that was read at `before`.
    pub(crate) fn delete<T: Record>(&mut self, before: &Stored<T>) {
        let key = before.value.key().to_owned();
        self.writes.push(Write { kind: T::KIND, key: key.clone(), revision: before.revision, body: None });
        self.applies.push(Box::new(move |registry| {
            if let Some(removed) = T::collection(registry).remove(&key) {
                removed.value.removed(registry);
            }
        }));
    }

    /// Writes a document that is not kept in memory.
    pub(crate) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Has `work` done when the changes become visible.
    pub(crate) fn then(&mut self, work: impl FnOnce() + Send + 'static) {
        self.applies.push(Box::new(move |_| work()));
    }

    /// How many documents change.
    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Attaches the changes to the entry that records them.
    pub(crate) fn onto(self, recording: Recording, registry: &Arc<Registry>) -> Recording {
        if self.writes.is_empty() {
            return recording;
        }
        let registry = Arc::clone(registry);
        let applies = self.applies;
        recording.with(self.writes, move || {
            for apply in applies {
                apply(&registry);
            }
        })
    }
}
