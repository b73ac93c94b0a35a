//! The vendor's quick start.

use agenttrustid::{AgentTrustClient, CreateAgentRequest, IntrospectTokenRequest, IssueTokenRequest};
use countersign_compat::server;
use serde_json::json;

fn quick_start(client: &AgentTrustClient, name: String) {
    let health = client.health().unwrap();
    assert_eq!(health.status, "healthy");

    let agent = client
        .agents()
        .create(&CreateAgentRequest {
            name: name.clone(),
            framework: "custom".to_string(),
            capabilities: ["files:read", "files:write", "web:fetch"].map(String::from).to_vec(),
            metadata: json!({ "example": "quickstart" }),
            ..Default::default()
        })
        .unwrap();
    assert_eq!(agent.name, name);
    assert_eq!(agent.capabilities, ["files:read", "files:write", "web:fetch"]);
    assert_eq!(agent.metadata, json!({ "example": "quickstart" }));

    let token = client
        .tokens()
        .issue(&IssueTokenRequest {
            agent_id: agent.id.clone(),
            scope: vec!["files:read".to_string(), "files:write".to_string()],
            audience: vec!["mcp://filesystem".to_string()],
            ttl: 300,
        })
        .unwrap();
    assert!(token.token.starts_with("at_"));

    let result = client
        .tokens()
        .introspect(&IntrospectTokenRequest {
            token: token.token,
            target: Some("mcp://filesystem".to_string()),
            required_scopes: vec!["files:read".to_string()],
        })
        .unwrap();
    assert!(result.active);
    assert_eq!(result.agent_id.as_deref(), Some(agent.id.as_str()));

    let agents = client.agents().list(None).unwrap();
    assert!(agents.iter().any(|listed| listed.id == agent.id));
}

#[test]
fn the_quick_start_runs_to_its_end_with_an_admin_key() {
    quick_start(&server().admin(), server().name("quickstart-agent"));
}

#[test]
fn the_quick_start_runs_to_its_end_without_a_key() {
    quick_start(&server().keyless(), server().name("quickstart-agent"));
}

#[test]
fn the_agent_key_of_the_dev_server_speaks_for_its_agent() {
    let decision = server().client(&server().agent_key).actions().check(&agenttrustid::ActionCheckRequest {
        agent_id: server().agent_id.clone(),
        tool_name: "read_file".to_string(),
        ..Default::default()
    });
    assert!(decision.unwrap().check_id.is_some());
}
