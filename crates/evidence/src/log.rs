//! The record as a transparency log that anyone can check.
//!
//! Every entry is a leaf of one Merkle tree ([`merkle`], RFC 6962), published as
//! tiles ([`tile`]) under a signed [`checkpoint`]. A [`receipt`] proves with
//! nothing else that an entry is in the tree ([`proof`]); a [`witness`] keeps the
//! log from showing two people two trees; [`rotation`] follows its key from one to
//! the next. The formats are those of
//! <https://c2sp.org>, so tools we did not write read them too.
//!
//! Everything here is a function of its arguments. It never reads a clock, a
//! file, a socket or a source of randomness: stored tiles come through a closure
//! the caller gives, the time and the key are arguments.

pub mod checkpoint;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod rotation;
pub mod tile;
pub mod tile_reader;
pub mod witness;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_core::Digest;

/// The most hashes a proof of these formats holds: one per level of a tree of
/// 2^63 leaves.
const MAX_PROOF: usize = 63;

/// A hash as the formats of this module spell it.
#[must_use]
pub fn hash_text(hash: &Digest) -> String {
    base64(hash.as_bytes())
}

/// Reads a hash in the one spelling that the formats of this module have for it.
#[must_use]
pub fn read_hash(text: &str) -> Option<Digest> {
    digest(text)
}

/// Base 64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Reads canonical base 64; `None` for any other text.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// Reads the base 64 of exactly one digest.
fn digest(text: &str) -> Option<Digest> {
    Some(Digest::from_bytes(unbase64(text)?.try_into().ok()?))
}

/// Reads ASCII digits without a leading zero.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    canonical.then(|| text.parse().ok()).flatten()
}

/// Takes the first line off `text`, without its newline.
fn line<'a>(text: &mut &'a str) -> Option<&'a str> {
    let (first, rest) = text.split_once('\n')?;
    *text = rest;
    Some(first)
}

/// Takes lines of one hash each, up to and with the empty line that ends them.
fn hashes(text: &mut &str) -> Option<Vec<Digest>> {
    let mut found = Vec::new();
    loop {
        match line(text)? {
            "" => return Some(found),
            _ if found.len() == MAX_PROOF => return None,
            hash => found.push(digest(hash)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for other in ["", "00", "01", "+1", "-1", " 1", "1 ", "18446744073709551616", "1_0", "٣"] {
            assert_eq!(decimal(other), None, "{other}");
        }
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let text = base64(Digest::of(b"").as_bytes());
        assert_eq!(digest(&text), Some(Digest::of(b"")));
        // Another last digit with the same leading bits; no padding; 31 and 33 bytes.
        assert_eq!(digest(&text.replace("U=", "V=")), None);
        assert_eq!(digest(text.trim_end_matches('=')), None);
        assert_eq!(digest(&base64(&[0; 31])), None);
        assert_eq!(digest(&base64(&[0; 33])), None);
    }
}
