//! A manifest with everything it extends.

use crate::Unreadable;
use crate::yaml::{self, Node, Value};

const KEYS: [&str; 8] = [
    "agent_control_specification_version",
    "metadata",
    "extends",
    "policies",
    "intervention_points",
    "tools",
    "annotators",
    "approval",
];
const POINTS: [&str; 8] = [
    "agent_startup",
    "input",
    "pre_model_call",
    "post_model_call",
    "pre_tool_call",
    "post_tool_call",
    "output",
    "agent_shutdown",
];
/// How deep manifests may extend each other.
const MAX_DEPTH: usize = 16;

/// Texts and what they are called, or why there are none.
pub type Texts = Result<Vec<(String, String)>, String>;

/// What is beside a manifest: paths are below its folder, with `/`.
pub struct Beside<'a> {
    /// The text of a manifest. The error says why there is none.
    pub text: &'a dyn Fn(&str) -> Result<String, String>,
    /// Every Rego file of a folder: its path and text.
    pub rego: &'a dyn Fn(&str) -> Texts,
}

/// A manifest with everything it extends.
#[derive(Debug)]
pub struct Manifest {
    pub(crate) root: Node,
}

impl Manifest {
    /// The names of the points that have a policy, in the order they are written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.points().map(|(name, _)| name)
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = (&str, &Node)> {
        let points = self.root.get("intervention_points").and_then(Node::members).unwrap_or_default();
        points.iter().map(|(name, node)| (name.as_str(), node))
    }
}

/// Reads the manifest `text` and all it extends, and checks them as a whole.
pub fn resolve(text: &str, file: &str, beside: &Beside<'_>) -> Result<Manifest, Unreadable> {
    let root = with_extends(text, file, &mut Vec::new(), beside)?;
    check(&root).map_err(|(line, message)| Unreadable { file: file.to_owned(), line, message })?;
    Ok(Manifest { root })
}

/// `open`: the manifests that are being read, each extending the next.
fn with_extends(text: &str, file: &str, open: &mut Vec<String>, beside: &Beside<'_>) -> Result<Node, Unreadable> {
    let unreadable = |(line, message)| Unreadable { file: file.to_owned(), line, message };
    let root = yaml::read(text).map_err(unreadable)?;
    let own = if open.is_empty() { file.rsplit('/').next().unwrap_or(file).to_owned() } else { file.to_owned() };
    open.push(own);
    let mut merged = Node { line: 1, value: Value::Object(Vec::new()) };
    for entry in root.get("extends").and_then(Node::items).unwrap_or_default() {
        let path = below(open.last().map_or("", String::as_str), entry).map_err(unreadable)?;
        if open.contains(&path) {
            return Err(unreadable((entry.line, format!("`{path}` extends itself"))));
        }
        if open.len() >= MAX_DEPTH {
            return Err(unreadable((entry.line, format!("manifests extend each other more than {MAX_DEPTH} deep"))));
        }
        let text = (beside.text)(&path).map_err(|why| unreadable((entry.line, why)))?;
        let base = with_extends(&text, &path, open, beside)?;
        merge(&mut merged, &base, &mut Vec::new()).map_err(unreadable)?;
    }
    open.pop();
    merge(&mut merged, &root, &mut Vec::new()).map_err(unreadable)?;
    Ok(merged)
}

/// The path of an entry of `extends`, below the folder of the first manifest.
fn below(from: &str, entry: &Node) -> Result<String, (usize, String)> {
    let Some(path) = entry.text() else {
        return Err((
            entry.line,
            "`extends` names a URL: nothing is fetched; keep a copy beside the manifest".to_owned(),
        ));
    };
    if path.contains("://") {
        return Err((entry.line, format!("`{path}`: nothing is fetched; keep a copy beside the manifest")));
    }
    let mut parts: Vec<&str> = from.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect());
    for part in path.split('/') {
        match part {
            "" if parts.is_empty() => return Err((entry.line, format!("`{path}` is not below the manifest's folder"))),
            "" | "." => {}
            ".." => {
                let out = || (entry.line, format!("`{path}` leads out of the manifest's folder"));
                parts.pop().ok_or_else(out)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Adds `more` to `all`: what both have must be the same.
fn merge(all: &mut Node, more: &Node, at: &mut Vec<String>) -> Result<(), (usize, String)> {
    let Value::Object(members) = &more.value else {
        return if all.json() == more.json() && more.json().is_some() {
            Ok(())
        } else {
            Err((more.line, format!("`{}` is said twice, and differently", at.join("."))))
        };
    };
    let Value::Object(known) = &mut all.value else {
        return Err((more.line, format!("`{}` is said twice, and differently", at.join("."))));
    };
    for (name, node) in members {
        // What a manifest extends and is called is its own.
        let is_own = at.is_empty() && matches!(name.as_str(), "extends" | "metadata");
        match known.iter_mut().find(|(other, _)| other == name) {
            Some((_, other)) if is_own => *other = node.clone(),
            Some((_, other)) => {
                at.push(name.clone());
                merge(other, node, at)?;
                at.pop();
            }
            None => known.push((name.clone(), node.clone())),
        }
    }
    Ok(())
}

/// What the source would not load.
fn check(root: &Node) -> Result<(), (usize, String)> {
    let members = root.members().ok_or((root.line, "not a manifest: expected a mapping".to_owned()))?;
    if let Some((name, node)) = members.iter().find(|(name, _)| !KEYS.contains(&name.as_str())) {
        return Err((node.line, format!("`{name}` is no key of a manifest")));
    }
    if root.get("agent_control_specification_version").and_then(Node::text).is_none() {
        return Err((root.line, "no `agent_control_specification_version`".to_owned()));
    }
    let points = root.get("intervention_points").and_then(Node::members).unwrap_or_default();
    for (name, point) in points {
        if !POINTS.contains(&name.as_str()) {
            return Err((point.line, format!("`{name}` is no intervention point")));
        }
        let target = point.get("policy_target").and_then(Node::text).unwrap_or_default();
        if !(target == "$" || target.starts_with("$.") || target == "$snap" || target.starts_with("$snap.")) {
            return Err((point.line, format!("`policy_target: {target}` does not begin with `$snap`")));
        }
        let id = point.get("policy").and_then(|policy| policy.get("id")).and_then(Node::text).unwrap_or_default();
        if root.get("policies").and_then(|all| all.get(id)).is_none() {
            return Err((point.line, format!("`{name}` names the policy `{id}`, which is not there")));
        }
    }
    Ok(())
}
