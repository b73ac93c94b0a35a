//! Approvals.

use axum::extract::State;
use countersign_core::approval::Answer as Word;
use countersign_engine::Caller;
use countersign_wire::rest::approval::{Approval, ApprovalDecide, Approvals};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::{Path, Query};

/// Which approvals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalQuery {
    /// Only `pending`, `approved`, `denied` or `expired`.
    status: Option<String>,
    /// How many at most: 50 where it is left out, 500 at most.
    limit: Option<usize>,
}

/// Requests for approval, latest first.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "approvals", params(ApprovalQuery),
    responses((status = 200, body = Approvals)))]
pub(crate) async fn list(
    State(surface): State<Surface>,
    Who(caller): Who,
    Query(query): Query<ApprovalQuery>,
) -> Answer {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let now = surface.engine.now();
    let found = surface.engine.list_approvals(&caller, query.status.as_deref(), limit)?;
    ok(&Approvals { approvals: found.iter().map(|approval| Approval::at(approval, now)).collect() })
}

/// One request for approval.
#[utoipa::path(get, path = "/mcp/approvals/{id}", tag = "approvals", params(("id" = String, Path)),
    responses((status = 200, body = Approval), (status = 404, description = "no such approval")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let approval = surface.engine.approval(&caller, &id)?;
    ok(&Approval::at(&approval, surface.engine.now()))
}

/// Says yes to exactly the action that was asked about, for at most five minutes.
#[utoipa::path(post, path = "/mcp/approvals/{id}/approve", tag = "approvals", params(("id" = String, Path)),
    request_body = ApprovalDecide, responses((status = 200, body = Approval),
        (status = 403, description = "the caller may not approve"), (status = 409, description = "already decided")))]
pub(crate) async fn approve(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(said): Body<ApprovalDecide>,
) -> Answer {
    decide(&surface, &caller, &id, Word::Approve, said).await
}

/// Says no.
#[utoipa::path(post, path = "/mcp/approvals/{id}/deny", tag = "approvals", params(("id" = String, Path)),
    request_body = ApprovalDecide, responses((status = 200, body = Approval),
        (status = 403, description = "the caller may not approve"), (status = 409, description = "already decided")))]
pub(crate) async fn deny(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(said): Body<ApprovalDecide>,
) -> Answer {
    decide(&surface, &caller, &id, Word::Deny, said).await
}

async fn decide(surface: &Surface, caller: &Caller, id: &str, word: Word, said: ApprovalDecide) -> Answer {
    let name = said.decided_by.unwrap_or_else(|| caller.name().to_owned());
    let approval = surface.engine.decide_approval(caller, id, word, &name).await?;
    ok(&Approval::at(&approval, surface.engine.now()))
}
