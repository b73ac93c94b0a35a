//! What is wrong with a body, in words that repeat no text sent as a value.
//!
//! `serde` puts the offending string into its messages, and any string may be a
//! secret that was put into the wrong field.

use serde::de::DeserializeOwned;

use super::JsonError;

/// How much of a path an error repeats.
const SHOWN: usize = 128;

/// Why a well-formed `text` is not a `T`. Reads it once more, so that only an
/// error pays for knowing its place.
pub(super) fn mismatch<T: DeserializeOwned>(text: &str) -> JsonError {
    let mut document = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut document) {
        Ok(_) => JsonError::whole("the body cannot be read"),
        Err(e) => JsonError { path: path(e.path()), message: message(e.inner()) },
    }
}

/// A place, as errors name it: empty for the whole.
pub(super) fn path(path: &serde_path_to_error::Path) -> String {
    // A key that could not be read is `?`, and says nothing.
    let text = path.to_string();
    text.trim_end_matches('?').trim_end_matches('.').chars().take(SHOWN).collect()
}

/// What an error says. A position is kept only where the text itself is broken.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if !error.is_data() {
        return text;
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    in_words(&without_value(text.strip_suffix(&position).unwrap_or(&text)))
}

fn without_value(text: &str) -> String {
    for kind in ["invalid type: string", "invalid value: string"] {
        if let Some(rest) = text.strip_prefix(kind).and_then(|t| t.strip_prefix(" \"")) {
            return format!("{kind}{}", after_quote(rest));
        }
    }
    // What is between the marks is the caller's; what follows the last mark is ours.
    let after = |start: &str, mark| text.strip_prefix(start)?.rsplit_once(mark).map(|(_, rest)| rest);
    if let Some(words) = after("unknown variant `", "`, expected ") {
        return format!("unknown word, expected {words}");
    }
    if let Some(rest) = after("`", "` is not ") {
        return format!("not {rest}");
    }
    text.to_owned()
}

/// What follows a string that `Debug` printed, of which the opening quote is gone.
fn after_quote(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// The message with what was expected named as JSON names it, not as Rust does.
fn in_words(text: &str) -> String {
    let Some((found, expected)) = text.rsplit_once(", expected ") else {
        return text.to_owned();
    };
    let expected = match expected {
        "i64" => "a whole number",
        "u64" => "a whole number from 0",
        "u32" => "a whole number from 0 to 4294967295",
        "f64" => "a number",
        "a sequence" => "an array",
        other if other.starts_with("struct ") => "a JSON object",
        other => other,
    };
    format!("{found}, expected {expected}")
}
