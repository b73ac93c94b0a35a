//! Opaque access tokens.

use axum::extract::State;
use countersign_engine::NewToken;
use countersign_wire::rest::Done;
use countersign_wire::rest::token::{Introspection, TokenIntrospect, TokenIssue, TokenIssued, TokenRevoke};
use countersign_wire::secret::Shown;

use super::{Answer, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;

/// Issues a token.
#[utoipa::path(post, path = "/api/v1/agent-tokens/issue", tag = "tokens", request_body = TokenIssue,
    responses((status = 200, body = TokenIssued), (status = 403, description = "the scopes exceed the agent's capabilities")))]
pub(crate) async fn issue(State(surface): State<Surface>, Who(caller): Who, Body(asked): Body<TokenIssue>) -> Answer {
    let TokenIssue { agent_id, scopes, ttl, session_id } = asked;
    let new = NewToken { agent: agent_id, scopes, ttl, session: session_id };
    let issued = surface.engine.issue_token(&caller, new).await?;
    ok(&TokenIssued::new(&issued.token, Shown::new(issued.secret)))
}

/// Says what a token is good for. An inactive one is an answer, not an error.
#[utoipa::path(post, path = "/api/v1/agent-tokens/introspect", tag = "tokens", request_body = TokenIntrospect,
    responses((status = 200, body = Introspection)))]
pub(crate) async fn introspect(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(asked): Body<TokenIntrospect>,
) -> Answer {
    let found = surface.engine.introspect_token(&caller, asked.token.expose(), &asked.required_scopes)?;
    ok(&match (&found.token, found.inactive) {
        (Some(token), None) => Introspection::active(token, "the token is active", 0),
        (_, why) => Introspection::inactive(why.unwrap_or("there is no such token"), 0),
    })
}

/// Revokes a token, and the sessions that were started from it.
#[utoipa::path(post, path = "/api/v1/agent-tokens/revoke", tag = "tokens", request_body = TokenRevoke,
    responses((status = 200, body = Done)))]
pub(crate) async fn revoke(State(surface): State<Surface>, Who(caller): Who, Body(order): Body<TokenRevoke>) -> Answer {
    surface.engine.revoke_token(&caller, order.token.expose(), &order.reason).await?;
    done()
}
