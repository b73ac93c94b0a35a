//! Agents of this SDK generation bring a public key of their own.

use agenttrustid::{AgentTrustError, CreateAgentRequest, generate_agent_key, keys::parse_public_key};
use countersign_compat::server;

fn request(public_key: Option<String>) -> CreateAgentRequest {
    CreateAgentRequest { name: server().name("keyed"), public_key, ..Default::default() }
}

#[test]
fn a_public_key_the_caller_brings_is_echoed_unchanged() {
    let key = generate_agent_key().unwrap().public_key_pem;
    let agent = server().admin().agents().create(&request(Some(key.clone()))).unwrap();
    assert_eq!(agent.public_key, key);
    assert_eq!(server().admin().agents().get(&agent.id).unwrap().public_key, key);
}

#[test]
fn a_public_key_the_sdk_generates_is_echoed() {
    let agent = server().admin().agents().create(&request(None)).unwrap();
    parse_public_key(&agent.public_key).unwrap();
    assert!(agent.private_key.is_some(), "the SDK keeps the private half");
    let listed = server().admin().agents().list(None).unwrap();
    let listed = listed.iter().find(|listed| listed.id == agent.id).unwrap();
    assert_eq!(listed.public_key, agent.public_key);
}

#[test]
fn the_server_never_holds_a_private_key() {
    let agent = server().admin().agents().create(&request(None)).unwrap();
    assert_eq!(server().admin().agents().get(&agent.id).unwrap().private_key, None);
}

#[test]
fn what_is_not_a_public_key_is_invalid() {
    let refused = server().admin().agents().create(&request(Some("not a key".to_string())));
    assert!(matches!(refused, Err(AgentTrustError::Validation { .. })), "{refused:?}");
}

#[test]
fn a_new_agent_is_active_and_belongs_to_the_callers_organisation() {
    let made = server().agent(&["files:read"]);
    let agent = server().admin().agents().get(&made.id).unwrap();
    assert_eq!(agent.status, "active");
    assert_eq!(agent.framework, "custom");
    assert_eq!(agent.capabilities, ["files:read"]);
    assert!(!agent.org_id.is_empty());
    let listed = server().admin().agents().list(Some(&agent.org_id)).unwrap();
    assert!(listed.iter().any(|listed| listed.id == agent.id));
}

#[test]
fn an_agent_without_capabilities_can_be_fetched() {
    let made = server().agent(&[]);
    assert!(server().admin().agents().get(&made.id).unwrap().capabilities.is_empty());
}
