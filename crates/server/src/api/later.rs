//! Routes that published clients know and this version does not answer yet.
//! Each says so, with the status that means exactly that.

use axum::routing::any;
use utoipa_axum::router::OpenApiRouter;

use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;

/// The path, and what it would be.
const LATER: &[(&str, &str)] = &[
    ("/api/v1/agents/{id}/challenge", "proof of possession"),
    ("/api/v1/agents/{id}/card", "agent cards"),
    ("/api/v1/agents/{id}/card/publish", "agent cards"),
    ("/a2a/agents/{id}/agent.json", "agent cards"),
    ("/mcp/{server_id}", "the MCP proxy"),
    ("/api/v1/federation/tokens/introspect", "federation tokens"),
    ("/api/v1/federation/tokens/verify", "federation tokens"),
    ("/api/v1/federation/tokens/issue", "federation tokens"),
    ("/api/v1/federation/tokens/revoke", "federation tokens"),
    ("/api/v1/federation/sessions/init", "federation sessions"),
    ("/api/v1/wimse/token", "workload identity tokens"),
    ("/api/v1/wimse/verify", "workload identity tokens"),
    ("/a2a", "the A2A proxy"),
    ("/a2a/agents/{id}", "the A2A proxy"),
    ("/graphql", "GraphQL"),
];

pub(super) fn routes() -> OpenApiRouter<Surface> {
    LATER.iter().fold(OpenApiRouter::new(), |router, &(path, what)| {
        router.route(path, any(move |_: Who| async move { Refusal::not_built(what) }))
    })
}
