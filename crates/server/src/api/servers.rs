//! The registry of MCP servers.

use axum::extract::State;
use countersign_engine::{NewServer, Tool};
use countersign_wire::rest::Done;
use countersign_wire::rest::server::{Server, ServerCreate, ServerTool, Servers};
use countersign_wire::rest::word::RegistryStatus;

use super::{Answer, created, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

fn shown(server: &countersign_engine::Server) -> Server {
    Server {
        id: server.id.to_string(),
        org_id: server.org.to_string(),
        name: server.name.clone(),
        url: server.url.clone(),
        capabilities: server.capabilities.clone(),
        description: Some(server.description.clone()).filter(|text| !text.is_empty()),
        tools: server
            .tools
            .iter()
            .map(|tool| ServerTool {
                name: tool.name.clone(),
                effect_override: tool.effect.map(Into::into),
                require_approval: tool.needs_approval,
            })
            .collect(),
        default_mode: server.default_mode.into(),
        status: RegistryStatus::Active,
        created_at: server.created_at.into(),
    }
}

/// Registers an MCP server. Nothing is connected to.
#[utoipa::path(post, path = "/mcp/servers", tag = "servers", request_body = ServerCreate,
    responses((status = 201, body = Server)))]
pub(crate) async fn register(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(new): Body<ServerCreate>,
) -> Answer {
    let new = NewServer {
        name: new.name,
        url: new.url,
        description: new.description.unwrap_or_default(),
        capabilities: new.capabilities.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        tools: new
            .tools
            .into_iter()
            .map(|tool| Tool {
                name: tool.name,
                effect: tool.effect_override.map(Into::into),
                needs_approval: tool.require_approval,
            })
            .collect(),
        default_mode: new.default_mode.into(),
    };
    created(&shown(&surface.engine.register_server(&caller, new).await?))
}

/// Every MCP server.
#[utoipa::path(get, path = "/mcp/servers", tag = "servers", responses((status = 200, body = Servers)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let servers = surface.engine.list_servers(&caller)?;
    ok(&Servers { servers: servers.iter().map(|stored| shown(&stored.value)).collect() })
}

/// One MCP server.
#[utoipa::path(get, path = "/mcp/servers/{id}", tag = "servers", params(("id" = String, Path)),
    responses((status = 200, body = Server), (status = 404, description = "no such server")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&shown(&surface.engine.server(&caller, &id)?.value))
}

/// Forgets an MCP server.
#[utoipa::path(delete, path = "/mcp/servers/{id}", tag = "servers", params(("id" = String, Path)),
    responses((status = 200, body = Done)))]
pub(crate) async fn delete(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    surface.engine.delete_server(&caller, &id).await?;
    done()
}
