//! The key that processes of one installation show one another. Never printed.

use std::fmt;
use std::path::Path;

use countersign_core::Digest;
use subtle::ConstantTimeEq as _;
use ureq::http::header::HeaderValue;

/// How many characters a key has, at least and at most.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=512;

/// The key. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct TierKey(String);

impl fmt::Debug for TierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl TierKey {
    /// Reads the key that stands alone in the file at `path`.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|why| format!("cannot read `{}`: {why}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("`{}`: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let word = text.trim_ascii();
        if LENGTH.contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(word.to_owned()))
        } else {
            Err("expected one printable word of 32 to 512 characters, such as `openssl rand -hex 32` prints".into())
        }
    }

    /// The header that shows it.
    pub fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether `header` shows this key. Takes as long for a wrong one.
    pub fn is_shown_by(&self, header: &[u8]) -> bool {
        let shown = header.strip_prefix(b"Bearer ").unwrap_or_default();
        let (shown, own) = (Digest::of(shown), Digest::of(self.0.as_bytes()));
        shown.as_bytes().ct_eq(own.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_is_the_key_and_nothing_prints_it() {
        let text = "0123456789abcdef0123456789abcdef";
        let key = TierKey::parse(&format!(" {text}\n")).unwrap();
        assert!(key.is_shown_by(format!("Bearer {text}").as_bytes()));
        for wrong in ["", "Bearer ", text, &format!("bearer {text}"), &format!("Bearer {text}0"), "Bearer 0123"] {
            assert!(!key.is_shown_by(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{key:?} {:?}", key.header().unwrap()).contains("0123"));
        for bad in ["", "short", "0123456789abcdef 123456789abcdef", &"k".repeat(513)] {
            assert!(!TierKey::parse(bad).unwrap_err().contains("0123"));
        }
    }
}
