//! What a verifier needs of an entry, read while its form is checked.
//!
//! Members are sorted by name, so an entry has one shape, and most of it is fixed
//! text. What is not of this shape is left to whoever can say what is wrong.

use countersign_core::chain::Count;
use countersign_core::digest::Digest;
use countersign_core::taint::Taint;

use crate::canonical::Scanner;
use crate::entry::{FORMAT, counted, takes};

/// An entry in canonical form.
#[derive(Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The chain it says it is on.
    pub chain: &'a str,
    /// How many entries of the chain it says come before.
    pub index: u64,
    /// The chain's head before it, as it says.
    pub prev: Digest,
    /// What it is about, such as `decision`.
    pub kind: &'a str,
    /// When it happened, as it says.
    pub time: &'a str,
    /// What it adds to its chain's tally.
    pub count: Option<Count>,
    /// What it taints its chain with.
    pub taint: Taint,
}

impl<'a> Envelope<'a> {
    /// Reads an entry as we write it, in one pass over its bytes; `None` is no
    /// verdict on any other.
    pub fn in_one_pass(bytes: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(std::str::from_utf8(bytes).ok()?);
        scanner.literal(r#"{"chain":{"id":"#)?;
        let chain = scanner.plain_string()?;
        scanner.literal(r#","index":"#)?;
        let index = scanner.integer()?;
        scanner.literal(r#","prev":"#)?;
        let prev = Digest::parse(scanner.plain_string()?).ok()?;
        scanner.literal(r#"},"event":"#)?;
        let (mut verdict, mut judged, mut added) = (None, None, Vec::new());
        scanner.object(|scanner, name| match name {
            "verdict" => scanner.plain_string().map(|word| verdict = Some(word)),
            "content" => scanner.object(|scanner, name| match name {
                "added" => scanner.plain_strings().map(|names| added = names),
                _ => scanner.value(),
            }),
            "effect" => scanner.object(|scanner, name| match name {
                "final" => scanner.plain_string().map(|word| judged = Some(word)),
                _ => scanner.value(),
            }),
            _ => scanner.value(),
        })?;
        scanner.literal(r#","format":""#)?;
        scanner.literal(FORMAT)?;
        scanner.literal(r#"","kind":"#)?;
        let kind = scanner.plain_string()?;
        if scanner.literal(r#","org":"#).is_some() {
            scanner.plain_string()?;
        }
        scanner.literal(r#","time":"#)?;
        let time = scanner.plain_string()?;
        scanner.literal("}")?;
        scanner.end()?;
        let count = if kind == "decision" { counted(verdict?, judged?) } else { None };
        let taint = if takes(kind) { Taint::named(added) } else { Taint::NONE };
        Some(Self { chain, index, prev, kind, time, count, taint })
    }
}
