//! Printing: tables for people, JSON for programs.
//!
//! TRUST: names, summaries and reasons come from agents. In a table every
//! character that could move the cursor or hide text is replaced.

use std::io::{ErrorKind, Write as _};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// A field to print: what to call it, and where it is (RFC 6901).
pub type Field = (&'static str, &'static str);

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub struct Output(Format);

impl Output {
    /// Prints in `format`.
    pub const fn new(format: Format) -> Self {
        Self(format)
    }

    /// Whether a program reads along.
    pub fn is_json(self) -> bool {
        self.0 == Format::Json
    }

    /// Prints one thing, a field to a line; fields that are not there are left out.
    pub fn one(self, answer: &Value, fields: &[Field]) -> Result<()> {
        if self.is_json() {
            return json(answer);
        }
        let rows: Vec<_> = fields
            .iter()
            .filter_map(|(name, at)| Some([(*name).to_owned(), cell(answer.pointer(at)?)]))
            .filter(|[_, value]| value != EMPTY)
            .collect();
        print(&aligned(&rows))
    }

    /// Prints the list at `rows` in `answer`, a thing to a line.
    pub fn list(self, answer: &Value, rows: &str, columns: &[Field]) -> Result<()> {
        if self.is_json() {
            return json(answer);
        }
        let things = answer.pointer(rows).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if things.is_empty() {
            return print("none\n");
        }
        let head = columns.iter().map(|(name, _)| name.to_uppercase()).collect();
        let line = |thing: &Value| columns.iter().map(|(_, at)| thing.pointer(at).map_or(EMPTY.into(), cell)).collect();
        let lines: Vec<Vec<String>> = std::iter::once(head).chain(things.iter().map(line)).collect();
        print(&aligned(&lines))
    }

    /// Says in a table that something was done; a program gets the answer.
    pub fn done(self, answer: &Value, said: &str) -> Result<()> {
        if self.is_json() { json(answer) } else { print(&format!("{}\n", visible(said))) }
    }
}

/// What a table shows where there is nothing.
const EMPTY: &str = "-";

/// Prints `value` as indented JSON.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Writes to standard output. A reader that has seen enough is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(why).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Where even that fails, the exit code is
/// all there is.
pub fn complain(how: &str, what: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{how}: {what}");
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => visible(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => visible(&other.to_string()),
    };
    if text.is_empty() { EMPTY.into() } else { text }
}

/// `text` on one line, without characters that act on a terminal.
pub fn visible(text: &str) -> String {
    let acts = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// Rows as lines, every column but the last as wide as its widest cell.
fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.as_ref().iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let padded: Vec<String> =
            row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_cannot_write_to_the_terminal_of_whoever_reads_its_name() {
        assert_eq!(cell(&Value::from("a\u{1b}[2Jb\nc\u{202e}d")), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ID".to_owned(), "NAME".to_owned()], ["agent_1".to_owned(), "é".to_owned()]];
        assert_eq!(aligned(&rows), "ID       NAME\nagent_1  é\n");
    }
}
