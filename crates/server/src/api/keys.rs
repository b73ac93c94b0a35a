//! API keys.

use axum::extract::State;
use countersign_engine::NewKey;
use countersign_wire::rest::Done;
use countersign_wire::rest::key::{Key, KeyCreate, KeyCreated, Keys};
use countersign_wire::secret::Shown;

use super::{Answer, created, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

/// Makes a key. Its text is in this answer and never again.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = KeyCreate,
    responses((status = 201, body = KeyCreated)))]
pub(crate) async fn create(State(surface): State<Surface>, Who(caller): Who, Body(new): Body<KeyCreate>) -> Answer {
    let new = NewKey { name: new.name, role: new.role.into(), agent: new.agent_id };
    let minted = surface.engine.create_key(&caller, new).await?;
    let key = minted.key;
    created(&KeyCreated {
        id: key.id.to_string(),
        name: key.name,
        role: key.role,
        agent_id: key.agent.map(Into::into),
        key: Shown::new(minted.secret),
        created_at: key.created_at.into(),
    })
}

/// Every key, without its text.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = Keys)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let keys = surface.engine.list_keys(&caller)?;
    let keys = keys.iter().map(|stored| &stored.value).map(|key| Key {
        id: key.id.to_string(),
        name: key.name.clone(),
        role: key.role,
        agent_id: key.agent.clone().map(Into::into),
        created_at: key.created_at.into(),
        revoked_at: key.revoked_at.map(Into::into),
    });
    ok(&Keys { keys: keys.collect() })
}

/// Revokes a key for ever.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = Done), (status = 409, description = "the last administrator's key")))]
pub(crate) async fn revoke(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    surface.engine.revoke_key(&caller, &id).await?;
    done()
}
