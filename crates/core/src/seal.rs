//! Integrity tags over values that grant rights.
//!
//! A session or an approval is stored with an HMAC-SHA256 (RFC 2104) over its
//! fields, made with a key that is not in the store. Whoever can write to the
//! store but does not hold the key cannot give anyone a right.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::digest::Digest;

/// The key that tags are made with. Never printed.
#[derive(Clone)]
pub struct SealKey(Hmac<Sha256>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl SealKey {
    /// A key of 256 bits.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the hash's block (RFC 2104, section 2).
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = from;
        }
        Self(Hmac::new(&block.into()))
    }
}

/// What can be sealed: it feeds every field that grants or bounds a right.
pub trait Seal {
    /// Feeds the fields, always in the same order.
    fn feed(&self, fields: &mut Fields);
}

/// Collects fields for a tag. Each is prefixed with its length, so two
/// different lists of fields are never the same bytes.
pub struct Fields(Hmac<Sha256>);

impl Fields {
    /// Adds a text field.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a field of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: i64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Adds a text field that may be absent; absent differs from empty.
    pub fn maybe(&mut self, text: Option<&str>) -> &mut Self {
        self.number(i64::from(text.is_some())).text(text.unwrap_or_default())
    }
}

/// A value together with its tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sealed<T> {
    value: T,
    tag: Digest,
}

fn mac<T: Seal>(value: &T, key: &SealKey) -> Hmac<Sha256> {
    let mut fields = Fields(key.0.clone());
    value.feed(&mut fields);
    fields.0
}

impl<T: Seal> Sealed<T> {
    /// Seals `value`.
    pub fn new(value: T, key: &SealKey) -> Self {
        let tag = Digest::from_bytes(mac(&value, key).finalize().into_bytes().into());
        Self { value, tag }
    }

    /// The value, if the tag is the one `key` makes; `None` if it was altered.
    pub fn open(&self, key: &SealKey) -> Option<&T> {
        mac(&self.value, key).verify(self.tag.as_bytes().into()).ok().map(|()| &self.value)
    }

    /// The value without looking at the tag: for showing, never for deciding.
    pub const fn unchecked(&self) -> &T {
        &self.value
    }
}
