//! Delegations.

use axum::extract::State;
use countersign_core::delegation;
use countersign_engine::NewDelegation;
use countersign_wire::rest::Done;
use countersign_wire::rest::delegation::{Delegation, DelegationCreate, DelegationCreated, Delegations};
use countersign_wire::rest::session::Session;

use super::{Answer, created, done, ok, sessions};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

fn shown(surface: &Surface, delegation: &delegation::Delegation) -> Delegation {
    Delegation::new(delegation, &surface.engine.links_before(delegation))
}

/// Lends part of one agent's rights to another.
#[utoipa::path(post, path = "/api/v1/delegations", tag = "delegations", request_body = DelegationCreate,
    responses((status = 201, body = DelegationCreated), (status = 403, description = "more than the lender holds")))]
pub(crate) async fn create(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(new): Body<DelegationCreate>,
) -> Answer {
    let new = NewDelegation {
        from: new.from_agent_id,
        to: new.to_agent_id,
        scope: new.scope,
        ttl_seconds: new.ttl_seconds,
        restrictions: new.restrictions.as_str().to_owned(),
        parent: new.parent_delegation_id,
    };
    let delegation = surface.engine.create_delegation(&caller, new).await?;
    created(&DelegationCreated { delegation: shown(&surface, &delegation) })
}

/// Every delegation.
#[utoipa::path(get, path = "/api/v1/delegations", tag = "delegations", responses((status = 200, body = Delegations)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let found = surface.engine.list_delegations(&caller)?;
    ok(&Delegations { delegations: found.iter().map(|delegation| shown(&surface, delegation)).collect() })
}

/// One delegation.
#[utoipa::path(get, path = "/api/v1/delegations/{id}", tag = "delegations", params(("id" = String, Path)),
    responses((status = 200, body = Delegation), (status = 404, description = "no such delegation")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&shown(&surface, &surface.engine.delegation(&caller, &id)?))
}

/// Revokes a delegation, and everything lent on from it.
#[utoipa::path(delete, path = "/api/v1/delegations/{id}", tag = "delegations", params(("id" = String, Path)),
    responses((status = 200, body = Done)))]
pub(crate) async fn revoke(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    surface.engine.revoke_delegation(&caller, &id).await?;
    done()
}

/// Starts a session for the borrower.
#[utoipa::path(post, path = "/api/v1/delegations/{id}/session", tag = "delegations", params(("id" = String, Path)),
    responses((status = 201, body = Session)))]
pub(crate) async fn start_session(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    created(&sessions::shown(&surface.engine.start_delegated_session(&caller, &id).await?))
}
