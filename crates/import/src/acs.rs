//! Manifests of the Agent Control Specification 0.3 (ACS): one policy for each point of an
//! agent's loop.
//!
//! Of the eight points one is a call of a tool before it is made: `pre_tool_call`. What is
//! bound there and is Rego is carried as it is written, with a file beside it that asks it
//! what the manifest's host would ask, and does with the verdict what the host would do. It
//! refuses and holds; what lets a call pass is a permit for each tool of the manifest.

mod manifest;
mod prove;
mod wrap;

use std::path::Path;

use countersign_policy::{PolicySet, Reading, Source, Tools, format, read_rego};

use crate::finding::{Findings, Severity};
use crate::yaml::Node;
use crate::{Imported, Options, Unreadable};

pub use manifest::{Beside, Manifest, Texts, resolve};

/// The point that is a call before it is made.
const CALL: &str = "pre_tool_call";
/// The file that asks the Rego of the manifest.
const ASKING: &str = "imported.rego";

type Refused = (usize, String);

/// What is asked at a call, and of which Rego.
#[derive(Debug)]
struct Bound {
    line: usize,
    /// `data.PACKAGE.RULE`.
    query: String,
    kind: String,
    path: String,
    /// Whether tools must be in the catalogue.
    names_tool: bool,
    catalogue: serde_json::Map<String, serde_json::Value>,
    files: Vec<(String, String)>,
}

/// Reads the manifest `text`, with what it extends and the Rego it names from `beside`.
///
/// The error is why the source would not load it either, or why nothing of it is about calls.
pub fn import_acs(text: &str, options: &Options<'_>, beside: &Beside<'_>) -> Result<Imported, Unreadable> {
    let unreadable = |(line, message)| Unreadable { file: options.file.to_owned(), line, message };
    let manifest = resolve(text, options.file, beside)?;
    let mut findings = Findings::of(options.file);
    other_points(&manifest, &mut findings);
    let bound = bound(&manifest, beside).map_err(unreadable)?;
    readable(&bound, &mut findings).map_err(unreadable)?;
    let missing = |findings: &Findings| findings.any_lost_at(bound.line);
    let carried = usize::from(!missing(&findings));
    findings.add(
        Severity::Changed,
        bound.line,
        "a verdict `transform` changes the arguments before the call",
        "the call is refused instead: nobody here changes what an agent asks for",
    );
    findings.add(
        Severity::Note,
        bound.line,
        "a verdict `warn` lets the call pass",
        "carried: its message is told to nobody",
    );
    let points = manifest.points().count();
    let (mut policies, mut rego) = (String::new(), Vec::new());
    if carried == 1 {
        policies = wrap::permits(&bound, options.server);
        rego.clone_from(&bound.files);
        rego.push((ASKING.to_owned(), wrap::asking(&bound, options)));
    }
    let set = load(&policies, &rego).map_err(|why| unreadable((bound.line, why)))?;
    let proof = if carried == 1 {
        prove::ask(&bound, set, options).map_err(|why| unreadable((bound.line, why)))?
    } else {
        prove::nothing()
    };
    let findings = findings.sorted();
    let policies = crate::head(options, &findings, &proof) + &policies;
    let policies = format(Source { file: "imported.cedar", text: &policies }).unwrap_or(policies);
    let cases = String::new();
    Ok(Imported { policies, tools: None, cases, findings, rules: (points, carried), proof, rego })
}

fn load(policies: &str, rego: &[(String, String)]) -> Result<PolicySet, String> {
    let cedar = Source { file: "imported.cedar", text: policies };
    let rego = rego.iter().map(|(file, text)| Source { file, text });
    let sources: Vec<_> = std::iter::once(cedar).chain(rego).collect();
    PolicySet::load(&sources, Tools::default()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("what was made of it is not valid: {}", lines.join("; "))
    })
}

/// What is bound where nothing is decided here.
fn other_points(manifest: &Manifest, findings: &mut Findings) {
    for (name, node) in manifest.points().filter(|(name, _)| *name != CALL) {
        let message = format!("a policy at `{name}`: nothing is decided at that point here");
        findings.add(
            Severity::Lost,
            node.line,
            message,
            "left out: leaving it out lets more pass than the source does",
        );
    }
    if let Some(approval) = manifest.root.get("approval") {
        let message = "`approval` says who approves and what happens when nobody does";
        findings.add(
            Severity::Changed,
            approval.line,
            message,
            "approvals here are asked for and end as Countersign's do",
        );
    }
}

/// What the manifest asks at a call.
fn bound(manifest: &Manifest, beside: &Beside<'_>) -> Result<Bound, Refused> {
    let none = (
        1,
        format!("it binds nothing at `{CALL}`: nothing of it is about calls of tools, and its host refuses them all"),
    );
    let (_, point) = manifest.points().find(|(name, _)| *name == CALL).ok_or(none)?;
    let line = point.line;
    let id = point.get("policy").and_then(|policy| policy.get("id")).and_then(Node::text).unwrap_or_default();
    let policy =
        manifest.root.get("policies").and_then(|all| all.get(id)).ok_or((line, format!("no policy `{id}`")))?;
    let text = |node: &Node, name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    match text(policy, "type").as_deref() {
        Some("rego") => {}
        Some("cedar") => {
            return Err((
                policy.line,
                format!(
                    "`{id}` is Cedar over the snapshot of a host, which is not what policies speak of here: rewrite it"
                ),
            ));
        }
        other => {
            return Err((
                policy.line,
                format!("`{id}` is of the type `{}`: there is no policy to read", other.unwrap_or_default()),
            ));
        }
    }
    if policy.get("data").or(policy.get("data_paths")).is_some() {
        return Err((policy.line, format!("`{id}` reads data beside its Rego: write it into the Rego as a package")));
    }
    let query = point.get("policy").and_then(|policy| text(policy, "query")).or_else(|| text(policy, "query"));
    let query = query.filter(|query| query.starts_with("data.") && query.split('.').count() > 2);
    let query = query.ok_or((policy.line, format!("`{id}` has no `query` of the form `data.PACKAGE.RULE`")))?;
    let Some(bundle) = text(policy, "bundle").filter(|path| Path::new(path).extension() != Some("gz".as_ref())) else {
        return Err((policy.line, format!("`{id}` has its Rego in an archive or nowhere: name a folder as `bundle`")));
    };
    if bundle.starts_with('/') || bundle.split('/').any(|part| part == "..") {
        return Err((policy.line, format!("`bundle: {bundle}` is not below the manifest's folder")));
    }
    let files = (beside.rego)(&bundle).map_err(|why| (policy.line, why))?;
    if files.iter().any(|(file, _)| file == ASKING) {
        return Err((policy.line, format!("`{ASKING}` is the name of the file that is written: call it otherwise")));
    }
    let path = text(point, "policy_target").unwrap_or_default();
    if !matches!(path.as_str(), "$snap.tool_call.args" | "$.tool_call.args") {
        return Err((line, format!("`policy_target: {path}`: only `$snap.tool_call.args` is known here")));
    }
    let names = text(point, "tool_name_from");
    if names.as_ref().is_some_and(|from| !matches!(from.as_str(), "$snap.tool_call.name" | "$.tool_call.name")) {
        return Err((line, "`tool_name_from`: only `$snap.tool_call.name` is known here".to_owned()));
    }
    let tools = manifest.root.get("tools").and_then(Node::json);
    let catalogue = tools.and_then(|tools| tools.as_object().cloned()).unwrap_or_default();
    let kind = text(point, "policy_target_kind").unwrap_or_default();
    Ok(Bound { line, query, kind, path, names_tool: names.is_some(), catalogue, files })
}

/// Says what the Rego reads that is not known at a call here.
fn readable(bound: &Bound, findings: &mut Findings) -> Result<(), Refused> {
    let mut lost = |why: String| findings.add(Severity::Lost, bound.line, why, "left out: its answer would be another");
    let mut readings: Vec<Reading> = Vec::new();
    for (file, text) in &bound.files {
        let reading = read_rego(Source { file, text });
        readings.push(
            reading.map_err(|faults| (bound.line, faults.first().map_or_else(String::new, ToString::to_string)))?,
        );
    }
    for (reading, (file, _)) in readings.iter().zip(&bound.files) {
        if reading.package == "countersign" {
            lost(format!("{file}: the package `countersign` is Countersign's own"));
        }
        for (path, goes_on, line) in &reading.inputs {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if !is_known(&path, *goes_on) {
                lost(format!("{file}:{line}: it reads `input.{}`, which is not known at a call here", path.join(".")));
            }
        }
    }
    let asked = bound.query.trim_start_matches("data.");
    let has = |reading: &Reading| {
        let rule = asked.strip_prefix(reading.package.as_str()).and_then(|rest| rest.strip_prefix('.'));
        rule.is_some_and(|rule| reading.rules.contains(rule))
    };
    if readings.iter().any(has) {
        Ok(())
    } else {
        Err((bound.line, format!("no Rego of it has the rule `{}`", bound.query)))
    }
}

/// Whether what stands at `path` of an ACS input is the same for every host, and known here.
fn is_known(path: &[&str], goes_on: bool) -> bool {
    match path {
        ["intervention_point" | "tool", ..]
        | ["policy_target", "kind" | "path" | "value", ..]
        | ["snapshot", "tool_call", "args", ..] => true,
        ["snapshot", "tool_call", "name"] | ["snapshot", "agent", "id"] => !goes_on,
        _ => false,
    }
}
