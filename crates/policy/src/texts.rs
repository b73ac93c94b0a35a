//! The texts of a set by the names of their files, as a folder holds them and as they are published.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cases::{self, Case};
use crate::fault::Fault;
use crate::set::{MAX_BYTES, PolicySet};
use crate::source::Source;
use crate::tools::Tools;

/// The most files a set may have.
pub const MAX_FILES: usize = 10_000;
/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 256;

/// Texts by file name.
pub type Files = BTreeMap<String, String>;

/// The texts of a set. Nothing says that they are right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    /// Policies.
    pub policies: Files,
    /// What MCP servers answer to `tools/list`. A server is called what its file is, without folder
    /// and extension.
    pub tools: Files,
    /// Cases.
    pub cases: Files,
}

impl Texts {
    /// How many bytes all texts have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.all().map(|(_, text)| text.len()).sum()
    }

    /// The set of the policies. The error is everything that is wrong with the texts.
    pub fn load(&self) -> Result<PolicySet, Vec<Fault>> {
        self.within_limits()?;
        let mut tools = Tools::default();
        let declared = self.tools.iter().map(|(file, text)| {
            let server = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
            tools.declare(&server, Source { file, text })
        });
        let faults: Vec<Fault> = declared.filter_map(Result::err).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let sources: Vec<_> = self.policies.iter().map(|(file, text)| Source { file, text }).collect();
        PolicySet::load(&sources, tools)
    }

    /// How many cases there are, all of which `set` must answer as they say. The error is every case
    /// that it does not, and every text that holds no cases.
    pub fn test(&self, set: &Arc<PolicySet>) -> Result<usize, Vec<Fault>> {
        let (mut all, mut faults): (Vec<(&str, Case)>, Vec<Fault>) = (Vec::new(), Vec::new());
        for (file, text) in &self.cases {
            match cases::read(Source { file, text }) {
                Ok(cases) => all.extend(cases.into_iter().map(|case| (file.as_str(), case))),
                Err(fault) => faults.push(fault),
            }
        }
        if all.is_empty() || !faults.is_empty() {
            return if faults.is_empty() { Ok(0) } else { Err(faults) };
        }
        let mut worker = set.worker().map_err(|why| vec![Fault::error("the policies", "", 0, why)])?;
        let report = cases::run(&mut worker, all.iter().map(|(file, case)| (*file, case)));
        let failed = report.cases.iter().filter(|case| !case.differences.is_empty());
        let faults: Vec<Fault> = failed.map(|case| self.failed(case)).collect();
        if faults.is_empty() { Ok(all.len()) } else { Err(faults) }
    }

    /// A case that does not hold, where its name is written.
    fn failed(&self, case: &cases::Tested) -> Fault {
        let text = self.cases.get(&case.file).map_or("", String::as_str);
        let message = format!("the case `{}` does not hold: {}", case.name, case.differences.join("; "));
        Fault::error(&case.file, text, text.find(&case.name).unwrap_or(0), message)
    }

    fn all(&self) -> impl Iterator<Item = (&String, &String)> {
        self.policies.iter().chain(&self.tools).chain(&self.cases)
    }

    fn within_limits(&self) -> Result<(), Vec<Fault>> {
        let fault = |message: String| Err(vec![Fault::error("the files", "", 0, message)]);
        let (files, bytes) = (self.all().count(), self.bytes());
        if files > MAX_FILES {
            return fault(format!("{files} files: a set has at most {MAX_FILES}"));
        }
        if bytes > MAX_BYTES {
            return fault(format!("{bytes} bytes of policies, tools and cases: a set has at most {MAX_BYTES}"));
        }
        let is_odd = |name: &str| !(1..=LONGEST_NAME).contains(&name.len()) || name.chars().any(char::is_control);
        match self.all().find(|(name, _)| is_odd(name)) {
            Some((name, _)) => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                fault(format!("`{shown}` is no name of a file: 1 to {LONGEST_NAME} bytes and no control characters"))
            }
            None => Ok(()),
        }
    }
}
