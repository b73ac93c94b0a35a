//! The ways in which a text can be encoded.

use serde::Serialize;

/// One step from a text to a view of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A run of base64 (RFC 4648) was decoded.
    Base64,
    /// A run of hexadecimal digits was decoded.
    Hex,
    /// Percent escapes were decoded, throughout the text.
    Percent,
    /// Markup was taken out and entities were decoded, throughout the text.
    Html,
    /// Escapes like `\u0041` were decoded, throughout the text.
    Escapes,
    /// The text was spelt in Unicode's invisible tag characters.
    Tags,
}

impl Step {
    /// The word that stands for it in findings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Percent => "percent",
            Self::Html => "html",
            Self::Escapes => "escapes",
            Self::Tags => "tags",
        }
    }
}
