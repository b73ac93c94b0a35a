//! Policy texts, cut into their statements.
//!
//! Cedar's parser gives up at the first statement it cannot read. Each is
//! parsed alone, so that one look finds the errors of all.

use crate::fault::Fault;
use crate::tokens::{What, tokens};

/// A text with policies, and what to call it in messages.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What to call it: the path below the policy folder.
    pub file: &'a str,
    /// The text.
    pub text: &'a str,
}

/// One statement of a text: a policy, we hope.
#[derive(Debug, Clone)]
pub(crate) struct Statement<'a> {
    /// The byte of the text it begins with.
    pub begin: usize,
    /// From its first token to its `;`, and so without what is written above it.
    pub text: &'a str,
    /// Where in the whole text each `@` stands.
    pub marks: Vec<usize>,
    /// How deep its brackets and runs of `!` and `-` go.
    pub depth: usize,
}

/// Cuts `text` at every `;` that is not in a string or comment.
pub(crate) fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let (mut begin, mut marks, mut depth) = (None, Vec::new(), Depth::default());
    for token in tokens(text) {
        let from = *begin.get_or_insert(token.at);
        depth.step(token.what);
        match token.what {
            What::Sign('@') => marks.push(token.at),
            What::Sign(';') => {
                let text = text.get(from..=token.at).unwrap_or_default();
                let (marks, depth) = (std::mem::take(&mut marks), std::mem::take(&mut depth).most);
                found.push(Statement { begin: from, text, marks, depth });
                begin = None;
            }
            _ => {}
        }
    }
    if let Some(from) = begin {
        let text = text.get(from..).unwrap_or_default().trim_end();
        found.push(Statement { begin: from, text, marks, depth: depth.most });
    }
    found
}

/// How deep a parser would have to go.
///
/// TRUST: a parser that recurses ends the process on a text that is nested
/// deeply enough, before anything could be said about it.
#[derive(Default)]
struct Depth {
    open: usize,
    run: usize,
    most: usize,
}

impl Depth {
    fn step(&mut self, what: What<'_>) {
        self.run = if matches!(what, What::Sign('!' | '-')) { self.run + 1 } else { 0 };
        match what {
            What::Sign('(' | '[' | '{') => self.open += 1,
            What::Sign(')' | ']' | '}') => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.most = self.most.max(self.open + self.run);
    }
}

/// `source` as the formatter writes it: lines of at most 100 characters where
/// that is possible, indented by two.
pub fn format(source: Source<'_>) -> Result<String, Fault> {
    let config = cedar_policy_formatter::Config { line_width: 100, indent_width: 2 };
    cedar_policy_formatter::policies_str_to_pretty(source.text, &config)
        .map_err(|why| Fault::of_cedar(source.file, source.text, 0, &*why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_in_a_string_or_a_comment_ends_nothing() {
        let text = "// one; two\n@id(\"a;\\\";b\") // here;\npermit (principal, action, resource);\n\n  forbid (x)";
        let found = statements(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].text.starts_with("@id") && found[0].text.ends_with("resource);"));
        assert_eq!(found[0].marks, [12]);
        assert_eq!((found[1].text, found[1].begin), ("forbid (x)", text.len() - 10));
    }
}
