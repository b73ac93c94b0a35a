//! After a restart, orderly or not, everything that was answered is there.

use std::time::Duration;

use countersign_core::id::AgentId;
use countersign_core::session::Session;
use countersign_engine::{Ask, Closing, NewDestination, NewProvider, SettingsChange};
use countersign_store::{Batch, Ledger};

use crate::world::{Choice, Ending, World, ask, lending, new_token, patterns};

const ENDINGS: [Ending; 2] = [Ending::Stopped, Ending::Killed];

/// Every way to be restarted: on each store, with and without a checkpoint.
async fn worlds() -> Vec<(String, World, Ending)> {
    let mut worlds = Vec::new();
    for on_disk in [false, true] {
        for loses_checkpoints in [false, true] {
            for ending in ENDINGS {
                let world = World::made(Choice { on_disk, loses_checkpoints, ..Choice::default() }).await;
                let name = format!("on disk: {on_disk}, without checkpoints: {loses_checkpoints}, {ending:?}");
                worlds.push((name, world, ending));
            }
        }
    }
    worlds
}

/// A little of everything, some of it taken away again. Returns an agent with a
/// session, and the secret of a good and of a revoked token.
async fn busy(world: &World) -> (AgentId, Session, [String; 2]) {
    let (engine, org) = (&world.engine, &world.org);
    let agent = world.agent("worker", &["get_*", "update_*", "delete_*"]).await;
    let borrower = world.agent("borrower", &[]).await;
    let gone = world.agent("gone", &["*"]).await;
    engine.revoke_agent(&org.admin, gone.as_str(), "gone").await.unwrap();
    let session = world.session(&agent).await;
    for tool in ["get_mail", "get_mail", "send_mail", "update_mail"] {
        world.verdict(&agent, session.id.as_str(), tool).await;
        world.verdict(&agent, "tracked", tool).await;
    }
    let closed = world.session(&agent).await;
    engine.close_session(&org.runtime, closed.id.as_str(), Closing::default()).await.unwrap();
    let approval = world.elevation(&agent, session.id.as_str(), "update_letter").await;
    world.approve(&approval).await;
    let mut lent = lending(&agent, &borrower);
    lent.scope = patterns(&["get_*"]);
    let delegation = world.lend(lent.clone()).await.unwrap();
    engine.start_delegated_session(&org.runtime, delegation.id.as_str()).await.unwrap();
    let revoked = world.lend(lent).await.unwrap();
    engine.revoke_delegation(&org.runtime, revoked.id.as_str()).await.unwrap();
    let mut token = new_token(&agent);
    token.scopes = patterns(&["get_*"]);
    let good = engine.issue_token(&org.runtime, token.clone()).await.unwrap().secret;
    let bad = engine.issue_token(&org.runtime, token).await.unwrap().secret;
    engine.revoke_token(&org.runtime, &bad, "lost").await.unwrap();
    world.key_of(&agent).await;
    engine.stop_tool(&org.admin, Some("format_disk".into()), "no").await.unwrap();
    let lifted = engine.stop_tool(&org.admin, Some("get_mail".into()), "no").await.unwrap();
    engine.lift_stop(&org.admin, lifted.id.as_str()).await.unwrap();
    let change = SettingsChange { agent_per_minute: Some(500), ..SettingsChange::default() };
    engine.change_settings(&org.admin, change).await.unwrap();
    let provider = NewProvider { issuer: "https://id.example".into(), name: "id".into(), trust_level: "low".into() };
    engine.register_provider(&org.admin, provider).await.unwrap();
    let destination = NewDestination {
        name: "siem".into(),
        destination_type: "webhook".into(),
        endpoint_url: "https://siem.example".into(),
        auth_token: Some("secret".into()),
        batch_size: 1,
        flush_interval_seconds: 1,
        filter_event_types: Vec::new(),
    };
    let destination = engine.create_destination(&org.admin, destination).await.unwrap();
    engine.test_destination(&org.admin, destination.id.as_str()).await.unwrap();
    (agent, session, [good, bad])
}

/// Everything an administrator can see, in words.
fn seen(world: &World, secrets: &[String]) -> Vec<String> {
    let (engine, admin) = (&world.engine, &world.org.admin);
    let destinations = engine.list_destinations(admin).unwrap();
    let deliveries: Vec<_> =
        destinations.iter().map(|found| engine.deliveries(admin, found.value.id.as_str()).unwrap()).collect();
    let tokens: Vec<_> = secrets.iter().map(|secret| engine.introspect_token(admin, secret, &[]).unwrap()).collect();
    vec![
        format!("{:#?}", engine.list_agents(admin).unwrap()),
        format!("{:#?}", engine.list_sessions(admin, None, 100).unwrap()),
        format!("{:#?}", engine.list_approvals(admin, None, 100).unwrap()),
        format!("{:#?}", engine.list_delegations(admin).unwrap()),
        format!("{:#?}", engine.list_keys(admin).unwrap()),
        format!("{:#?}", engine.list_stops(admin).unwrap()),
        format!("{:#?}", engine.list_servers(admin).unwrap()),
        format!("{:#?}", engine.list_providers(admin).unwrap()),
        format!("{:#?}", engine.list_organisations(admin).unwrap()),
        format!("{:#?}", engine.org_settings(admin).unwrap()),
        format!("{destinations:#?} {deliveries:#?} {tokens:#?}"),
    ]
}

#[tokio::test]
async fn everything_is_as_it_was_after_a_restart() {
    for (name, world, ending) in worlds().await {
        let (_, _, secrets) = busy(&world).await;
        let before = seen(&world, &secrets);
        let world = world.restarted(ending);
        let after = seen(&world, &secrets);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "{name}");
        }
    }
}

#[tokio::test]
async fn every_chain_stands_where_it_stood_after_a_restart() {
    for (name, world, ending) in worlds().await {
        busy(&world).await;
        let before = world.verified();
        let world = world.restarted(ending);
        assert_eq!(world.live_chains(), before, "{name}");
    }
}

#[tokio::test]
async fn every_chain_goes_on_where_it_stood_after_a_restart() {
    for (name, mut world, ending) in worlds().await {
        let (agent, session, _) = busy(&world).await;
        for _ in 0..3 {
            let before = world.chain(&session);
            world = world.restarted(ending);
            world.verdict(&agent, session.id.as_str(), "get_mail").await;
            world.verdict(&agent, "tracked", "get_mail").await;
            assert_eq!(world.chain(&session).length, before.length + 1, "{name}");
            world.verified();
        }
    }
}

#[tokio::test]
async fn without_a_checkpoint_the_chains_come_from_the_ledger_alone() {
    let world = World::made(Choice { loses_checkpoints: true, ..Choice::default() }).await;
    busy(&world).await;
    let world = world.restarted(Ending::Stopped);
    assert_eq!(world.tap.checkpoint(1).unwrap().position, 0);
    assert_eq!(world.live_chains(), world.verified());
}

#[tokio::test]
async fn an_orderly_stop_leaves_nothing_to_replay() {
    let world = World::new().await;
    busy(&world).await;
    let world = world.restarted(Ending::Stopped);
    assert_eq!(world.tap.checkpoint(1).unwrap().position, world.tap.length().unwrap());
}

#[tokio::test]
async fn an_approval_and_its_end_survive_a_restart() {
    for ending in ENDINGS {
        let world = World::new().await;
        let agent = world.agent("worker", &["*"]).await;
        let session = world.session(&agent).await;
        let id = world.elevation(&agent, session.id.as_str(), "delete_mail").await;
        let world = world.restarted(ending);
        assert_eq!(world.elevation(&agent, session.id.as_str(), "delete_mail").await, id);
        world.approve(&id).await;
        let world = world.restarted(ending);
        assert_eq!(world.verdict(&agent, session.id.as_str(), "delete_mail").await, "allow");
        let world = world.restarted(ending);
        assert_ne!(world.verdict(&agent, session.id.as_str(), "delete_mail").await, "allow");
    }
}

#[tokio::test]
async fn what_was_revoked_stays_revoked_after_a_restart() {
    for ending in ENDINGS {
        let world = World::new().await;
        let (_, _, [good, bad]) = busy(&world).await;
        let world = world.restarted(ending);
        assert!(world.engine.authenticate_token(&good, None).is_ok());
        assert_eq!(world.engine.authenticate_token(&bad, None).unwrap_err(), "the token is revoked");
    }
}

#[tokio::test]
async fn a_key_is_good_after_a_restart() {
    for ending in ENDINGS {
        let world = World::new().await.restarted(ending);
        let caller = world.engine.authenticate_key(&world.org.admin_secret).unwrap();
        assert_eq!(caller.key, world.org.admin.key);
    }
}

#[tokio::test]
async fn a_session_that_ended_while_the_server_was_down_is_over() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let session = world.session(&agent).await;
    let world = world.restarted(Ending::Killed);
    world.clock.pass(Duration::from_hours(1));
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_expired");
}

#[tokio::test]
async fn a_ledger_that_fails_as_a_checkpoint_is_due_leaves_nothing_of_the_failure_in_the_next_one() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    // Once a thousand chains moved, a checkpoint is due with the next entry.
    for at in 0..1_100 {
        world.verdict(&agent, &format!("tracked-{at}"), "get_mail").await;
        world.tap.fail(true);
        let failed = format!("failed-{at}");
        let asked = Ask { session: Some(&failed), ..ask(&agent, "get_mail") };
        world.engine.check(&world.org.runtime, asked).await.unwrap_err();
        world.tap.fail(false);
    }
    // Whatever the checkpoint at the end holds is where the next entries go on.
    let mut world = world.restarted(Ending::Stopped);
    for at in 0..1_100 {
        world.verdict(&agent, &format!("failed-{at}"), "get_mail").await;
    }
    world.verified();
    world = world.restarted(Ending::Stopped);
    assert_eq!(world.live_chains(), world.verified());
}

#[tokio::test]
async fn a_ledger_whose_chain_does_not_continue_does_not_start() {
    let world = World::made(Choice { loses_checkpoints: true, ..Choice::default() }).await;
    let agent = world.agent("worker", &["*"]).await;
    world.bare_verdict(&agent, "get_mail").await;
    world.engine.stop();
    let last = world.bodies().pop().unwrap();
    let batch = Batch { entries: vec![last], ..Batch::default() };
    world.tap.commit(&batch).unwrap();
    let why = world.refused_start();
    assert!(why.contains("its chain does not continue"), "{why}");
}
