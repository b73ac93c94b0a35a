//! JSON that Countersign passes on without looking inside.
//!
//! It is kept as the text it came as: no number is rounded and no member moves.
//! It is the caller's and may hold a secret, so `Debug` shows nothing of it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Any JSON value.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = serde_json::Value)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The value that `text` spells; `None` where it is not JSON.
    #[must_use]
    pub fn from_text(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    /// The value as JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.as_str().len())
    }
}

/// A JSON object.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct JsonObject(Json);

impl JsonObject {
    /// The object that `text` spells; the empty object where it spells none.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The object as JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The empty object.
impl Default for JsonObject {
    fn default() -> Self {
        let empty = RawValue::from_string("{}".to_owned());
        Self(Json(empty.unwrap_or_else(|_| RawValue::NULL.to_owned())))
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        if json.as_str().starts_with('{') { Ok(Self(json)) } else { Err(de::Error::custom("expected a JSON object")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was_sent() {
        let text = r#"{"z":1.50,"a":12345678901234567890123}"#;
        let object: JsonObject = serde_json::from_str(&format!(" {text} ")).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
    }

    #[test]
    fn nothing_but_an_object_is_one() {
        for text in ["null", "[]", "\"{}\"", "1"] {
            assert!(serde_json::from_str::<JsonObject>(text).is_err(), "{text}");
            assert_eq!(JsonObject::from_stored(text).as_str(), "{}");
        }
        assert_eq!(JsonObject::from_stored("").as_str(), "{}");
    }

    #[test]
    fn it_is_not_printed() {
        let json = Json::from_text(r#"{"password":"hunter2"}"#.to_owned()).unwrap();
        assert_eq!(format!("{json:?}"), "[22 bytes]");
        assert!(Json::from_text("{".to_owned()).is_none());
    }
}
