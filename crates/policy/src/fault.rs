//! What is wrong with a text, and where.

use std::fmt;

use miette::Diagnostic;

/// Below this likeness a suggestion would mislead more than it helps.
const LIKE: f64 = 0.75;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The set is not used.
    Error,
    /// The set is used, but hardly does what its author meant.
    Warning,
}

/// One thing that is wrong, where, and what to do about it.
/// Prints as `file:line:column: message; help`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl Fault {
    /// An error at byte `at` of `text`.
    pub(crate) fn error(file: &str, text: &str, at: usize, message: impl Into<String>) -> Self {
        let (line, column) = position(text, at);
        let file = file.to_owned();
        Self { severity: Severity::Error, file, line, column, message: message.into(), help: None }
    }

    /// The same, with what would be right.
    pub(crate) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// What Cedar says about the statement that begins at byte `begin` of
    /// `text`. Its positions count from there.
    pub(crate) fn of_cedar(file: &str, text: &str, begin: usize, found: &dyn Diagnostic) -> Self {
        let label = found.labels().and_then(|mut labels| labels.next());
        let at = begin + label.as_ref().map_or(0, miette::LabeledSpan::offset);
        let mut message = found.to_string();
        if let Some(said) = label.as_ref().and_then(miette::LabeledSpan::label) {
            message = format!("{message}: {said}");
        }
        let help = found.help().map(|help| help.to_string()).filter(|help| is_likely(&message, help));
        Self::error(file, text, at, message).with_help(help)
    }
}

/// Whether what `help` suggests is like a name in `message`: Cedar names the nearest, however far.
fn is_likely(message: &str, help: &str) -> bool {
    let Some(suggested) = help.strip_prefix("did you mean `").map(name) else { return true };
    message.split('`').skip(1).step_by(2).any(|named| strsim::jaro_winkler(name(named), suggested) >= LIKE)
}

/// The part of `path` that somebody chose: the text in quotes, or what follows the last dot.
fn name(path: &str) -> &str {
    match path.split('"').nth(1) {
        Some(quoted) => quoted,
        None => path.split('`').next().and_then(|path| path.rsplit('.').next()).unwrap_or(path),
    }
}

/// The line and column of byte `at`, from 1.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before: &str = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// The one of `right` that is most like `wrong`, as help.
pub(crate) fn did_you_mean(wrong: &str, right: &[&str]) -> Option<String> {
    let scored = right.iter().map(|name| (strsim::jaro_winkler(wrong, name), name));
    let (best, name) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best >= LIKE).then(|| format!("did you mean `{name}`?"))
}
