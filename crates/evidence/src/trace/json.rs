//! Strict JSON, and the two byte forms TRACE hashes and signs.
//!
//! What is read here has one meaning for every reader: no member name twice at
//! any depth, no lone surrogate, no integer that a double cannot hold, no float
//! and no nesting beyond [`MAX_DEPTH`]. Only such values have a signature
//! pre-image ([`jcs`], RFC 8785) or an anchor leaf ([`sorted_ascii`]).
//!
//! The two forms differ on purpose, and agree on plain ASCII records, so that a
//! mix-up survives naive tests: `jcs` orders names by UTF-16 unit and writes raw
//! UTF-8, `sorted_ascii` orders by code point and escapes all that is not
//! printable ASCII, as Python's
//! `json.dumps(sort_keys=True, separators=(",", ":"), ensure_ascii=True)` does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// The greatest integer every JSON reader holds exactly: 2^53 − 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// How deep a document may nest.
pub const MAX_DEPTH: usize = 64;

/// Why a document is not one that can be signed or hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}`: {fault}")]
pub struct Refused {
    /// Where, as a JSON pointer (RFC 6901); empty for the document itself.
    pub pointer: String,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not JSON in UTF-8; a lone surrogate is reported so too.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// A member is named twice: two readers would read two documents.
    #[error("member `{0}` is named twice")]
    DuplicateMember(String),
    /// An integer outside ±(2^53 − 1).
    #[error("an integer outside ±(2^53−1) has no canonical form")]
    UnsafeInteger,
    /// A number that is not written as an integer.
    #[error("a number that is not an integer has no place here")]
    Float,
    /// Nesting beyond [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// Which numbers a document may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Integers within ±(2^53 − 1): records, bundles, receipts, anchored claims.
    SafeIntegers,
    /// Finite floats too: transcripts of other producers.
    Finite,
}

/// Reads a record, a bundle or a receipt.
///
/// TRUST: the bytes may come from anyone.
pub fn read(bytes: &[u8]) -> Result<Value, Refused> {
    read_with(bytes, Numbers::SafeIntegers)
}

/// Reads a document that may hold `numbers`.
pub fn read_with(bytes: &[u8], numbers: Numbers) -> Result<Value, Refused> {
    value(&parse(bytes)?, numbers, &mut String::new())
}

/// Checks a value that was not read here: its numbers and its nesting.
pub fn check(value: &Value) -> Result<(), Refused> {
    check_at(value, Numbers::SafeIntegers, &mut String::new(), 0)
}

/// The RFC 8785 form: what TRACE signs.
pub fn jcs(value: &Value) -> Result<Vec<u8>, Refused> {
    jcs_with(value, Numbers::SafeIntegers)
}

/// The RFC 8785 form of a value that may hold `numbers`.
pub fn jcs_with(value: &Value, numbers: Numbers) -> Result<Vec<u8>, Refused> {
    check_at(value, numbers, &mut String::new(), 0)?;
    serde_json_canonicalizer::to_vec(value).map_err(|e| refused("", Fault::NotJson(e.to_string())))
}

/// The sorted-key ASCII form: what TRACE anchors.
pub fn sorted_ascii(value: &Value) -> Result<String, Refused> {
    check(value)?;
    let text = serde_json::to_vec(value).map_err(|e| refused("", Fault::NotJson(e.to_string())))?;
    sorted_ascii_of_text(&text)
}

/// The sorted-key ASCII form of JSON text, every number spelled as it was.
///
/// A float has many spellings (`1.0`, `1e-05`), and a producer that hashes this
/// form hashes its own: the Agent Governance Toolkit's transcripts hold such.
pub fn sorted_ascii_of_text(bytes: &[u8]) -> Result<String, Refused> {
    let mut out = String::with_capacity(bytes.len());
    write_ascii(&parse(bytes)?, &mut out);
    Ok(out)
}

/// A document as its text says it: names unique and sorted, numbers unread.
enum Node<'a> {
    Literal(&'a str),
    Number(&'a str),
    Text(String),
    List(Vec<Node<'a>>),
    /// `String` orders by code point, as UTF-8 does.
    Object(BTreeMap<String, Node<'a>>),
}

fn refused(pointer: &str, fault: Fault) -> Refused {
    Refused { pointer: pointer.to_owned(), fault }
}

fn parse(bytes: &[u8]) -> Result<Node<'_>, Refused> {
    let not_json = |e: &dyn std::fmt::Display| refused("", Fault::NotJson(e.to_string()));
    let text = std::str::from_utf8(bytes).map_err(|e| not_json(&e))?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| not_json(&e))?;
    node(raw, &mut String::new(), 0)
}

fn node<'a>(raw: &'a RawValue, pointer: &mut String, depth: usize) -> Result<Node<'a>, Refused> {
    let text = raw.get();
    let not_json = |e: serde_json::Error, pointer: &str| refused(pointer, Fault::NotJson(e.to_string()));
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == MAX_DEPTH => Err(refused(pointer, Fault::TooDeep)),
        Some(b'{') => {
            let pairs = serde_json::Deserializer::from_str(text).deserialize_map(Pairs);
            let mut object = BTreeMap::new();
            for (name, raw) in pairs.map_err(|e| not_json(e, pointer))? {
                let child = within(pointer, &name, |at| node(raw, at, depth + 1))?;
                if object.contains_key(&name) {
                    return Err(refused(pointer, Fault::DuplicateMember(name)));
                }
                object.insert(name, child);
            }
            Ok(Node::Object(object))
        }
        Some(b'[') => {
            let items = serde_json::Deserializer::from_str(text).deserialize_seq(Items);
            let items = items.map_err(|e| not_json(e, pointer))?.into_iter().enumerate();
            let nodes = items.map(|(i, raw)| within(pointer, &i.to_string(), |at| node(raw, at, depth + 1)));
            Ok(Node::List(nodes.collect::<Result<_, _>>()?))
        }
        Some(b'"') => Ok(Node::Text(serde_json::from_str(text).map_err(|e| not_json(e, pointer))?)),
        Some(b't' | b'f' | b'n') => Ok(Node::Literal(text)),
        _ => Ok(Node::Number(text)),
    }
}

/// Runs `step` with `name` at the end of the pointer.
pub(super) fn within<T>(pointer: &mut String, name: &str, step: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    let result = step(pointer);
    pointer.truncate(length);
    result
}

/// Collects the members of an object, in order and with their names unread twice.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

/// Collects the items of an array.
struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

fn value(node: &Node<'_>, numbers: Numbers, pointer: &mut String) -> Result<Value, Refused> {
    Ok(match node {
        Node::Literal(text) => match *text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::Null,
        },
        Node::Number(text) => Value::Number(number(text, numbers).map_err(|fault| refused(pointer, fault))?),
        Node::Text(text) => Value::String(text.clone()),
        Node::List(items) => {
            let items = items.iter().enumerate();
            let values = items.map(|(i, item)| within(pointer, &i.to_string(), |at| value(item, numbers, at)));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Node::Object(members) => {
            let mut map = Map::new();
            for (name, member) in members {
                map.insert(name.clone(), within(pointer, name, |at| value(member, numbers, at))?);
            }
            Value::Object(map)
        }
    })
}

fn number(text: &str, numbers: Numbers) -> Result<Number, Fault> {
    if text.contains(['.', 'e', 'E']) {
        let float = text.parse().ok().filter(|_| numbers == Numbers::Finite);
        return float.and_then(Number::from_f64).ok_or(Fault::Float);
    }
    let read = text.parse::<i64>().map_err(|_| Fault::UnsafeInteger)?;
    if read.unsigned_abs() > MAX_SAFE_INTEGER { Err(Fault::UnsafeInteger) } else { Ok(read.into()) }
}

fn check_at(value: &Value, numbers: Numbers, pointer: &mut String, depth: usize) -> Result<(), Refused> {
    match value {
        Value::Number(number) => {
            let fault = match (number.as_i64(), number.as_u64()) {
                (None, None) if numbers == Numbers::Finite => return Ok(()),
                (None, None) => Fault::Float,
                (Some(n), _) if n.unsigned_abs() <= MAX_SAFE_INTEGER => return Ok(()),
                _ => Fault::UnsafeInteger,
            };
            Err(refused(pointer, fault))
        }
        Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => Err(refused(pointer, Fault::TooDeep)),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, item)| within(pointer, &i.to_string(), |at| check_at(item, numbers, at, depth + 1)))
        }
        Value::Object(members) => {
            let mut members = members.iter();
            members.try_for_each(|(name, member)| within(pointer, name, |at| check_at(member, numbers, at, depth + 1)))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn write_ascii(node: &Node<'_>, out: &mut String) {
    match node {
        Node::Literal(text) | Node::Number(text) => out.push_str(text),
        Node::Text(text) => write_ascii_text(text, out),
        Node::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                write_ascii(item, out);
            }
            out.push(']');
        }
        Node::Object(members) => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                write_ascii_text(name, out);
                out.push(':');
                write_ascii(member, out);
            }
            out.push('}');
        }
    }
}

fn write_ascii_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
