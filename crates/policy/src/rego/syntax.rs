//! A Rego text, read: its package, its rules, and what each of them names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{File, MAX_FILE_BYTES, judge, scan};
use crate::fault::{Fault, did_you_mean};
use crate::source::Source;

/// The package that is read.
pub(crate) const PACKAGE: &str = "countersign";
/// Names of rules that would be taken for a permission.
const PERMITS: [&str; 5] = ["allow", "allowed", "authz", "permit", "permitted"];

/// One text, read.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub source: Source<'a>,
    pub is_v0: bool,
    pub package: Vec<String>,
    /// What imports call which path.
    pub imports: BTreeMap<String, Path>,
    pub rules: Vec<Node>,
}

/// A rule: each definition of one is one.
#[derive(Debug)]
pub(crate) struct Node {
    pub name: String,
    /// The byte it begins at.
    pub begin: usize,
    /// What it names, in its head and bodies.
    pub names: Vec<Path>,
    /// What it calls.
    pub calls: Vec<Path>,
}

/// `a.b.c`, as far as it is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub begin: usize,
    pub parts: Vec<String>,
    /// Whether something follows that is only known on a call.
    pub goes_on: bool,
}

impl<'a> Module<'a> {
    pub(crate) const fn empty(file: &'a str, text: &'a str) -> Self {
        let source = Source { file, text };
        Self { source, is_v0: false, package: Vec::new(), imports: BTreeMap::new(), rules: Vec::new() }
    }

    /// Whether its rules are read.
    pub(crate) fn decides(&self) -> bool {
        self.package == [PACKAGE]
    }

    pub(crate) fn file(&self) -> File {
        let Source { file, text } = self.source;
        File { name: file.to_owned(), text: text.to_owned(), is_v0: self.is_v0, decides: self.decides() }
    }

    /// An error at byte `at`.
    pub(crate) fn fault(&self, at: usize, message: impl Into<String>) -> Fault {
        Fault::error(self.source.file, self.source.text, at, message)
    }
}

/// Reads `source`, or says what is wrong with it by itself.
pub(crate) fn read(source: Source<'_>) -> Result<Module<'_>, Vec<Fault>> {
    let Source { file, text } = source;
    let fault = |at, message: String| vec![Fault::error(file, text, at, message)];
    if file.len() > 120 || !file.chars().all(|c| c.is_alphanumeric() || "_.-/ ".contains(c)) {
        let help = "its name is part of the id of its rules: use letters, digits and `_ . - /`, 120 bytes at most";
        return Err(vec![
            Fault::error("the policies", "", 0, "a Rego file of that name cannot be named in the record")
                .with_help(Some(help.to_owned())),
        ]);
    }
    if text.len() > MAX_FILE_BYTES {
        return Err(fault(0, format!("a file of {} bytes: at most {MAX_FILE_BYTES}", text.len())));
    }
    if let Some((at, message)) = scan::too_deep(text) {
        return Err(fault(at, message));
    }
    let (tree, is_v0) = tree(file, text)?;
    let tree: Value = serde_json::from_str(&tree)
        .map_err(|_| fault(0, "an expression goes too deep: give parts of it names of their own".to_owned()))?;
    let Some(ast) = tree.pointer("/0/ast") else {
        return Err(fault(0, "the interpreter shows no tree of it".to_owned()));
    };
    let package = path(ast.pointer("/package/refr").unwrap_or(&Value::Null)).map(|path| path.parts).unwrap_or_default();
    let list = |name: &str| ast.get(name).and_then(Value::as_array).into_iter().flatten();
    let imports = list("imports").filter_map(|import| named(import, text)).collect();
    let rules = list("rules").filter_map(node).collect();
    let module = Module { source, is_v0, package, imports, rules };
    if module.decides() {
        let faults = heads(&module, list("rules"));
        if !faults.is_empty() {
            return Err(faults);
        }
    }
    Ok(module)
}

/// The tree of `text` as JSON, and whether it is written in the older form of the language.
fn tree(file: &str, text: &str) -> Result<(String, bool), Vec<Fault>> {
    let parse = |is_v0| {
        let mut engine = judge::bounded();
        engine.set_rego_v0(is_v0);
        engine.add_policy(file.to_owned(), text.to_owned())?;
        engine.get_ast_as_json()
    };
    match (parse(false), parse(true)) {
        (Ok(tree), _) => Ok((tree, false)),
        (Err(_), Ok(tree)) => Ok((tree, true)),
        (Err(why), Err(_)) => Err(vec![judge::fault_of(&why.to_string(), file, text)]),
    }
}

/// What is wrong with the heads of rules of the package that is read.
fn heads<'v>(module: &Module<'_>, rules: impl Iterator<Item = &'v Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (rule, node) in rules.zip(&module.rules) {
        let mut fault = |message: String, help: &str| {
            faults.push(module.fault(node.begin, message).with_help(Some(help.to_owned())));
        };
        let is_read = super::RULES.iter().any(|(name, _)| *name == node.name);
        if PERMITS.contains(&node.name.as_str()) {
            let help = "permits are written in Cedar; write what must not be as `deny contains message if { … }`";
            fault(format!("`{}` in the package `{PACKAGE}`: Rego may only refuse or escalate", node.name), help);
        } else if is_read && rule.pointer("/Spec/head/Set/key").is_none_or(Value::is_null) {
            let help = format!("write `{} contains message if {{ … }}`", node.name);
            fault(format!("`{}` is not a set of messages", node.name), &help);
        }
    }
    if !module.rules.iter().any(|node| super::RULES.iter().any(|(name, _)| *name == node.name)) {
        let near = module.rules.iter().find_map(|node| did_you_mean(&node.name, &["deny", "escalate"]));
        let help = near.unwrap_or_else(|| "write `deny contains message if { … }` or `escalate contains …`".to_owned());
        let fault = module.fault(0, format!("a file of the package `{PACKAGE}` that neither denies nor escalates"));
        faults.push(fault.with_help(Some(help)));
    }
    faults
}

/// What an import calls what.
fn named(import: &Value, text: &str) -> Option<(String, Path)> {
    let path = path(import.get("refr")?)?;
    let span = |name: &str| usize::try_from(import.get("as")?.get(name)?.as_u64()?).ok();
    let alias = match (span("start"), span("end")) {
        (Some(start), Some(end)) => text.get(start..end)?.to_owned(),
        _ => path.parts.last()?.clone(),
    };
    Some((alias, path))
}

fn node(rule: &Value) -> Option<Node> {
    let (_, rule) = rule.as_object()?.iter().next()?;
    let head = rule.get("head").and_then(Value::as_object).and_then(|head| head.values().next()).unwrap_or(rule);
    let name = path(head.get("refr")?)?.parts.into_iter().next()?;
    let begin = start(rule.get("span")?)?;
    let (mut names, mut calls) = (Vec::new(), Vec::new());
    walk(rule, &mut names, &mut calls);
    // Its own name, in its own head, is not something it reads.
    let own = start(head.get("refr")?.as_object()?.values().next()?.get("span")?);
    names.retain(|path| Some(path.begin) != own);
    Some(Node { name, begin, names, calls })
}

fn start(span: &Value) -> Option<usize> {
    usize::try_from(span.get("start")?.as_u64()?).ok()
}

/// Everything below `value` that is named or called.
fn walk(value: &Value, names: &mut Vec<Path>, calls: &mut Vec<Path>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, names, calls)),
        Value::Object(members) => {
            if let Some(path) = path(value) {
                names.push(path);
            }
            for (kind, inner) in members {
                match (kind.as_str(), inner.get("fcn").and_then(path)) {
                    ("Call", Some(path)) => {
                        calls.push(path);
                        inner.get("params").into_iter().for_each(|params| walk(params, names, calls));
                    }
                    // The rest of a path is in the path; what stands in its brackets is not.
                    ("RefDot", _) => inner.get("refr").into_iter().for_each(|refr| inside(refr, names, calls)),
                    ("RefBrack", _) => {
                        inner.get("refr").into_iter().for_each(|refr| inside(refr, names, calls));
                        inner.get("index").into_iter().for_each(|index| walk(index, names, calls));
                    }
                    ("Var", _) => {}
                    _ => walk(inner, names, calls),
                }
            }
        }
        _ => {}
    }
}

/// What is named inside a path, which is itself known already.
fn inside(value: &Value, names: &mut Vec<Path>, calls: &mut Vec<Path>) {
    let Some((kind, inner)) = value.as_object().and_then(|members| members.iter().next()) else { return };
    match kind.as_str() {
        "Var" => {}
        "RefDot" => inner.get("refr").into_iter().for_each(|refr| inside(refr, names, calls)),
        "RefBrack" => {
            inner.get("refr").into_iter().for_each(|refr| inside(refr, names, calls));
            inner.get("index").into_iter().for_each(|index| walk(index, names, calls));
        }
        _ => walk(value, names, calls),
    }
}

/// `value` as a path, where it is one.
fn path(value: &Value) -> Option<Path> {
    let (kind, inner) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "Var" => {
            let begin = start(inner.get("span")?)?;
            Some(Path { begin, parts: vec![inner.get("value")?.as_str()?.to_owned()], goes_on: false })
        }
        "RefDot" => {
            let mut path = path(inner.get("refr")?)?;
            if !path.goes_on {
                path.parts.push(inner.get("field")?.get(1)?.as_str()?.to_owned());
            }
            Some(path)
        }
        "RefBrack" => {
            let mut path = path(inner.get("refr")?)?;
            match inner.pointer("/index/String/value").and_then(Value::as_str) {
                Some(text) if !path.goes_on => path.parts.push(text.to_owned()),
                _ => path.goes_on = true,
            }
            Some(path)
        }
        _ => None,
    }
}
