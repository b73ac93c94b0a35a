//! Rego among the policies: a file may refuse a call or hold it for a human, and never permit one.
//!
//! Each file of the package `countersign` is judged by itself, with the files of other
//! packages as what it can read. Decisions stay pure: there is no clock, no randomness
//! and no network in the interpreter that is built, its work is counted in steps and not
//! in seconds, and a function it does not have is an error when the set is loaded.

mod graph;
mod input;
mod judge;
mod scan;
mod syntax;

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::policy::{Head, Kind, Policy, RegoRule};
use crate::source::Source;

pub(crate) use judge::Judge;

/// The most bytes a file may have.
pub(crate) const MAX_FILE_BYTES: usize = 64 * 1024;
/// The most work one rule may take on one call, in steps of [`judge`].
pub(crate) const MAX_STEPS: u64 = 100_000;
/// The longest message, in bytes: more is cut off.
pub(crate) const MAX_MESSAGE: usize = 4096;

/// A rule of a file that is read, and what it does where it has a message.
const RULES: [(&str, Kind); 2] = [("deny", Kind::Forbid), ("escalate", Kind::Hold)];

/// What a Rego text has, for who translates one.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its package, with dots.
    pub package: String,
    /// The names of its rules.
    pub rules: BTreeSet<String>,
    /// What it reads of `input`: the path as far as it is written out, whether it goes on
    /// with what is only known on a call, and the line.
    pub inputs: Vec<(Vec<String>, bool, usize)>,
    /// The same of `data`, with what is called there.
    pub data: Vec<(Vec<String>, bool, usize)>,
}

/// Reads `source` by itself.
pub fn read_rego(source: Source<'_>) -> Result<Reading, Vec<Fault>> {
    let module = syntax::read(source)?;
    let of = |root: &str, path: syntax::Path| {
        let (line, _) = crate::fault::position(source.text, path.begin);
        let (first, rest) = path.parts.split_first()?;
        (first == root).then(|| (rest.to_vec(), path.goes_on, line))
    };
    let full = |path| graph::full(&module, path);
    let names = || module.rules.iter().flat_map(|node| &node.names).map(full);
    let calls = module.rules.iter().flat_map(|node| &node.calls).map(full);
    let imports = module.imports.values().cloned();
    Ok(Reading {
        package: module.package.join("."),
        rules: module.rules.iter().map(|node| node.name.clone()).collect(),
        inputs: names().filter_map(|path| of("input", path)).collect(),
        data: names().chain(calls).chain(imports).filter_map(|path| of("data", path)).collect(),
    })
}

/// One text, read.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// What to call it.
    pub name: String,
    /// The text.
    pub text: String,
    /// Whether it is written in the older form, where a body needs no `if`.
    pub is_v0: bool,
    /// Whether its package is `countersign`.
    pub decides: bool,
}

/// The Rego of a set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files(pub Vec<File>);

impl Files {
    /// Those that only others read.
    pub(crate) fn others(&self) -> impl Iterator<Item = &File> {
        self.0.iter().filter(|file| !file.decides)
    }
}

/// Reads and checks `sources`, all of them Rego: the files, and a policy for each rule that is read.
pub(crate) fn load(sources: &[Source<'_>]) -> Result<(Files, Vec<Policy>), Vec<Fault>> {
    let (mut modules, mut faults) = (Vec::new(), Vec::new());
    for source in sources {
        match syntax::read(*source) {
            Ok(module) => modules.push(module),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        faults = graph::check(&modules);
    }
    let files = Files(modules.iter().map(syntax::Module::file).collect());
    if faults.is_empty() {
        faults = judge::compile(&files, &modules);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let policies = modules.iter().enumerate().flat_map(|(file, module)| policies(file, module)).collect();
    Ok((files, policies))
}

fn policies<'a>(file: usize, module: &'a syntax::Module<'a>) -> impl Iterator<Item = Policy> + 'a {
    let read = RULES.into_iter().filter(|_| module.decides());
    read.filter_map(move |(name, kind)| {
        let begin = module.rules.iter().find(|rule| rule.name == name)?.begin;
        Some(Policy {
            id: format!("{}:{name}", module.source.file),
            kind,
            shadow: false,
            code: None,
            reason: None,
            advice: Vec::new(),
            file: module.source.file.to_owned(),
            line: crate::fault::position(module.source.text, begin).0,
            text: module.source.text.to_owned(),
            head: Head { principal: None, actions: None, resource: None },
            condition: None,
            rego: Some(RegoRule { file, name }),
        })
    })
}
