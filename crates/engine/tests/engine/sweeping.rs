//! What has long ended is cleared away; the record of it stays.

use std::time::Duration;

use countersign_core::id::AgentId;
use countersign_engine::NewDelegation;

use crate::world::{Ending, World, lending};

const KINDS: [&str; 5] = ["token", "session", "delegation", "approval", "asked"];

fn stored(world: &World) -> Vec<usize> {
    KINDS.iter().map(|kind| world.documents.list(kind).unwrap().len()).collect()
}

/// One of everything that ends.
async fn ending(world: &World) -> (AgentId, String) {
    let agent = world.agent("worker", &["*"]).await;
    let borrower = world.agent("borrower", &[]).await;
    let session = world.session(&agent).await;
    world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.token(&agent, &["*"]).await;
    let hour = NewDelegation { ttl_seconds: Some(3_600), ..lending(&agent, &borrower) };
    world.lend(hour).await.unwrap();
    (agent, session.id.to_string())
}

#[tokio::test]
async fn what_ended_more_than_a_day_ago_is_cleared_away() {
    let world = World::new().await;
    ending(&world).await;
    world.clock.pass(Duration::from_hours(26));
    // What names an approval goes once the approval is gone.
    assert_eq!((world.engine.sweep().await.unwrap(), world.engine.sweep().await.unwrap()), (4, 1));
    assert_eq!(stored(&world), [0; 5]);
    assert_eq!(world.engine.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn what_ended_less_than_a_day_ago_stays_so_that_a_late_call_is_told_why() {
    let world = World::new().await;
    let (agent, session) = ending(&world).await;
    world.clock.pass(Duration::from_hours(24));
    world.engine.sweep().await.unwrap();
    assert_eq!(world.verdict(&agent, &session, "get_mail").await, "session_expired");
}

#[tokio::test]
async fn what_still_holds_is_never_cleared_away() {
    let world = World::new().await;
    ending(&world).await;
    let before = stored(&world);
    assert_eq!(world.engine.sweep().await.unwrap(), 0);
    assert_eq!(stored(&world), before);
}

#[tokio::test]
async fn what_was_cleared_away_is_still_in_the_record_and_gone_after_a_restart() {
    let world = World::new().await;
    let (agent, session) = ending(&world).await;
    world.clock.pass(Duration::from_hours(26));
    world.engine.sweep().await.unwrap();
    let length = world.verified()[session.as_str()].length;
    let world = world.restarted(Ending::Killed);
    assert_eq!(world.verdict(&agent, &session, "get_mail").await, "session_unknown");
    assert_eq!(world.verified()[session.as_str()].length, length);
}
