//! Paths and queries, read so that one that cannot be read is refused like a
//! body: as JSON, with the place and without the value.

use axum::extract::FromRequestParts;
use axum::extract::rejection::QueryRejection;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::refuse::Refusal;

/// What stands in the path where the route has a parameter.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        let unreadable = |_| Refusal::invalid("the path holds an escape that is not UTF-8");
        read.map(|axum::extract::Path(found)| Self(found)).map_err(unreadable)
    }
}

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(found)| Self(found)).map_err(|why| refuse(&why))
    }
}

/// Names the parameter that cannot be read: the first part of the reason that
/// is a name. What follows it may repeat the value.
fn refuse(why: &QueryRejection) -> Refusal {
    let reason = why.body_text();
    let mut parts = reason.split(": ").map(|part| part.trim_start_matches("duplicate field ").trim_matches('`'));
    let is_name = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    Refusal::invalid(match parts.find(is_name) {
        Some(name) => format!("`{name}` in the query cannot be read, or is there twice"),
        None => "the query cannot be read".to_owned(),
    })
}
