//! What an import has to say about a document: one thing, where, and what was done.

use std::fmt;

use crate::yaml::Node;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The source acts on it, and what was written does not: refused without `--partial`.
    Lost,
    /// The source ignores it, or never matches it, so what was written leaves it out. Whoever
    /// wrote it believes that it holds: refused without `--partial`.
    Silent,
    /// Carried as the source acts, which is not what it says.
    Changed,
    /// Carried; worth knowing.
    Note,
}

impl Severity {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Silent => "silent",
            Self::Changed => "changed",
            Self::Note => "note",
        }
    }

    /// Whether something that was written in the source is not in the output.
    #[must_use]
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::Lost | Self::Silent)
    }
}

/// One finding. Prints as `file:line: severity: message; what was done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was found.
    pub message: String,
    /// What was done about it, or can be.
    pub done: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, line, message, done } = self;
        write!(f, "{file}:{line}: {}: {message}; {done}", severity.as_str())
    }
}

/// The findings of one document, while it is read.
#[derive(Debug)]
pub(crate) struct Findings {
    file: String,
    found: Vec<Finding>,
}

impl Findings {
    pub(crate) fn of(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn add(&mut self, severity: Severity, line: usize, message: impl Into<String>, done: impl Into<String>) {
        let finding = Finding { severity, file: self.file.clone(), line, message: message.into(), done: done.into() };
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// Says which of `members` are not `known`.
    pub(crate) fn unknown(&mut self, members: &[(String, Node)], known: &[&str], of: &str) {
        for (name, node) in members.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let message = format!("`{name}` is no key of {of}: the source ignores it");
            self.add(Severity::Silent, node.line, message, "left out");
        }
    }

    /// Whether something at `line` is lost.
    pub(crate) fn any_lost_at(&self, line: usize) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Lost && finding.line == line)
    }

    /// All of them, by line and then by how much they matter.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort_by(|a, b| (a.line, a.severity, &a.message).cmp(&(b.line, b.severity, &b.message)));
        self.found
    }
}
