//! The tools that a document speaks of, and the types of their arguments: declared by
//! an answer to MCP `tools/list`, or as the conditions use them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::rule::{Document, Literal, Test};

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    Decimal,
    Truth,
    Texts,
    Object(Members),
    /// Something no policy can name.
    Other,
}

pub(crate) type Members = BTreeMap<String, Kind>;

/// The tools of one server.
#[derive(Debug)]
pub(crate) struct World {
    /// The part of the tools' names before the `/`.
    pub server: String,
    /// Their names without the server's: all there are where they were declared, else those the rules name.
    pub known: Vec<String>,
    declared: Option<BTreeMap<String, Members>>,
    used: Uses,
}

/// How conditions use each argument.
#[derive(Debug, Default)]
struct Uses(BTreeMap<Vec<String>, BTreeSet<Use>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Text,
    Number,
    Truth,
    /// Asked whether it is there, or true: says nothing of its type.
    Any,
}

impl World {
    /// The tools that `document` names, on `server`; `tools` declares them.
    pub(crate) fn new(document: &Document, server: &str, tools: Option<&str>) -> Result<Self, String> {
        let declared = tools.map(declared).transpose()?;
        let mut known: BTreeSet<String> = declared.iter().flat_map(|tools| tools.keys().cloned()).collect();
        let mut used = Uses::default();
        for rule in &document.rules {
            known.extend(rule.when.tools().into_iter().map(str::to_owned));
            rule.when.arguments().into_iter().for_each(|argument| used.add(&argument.path, &argument.test));
        }
        if let Some(odd) = std::iter::once(server).chain(known.iter().map(String::as_str)).find(|name| !plain(name)) {
            let shown: String = odd.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(format!("`{shown}` is not a name of a tool or server that a policy can write"));
        }
        Ok(Self { server: server.to_owned(), known: known.into_iter().collect(), declared, used })
    }

    /// Whether all tools there are were declared.
    pub(crate) const fn is_declared(&self) -> bool {
        self.declared.is_some()
    }

    /// The type of an argument of `tool`. `Ok(None)`: the tool has no such argument.
    pub(crate) fn kind(&self, tool: &str, path: &[String]) -> Result<Option<Kind>, String> {
        let Some(declared) = &self.declared else { return self.used.kind(path).map(Some) };
        let Some(members) = declared.get(tool) else {
            return Err(format!("`{tool}` is not among the declared tools, so its arguments have no types"));
        };
        let (mut kind, mut members) = (None, Some(members));
        for name in path {
            let Some(inner) = members else { return Ok(None) };
            let Some(found) = inner.get(name) else { return Ok(None) };
            members = if let Kind::Object(inner) = found { Some(inner) } else { None };
            kind = Some(found.clone());
        }
        Ok(kind)
    }

    /// What an MCP server with these tools and arguments would answer to `tools/list`.
    pub(crate) fn listing(&self) -> Value {
        let schema = self.used.schema();
        let tools = self.known.iter().map(|name| json!({"name": name, "inputSchema": schema}));
        json!({"tools": tools.collect::<Vec<_>>()})
    }
}

/// Whether `name` can stand between quotes in a policy. A server has no `/` in its name.
fn plain(name: &str) -> bool {
    (1..=200).contains(&name.len()) && !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'))
}

impl Uses {
    fn add(&mut self, path: &[String], test: &Test) {
        let of = |literal: &Literal| match literal {
            Literal::Text(_) => Use::Text,
            Literal::Number(_) => Use::Number,
            Literal::Truth(_) => Use::Truth,
        };
        let uses = self.0.entry(path.to_vec()).or_default();
        match test {
            Test::Given | Test::Truthy => uses.extend([Use::Any]),
            Test::Equal(literal) => uses.extend([of(literal)]),
            Test::OneOf(items) => uses.extend(items.iter().map(of)),
            Test::Order(..) => uses.extend([Use::Number]),
            Test::Contains(_) | Test::Matches(_) => uses.extend([Use::Text]),
        }
    }

    /// The type that fits every use. The error is why there is none.
    fn kind(&self, path: &[String]) -> Result<Kind, String> {
        let name = path.join(".");
        let inner: Vec<_> = self.0.keys().filter(|other| other.len() > path.len() && other.starts_with(path)).collect();
        if let Some(outer) =
            (1..path.len()).filter_map(|n| path.get(..n)).find(|outer| self.strong(outer).next().is_some())
        {
            return Err(format!("`{}` is used as a value, and as what holds `{name}`", outer.join(".")));
        }
        let strong: Vec<Use> = self.strong(path).collect();
        match (strong.as_slice(), inner.is_empty()) {
            ([], false) => Ok(Kind::Object(Members::new())),
            ([Use::Text], true) => Ok(Kind::Text),
            ([Use::Number], true) => Ok(Kind::Decimal),
            ([Use::Truth] | [], true) => Ok(Kind::Truth),
            _ => Err(format!("`{name}` is used as values of several types: say which it has with `--tools`")),
        }
    }

    fn strong(&self, path: &[String]) -> impl Iterator<Item = Use> {
        let uses = self.0.get(path).into_iter().flatten().copied();
        uses.filter(|one| *one != Use::Any).collect::<Vec<_>>().into_iter()
    }

    /// All of them, as a JSON Schema. What has no type is left out.
    fn schema(&self) -> Value {
        let mut schema = Map::new();
        for path in self.0.keys() {
            let word = match self.kind(path) {
                Ok(Kind::Text) => "string",
                Ok(Kind::Decimal) => "number",
                Ok(Kind::Truth) => "boolean",
                _ => continue,
            };
            put(&mut schema, path, word);
        }
        Value::Object(schema)
    }
}

/// Adds `path` to an object's schema, with the objects around it.
fn put(schema: &mut Map<String, Value>, path: &[String], word: &str) {
    let Some((name, rest)) = path.split_first() else { return };
    schema.insert("type".to_owned(), json!("object"));
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    let Value::Object(properties) = properties else { return };
    if rest.is_empty() {
        properties.insert(name.clone(), json!({"type": word}));
    } else if let Value::Object(inner) = properties.entry(name.clone()).or_insert_with(|| json!({})) {
        put(inner, rest, word);
    }
}

/// The tools of an answer to `tools/list`: the result, or the whole response.
fn declared(text: &str) -> Result<BTreeMap<String, Members>, String> {
    let answer: Value = serde_json::from_str(text).map_err(|why| format!("not JSON: {why}"))?;
    let tools = answer.pointer("/result/tools").or_else(|| answer.get("tools")).and_then(Value::as_array);
    let tools = tools.ok_or("not an answer to MCP `tools/list`: expected `tools`, a list")?;
    let one = |tool: &Value| {
        let name = tool.get("name").and_then(Value::as_str).ok_or("a tool without a `name`")?;
        Ok((name.to_owned(), members(tool.get("inputSchema").unwrap_or(&Value::Null))))
    };
    tools.iter().map(one).collect()
}

fn members(schema: &Value) -> Members {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, schema)| (name.clone(), kind(schema))).collect()
}

/// As `countersign-policy` reads it (`policy/src/tools.rs`).
fn kind(schema: &Value) -> Kind {
    let words: Vec<&str> = match schema.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).filter(|word| *word != "null").collect(),
        _ => Vec::new(),
    };
    match words.as_slice() {
        ["string"] => Kind::Text,
        ["integer"] => Kind::Whole,
        ["number"] => Kind::Decimal,
        ["boolean"] => Kind::Truth,
        ["array"] if schema.get("items").map(kind) == Some(Kind::Text) => Kind::Texts,
        ["object"] => Kind::Object(members(schema)),
        _ => Kind::Other,
    }
}
