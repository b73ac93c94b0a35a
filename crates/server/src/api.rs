//! Every route, by noun. A handler gathers, calls the engine and translates.

mod accountability;
mod agents;
mod approvals;
mod checks;
mod content;
mod decisions;
mod delegations;
mod destinations;
mod keys;
mod later;
mod log;
mod organisations;
mod payloads;
mod policies;
mod providers;
mod servers;
mod sessions;
mod stops;
mod system;
mod telemetry;
mod tokens;
mod traces;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::refuse::Refusal;
use crate::surface::Surface;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "Decides, before it happens, whether an AI agent may do a thing, and records the decision.",
        license(name = "Apache-2.0")
    ),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        };
        let components = document.components.get_or_insert_default();
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        components.add_security_scheme("api_key", key);
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("access_token", token);
        let either = ["api_key", "access_token"].map(|name| SecurityRequirement::new::<_, [&str; 0], _>(name, []));
        document.security = Some(either.into());
    }
}

/// Every route and its part of the OpenAPI document.
pub(crate) fn routes() -> OpenApiRouter<Surface> {
    let mut router = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(system::health))
        .routes(routes!(system::metrics))
        .routes(routes!(system::openapi))
        .routes(routes!(agents::register, agents::list))
        .routes(routes!(agents::get))
        .routes(routes!(agents::revoke))
        .routes(routes!(agents::suspend))
        .routes(routes!(agents::resume))
        .routes(routes!(agents::change_rights))
        .routes(routes!(agents::budget))
        .routes(routes!(agents::report_usage))
        .routes(routes!(tokens::issue))
        .routes(routes!(tokens::introspect))
        .routes(routes!(tokens::revoke))
        .routes(routes!(checks::check))
        .routes(routes!(checks::check_legacy))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::get))
        .routes(routes!(payloads::get, payloads::delete))
        .routes(routes!(log::receipt))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::vkey))
        .routes(routes!(telemetry::report))
        .routes(routes!(sessions::init_mcp))
        .routes(routes!(sessions::init_api))
        .routes(routes!(sessions::get_mcp))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::get))
        .routes(routes!(sessions::close))
        .routes(routes!(content::report))
        .routes(routes!(traces::get))
        .routes(routes!(traces::receipt))
        .routes(routes!(traces::anchor))
        .routes(routes!(traces::policy))
        .routes(routes!(traces::proof))
        .routes(routes!(traces::jwk))
        .routes(routes!(accountability::session))
        .routes(routes!(accountability::verify))
        .routes(routes!(accountability::entries))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::get))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::deny))
        .routes(routes!(servers::register, servers::list))
        .routes(routes!(servers::get, servers::delete))
        .routes(routes!(delegations::create, delegations::list))
        .routes(routes!(delegations::get, delegations::revoke))
        .routes(routes!(delegations::start_session))
        .routes(routes!(providers::register, providers::list))
        .routes(routes!(providers::delete))
        .routes(routes!(destinations::create, destinations::list))
        .routes(routes!(destinations::get, destinations::update, destinations::delete))
        .routes(routes!(destinations::logs))
        .routes(routes!(destinations::test))
        .routes(routes!(policies::publish, policies::in_force, policies::withdraw))
        .routes(routes!(policies::versions))
        .routes(routes!(policies::version))
        .routes(routes!(policies::diff))
        .routes(routes!(policies::rollback))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(stops::stop, stops::list))
        .routes(routes!(stops::lift))
        .routes(routes!(organisations::create, organisations::list))
        .routes(routes!(organisations::security, organisations::set_security))
        .routes(routes!(organisations::limits, organisations::set_limits))
        .merge(tiles())
        .merge(later::routes());
    name_operations(router.get_openapi_mut());
    router
}

/// Tile paths have as many parts as the tree is high, which OpenAPI cannot say:
/// the document names them with one.
fn tiles() -> OpenApiRouter<Surface> {
    let mut documented = OpenApiRouter::<Surface>::new().routes(routes!(log::tile)).routes(routes!(log::entries));
    OpenApiRouter::with_openapi(documented.to_openapi())
        .route("/log/tile/{*path}", axum::routing::get(log::tile))
        .route("/log/tile/entries/{*path}", axum::routing::get(log::entries))
}

/// Gives every operation an id of its own, by noun and verb: a handler's name
/// alone is that of others too, and clients are generated from the ids.
fn name_operations(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let noun = operation.tags.iter().flatten().next().map_or("", String::as_str);
            operation.operation_id = operation.operation_id.take().map(|verb| format!("{noun}_{verb}"));
        }
    }
}

/// What a handler returns.
type Answer = Result<Response, Refusal>;

fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

fn created(body: &impl Serialize) -> Answer {
    json(StatusCode::CREATED, body)
}

fn done() -> Answer {
    ok(&countersign_wire::rest::Done::default())
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let unprintable = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "unprintable", "the answer has no JSON form");
    let bytes = serde_json::to_vec(body).map_err(unprintable)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// Runs what reads the disk where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, countersign_engine::Error> + Send + 'static,
) -> Result<T, Refusal> {
    let lost = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "interrupted", "the request was interrupted");
    Ok(tokio::task::spawn_blocking(work).await.map_err(lost)??)
}

/// The answer to a path that is no route.
pub(crate) async fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "route_unknown", "there is no such route; /api/v1/openapi.json lists them all")
}

/// The answer to a route that is asked with another verb.
pub(crate) async fn wrong_method() -> Refusal {
    let message = "this route does not answer that method; /api/v1/openapi.json lists what it answers";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
