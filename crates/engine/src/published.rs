//! What organisations published, read from the store and put in force at a start.
//!
//! What no longer loads, or is not what was recorded, is in force all the same: it
//! refuses every call of its organisation.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::id::OrgId;
use countersign_policy::{Fallback, Texts};
use countersign_store::{Documents, StoreError};

use crate::collection::Stored;
use crate::policies::{InForce, Own, Policies};
use crate::registry::Registry;
use crate::versions::{PolicyVersion, PublishedSet, key};

/// The collection of the texts, by the keys of their versions.
pub(crate) const TEXTS: &str = "policy_texts";

/// Puts in force what each organisation published last.
pub(crate) fn load(registry: &Registry, documents: &dyn Documents) -> Result<Policies, StoreError> {
    let policies = Policies::default();
    let mut last: HashMap<OrgId, Arc<Stored<PolicyVersion>>> = HashMap::new();
    for version in registry.policy_versions.filter(|_| true) {
        let newest = last.entry(version.value.org.clone()).or_insert_with(|| Arc::clone(&version));
        if newest.value.number < version.value.number {
            *newest = version;
        }
    }
    for (org, version) in last {
        let Some(set) = &version.value.set else { continue };
        let loaded = loaded(documents, &version.value, set)?;
        if let Err(why) = &loaded {
            tracing::error!(%org, version = version.value.number, "every call is refused: {why}");
        }
        let own = Own { version: version.value.number, set: set.digest, fallback: set.fallback, loaded };
        policies.publish(&org, Some(own));
    }
    Ok(policies)
}

/// The set of a version, or why it has none.
fn loaded(
    documents: &dyn Documents,
    version: &PolicyVersion,
    set: &PublishedSet,
) -> Result<Result<InForce, String>, StoreError> {
    let texts = match read(documents, version) {
        Ok(Some(texts)) => texts,
        Ok(None) => return Ok(Err("the texts of the published policies are gone".to_owned())),
        Err(StoreError::Corrupt(why)) => return Ok(Err(format!("the published policies cannot be read: {why}"))),
        Err(why) => return Err(why),
    };
    let found = match texts.load() {
        Ok(found) => found,
        Err(faults) => {
            let first = faults.first().map_or_else(String::new, ToString::to_string);
            return Ok(Err(format!("the published policies no longer load: {first}")));
        }
    };
    if found.digest() != set.digest {
        return Ok(Err(format!("the published policies have the digest {}, not {}", found.digest(), set.digest)));
    }
    Ok(InForce::new(Arc::new(found), set.fallback, 1))
}

/// The texts of a version, where they are kept.
pub(crate) fn read(documents: &dyn Documents, version: &PolicyVersion) -> Result<Option<Texts>, StoreError> {
    let Some(found) = documents.get(TEXTS, &version.key)? else { return Ok(None) };
    let corrupt = |why| StoreError::Corrupt(format!("{TEXTS} `{}`: {why}", version.key));
    serde_json::from_slice(&found.body).map(Some).map_err(corrupt)
}

/// What holds in a version where its set says nothing; `None` where there is no such set.
pub(crate) fn fallback(registry: &Registry, org: &OrgId, number: u64) -> Option<Fallback> {
    Some(registry.policy_versions.get(org, &key(org, number))?.value.set.as_ref()?.fallback)
}
