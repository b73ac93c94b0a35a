//! The names a record holds: its subject, and URIs.

use serde::{Deserialize, Serialize};

use crate::trace::schema::{is_subject, is_uri};

/// A workload: `spiffe://<trust domain>/<path>`, or a DID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

/// The text names no workload.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a subject: expected `spiffe://domain/path` or `did:method:id`")]
pub struct InvalidSubject(String);

/// An absolute URI (RFC 3986).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uri(String);

/// The text is not an absolute URI.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an absolute URI")]
pub struct InvalidUri(String);

/// As much of a wrong value as an error shows.
fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

impl Subject {
    /// Reads a subject.
    pub fn parse(text: &str) -> Result<Self, InvalidSubject> {
        // v0.1 asks less: it accepts a trust domain alone, which names no workload.
        if is_subject(text) { Ok(Self(text.to_owned())) } else { Err(InvalidSubject(shown(text))) }
    }

    /// As the record spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Uri {
    /// Reads an absolute URI.
    pub fn parse(text: &str) -> Result<Self, InvalidUri> {
        if is_uri(text) { Ok(Self(text.to_owned())) } else { Err(InvalidUri(shown(text))) }
    }

    /// As the record spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidSubject;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.0
    }
}

impl TryFrom<String> for Uri {
    type Error = InvalidUri;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}
