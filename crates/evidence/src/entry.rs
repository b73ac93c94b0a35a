//! An entry: one canonical JSON object, exactly these bytes for ever.
//!
//! ```json
//! {"chain":{"id":"sess_…","index":3,"prev":"<64 hex>"},
//!  "event":{…},"format":"countersign.entry/1","kind":"decision",
//!  "org":"org_…","time":"2026-11-21T08:00:00.000Z"}
//! ```
//!
//! `index` counts the chain's entries from 0; `prev` is the chain's head before
//! this entry. The head after it is `SHA-256(prev ‖ entry)` where `prev` is its
//! 64 lower-case hex digits in ASCII, beginning with 64 zeros.

use std::borrow::Cow;
use std::io::Write as _;

use countersign_core::Timestamp;
use countersign_core::chain::{Chain, Count};
use countersign_core::digest::Digest;
use countersign_core::effect::Effect;
use countersign_core::id::{ChainId, OrgId};
use countersign_core::taint::Taint;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::Event;

/// The format every entry names.
pub const FORMAT: &str = "countersign.entry/1";

/// An entry that is complete but for its place in the chain, which only the
/// recorder knows.
#[derive(Debug)]
pub struct Draft {
    chain: ChainId,
    count: Option<Count>,
    taint: Taint,
    tail: Vec<u8>,
}

#[derive(Serialize)]
struct Tail<'a, E> {
    event: &'a E,
    format: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    time: Text<Timestamp>,
}

/// Prints as a JSON string.
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Draft {
    /// Drafts the entry for `event`, to go onto `chain`.
    pub fn new<E: Event>(
        chain: ChainId,
        org: Option<&OrgId>,
        time: Timestamp,
        event: &E,
    ) -> Result<Self, serde_json::Error> {
        let mut tail = Vec::with_capacity(640);
        let whole = Tail { event, format: FORMAT, kind: E::KIND, org: org.map(OrgId::as_str), time: Text(time) };
        serde_json::to_writer(&mut tail, &whole)?;
        Ok(Self { chain, count: event.count(), taint: event.taint(), tail })
    }

    /// The chain the entry goes onto.
    #[must_use]
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Whether the entry says that an action is allowed.
    #[must_use]
    pub const fn is_allow(&self) -> bool {
        matches!(self.count, Some(Count::Allowed(_)))
    }

    /// What the entry taints its chain with.
    #[must_use]
    pub const fn taint(&self) -> Taint {
        self.taint
    }

    /// Puts the entry at the end of a chain that stands at `before`: the
    /// entry's bytes, and where the chain stands after it.
    #[must_use]
    pub fn seal(&self, before: Chain) -> (Vec<u8>, Chain) {
        let mut bytes = Vec::with_capacity(self.tail.len() + self.chain.as_str().len() + 128);
        // Chain ids are of a character set that JSON never escapes.
        let head = before.head.hex();
        let head = std::str::from_utf8(&head).unwrap_or_default();
        // Writing to a vector cannot fail.
        let _ =
            write!(bytes, r#"{{"chain":{{"id":"{}","index":{},"prev":"{head}"}},"#, self.chain.as_str(), before.length);
        bytes.extend_from_slice(self.tail.get(1..).unwrap_or_default());
        let after = before.step(&bytes, self.count).tainted(self.taint);
        (bytes, after)
    }
}

/// An entry that was read back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<'a> {
    /// Its place.
    #[serde(borrow)]
    pub chain: Place<'a>,
    /// What happened, as JSON text.
    #[serde(borrow)]
    pub event: &'a RawValue,
    /// The format of the entry.
    pub format: &'a str,
    /// The kind of event.
    pub kind: &'a str,
    /// The organisation.
    pub org: Option<&'a str>,
    /// When it happened, RFC 3339.
    pub time: &'a str,
}

/// An entry's place in its chain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place<'a> {
    /// The chain.
    pub id: &'a str,
    /// How many entries come before it.
    pub index: u64,
    /// The chain's head before it.
    pub prev: Digest,
}

#[derive(Deserialize)]
struct Counted<'a> {
    #[serde(borrow)]
    effect: CountedEffect<'a>,
    verdict: &'a str,
}

#[derive(Deserialize)]
struct CountedEffect<'a> {
    #[serde(rename = "final", borrow)]
    judged: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Took<'a> {
    #[serde(default, borrow)]
    content: Option<Added<'a>>,
}

#[derive(Deserialize)]
struct Added<'a> {
    #[serde(default, borrow)]
    added: Vec<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    /// Reads an entry's bytes.
    pub fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Where a chain that stands at `before` stands after this entry, whose bytes are `bytes`.
    #[must_use]
    pub fn onto(&self, before: Chain, bytes: &[u8]) -> Chain {
        before.step(bytes, self.count()).tainted(self.taint())
    }

    /// What the entry taints its chain with.
    #[must_use]
    pub fn taint(&self) -> Taint {
        if !takes(self.kind) {
            return Taint::NONE;
        }
        let read = serde_json::from_str::<Took<'_>>(self.event.get()).ok();
        let added = read.and_then(|took| took.content).map(|content| content.added);
        added.map_or(Taint::NONE, |added| Taint::named(added.iter().map(Cow::as_ref)))
    }

    /// What the entry adds to its chain's tally.
    #[must_use]
    pub fn count(&self) -> Option<Count> {
        if self.kind != "decision" {
            return None;
        }
        let read: Counted<'_> = serde_json::from_str(self.event.get()).ok()?;
        counted(read.verdict, &read.effect.judged)
    }
}

/// What a decision with this verdict and effect adds to a tally; `None` where
/// an effect that is allowed is not known.
pub(crate) fn counted(verdict: &str, effect: &str) -> Option<Count> {
    Some(match verdict {
        "allow" => Count::Allowed(Effect::parse(effect)?),
        "deny" => Count::Denied,
        _ => Count::Waiting,
    })
}

/// Whether an entry of this kind can taint its chain.
pub(crate) fn takes(kind: &str) -> bool {
    matches!(kind, "decision" | "content")
}
