//! Walks a document once, keeping nothing but the keys of the objects it is in.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{JsonError, MAX_DEPTH, explain};

/// Up to this many keys are compared one by one; more go into a set.
const FEW: usize = 16;
/// How much of a key an error repeats.
const SHOWN: usize = 64;

/// Checks that `text` is one JSON document without a key that appears twice in
/// its object, and not too deep.
pub(super) fn check(text: &str) -> Result<(), JsonError> {
    let mut document = serde_json::Deserializer::from_str(text);
    let mut keys = Vec::with_capacity(FEW);
    let walked = Walk { keys: &mut keys, depth: 0 }.deserialize(&mut document);
    walked.and_then(|()| document.end()).map_err(|e| JsonError { path: place(text), message: explain::message(&e) })
}

/// Where a document that `check` refused is wrong.
fn place(text: &str) -> String {
    let mut document = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut document, &mut track);
    match (Walk { keys: &mut Vec::new(), depth: 0 }).deserialize(tracked) {
        Ok(()) => String::new(),
        Err(_) => explain::path(&track.path()),
    }
}

struct Walk<'a, 'de> {
    /// The keys of every object from the outermost to this one, in order.
    keys: &'a mut Vec<Cow<'de, str>>,
    depth: usize,
}

impl<'de> Walk<'_, 'de> {
    fn inner<E: de::Error>(&mut self) -> Result<Walk<'_, 'de>, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested too deep: expected at most {MAX_DEPTH} levels")));
        }
        Ok(Walk { keys: &mut *self.keys, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let Walk { keys, depth } = self.inner()?;
        while items.next_element_seed(Walk { keys: &mut *keys, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let Walk { keys, depth } = self.inner()?;
        let before = keys.len();
        let mut many = HashSet::new();
        while let Some(key) = members.next_key_seed(Key)? {
            let known = keys.iter().skip(before).any(|k| *k == key) || many.contains(&key);
            if known {
                return Err(de::Error::custom(twice(&key)));
            }
            if many.is_empty() && keys.len() < before + FEW {
                keys.push(key);
            } else {
                many.extend(keys.drain(before..));
                many.insert(key);
            }
            members.next_value_seed(Walk { keys: &mut *keys, depth })?;
        }
        keys.truncate(before);
        Ok(())
    }
}

fn twice(key: &str) -> String {
    let shown: String = key.chars().take(SHOWN).collect();
    let rest = if shown.len() < key.len() { "…" } else { "" };
    format!("the key `{shown}{rest}` appears twice")
}

/// A key with its escapes undone; borrowed from the document where it has none.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
