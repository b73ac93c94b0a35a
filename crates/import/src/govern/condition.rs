//! The language of conditions, as the source reads it: `re.match` of five forms in
//! their order, after a plain split at ` or ` and then ` and `. What fits none never matches.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use crate::finding::{Findings, Severity};
use crate::rule::{Argument, Decimal, Expr, Literal, Order, Test};

/// The longest condition that the source reads, in characters.
const LONGEST: usize = 2000;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Atom {
    Equal(String, String),
    Differs(String, String),
    In(String, Vec<String>),
    Compare(String, Order, String),
    Truthy(String),
    /// Fits none of the forms.
    Never,
}

/// A condition: any of these, each of which needs all of its atoms.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub any: Vec<Vec<Part>>,
    too_long: bool,
}

/// An atom, its text, and what follows it that the source does not look at.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub atom: Atom,
    text: String,
    ignored: String,
}

struct Forms {
    equal: Regex,
    differs: Regex,
    within: Regex,
    compare: Regex,
    bare: Regex,
}

/// The five forms. `None`: does not happen, they are constants.
static FORMS: LazyLock<Option<Forms>> = LazyLock::new(|| {
    let form = |rest: &str| Regex::new(&format!(r"^(\w+(?:\.\w+)*){rest}")).ok();
    Some(Forms {
        equal: form(r#"\s*==\s*['"]([^'"]+)['"]"#)?,
        differs: form(r#"\s*!=\s*['"]([^'"]+)['"]"#)?,
        within: form(r"\s+in\s+\[([^\]]*)\]")?,
        compare: form(r"\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)")?,
        // Python's `$` also stands before a line break at the end.
        bare: form(r"\n?$")?,
    })
});

/// Reads `condition`.
pub(crate) fn parse(condition: &str) -> Parsed {
    if condition.chars().count() > LONGEST {
        return Parsed { any: vec![vec![Part::never(condition)]], too_long: true };
    }
    // A part is stripped where a split made it, and only there.
    let split = |text: &str, at: &str| -> Vec<String> {
        if text.contains(at) {
            text.split(at).map(|part| part.trim().to_owned()).collect()
        } else {
            vec![text.to_owned()]
        }
    };
    let all = |text: String| split(&text, " and ").iter().map(|part| atom(part)).collect();
    Parsed { any: split(condition, " or ").into_iter().map(all).collect(), too_long: false }
}

fn atom(text: &str) -> Part {
    let Some(forms) = &*FORMS else { return Part::never(text) };
    let found = |form: &Regex| {
        let found = form.captures(text)?;
        let group = |n: usize| found.get(n).map_or("", |group| group.as_str()).to_owned();
        let end = found.get(0).map_or(0, |whole| whole.end());
        Some((group(1), group(2), group(3), text.get(end..).unwrap_or_default().trim().to_owned()))
    };
    let part = |atom, ignored| Part { atom, text: text.to_owned(), ignored };
    if let Some((path, value, _, rest)) = found(&forms.equal) {
        return part(Atom::Equal(path, value), rest);
    }
    if let Some((path, value, _, rest)) = found(&forms.differs) {
        return part(Atom::Differs(path, value), rest);
    }
    if let Some((path, items, _, rest)) = found(&forms.within) {
        let items = items.split(',').filter(|item| !item.trim().is_empty());
        return part(
            Atom::In(path, items.map(|item| item.trim().trim_matches(['\'', '"']).to_owned()).collect()),
            rest,
        );
    }
    if let Some((path, sign, number, rest)) = found(&forms.compare) {
        let order = match sign.as_str() {
            ">" => Order::Above,
            ">=" => Order::AtLeast,
            "<" => Order::Below,
            _ => Order::AtMost,
        };
        return part(Atom::Compare(path, order, number), rest);
    }
    match found(&forms.bare) {
        Some((path, ..)) => part(Atom::Truthy(path), String::new()),
        None => Part::never(text),
    }
}

impl Part {
    fn never(text: &str) -> Self {
        Self { atom: Atom::Never, text: text.to_owned(), ignored: String::new() }
    }
}

impl Parsed {
    /// Says what the source makes of it that its author hardly meant.
    pub(crate) fn report(&self, rule: &str, line: usize, findings: &mut Findings) {
        if self.too_long {
            let message = format!("rule `{rule}`: a condition of more than {LONGEST} characters never matches");
            findings.add(Severity::Silent, line, message, "left out");
        }
        for part in self.any.iter().flatten() {
            let Part { atom, text, ignored } = part;
            if !ignored.is_empty() {
                let message = format!("rule `{rule}`: the source does not look at `{ignored}` in `{text}`");
                findings.add(Severity::Silent, line, message, "left out");
            }
            match atom {
                Atom::Never => {
                    let message = format!("rule `{rule}`: `{text}` never matches: {}", why(text));
                    findings.add(Severity::Silent, line, message, "carried as what never matches");
                }
                Atom::Differs(path, _) => {
                    let message = format!("rule `{rule}`: `{text}` also matches a call without `{path}`");
                    findings.add(Severity::Changed, line, message, "carried as it is");
                }
                Atom::Compare(path, order, number) if missing(*order, number) == Some(true) => {
                    let message = format!("rule `{rule}`: `{text}` takes a missing `{path}` for 0, and matches");
                    findings.add(Severity::Changed, line, message, "carried as it is");
                }
                Atom::Equal(path, _) | Atom::In(path, _) | Atom::Compare(path, ..) if !path.contains('.') => {
                    let message = format!(
                        "rule `{rule}`: `{path}` is the argument as a whole and equals nothing: its value is `{path}.value`"
                    );
                    findings.add(Severity::Silent, line, message, "carried as it is");
                }
                Atom::Truthy(path) if !path.contains('.') && path != "action" => {
                    let message =
                        format!("rule `{rule}`: `{path}` matches every call that has the argument, also with `null`");
                    findings.add(
                        Severity::Changed,
                        line,
                        message,
                        "carried, but `null` is the same as no argument here",
                    );
                }
                _ => {}
            }
        }
    }

    /// The same in rules. The error is what has no counterpart.
    pub(crate) fn lower(&self) -> Result<Expr, String> {
        let mut any = Vec::new();
        for all in &self.any {
            let all: Vec<Expr> = all.iter().map(|part| lower(&part.atom)).collect::<Result<_, _>>()?;
            if all.iter().any(|part| matches!(part, Expr::Const(false))) {
                continue;
            }
            any.push(Expr::All(all));
        }
        Ok(if any.is_empty() { Expr::Const(false) } else { Expr::Any(any) })
    }
}

/// Why `text` fits no form, as far as that can be seen.
fn why(text: &str) -> &'static str {
    if text.contains(['(', ')']) {
        "there are no parentheses"
    } else if text.starts_with("not ") || text.starts_with('!') {
        "there is no `not`"
    } else if text.matches(['\'', '"']).count() % 2 == 1 {
        "the source splits at ` or ` and ` and `, also within quotes"
    } else if text.contains("==") || text.contains("!=") {
        "`==` and `!=` compare with a text in quotes that is not empty, and with nothing else"
    } else if text.contains(['<', '>']) {
        "a comparison needs a number that begins with a digit"
    } else {
        "it is none of `a.b == 'x'`, `a.b != 'x'`, `a.b in [..]`, `a.b > 1` and `a.b`"
    }
}

fn missing(order: Order, number: &str) -> Option<bool> {
    let number: f64 = number.parse().ok()?;
    Some(order.holds(0.0_f64.partial_cmp(&number).unwrap_or(Ordering::Equal)))
}

fn lower(atom: &Atom) -> Result<Expr, String> {
    let (path, test, negate) = match atom {
        Atom::Never => return Ok(Expr::Const(false)),
        Atom::Equal(path, value) => (path, Test::Equal(Literal::Text(value.clone())), false),
        Atom::Differs(path, value) => (path, Test::Equal(Literal::Text(value.clone())), true),
        Atom::In(path, items) => (path, Test::OneOf(items.iter().cloned().map(Literal::Text).collect()), false),
        Atom::Truthy(path) => (path, Test::Truthy, false),
        Atom::Compare(path, order, number) => {
            let Some(number) = Decimal::parse(number) else {
                return Err(format!("`{number}` has more digits than can be carried exactly"));
            };
            (path, Test::Order(*order, number), false)
        }
    };
    let without = match (&test, atom) {
        (_, Atom::Compare(_, order, number)) => missing(*order, number).unwrap_or(false),
        _ => negate,
    };
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["action"] => Ok(whole(&test, negate)),
        ["action", "type"] => Ok(Expr::Tool { test, negate }),
        ["action", ..] => Err(format!("`{path}`: a call here has a tool, and nothing else that `action` could hold")),
        ["sql" | "k8s", _, ..] => {
            Err(format!("`{path}` is worked out from the text of a statement: policies read no SQL"))
        }
        // The argument as a whole is a mapping there, so it equals no text and is no number.
        [name] => {
            let path = vec![(*name).to_owned()];
            let given =
                |negate, missing| Expr::Argument(Argument { path: path.clone(), test: Test::Given, negate, missing });
            Ok(match (&test, negate) {
                (Test::Truthy, _) => given(false, false),
                (Test::Order(..), _) if without => given(true, true),
                (_, negate) => Expr::Const(negate),
            })
        }
        [name, "value"] => Ok(argument(&[name], test, negate, without)),
        path => Ok(argument(path, test, negate, without)),
    }
}

/// `action` as a whole: a mapping that is there.
fn whole(test: &Test, negate: bool) -> Expr {
    Expr::Const(matches!(test, Test::Truthy) || negate)
}

fn argument(path: &[&str], test: Test, negate: bool, missing: bool) -> Expr {
    Expr::Argument(Argument { path: path.iter().map(|part| (*part).to_owned()).collect(), test, negate, missing })
}
