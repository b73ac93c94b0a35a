//! Documents in memory, typed: what decisions read.

use std::sync::Arc;

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
pub(crate) struct Collection<T>(DashMap<Box<str>, Arc<Stored<T>>, RandomState>);

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self(DashMap::default())
    }
}

impl<T: Owned> Collection<T> {
    /// The document called `key`, whatever its organisation.
    pub(crate) fn any(&self, key: &str) -> Option<Arc<Stored<T>>> {
        self.0.get(key).map(|found| Arc::clone(&found))
    }

    /// The document called `key`, if it belongs to `org`.
    pub(crate) fn get(&self, org: &OrgId, key: &str) -> Option<Arc<Stored<T>>> {
        self.any(key).filter(|found| found.value.org() == org)
    }

    /// Every document of `org` that `wanted` accepts.
    pub(crate) fn list(&self, org: &OrgId, wanted: impl Fn(&T) -> bool) -> Vec<Arc<Stored<T>>> {
        let ours = |found: &Arc<Stored<T>>| found.value.org() == org && wanted(&found.value);
        self.0.iter().map(|found| Arc::clone(&found)).filter(ours).collect()
    }

    /// Every document, of any organisation, that `wanted` accepts.
    pub(crate) fn filter(&self, wanted: impl Fn(&T) -> bool) -> Vec<Arc<Stored<T>>> {
        self.0.iter().map(|found| Arc::clone(&found)).filter(|found| wanted(&found.value)).collect()
    }

    /// Any document, of any organisation, that `wanted` accepts.
    pub(crate) fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Arc<Stored<T>>> {
        self.0.iter().map(|found| Arc::clone(&found)).find(|found| wanted(&found.value))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn put(&self, value: T, revision: u64) {
        self.0.insert(value.key().into(), Arc::new(Stored { revision, value }));
    }

    pub(crate) fn remove(&self, key: &str) -> Option<Arc<Stored<T>>> {
        self.0.remove(key).map(|(_, removed)| removed)
    }
}
