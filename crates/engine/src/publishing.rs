//! Policies that an organisation publishes for itself, in versions.
//!
//! Each version is a document, recorded with the entry that puts it in force; its
//! texts are another, read only when they are asked for. The last version holds. One
//! that no longer loads refuses every call of its organisation: it is never taken for
//! no policies.

use std::path::Path;
use std::sync::Arc;

use countersign_core::id::ChainId;
use countersign_core::role::Right;
use countersign_evidence::event;
use countersign_policy::{Fallback, Fault, Severity, Texts};
use countersign_store::Write;

use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::{Engine, clip};
use crate::error::Error;
use crate::policies::{InForce, Own};
use crate::published::{TEXTS, read};
use crate::recording::Recording;
use crate::versions::{PolicyVersion, PublishedSet, kept, key};
use crate::workshop::Workpiece;

/// How many characters of a note are kept.
const LONGEST_NOTE: usize = 500;

/// A set that was checked, its cases run, and so may be published.
pub struct Checked {
    summary: PublishedSet,
    warnings: Vec<Fault>,
    body: Vec<u8>,
    set: InForce,
}

/// What publishing says besides the set.
#[derive(Debug, Clone, Default)]
pub struct NewVersion {
    /// Why.
    pub note: String,
    /// The number of the last version that the publisher knows of, 0 for none: another one is a conflict.
    pub if_version: Option<u64>,
    /// The earlier version whose set this is.
    pub rolled_back_from: Option<u64>,
}

/// What holds of an organisation's own policies.
#[derive(Debug, Clone)]
pub struct OwnPolicies {
    /// The last version; `None` where there never was one.
    pub version: Option<Arc<Stored<PolicyVersion>>>,
    /// Why its set does not load. Every call is refused.
    pub failure: Option<String>,
}

impl Checked {
    /// Checks `texts` as a whole and runs their cases. The error is everything that is wrong, by file.
    /// Takes as long as reading the texts takes: call it where blocking is allowed, in their turn.
    pub fn read(texts: &Texts, fallback: Fallback) -> Result<Self, Vec<Fault>> {
        if texts.policies.is_empty() {
            return Err(vec![nothing()]);
        }
        let rego: Vec<Fault> = texts.policies.keys().filter(|file| is_rego(file)).map(|file| unwanted(file)).collect();
        if !rego.is_empty() {
            return Err(rego);
        }
        let set = Arc::new(texts.load()?);
        let cases = texts.test(&set)?;
        let summary = PublishedSet {
            digest: set.digest(),
            fallback,
            policies: set.policies().len(),
            tools: set.tools().iter().count(),
            cases,
            bytes: texts.bytes(),
        };
        let broken = |why: String| {
            let file = "the policies".to_owned();
            vec![Fault { severity: Severity::Error, file, line: 1, column: 1, message: why, help: None }]
        };
        let body = serde_json::to_vec(texts).map_err(|why| broken(why.to_string()))?;
        let warnings = set.warnings().to_vec();
        let set = InForce::new(set, fallback, 1).map_err(broken)?;
        Ok(Self { summary, warnings, body, set })
    }

    /// What was checked.
    #[must_use]
    pub const fn summary(&self) -> &PublishedSet {
        &self.summary
    }

    /// What is allowed in a set, but hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }
}

fn is_rego(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("rego"))
}

/// Published, it would refuse or allow every call, as the default says.
fn nothing() -> Fault {
    let message = "there are no policies".to_owned();
    let help = Some("name at least one; DELETE takes an organisation's policies away".to_owned());
    Fault { severity: Severity::Error, file: "the policies".to_owned(), line: 1, column: 1, message, help }
}

/// Rego takes as much memory as its author wants, and organisations share a process.
fn unwanted(file: &str) -> Fault {
    let message = "Rego is not published".to_owned();
    let help = Some("expected Cedar; the operator's folder of policies may have Rego".to_owned());
    Fault { severity: Severity::Error, file: file.to_owned(), line: 1, column: 1, message, help }
}

impl Engine {
    /// Takes up a set of policies of the caller's organisation, which only an administrator may.
    /// Ask before reading it.
    pub fn take_up_policies(&self, caller: &Caller) -> Result<Workpiece, Error> {
        caller.needs(Right::Administer)?;
        self.workshop.take_up(&caller.org).ok_or(Error::TooMany(
            "policies of the organisation are being checked or compared; try again when that has ended",
        ))
    }

    /// Puts `checked` in force for the caller's organisation, or takes its policies away, as its next
    /// version. When this returns, no call is judged by what held before.
    pub async fn publish_policies(
        &self,
        caller: &Caller,
        checked: Option<Checked>,
        about: NewVersion,
    ) -> Result<PolicyVersion, Error> {
        let mut versions = self.policy_versions(caller)?;
        let last = versions.first().map_or(0, |version| version.value.number);
        if let Some(seen) = about.if_version.filter(|seen| *seen != last) {
            let text =
                format!("the last version is {last}, not {seen}; look at it, and publish with `if_version` {last}");
            return Err(Error::Conflict(text));
        }
        let is_there = versions.first().is_some_and(|version| version.value.set.is_some());
        if checked.is_none() && about.rolled_back_from.is_none() && !is_there {
            return Err(Error::Conflict("the organisation has no policies of its own to take away".to_owned()));
        }
        let number = last + 1;
        let version = PolicyVersion {
            key: key(&caller.org, number),
            org: caller.org.clone(),
            number,
            set: checked.as_ref().map(|checked| checked.summary.clone()),
            published_at: self.now(),
            by: caller.name().to_owned(),
            note: clip(&about.note, LONGEST_NOTE).to_owned(),
            rolled_back_from: about.rolled_back_from,
        };
        let mut changes = Changes::default();
        changes.create(version.clone())?;
        versions.insert(0, Arc::new(Stored { revision: 1, value: version.clone() }));
        // There is at most a version or two of which this is true, and reading one takes milliseconds.
        for old in versions.iter().skip(kept(&versions)) {
            if let Some(found) = self.documents.get(TEXTS, &old.value.key)? {
                changes.write(Write { kind: TEXTS, key: found.key, revision: found.revision, body: None });
            }
        }
        let own = checked.map(|Checked { summary, body, set, .. }| {
            changes.write(Write { kind: TEXTS, key: version.key.clone(), revision: 0, body: Some(body) });
            Own { version: number, set: summary.digest, fallback: summary.fallback, loaded: Ok(set) }
        });
        // Held, so that a large set is not taken apart while everybody waits for the recorder.
        let _before = self.policies.get();
        let (policies, org) = (Arc::clone(&self.policies), caller.org.clone());
        changes.then(move || drop(policies.publish(&org, own)));
        self.record_publication(caller, &version, changes).await?;
        Ok(version)
    }

    async fn record_publication(
        &self,
        caller: &Caller,
        version: &PolicyVersion,
        changes: Changes,
    ) -> Result<(), Error> {
        self.still(caller).await?;
        let event = event::Publication {
            by: caller.name(),
            default: version.set.as_ref().map(|set| set.fallback.as_str()),
            note: Some(version.note.as_str()).filter(|note| !note.is_empty()).map(Into::into),
            rolled_back_from: version.rolled_back_from,
            set: version.set.as_ref().map(|set| set.digest),
            version: version.number,
        };
        let draft = self.draft(ChainId::from(&caller.org), &caller.org, &event)?;
        // What is being decided meanwhile is decided again.
        self.recorder.record(changes.onto(Recording::new(draft).revoking(), &self.registry)).await?;
        Ok(())
    }

    /// What holds of the caller's organisation's own policies.
    pub fn own_policies(&self, caller: &Caller) -> Result<OwnPolicies, Error> {
        let version = self.policy_versions(caller)?.into_iter().next();
        let in_force = self.policies.get();
        let own = in_force.as_ref().and_then(|in_force| in_force.own(&caller.org));
        Ok(OwnPolicies { version, failure: own.and_then(|own| own.loaded.as_ref().err().cloned()) })
    }

    /// Every version of the caller's organisation, last first.
    pub fn policy_versions(&self, caller: &Caller) -> Result<Vec<Arc<Stored<PolicyVersion>>>, Error> {
        caller.needs(Right::Administer)?;
        let mut found = self.registry.policy_versions.list(&caller.org, |_| true);
        found.sort_by_key(|version| std::cmp::Reverse(version.value.number));
        Ok(found)
    }

    /// One version of the caller's organisation, by its number.
    pub fn policy_version(&self, caller: &Caller, number: &str) -> Result<Arc<Stored<PolicyVersion>>, Error> {
        caller.needs(Right::Administer)?;
        let read = number.parse().ok().map(|number| key(&caller.org, number));
        let found = read.and_then(|key| self.registry.policy_versions.get(&caller.org, &key));
        found.ok_or_else(|| Error::not_found("version of the policies", number))
    }

    /// The texts of a version; `None` where it has none, or they are no longer kept. Reads the store:
    /// call it where blocking is allowed.
    pub fn policy_texts(&self, version: &PolicyVersion) -> Result<Option<Texts>, Error> {
        Ok(read(self.documents.as_ref(), version)?)
    }

    /// How many organisations have policies that no longer load, and so are refused every call.
    pub fn organisations_without_policies(&self) -> usize {
        self.policies.get().map_or(0, |in_force| in_force.broken())
    }
}
