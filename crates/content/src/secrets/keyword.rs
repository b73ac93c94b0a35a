//! Values that look random behind a word that announces a secret.

use crate::finding::{Family, Hit, Severity};

/// The words.
pub(super) const KEYWORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "client_secret",
    "credential",
    "passphrase",
    "aws_secret_access_key",
    "authorization: bearer",
];

/// How far behind the word a value may begin.
const REACH: usize = 6;

/// How many characters a value has at least, and is read at most.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// Where a value that looks random stands in what follows the word.
pub(super) fn value(rest: &str) -> Option<(usize, usize)> {
    let between = |c: char| matches!(c, '"' | '\'' | ' ' | ':' | '=' | '>' | '`' | '\\');
    let from = rest.bytes().take(REACH + 1).take_while(|b| between(char::from(*b))).count();
    let gap = rest.get(..from)?;
    if from > REACH || !gap.contains([':', '=', ' ']) {
        return None;
    }
    let text = rest.get(from..)?;
    let length = text
        .bytes()
        .take(*LENGTHS.end())
        .take_while(|b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'+' | b'/'
                        | b'='
                        | b'_'
                        | b'-'
                        | b'.'
                        | b'~'
                        | b'!'
                        | b'@'
                        | b'#'
                        | b'$'
                        | b'%'
                        | b'^'
                        | b'&'
                        | b'*'
                )
        })
        .count();
    let value = text.get(..length)?.trim_end_matches(['.', '!']);
    (LENGTHS.contains(&value.len()) && looks_random(value)).then_some((from, from + value.len()))
}

/// Names of members that hold nothing but a secret.
const NAMES: &[&str] =
    &["password", "passwd", "pwd", "passphrase", "clientsecret", "secretkey", "privatekey", "apikey", "accesskey"];

/// The [`KEYWORDS`] as they stand in names, without what others hold.
const ANNOUNCING: &[&str] =
    &["password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "credential"];

/// What the name of a member says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Named {
    /// Nothing.
    #[default]
    Otherwise,
    /// It has a word that announces a secret.
    LikeSecret,
    /// It says that this is one.
    Secret,
}

impl Named {
    pub(crate) fn of(name: &str) -> Self {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        // What leads to the next page opens nothing else.
        let pages = ["page", "next", "continuation", "cursor", "sync"].iter().any(|word| name.contains(word));
        let announced = ANNOUNCING.iter().any(|word| name.contains(word));
        match (NAMES.contains(&name.as_str()), announced && !pages) {
            (true, _) => Self::Secret,
            (false, true) => Self::LikeSecret,
            (false, false) => Self::Otherwise,
        }
    }

    /// How sure it is that the value under this name is a secret, if at all.
    pub(crate) fn judge(self, value: &str) -> Option<Severity> {
        const PLACEHOLDERS: &[char] = &['$', '{', '<', '*', ' '];
        if self == Self::Otherwise || value.contains(PLACEHOLDERS) {
            return None;
        }
        if LENGTHS.contains(&value.len()) && looks_random(value) {
            return Some(Severity::Medium);
        }
        (self == Self::Secret && (6..=256).contains(&value.len())).then_some(Severity::Low)
    }
}

pub(super) fn hit(start: usize, end: usize) -> Hit {
    Hit::new(Family::KeywordSecret, Severity::Medium, start, end)
}

/// Digits and letters mixed throughout, with little repetition: names, paths,
/// addresses and sentences are not.
fn looks_random(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.bytes().filter(is).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let changes = value.as_bytes().windows(2).filter(|pair| matches!(pair, [a, b] if class(*a) != class(*b))).count();
    digits >= 2 && letters >= 2 && changes * 4 >= value.len() && entropy(value) >= 3.0
}

fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}

/// Shannon's entropy of the characters, in bits per character.
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{KEYWORDS, Named};

    #[test]
    fn every_keyword_announces_a_secret_however_a_name_spells_it() {
        for word in KEYWORDS.iter().filter(|word| !word.contains(':')) {
            for name in [format!("my_{word}"), word.replace('_', "-").to_uppercase() + "2", word.replace('_', "")] {
                assert_ne!(Named::of(&name), Named::Otherwise, "{name}");
            }
        }
    }
}
