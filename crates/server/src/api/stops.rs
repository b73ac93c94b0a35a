//! Stops: kill switches.

use axum::extract::State;
use countersign_wire::rest::Done;
use countersign_wire::rest::stop::{Stop, StopCreate, Stops};

use super::{Answer, created, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

/// Stops a tool, or where none is named, the whole organisation.
#[utoipa::path(post, path = "/api/v1/stops", tag = "stops", request_body = StopCreate,
    responses((status = 201, body = Stop)))]
pub(crate) async fn stop(State(surface): State<Surface>, Who(caller): Who, Body(order): Body<StopCreate>) -> Answer {
    created(&Stop::from(&surface.engine.stop_tool(&caller, order.tool, &order.reason).await?))
}

/// The stops in force.
#[utoipa::path(get, path = "/api/v1/stops", tag = "stops", responses((status = 200, body = Stops)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let stops = surface.engine.list_stops(&caller)?;
    ok(&Stops { stops: stops.iter().map(|stored| Stop::from(&stored.value)).collect() })
}

/// Lifts a stop.
#[utoipa::path(delete, path = "/api/v1/stops/{id}", tag = "stops", params(("id" = String, Path)),
    responses((status = 200, body = Done)))]
pub(crate) async fn lift(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    surface.engine.lift_stop(&caller, &id).await?;
    done()
}
