//! The two profiles, and which of them a verifier accepts.

use serde::{Deserialize, Serialize};

/// The profile of a v0.2 record.
pub const PROFILE_V02: &str = "tag:agentrust-io.com,2026:trace-v0.2";

/// The profile of a v0.1 record: superseded on 2026-07-28.
pub const LEGACY_PROFILE_V01: &str = "tag:agentrust.io,2026:trace-v0.1";

/// What a record says it means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// TRACE v0.2: what is written unless something else is asked for.
    #[default]
    #[serde(rename = "tag:agentrust-io.com,2026:trace-v0.2")]
    V02,
    /// TRACE v0.1, which no verifier of v0.2 accepts.
    #[serde(rename = "tag:agentrust.io,2026:trace-v0.1")]
    LegacyV01,
}

impl Profile {
    /// The URI that names it.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::V02 => PROFILE_V02,
            Self::LegacyV01 => LEGACY_PROFILE_V01,
        }
    }
}

/// The profiles a verifier accepts: never none, and never v0.1 beside another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedProfiles(Vec<Profile>);

/// Why a verifier cannot be set up so. The cutover to v0.2 is a cutover: a
/// verifier of both would let records keep passing that the change retired.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProfiles {
    /// It would verify nothing.
    #[error("a verifier that accepts no profile verifies nothing")]
    Empty,
    /// v0.1 is read by its own verifier, asked for by name.
    #[error("`{LEGACY_PROFILE_V01}` is superseded and accepted only on its own, as legacy")]
    Superseded,
    /// Nothing here can check its shape.
    #[error("profile `{0}` has no schema here: its records cannot be checked")]
    Unschemaed(String),
}

impl InvalidProfiles {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "no_accepted_profiles",
            Self::Superseded => "superseded_profile_in_accepted_set",
            Self::Unschemaed(_) => "unschemaed_profile_in_accepted_set",
        }
    }
}

impl Default for AcceptedProfiles {
    /// v0.2 and nothing else.
    fn default() -> Self {
        Self(vec![Profile::V02])
    }
}

impl AcceptedProfiles {
    /// The profiles named by `uris`.
    pub fn parse<'a>(uris: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProfiles> {
        let mut accepted = Vec::new();
        for uri in uris {
            match uri {
                PROFILE_V02 => accepted.push(Profile::V02),
                LEGACY_PROFILE_V01 => return Err(InvalidProfiles::Superseded),
                _ => return Err(InvalidProfiles::Unschemaed(uri.chars().take(120).collect())),
            }
        }
        if accepted.is_empty() { Err(InvalidProfiles::Empty) } else { Ok(Self(accepted)) }
    }

    /// v0.1 alone, for reading old records.
    #[must_use]
    pub fn legacy_v01() -> Self {
        Self(vec![Profile::LegacyV01])
    }

    /// The profile that `uri` names, if it is accepted.
    pub(super) fn find(&self, uri: &str) -> Option<Profile> {
        self.0.iter().copied().find(|profile| profile.uri() == uri)
    }

    /// The URIs, in the order they were given.
    pub fn uris(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|profile| profile.uri())
    }
}
