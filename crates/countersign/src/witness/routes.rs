//! What a witness answers over HTTP. Open to everyone: a log proves itself by its
//! signature.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use countersign_engine::{Clock as _, SystemClock};
use countersign_evidence::log::witness::{Refusal, Request, SIZE_MEDIA_TYPE};

use super::memory::{Declined, Memory};

/// How long a request may be, in bytes: 63 hashes and a note with many signatures.
const LONGEST: usize = 64 << 10;

const TEXT: &str = "text/plain; charset=utf-8";

/// Every route.
pub fn routes(memory: Arc<Memory>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/vkey", get(vkey))
        .route("/splits", get(splits))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(memory)
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], body).into_response()
}

async fn vkey(State(memory): State<Arc<Memory>>) -> Response {
    text(StatusCode::OK, format!("{}\n", memory.vkey()))
}

async fn splits(State(memory): State<Arc<Memory>>) -> Response {
    match serde_json::to_string_pretty(&memory.splits()) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(why) => broken(&why),
    }
}

async fn add_checkpoint(State(memory): State<Arc<Memory>>, body: Bytes) -> Response {
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(why) => return refused(&Refusal::Malformed(why)),
    };
    // It waits for the disk.
    let work = move || memory.cosign(&request, SystemClock::default().now());
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(cosignature)) => text(StatusCode::OK, cosignature.to_string()),
        Ok(Err(Declined::Refused(why))) => refused(&why),
        Ok(Err(why)) => broken(&why),
        Err(why) => broken(&why),
    }
}

fn refused(why: &Refusal) -> Response {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let kind = if matches!(why, Refusal::Conflict { .. }) { SIZE_MEDIA_TYPE } else { TEXT };
    (status, [(header::CONTENT_TYPE, kind)], why.body()).into_response()
}

fn broken(why: &dyn std::fmt::Display) -> Response {
    tracing::error!(%why, "a checkpoint could not be remembered, and was not cosigned");
    text(StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot remember the checkpoint\n".into())
}
