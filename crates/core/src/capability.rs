//! Which tools a name in an allow-list, a blocklist or a scope stands for.

use serde::{Deserialize, Serialize};

/// A capability or scope: an exact name, or a prefix when it ends in `*`.
/// `*` alone is everything. A `*` elsewhere is an ordinary character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Reads a pattern; any text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is one of the names this stands for.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => *self.0 == *name,
        }
    }

    /// Whether every name that `narrower` stands for is one of ours too.
    #[must_use]
    pub fn covers(&self, narrower: &Self) -> bool {
        match (self.0.strip_suffix('*'), narrower.0.strip_suffix('*')) {
            (Some(ours), Some(theirs)) => theirs.starts_with(ours),
            (Some(ours), None) => narrower.0.starts_with(ours),
            (None, Some(_)) => false,
            (None, None) => self == narrower,
        }
    }
}

/// Whether any pattern matches `name`.
#[must_use]
pub fn allows(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|p| p.matches(name))
}

/// The first of `narrower` that nothing in `wider` covers.
#[must_use]
pub fn widened<'a>(wider: &[Pattern], narrower: &'a [Pattern]) -> Option<&'a Pattern> {
    narrower.iter().find(|n| !wider.iter().any(|w| w.covers(n)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_covered_pattern_matches_its_cover_matches(
            wide in "[ab]{0,2}\\*?", narrow in "[ab]{0,3}\\*?", name in "[ab]{0,5}",
        ) {
            let (wide, narrow) = (Pattern::new(&wide), Pattern::new(&narrow));
            if wide.covers(&narrow) && narrow.matches(&name) {
                prop_assert!(wide.matches(&name));
            }
        }
    }
}
