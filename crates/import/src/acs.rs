//! Manifests of the Agent Control Specification 0.3 (ACS): one policy for each point of an
//! agent's loop.
//!
//! Of the eight points one is a call of a tool before it is made: `pre_tool_call`. What is
//! bound there is carried. Rego is carried as it is written, with a file beside it that asks
//! it what the manifest's host would ask, and does with the verdict what the host would do: it
//! refuses and holds; what lets a call pass is a permit for each tool of the manifest. Of Cedar
//! it is carried for whom and which tools each policy holds, since the source gives it nothing
//! else to speak of.

mod cedar;
mod manifest;
mod prove;
mod rego;

use countersign_policy::{PolicySet, Source, Tools, format};

use crate::finding::{Findings, Severity};
use crate::yaml::Node;
use crate::{Imported, Options, Proof, Unreadable};

pub use manifest::{Beside, Manifest, resolve};

/// The point that is a call before it is made.
const CALL: &str = "pre_tool_call";

type Refused = (usize, String);

/// What is asked at a call, whatever it is asked of.
#[derive(Debug)]
struct Point {
    line: usize,
    kind: Option<String>,
    path: String,
    /// Whether tools must be in the catalogue.
    names_tool: bool,
    catalogue: serde_json::Map<String, serde_json::Value>,
    /// What the policy is called.
    policy: String,
    /// Whether that policy is asked at another point too.
    is_shared: bool,
}

/// A policy of the manifest.
enum Policy {
    Rego(rego::Rego),
    Cedar(Box<cedar::Cedar>),
}

/// What is written: policies, and Rego beside them.
struct Written {
    policies: String,
    rego: Vec<(String, String)>,
}

/// Reads the manifest `text`, with what it extends and the files it names from `beside`.
///
/// The error is why the source would not load it either, or why nothing of it is about calls.
pub fn import_acs(text: &str, options: &Options<'_>, beside: &Beside<'_>) -> Result<Imported, Unreadable> {
    let unreadable = |(line, message)| Unreadable { file: options.file.to_owned(), line, message };
    let manifest = resolve(text, options.file, beside)?;
    let mut findings = Findings::of(options.file);
    other_points(&manifest, &mut findings);
    let (point, policy) = bound(&manifest, beside, &mut findings).map_err(unreadable)?;
    let because = |why| unreadable((point.line, why));
    let is_carried = !findings.any_lost_at(point.line);
    let (mut written, mut proof) = (Written { policies: String::new(), rego: Vec::new() }, prove::nothing());
    if is_carried {
        written = match &policy {
            Policy::Rego(rego) => rego::written(&point, rego, options),
            Policy::Cedar(cedar) => cedar.written(&point, options, &mut findings),
        }
        .map_err(because)?;
        proof = asked(&point, &policy, load(&written).map_err(because)?, options).map_err(because)?;
    }
    said(&point, &policy, &mut findings);
    let findings = findings.sorted();
    let policies = crate::head(options, &findings, &proof) + &written.policies;
    let policies = format(Source { file: "imported.cedar", text: &policies }).unwrap_or(policies);
    let (cases, rules) = (String::new(), (manifest.points().count(), usize::from(is_carried)));
    Ok(Imported { policies, tools: None, cases, findings, rules, proof, rego: written.rego })
}

fn asked(point: &Point, policy: &Policy, set: PolicySet, options: &Options<'_>) -> Result<Proof, String> {
    match policy {
        Policy::Rego(rego) => rego::ask(point, rego, set, options),
        Policy::Cedar(cedar) => cedar.ask(point, set, options),
    }
}

/// What is worth knowing of every manifest.
fn said(point: &Point, policy: &Policy, findings: &mut Findings) {
    if matches!(policy, Policy::Cedar(_)) {
        let message = "Cedar is answered as the built-in dispatcher of ACS does: it asks who calls which tool, with \
                       nothing in the context; the dispatchers of its SDKs refuse every call instead";
        return findings.add(Severity::Note, point.line, message, "carried");
    }
    findings.add(
        Severity::Changed,
        point.line,
        "a verdict `transform` changes the arguments before the call",
        "the call is refused instead: nobody here changes what an agent asks for",
    );
    findings.add(
        Severity::Note,
        point.line,
        "a verdict `warn` lets the call pass",
        "carried: its message is told to nobody",
    );
}

fn load(written: &Written) -> Result<PolicySet, String> {
    let cedar = Source { file: "imported.cedar", text: &written.policies };
    let rego = written.rego.iter().map(|(file, text)| Source { file, text });
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
    let annotated = manifest.points().find(|(name, _)| *name == CALL).and_then(|(_, node)| node.get("annotations"));
    if let Some(annotations) = annotated {
        let message =
            "`annotations` are asked of annotators before the policy, and the source refuses a call on which one fails";
        findings.add(Severity::Changed, annotations.line, message, "nobody is asked here");
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

/// What the manifest asks at a call, and of which policy.
fn bound(manifest: &Manifest, beside: &Beside<'_>, findings: &mut Findings) -> Result<(Point, Policy), Refused> {
    let unbound = (
        1,
        format!("it binds nothing at `{CALL}`: nothing of it is about calls of tools, and its host refuses them all"),
    );
    let (_, node) = manifest.points().find(|(name, _)| *name == CALL).ok_or(unbound)?;
    let point = point(manifest, node)?;
    let id = &point.policy;
    let policy =
        manifest.root.get("policies").and_then(|all| all.get(id)).ok_or((node.line, format!("no policy `{id}`")))?;
    let nothing = Node { line: node.line, value: crate::yaml::Value::Null };
    let binding = node.get("policy").unwrap_or(&nothing);
    let read = match policy.get("type").and_then(Node::text) {
        Some("rego") => Policy::Rego(rego::read(policy, binding, &point, beside, findings)?),
        Some("cedar") => Policy::Cedar(Box::new(cedar::read(policy, &point, beside, findings)?)),
        other => {
            let message = format!("`{id}` is of the type `{}`: there is no policy to read", other.unwrap_or_default());
            return Err((policy.line, message));
        }
    };
    Ok((point, read))
}

/// What is asked at the point `node`.
fn point(manifest: &Manifest, node: &Node) -> Result<Point, Refused> {
    let line = node.line;
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    let named =
        |node: &Node| node.get("policy").and_then(|policy| policy.get("id")).and_then(Node::text).map(str::to_owned);
    let path = text("policy_target").unwrap_or_default();
    if !matches!(path.as_str(), "$snap.tool_call.args" | "$.tool_call.args") {
        return Err((line, format!("`policy_target: {path}`: only `$snap.tool_call.args` is known here")));
    }
    let tool_name_from = text("tool_name_from");
    if tool_name_from.as_ref().is_some_and(|from| !matches!(from.as_str(), "$snap.tool_call.name" | "$.tool_call.name"))
    {
        return Err((line, "`tool_name_from`: only `$snap.tool_call.name` is known here".to_owned()));
    }
    let tools = manifest.root.get("tools").and_then(Node::json);
    let catalogue = tools.and_then(|tools| tools.as_object().cloned()).unwrap_or_default();
    let (kind, policy) = (text("policy_target_kind"), named(node).unwrap_or_default());
    let is_shared = manifest.points().any(|(name, other)| name != CALL && named(other).as_ref() == Some(&policy));
    Ok(Point { line, kind, path, names_tool: tool_name_from.is_some(), catalogue, policy, is_shared })
}
