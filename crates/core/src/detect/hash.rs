//! Names as eight bytes: the first of their SHA-256. Short enough to keep
//! many, long enough that nobody finds a name that looks like another's.

use crate::digest::Digest;

/// The text is not a row of 16 lower-case hex digits each.
#[derive(Debug, thiserror::Error)]
#[error("expected up to {most} times 16 lower-case hex digits")]
pub struct InvalidHashes {
    pub(super) most: usize,
}

/// The first eight bytes, the highest first.
pub(super) fn short(digest: &Digest) -> u64 {
    digest.as_bytes().iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// A tool's name and its hash, which is made once for all that is asked about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool<'a> {
    name: &'a str,
    hash: u64,
}

impl<'a> Tool<'a> {
    /// The tool that is called `name`.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self { name, hash: short(&Digest::of(name.as_bytes())) }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}

/// Two in a row.
pub(super) fn pair(first: u64, second: u64) -> u64 {
    short(&Digest::of_two(&first.to_be_bytes(), &second.to_be_bytes()))
}

/// Sixteen lower-case hex digits each, without anything between.
pub(super) fn print(hashes: impl Iterator<Item = u64>) -> String {
    let digits = |hash: u64| (0..16_u32).rev().map(move |place| (hash >> (place * 4)) & 15);
    hashes.flat_map(digits).filter_map(|digit| char::from_digit(u32::try_from(digit).ok()?, 16)).collect()
}

/// Reads exactly one.
pub(super) fn parse_one(text: &str) -> Result<u64, InvalidHashes> {
    parse(text, 1)?.first().copied().ok_or(InvalidHashes { most: 1 })
}

/// Reads what [`print`] wrote.
pub(super) fn parse(text: &str, most: usize) -> Result<Vec<u64>, InvalidHashes> {
    let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let (rows, rest) = text.as_bytes().as_chunks::<16>();
    if !is_hex || !rest.is_empty() || rows.len() > most {
        return Err(InvalidHashes { most });
    }
    rows.iter()
        .map(|row| std::str::from_utf8(row).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok()))
        .collect::<Option<_>>()
        .ok_or(InvalidHashes { most })
}
