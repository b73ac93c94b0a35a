//! Trust Records of closed sessions: TRACE v0.2, and what verifies them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use utoipa::IntoParams;

use super::log::{log, pending, unreadable};
use super::{Answer, blocking, ok};
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;
use crate::uri::{Path, Query};

/// Which form of the record.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TraceQuery {
    /// `v0.2` where it is left out; `v0.1` is superseded, and refused by verifiers of v0.2.
    profile: Option<String>,
}

/// The Trust Record of a closed session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/trace", tag = "traces", params(("id" = String, Path), TraceQuery),
    responses((status = 200, description = "a signed record, TRACE v0.2", body = Object),
        (status = 404, description = "no such session, or it is open")))]
pub(crate) async fn get(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Query(query): Query<TraceQuery>,
) -> Answer {
    match query.profile.as_deref() {
        None | Some("v0.2") => ok(&surface.engine.trace(&caller, &id).await?.record),
        Some("v0.1") => ok(&surface.engine.legacy_trace(&caller, &id).await?),
        Some(_) => Err(Refusal::invalid("`profile` must be `v0.2`, or `v0.1` for readers that know no other")),
    }
}

/// The receipt of a record in its batch, as `trace-tests` reads it.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/trace/receipt", tag = "traces", params(("id" = String, Path)),
    responses((status = 200, description = "`leaf_index`, `audit_path`, `leaf_count` and `merkle_root`", body = Object),
        (status = 404, description = "no such session, or it is open")))]
pub(crate) async fn receipt(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&surface.engine.trace(&caller, &id).await?.receipt())
}

/// The batch that anchors a record, as a registry publishes it and `trace-verify` reads it.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/trace/anchor", tag = "traces", params(("id" = String, Path)),
    responses((status = 200, description = "one entry of a registry", body = Object),
        (status = 404, description = "no such session, or it is open")))]
pub(crate) async fn anchor(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&surface.engine.trace(&caller, &id).await?.anchor())
}

/// The exact bytes that the record's `policy.bundle_hash` is the digest of.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/trace/policy", tag = "traces", params(("id" = String, Path)),
    responses((status = 200, description = "a policy document", body = Object),
        (status = 404, description = "no such session, or it is open")))]
pub(crate) async fn policy(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let policy = surface.engine.trace(&caller, &id).await?.policy;
    Ok(([(header::CONTENT_TYPE, "application/json")], policy).into_response())
}

/// The receipt of the entry that anchors a record: <https://c2sp.org/tlog-proof>.
/// This is what a record's `transparency` names.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/trace/proof", tag = "traces", params(("id" = String, Path)),
    responses((status = 200, description = "a receipt", body = String),
        (status = 202, description = "not under a checkpoint yet: ask again after `Retry-After`"),
        (status = 404, description = "no such session, or it is open")))]
pub(crate) async fn proof(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let traced = surface.engine.trace(&caller, &id).await?;
    let (engine, from) = (Arc::clone(&surface.engine), Arc::clone(log(&surface)?));
    let receipt = blocking(move || {
        let found = engine.anchor(&traced, &id)?;
        Ok(from.receipt(found.position, &found.entry))
    });
    match receipt.await?.map_err(|why| unreadable(&why))? {
        Some(receipt) => Ok(([(header::CONTENT_TYPE, super::log::TEXT)], receipt.to_string()).into_response()),
        None => Ok(pending()),
    }
}

/// The public key that records are signed with, as a JWK (RFC 7517).
#[utoipa::path(get, path = "/trace/jwk", tag = "traces", security(()), responses(
    (status = 200, description = "an Ed25519 public key", body = Object)))]
pub(crate) async fn jwk(State(surface): State<Surface>) -> Answer {
    ok(&surface.engine.trace_key().jwk())
}
