//! What checking evidence showed, in a form to print.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::output::{Output, json, print, visible};

/// What checking something showed. It is verified only if everything that was
/// to be checked could be, and holds.
#[derive(Debug)]
pub struct Finding {
    verified: Option<bool>,
    said: String,
    found: Map<String, Value>,
    notes: Vec<String>,
}

impl Finding {
    /// Everything holds; `said` tells a person, `found` are members for a program.
    pub fn holds(said: impl Into<String>, found: Value) -> Self {
        Self { verified: Some(true), said: said.into(), found: members(found), notes: Vec::new() }
    }

    /// Something was done, and nothing is claimed to be verified.
    pub fn done(said: impl Into<String>, found: Value) -> Self {
        Self { verified: None, said: said.into(), found: members(found), notes: Vec::new() }
    }

    /// What could be checked holds, and something could not be: what, and what to give.
    pub fn unchecked(what: impl Into<String>, found: Value) -> Self {
        let what = what.into();
        let mut found = members(found);
        found.insert("unchecked".to_owned(), what.clone().into());
        Self { verified: Some(false), said: what, found, notes: Vec::new() }
    }

    /// Something does not hold.
    pub fn bad(fault: impl Into<String>, found: Value) -> Self {
        let fault = fault.into();
        let mut found = members(found);
        found.insert("fault".to_owned(), fault.clone().into());
        Self { verified: Some(false), said: format!("does not verify: {fault}"), found, notes: Vec::new() }
    }

    /// The entry at `position`, counting from 0, does not hold; it is the first.
    pub fn bad_entry(position: u64, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        let said = format!("entry {position} does not verify: {fault}");
        let found = members(json!({ "position": position, "fault": fault }));
        Self { verified: Some(false), said, found, notes: Vec::new() }
    }

    /// With more to tell a person; `-o json` has it as `notes`.
    pub fn noting(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Prints it; the exit code says the same.
    pub fn print(mut self, output: Output) -> Result<Exit> {
        let exit = if self.verified == Some(false) { Exit::Unverified } else { Exit::Done };
        if output.is_json() {
            if let Some(verified) = self.verified {
                self.found.insert("verified".to_owned(), verified.into());
            }
            if !self.notes.is_empty() {
                self.found.insert("notes".to_owned(), self.notes.into());
            }
            json(&self.found)?;
            return Ok(exit);
        }
        // A note may quote a checkpoint, which has lines.
        let notes = self.notes.iter().flat_map(|note| note.lines()).map(|line| format!("  {}", visible(line)));
        let lines: Vec<_> = std::iter::once(visible(&self.said)).chain(notes).collect();
        print(&format!("{}\n", lines.join("\n")))?;
        Ok(exit)
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
