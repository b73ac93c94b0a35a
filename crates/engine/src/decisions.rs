//! Finding decisions in the record.
//!
//! There is no index to keep or to trust: the ledger is in the order of time
//! and a decision's id begins with its time, so one is found by halving. A
//! list is a walk backwards from the end that stops after a page.

use countersign_core::Timestamp;
use countersign_core::id::{CheckId, OrgId};
use countersign_core::role::Right;
use countersign_evidence::entry::Entry;

use crate::caller::Caller;
use crate::engine::Engine;
use crate::error::Error;
use crate::trace::Traced;

/// How many entries are read at once.
const CHUNK: u64 = 512;
/// How many entries one list call reads at most before it hands back a cursor.
const MOST: u64 = 100_000;
/// How far from its time an entry may stand, in milliseconds: the recorder's
/// queue is bounded, so an entry waits seconds at most.
pub(crate) const SLACK: i64 = 10_000;

/// A decision in the record.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it stands in the ledger.
    pub position: u64,
    /// Its entry, exactly as recorded.
    pub entry: Vec<u8>,
}

/// Which decisions to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this agent's.
    pub agent: Option<String>,
    /// Only this session's.
    pub session: Option<String>,
    /// Only this tool's.
    pub tool: Option<String>,
    /// Only `allow`, `deny` or `elevate`.
    pub verdict: Option<String>,
    /// Only before this position: the cursor of the page before.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

/// A page of decisions, latest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The decisions.
    pub decisions: Vec<Found>,
    /// Where the next page begins; `None` at the beginning of the record.
    pub next: Option<u64>,
}

impl Engine {
    /// One decision of the caller's organisation. Reads the ledger: call it
    /// where blocking is allowed.
    pub fn decision(&self, caller: &Caller, id: &str) -> Result<Found, Error> {
        caller.needs(Right::Audit)?;
        let missing = || Error::not_found("decision", id);
        let at = time_of(id).ok_or_else(missing)?;
        let wanted = |entry: &Entry<'_>| is_decision(entry, &caller.org) && names(entry, "id", id);
        self.find_at(at, wanted)?.ok_or_else(missing)
    }

    /// The entry that anchors the record of a session.
    pub fn anchor(&self, traced: &Traced, session: &str) -> Result<Found, Error> {
        let wanted = |entry: &Entry<'_>| entry.kind == "trace" && names(entry, "session", session);
        self.find_at(traced.anchored_at.as_millis(), wanted)?.ok_or_else(|| Error::not_found("session", session))
    }

    /// The first entry that is `wanted` of those drafted about the time `at`.
    fn find_at(&self, at: i64, wanted: impl Fn(&Entry<'_>) -> bool) -> Result<Option<Found>, Error> {
        let length = self.ledger.length()?;
        let mut position = self.first_at(at.saturating_sub(SLACK), length)?;
        while position < length {
            for bytes in self.ledger.read(position, usize::try_from(CHUNK).unwrap_or(usize::MAX))? {
                let Ok(entry) = Entry::read(&bytes) else { return Ok(None) };
                if millis(&entry) > at.saturating_add(SLACK) {
                    return Ok(None);
                }
                if wanted(&entry) {
                    return Ok(Some(Found { position, entry: bytes }));
                }
                position += 1;
            }
        }
        Ok(None)
    }

    /// The first position whose entry is not before `at` (within the slack).
    pub(crate) fn first_at(&self, at: i64, length: u64) -> Result<u64, Error> {
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low + (high - low) / 2;
            let entries = self.ledger.read(middle, 1)?;
            let time = entries.first().and_then(|bytes| Entry::read(bytes).ok()).map_or(i64::MAX, |e| millis(&e));
            if time < at { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Lists decisions of the caller's organisation, latest first. Reads the
    /// ledger: call it where blocking is allowed.
    pub fn list_decisions(&self, caller: &Caller, filter: &Filter) -> Result<Page, Error> {
        caller.needs(Right::Audit)?;
        let mut end = filter.before.unwrap_or(u64::MAX).min(self.ledger.length()?);
        let floor = end.saturating_sub(MOST);
        let mut page = Page::default();
        while end > floor {
            let start = end.saturating_sub(CHUNK);
            let entries = self.ledger.read(start, usize::try_from(end - start).unwrap_or(0))?;
            for (offset, bytes) in entries.into_iter().enumerate().rev() {
                let position = start + offset as u64;
                let Ok(entry) = Entry::read(&bytes) else { continue };
                if !is_decision(&entry, &caller.org) || !wanted(&entry, filter) {
                    continue;
                }
                page.decisions.push(Found { position, entry: bytes });
                if page.decisions.len() >= filter.limit.max(1) {
                    page.next = (position > 0).then_some(position);
                    return Ok(page);
                }
            }
            end = start;
        }
        page.next = (end > 0).then_some(end);
        Ok(page)
    }
}

/// The time in a decision's id, in milliseconds.
fn time_of(id: &str) -> Option<i64> {
    let hex = id.strip_prefix(CheckId::PREFIX)?.get(..12)?;
    i64::from_str_radix(hex, 16).ok()
}

pub(crate) fn millis(entry: &Entry<'_>) -> i64 {
    Timestamp::parse(entry.time).map_or(i64::MAX, Timestamp::as_millis)
}

fn is_decision(entry: &Entry<'_>, org: &OrgId) -> bool {
    entry.kind == "decision" && entry.org == Some(org.as_str())
}

/// Whether the event's member `name` is the string `value`.
fn names(entry: &Entry<'_>, name: &str, value: &str) -> bool {
    let Ok(event) = serde_json::from_str::<serde_json::Value>(entry.event.get()) else { return false };
    event.get(name).and_then(serde_json::Value::as_str) == Some(value)
}

fn wanted(entry: &Entry<'_>, filter: &Filter) -> bool {
    if filter.agent.is_none() && filter.session.is_none() && filter.tool.is_none() && filter.verdict.is_none() {
        return true;
    }
    let Ok(event) = serde_json::from_str::<serde_json::Value>(entry.event.get()) else { return false };
    let is = |found: Option<&serde_json::Value>, wanted: &Option<String>| {
        wanted.as_deref().is_none_or(|w| found.and_then(serde_json::Value::as_str) == Some(w))
    };
    is(event.get("agent"), &filter.agent)
        && is(event.get("session"), &filter.session)
        && is(event.get("verdict"), &filter.verdict)
        && is(event.get("action").and_then(|a| a.get("tool")), &filter.tool)
}
