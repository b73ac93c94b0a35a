//! Patterns: of regular expressions those that Cedar's `like` can say.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::quote::escaped;

/// How many patterns a regular expression may become.
const MOST: usize = 64;

/// A pattern of `like`: texts, and stars between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Star,
    Begin,
    End,
}

impl Glob {
    /// `*text*`.
    pub(crate) fn containing(text: &str) -> Self {
        Self(vec![Piece::Star, Piece::Text(text.to_owned()), Piece::Star])
    }

    /// As a pattern of Cedar, without its quotes.
    pub(crate) fn pattern(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => escaped(text).replace('*', r"\*"),
            Piece::Star => "*".to_owned(),
            Piece::Begin | Piece::End => String::new(),
        };
        self.0.iter().map(piece).collect()
    }

    /// A text that fits, with `star` for each star.
    pub(crate) fn sample(&self, star: &str) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Star => star.to_owned(),
            Piece::Begin | Piece::End => String::new(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// The patterns that together fit what Python's `re.search(regex, …)` finds in. `None`:
/// there are none. In the name of a tool there is no line break, so `.` is any character there.
pub(crate) fn of_regex(regex: &str, in_names: bool) -> Option<Vec<Glob>> {
    let hir = regex_syntax::parse(regex).ok()?;
    let mut globs = Vec::new();
    for pieces in expand(&hir, in_names)? {
        let glob = anchored(&pieces)?;
        // Python's `$` also stands before a line break at the end.
        if pieces.last() == Some(&Piece::End) && !in_names {
            let mut with_break = glob.clone();
            with_break.0.push(Piece::Text("\n".to_owned()));
            globs.push(with_break);
        }
        globs.push(glob);
    }
    Some(globs)
}

/// `pieces` with a star at each end that is not anchored. `None`: an anchor stands elsewhere.
fn anchored(pieces: &[Piece]) -> Option<Glob> {
    let (begin, rest) = match pieces {
        [Piece::Begin, rest @ ..] => (None, rest),
        rest => (Some(Piece::Star), rest),
    };
    let (rest, end) = match rest {
        [rest @ .., Piece::End] => (rest, None),
        rest => (rest, Some(Piece::Star)),
    };
    if rest.iter().any(|piece| matches!(piece, Piece::Begin | Piece::End)) {
        return None;
    }
    let mut all: Vec<Piece> = begin.into_iter().chain(rest.iter().cloned()).chain(end).collect();
    all.dedup_by(|a, b| a == b && *a == Piece::Star);
    Some(Glob(all))
}

fn expand(hir: &Hir, in_names: bool) -> Option<Vec<Vec<Piece>>> {
    let found = match hir.kind() {
        HirKind::Empty => vec![vec![]],
        HirKind::Literal(literal) => vec![vec![Piece::Text(String::from_utf8(literal.0.to_vec()).ok()?)]],
        HirKind::Look(Look::Start) => vec![vec![Piece::Begin]],
        HirKind::Look(Look::End) => vec![vec![Piece::End]],
        HirKind::Capture(capture) => expand(&capture.sub, in_names)?,
        HirKind::Class(class) => one_of(class)?,
        HirKind::Repetition(repetition) => repeated(repetition, in_names)?,
        HirKind::Alternation(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| expand(part, in_names)).collect::<Option<_>>()?;
            parts.concat()
        }
        HirKind::Concat(parts) => {
            let mut all = vec![vec![]];
            for part in parts {
                let part = expand(part, in_names)?;
                all = all
                    .iter()
                    .flat_map(|head: &Vec<Piece>| {
                        part.iter().map(move |tail| [head.as_slice(), tail.as_slice()].concat())
                    })
                    .collect();
                if all.len() > MOST {
                    return None;
                }
            }
            all
        }
        HirKind::Look(_) => return None,
    };
    (found.len() <= MOST).then_some(found)
}

fn one_of(class: &Class) -> Option<Vec<Vec<Piece>>> {
    let Class::Unicode(class) = class else { return None };
    let characters: Vec<char> = class.iter().flat_map(|range| range.start()..=range.end()).take(MOST + 1).collect();
    (characters.len() <= MOST).then(|| characters.iter().map(|c| vec![Piece::Text(c.to_string())]).collect())
}

fn repeated(repetition: &Repetition, in_names: bool) -> Option<Vec<Vec<Piece>>> {
    match (repetition.min, repetition.max) {
        (0, None) if any(&repetition.sub, in_names) => Some(vec![vec![Piece::Star]]),
        (0, Some(1)) => {
            let mut found = expand(&repetition.sub, in_names)?;
            found.push(Vec::new());
            Some(found)
        }
        _ => None,
    }
}

/// Whether `hir` is one character, whichever it is.
fn any(hir: &Hir, in_names: bool) -> bool {
    let HirKind::Class(Class::Unicode(class)) = hir.kind() else { return false };
    let mut missing = class.clone();
    missing.negate();
    let missing: Vec<char> = missing.iter().flat_map(|range| range.start()..=range.end()).take(2).collect();
    missing.is_empty() || (in_names && missing == ['\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(regex: &str, in_names: bool) -> Option<Vec<String>> {
        Some(of_regex(regex, in_names)?.iter().map(Glob::pattern).collect())
    }

    #[test]
    fn what_like_can_say_is_said_and_nothing_else() {
        let some = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(globs("^(exec|eval)$", true), some(&["exec", "eval"]));
        assert_eq!(globs("^(get_|list_)", true), some(&["get_*", "list_*"]));
        assert_eq!(globs("drop", true), some(&["*drop*"]));
        assert_eq!(globs("^a.*b?$", true), some(&["a*b", "a*"]));
        assert_eq!(globs(r"a\*b", false), some(&[r"*a\*b*"]));
        assert_eq!(globs("^a$", false), some(&["a\n", "a"].map(|text| if text == "a" { "a" } else { r"a\n" })));
        assert_eq!(globs("(?s)^a.*b", false), some(&["a*b*"]));
        for regex in [r"\bx\b", "a+", "^a.*b", r"\d{3}", "a.b", "(?i)ignore all previous", "a$b", "("] {
            assert_eq!(globs(regex, false), None, "{regex}");
        }
    }
}
