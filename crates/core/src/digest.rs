//! SHA-256, as bytes and as lower-case hexadecimal.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (FIPS 180-4). Prints as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The text is not 64 lower-case hex digits.
#[derive(Debug, thiserror::Error)]
#[error("expected 64 lower-case hex digits")]
pub struct InvalidDigest;

impl Digest {
    /// Thirty-two zero bytes: where every chain begins.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of `first` followed by `second`, without joining them.
    #[must_use]
    pub fn of_two(first: &[u8], second: &[u8]) -> Self {
        Self(Sha256::new().chain_update(first).chain_update(second).finalize().into())
    }

    /// A digest that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits, without allocating.
    #[must_use]
    pub fn hex(&self) -> [u8; 64] {
        let mut out = [0; 64];
        for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(&self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        out
    }

    /// Reads 64 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        if text.len() != 64 {
            return Err(InvalidDigest);
        }
        let (mut bytes, mut is_hex) = ([0; 32], true);
        // Without a way out of the loop, the digits are read many at a time.
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            let [high, low] = pair.map(nibble);
            is_hex &= high < 16 && low < 16;
            *byte = (high << 4) | low;
        }
        if !is_hex {
            return Err(InvalidDigest);
        }
        Ok(Self(bytes))
    }
}

/// The lower-case hex digit of a number below 16. Without a table, many are written at a time.
const fn digit(nibble: u8) -> u8 {
    nibble.wrapping_add(if nibble < 10 { b'0' } else { b'a' - 10 })
}

/// What a lower-case hex digit says; 255 for anything else.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => u8::MAX,
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(Digest::of_two(b"a", b"b"), Digest::of(b"ab"));
        assert_eq!(Digest::parse(empty).unwrap(), Digest::of(b""));
    }

    #[test]
    fn upper_case_and_short_text_are_refused() {
        assert!(Digest::parse(&"A".repeat(64)).is_err());
        assert!(Digest::parse("00").is_err());
        for wrong in ['/', ':', '`', 'g', ' ', 'é'] {
            assert!(Digest::parse(&format!("{wrong}{}", "0".repeat(64 - wrong.len_utf8()))).is_err(), "{wrong}");
        }
    }
}
