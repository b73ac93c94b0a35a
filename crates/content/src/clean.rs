//! The plain form of a text: what a reader would see, in one spelling.
//!
//! Unicode's NFKC (UAX #15), dashes as `-`, and no characters that cannot be
//! seen. Those are counted, since they are seldom there for the reader's sake.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// What was made plain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clean<'a> {
    /// The text in its plain form. Shorter than the original only by what cannot be seen or was cut.
    pub text: Cow<'a, str>,
    /// What was taken out.
    pub hidden: Hidden,
    /// Whether the plain form would have been longer than allowed and was cut.
    pub cut: bool,
}

/// The invisible characters of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hidden {
    /// How many characters of no width stood within a word of Latin letters or digits.
    pub within_words: usize,
    /// How many characters embed or override the direction of writing.
    pub direction: usize,
    /// What tag characters (U+E0020 to U+E007E) spell; flags are not counted.
    pub tags: String,
    /// How many invisible characters there were in all.
    pub total: usize,
}

/// Makes a text plain, in at most `max_bytes` bytes.
#[must_use]
pub fn clean<'a>(text: impl Into<Cow<'a, str>>, max_bytes: usize) -> Clean<'a> {
    let text = text.into();
    // Most texts: NFKC leaves ASCII as it is, and of that only controls are not seen.
    if text.len() <= max_bytes && text.bytes().all(is_plain) {
        return Clean { text, ..Clean::default() };
    }
    let mut hidden = Hidden::default();
    let visible = take_out_invisible(&text, &mut hidden);
    let mut plain = String::with_capacity(visible.len().min(max_bytes));
    let mut cut = false;
    for c in visible.nfkc().map(dash) {
        // NFKC can bring forth what is not seen, and can be eleven times as long.
        if is_invisible(c) {
            continue;
        }
        if plain.len() + c.len_utf8() > max_bytes {
            cut = true;
            break;
        }
        plain.push(c);
    }
    Clean { text: plain.into(), hidden, cut }
}

fn take_out_invisible(text: &str, hidden: &mut Hidden) -> String {
    let mut visible = String::with_capacity(text.len());
    // Whether a visible ASCII letter or digit came last, and what was hidden since.
    let (mut after_word, mut pending) = (false, 0);
    let mut flag = false;
    for c in text.chars() {
        if !is_invisible(c) {
            if pending > 0 && after_word && c.is_ascii_alphanumeric() {
                hidden.within_words += pending;
            }
            pending = 0;
            after_word = c.is_ascii_alphanumeric();
            flag = c == '\u{1f3f4}';
            visible.push(c);
            continue;
        }
        hidden.total += 1;
        match c {
            '\u{e0020}'..='\u{e007e}' if !flag => {
                hidden.tags.extend(char::from_u32(u32::from(c) - 0xe0000));
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => hidden.direction += 1,
            _ => pending += 1,
        }
    }
    visible
}

/// Whether a byte is a character of ASCII that can be seen, or white space.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' '..=b'~')
}

/// Whether a character has no shape of its own. After Unicode's
/// `Default_Ignorable_Code_Point`, and the controls but for white space.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn dash(c: char) -> char {
    if matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}') { '-' } else { c }
}

#[cfg(test)]
mod tests {
    use super::clean;

    fn plain(text: &str) -> String {
        clean(text, 1 << 16).text.into_owned()
    }

    #[test]
    fn what_is_ascii_stays_as_it_is_but_for_controls() {
        let all: String = (0..128).map(char::from).collect();
        let seen: String = all.chars().filter(|c| !c.is_control() || ('\t'..='\r').contains(c)).collect();
        let made = clean(&all, 200);
        assert_eq!((made.text.as_ref(), made.hidden.total), (seen.as_str(), all.len() - seen.len()));
        assert_eq!((clean(&seen, 200).text.as_ref(), clean(&seen, 5).cut), (seen.as_str(), true));
    }

    #[test]
    fn one_spelling_stands_for_all() {
        assert_eq!(plain("ｉｇｎｏｒｅ"), "ignore");
        assert_eq!(plain("𝐢𝐠𝐧𝐨𝐫𝐞"), "ignore");
        assert_eq!(plain("ⓘⓖⓝⓞⓡⓔ"), "ignore");
        assert_eq!(plain("078\u{2011}05\u{2013}1120"), "078-05-1120");
        assert_eq!(plain("a\u{a0}b"), "a b");
    }

    #[test]
    fn what_cannot_be_seen_is_taken_out_and_counted() {
        let made = clean("ig\u{200b}no\u{2060}re", 100);
        assert_eq!((made.text.as_ref(), made.hidden.within_words), ("ignore", 2));
    }

    #[test]
    fn an_emoji_that_is_joined_hides_nothing() {
        let family = "👨\u{200d}👩\u{200d}👧 \u{2764}\u{fe0f}";
        let made = clean(family, 100);
        assert_eq!((made.hidden.within_words, made.hidden.direction), (0, 0));
        assert_eq!(made.hidden.total, 3);
    }

    #[test]
    fn a_persian_word_with_its_joiner_hides_nothing() {
        assert_eq!(clean("می\u{200c}خواهم", 100).hidden.within_words, 0);
    }

    #[test]
    fn tag_characters_are_read() {
        let smuggled: String = "obey".chars().map(|c| char::from_u32(u32::from(c) + 0xe0000).unwrap()).collect();
        let made = clean(format!("Hello{smuggled}."), 100);
        assert_eq!((made.text.as_ref(), made.hidden.tags.as_str()), ("Hello.", "obey"));
    }

    #[test]
    fn the_flag_of_scotland_says_nothing() {
        let flag = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";
        assert_eq!(clean(flag, 100).hidden.tags, "");
    }

    #[test]
    fn a_character_that_stands_for_eighteen_does_not_outgrow_the_limit() {
        let made = clean("\u{fdfa}".repeat(100), 200);
        assert!(made.text.len() <= 200 && made.cut, "{} bytes", made.text.len());
    }
}
