//! The registry of MCP servers.

use agenttrustid::{AgentTrustError, MCPServer, RegisterMCPServerRequest};
use countersign_compat::server;

fn register(capabilities: Option<Vec<String>>) -> MCPServer {
    let request = RegisterMCPServerRequest {
        name: server().name("filesystem"),
        url: "https://mcp.example.invalid/fs".to_string(),
        capabilities,
    };
    let registered = server().admin().mcp().register_server(&request).unwrap();
    assert_eq!((&registered.name, &registered.url), (&request.name, &request.url));
    registered
}

#[test]
fn a_registered_server_can_be_fetched_and_is_listed() {
    let registered = register(Some(vec!["files:read".to_string()]));
    let fetched = server().admin().mcp().get_server(&registered.id).unwrap();
    assert_eq!(fetched.name, registered.name);
    assert_eq!(fetched.capabilities, Some(vec!["files:read".to_string()]));
    let listed = server().admin().mcp().list_servers().unwrap();
    assert!(listed.iter().any(|listed| listed.id == registered.id));
}

#[test]
fn a_server_may_be_registered_without_capabilities() {
    let registered = register(None);
    assert_eq!(server().admin().mcp().get_server(&registered.id).unwrap().id, registered.id);
}

#[test]
fn a_removed_server_is_gone() {
    let registered = register(None);
    server().admin().mcp().remove_server(&registered.id).unwrap();
    let missing = server().admin().mcp().get_server(&registered.id);
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
    let listed = server().admin().mcp().list_servers().unwrap();
    assert!(listed.iter().all(|listed| listed.id != registered.id));
}
