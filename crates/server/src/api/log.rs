//! The transparency log: C2SP tlog-tiles, and receipts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use countersign_core::role::Right;
use countersign_engine::{Log, LogError};
use countersign_evidence::log::tile::{Layer, TilePath};

use super::{Answer, blocking};
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;
use crate::uri::Path;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What is asked for again while a checkpoint is on its way.
const SECONDS_TO_CHECKPOINT: &str = "1";

pub(super) fn log(surface: &Surface) -> Result<&Arc<Log>, Refusal> {
    surface.log.as_ref().ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "no_log", "this server publishes no log"))
}

pub(super) fn unreadable(why: &LogError) -> Refusal {
    tracing::error!(%why, "the log cannot be read");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", "the log cannot be read; /health says why")
}

/// The last signed checkpoint: <https://c2sp.org/tlog-checkpoint>.
#[utoipa::path(get, path = "/log/checkpoint", tag = "log", security(()), responses(
    (status = 200, description = "a signed note", body = String), (status = 404, description = "none published yet")))]
pub(crate) async fn checkpoint(State(surface): State<Surface>) -> Answer {
    let missing =
        || Refusal::new(StatusCode::NOT_FOUND, "not_found", "no checkpoint is published yet; ask again in a second");
    let published = log(&surface)?.published().ok_or_else(missing)?;
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, published.note.to_string()).into_response())
}

/// The key that verifies checkpoints, as one line of text: <https://c2sp.org/signed-note>.
#[utoipa::path(get, path = "/log/vkey", tag = "log", security(()), responses(
    (status = 200, description = "a verifier key", body = String)))]
pub(crate) async fn vkey(State(surface): State<Surface>) -> Answer {
    Ok(([(header::CONTENT_TYPE, TEXT)], format!("{}\n", log(&surface)?.verifier_key())).into_response())
}

/// A tile of hashes: <https://c2sp.org/tlog-tiles>. Bundles of entries are under `entries/`.
#[utoipa::path(get, path = "/log/tile/{path}", tag = "log", security(()), params(("path" = String, Path)), responses(
    (status = 200, description = "32-byte hashes, one after the other", body = Vec<u8>),
    (status = 404, description = "no such tile yet")))]
pub(crate) async fn tile(State(surface): State<Surface>, Path(path): Path<String>) -> Answer {
    let path = TilePath::parse(&format!("tile/{path}")).map_err(|why| Refusal::invalid(why.to_string()))?;
    if path.layer() == Layer::Entries {
        let message = "bundles of entries are at /log/tile/entries/…";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", message));
    }
    serve_tile(&surface, path).await
}

/// A bundle of entries. Entries are of every organisation, so they are for who
/// may see the record of the first one.
#[utoipa::path(get, path = "/log/tile/entries/{path}", tag = "log", params(("path" = String, Path)), responses(
    (status = 200, description = "entries, each after its length in two bytes", body = Vec<u8>),
    (status = 404, description = "no such bundle yet")))]
pub(crate) async fn entries(State(surface): State<Surface>, Who(caller): Who, Path(path): Path<String>) -> Answer {
    caller.needs(Right::Audit)?;
    if surface.engine.root().is_none_or(|root| root.id != caller.org) {
        return Err(Refusal::forbidden(
            "not_root",
            "entries are of every organisation: ask with a key of the first one",
        ));
    }
    let path = TilePath::parse(&format!("tile/entries/{path}")).map_err(|why| Refusal::invalid(why.to_string()))?;
    serve_tile(&surface, path).await
}

async fn serve_tile(surface: &Surface, path: TilePath) -> Answer {
    let from = Arc::clone(log(surface)?);
    let bytes = blocking(move || Ok(from.tile(path))).await?.map_err(|why| unreadable(&why))?;
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "the published tree has no such tile");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes.ok_or_else(missing)?).into_response())
}

/// The receipt of a decision: <https://c2sp.org/tlog-proof>. It holds the entry,
/// so it can be verified with nothing but the log's key.
#[utoipa::path(get, path = "/api/v1/decisions/{check_id}/receipt", tag = "decisions",
    params(("check_id" = String, Path)), responses((status = 200, description = "a receipt", body = String),
        (status = 202, description = "not under a checkpoint yet: ask again after `Retry-After`"),
        (status = 404, description = "no such decision")))]
pub(crate) async fn receipt(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let (engine, from) = (Arc::clone(&surface.engine), Arc::clone(log(&surface)?));
    let receipt = blocking(move || {
        let found = engine.decision(&caller, &id)?;
        Ok(from.receipt(found.position, &found.entry))
    });
    match receipt.await?.map_err(|why| unreadable(&why))? {
        Some(receipt) => Ok(([(header::CONTENT_TYPE, TEXT)], receipt.to_string()).into_response()),
        None => Ok(pending()),
    }
}

/// The answer about what no checkpoint covers yet.
pub(super) fn pending() -> Response {
    let headers = [(header::CONTENT_TYPE, TEXT), (header::RETRY_AFTER, SECONDS_TO_CHECKPOINT)];
    (StatusCode::ACCEPTED, headers, "not under a checkpoint yet\n").into_response()
}
