//! Settings, federation providers and SIEM destinations: kept as they were
//! given, changed by halves, and never shown with their secret.

use countersign_engine::{DestinationChange, NewDestination, NewProvider, SettingsChange};

use crate::world::{World, refusal};

fn destination(endpoint_url: &str) -> NewDestination {
    NewDestination {
        name: "siem".into(),
        destination_type: "webhook".into(),
        endpoint_url: endpoint_url.into(),
        auth_token: Some("secret".into()),
        batch_size: 10,
        flush_interval_seconds: 5,
        filter_event_types: vec!["decision".into()],
    }
}

fn provider(issuer: &str) -> NewProvider {
    NewProvider { issuer: issuer.into(), name: "partner".into(), trust_level: "low".into() }
}

#[tokio::test]
async fn a_setting_that_a_change_does_not_name_stays() {
    let world = World::new().await;
    let admin = &world.org.admin;
    let first = SettingsChange { agent_per_minute: Some(5), ..SettingsChange::default() };
    world.engine.change_settings(admin, first).await.unwrap();
    let second = SettingsChange { require_proof_of_possession: Some(true), ..SettingsChange::default() };
    let after = world.engine.change_settings(admin, second).await.unwrap();
    assert_eq!((after.agent_per_minute, after.require_proof_of_possession), (Some(5), true));
    assert_eq!(world.engine.org_settings(admin).unwrap(), after);
}

#[tokio::test]
async fn what_a_change_to_a_destination_does_not_name_stays() {
    let world = World::new().await;
    let admin = &world.org.admin;
    let made = world.engine.create_destination(admin, destination("https://siem.example")).await.unwrap();
    let change = DestinationChange { is_active: Some(false), ..DestinationChange::default() };
    let after = world.engine.change_destination(admin, made.id.as_str(), change).await.unwrap();
    assert!(!after.is_active);
    assert_eq!((after.about.auth_token, after.about.batch_size), (Some("secret".into()), 10));
}

#[tokio::test]
async fn a_destination_or_a_provider_that_is_not_a_plain_url_is_refused() {
    let world = World::new().await;
    let admin = &world.org.admin;
    for url in ["", "siem.example", "file:///etc/passwd", "https://", "https://user:secret@siem.example", "https://a b"]
    {
        assert_eq!(refusal(world.engine.create_destination(admin, destination(url)).await), "invalid", "{url}");
        assert_eq!(refusal(world.engine.register_provider(admin, provider(url)).await), "invalid", "{url}");
    }
}

#[tokio::test]
async fn an_issuer_is_registered_once_in_each_organisation() {
    let world = World::new().await;
    let other = world.other_org().await;
    let issuer = || provider("https://id.example");
    world.engine.register_provider(&world.org.admin, issuer()).await.unwrap();
    assert_eq!(refusal(world.engine.register_provider(&world.org.admin, issuer()).await), "conflict");
    world.engine.register_provider(&other.admin, issuer()).await.unwrap();
}

#[tokio::test]
async fn a_destination_that_is_deleted_takes_its_deliveries_with_it() {
    let world = World::new().await;
    let admin = &world.org.admin;
    let made = world.engine.create_destination(admin, destination("https://siem.example")).await.unwrap();
    world.engine.test_destination(admin, made.id.as_str()).await.unwrap();
    assert_eq!(world.engine.deliveries(admin, made.id.as_str()).unwrap().len(), 1);
    world.engine.delete_destination(admin, made.id.as_str()).await.unwrap();
    assert!(world.documents.list("destination").unwrap().is_empty());
    assert!(world.documents.list("delivery").unwrap().is_empty());
}

#[tokio::test]
async fn trying_a_destination_says_that_nothing_was_sent() {
    let world = World::new().await;
    let admin = &world.org.admin;
    let made = world.engine.create_destination(admin, destination("https://siem.example")).await.unwrap();
    assert!(world.engine.test_destination(admin, made.id.as_str()).await.unwrap().error.is_some());
}

#[tokio::test]
async fn only_an_administrator_changes_what_an_organisation_chose() {
    let world = World::new().await;
    for caller in [&world.org.runtime, &world.org.approver, &world.org.auditor, &world.engine.developer().unwrap()] {
        let change = world.engine.change_settings(caller, SettingsChange::default()).await;
        assert_eq!(refusal(change), "role_insufficient");
        let made = world.engine.create_destination(caller, destination("https://siem.example")).await;
        assert_eq!(refusal(made), "role_insufficient");
        let made = world.engine.register_provider(caller, provider("https://id.example")).await;
        assert_eq!(refusal(made), "role_insufficient");
    }
}
