//! What every version of every agent usually does, in bounded memory, and now
//! and then on disk.
//!
//! A baseline is no right and no record: it can be rebuilt from the ledger, so a
//! crash may cost what changed since it was last written. Who was longest unseen
//! is forgotten where there are too many.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use countersign_core::Timestamp;
use countersign_core::detect::{Baseline, Call, Observation};
use countersign_core::id::AgentId;
use countersign_store::{Batch, Documents, Ledger, StoreError, Write};
use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use crate::sight::{Known, Observed, Sight, Version};

/// The collection's name in the store.
const KIND: &str = "baseline";
/// How many agents have one. Each takes some tens of kilobytes at most.
const MOST: usize = 4_096;
/// How many agents are forgotten at once: finding those costs a look at all.
const FORGOTTEN: usize = MOST / 8;
/// How many are written with one transaction.
const BATCH: usize = 64;

fn known(baseline: &Baseline, call: &Call<'_>) -> Known {
    Known {
        findings: baseline.judge(call),
        history: baseline.history(),
        tool_is_new: baseline.is_new_tool(call.tool),
        resource_is_new: call.resource.map(|resource| baseline.is_new_resource(&resource)),
        hour_permille: baseline.hour_permille(call.at),
    }
}

/// The baselines, by agent.
#[derive(Default)]
pub struct Baselines {
    of: DashMap<AgentId, Watched, RandomState>,
    /// Those that were forgotten, whose documents may still be there.
    gone: Mutex<Vec<AgentId>>,
}

struct Watched {
    /// The version of the agent.
    revision: u64,
    baseline: Baseline,
    seen: Timestamp,
    /// Since when it differs from what is stored.
    changed: Option<Timestamp>,
}

/// A baseline as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<B> {
    revision: u64,
    seen: Timestamp,
    baseline: B,
}

impl Baselines {
    /// Reads what was kept. What cannot be read, such as another form, begins anew.
    pub fn load(documents: &dyn Documents) -> Result<Self, StoreError> {
        let baselines = Self::default();
        for document in documents.list(KIND)? {
            let Ok(agent) = AgentId::parse(&document.key) else { continue };
            let kept = serde_json::from_slice::<Kept<Baseline>>(&document.body).unwrap_or_else(|why| {
                tracing::warn!(agent.id = %agent, %why, "the baseline of agent `{agent}` cannot be read and begins anew");
                Kept { revision: 0, seen: Timestamp::from_millis(0), baseline: Baseline::default() }
            });
            let Kept { revision, seen, baseline } = kept;
            baselines.of.insert(agent, Watched { revision, baseline, seen, changed: None });
        }
        Ok(baselines)
    }

    /// What is known of a call of another process.
    #[must_use]
    pub fn known(&self, sight: &Sight) -> Known {
        self.look(sight.by(), &sight.call())
    }

    /// Takes in what became of a call of another process.
    pub fn observe(&self, observed: &Observed) {
        let Observed { sight, outcome } = observed;
        self.step(sight.by(), &Observation { call: sight.call(), outcome: *outcome });
    }

    /// What is known of a call before it is decided.
    pub(crate) fn look(&self, by: Version<'_>, call: &Call<'_>) -> Known {
        match self.of.get(by.agent) {
            Some(watched) if watched.revision == by.revision => known(&watched.baseline, call),
            _ => known(&Baseline::default(), call),
        }
    }

    /// Takes a decided call in. A newer version begins anew; what was decided
    /// about an older one comes too late.
    pub(crate) fn step(&self, by: Version<'_>, seen: &Observation<'_>) {
        let at = seen.call.at;
        if let Some(mut watched) = self.of.get_mut(by.agent) {
            if by.revision < watched.revision {
                return;
            }
            if by.revision > watched.revision {
                watched.baseline = Baseline::default();
            }
            watched.baseline.take_in(seen);
            (watched.revision, watched.seen) = (by.revision, at);
            watched.changed.get_or_insert(at);
            return;
        }
        self.make_room();
        let baseline = Baseline::default().step(seen);
        let watched = Watched { revision: by.revision, baseline, seen: at, changed: Some(at) };
        // Another thread may have been first: then this one call is not counted.
        self.of.entry(by.agent.clone()).or_insert(watched);
    }

    fn make_room(&self) {
        if self.of.len() < MOST {
            return;
        }
        let mut all: Vec<_> = self.of.iter().map(|watched| (watched.seen, watched.key().clone())).collect();
        all.sort_unstable_by_key(|(seen, _)| *seen);
        for (_, agent) in all.into_iter().take(FORGOTTEN) {
            self.of.remove(&agent);
            self.gone().push(agent);
        }
    }

    fn gone(&self) -> MutexGuard<'_, Vec<AgentId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes those that changed, at most `most`, the longest changed first. What
    /// cannot be written is tried again the next time. The caller is the only one
    /// that writes to the store.
    pub fn keep(&self, ledger: &dyn Ledger, documents: &dyn Documents, most: usize) {
        let gone = std::mem::take(&mut *self.gone());
        let mut changed: Vec<(Timestamp, AgentId)> =
            self.of.iter().filter_map(|watched| Some((watched.changed?, watched.key().clone()))).collect();
        changed.sort_unstable();
        changed.truncate(most);
        let all: Vec<AgentId> = gone.into_iter().chain(changed.into_iter().map(|(_, agent)| agent)).collect();
        for some in all.chunks(BATCH) {
            if let Err(why) = self.write(ledger, documents, some) {
                tracing::warn!(%why, "baselines of agents could not be written; trying again in a minute");
                let left = all.iter().filter(|agent| !self.of.contains_key(*agent)).cloned();
                self.gone().extend(left);
                return;
            }
        }
    }

    fn write(&self, ledger: &dyn Ledger, documents: &dyn Documents, some: &[AgentId]) -> Result<(), StoreError> {
        // What changes while it is being written has changed again.
        let mut before = Vec::with_capacity(some.len());
        for agent in some {
            before.extend(self.of.get_mut(agent).map(|mut watched| (agent, watched.changed.take())));
        }
        let written = self.writes(documents, some).and_then(|writes| {
            ledger.commit(&Batch { writes, ..Batch::default() })?;
            Ok(())
        });
        if written.is_err() {
            for (agent, since) in before {
                if let Some(mut watched) = self.of.get_mut(agent) {
                    watched.changed = since.or(watched.changed);
                }
            }
        }
        written
    }

    /// The documents of `some`; those of agents that are forgotten are deleted.
    fn writes(&self, documents: &dyn Documents, some: &[AgentId]) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::with_capacity(some.len());
        for agent in some {
            let stored = documents.get(KIND, agent.as_str())?.map(|document| document.revision);
            let body = self.of.get(agent).map(|watched| watched.body()).transpose()?;
            if stored.is_some() || body.is_some() {
                writes.push(Write { kind: KIND, key: agent.to_string(), revision: stored.unwrap_or(0), body });
            }
        }
        Ok(writes)
    }
}

impl Watched {
    fn body(&self) -> Result<Vec<u8>, StoreError> {
        let kept = Kept { revision: self.revision, seen: self.seen, baseline: &self.baseline };
        serde_json::to_vec(&kept).map_err(|why| StoreError::Corrupt(why.to_string()))
    }
}
