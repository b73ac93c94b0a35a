//! Federation providers, as records: nothing is discovered or fetched yet.

use axum::extract::State;
use countersign_engine::NewProvider;
use countersign_wire::rest::Done;
use countersign_wire::rest::provider::{Provider, ProviderCreate, ProviderCreated, Providers};
use countersign_wire::rest::word::RegistryStatus;

use super::{Answer, created, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

fn shown(provider: &countersign_engine::Provider) -> Provider {
    Provider {
        id: provider.id.to_string(),
        org_id: provider.org.to_string(),
        issuer: provider.issuer.clone(),
        name: provider.name.clone(),
        jwks_uri: String::new(),
        trust_level: provider.trust_level.clone(),
        status: RegistryStatus::Active,
        created_at: provider.created_at.into(),
        updated_at: provider.created_at.into(),
    }
}

/// Registers a federation provider.
#[utoipa::path(post, path = "/api/v1/federation/providers", tag = "federation", request_body = ProviderCreate,
    responses((status = 201, body = ProviderCreated)))]
pub(crate) async fn register(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(new): Body<ProviderCreate>,
) -> Answer {
    let new = NewProvider { issuer: new.issuer, name: new.name, trust_level: new.trust_level };
    created(&ProviderCreated { provider: shown(&surface.engine.register_provider(&caller, new).await?) })
}

/// Every federation provider.
#[utoipa::path(get, path = "/api/v1/federation/providers", tag = "federation",
    responses((status = 200, body = Providers)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let found = surface.engine.list_providers(&caller)?;
    ok(&Providers { providers: found.iter().map(|stored| shown(&stored.value)).collect() })
}

/// Forgets a federation provider.
#[utoipa::path(delete, path = "/api/v1/federation/providers/{id}", tag = "federation",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    surface.engine.delete_provider(&caller, &id).await?;
    done()
}
