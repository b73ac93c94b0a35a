//! Accountability: what a session is now, everything that was recorded in it
//! or in a stretch of time, and whether all of it still fits together.

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_core::role::Right;
use countersign_evidence::entry::Entry;

use crate::caller::Caller;
use crate::decisions::{Found, SLACK, millis};
use crate::engine::Engine;
use crate::error::Error;
use crate::sessions::SessionView;

/// How many entries are read at once.
const CHUNK: usize = 1_024;
/// How many entries one call looks at before it hands back a cursor.
const MOST: u64 = 200_000;

/// Which entries to replay.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// Only this session's chain.
    pub session: Option<String>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
    /// Only from this index of the ledger on: the cursor of the page before.
    pub from: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

/// Entries in the order of the ledger.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// The entries.
    pub entries: Vec<Found>,
    /// Where the next page begins; `None` where there is nothing more.
    pub next: Option<u64>,
}

/// A session replayed from its first entry.
#[derive(Debug)]
pub struct Replayed {
    /// The session as it is now.
    pub view: SessionView,
    /// Every entry of its chain.
    pub entries: Vec<Found>,
    /// Where the replay ends.
    pub chain: Chain,
    /// The first entry that does not fit, by its index, and why.
    pub fault: Option<(u64, String)>,
}

impl Engine {
    /// Entries of the caller's organisation, in the order of the ledger. Reads
    /// the ledger: call it where blocking is allowed.
    pub fn replay(&self, caller: &Caller, stretch: &Stretch) -> Result<Replay, Error> {
        caller.needs(Right::Audit)?;
        let session = stretch.session.as_deref();
        let known = session.and_then(|id| self.session(caller, id).ok());
        if session.is_some() && known.is_none() && stretch.since.is_none() && stretch.from.is_none() {
            // The record outlives the session: whoever says when still finds it.
            return Err(Error::not_found("session", session.unwrap_or_default()));
        }
        let begins = stretch.since.or_else(|| known.as_ref().map(|view| view.session.created_at));
        let length = self.ledger.length()?;
        let first = |at: Timestamp| self.first_at(at.as_millis().saturating_sub(SLACK), length);
        let start = begins.map_or(Ok(0), first)?.max(stretch.from.unwrap_or(0));
        let ends = stretch.until.or_else(|| known.as_ref().and_then(|view| view.session.closed_at));
        let is_over =
            |entry: &Entry<'_>| ends.is_some_and(|ends| millis(entry) > ends.as_millis().saturating_add(SLACK));
        let wanted = |entry: &Entry<'_>| {
            entry.org == Some(caller.org.as_str())
                && session.is_none_or(|id| entry.chain.id == id)
                && stretch.since.is_none_or(|since| millis(entry) >= since.as_millis())
                && stretch.until.is_none_or(|until| millis(entry) < until.as_millis())
        };
        let mut replay = Replay::default();
        let stop = start.saturating_add(MOST).min(length);
        let mut position = start;
        while position < stop {
            for bytes in self.ledger.read(position, CHUNK)? {
                let entry = Entry::read(&bytes).map_err(|_| unreadable())?;
                if is_over(&entry) {
                    return Ok(replay);
                }
                if wanted(&entry) {
                    if replay.entries.len() >= stretch.limit.max(1) {
                        replay.next = Some(position);
                        return Ok(replay);
                    }
                    replay.entries.push(Found { position, entry: bytes });
                }
                position += 1;
            }
        }
        replay.next = (position < length).then_some(position);
        Ok(replay)
    }

    /// Replays a session from its first entry and compares with where its
    /// chain stands. Reads the ledger: call it where blocking is allowed.
    pub fn replay_session(&self, caller: &Caller, id: &str) -> Result<Replayed, Error> {
        caller.needs(Right::Audit)?;
        let view = self.session(caller, id)?;
        let mut stretch = Stretch { session: Some(id.to_owned()), limit: usize::MAX, ..Stretch::default() };
        let (mut entries, mut chain, mut fault) = (Vec::new(), Chain::GENESIS, None);
        // What is recorded meanwhile comes after where the chain stood.
        while chain.length < view.chain.length && fault.is_none() {
            let page = self.replay(caller, &stretch)?;
            for found in page.entries {
                let entry = Entry::read(&found.entry).map_err(|_| unreadable())?;
                if chain.length == view.chain.length {
                    break;
                }
                if entry.chain.index != chain.length || entry.chain.prev != chain.head {
                    fault = Some((found.position, "the chain does not continue here".to_owned()));
                    break;
                }
                chain = entry.onto(chain, &found.entry);
                entries.push(found);
            }
            stretch.from = page.next;
            if page.next.is_none() {
                break;
            }
        }
        if fault.is_none() && chain != view.chain {
            let index = entries.last().map_or(0, |found| found.position);
            let (found, stands) = (chain.length, view.chain.length);
            fault = Some((index, format!("{found} entries were found, and the chain stands otherwise, at {stands}")));
        }
        Ok(Replayed { view, entries, chain, fault })
    }
}

fn unreadable() -> Error {
    Error::Unavailable {
        code: "entry_unreadable",
        message: "the ledger holds an entry that cannot be read; run `countersign evidence verify`",
    }
}
