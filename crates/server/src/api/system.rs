//! Health, metrics and the OpenAPI document. Open to everyone.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use countersign_wire::rest::health::Health;
use countersign_wire::rest::word::{Durability, HealthStatus};

use super::{Answer, json};
use crate::refuse::Refusal;
use crate::surface::Surface;

/// How the server is.
#[utoipa::path(get, path = "/health", tag = "system", security(()), responses(
    (status = 200, body = Health), (status = 503, description = "nothing can be decided", body = Health)
))]
pub(crate) async fn health(State(surface): State<Surface>) -> Answer {
    let health = surface.engine.health();
    let failing = health.failure.is_some();
    let status = if failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    json(
        status,
        &Health {
            status: if failing { HealthStatus::Unhealthy } else { HealthStatus::Healthy },
            service: "countersign".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            read_durability: match health.read_durability {
                countersign_engine::Durability::Sync => Durability::Sync,
                countersign_engine::Durability::Grouped => Durability::Grouped,
            },
            reason: health.failure,
        },
    )
}

/// What Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", tag = "system", security(()), responses(
    (status = 200, description = "OpenMetrics text", body = String)
))]
pub(crate) async fn metrics(State(surface): State<Surface>) -> Answer {
    let unprintable =
        |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "unprintable", "the metrics have no text form");
    let text = surface.metrics.text(&surface.engine).map_err(unprintable)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", security(()), responses(
    (status = 200, description = "the OpenAPI document", body = Object)
))]
pub(crate) async fn openapi(State(surface): State<Surface>) -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/json")], surface.openapi.to_string()).into_response())
}
