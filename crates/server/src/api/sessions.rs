//! Sessions.

use axum::extract::State;
use countersign_engine::{Closing, SessionView};
use countersign_wire::rest::accountability::SessionClose;
use countersign_wire::rest::session::{ApiSessionInit, Session, SessionInit, SessionNow, Sessions};
use countersign_wire::rest::word::SessionStatus;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, created, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::{Path, Query};

pub(super) fn shown(view: &SessionView) -> Session {
    let now = SessionNow {
        status: match view.status {
            "active" => SessionStatus::Active,
            "expired" => SessionStatus::Expired,
            "closed" => SessionStatus::Closed,
            _ => SessionStatus::Revoked,
        },
        allowed_actions: view.elevated.clone(),
        chain: &view.chain,
    };
    Session::new(&view.session, now)
}

/// Starts a session for an MCP server. It begins read-only.
#[utoipa::path(post, path = "/mcp/sessions/init", tag = "sessions", request_body = SessionInit,
    responses((status = 201, body = Session)))]
pub(crate) async fn init_mcp(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(init): Body<SessionInit>,
) -> Answer {
    let view = surface.engine.start_mcp_session(&caller, &init.agent_id, init.server_id.as_str()).await?;
    created(&shown(&view))
}

/// Starts a session from an access token. Its ceiling is the token's scopes.
#[utoipa::path(post, path = "/api/v1/agenttrust/api-sessions/init", tag = "sessions", request_body = ApiSessionInit,
    responses((status = 201, body = Session), (status = 401, description = "the token is not active")))]
pub(crate) async fn init_api(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(init): Body<ApiSessionInit>,
) -> Answer {
    created(&shown(&surface.engine.start_api_session(&caller, init.token.expose()).await?))
}

/// One session.
#[utoipa::path(get, path = "/mcp/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = Session), (status = 404, description = "no such session")))]
pub(crate) async fn get_mcp(surface: State<Surface>, who: Who, id: Path<String>) -> Answer {
    get(surface, who, id).await
}

/// One session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = Session), (status = 404, description = "no such session")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&shown(&surface.engine.session(&caller, &id)?))
}

/// Which sessions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// Only this agent's.
    agent: Option<String>,
    /// How many at most: 50 where it is left out, 500 at most.
    limit: Option<usize>,
}

/// Sessions, latest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(SessionQuery),
    responses((status = 200, body = Sessions)))]
pub(crate) async fn list(
    State(surface): State<Surface>,
    Who(caller): Who,
    Query(query): Query<SessionQuery>,
) -> Answer {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let views = surface.engine.list_sessions(&caller, query.agent.as_deref(), limit)?;
    ok(&Sessions { sessions: views.iter().map(shown).collect() })
}

/// Closes a session for ever, and makes its Trust Record.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/close", tag = "sessions", params(("id" = String, Path)),
    request_body(content = SessionClose, description = "may be left out"), responses((status = 200, body = Session)))]
pub(crate) async fn close(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(close): Body<SessionClose>,
) -> Answer {
    let closing = Closing { parent: close.parent_session.as_deref(), nonce: close.nonce.as_deref() };
    ok(&shown(&surface.engine.close_session(&caller, &id, closing).await?))
}
