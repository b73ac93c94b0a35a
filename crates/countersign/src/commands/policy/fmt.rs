//! `countersign policy fmt`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use countersign_policy::format;

use crate::exit::Exit;
use crate::output::{complain, print};
use crate::policies::{Faults, Folder};

/// Write policies the way everybody writes them
#[derive(Debug, clap::Args)]
pub struct Fmt {
    /// The folder
    #[arg(value_name = "DIR", default_value = "policies")]
    dir: PathBuf,
    /// Change nothing; exit code 2 if a file would change
    #[arg(long)]
    check: bool,
}

impl Fmt {
    pub fn run(self) -> Result<Exit> {
        let folder = Folder::read(&self.dir)?;
        let mut written = Vec::new();
        let mut faults = Vec::new();
        // Only Cedar has a form that everybody writes.
        for text in folder.policies.iter().filter(|text| text.path.extension() != Some("rego".as_ref())) {
            match format(text.source()) {
                Ok(formatted) if formatted == text.text => {}
                Ok(formatted) => written.push((text, formatted)),
                Err(fault) => faults.push(fault),
            }
        }
        // One file that cannot be read changes none.
        if !faults.is_empty() {
            return Err(Faults(faults).into());
        }
        for (text, formatted) in &written {
            if !self.check {
                fs::write(&text.path, formatted).with_context(|| format!("cannot write `{}`", text.path.display()))?;
            }
            print(&format!("{}\n", text.file))?;
        }
        if self.check && !written.is_empty() {
            let dir = self.dir.display();
            complain(
                "not formatted",
                format_args!("{} files; `countersign policy fmt {dir}` writes them", written.len()),
            );
            return Ok(Exit::Denied);
        }
        Ok(Exit::Done)
    }
}
