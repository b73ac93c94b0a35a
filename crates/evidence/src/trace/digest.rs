//! Digests as TRACE writes them: `sha256:` or `sha384:` and lower-case hex.

use countersign_core::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha384};

/// A hash algorithm TRACE names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

/// A digest that names its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaggedDigest(String);

/// The text is not a tagged digest.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a digest: expected `sha256:` and 64, or `sha384:` and 96, lower-case hex digits")]
pub struct InvalidTaggedDigest(String);

impl Algorithm {
    /// The word before the colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
        }
    }

    /// Reads the word before the colon.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384].into_iter().find(|a| a.name() == name)
    }

    const fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha384 => 96,
        }
    }
}

impl TaggedDigest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Digest::of(bytes).into(),
            Algorithm::Sha384 => Self(format!("sha384:{:x}", HexBytes(Sha384::digest(bytes).as_slice()))),
        }
    }

    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// Reads a tagged digest.
    pub fn parse(text: &str) -> Result<Self, InvalidTaggedDigest> {
        if is_tagged_digest(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTaggedDigest(text.chars().take(120).collect()))
        }
    }

    /// As the record spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm it names.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha384:") { Algorithm::Sha384 } else { Algorithm::Sha256 }
    }

    /// The digest itself, if it is a SHA-256 one.
    #[must_use]
    pub fn as_sha256(&self) -> Option<Digest> {
        self.0.strip_prefix("sha256:").and_then(|hex| Digest::parse(hex).ok())
    }
}

/// Whether `text` is a tagged digest.
pub(super) fn is_tagged_digest(text: &str) -> bool {
    let hex = |s: &str| s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    text.split_once(':').is_some_and(|(name, digits)| {
        Algorithm::parse(name).is_some_and(|a| digits.len() == a.hex_digits() && hex(digits))
    })
}

struct HexBytes<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexBytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Digest> for TaggedDigest {
    fn from(digest: Digest) -> Self {
        Self(format!("sha256:{digest}"))
    }
}

impl From<TaggedDigest> for String {
    fn from(digest: TaggedDigest) -> Self {
        digest.0
    }
}

impl TryFrom<String> for TaggedDigest {
    type Error = InvalidTaggedDigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl std::fmt::Display for TaggedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
