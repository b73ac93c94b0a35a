//! YAML with the line of every value.
//!
//! The documents were written for `PyYAML`, which reads YAML 1.1. Where 1.2, which
//! is read here, has another value for the same text, the value is [`Value::Odd`]:
//! a reader says so, and guesses nothing.

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub line: usize,
    pub value: Value,
}

/// What YAML can say.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Truth(bool),
    /// A number, as JSON writes it.
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// The members in their order.
    Object(Vec<(String, Node)>),
    /// Something that YAML 1.1 and 1.2 read differently, or that is no plain value.
    Odd(String),
}

/// The one document of `text`. The error is a line and what is wrong there.
pub(crate) fn read(text: &str) -> Result<Node, (usize, String)> {
    let documents = MarkedYaml::load_from_str(text).map_err(|why| (why.marker().line(), why.info().to_owned()))?;
    match documents.as_slice() {
        [one] => Ok(node(&Source::of(text), one)),
        other => Err((1, format!("{} YAML documents: expected one", other.len()))),
    }
}

/// A text, and where each of its characters begins: marks count characters.
struct Source<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Source<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, starts: text.char_indices().map(|(at, _)| at).collect() }
    }

    /// The text of a scalar as it is in the file.
    fn written(&self, marked: &MarkedYaml<'_>) -> &'a str {
        let byte = |at: usize| self.starts.get(at).copied().unwrap_or(self.text.len());
        self.text.get(byte(marked.span.start.index())..byte(marked.span.end.index())).unwrap_or_default().trim()
    }
}

fn node(text: &Source<'_>, marked: &MarkedYaml<'_>) -> Node {
    let line = marked.span.start.line();
    let value = match &marked.data {
        YamlData::Value(scalar) => value(text.written(marked), scalar),
        YamlData::Sequence(items) => Value::List(items.iter().map(|item| node(text, item)).collect()),
        YamlData::Mapping(members) => {
            let member = |(key, value): (&MarkedYaml<'_>, &MarkedYaml<'_>)| {
                let name = match &key.data {
                    YamlData::Value(Scalar::String(name)) => name.to_string(),
                    _ => text.written(key).to_owned(),
                };
                // The line of the key is where a reader looks.
                (name, Node { line: key.span.start.line(), ..node(text, value) })
            };
            Value::Object(members.iter().map(member).collect())
        }
        _ => Value::Odd("a value with a tag".to_owned()),
    };
    Node { line, value }
}

fn value(written: &str, scalar: &Scalar<'_>) -> Value {
    let quoted = written.starts_with(['"', '\'', '|', '>', '!', '&', '*']);
    if !quoted {
        match written {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Truth(true),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Truth(false),
            _ if differs(written) => return Value::Odd(written.to_owned()),
            _ => {}
        }
    }
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Truth(*truth),
        Scalar::Integer(whole) => Value::Number((*whole).into()),
        Scalar::FloatingPoint(number) => serde_json::Number::from_f64(number.into_inner())
            .map_or_else(|| Value::Odd(written.to_owned()), Value::Number),
        Scalar::String(text) => Value::Text(text.to_string()),
    }
}

/// Whether YAML 1.1 reads a plain scalar as another value: `010` (octal), `1_000`,
/// `1:30` (sexagesimal), a date.
fn differs(written: &str) -> bool {
    let digits = written.trim_start_matches(['-', '+']);
    let leading =
        digits.starts_with('0') && digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let first = digits.starts_with(|c: char| c.is_ascii_digit());
    let marks =
        digits.contains(['_', ':', '-']) && digits.bytes().all(|b| b.is_ascii_digit() || b"_:-. TZ+".contains(&b));
    let based = digits.starts_with("0o") || digits.starts_with("0b");
    leading || (first && marks) || based
}

impl Node {
    /// The members of an object.
    pub(crate) fn members(&self) -> Option<&[(String, Self)]> {
        if let Value::Object(members) = &self.value { Some(members) } else { None }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The member `name`, where it is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let (_, found) = self.members()?.iter().find(|(known, _)| known == name)?;
        if matches!(found.value, Value::Null) { None } else { Some(found) }
    }

    /// The member `name`, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Value::Object(members) = &mut self.value else { return None };
        members.iter_mut().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// The values of the members, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        let members = if let Value::Object(members) = &mut self.value { members.as_mut_slice() } else { &mut [] };
        members.iter_mut().map(|(_, node)| node)
    }

    /// As JSON. `None`: something in it is [`Value::Odd`].
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        Some(match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Truth(truth) => (*truth).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => serde_json::Value::Array(items.iter().map(Self::json).collect::<Option<_>>()?),
            Value::Object(members) => {
                let member = |(name, node): &(String, Self)| Some((name.clone(), node.json()?));
                serde_json::Value::Object(members.iter().map(member).collect::<Option<_>>()?)
            }
            Value::Odd(_) => return None,
        })
    }

    /// In a few words, for messages.
    pub(crate) fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Truth(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) | Value::Odd(text) => text.chars().take(80).collect(),
            Value::List(_) => "a list".to_owned(),
            Value::Object(_) => "a mapping".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_line_and_what_two_versions_of_yaml_read_differently_is_odd() {
        let text = "# ä first\na: no\nb:\n  - 010\n  - '010'\n  - 1_000\n  - 2020-01-01\n  - 5\n  - 0.5\n";
        let read = read(text).unwrap();
        assert!(matches!(read.get("a").unwrap(), Node { line: 2, value: Value::Truth(false) }));
        let items = read.get("b").unwrap().items().unwrap();
        let odd: Vec<bool> = items.iter().map(|item| matches!(item.value, Value::Odd(_))).collect();
        assert_eq!(odd, [true, false, true, true, false, false]);
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
        assert_eq!(items[1].text(), Some("010"));
    }

    #[test]
    fn a_key_written_twice_and_a_second_document_are_errors() {
        assert!(super::read("a: 1\na: 2\n").is_err());
        assert!(super::read("a: 1\n---\nb: 2\n").is_err());
        assert!(super::read("a: [\n").is_err());
    }
}
