//! Organisations and their settings.

use axum::extract::State;
use countersign_engine::SettingsChange;
use countersign_wire::rest::org::{
    Limits, LimitsUpdate, Org, OrgCreate, OrgCreated, Orgs, SecuritySettings, SecurityUpdate,
};
use countersign_wire::secret::Shown;

use super::{Answer, created, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;

/// Creates an organisation. Only administrators of the first one may.
#[utoipa::path(post, path = "/api/v1/orgs", tag = "organisations", request_body = OrgCreate,
    responses((status = 201, body = OrgCreated)))]
pub(crate) async fn create(State(surface): State<Surface>, Who(caller): Who, Body(new): Body<OrgCreate>) -> Answer {
    let (org, minted) = surface.engine.create_organisation(&caller, &new.name).await?;
    created(&OrgCreated {
        id: org.id.to_string(),
        name: org.name,
        admin_key: Shown::new(minted.secret),
        created_at: org.created_at.into(),
    })
}

/// The organisations the caller administers.
#[utoipa::path(get, path = "/api/v1/orgs", tag = "organisations", responses((status = 200, body = Orgs)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let orgs = surface.engine.list_organisations(&caller)?;
    let orgs =
        orgs.into_iter().map(|org| Org { id: org.id.to_string(), name: org.name, created_at: org.created_at.into() });
    ok(&Orgs { orgs: orgs.collect() })
}

/// What the organisation demands of callers.
#[utoipa::path(get, path = "/api/v1/orgs/security-settings", tag = "organisations",
    responses((status = 200, body = SecuritySettings)))]
pub(crate) async fn security(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let settings = surface.engine.org_settings(&caller)?;
    ok(&SecuritySettings {
        require_proof_of_possession: settings.require_proof_of_possession,
        require_sender_constrained_tokens: settings.require_sender_constrained_tokens,
    })
}

/// Changes what the organisation demands of callers. What is left out stays.
#[utoipa::path(put, path = "/api/v1/orgs/security-settings", tag = "organisations", request_body = SecurityUpdate,
    responses((status = 200, body = SecuritySettings)))]
pub(crate) async fn set_security(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(change): Body<SecurityUpdate>,
) -> Answer {
    let change = SettingsChange {
        require_proof_of_possession: change.require_proof_of_possession,
        require_sender_constrained_tokens: change.require_sender_constrained_tokens,
        ..SettingsChange::default()
    };
    let settings = surface.engine.change_settings(&caller, change).await?;
    ok(&SecuritySettings {
        require_proof_of_possession: settings.require_proof_of_possession,
        require_sender_constrained_tokens: settings.require_sender_constrained_tokens,
    })
}

/// How often agents may ask, and tools may be asked for.
#[utoipa::path(get, path = "/api/v1/orgs/limits", tag = "organisations", responses((status = 200, body = Limits)))]
pub(crate) async fn limits(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    surface.engine.org_settings(&caller)?;
    let (agent_per_minute, tool_per_minute) = surface.engine.limits_of(&caller.org);
    ok(&Limits { agent_per_minute, tool_per_minute })
}

/// Changes the limits. What is left out stays; 0 is without limit.
#[utoipa::path(put, path = "/api/v1/orgs/limits", tag = "organisations", request_body = LimitsUpdate,
    responses((status = 200, body = Limits)))]
pub(crate) async fn set_limits(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(change): Body<LimitsUpdate>,
) -> Answer {
    let change = SettingsChange {
        agent_per_minute: change.agent_per_minute,
        tool_per_minute: change.tool_per_minute,
        ..SettingsChange::default()
    };
    surface.engine.change_settings(&caller, change).await?;
    let (agent_per_minute, tool_per_minute) = surface.engine.limits_of(&caller.org);
    ok(&Limits { agent_per_minute, tool_per_minute })
}
