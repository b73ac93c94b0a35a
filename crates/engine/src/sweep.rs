//! Clearing away what has long ended. The record of it stays.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_core::id::ChainId;
use countersign_evidence::entry::Draft;
use countersign_evidence::event::Change;

use crate::changes::Changes;
use crate::collection::{Collection, Stored};
use crate::engine::Engine;
use crate::error::Error;
use crate::recording::Recording;
use crate::registry::Record;

/// How long what has ended is kept, so that a late call is told why it is refused.
const KEEP: Duration = Duration::from_hours(24);
/// How many documents one sweep clears away.
const MOST: usize = 2_000;
/// How many baselines one sweep has written: everyone who wants something recorded waits for them.
const KEPT: usize = 256;

impl Engine {
    /// Clears away tokens, sessions, delegations and approvals that ended more
    /// than a day ago, and has baselines written. Returns how many documents went.
    pub async fn sweep(&self) -> Result<usize, Error> {
        self.keep_baselines(KEPT);
        self.sweep_payloads()?;
        let now = self.now();
        let over = |ended: Timestamp| now.since(ended) > KEEP;
        let registry = &self.registry;
        let mut changes = Changes::default();
        clear(&mut changes, &registry.tokens, |t| over(t.unchecked().expires_at));
        clear(&mut changes, &registry.sessions, |s| over(s.unchecked().expires_at));
        clear(&mut changes, &registry.delegations, |d| over(d.unchecked().expires_at));
        clear(&mut changes, &registry.approvals, |a| over(a.unchecked().expires_at));
        clear(&mut changes, &registry.asked, |a| registry.approvals.any(a.approval.as_str()).is_none());
        let swept = changes.len();
        if swept == 0 {
            return Ok(0);
        }
        let event = Change { by: "server", id: "", noun: "ended", verb: "sweep" };
        let draft = Draft::new(ChainId::server(), None, now, &event).map_err(|why| Error::Invalid(why.to_string()))?;
        self.recorder.record(changes.onto(Recording::new(draft), &self.registry)).await?;
        Ok(swept)
    }
}

fn clear<T: Record>(changes: &mut Changes, collection: &Collection<T>, ended: impl Fn(&T) -> bool) {
    let room = MOST.saturating_sub(changes.len());
    let gone: Vec<Arc<Stored<T>>> = collection.filter(ended);
    for document in gone.iter().take(room) {
        changes.delete(document);
    }
}
