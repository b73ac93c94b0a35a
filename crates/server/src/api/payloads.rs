//! Captured payloads: what agents sent, where an operator chose to keep it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;

use super::{Answer, blocking, done};
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

/// What an agent sent with a decision. Its SHA-256 is `action.arguments` of the
/// decision's entry. That it was read is recorded.
#[utoipa::path(get, path = "/api/v1/decisions/{check_id}/payload", tag = "payloads",
    params(("check_id" = String, Path)),
    responses((status = 200, description = "`summary`, and `input` where there was one", body = Object),
        (status = 404, description = "no such decision, or nothing is kept of it")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let (engine, asking) = (Arc::clone(&surface.engine), caller.clone());
    let found = blocking(move || engine.decision(&asking, &id)).await?;
    let content = surface.engine.payload(&caller, &found).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], content).into_response())
}

/// Deletes what an agent sent with a decision. The decision stays, and every
/// proof of it holds. That it was deleted is recorded.
#[utoipa::path(delete, path = "/api/v1/decisions/{check_id}/payload", tag = "payloads",
    params(("check_id" = String, Path)), responses((status = 200, body = countersign_wire::rest::Done),
        (status = 404, description = "no such decision, or nothing is kept of it")))]
pub(crate) async fn delete(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    caller.needs(countersign_core::role::Right::Administer)?;
    let (engine, asking) = (Arc::clone(&surface.engine), caller.clone());
    let found = blocking(move || engine.decision(&asking, &id)).await?;
    surface.engine.delete_payload(&caller, &found).await?;
    done()
}
