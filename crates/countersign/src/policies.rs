//! A folder of policies, read from the disk.
//!
//! `*.cedar` in any folder `invariants` are what `policy prove` proves, and elsewhere, as is `*.rego`, policies;
//! `SERVER.json` in any folder `tools` is
//! what that MCP server answers to `tools/list`; `*.yaml` in any folder `cases`
//! are cases. Names that begin with a dot are passed over. Nothing outside the folder is read by a link to
//! a folder; a link to a file is.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use countersign_policy::cases::{self, Case};
use countersign_policy::{Fault, MAX_BYTES, MAX_FILES, PolicySet, Source, Texts, Tools};
use countersign_prove::Claim;

/// The deepest a folder may go.
const MAX_DEPTH: usize = 8;

/// The texts of a folder, by name.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The policies.
    pub policies: Vec<Written>,
    tools: Vec<Written>,
    cases: Vec<Written>,
    invariants: Vec<Written>,
}

/// One text of a folder.
#[derive(Debug)]
pub struct Written {
    /// Its path below the folder.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// Everything that is wrong with a folder's texts, a line each.
#[derive(Debug)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n       "))
    }
}

impl std::error::Error for Faults {}

/// What a folder looks like from outside: the names, lengths and times of its files.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Written {
    /// The text, with what to call it.
    pub fn source(&self) -> Source<'_> {
        Source { file: &self.file, text: &self.text }
    }
}

impl Folder {
    /// Reads `path`.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_file() {
            bail!("`{}` is a file: expected the folder of the policies", path.display());
        }
        let mut found = Vec::new();
        list(path, 0, &mut found)?;
        found.sort();
        let mut folder =
            Self { path: path.to_owned(), policies: vec![], tools: vec![], cases: vec![], invariants: vec![] };
        let mut bytes = 0;
        for file in found {
            let below = file.strip_prefix(path).unwrap_or(&file);
            let within = below.parent().and_then(Path::file_name).and_then(OsStr::to_str);
            let texts = match below.extension().and_then(OsStr::to_str) {
                Some("cedar") if within == Some("invariants") => &mut folder.invariants,
                Some("cedar" | "rego") => &mut folder.policies,
                Some("json") if within == Some("tools") => &mut folder.tools,
                Some("yaml" | "yml") if within == Some("cases") => &mut folder.cases,
                _ => continue,
            };
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
            bytes += text.len();
            if bytes > MAX_BYTES {
                bail!("`{}` has more than {MAX_BYTES} bytes of policies, tools and cases", path.display());
            }
            texts.push(Written { file: below.display().to_string(), path: file, text });
        }
        Ok(folder)
    }

    /// Says so where it has no policies: it is hardly the folder that was meant.
    pub fn nothing(&self) -> Option<String> {
        let shown = self.path.display();
        self.policies.is_empty().then(|| format!("`{shown}` has no policies: expected files `*.cedar` in it"))
    }

    /// What the folder looks like from outside: it changes when anything in it does.
    pub fn stamp(path: &Path) -> Result<Stamp> {
        let mut files = Vec::new();
        list(path, 0, &mut files)?;
        files.sort();
        let look = |file: PathBuf| {
            let about = fs::metadata(&file).with_context(|| format!("cannot look at `{}`", file.display()))?;
            Ok((file, about.len(), about.modified().ok()))
        };
        files.into_iter().map(look).collect::<Result<_>>().map(Stamp)
    }

    /// Its texts, by the paths below it.
    pub fn texts(&self) -> Texts {
        let files = |all: &[Written]| all.iter().map(|one| (one.file.clone(), one.text.clone())).collect();
        Texts { policies: files(&self.policies), tools: files(&self.tools), cases: files(&self.cases) }
    }

    /// The set of its policies. The error is a [`Faults`].
    pub fn load(&self) -> Result<PolicySet> {
        Ok(self.texts().load().map_err(Faults)?)
    }

    /// Its cases, each with the name of its file. The error is a [`Faults`].
    pub fn cases(&self) -> Result<Vec<(&str, Case)>> {
        let (mut all, mut faults) = (Vec::new(), Vec::new());
        for text in &self.cases {
            match cases::read(text.source()) {
                Ok(cases) => all.extend(cases.into_iter().map(|case| (text.file.as_str(), case))),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(all) } else { Err(Faults(faults).into()) }
    }
}

impl Folder {
    /// What is claimed of its policies. The error is a [`Faults`].
    pub fn invariants(&self, tools: &Tools) -> Result<Vec<Claim>> {
        let (mut all, mut faults) = (Vec::new(), Vec::new());
        for text in &self.invariants {
            match Claim::read(text.source(), tools) {
                Ok(claims) => all.extend(claims),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(all) } else { Err(Faults(faults).into()) }
    }
}

/// Every file below `folder`, into `found`.
fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let unread = || format!("cannot read the folder `{}`", folder.display());
    if depth > MAX_DEPTH {
        bail!("`{}` is more than {MAX_DEPTH} folders deep", folder.display());
    }
    for entry in fs::read_dir(folder).with_context(unread)? {
        let entry = entry.with_context(unread)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type().with_context(unread)?.is_dir() {
            list(&entry.path(), depth + 1, found)?;
        } else if entry.path().is_file() {
            found.push(entry.path());
        }
        if found.len() > MAX_FILES {
            bail!("`{}` has more than {MAX_FILES} files", folder.display());
        }
    }
    Ok(())
}
