//! A session bounds one agent's work: whose it is, how far it reaches, whether
//! it may write, and when it is over.

use std::time::Duration;

use countersign_core::chain::Tally;
use countersign_core::id::SessionId;
use countersign_engine::{Ask, Closing};
use serde_json::{Value, json};

use crate::world::{Choice, Ending, World, ask, lending, new_agent, new_server, refusal, word};

#[tokio::test]
async fn a_session_starts_read_only() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.session(&agent).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "allow");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "session_read_only");
}

#[tokio::test]
async fn a_session_from_a_token_or_a_delegation_starts_read_only_too() {
    let world = World::new().await;
    let (agent, borrower) = (world.agent("writer", &["*"]).await, world.agent("borrower", &[]).await);
    let (engine, runtime) = (&world.engine, &world.org.runtime);
    let from_token = engine.start_api_session(runtime, &world.token(&agent, &["*"]).await).await.unwrap().session;
    let lent = world.lend(lending(&agent, &borrower)).await.unwrap();
    let from_delegation = engine.start_delegated_session(runtime, lent.id.as_str()).await.unwrap().session;
    for (agent, session) in [(&agent, from_token), (&borrower, from_delegation)] {
        assert_eq!(world.verdict(agent, session.id.as_str(), "get_mail").await, "allow");
        assert_eq!(world.verdict(agent, session.id.as_str(), "update_mail").await, "session_read_only");
    }
}

#[tokio::test]
async fn a_session_may_write_where_an_operator_chose_that_for_its_server() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.writing_session(&agent).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "allow");
}

#[tokio::test]
async fn a_session_started_with_a_token_never_reaches_beyond_it_whoever_asks() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let bearer = world.bearer(&world.token(&agent, &["get_*"]).await);
    let server = world.engine.register_server(&world.org.admin, new_server(&[])).await.unwrap();
    let view = world.engine.start_mcp_session(&bearer, &agent, server.id.as_str()).await.unwrap();
    let session = view.session.id.as_str();
    assert_eq!(world.verdict(&agent, session, "get_mail").await, "allow");
    assert_eq!(world.verdict(&agent, session, "list_mail").await, "outside_ceiling");
}

#[tokio::test]
async fn another_agents_session_is_refused() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let trier = world.agent("trier", &["*"]).await;
    let session = world.session(&owner).await;
    assert_eq!(world.verdict(&trier, session.id.as_str(), "get_mail").await, "session_foreign");
}

#[tokio::test]
async fn an_attempt_on_another_agents_session_is_on_the_chain_of_who_tried_and_moves_nothing_of_the_owners() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let trier = world.agent("trier", &["*"]).await;
    let session = world.session(&owner).await;
    let before = world.chain(&session);
    world.verdict(&trier, session.id.as_str(), "get_mail").await;
    assert_eq!(world.last().chain, trier.as_str());
    assert_eq!(world.chain(&session), before);
}

#[tokio::test]
async fn whoever_asks_in_anothers_name_moves_nothing_of_the_others() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let trier = world.agent("trier", &["*"]).await;
    let session = world.session(&owner).await;
    world.verdict(&owner, "tracked", "get_mail").await;
    let caller = world.key_of(&trier).await;
    let before = world.verified();
    for named in [Some(session.id.as_str()), Some("tracked"), None] {
        let answer = world.engine.check(&caller, Ask { session: named, ..ask(&owner, "get_mail") }).await.unwrap();
        assert_eq!(word(&answer), "identity_mismatch");
    }
    let after = world.verified();
    assert!(before.iter().all(|(id, chain)| id.as_str() == trier.as_str() || after[id] == *chain));
}

#[tokio::test]
async fn another_organisations_session_is_as_unknown_as_none_at_all() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let session = world.session(&owner).await;
    let before = world.chain(&session);
    let other = world.other_org().await;
    let trier = world.agent_of(&other, new_agent("trier")).await;
    let asked = Ask { session: Some(session.id.as_str()), ..ask(&trier, "get_mail") };
    let answer = world.engine.check(&other.runtime, asked).await.unwrap();
    assert_eq!(word(&answer), "session_unknown");
    assert_eq!(world.last().chain, trier.as_str());
    assert_eq!(world.chain(&session), before);
}

#[tokio::test]
async fn an_id_with_the_servers_prefix_that_the_server_never_issued_is_unknown() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    for made_up in ["sess_", "sess_mine", SessionId::from_entropy(5).as_str()] {
        assert_eq!(world.verdict(&agent, made_up, "get_mail").await, "session_unknown", "{made_up}");
    }
}

#[tokio::test]
async fn an_id_that_the_client_made_up_is_counted_and_holds_nothing_back() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    assert_eq!(world.verdict(&agent, "0b9c", "update_mail").await, "allow");
    assert_eq!(world.verdict(&agent, "0b9c", "get_mail").await, "allow");
    let chains = world.verified();
    let tracked = chains.iter().find(|(id, _)| id.as_str().starts_with("track_")).unwrap().1;
    assert_eq!(tracked.tally, Tally { total: 2, read: 1, write: 1, denied: 0 });
}

#[tokio::test]
async fn the_same_made_up_id_is_another_chain_for_another_agent_and_another_organisation() {
    let world = World::new().await;
    let other = world.other_org().await;
    let one = world.agent("one", &["*"]).await;
    let two = world.agent("two", &["*"]).await;
    let three = world.agent_of(&other, new_agent("one")).await;
    for (caller, agent) in [(&world.org, &one), (&world.org, &two), (&other, &three)] {
        let asked = Ask { session: Some("shared"), ..ask(agent, "get_mail") };
        world.engine.check(&caller.runtime, asked).await.unwrap();
    }
    let chains = world.verified();
    let tracked = chains.iter().filter(|(id, _)| id.as_str().starts_with("track_"));
    assert_eq!(tracked.map(|(_, chain)| chain.length).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn a_session_that_was_altered_in_the_store_is_refused() {
    let alterations = [
        ("mode", json!("standard")),
        ("expires_at", json!(9_999_999_999_999_i64)),
        ("ceiling", json!(["*", "x"])),
        ("token", json!("tok_0")),
        ("delegation", json!("del_0")),
    ];
    for on_disk in [false, true] {
        for (field, forged) in &alterations {
            let world = World::made(Choice { on_disk, ..Choice::default() }).await;
            let agent = world.agent("writer", &["*"]).await;
            let session = world.session(&agent).await;
            let world = world.altered("session", session.id.as_str(), |sealed| sealed["value"][field] = forged.clone());
            assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_altered", "{field}");
            assert_eq!(world.status(&session), "altered", "{field}");
        }
    }
}

#[tokio::test]
async fn a_session_that_was_given_to_another_agent_in_the_store_is_refused() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let thief = world.agent("thief", &["*"]).await;
    let session = world.session(&owner).await;
    let world = world.altered("session", session.id.as_str(), |sealed| sealed["value"]["agent"] = json!(thief));
    assert_eq!(world.verdict(&thief, session.id.as_str(), "get_mail").await, "session_altered");
}

#[tokio::test]
async fn a_closed_session_that_was_opened_again_in_the_store_is_refused() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    world.engine.close_session(&world.org.runtime, session.id.as_str(), Closing::default()).await.unwrap();
    let world = world.altered("session", session.id.as_str(), |sealed| sealed["value"]["closed_at"] = Value::Null);
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_altered");
}

#[tokio::test]
async fn a_session_that_nobody_altered_holds_after_a_restart() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    let world = world.restarted(Ending::Stopped);
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "allow");
}

#[tokio::test]
async fn a_session_ends_at_the_very_millisecond_it_said() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    world.clock.pass(Duration::from_hours(1) - Duration::from_millis(1));
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "allow");
    world.clock.pass(Duration::from_millis(1));
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_expired");
    assert_eq!(world.status(&session), "expired");
}

#[tokio::test]
async fn a_session_is_closed_for_the_very_next_check() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    let view = world.engine.close_session(&world.org.runtime, session.id.as_str(), Closing::default()).await.unwrap();
    assert_eq!(view.status, "closed");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_closed");
}

#[tokio::test]
async fn closing_a_session_twice_closes_it_once() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    world.engine.close_session(&world.org.runtime, session.id.as_str(), Closing::default()).await.unwrap();
    let (before, length) = (world.chain(&session), world.bodies().len());
    world.clock.pass(Duration::from_secs(1));
    world.engine.close_session(&world.org.runtime, session.id.as_str(), Closing::default()).await.unwrap();
    assert_eq!((world.chain(&session), world.bodies().len()), (before, length));
}

#[tokio::test]
async fn an_agent_neither_sees_nor_closes_nor_lists_the_sessions_of_another() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let other = world.key_of(&world.agent("other", &["*"]).await).await;
    let session = world.session(&owner).await;
    assert_eq!(refusal(world.engine.session(&other, session.id.as_str())), "not_found");
    assert_eq!(refusal(world.engine.close_session(&other, session.id.as_str(), Closing::default()).await), "not_found");
    assert!(world.engine.list_sessions(&other, None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_starts_no_session_in_the_name_of_another() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let other = world.key_of(&world.agent("other", &["*"]).await).await;
    let server = world.engine.register_server(&world.org.admin, new_server(&[])).await.unwrap();
    let started = world.engine.start_mcp_session(&other, &owner, server.id.as_str()).await;
    assert_eq!(refusal(started), "identity_mismatch");
}

#[tokio::test]
async fn a_suspended_agent_starts_no_session() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let server = world.engine.register_server(&world.org.admin, new_server(&[])).await.unwrap();
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "").await.unwrap();
    let started = world.engine.start_mcp_session(&world.org.runtime, &agent, server.id.as_str()).await;
    assert_eq!(refusal(started), "agent_suspended");
}

#[tokio::test]
async fn the_sessions_of_an_organisation_are_listed_latest_first() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let mut started = Vec::new();
    for _ in 0..3 {
        world.clock.pass(Duration::from_secs(1));
        started.insert(0, world.session(&agent).await.id);
    }
    let listed = world.engine.list_sessions(&world.org.admin, None, 2).unwrap();
    assert_eq!(listed.iter().map(|view| view.session.id.clone()).collect::<Vec<_>>(), started[..2]);
}
