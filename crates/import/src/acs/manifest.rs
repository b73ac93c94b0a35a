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

/// What is beside a manifest: paths are below its folder, with `/`. Errors say why there is nothing.
pub struct Beside<'a> {
    /// What is in a file.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Every file below a folder; of a file itself.
    pub list: &'a dyn Fn(&str) -> Result<Vec<String>, String>,
}

/// The text of the file at `path`.
pub(crate) fn text_at(path: &str, beside: &Beside<'_>) -> Result<String, String> {
    String::from_utf8((beside.read)(path)?).map_err(|why| format!("`{path}`: {why}"))
}

/// Whether the name of `file` ends with `.` and `end`.
pub(crate) fn is_a(file: &str, end: &str) -> bool {
    std::path::Path::new(file).extension() == Some(end.as_ref())
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
    let mut root = yaml::read(text).map_err(unreadable)?;
    let own = if open.is_empty() { file.rsplit('/').next().unwrap_or(file).to_owned() } else { file.to_owned() };
    open.push(own);
    let mut merged = Node { line: 1, value: Value::Object(Vec::new()) };
    for entry in root.get("extends").and_then(Node::items).unwrap_or_default() {
        let path = extended(open.last().map_or("", String::as_str), entry).map_err(unreadable)?;
        if open.contains(&path) {
            return Err(unreadable((entry.line, format!("`{path}` extends itself"))));
        }
        if open.len() >= MAX_DEPTH {
            return Err(unreadable((entry.line, format!("manifests extend each other more than {MAX_DEPTH} deep"))));
        }
        let text = text_at(&path, beside).map_err(|why| unreadable((entry.line, why)))?;
        let base = with_extends(&text, &path, open, beside)?;
        merge(&mut merged, &base, &mut Vec::new()).map_err(unreadable)?;
    }
    if let Some((folder, _)) = open.pop().as_deref().and_then(|own| own.rsplit_once('/')) {
        relocate(&mut root, folder);
    }
    merge(&mut merged, &root, &mut Vec::new()).map_err(unreadable)?;
    Ok(merged)
}

/// The path of an entry of `extends` in the manifest `from`, below the folder of the first one.
fn extended(from: &str, entry: &Node) -> Result<String, (usize, String)> {
    let Some(path) = entry.text() else {
        return Err((
            entry.line,
            "`extends` names a URL: nothing is fetched; keep a copy beside the manifest".to_owned(),
        ));
    };
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    below(folder, path).map_err(|why| (entry.line, why))
}

/// `path` from `folder`, without `.` and `..`.
pub(crate) fn below(folder: &str, path: &str) -> Result<String, String> {
    if path.contains("://") {
        return Err(format!("`{path}`: nothing is fetched; keep a copy beside the manifest"));
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if path.starts_with('/') {
        return Err(format!("`{path}` is not below the manifest's folder"));
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| format!("`{path}` leads out of the manifest's folder"))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// What names a file in a policy, or where one is bound.
const PATHS: [&str; 6] = ["bundle", "data", "data_paths", "policy_path", "entities_path", "schema_path"];

/// Paths of a manifest in `folder` are from there.
fn relocate(root: &mut Node, folder: &str) {
    let policies = root.get_mut("policies").into_iter().flat_map(Node::values_mut);
    policies.for_each(|policy| relocate_in(policy, folder));
    let points = root.get_mut("intervention_points").into_iter().flat_map(Node::values_mut);
    points.filter_map(|point| point.get_mut("policy")).for_each(|binding| relocate_in(binding, folder));
}

fn relocate_in(policy: &mut Node, folder: &str) {
    let from_here = |node: &mut Node| {
        if let Value::Text(path) = &mut node.value
            && !path.starts_with('/')
        {
            *path = format!("{folder}/{path}");
        }
    };
    for key in PATHS {
        let Some(node) = policy.get_mut(key) else { continue };
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(from_here),
            _ => from_here(node),
        }
    }
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
