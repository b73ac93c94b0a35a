//! Checking the record, with nothing but the record.

use std::collections::HashMap;

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;

use crate::entry::{Entry, FORMAT};
use crate::envelope::Envelope;

/// Replays entries in order and checks that every chain holds.
#[derive(Debug, Default)]
pub struct Verifier {
    chains: HashMap<ChainId, Chain>,
    entries: u64,
}

/// An entry that does not verify.
#[derive(Debug, thiserror::Error)]
#[error("entry {position}: {fault}")]
pub struct Bad {
    /// Its position in the ledger, counting from 0.
    pub position: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is not an entry at all.
    #[error("not an entry: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// Its bytes are not the canonical form of what they say.
    #[error("not in canonical form (RFC 8785)")]
    NotCanonical,
    /// Its format is not one this program knows.
    #[error("format `{0}` is not known: expected `{FORMAT}`")]
    UnknownFormat(String),
    /// Its chain id or time is not one.
    #[error("its chain id or time is malformed")]
    Malformed,
    /// Entries of its chain are missing, repeated or out of order.
    #[error("chain `{chain}` has {expected} entries before it, and it says {found}")]
    WrongIndex {
        /// The chain.
        chain: String,
        /// How many entries came before.
        expected: u64,
        /// How many it says came before.
        found: u64,
    },
    /// Something recorded before it was changed.
    #[error("chain `{chain}` does not continue: the digest of what came before is another")]
    WrongHead {
        /// The chain.
        chain: String,
    },
}

impl Verifier {
    /// A verifier that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next entry, and says of which kind it is.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a str, Bad> {
        let position = self.entries;
        let kind = self.check(bytes).map_err(|fault| Bad { position, fault })?;
        self.entries += 1;
        Ok(kind)
    }

    fn check<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a str, Fault> {
        let entry = read(bytes)?;
        Timestamp::parse(entry.time).map_err(|_| Fault::Malformed)?;
        if let Some(chain) = self.chains.get_mut(entry.chain) {
            *chain = follow(*chain, &entry, bytes)?;
        } else {
            let id = ChainId::parse(entry.chain).map_err(|_| Fault::Malformed)?;
            self.chains.insert(id, follow(Chain::GENESIS, &entry, bytes)?);
        }
        Ok(entry.kind)
    }

    /// How many entries verified.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Where every chain stands.
    pub fn chains(&self) -> impl Iterator<Item = (&ChainId, &Chain)> {
        self.chains.iter()
    }
}

/// Where a chain that stands at `before` stands after `entry`.
fn follow(before: Chain, entry: &Envelope<'_>, bytes: &[u8]) -> Result<Chain, Fault> {
    let chain = || entry.chain.to_owned();
    if entry.index != before.length {
        return Err(Fault::WrongIndex { chain: chain(), expected: before.length, found: entry.index });
    }
    if entry.prev != before.head {
        return Err(Fault::WrongHead { chain: chain() });
    }
    Ok(before.step(bytes, entry.count).tainted(entry.taint))
}

/// An entry that is canonical.
fn read(bytes: &[u8]) -> Result<Envelope<'_>, Fault> {
    Envelope::in_one_pass(bytes).map_or_else(|| the_long_way(bytes), Ok)
}

/// What one pass accepts and more, in three passes, or what is wrong with it.
fn the_long_way(bytes: &[u8]) -> Result<Envelope<'_>, Fault> {
    let entry = Entry::read(bytes).map_err(Fault::Unreadable)?;
    if entry.format != FORMAT {
        return Err(Fault::UnknownFormat(entry.format.to_owned()));
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Fault::Unreadable)?;
    if crate::canonical(&value).map_err(Fault::Unreadable)? != bytes {
        return Err(Fault::NotCanonical);
    }
    let (count, taint) = (entry.count(), entry.taint());
    let (place, kind, time) = (entry.chain, entry.kind, entry.time);
    Ok(Envelope { chain: place.id, index: place.index, prev: place.prev, kind, time, count, taint })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECISION: &str = concat!(
        r#"{"chain":{"id":"sess_1","index":3,"prev":"00000000000000000000000000000000"#,
        r#"00000000000000000000000000000000"},"event":{"effect":{"by":"hint","final":"read"},"epoch":1,"#,
        r#""tool":"\"é\n","verdict":"allow"},"format":"countersign.entry/1","kind":"decision","org":"acme","#,
        r#""time":"2026-11-21T08:00:00.000Z"}"#
    );

    /// What one pass accepts, the long way reads alike.
    fn agree(text: &str) -> bool {
        let quick = Envelope::in_one_pass(text.as_bytes());
        if let Some(quick) = &quick {
            assert_eq!(*quick, the_long_way(text.as_bytes()).unwrap(), "{text}");
        }
        quick.is_some()
    }

    #[test]
    fn an_entry_of_ours_is_read_in_one_pass_with_or_without_an_organisation_and_whatever_its_kind() {
        assert!(agree(DECISION));
        assert!(agree(&DECISION.replace(r#","org":"acme""#, "")));
        assert!(agree(&DECISION.replace(r#""kind":"decision""#, r#""kind":"of the future""#)));
    }

    #[test]
    fn every_verdict_and_effect_is_counted_alike() {
        for verdict in ["allow", "deny", "elevate", "", "other"] {
            for effect in ["read", "write", "mutating", "destructive", "admin", "", "other"] {
                let text = DECISION.replace("\"allow\"", &format!("\"{verdict}\""));
                assert!(agree(&text.replace("\"final\":\"read\"", &format!("\"final\":\"{effect}\""))));
            }
        }
    }

    #[test]
    fn an_event_that_is_not_as_we_write_it_takes_the_long_way() {
        for (right, other) in [
            ("\"verdict\":\"allow\"", "\"verdict\":1"),
            (",\"verdict\":\"allow\"", ""),
            ("\"final\":\"read\"", "\"final\":[]"),
            ("{\"by\":\"hint\",\"final\":\"read\"}", "\"read\""),
            ("\"effect\":{\"by\":\"hint\",\"final\":\"read\"},", ""),
            ("\"epoch\":1", "\"epoch\":1.5"),
            ("\"epoch\":1", "\"epoch\":9007199254740994"),
            ("\"tool\"", "\"t\\n\""),
            ("\"org\":\"acme\"", "\"org\":null"),
        ] {
            let text = DECISION.replace(right, other);
            assert!(text != DECISION && !agree(&text), "{text}");
            assert!(the_long_way(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn no_byte_can_be_changed_so_that_only_one_pass_accepts_it() {
        let mut accepted = 0;
        for at in 0..DECISION.len() {
            for byte in (0x20..0x7f_u8).chain([b'\n', 0, 0x1f]) {
                let mut bytes = DECISION.as_bytes().to_vec();
                bytes[at] = byte;
                accepted += String::from_utf8(bytes).map_or(0, |text| u32::from(agree(&text)));
            }
        }
        assert!(accepted > 1_000, "{accepted}");
    }
}
