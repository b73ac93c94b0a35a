//! `countersign policy import`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_import::{Beside, Difference, Imported, Kind, Options, Strategy, Unreadable, import, import_acs};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{Output, complain, json, print, visible};

/// Turn the policies of another engine into Cedar, and say what they never did
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 everything was carried, 2 written with --partial and something is missing, \
                        3 nothing was written")]
pub struct Import {
    /// What kind of document it is
    #[arg(long, value_enum, value_name = "KIND")]
    from: From,
    /// The document
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder to write to; it must not be there yet, or be empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The MCP server that has the tools: `send_email` becomes `NAME/send_email`
    #[arg(long, value_name = "NAME")]
    server: String,
    /// What that server answers to `tools/list`: all tools there are, with the types of their arguments
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// How the source resolves rules that disagree: `conflict_strategy` of `govern()`
    #[arg(long, value_enum, value_name = "NAME", default_value = "deny-overrides")]
    strategy: Resolves,
    /// Write what can be carried, and list in it what is missing
    #[arg(long)]
    partial: bool,
    /// How many requests to put to the source's rules and to the policies
    #[arg(long, value_name = "N", default_value_t = 2000)]
    prove: usize,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum From {
    /// YAML of AGT's `govern()`
    AgtGovern,
    /// Rule documents of AGT, versions 1 to 4
    AgtV4,
    /// A manifest of the Agent Control Specification, with the Rego or Cedar it names
    Acs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Resolves {
    DenyOverrides,
    AllowOverrides,
    PriorityFirstMatch,
}

impl Import {
    pub fn run(self, output: Output) -> Result<Exit> {
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()));
        let (text, file) = (read(&self.file)?, self.file.display().to_string());
        let tools = self.tools.as_deref().map(read).transpose()?;
        let kind = match self.from {
            From::AgtGovern => Kind::AgtGovern,
            // A manifest is read by its own importer, which does not look at this.
            From::AgtV4 | From::Acs => Kind::AgtV4,
        };
        let strategy = match self.strategy {
            Resolves::DenyOverrides => Strategy::DenyOverrides,
            Resolves::AllowOverrides => Strategy::AllowOverrides,
            Resolves::PriorityFirstMatch => Strategy::PriorityFirstMatch,
        };
        let (server, tools, prove) = (self.server.as_str(), tools.as_deref(), self.prove);
        let options = Options { kind, file: &file, server, tools, strategy, prove };
        let imported =
            if matches!(self.from, From::Acs) { acs(&text, &options, &self.file) } else { import(&text, &options) };
        let imported = imported.map_err(|why| anyhow!("{}", visible(&why.to_string())))?;
        let missing = imported.missing().count();
        for finding in &imported.findings {
            let how = if finding.severity.is_missing() { "missing" } else { "warning" };
            complain(how, visible(&finding.to_string()));
        }
        if let Some(difference) = &imported.proof.difference {
            bail!("nothing was written: the policies answer differently.\n{}", said(difference));
        }
        if missing > 0 && !self.partial {
            let findings = if missing == 1 { "1 finding" } else { &format!("{missing} findings") };
            bail!("nothing was written: {findings} above cannot be carried; change `{file}`, or use `--partial`");
        }
        write(&self.to, &self.server, &imported)?;
        if output.is_json() {
            json(&as_json(&imported))?;
        } else {
            print(&in_words(&imported, &self.to))?;
        }
        Ok(if missing > 0 { Exit::Denied } else { Exit::Done })
    }
}

/// The most files below a folder that a manifest names.
const MAX_FILES: usize = 1000;
/// How deep its folders may be.
const MAX_DEPTH: usize = 16;

/// Imports a manifest with what is in its folder.
fn acs(text: &str, options: &Options<'_>, file: &Path) -> Result<Imported, Unreadable> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = |path: &str| {
        fs::read(folder.join(path)).map_err(|why| format!("cannot read `{}`: {why}", folder.join(path).display()))
    };
    let list = |path: &str| {
        let mut found = Vec::new();
        files(&folder.join(path), path, 0, &mut found)?;
        found.sort();
        Ok(found)
    };
    import_acs(text, options, &Beside { read: &read, list: &list })
}

/// The files at `path`, which is called `name`, into `found`. OPA reads those too whose names begin with a dot.
fn files(path: &Path, name: &str, depth: usize, found: &mut Vec<String>) -> Result<(), String> {
    let wrong = |why: &dyn std::fmt::Display| format!("cannot read `{}`: {why}", path.display());
    if !fs::metadata(path).map_err(|why| wrong(&why))?.is_dir() {
        found.push(name.to_owned());
        return if found.len() > MAX_FILES { Err(wrong(&format!("more than {MAX_FILES} files"))) } else { Ok(()) };
    }
    if depth > MAX_DEPTH {
        return Err(wrong(&format!("more than {MAX_DEPTH} folders deep")));
    }
    for entry in fs::read_dir(path).map_err(|why| wrong(&why))? {
        let entry = entry.map_err(|why| wrong(&why))?;
        // As OPA, which follows no link to a folder.
        if entry.path().is_symlink() && entry.path().is_dir() {
            continue;
        }
        let own = entry.file_name();
        let own = own.to_str().ok_or_else(|| wrong(&"a name that is not UTF-8"))?;
        let name = if name.is_empty() { own.to_owned() } else { format!("{name}/{own}") };
        files(&entry.path(), &name, depth + 1, found)?;
    }
    Ok(())
}

fn write(to: &Path, server: &str, imported: &Imported) -> Result<()> {
    let wrong = || format!("cannot write to `{}`", to.display());
    fs::create_dir_all(to).with_context(wrong)?;
    if fs::read_dir(to).with_context(wrong)?.next().is_some() {
        bail!("`{}` is not empty: what is there might be yours", to.display());
    }
    let tools = imported.tools.as_deref().map(|text| (format!("tools/{server}.json"), text));
    let cases = (!imported.cases.is_empty()).then_some(("cases/imported.yaml".to_owned(), imported.cases.as_str()));
    let policies = ("imported.cedar".to_owned(), imported.policies.as_str());
    let rego = imported.rego.iter().map(|(name, text)| (name.clone(), text.as_str()));
    for (name, text) in [Some(policies), tools, cases].into_iter().flatten().chain(rego) {
        let path = to.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(wrong)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

fn said(difference: &Difference) -> String {
    let Difference { agent, tool, arguments, source, policies } = difference;
    let arguments = visible(&json!(arguments).to_string());
    format!(
        "{} calls {} with {arguments}: the source would {}, the policies say {}.\n\
         This is a fault of the importer; please report it with the document",
        visible(agent),
        visible(tool),
        source.as_str(),
        visible(policies)
    )
}

fn in_words(imported: &Imported, to: &Path) -> String {
    let (all, carried) = imported.rules;
    let mut text = format!("{carried} of {all} rules are in `{}`\n", visible(&to.display().to_string()));
    let proof = &imported.proof;
    if proof.asked > 0 {
        let which = if proof.complete { "all that their constants give" } else { "some of those their constants give" };
        let _ = writeln!(text, "{} requests were answered as the carried rules answer them: {which}", proof.asked);
        let _ = writeln!(text, "{} with an argument of another type got no more than the rules give", proof.odd);
    } else {
        text.push_str("nothing was asked, so nothing is claimed about equality\n");
    }
    text.push_str("Where no policy speaks of a call it must be refused: `policy.default = \"deny\"`\n");
    text
}

fn as_json(imported: &Imported) -> Value {
    let finding = |finding: &countersign_import::Finding| {
        json!({
            "severity": finding.severity.as_str(), "file": finding.file, "line": finding.line,
            "message": finding.message, "done": finding.done,
        })
    };
    json!({
        "rules": imported.rules.0, "carried": imported.rules.1, "missing": imported.missing().count(),
        "asked": imported.proof.asked, "odd": imported.proof.odd, "complete": imported.proof.complete,
        "findings": imported.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
