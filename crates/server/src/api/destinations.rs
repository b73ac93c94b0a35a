//! SIEM destinations, as records: nothing is sent to them yet.

use axum::extract::State;
use countersign_engine::{DestinationChange, NewDestination};
use countersign_wire::rest::Done;
use countersign_wire::rest::destination::{
    Deliveries, Delivery, Destination, DestinationCreate, DestinationTested, DestinationUpdate, Destinations,
};
use countersign_wire::rest::word::DeliveryStatus;
use countersign_wire::secret::Secret;

use super::{Answer, created, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

fn shown(destination: &countersign_engine::Destination) -> Destination {
    let about = &destination.about;
    Destination {
        id: destination.id.to_string(),
        org_id: destination.org.to_string(),
        name: about.name.clone(),
        destination_type: about.destination_type.clone(),
        endpoint_url: about.endpoint_url.clone(),
        is_active: destination.is_active,
        batch_size: about.batch_size,
        flush_interval_seconds: about.flush_interval_seconds,
        filter_event_types: about.filter_event_types.clone(),
        created_at: destination.created_at.into(),
        updated_at: destination.updated_at.into(),
    }
}

fn exposed(secret: Option<Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

/// Creates a SIEM destination.
#[utoipa::path(post, path = "/api/v1/siem/destinations", tag = "siem", request_body = DestinationCreate,
    responses((status = 201, body = Destination)))]
pub(crate) async fn create(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(new): Body<DestinationCreate>,
) -> Answer {
    let new = NewDestination {
        name: new.name,
        destination_type: new.destination_type,
        endpoint_url: new.endpoint_url,
        auth_token: exposed(new.auth_token),
        batch_size: new.batch_size.unwrap_or(100),
        flush_interval_seconds: new.flush_interval_seconds.unwrap_or(30),
        filter_event_types: new.filter_event_types,
    };
    created(&shown(&surface.engine.create_destination(&caller, new).await?))
}

/// Every SIEM destination.
#[utoipa::path(get, path = "/api/v1/siem/destinations", tag = "siem", responses((status = 200, body = Destinations)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let found = surface.engine.list_destinations(&caller)?;
    let all: Vec<Destination> = found.iter().map(|stored| shown(&stored.value)).collect();
    ok(&Destinations::from(all))
}

/// One SIEM destination.
#[utoipa::path(get, path = "/api/v1/siem/destinations/{id}", tag = "siem", params(("id" = String, Path)),
    responses((status = 200, body = Destination), (status = 404, description = "no such destination")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&shown(&surface.engine.destination(&caller, &id)?.value))
}

/// Changes a SIEM destination. What is left out stays.
#[utoipa::path(put, path = "/api/v1/siem/destinations/{id}", tag = "siem", params(("id" = String, Path)),
    request_body = DestinationUpdate, responses((status = 200, body = Destination)))]
pub(crate) async fn update(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(change): Body<DestinationUpdate>,
) -> Answer {
    let change = DestinationChange {
        name: change.name,
        endpoint_url: change.endpoint_url,
        auth_token: exposed(change.auth_token),
        is_active: change.is_active,
        batch_size: change.batch_size,
        flush_interval_seconds: change.flush_interval_seconds,
        filter_event_types: change.filter_event_types,
    };
    ok(&shown(&surface.engine.change_destination(&caller, &id, change).await?))
}

/// Forgets a SIEM destination.
#[utoipa::path(delete, path = "/api/v1/siem/destinations/{id}", tag = "siem", params(("id" = String, Path)),
    responses((status = 200, body = Done)))]
pub(crate) async fn delete(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    surface.engine.delete_destination(&caller, &id).await?;
    done()
}

/// The attempts to send, latest first.
#[utoipa::path(get, path = "/api/v1/siem/destinations/{id}/logs", tag = "siem", params(("id" = String, Path)),
    responses((status = 200, body = Deliveries)))]
pub(crate) async fn logs(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let found = surface.engine.deliveries(&caller, &id)?;
    let all: Vec<Delivery> = found
        .iter()
        .map(|stored| &stored.value)
        .map(|delivery| Delivery {
            id: delivery.id.clone(),
            destination_id: delivery.destination.to_string(),
            batch_size: delivery.batch_size,
            status: if delivery.error.is_none() { DeliveryStatus::Success } else { DeliveryStatus::Failed },
            status_code: None,
            error_message: delivery.error.clone(),
            delivered_at: delivery.at.into(),
        })
        .collect();
    ok(&Deliveries::from(all))
}

/// Tries a destination. Sending is not part of this version, and the answer says so.
#[utoipa::path(post, path = "/api/v1/siem/destinations/{id}/test", tag = "siem", params(("id" = String, Path)),
    responses((status = 200, body = DestinationTested)))]
pub(crate) async fn test(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let delivery = surface.engine.test_destination(&caller, &id).await?;
    ok(&DestinationTested { success: delivery.error.is_none(), status_code: None, error_message: delivery.error })
}
