//! How published clients spell "nothing": by leaving a field out, by `null`,
//! or by an empty string.

use countersign_core::Effect;
use serde::de::{self, IntoDeserializer};
use serde::{Deserialize, Deserializer};

/// `null` means the default, as leaving the field out does.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// `null` and `""` mean absent. Any other string is read as a `T`.
pub(crate) fn empty_as_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()) {
        Some(text) => T::deserialize(text.into_deserializer()).map(Some),
        None => Ok(None),
    }
}

/// `null` and `""` mean the default. Any other string is read as a `T`.
pub(crate) fn empty_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    empty_as_none(deserializer).map(Option::unwrap_or_default)
}

/// Tells `null`, which is given, from nothing at all.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The reason of a revocation where none is given.
pub(crate) fn manual_revocation() -> String {
    "manual_revocation".to_owned()
}

/// The reason of a revocation.
pub(crate) fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    empty_as_none(deserializer).map(|text| text.unwrap_or_else(manual_revocation))
}

/// A string with more in it than white space.
pub(crate) fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() { Err(de::Error::custom("expected a string that is not empty")) } else { Ok(text) }
}

/// Absent and `null` mean none; a string that is given must not be empty.
pub(crate) fn filled_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) => filled(text.into_deserializer()).map(Some),
        None => Ok(None),
    }
}

/// A caller's hint at an effect. A word nobody knows is no hint.
pub(crate) fn hint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Effect>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|word| Effect::parse(&word)))
}

/// A word out of a closed set. Read as a string first, so that anything else
/// is told what was expected.
pub(crate) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}
