//! Refusals: the one place where a refusal becomes a status code.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use countersign_engine::Error;
use countersign_wire::json::JsonError;
use countersign_wire::rest::error::ErrorBody;

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn forbidden(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// A route that later work owns.
    pub(crate) fn not_built(what: &str) -> Self {
        let message = format!("{what} is not part of this version of Countersign; the README lists what is");
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
    }
}

impl From<Error> for Refusal {
    fn from(why: Error) -> Self {
        let message = why.to_string();
        let (status, code) = match why {
            Error::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Error::Unauthenticated { code, .. } => (StatusCode::UNAUTHORIZED, code),
            Error::Forbidden { code, .. } => (StatusCode::FORBIDDEN, code),
            Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Error::NotYet(_) => (StatusCode::NOT_FOUND, "not_yet"),
            Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Error::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Error::Unavailable { code, .. } => (StatusCode::SERVICE_UNAVAILABLE, code),
        };
        Self { status, code, message }
    }
}

impl From<JsonError> for Refusal {
    fn from(why: JsonError) -> Self {
        Self::invalid(why.to_string())
    }
}

impl From<countersign_core::id::InvalidId> for Refusal {
    fn from(why: countersign_core::id::InvalidId) -> Self {
        Self::invalid(why.to_string())
    }
}

/// The short word of a status, for clients that look at `error`.
fn word(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::UNAUTHORIZED => "unauthenticated",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::NOT_IMPLEMENTED => "not_implemented",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "error",
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(ErrorBody::new(word(self.status), self.code, self.message))).into_response()
    }
}
