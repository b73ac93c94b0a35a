//! Where audit events are streamed to.

use agenttrustid::{
    AgentTrustError, CreateSIEMDestinationRequest, SIEMDestination, StreamFilter, UpdateSIEMDestinationRequest,
};
use countersign_compat::server;

const SECRET: &str = "a-secret-the-server-keeps-to-itself";

fn destination() -> SIEMDestination {
    let request = CreateSIEMDestinationRequest {
        name: server().name("webhook"),
        destination_type: "webhook".to_string(),
        endpoint_url: "https://siem.example.invalid/collect".to_string(),
        auth_token: Some(SECRET.to_string()),
        batch_size: Some(100),
        flush_interval_seconds: Some(30),
        filter_event_types: Some(vec!["decision".to_string()]),
    };
    server().admin().streaming().create(&request).unwrap()
}

#[test]
fn a_new_destination_is_active_and_echoed() {
    let made = destination();
    let fetched = server().admin().streaming().get(&made.id).unwrap();
    for destination in [&made, &fetched] {
        assert_eq!(destination.id, made.id);
        assert_eq!(destination.destination_type, "webhook");
        assert_eq!(destination.endpoint_url, "https://siem.example.invalid/collect");
        assert!(destination.is_active);
        assert_eq!((destination.batch_size, destination.flush_interval_seconds), (100, 30));
        assert_eq!(destination.filter_event_types, Some(vec!["decision".to_string()]));
    }
    let listed = server().admin().streaming().list().unwrap();
    assert!(listed.iter().any(|listed| listed.id == made.id));
    server().admin().streaming().delete(&made.id).unwrap();
}

#[test]
fn an_update_changes_only_what_it_names() {
    let made = destination();
    let request = UpdateSIEMDestinationRequest {
        name: Some("renamed".to_string()),
        is_active: Some(false),
        ..Default::default()
    };
    let updated = server().admin().streaming().update(&made.id, &request).unwrap();
    assert_eq!((updated.name.as_str(), updated.is_active), ("renamed", false));
    assert_eq!((updated.endpoint_url, updated.batch_size), (made.endpoint_url, made.batch_size));
    server().admin().streaming().delete(&made.id).unwrap();
}

#[test]
fn an_update_that_names_nothing_changes_nothing() {
    let made = destination();
    let unchanged = server().admin().streaming().update(&made.id, &Default::default()).unwrap();
    assert_eq!((unchanged.name, unchanged.is_active), (made.name, made.is_active));
    server().admin().streaming().delete(&made.id).unwrap();
}

#[test]
fn the_auth_token_is_never_returned() {
    let made = destination();
    let streaming = server().admin();
    let streaming = streaming.streaming();
    let request = UpdateSIEMDestinationRequest { auth_token: Some(SECRET.to_string()), ..Default::default() };
    let mut shown = vec![streaming.get(&made.id).unwrap(), streaming.update(&made.id, &request).unwrap()];
    shown.extend(streaming.list().unwrap());
    streaming.delete(&made.id).unwrap();
    shown.push(made);
    assert!(shown.iter().all(|destination| destination.auth_token.as_deref() != Some(SECRET)));
}

#[test]
fn a_new_destination_has_an_empty_delivery_log() {
    let made = destination();
    assert!(server().admin().streaming().delivery_log(&made.id).unwrap().is_empty());
    server().admin().streaming().delete(&made.id).unwrap();
}

#[test]
fn the_delivery_log_can_be_subscribed_to() {
    let made = destination();
    let once = StreamFilter { destination_id: made.id.clone(), poll_interval: None, max_polls: Some(1) };
    server().admin().streaming().subscribe(&once, |_| true).unwrap();
    server().admin().streaming().delete(&made.id).unwrap();
}

#[test]
fn a_test_is_answered_and_the_log_shows_that_nothing_was_sent() {
    let made = destination();
    server().admin().streaming().test(&made.id).unwrap();
    let attempts = server().admin().streaming().delivery_log(&made.id).unwrap();
    server().admin().streaming().delete(&made.id).unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.status.as_str()).collect::<Vec<_>>(), ["failed"]);
}

#[test]
fn a_deleted_destination_is_gone() {
    let made = destination();
    server().admin().streaming().delete(&made.id).unwrap();
    let missing = server().admin().streaming().get(&made.id);
    assert!(matches!(missing, Err(AgentTrustError::NotFound { .. })), "{missing:?}");
}
