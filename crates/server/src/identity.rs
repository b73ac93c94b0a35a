//! Who is asking: an API key, an access token, or nobody in dev mode.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use countersign_core::id::OrgId;
use countersign_engine::Caller;
use countersign_evidence::event::Rejection;
use countersign_wire::credential::Credential;

use crate::listen::Peer;
use crate::refuse::Refusal;
use crate::surface::Surface;

/// A caller who proved who they are. Taking one as an argument is being
/// authenticated.
pub(crate) struct Who(pub(crate) Caller);

/// Why a caller was turned away.
struct Turned {
    code: &'static str,
    credential: &'static str,
    message: &'static str,
    org: Option<OrgId>,
}

impl FromRequestParts<Surface> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, surface: &Surface) -> Result<Self, Refusal> {
        match identify(&parts.headers, surface) {
            Ok(caller) => Ok(Self(caller)),
            Err(turned) => Err(turn_away(parts, surface, turned).await),
        }
    }
}

fn identify(headers: &HeaderMap, surface: &Surface) -> Result<Caller, Turned> {
    let turned = |code, credential, message| Turned { code, credential, message, org: None };
    let engine = &surface.engine;
    let unknown = || turned("api_key_unknown", "api_key", "the API key is not known or was revoked");
    let key = match single(headers, "x-api-key")? {
        Some(value) => {
            let shown = Credential::from_api_key(value).map_err(|_| unknown())?;
            Some(engine.authenticate_key(shown.expose()).ok_or_else(unknown)?)
        }
        None => None,
    };
    // A bearer decides who acts. It is never ignored in favour of a key.
    match (single(headers, "authorization")?, key) {
        (None, Some(caller)) => Ok(caller),
        (None, None) => surface.developer().ok_or_else(|| {
            turned("credentials_missing", "none", "no credentials were sent; send an API key in `X-API-Key`")
        }),
        (Some(value), key) => {
            let org = key.as_ref().map(|key| key.org.clone());
            let shown = Credential::from_authorization(value).map_err(|_| Turned {
                org: org.clone(),
                ..turned(
                    "credential_unknown",
                    "bearer",
                    "the `Authorization` header holds no credential that is known here",
                )
            })?;
            match &shown {
                Credential::ApiKey(secret) => {
                    let caller = engine.authenticate_key(secret.expose()).ok_or_else(unknown)?;
                    if key.is_some_and(|other| other.key != caller.key) {
                        return Err(turned(
                            "credentials_conflict",
                            "api_key",
                            "two different API keys were sent; send one",
                        ));
                    }
                    Ok(caller)
                }
                Credential::AccessToken(secret) => {
                    engine.authenticate_token(secret.expose(), key.as_ref()).map_err(|why| Turned {
                        org: org.or_else(|| engine.org_of_token(secret.expose())),
                        ..turned("token_inactive", "access_token", why)
                    })
                }
                Credential::Jwt(_) | Credential::FederationToken(_) => Err(Turned {
                    org,
                    ..turned(
                        "credential_unsupported",
                        "bearer",
                        "workload identity and federation tokens are not part of this version",
                    )
                }),
            }
        }
    }
}

/// The header's value: absent, or there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, Turned> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let message = "a credential header was sent twice; send it once";
        return Err(Turned { code: "credentials_malformed", credential: name, message, org: None });
    }
    // An empty header is what some clients send when they have no key.
    Ok(Some(value.as_bytes()).filter(|value| !value.is_empty()))
}

/// Records the rejection, and only then answers.
async fn turn_away(parts: &Parts, surface: &Surface, turned: Turned) -> Refusal {
    let route = parts.extensions.get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let peer = parts.extensions.get::<Peer>().and_then(|peer| peer.0).map(|ip| ip.to_string());
    let rejection =
        Rejection { code: turned.code, credential: turned.credential, peer: peer.as_deref(), route: route.into() };
    surface.metrics.rejections.inc();
    match surface.engine.reject(turned.org.as_ref(), &rejection).await {
        Ok(()) => Refusal::new(StatusCode::UNAUTHORIZED, turned.code, turned.message),
        Err(why) => why.into(),
    }
}
