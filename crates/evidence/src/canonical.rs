//! Telling canonical JSON (RFC 8785) in one pass, without making anything of it.
//!
//! What a [`Scanner`] gets over is canonical. What it stops at may be canonical
//! all the same, and is for [`crate::canonical()`] to judge: names with an escape
//! or beyond ASCII, numbers other than integers of at most 2^53, and more than
//! [`LEVELS`] levels. No entry of ours holds any of these.

/// How deep values may nest.
const LEVELS: u8 = 32;
/// The largest integer up to which a double holds every one.
const SAFE: u64 = 1 << 53;

/// Reads canonical JSON from its start to its end. Every method that reads
/// something stops with `None` where it is not there, or not canonical.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `text`.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Exactly `expected`.
    pub fn literal(&mut self, expected: &str) -> Option<()> {
        self.rest().starts_with(expected.as_bytes()).then(|| self.at += expected.len())
    }

    /// The end of the text.
    pub fn end(&self) -> Option<()> {
        self.rest().is_empty().then_some(())
    }

    /// A string without escapes: what it says.
    pub fn plain_string(&mut self) -> Option<&'a str> {
        self.string().filter(|text| !text.contains('\\'))
    }

    /// An array of strings without escapes: what they say.
    pub fn plain_strings(&mut self) -> Option<Vec<&'a str>> {
        let mut all = Vec::new();
        self.array_of(|scanner| scanner.plain_string().map(|text| all.push(text)))?;
        Some(all)
    }

    /// An integer that is not negative.
    pub fn integer(&mut self) -> Option<u64> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.text.get(self.at..self.at + digits)?;
        self.at += digits;
        let leads_with_zero = digits > 1 && text.starts_with('0');
        text.parse().ok().filter(|number| *number <= SAFE && !leads_with_zero)
    }

    /// An object, whose members `read` gets over: it is given each name, and
    /// leaves the scanner after the value.
    pub fn object(&mut self, mut read: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.byte(b'{')?;
        if self.byte(b'}').is_some() {
            return Some(());
        }
        let mut before = None;
        loop {
            let name = self.plain_string().filter(|name| name.is_ascii())?;
            // The order of UTF-16 units, which for ASCII is that of the bytes. Twice is out of order.
            if before.is_some_and(|before| before >= name) {
                return None;
            }
            before = Some(name);
            self.byte(b':')?;
            read(self, name)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Any value.
    pub fn value(&mut self) -> Option<()> {
        self.nested(LEVELS)
    }

    /// Any value of at most `levels` levels.
    fn nested(&mut self, levels: u8) -> Option<()> {
        let inner = levels.checked_sub(1)?;
        match self.rest().first()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(|scanner, _| scanner.nested(inner)),
            b'[' => self.array_of(|scanner| scanner.nested(inner)),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' => {
                self.byte(b'-')?;
                self.integer().filter(|number| *number > 0).map(drop)
            }
            _ => self.integer().map(drop),
        }
    }

    /// An array, whose elements `read` gets over.
    fn array_of(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.byte(b'[')?;
        if self.byte(b']').is_some() {
            return Some(());
        }
        loop {
            read(self)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A string: what stands between its quotes, escapes as they are.
    fn string(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let start = self.at;
        loop {
            self.at += self.rest().iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))?;
            match self.next()? {
                b'"' => return self.text.get(start..self.at - 1),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// What follows a backslash. Only what cannot stand for itself is escaped,
    /// and in the shortest way.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r' => Some(()),
            b'u' => {
                self.literal("00")?;
                match (self.next()?, self.next()?) {
                    (b'0', b'0'..=b'7' | b'b' | b'e' | b'f') | (b'1', b'0'..=b'9' | b'a'..=b'f') => Some(()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        (self.rest().first() == Some(&expected)).then(|| self.at += 1)
    }

    fn next(&mut self) -> Option<u8> {
        let next = self.rest().first().copied()?;
        self.at += 1;
        Some(next)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::canonical;

    /// What the scanner says.
    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.value().and_then(|()| scanner.end()).is_some()
    }

    /// What the general canonicaliser says.
    fn is_canonical(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok_and(|value| canonical(&value).is_ok_and(|it| it == text.as_bytes()))
    }

    /// Whether the scanner leaves a value to the general canonicaliser.
    fn is_left_alone(value: &Value, levels: u8) -> bool {
        levels == 0
            || match value {
                Value::Null | Value::Bool(_) | Value::String(_) => false,
                Value::Number(number) => {
                    !number.as_f64().is_some_and(|n| n.fract() == 0.0 && n.abs() <= 2_f64.powi(53))
                }
                Value::Array(items) => items.iter().any(|item| is_left_alone(item, levels - 1)),
                Value::Object(members) => members.iter().any(|(name, member)| {
                    let is_plain = name.bytes().all(|b| matches!(b, 0x20..0x80) && !matches!(b, b'"' | b'\\'));
                    !is_plain || is_left_alone(member, levels - 1)
                }),
            }
    }

    /// What the scanner accepts is canonical, and what is canonical it accepts or leaves alone.
    fn agree(text: &str) -> Result<(), TestCaseError> {
        let (accepts, is_canonical) = (accepts(text), is_canonical(text));
        prop_assert!(!accepts || is_canonical, "accepted, and not canonical: {text}");
        let left = || is_left_alone(&serde_json::from_str(text).unwrap(), LEVELS);
        prop_assert!(accepts || !is_canonical || left(), "canonical, and not accepted: {text}");
        Ok(())
    }

    /// Any JSON, with what is hard to spell more often than by luck.
    fn json() -> impl Strategy<Value = Value> {
        let text = || {
            prop_oneof![
                any::<String>(),
                "[ -~]{0,6}",
                "[\u{0}-\u{20}\"\\\\/\u{7f}-\u{9f}]{0,4}",
                "[\u{d7ff}\u{e000}\u{ffff}\u{10000}]{0,3}",
            ]
        };
        let edge = SAFE.cast_signed();
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-20..20_i64).prop_map(Value::from),
            (edge - 3..edge + 3).prop_map(Value::from),
            (-edge - 3..-edge + 3).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..4).prop_map(|it| it.into_iter().collect()),
            ]
        })
    }

    /// Bits of JSON that may be put into, or stand instead of, others.
    const BITS: [&str; 40] = [
        " ",
        "\n",
        "\t",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\\"",
        "\\/",
        "\\u0000",
        "\\u001F",
        "\\u001f",
        "\\u0008",
        "\\u0009",
        "\\u000b",
        "\\u000B",
        "\\u007f",
        "\\n",
        "\\b",
        "\\ud83d",
        "\u{7f}",
        "\u{1}",
        "é",
        "0",
        "-",
        "-0",
        "1",
        ".0",
        "e1",
        "E+1",
        "true",
        "null",
        "{}",
        "\"a\":",
        ",\"a\":1",
        "9007199254740993",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_canonical_is_accepted_unless_it_is_left_alone(value in json()) {
            agree(&String::from_utf8(canonical(&value).unwrap()).unwrap())?;
        }

        #[test]
        fn what_is_spelled_otherwise_is_refused(value in json()) {
            agree(&serde_json::to_string(&value).unwrap())?;
            agree(&serde_json::to_string_pretty(&value).unwrap())?;
        }

        #[test]
        fn nothing_that_was_changed_anywhere_is_accepted_unless_it_is_canonical_still(
            value in json(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, prop::sample::select(&BITS[..])), 1..3),
        ) {
            let mut text: Vec<char> = String::from_utf8(canonical(&value).unwrap()).unwrap().chars().collect();
            for (at, gone, bit) in changes {
                let at = at.index(text.len() + 1);
                let until = (at + gone).min(text.len());
                text.splice(at..until, bit.chars());
            }
            agree(&text.into_iter().collect::<String>())?;
        }

        #[test]
        fn whatever_is_put_together_of_bits_is_judged_alike(bits in prop::collection::vec(prop::sample::select(&BITS[..]), 0..6)) {
            agree(&bits.concat())?;
            agree(&format!("[{}]", bits.concat()))?;
            agree(&format!("\"{}\"", bits.concat()))?;
            agree(&format!("{{\"a\":{}}}", bits.concat()))?;
        }
    }

    #[test]
    fn every_escape_there_is_and_every_character_that_could_have_one_are_judged_alike() {
        for code in 0..=0xffff_u32 {
            agree(&format!("\"\\u{code:04x}\"")).unwrap();
            agree(&format!("\"\\u{code:04X}\"")).unwrap();
        }
        for character in '\0'..'\u{900}' {
            agree(&format!("\"{character}\"")).unwrap();
            agree(&format!("\"\\{character}\"")).unwrap();
        }
    }

    #[test]
    fn names_are_in_order_and_each_is_there_once() {
        assert!(accepts(r#"{"":0,"A":1,"a":2,"aa":3,"b":4}"#));
        for wrong in [r#"{"a":1,"a":1}"#, r#"{"b":1,"a":1}"#, r#"{"a":1,"A":1}"#, r#"{"aa":1,"a":1}"#, r#"{"a":1,}"#] {
            assert!(!accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_goes_too_deep_is_left_alone_and_never_runs_out_of_stack() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(accepts(&nested(LEVELS.into())));
        assert!(!accepts(&nested(usize::from(LEVELS) + 1)));
        assert!(!accepts(&"[".repeat(1_000_000)));
        assert!(!accepts(&r#"{"a":"#.repeat(1_000_000)));
    }
}
