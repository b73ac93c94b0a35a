//! Tools that are declared: their effects, and the types of their arguments.
//!
//! A declaration is what an MCP server answers to `tools/list` (MCP 2025-06-18,
//! server/tools). Of each `inputSchema` what Cedar can type is taken: texts,
//! whole numbers, decimals, booleans, and lists and objects of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_core::Effect;
use countersign_core::classify::classify;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::source::Source;

/// The declared tools, by their full names.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    declared: BTreeMap<String, Tool>,
    untyped: Vec<String>,
}

/// One declared tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The effect its name has (`core/src/classify.rs`). A call of it may have a higher one.
    pub effect: Effect,
    pub(crate) arguments: Members,
}

/// The members of an object, by name, and whether each must be there.
pub(crate) type Members = BTreeMap<String, (Kind, bool)>;

/// What Cedar can say of a value.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Text,
    Whole,
    /// A number with at most four digits after the point.
    Decimal,
    Truth,
    List(Box<Kind>),
    Object(Members),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listing {
    Response { result: Listed },
    Result(Listed),
}

#[derive(Deserialize)]
struct Listed {
    tools: Vec<Declared>,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    #[serde(default, rename = "inputSchema")]
    input: Map<String, Value>,
}

impl Tools {
    /// Adds the tools of `server`, as it answered `tools/list`: the result, or
    /// the whole JSON-RPC response. A tool is then called `server/name`.
    pub fn declare(&mut self, server: &str, source: Source<'_>) -> Result<(), Fault> {
        let fault = |message: String| Fault::error(source.file, source.text, 0, message);
        let (Listing::Response { result: listed } | Listing::Result(listed)) =
            serde_json::from_str(source.text).map_err(|why| unread(source, &why))?;
        for tool in listed.tools {
            let name = format!("{server}/{}", tool.name);
            let arguments = members(&tool.input);
            if let Some(odd) = std::iter::once(&name).chain(names(&arguments)).find(|name| !plain(name)) {
                let shown: String = odd.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(fault(format!("`{shown}` is not a name a policy can write")));
            }
            untyped(&name, &tool.input, &mut self.untyped);
            let effect = classify(&name, None, None).effect;
            if self.declared.insert(name.clone(), Tool { effect, arguments }).is_some() {
                return Err(fault(format!("`{name}` is declared twice")));
            }
        }
        Ok(())
    }

    /// The arguments that have no type that Cedar has, as `server/tool: name`:
    /// no policy can name them.
    #[must_use]
    pub fn untyped(&self) -> &[String] {
        &self.untyped
    }

    /// Why a policy cannot name an argument that it names: what Cedar says of it is in `message`.
    pub(crate) fn why_not_found(&self, message: &str) -> Option<String> {
        let between = |from: &str, to: &str| Some(message.split_once(from)?.1.split_once(to)?.0);
        if let Some(action) = between("unrecognized action `Action::\"", "\"`") {
            let (server, _) = action.split_once('/')?;
            return Some(format!("`tools/{server}.json` does not declare it"));
        }
        let argument = between("attribute `arguments.", "`")?;
        let tool = between("Action::\"", "\"").filter(|tool| self.declared.contains_key(*tool))?;
        let file = format!("`tools/{}.json`", tool.split_once('/')?.0);
        if self.untyped.contains(&format!("{tool}: {argument}")) {
            return Some(format!("{file} gives it no type that Cedar has"));
        }
        let bare = self.declared.get(tool).is_some_and(|tool| tool.arguments.is_empty());
        bare.then(|| format!("{file} declares no arguments of this tool in `inputSchema.properties`"))
    }

    /// The declared tools, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tool)> {
        self.declared.iter().map(|(name, tool)| (name.as_str(), tool))
    }

    /// The tool that is called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.declared.get(name)
    }

    /// One Cedar action for each tool. `context` writes the context of a call
    /// around the type of its arguments, `groups` names the effects it is in.
    pub(crate) fn actions(&self, context: impl Fn(&str) -> String, groups: &dyn Fn(&Tool) -> Vec<Effect>) -> String {
        let mut text = String::new();
        for (name, tool) in &self.declared {
            let groups: Vec<String> = groups(tool).iter().map(|effect| format!("\"{effect}\"")).collect();
            let context = context(&record(&tool.arguments));
            let _ = writeln!(
                text,
                "action \"{name}\" in [{}] appliesTo {{ principal: [Agent], resource: [Tool], context: {context} }};",
                groups.join(", ")
            );
        }
        text
    }
}

/// A text that is no listing.
fn unread(source: Source<'_>, why: &serde_json::Error) -> Fault {
    let fault = |what| Fault::error(source.file, source.text, 0, format!("not an answer to MCP `tools/list`: {what}"));
    if why.is_data() {
        let help =
            r#"expected `{"tools": [{"name": "…", "inputSchema": {…}}]}`, or a response with that as its `result`"#;
        return fault("it has no list of tools with names".to_owned()).with_help(Some(help.to_owned()));
    }
    Fault { line: why.line(), column: why.column().max(1), ..fault(why.to_string()) }
}

fn names(members: &Members) -> Box<dyn Iterator<Item = &String> + '_> {
    Box::new(members.iter().flat_map(|(name, (kind, _))| {
        let inner = match kind {
            Kind::Object(inner) => names(inner),
            _ => Box::new(std::iter::empty()),
        };
        std::iter::once(name).chain(inner)
    }))
}

/// Whether `name` can stand between quotes without being escaped.
fn plain(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'))
}

fn members(schema: &Map<String, Value>) -> Members {
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get("properties") else { return Members::new() };
    let typed = properties.iter().filter_map(|(name, schema)| Some((name, kind(schema)?)));
    typed.map(|(name, kind)| (name.clone(), (kind, required.contains(&name.as_str())))).collect()
}

/// Adds the members that [`members`] leaves out.
fn untyped(tool: &str, schema: &Map<String, Value>, found: &mut Vec<String>) {
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    for (name, schema) in properties {
        match kind(schema) {
            None => found.push(format!("{tool}: {name}")),
            Some(Kind::Object(_)) => {
                schema.as_object().into_iter().for_each(|inner| untyped(&format!("{tool}: {name}"), inner, found));
            }
            Some(_) => {}
        }
    }
}

/// What Cedar can say of a value with this JSON Schema. `None`: nothing, so no policy can name it.
fn kind(schema: &Value) -> Option<Kind> {
    let word = match schema.get("type")? {
        Value::String(word) => word.as_str(),
        // `null` is the same as not being there.
        Value::Array(words) => {
            match words.iter().filter_map(Value::as_str).filter(|w| *w != "null").collect::<Vec<_>>()[..] {
                [word] => word,
                _ => return None,
            }
        }
        _ => return None,
    };
    match word {
        "string" => Some(Kind::Text),
        "integer" => Some(Kind::Whole),
        "number" => Some(Kind::Decimal),
        "boolean" => Some(Kind::Truth),
        "array" => Some(Kind::List(Box::new(kind(schema.get("items")?)?))),
        "object" => Some(Kind::Object(members(schema.as_object()?))),
        _ => None,
    }
}

fn record(members: &Members) -> String {
    let one = |(name, (kind, required)): (&String, &(Kind, bool))| {
        format!("\"{name}\"{}: {}", if *required { "" } else { "?" }, written(kind))
    };
    format!("{{ {} }}", members.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn written(kind: &Kind) -> String {
    match kind {
        Kind::Text => "String".to_owned(),
        Kind::Whole => "Long".to_owned(),
        Kind::Decimal => "decimal".to_owned(),
        Kind::Truth => "Bool".to_owned(),
        Kind::List(of) => format!("Set<{}>", written(of)),
        Kind::Object(members) => record(members),
    }
}
