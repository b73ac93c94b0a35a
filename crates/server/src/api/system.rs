//! Health, metrics and the OpenAPI document. Open to everyone.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use countersign_engine::Fallback;
use countersign_wire::rest::health::{Health, LogHealth, TierHealth, WitnessHealth};
use countersign_wire::rest::policy::PolicyHealth;
use countersign_wire::rest::word::{Durability, HealthStatus, PolicyDefault};

use super::{Answer, json};
use crate::refuse::Refusal;
use crate::surface::Surface;

/// How the server is. The status is about decisions: trouble with the log or its
/// witnesses is in `log`, and leaves it healthy.
#[utoipa::path(get, path = "/health", tag = "system", security(()), responses(
    (status = 200, body = Health), (status = 503, description = "nothing can be decided", body = Health)
))]
pub(crate) async fn health(State(surface): State<Surface>) -> Answer {
    let health = surface.engine.health();
    let failing = health.failure.is_some();
    let without = surface.engine.organisations_without_policies();
    let status = if failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    json(
        status,
        &Health {
            status: match (failing, without) {
                (true, _) => HealthStatus::Unhealthy,
                (false, 0) => HealthStatus::Healthy,
                (false, _) => HealthStatus::Degraded,
            },
            service: "countersign".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            read_durability: match health.read_durability {
                countersign_engine::Durability::Sync => Durability::Sync,
                countersign_engine::Durability::Grouped => Durability::Grouped,
            },
            reason: health.failure,
            log: surface.log.as_ref().map(|log| shown(log.health())),
            policies: policies(&surface.engine),
            guardian: surface.engine.tiers().into_iter().map(tier).collect(),
            organisations_without_policies: Some(without).filter(|without| *without > 0),
        },
    )
}

fn tier(health: countersign_engine::TierHealth) -> TierHealth {
    TierHealth {
        tier: health.tier.into(),
        by: health.by.into(),
        circuit: health.circuit.map(|state| state.as_str().into()),
    }
}

/// The operator's policies in force.
pub(super) fn policies(engine: &countersign_engine::Engine) -> Option<PolicyHealth> {
    let in_force = engine.policies()?;
    Some(PolicyHealth {
        set: in_force.set().digest().to_string(),
        policies: in_force.set().policies().len(),
        default: match in_force.fallback() {
            Fallback::Deny => PolicyDefault::Deny,
            Fallback::Allow => PolicyDefault::Allow,
        },
        failure: engine.policy_failure(),
    })
}

fn shown(log: countersign_engine::LogHealth) -> LogHealth {
    let witness = |witness: countersign_engine::WitnessHealth| WitnessHealth {
        name: witness.name,
        cosigned_size: witness.cosigned_size,
        failure: witness.failure,
        disputed: witness.is_disputed,
    };
    LogHealth {
        origin: log.origin,
        size: log.size,
        published_at: log.published_at.map(Into::into),
        failure: log.failure,
        warning: log.warning,
        witnesses: log.witnesses.into_iter().map(witness).collect(),
    }
}

/// What Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", tag = "system", security(()), responses(
    (status = 200, description = "OpenMetrics text", body = String)
))]
pub(crate) async fn metrics(State(surface): State<Surface>) -> Answer {
    let unprintable =
        |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "unprintable", "the metrics have no text form");
    let text = surface.metrics.text(&surface.engine, surface.log.as_deref()).map_err(unprintable)?;
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
