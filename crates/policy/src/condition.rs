//! The conditions of a policy: as one expression, and what it reads of a request.
//!
//! A policy is only evaluated where its head matches, and a request has more
//! about it than most conditions ask. So the head is left out, and only what
//! is read is put into Cedar's values.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, What, tokens};

/// What conditions read of a request. INVARIANT: never less than what they read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// The members of the context.
    pub context: Members,
    /// Whether anything may depend on what is in what, or on what has which name.
    pub entities: bool,
}

/// Members of a record that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Members {
    /// All of them, with all there is in them.
    All,
    /// These, and what is read of each.
    Named(BTreeMap<String, Inner>),
}

/// What is read of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inner {
    /// All of it.
    All,
    /// Whether it is there, and these members.
    Named(BTreeSet<String>),
}

impl Default for Members {
    fn default() -> Self {
        Self::Named(BTreeMap::new())
    }
}

impl Inner {
    /// Whether `member` is read.
    pub(crate) fn has(&self, member: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(members) => members.contains(member),
        }
    }
}

impl Reads {
    /// Everything there is.
    pub(crate) const fn all() -> Self {
        Self { context: Members::All, entities: true }
    }

    /// What is read of a member of the context; `None`: nothing.
    pub(crate) fn of(&self, member: &str) -> Option<&Inner> {
        match &self.context {
            Members::All => Some(&Inner::All),
            Members::Named(members) => members.get(member),
        }
    }

    /// Reads what `other` reads too.
    pub(crate) fn add(&mut self, other: &Self) {
        self.entities |= other.entities;
        match &other.context {
            Members::All => self.context = Members::All,
            Members::Named(members) => {
                for (name, inner) in members {
                    self.add_member(name, inner.clone());
                }
            }
        }
    }

    fn add_member(&mut self, name: &str, inner: Inner) {
        let Members::Named(members) = &mut self.context else { return };
        match (members.get_mut(name), inner) {
            (Some(Inner::All), _) => {}
            (Some(Inner::Named(known)), Inner::Named(more)) => known.extend(more),
            (_, inner) => {
                members.insert(name.to_owned(), inner);
            }
        }
    }
}

/// The conditions of the policy `text` as one Cedar expression; `None` where it has none.
pub(crate) fn expression(text: &str) -> Option<String> {
    let clauses = clauses(text);
    // `true &&` makes anything but a truth an error, as it is in a policy. A
    // comment at the end of a clause must not hide the bracket.
    let written = clauses.iter().map(|(unless, body)| format!(" && {}({body}\n)", if *unless { "!" } else { "" }));
    (!clauses.is_empty()).then(|| std::iter::once("true".to_owned()).chain(written).collect())
}

/// What is between the brackets of each condition of the policy `text`, and at which byte it begins.
pub(crate) fn bodies(text: &str) -> Vec<(usize, &str)> {
    let begin = |body: &str| body.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    clauses(text).into_iter().map(|(_, body)| (begin(body), body)).collect()
}

/// What is between the brackets of each `when` (`false`) and `unless` (`true`).
fn clauses(text: &str) -> Vec<(bool, &str)> {
    let (mut found, mut depth, mut open) = (Vec::new(), 0_usize, None);
    let mut last = What::Sign(';');
    for Token { at, what } in tokens(text) {
        match what {
            What::Sign('(' | '[' | '{') => {
                if let (0, What::Word(word @ ("when" | "unless"))) = (depth, last) {
                    open = Some((word == "unless", at + 1));
                }
                depth += 1;
            }
            What::Sign(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if let (0, Some((unless, from))) = (depth, open) {
                    found.push((unless, text.get(from..at).unwrap_or_default()));
                    open = None;
                }
            }
            _ => {}
        }
        last = what;
    }
    found
}

/// What the Cedar expression `text` reads. What is written in an unusual way reads everything.
pub(crate) fn reads(text: &str) -> Reads {
    let tokens: Vec<What<'_>> = tokens(text).map(|token| token.what).collect();
    let mut reads = Reads::default();
    for (at, what) in tokens.iter().enumerate() {
        let What::Word(word) = what else { continue };
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let after = tokens.get(at + 1..).unwrap_or_default();
        let literal = matches!(after, [What::Sign(':'), What::Sign(':'), ..]);
        match *word {
            // A member of something else that has the same name.
            _ if before == Some(&What::Sign('.')) => {}
            "context" => context(&mut reads, after),
            "principal" | "action" | "resource" => reads.entities = true,
            // These are in nothing and have no members.
            "Effect" | "Mode" | "Session" => {}
            _ if literal => reads.entities = true,
            _ => {}
        }
    }
    reads
}

/// What `context`, followed by these tokens, reads.
fn context(reads: &mut Reads, after: &[What<'_>]) {
    let Some((name, tested, rest)) = step(after) else {
        reads.context = Members::All;
        return;
    };
    let inner = match step(rest) {
        Some((member, ..)) => Inner::Named(BTreeSet::from([member.to_owned()])),
        None if tested => Inner::Named(BTreeSet::new()),
        None => Inner::All,
    };
    reads.add_member(name, inner);
}

/// The member that `.name` or ` has name` reads, whether only its being there
/// is asked, and what follows.
fn step<'a, 'b>(after: &'b [What<'a>]) -> Option<(&'a str, bool, &'b [What<'a>])> {
    match after {
        [What::Sign('.'), What::Word(name), rest @ ..] => Some((name, false, rest)),
        [What::Word("has"), What::Word(name), rest @ ..] => Some((name, true, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conditions_are_found_whatever_stands_around_them() {
        let text = "@reason(\"when { x }\") forbid (principal, action, resource) // when { y }\n\
            when { context.a == \"}\" // why }\n} unless { {when: 1}.when == 2 };";
        let expected = [(false, " context.a == \"}\" // why }\n"), (true, " {when: 1}.when == 2 ")];
        assert_eq!(clauses(text), expected);
        assert_eq!(
            expression(text).unwrap(),
            "true && ( context.a == \"}\" // why }\n\n) && !( {when: 1}.when == 2 \n)"
        );
        assert_eq!(expression("permit (principal, action, resource);"), None);
    }

    /// The members of the context that `text` reads, as `a` (whole) or `a.b`.
    fn read(text: &str) -> String {
        let Reads { context, entities } = reads(text);
        let mut words = vec![];
        match context {
            Members::All => words.push("everything".to_owned()),
            Members::Named(members) => {
                for (name, inner) in members {
                    match inner {
                        Inner::All => words.push(name),
                        Inner::Named(inner) if inner.is_empty() => words.push(format!("{name}?")),
                        Inner::Named(inner) => words.extend(inner.iter().map(|member| format!("{name}.{member}"))),
                    }
                }
            }
        }
        words.extend(entities.then(|| "entities".to_owned()));
        words.join(" ")
    }

    #[test]
    fn what_a_condition_reads_is_never_less_than_it_reads() {
        for (text, expected) in [
            ("true", ""),
            ("context.trust > 5 && context.trust < 7", "trust"),
            ("context has session && context.session.calls > 5", "session.calls"),
            ("context has session", "session?"),
            ("context has session.calls", "session.calls"),
            ("context.arguments has to && context.arguments.to.who.name == \"x\"", "arguments.to"),
            ("context.arguments == context.arguments || context.arguments.to == 1", "arguments"),
            ("context . /* */ trust", "everything"),
            ("context // c\n . // d\n trust", "trust"),
            ("context[\"trust\"] > 5", "everything"),
            ("context has \"trust\"", "everything"),
            ("context.arguments[\"to\"] == 1", "arguments"),
            ("(context).trust > 5", "everything"),
            ("{a: context}.a.trust > 5", "everything"),
            ("context.arguments.context == 1", "arguments.context"),
            ("context.arguments.principal == 1", "arguments.principal"),
            ("principal.name == \"x\"", "entities"),
            ("\"principal\" == \"context\"", ""),
            ("Agent :: \"a\" in Organisation::\"b\"", "entities"),
            ("context.effect == Effect::\"read\"", "effect"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
