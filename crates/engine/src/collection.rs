//! Documents in memory, typed: what decisions read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use countersign_core::id::OrgId;
use dashmap::DashMap;

/// What has a name within its kind, and an organisation.
pub(crate) trait Owned {
    /// The document's name within its kind.
    fn key(&self) -> &str;

    /// The organisation it belongs to.
    fn org(&self) -> &OrgId;
}

/// A document and its revision.
#[derive(Debug)]
pub struct Stored<T> {
    /// 1 when created, one more at each change.
    pub revision: u64,
    /// The document.
    pub value: T,
}

/// Every document of one kind, by key.
pub(crate) struct Collection<T> {
    by_key: DashMap<Box<str>, Arc<Stored<T>>, RandomState>,
    /// How many there are: to count them, the map locks every shard it has.
    count: AtomicUsize,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self { by_key: DashMap::default(), count: AtomicUsize::new(0) }
    }
}

impl<T: Owned> Collection<T> {
    /// The document called `key`, whatever its organisation.
    pub(crate) fn any(&self, key: &str) -> Option<Arc<Stored<T>>> {
        self.by_key.get(key).map(|found| Arc::clone(&found))
    }

    /// The document called `key`, if it belongs to `org`.
    pub(crate) fn get(&self, org: &OrgId, key: &str) -> Option<Arc<Stored<T>>> {
        self.any(key).filter(|found| found.value.org() == org)
    }

    /// Every document of `org` that `wanted` accepts.
    pub(crate) fn list(&self, org: &OrgId, wanted: impl Fn(&T) -> bool) -> Vec<Arc<Stored<T>>> {
        let ours = |found: &Arc<Stored<T>>| found.value.org() == org && wanted(&found.value);
        self.by_key.iter().map(|found| Arc::clone(&found)).filter(ours).collect()
    }

    /// Every document, of any organisation, that `wanted` accepts.
    pub(crate) fn filter(&self, wanted: impl Fn(&T) -> bool) -> Vec<Arc<Stored<T>>> {
        self.by_key.iter().map(|found| Arc::clone(&found)).filter(|found| wanted(&found.value)).collect()
    }

    /// Any document, of any organisation, that `wanted` accepts.
    pub(crate) fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Arc<Stored<T>>> {
        self.by_key.iter().map(|found| Arc::clone(&found)).find(|found| wanted(&found.value))
    }

    /// How many there are; never too few.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn put(&self, value: T, revision: u64) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if self.by_key.insert(value.key().into(), Arc::new(Stored { revision, value })).is_some() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn remove(&self, key: &str) -> Option<Arc<Stored<T>>> {
        let (_, removed) = self.by_key.remove(key)?;
        self.count.fetch_sub(1, Ordering::SeqCst);
        Some(removed)
    }
}
