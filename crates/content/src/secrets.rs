//! Secrets: one automaton finds how keys of known providers begin and the words
//! that secrets stand behind; what follows is then checked by shape, checksum and
//! how random it looks. Time is linear: what follows is read up to a fixed length.

mod checksum;
mod keyword;
mod shape;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};

use crate::finding::{Hit, Places};
use keyword::KEYWORDS;
pub(crate) use keyword::Named;
use shape::SHAPES;

/// The automata.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    prefixes: AhoCorasick,
    keywords: AhoCorasick,
}

impl Secrets {
    pub(crate) fn new() -> Result<Self, BuildError> {
        Ok(Self {
            prefixes: AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(SHAPES.iter().map(|shape| shape.prefix))?,
            keywords: AhoCorasick::builder().ascii_case_insensitive(true).build(KEYWORDS)?,
        })
    }

    pub(crate) fn search(&self, text: &str, found: &mut Vec<Hit>) {
        let before = found.len();
        let mut behind = 0;
        for begun in self.prefixes.find_iter(text) {
            let Some(shape) = SHAPES.get(begun.pattern().as_usize()) else { continue };
            // Within what was read already: once is enough, and keeps the time linear.
            if begun.start() < behind {
                continue;
            }
            // `task-…` is not `sk-…`: a key begins where a word does.
            let within_word = text.get(..begun.start()).is_some_and(|left| left.ends_with(is_word));
            if within_word && shape.at_word {
                continue;
            }
            let Some((severity, length)) = text.get(begun.end()..).and_then(|rest| (shape.read)(shape.prefix, rest))
            else {
                continue;
            };
            behind = begun.end() + length;
            found.push(Hit::new(shape.family, severity, begun.start(), behind));
        }
        let known = Places::of(found.get(before..).unwrap_or_default().iter());
        for word in self.keywords.find_iter(text) {
            let value =
                text.get(word.end()..).and_then(keyword::value).map(|(from, to)| (word.end() + from, word.end() + to));
            if let Some((start, end)) = value
                && !known.touch(start, end)
            {
                found.push(keyword::hit(start, end));
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
