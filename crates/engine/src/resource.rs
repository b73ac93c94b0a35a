//! What a call touches, as its arguments tell.
//!
//! Detectors tell resources apart by it, and nothing else rests on it: an agent
//! that hides what it touches makes its call one of an unknown resource.

use std::borrow::Cow;
use std::fmt;

use countersign_core::Digest;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The arguments that usually name what a call touches, the most telling first.
pub const RESOURCES: &[&str] = &[
    "resource",
    "uri",
    "url",
    "path",
    "file",
    "table",
    "bucket",
    "repository",
    "repo",
    "account",
    "recipient",
    "to",
    "channel",
    "host",
    "id",
];

/// The digest of the argument that names what a call touches: the first of
/// `names` that `input`, a JSON object, has. Names count, so that a path and an
/// account that are spelled alike are two things.
pub(crate) fn resource(input: Option<&str>, names: &[Cow<'static, str>]) -> Option<Digest> {
    let mut reader = serde_json::Deserializer::from_str(input?);
    let (place, value) = reader.deserialize_map(First(names)).ok().flatten()?;
    let name = names.get(place)?;
    let text: Option<Cow<'_, str>> = serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0);
    Some(Digest::of(format!("{name}\0{}", text.as_deref().unwrap_or(value.get())).as_bytes()))
}

/// A string, however it is spelled.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Looks for the first of some names among the members of an object.
struct First<'n>(&'n [Cow<'static, str>]);

impl<'de> Visitor<'de> for First<'_> {
    type Value = Option<(usize, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found: Option<(usize, &RawValue)> = None;
        while let Some(Text(name)) = members.next_key()? {
            let place = self.0.iter().position(|wanted| *wanted == name);
            match place.filter(|place| found.is_none_or(|(best, _)| *place < best)) {
                Some(place) => found = Some((place, members.next_value()?)),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(input: &str) -> Option<Digest> {
        let names: Vec<_> = RESOURCES.iter().copied().map(Cow::Borrowed).collect();
        resource(Some(input), &names)
    }

    #[test]
    fn the_first_name_counts_wherever_it_stands() {
        assert_eq!(of(r#"{"id":7,"note":{"path":1},"path":"/a"}"#), of(r#"{"path":"/a"}"#));
        assert_ne!(of(r#"{"path":"/a"}"#), of(r#"{"path":"/b"}"#));
        assert_ne!(of(r#"{"path":"/a"}"#), of(r#"{"account":"/a"}"#));
        assert_ne!(of(r#"{"id":7}"#), of(r#"{"id":8}"#));
    }

    #[test]
    fn another_spelling_is_the_same_resource() {
        assert_eq!(of(r#"{"path":"/a"}"#), of(r#"{"p\u0061th":"\/\u0061"}"#));
    }

    #[test]
    fn what_names_nothing_touches_nothing_known() {
        for input in [r#"{"note":"/a"}"#, "{}", "[1]", "null", r#""path""#] {
            assert_eq!(of(input), None, "{input}");
        }
        assert_eq!(resource(None, &[Cow::Borrowed("path")]), None);
    }
}
