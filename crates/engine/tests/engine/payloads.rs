//! Captured payloads: kept only where an operator chose so, for those who may
//! see them, and gone when they are deleted.

use std::time::Duration;

use countersign_core::Digest;
use countersign_core::id::AgentId;
use countersign_engine::{Ask, Found};

use crate::world::{Choice, World, ask, refusal};

const CONTENT: &[u8] = br#"{"input":{"to":"canary@example.com"},"summary":"s"}"#;

async fn capturing() -> World {
    World::made(Choice { captures: true, ..Choice::default() }).await
}

async fn asked(world: &World, agent: &AgentId) -> Found {
    let asked = Ask { content: Some(CONTENT), arguments: Digest::of(CONTENT), ..ask(agent, "get_mail") };
    let answer = world.check(asked).await;
    world.engine.decision(&world.org.auditor, answer.id.as_str()).unwrap()
}

#[tokio::test]
async fn without_capture_nothing_is_kept() {
    let world = World::new().await;
    assert!(!world.engine.captures());
    let found = asked(&world, &world.agent("a", &["*"]).await).await;
    assert_eq!(refusal(world.engine.payload(&world.org.auditor, &found).await), "not_found");
}

#[tokio::test]
async fn what_was_captured_is_read_by_auditors_and_that_is_recorded() {
    let world = capturing().await;
    let found = asked(&world, &world.agent("a", &["*"]).await).await;
    assert_eq!(refusal(world.engine.payload(&world.org.runtime, &found).await), "role_insufficient");
    assert_eq!(world.engine.payload(&world.org.auditor, &found).await.unwrap(), CONTENT);
    let read = world.last();
    assert_eq!((read.says("noun"), read.says("verb")), ("payload", "read"));
    for body in world.bodies() {
        assert!(!String::from_utf8(body).unwrap().contains("canary"), "the record holds digests alone");
    }
}

#[tokio::test]
async fn a_payload_is_no_other_organisations_and_no_other_decisions() {
    let world = capturing().await;
    let agent = world.agent("a", &["*"]).await;
    let found = asked(&world, &agent).await;
    let globex = world.other_org().await;
    // Whoever has the entry still does not have what it is about.
    assert_eq!(refusal(world.engine.payload(&globex.auditor, &found).await), "conflict");
    let other = Ask { content: Some(b"other"), arguments: Digest::of(CONTENT), ..ask(&agent, "get_mail") };
    let answer = world.check(other).await;
    let found = world.engine.decision(&world.org.auditor, answer.id.as_str()).unwrap();
    assert_eq!(refusal(world.engine.payload(&world.org.auditor, &found).await), "conflict");
}

#[tokio::test]
async fn deleting_a_payload_leaves_the_decision_and_every_chain() {
    let world = capturing().await;
    let found = asked(&world, &world.agent("a", &["*"]).await).await;
    let before = world.verified();
    assert_eq!(refusal(world.engine.delete_payload(&world.org.auditor, &found).await), "role_insufficient");
    world.engine.delete_payload(&world.org.admin, &found).await.unwrap();
    assert_eq!(refusal(world.engine.payload(&world.org.auditor, &found).await), "not_found");
    assert_eq!(refusal(world.engine.delete_payload(&world.org.admin, &found).await), "not_found");
    assert_eq!((world.last().says("noun"), world.last().says("verb")), ("payload", "delete"));
    let after = world.verified();
    assert!(before.iter().all(|(id, chain)| *id == (&world.org.id).into() || after[id] == *chain));
}

#[tokio::test]
async fn payloads_are_gone_when_their_time_is_over() {
    let world = capturing().await;
    let agent = world.agent("a", &["*"]).await;
    let old = asked(&world, &agent).await;
    world.clock.pass(Duration::from_mins(40));
    let young = asked(&world, &agent).await;
    world.clock.pass(Duration::from_mins(30));
    world.engine.sweep().await.unwrap();
    assert_eq!(refusal(world.engine.payload(&world.org.auditor, &old).await), "not_found");
    assert_eq!(world.engine.payload(&world.org.auditor, &young).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_kept() {
    let world = capturing().await;
    let agent = world.agent("a", &["*"]).await;
    world.tap.fail(true);
    let asked = Ask { content: Some(CONTENT), arguments: Digest::of(CONTENT), ..ask(&agent, "get_mail") };
    assert_eq!(refusal(world.engine.check(&world.org.runtime, asked).await), "ledger_unavailable");
    assert_eq!(world.engine.payloads_kept(), 0);
}
