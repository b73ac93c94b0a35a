//! The registry of trusted OIDC issuers.

use agenttrustid::{FederationProvider, RegisterFederationProviderRequest};
use countersign_compat::server;

fn register(trust_level: Option<&str>) -> FederationProvider {
    let name = server().name("issuer");
    let request = RegisterFederationProviderRequest {
        issuer: format!("https://{name}.example.invalid"),
        name,
        trust_level: trust_level.map(String::from),
    };
    let provider = server().admin().federation().register_provider(&request).unwrap();
    assert_eq!((&provider.name, &provider.issuer), (&request.name, &request.issuer));
    provider
}

#[test]
fn a_registered_provider_is_active_and_listed() {
    let provider = register(Some("high"));
    assert_eq!(provider.status, "active");
    assert_eq!(provider.trust_level, "high");
    assert!(!provider.org_id.is_empty());
    let listed = server().admin().federation().list_providers().unwrap();
    assert!(listed.iter().any(|listed| listed.id == provider.id));
}

#[test]
fn a_provider_is_trusted_as_standard_unless_told_otherwise() {
    assert_eq!(register(None).trust_level, "standard");
}

#[test]
fn a_deleted_provider_is_gone() {
    let provider = register(None);
    server().admin().federation().delete_provider(&provider.id).unwrap();
    let listed = server().admin().federation().list_providers().unwrap();
    assert!(listed.iter().all(|listed| listed.id != provider.id));
}
