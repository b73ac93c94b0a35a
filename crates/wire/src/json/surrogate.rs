//! Mends half surrogate pairs, which JSON can spell and Unicode cannot hold.
//!
//! A published client cuts summaries by UTF-16 unit, so an emoji on the cut is
//! sent as `\ud83d` alone. Each such escape becomes `\ufffd`; nothing else changes.

use std::borrow::Cow;

const ESCAPE: usize = r"\uxxxx".len();
const REPLACEMENT: &str = "fffd";

/// `text` with every lone surrogate escape replaced by the replacement character's.
pub(super) fn mend(text: &str) -> Cow<'_, str> {
    if !text.contains(r"\u") {
        return Cow::Borrowed(text);
    }
    let mut mended = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        let Some(unit) = unit_at(text, at) else {
            // Another escape: what follows the backslash escapes nothing itself.
            at = text.ceil_char_boundary(at + 2);
            continue;
        };
        let follows = unit_at(text, at + ESCAPE);
        match (unit, follows) {
            (0xd800..=0xdbff, Some(0xdc00..=0xdfff)) => at += 2 * ESCAPE,
            (0xd800..=0xdfff, _) => {
                mended.push_str(text.get(copied..at + 2).unwrap_or_default());
                mended.push_str(REPLACEMENT);
                at += ESCAPE;
                copied = at;
            }
            _ => at += ESCAPE,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(mended)
}

/// The UTF-16 unit that an escape at `at` spells.
fn unit_at(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix(r"\u")?;
    // `from_str_radix` would also take a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lone_half_is_replaced_and_a_pair_stays() {
        assert_eq!(mend(r#""\ud83d""#), r#""\ufffd""#);
        assert_eq!(mend(r#""\udE00x""#), r#""\ufffdx""#);
        assert_eq!(mend(r#""\ud83d\ude00""#), r#""\ud83d\ude00""#);
        assert_eq!(mend(r#""\ud83d\ud83d\ude00""#), r#""\ufffd\ud83d\ude00""#);
        assert_eq!(mend(r#""\ude00\ud83d""#), r#""\ufffd\ufffd""#);
    }

    #[test]
    fn an_escaped_backslash_begins_no_escape() {
        assert_eq!(mend(r#""\\ud83d""#), r#""\\ud83d""#);
        assert_eq!(mend(r#""\\\ud83d""#), r#""\\\ufffd""#);
        assert_eq!(mend(r#""\ud83d\\ude00""#), r#""\ufffd\\ude00""#);
    }

    #[test]
    fn what_is_no_escape_is_left_for_the_parser() {
        for text in [r"\u", r"\ud8", r"\u+d83", r"\é\ud", r"\u12é4", "\\u00e9\\"] {
            assert_eq!(mend(text), text);
        }
    }

    proptest! {
        #[test]
        fn it_does_what_lossy_utf_16_does(units in prop::collection::vec(0xd7f0u16..0xe010, 0..8)) {
            let escaped = units.iter().map(|u| format!("\\u{u:04x}")).collect::<Vec<_>>().concat();
            let read: String = serde_json::from_str(&mend(&format!("\"{escaped}\""))).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn it_never_panics(text in "[\\\\ud8é{}\" ]{0,40}") {
            mend(&text);
        }
    }
}
