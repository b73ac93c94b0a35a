//! Request bodies, read strictly.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::refuse::Refusal;

/// The most bytes a request body may have, but where its route says otherwise.
pub(crate) const LIMIT: usize = 1 << 20;

/// How long a request body may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// A JSON body. An empty one counts as `{}`: published clients send some
/// POSTs without a body at all.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        Ok(Self(read(request, LIMIT).await?))
    }
}

/// Reads a body of at most `limit` bytes. An empty one counts as `{}`.
pub(crate) async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Refusal> {
    let too_large = || {
        let message = format!("the request body has more than {limit} bytes; send less at once");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    };
    // Who sends slowly, or no more at all, holds neither memory nor what was taken up for it.
    let reading = tokio::time::timeout(PATIENCE, axum::body::to_bytes(request.into_body(), limit));
    let read = reading.await.map_err(|_| {
        let message = format!("the request body took longer than {} s; send it again", PATIENCE.as_secs());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    })?;
    let bytes = read.map_err(|why| {
        // The limit is the one fault the client can do something about.
        let limited = std::error::Error::source(&why)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if limited { too_large() } else { Refusal::invalid("the request body ended early") }
    })?;
    Ok(countersign_wire::json::parse_or_empty(&bytes)?)
}
