//! Reads a request body: one JSON object, strictly.
//!
//! Two readers of the same bytes must never disagree about what they say, so
//! what JSON leaves open is refused: a key that appears twice, anything after
//! the object, text that is not UTF-8. One thing is mended, because published
//! clients send it: half a surrogate pair. An error says where and what was
//! expected, and never repeats a text that was sent as a value.

mod explain;
mod surrogate;
mod walk;

use std::fmt;

use serde::de::DeserializeOwned;

/// How many arrays and objects may be nested in one another, the outermost included.
pub const MAX_DEPTH: usize = 64;

/// The body is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Where in the body, such as `events[0].tool_name`; empty where it concerns the whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl JsonError {
    fn whole(message: &str) -> Self {
        Self { path: String::new(), message: message.to_owned() }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "`{}`: {}", self.path, self.message) }
    }
}

impl std::error::Error for JsonError {}

/// Reads `body` as one JSON object.
///
/// TRUST: this is where bytes from outside enter.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, JsonError> {
    let text = std::str::from_utf8(body).map_err(|e| {
        JsonError::whole(&format!("the body is not UTF-8: the fault is after {} bytes", e.valid_up_to()))
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(JsonError::whole("expected a JSON object"));
    }
    let text = surrogate::mend(text);
    walk::check(&text)?;
    serde_json::from_str(&text).map_err(|_| explain::mismatch::<T>(&text))
}

/// Reads `body` as one JSON object; an empty body is the empty object.
///
/// Published clients spell "no body" in three ways: nothing, no bytes, and `{}`.
pub fn parse_or_empty<T: DeserializeOwned>(body: &[u8]) -> Result<T, JsonError> {
    if body.trim_ascii().is_empty() { parse(b"{}") } else { parse(body) }
}

#[cfg(test)]
mod tests;
