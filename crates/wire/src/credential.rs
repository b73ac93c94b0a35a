//! What a caller presents to say who it is.
//!
//! Two headers carry credentials, and one of them carries four kinds, told
//! apart by how they begin. Reading one says what it is, never whether it holds.

use crate::secret::Secret;

/// A credential, by kind.
#[derive(Debug, Clone)]
pub enum Credential {
    /// An organisation's API key: `sk_…`.
    ApiKey(Secret),
    /// An agent's opaque access token: `at_…`.
    AccessToken(Secret),
    /// An opaque federation token: `fed_…`.
    FederationToken(Secret),
    /// A signed token in three parts, such as a WIMSE token.
    Jwt(Secret),
}

/// A header that should hold a credential holds something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    /// `Authorization` does not begin with `Bearer`.
    #[error("the `Authorization` header is not understood: expected `Bearer` and a token")]
    NotBearer,
    /// The token has no known form.
    #[error("the bearer token has no known form: expected `sk_…`, `at_…`, `fed_…` or a signed token in three parts")]
    UnknownToken,
    /// `X-API-Key` holds no API key.
    #[error("the `X-API-Key` header holds no API key: expected `sk_…`")]
    NotApiKey,
}

impl Credential {
    /// Reads the value of an `Authorization` header.
    ///
    /// TRUST: the value is the caller's.
    pub fn from_authorization(value: &[u8]) -> Result<Self, InvalidCredential> {
        let text = std::str::from_utf8(value).map_err(|_| InvalidCredential::NotBearer)?;
        let (scheme, token) = text.trim_ascii().split_once(' ').ok_or(InvalidCredential::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(InvalidCredential::NotBearer);
        }
        let token = token.trim_ascii();
        if !is_token(token) {
            return Err(InvalidCredential::UnknownToken);
        }
        let secret = Secret::new(token.to_owned());
        match token {
            t if t.starts_with("sk_") => Ok(Self::ApiKey(secret)),
            t if t.starts_with("at_") => Ok(Self::AccessToken(secret)),
            t if t.starts_with("fed_") => Ok(Self::FederationToken(secret)),
            t if has_three_parts(t) => Ok(Self::Jwt(secret)),
            _ => Err(InvalidCredential::UnknownToken),
        }
    }

    /// Reads the value of an `X-API-Key` header.
    ///
    /// TRUST: the value is the caller's.
    pub fn from_api_key(value: &[u8]) -> Result<Self, InvalidCredential> {
        std::str::from_utf8(value)
            .ok()
            .map(str::trim_ascii)
            .filter(|key| key.starts_with("sk_") && is_token(key))
            .map(|key| Self::ApiKey(Secret::new(key.to_owned())))
            .ok_or(InvalidCredential::NotApiKey)
    }

    /// The credential as presented.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::ApiKey(s) | Self::AccessToken(s) | Self::FederationToken(s) | Self::Jwt(s) => s.expose(),
        }
    }
}

/// The characters of a bearer token: `b64token` of RFC 6750.
fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

fn has_three_parts(text: &str) -> bool {
    text.split('.').count() == 3 && text.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(value: &str) -> String {
        match Credential::from_authorization(value.as_bytes()) {
            Ok(credential) => format!("{credential:?} {}", credential.expose()),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_bearer_is_told_apart_by_how_it_begins() {
        assert_eq!(kind("Bearer sk_live_1"), "ApiKey([secret]) sk_live_1");
        assert_eq!(kind("bearer  at_1 "), "AccessToken([secret]) at_1");
        assert_eq!(kind("BEARER fed_1"), "FederationToken([secret]) fed_1");
        assert_eq!(kind("Bearer eyJ.x.y"), "Jwt([secret]) eyJ.x.y");
    }

    #[test]
    fn what_is_no_bearer_is_refused() {
        for value in ["", "Bearer", "Basic YTpi", "DPoP at_1", "sk_live_1"] {
            assert_eq!(kind(value), "NotBearer", "{value}");
        }
        for value in ["Bearer x", "Bearer a.b", "Bearer a..b", "Bearer a.b.c.d", "Bearer at_1 at_2", "Bearer at_1,x"] {
            assert_eq!(kind(value), "UnknownToken", "{value}");
        }
        assert_eq!(Credential::from_authorization(b"Bearer \xff").unwrap_err(), InvalidCredential::NotBearer);
    }

    #[test]
    fn the_key_header_holds_only_keys() {
        assert_eq!(Credential::from_api_key(b" sk_live_1 ").unwrap().expose(), "sk_live_1");
        for value in ["", "at_1", "Bearer sk_live_1", "sk_live 1"] {
            assert_eq!(Credential::from_api_key(value.as_bytes()).unwrap_err(), InvalidCredential::NotApiKey);
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value in any::<Vec<u8>>(), text in "[Bb]earer .{0,20}") {
            Credential::from_authorization(&value).ok();
            Credential::from_authorization(text.as_bytes()).ok();
            Credential::from_api_key(&value).ok();
        }
    }
}
