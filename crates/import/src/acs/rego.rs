//! A manifest's policy that is Rego: what the source loads, and what of it can be asked here.

mod bundle;
mod data;
mod oracle;
mod wrap;

use std::collections::BTreeSet;

use countersign_policy::{Reading, Source, read_rego};
use serde_json::{Map, Value};

use super::manifest::{Beside, below};
use super::prove;
use super::{Point, Refused, Written};
use crate::finding::{Findings, Severity};
use crate::yaml::Node;
use crate::{Options, Proof};

use bundle::Read;

/// The file that asks the Rego of the manifest.
const ASKING: &str = "imported.rego";

/// The Rego and the data that are asked, and what for.
#[derive(Debug)]
pub(crate) struct Rego {
    /// `data.PACKAGE.RULE`.
    query: String,
    /// Those that the query reads.
    files: Vec<(String, String)>,
    /// `data` without what Rego makes.
    data: Map<String, Value>,
}

/// Reads what `policy`, called `id`, and its binding name.
pub(crate) fn read(
    policy: &Node,
    binding: &Node,
    point: &Point,
    beside: &Beside<'_>,
    findings: &mut Findings,
) -> Result<Rego, Refused> {
    let id = &point.policy;
    let refused = |why: String| (policy.line, format!("`{id}`: {why}"));
    let text = |node: &Node| node.get("query").and_then(Node::text).map(str::to_owned);
    let query = text(binding).or_else(|| text(policy));
    let query = query.filter(|query| query.starts_with("data.") && query.split('.').count() > 2);
    let query = query.ok_or_else(|| refused("it has no `query` of the form `data.PACKAGE.RULE`".to_owned()))?;
    if policy.get("bundle_url").is_some() {
        let why = "`bundle_url`: nothing is fetched; keep the archive beside the manifest and name it as `bundle`";
        return Err(refused(why.to_owned()));
    }
    let mut all = match policy.get("bundle").and_then(Node::text) {
        Some(path) => bundle::read(&below("", path).map_err(refused)?, beside).map_err(refused)?,
        None => Read::default(),
    };
    for (line, path) in data_paths(policy, binding).map_err(refused)? {
        let path = below("", &path).map_err(refused)?;
        let more = data::read(&path, beside).map_err(refused)?;
        let dropped = all.add(more, &path).map_err(refused)?;
        if !dropped.is_empty() {
            let message = format!(
                "`{path}` has `{}`, and OPA lets the bundle replace it: the bundle claims it, by the `roots` of its \
                 `.manifest` or, without them, all of `data`",
                dropped.join("`, `")
            );
            findings.add(Severity::Silent, line, message, "left out");
        }
    }
    if all.files.is_empty() {
        return Err(refused("it has no Rego: name a folder or a `.tar.gz` as `bundle`".to_owned()));
    }
    if all.files.iter().any(|(file, _)| file == ASKING || file.starts_with(data::FOLDER)) {
        return Err(refused(format!(
            "`{ASKING}` and `{}` are what is written: name its files otherwise",
            data::FOLDER
        )));
    }
    let Read { files, data, .. } = all;
    let files: Vec<_> = files.into_iter().map(|(file, text)| (in_a_policy_folder(&file), text)).collect();
    let mut names: Vec<_> = files.iter().map(|(file, _)| file).collect();
    names.sort();
    if let Some([twice, _]) = names.array_windows().find(|[a, b]| a == b) {
        return Err(refused(format!("two of its files would be written as `{twice}`: name them otherwise")));
    }
    let mut rego = Rego { query, files, data };
    keep_what_is_read(&mut rego, findings, point.line)?;
    Ok(rego)
}

/// `file` as a folder of policies reads it: there a dot hides a name, and `invariants` are no policies.
fn in_a_policy_folder(file: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('.') || part == "invariants" { format!("_{part}") } else { part.to_owned() }
    };
    file.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// `data` and `data_paths`: both are paths, and what the point says replaces what the policy says.
fn data_paths(policy: &Node, binding: &Node) -> Result<Vec<(usize, String)>, String> {
    let mut found = Vec::new();
    for key in ["data", "data_paths"] {
        let Some(node) = binding.get(key).or_else(|| policy.get(key)) else { continue };
        let items = node.items().map_or_else(|| vec![node], |items| items.iter().collect());
        for item in items {
            let path = item.text().filter(|path| !path.trim().is_empty());
            let why = || format!("`{key}` is not a path or a list of paths: the source refuses every call");
            found.push((node.line, path.ok_or_else(why)?.to_owned()));
        }
    }
    Ok(found)
}

/// Says what the Rego reads that is not known at a call here, and leaves out what the query does not read.
fn keep_what_is_read(rego: &mut Rego, findings: &mut Findings, line: usize) -> Result<(), Refused> {
    let mut readings: Vec<(Reading, (String, String))> = Vec::new();
    for (file, text) in std::mem::take(&mut rego.files) {
        let reading = read_rego(Source { file: &file, text: &text });
        let why = |faults: Vec<_>| (line, faults.first().map_or_else(String::new, ToString::to_string));
        readings.push((reading.map_err(why)?, (file, text)));
    }
    let asked = rego.query.trim_start_matches("data.");
    let has = |reading: &Reading| {
        let rule = asked.strip_prefix(reading.package.as_str()).and_then(|rest| rest.strip_prefix('.'));
        rule.is_some_and(|rule| reading.rules.contains(rule))
    };
    if !readings.iter().any(|(reading, _)| has(reading)) {
        return Err((line, format!("no Rego of it has the rule `{}`", rego.query)));
    }
    let mut kept: BTreeSet<usize> = readings
        .iter()
        .enumerate()
        .filter(|(_, (reading, _))| asked.starts_with(&reading.package))
        .map(|(at, _)| at)
        .collect();
    loop {
        let reads = |at: &usize| readings.get(*at).into_iter().flat_map(|(reading, _)| &reading.data);
        let paths: Vec<&Vec<String>> = kept.iter().flat_map(reads).map(|(path, ..)| path).collect();
        let more = |(_, (reading, _)): &(usize, &(Reading, _))| {
            let package: Vec<&str> = reading.package.split('.').collect();
            paths.iter().any(|path| path.iter().zip(&package).all(|(a, b)| a == b))
        };
        let found: Vec<usize> = readings.iter().enumerate().filter(more).map(|(at, _)| at).collect();
        let before = kept.len();
        kept.extend(found);
        if kept.len() == before {
            break;
        }
    }
    let mut lost = |why: String| findings.add(Severity::Lost, line, why, "left out: its answer would be another");
    for (at, (reading, (file, text))) in readings.into_iter().enumerate() {
        if !kept.contains(&at) {
            continue;
        }
        if reading.package == "countersign" {
            lost(format!("{file}: the package `countersign` is Countersign's own"));
        }
        for (path, goes_on, line) in &reading.inputs {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if !is_known(&path, *goes_on) {
                lost(format!("{file}:{line}: it reads `input.{}`, which is not known at a call here", path.join(".")));
            }
        }
        rego.files.push((file, text));
    }
    Ok(())
}

/// Whether what stands at `path` of an ACS input is the same for every host, and known here.
fn is_known(path: &[&str], goes_on: bool) -> bool {
    match path {
        ["intervention_point" | "tool", ..]
        | ["policy_target"]
        | ["policy_target", "kind" | "path" | "value", ..]
        | ["snapshot", "tool_call", "args", ..] => true,
        ["snapshot", "tool_call", "name"] | ["snapshot", "agent", "id"] | ["snapshot", "envelope", "agent", "id"] => {
            !goes_on
        }
        _ => false,
    }
}

/// What is written: the Rego as it is, its data, and the file that asks it.
pub(crate) fn written(point: &Point, rego: &Rego, options: &Options<'_>) -> Result<Written, String> {
    let mut files = rego.files.clone();
    files.extend(data::written(rego)?);
    files.push((ASKING.to_owned(), wrap::asking(point, rego, options)));
    Ok(Written { policies: wrap::permits(point, options.server), rego: files })
}

/// Asks the Rego by itself and what was written.
pub(crate) fn ask(
    point: &Point,
    rego: &Rego,
    set: countersign_policy::PolicySet,
    options: &Options<'_>,
) -> Result<Proof, String> {
    let mut engine = oracle::engine(rego)?;
    let mut says = |call: crate::prove::Call<'_>| oracle::asked(&mut engine, point, rego, call);
    prove::ask(&mut says, &oracle::requests(point, rego), set, options)
}
