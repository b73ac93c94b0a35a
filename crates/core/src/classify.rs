//! Which effect an action has, judged by its name.
//!
//! A name is split into words at every character that is not an ASCII letter
//! or digit, at camelCase humps and between letters and digits. A word counts
//! only as a whole: `get` is in `getUser` and not in `budget`. The highest
//! tier wins, and a name without a known word is mutating.

use crate::effect::Effect;

/// The 34 words, by tier. `transfer_ownership` is two words in a row.
pub const KEYWORDS: [(Effect, &[&str]); 4] = [
    (Effect::Read, &["get", "list", "read", "describe", "search", "view", "fetch", "query", "head"]),
    (
        Effect::Mutating,
        &[
            "write", "update", "create", "execute", "invoke", "modify", "send", "put", "post", "commit", "push",
            "deploy",
        ],
    ),
    (Effect::Destructive, &["delete", "drop", "destroy", "purge", "terminate", "remove", "truncate"]),
    (Effect::Admin, &["admin", "transfer_ownership", "revoke", "escalate", "grant", "impersonate"]),
];

/// An effect, and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classification {
    /// The effect.
    pub effect: Effect,
    /// What decided it.
    pub by: By,
}

/// What decided an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This word in the name.
    Keyword(&'static str),
    /// The operator said so for this tool.
    Override,
    /// The caller said it is worse than it looks.
    Hint,
    /// No word was known.
    Unknown,
}

impl By {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyword(_) => "keyword",
            Self::Override => "override",
            Self::Hint => "hint",
            Self::Unknown => "unknown",
        }
    }
}

/// Classifies `tool`. An operator's override replaces what the name says; a
/// caller's hint may only raise the result.
#[must_use]
pub fn classify(tool: &str, operator: Option<Effect>, hint: Option<Effect>) -> Classification {
    let found = match operator {
        Some(effect) => Classification { effect, by: By::Override },
        None => by_name(tool),
    };
    match hint {
        Some(effect) if effect > found.effect => Classification { effect, by: By::Hint },
        _ => found,
    }
}

fn by_name(tool: &str) -> Classification {
    let mut found: Option<(Effect, &'static str)> = None;
    let mut after_transfer = false;
    for word in words(tool) {
        let known = if after_transfer && word.eq_ignore_ascii_case("ownership") {
            Some((Effect::Admin, "transfer_ownership"))
        } else {
            lookup(word)
        };
        after_transfer = word.eq_ignore_ascii_case("transfer");
        if let Some(hit) = known
            && found.is_none_or(|best| hit.0 > best.0)
        {
            found = Some(hit);
        }
    }
    match found {
        Some((effect, word)) => Classification { effect, by: By::Keyword(word) },
        None => Classification { effect: Effect::Mutating, by: By::Unknown },
    }
}

fn lookup(word: &str) -> Option<(Effect, &'static str)> {
    // The shortest keyword has three letters and the longest single word eleven.
    if !(3..=11).contains(&word.len()) {
        return None;
    }
    KEYWORDS
        .iter()
        .find_map(|(effect, keywords)| keywords.iter().find(|k| k.eq_ignore_ascii_case(word)).map(|k| (*effect, *k)))
}

/// The words of a name, in order.
pub(crate) fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(humps).filter(|w| !w.is_empty())
}

/// Splits `parseHTTPHeader2` into `parse`, `HTTP`, `Header`, `2`.
fn humps(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, tail) = rest.split_at(hump_end(rest.as_bytes()));
        rest = tail;
        Some(word)
    })
}

fn hump_end(bytes: &[u8]) -> usize {
    let kind = |b: u8| match b {
        b'A'..=b'Z' => 'U',
        b'0'..=b'9' => '9',
        _ => 'l',
    };
    let pairs = bytes.iter().zip(bytes.iter().skip(1)).enumerate();
    for (at, (&this, &next)) in pairs {
        match (kind(this), kind(next)) {
            ('U', 'l') if at > 0 => return at,
            ('U', 'l') => {}
            (a, b) if a != b => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: &str) -> Vec<&str> {
        words(name).collect()
    }

    #[test]
    fn names_split_at_separators_humps_and_digits() {
        assert_eq!(split("parseHTTPHeader2"), ["parse", "HTTP", "Header", "2"]);
        assert_eq!(split("github/create_issue"), ["github", "create", "issue"]);
        assert_eq!(split("GetURL"), ["Get", "URL"]);
        assert_eq!(split("--"), Vec::<&str>::new());
    }

    #[test]
    fn there_are_thirty_four_keywords() {
        assert_eq!(KEYWORDS.iter().map(|(_, words)| words.len()).sum::<usize>(), 34);
    }
}
