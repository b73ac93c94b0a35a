//! Access tokens: never wider than their agent, never longer than said, and
//! never good for anybody else.

use std::time::Duration;

use countersign_engine::{Ask, Closing, Error, NewToken};
use serde_json::json;

use crate::world::{World, ask, new_agent, new_token, patterns, refusal, word};

/// Why `secret` is good for nothing, as its own organisation is told.
fn inactive(world: &World, secret: &str) -> Option<&'static str> {
    world.engine.introspect_token(&world.org.runtime, secret, &[]).unwrap().inactive
}

#[tokio::test]
async fn a_token_reaches_no_further_than_its_agent() {
    let world = World::new().await;
    let agent = world.agent("reader", &["get_*"]).await;
    for wide in ["*", "get*", "update_mail"] {
        let new = NewToken { scopes: patterns(&["get_mail", wide]), ..new_token(&agent) };
        let issued = world.engine.issue_token(&world.org.runtime, new).await;
        assert_eq!(refusal(issued), "scope_exceeds_capabilities", "{wide}");
    }
}

#[tokio::test]
async fn a_token_begets_no_token_that_would_outlive_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let bearer = world.bearer(&world.token(&agent, &["*"]).await);
    assert_eq!(refusal(world.engine.issue_token(&bearer, new_token(&agent)).await), "role_insufficient");
}

#[tokio::test]
async fn an_agent_issues_no_token_for_another() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let issued = world.engine.issue_token(&world.key_of(&one).await, new_token(&two)).await;
    assert_eq!(refusal(issued), "identity_mismatch");
}

#[tokio::test]
async fn a_good_token_is_active_for_the_scopes_it_has_and_no_others() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["get_*"]).await;
    let asked = |scope: &str| {
        let required = [scope.to_owned()];
        world.engine.introspect_token(&world.org.runtime, &secret, &required).unwrap().inactive
    };
    assert_eq!(asked("get_mail"), None);
    assert_eq!(asked("update_mail"), Some("the token does not have a required scope"));
}

#[tokio::test]
async fn a_revoked_token_is_inactive() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["*"]).await;
    world.engine.revoke_token(&world.org.runtime, &secret, "lost").await.unwrap();
    assert_eq!(inactive(&world, &secret), Some("the token is revoked"));
    assert_eq!(world.engine.authenticate_token(&secret, None).unwrap_err(), "the token is revoked");
}

#[tokio::test]
async fn a_token_ends_at_the_very_millisecond_it_said() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["*"]).await;
    world.clock.pass(Duration::from_mins(5) - Duration::from_millis(1));
    assert_eq!(inactive(&world, &secret), None);
    world.clock.pass(Duration::from_millis(1));
    assert_eq!(inactive(&world, &secret), Some("the token has expired"));
}

#[tokio::test]
async fn another_organisations_token_does_not_exist() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["*"]).await;
    let other = world.other_org().await;
    let told = world.engine.introspect_token(&other.runtime, &secret, &[]).unwrap();
    assert_eq!((told.token.is_none(), told.inactive), (true, Some("there is no such token")));
    assert_eq!(refusal(world.engine.revoke_token(&other.admin, &secret, "").await), "not_found");
    let behind = world.engine.authenticate_token(&secret, Some(&other.runtime));
    assert_eq!(behind.unwrap_err(), "there is no such token");
    assert_eq!(inactive(&world, &secret), None);
}

#[tokio::test]
async fn the_token_of_an_agent_that_may_not_act_is_inactive() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["*"]).await;
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "").await.unwrap();
    assert_eq!(inactive(&world, &secret), Some("the token's agent is revoked or suspended"));
    world.engine.resume_agent(&world.org.admin, agent.as_str()).await.unwrap();
    assert_eq!(inactive(&world, &secret), None);
}

#[tokio::test]
async fn a_suspended_agent_gets_no_token() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "").await.unwrap();
    assert_eq!(refusal(world.engine.issue_token(&world.org.runtime, new_token(&agent)).await), "agent_suspended");
}

#[tokio::test]
async fn who_shows_a_token_does_no_more_than_it_reaches() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let bearer = world.bearer(&world.token(&agent, &["get_*"]).await);
    for (tool, said) in [("get_mail", "allow"), ("update_mail", "token_scope")] {
        let answer = world.engine.check(&bearer, ask(&agent, tool)).await.unwrap();
        assert_eq!(word(&answer), said);
    }
}

#[tokio::test]
async fn who_shows_a_token_in_the_agents_own_wider_session_does_no_more_than_it_reaches() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.writing_session(&agent).await;
    let bearer = world.bearer(&world.token(&agent, &["get_*"]).await);
    let asked = Ask { session: Some(session.id.as_str()), ..ask(&agent, "update_mail") };
    assert_eq!(word(&world.engine.check(&bearer, asked).await.unwrap()), "token_scope");
}

#[tokio::test]
async fn who_shows_an_agents_token_does_not_act_as_another() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let bearer = world.bearer(&world.token(&one, &["*"]).await);
    assert_eq!(word(&world.engine.check(&bearer, ask(&two, "get_mail")).await.unwrap()), "identity_mismatch");
}

#[tokio::test]
async fn a_token_behind_another_agents_key_is_refused() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let key = world.key_of(&two).await;
    let shown = world.engine.authenticate_token(&world.token(&one, &["*"]).await, Some(&key));
    assert_eq!(shown.unwrap_err(), "the token is another agent's than the key's");
}

#[tokio::test]
async fn a_token_behind_an_administrators_key_is_an_agent_all_the_same() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["*"]).await;
    let caller = world.engine.authenticate_token(&secret, Some(&world.org.admin)).unwrap();
    assert_eq!(refusal(world.engine.revoke_agent(&caller, agent.as_str(), "").await), "role_insufficient");
}

#[tokio::test]
async fn the_life_of_a_token_is_kept_within_bounds() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    for (asked, seconds) in [(None, 300), (Some(0), 300), (Some(1), 1), (Some(3_600), 3_600), (Some(i64::MAX), 3_600)] {
        let issued = world.engine.issue_token(&world.org.runtime, NewToken { ttl: asked, ..new_token(&agent) }).await;
        let token = issued.unwrap().token;
        assert_eq!(token.expires_at.since(token.issued_at), Duration::from_secs(seconds), "{asked:?}");
    }
    let negative = NewToken { ttl: Some(-1), ..new_token(&agent) };
    assert_eq!(refusal(world.engine.issue_token(&world.org.runtime, negative).await), "invalid");
}

#[tokio::test]
async fn a_token_for_a_session_ends_with_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    let new = NewToken { session: Some(session.id.to_string()), ..new_token(&agent) };
    let secret = world.engine.issue_token(&world.org.runtime, new).await.unwrap().secret;
    assert_eq!(inactive(&world, &secret), None);
    world.engine.close_session(&world.org.runtime, session.id.as_str(), Closing::default()).await.unwrap();
    assert_eq!(inactive(&world, &secret), Some("the token's session is over"));
}

#[tokio::test]
async fn a_token_for_a_session_of_another_agent_is_not_issued() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let session = world.session(&one).await;
    let new = NewToken { session: Some(session.id.to_string()), ..new_token(&two) };
    assert_eq!(refusal(world.engine.issue_token(&world.org.runtime, new).await), "session_foreign");
}

#[tokio::test]
async fn a_token_for_a_session_that_the_server_never_issued_is_not_issued() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let new = NewToken { session: Some("sess_never".into()), ..new_token(&agent) };
    assert_eq!(refusal(world.engine.issue_token(&world.org.runtime, new).await), "not_found");
}

#[tokio::test]
async fn a_token_for_an_id_that_the_client_made_up_is_tied_to_nothing() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let new = NewToken { session: Some("0b9c".into()), ..new_token(&agent) };
    assert_eq!(world.engine.issue_token(&world.org.runtime, new).await.unwrap().token.session, None);
}

#[tokio::test]
async fn a_session_started_from_a_token_reaches_as_far_and_lasts_as_long() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["get_*"]).await;
    let session = world.engine.start_api_session(&world.org.runtime, &secret).await.unwrap().session;
    assert_eq!(session.ceiling, patterns(&["get_*"]));
    assert_eq!(session.expires_at.since(world.engine.now()), Duration::from_mins(5));
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "outside_ceiling");
}

#[tokio::test]
async fn a_session_started_from_a_token_dies_with_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let secret = world.token(&agent, &["*"]).await;
    let session = world.engine.start_api_session(&world.org.runtime, &secret).await.unwrap().session;
    world.engine.revoke_token(&world.org.runtime, &secret, "").await.unwrap();
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_orphaned");
    assert_eq!(world.status(&session), "revoked");
}

#[tokio::test]
async fn a_session_started_by_who_showed_a_token_dies_when_the_token_expires() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let bearer = world.bearer(&world.token(&agent, &["*"]).await);
    let server = world.engine.register_server(&world.org.admin, crate::world::new_server(&[])).await.unwrap();
    let view = world.engine.start_mcp_session(&bearer, &agent, server.id.as_str()).await.unwrap();
    world.clock.pass(Duration::from_mins(5));
    assert_eq!(world.verdict(&agent, view.session.id.as_str(), "get_mail").await, "session_orphaned");
}

#[tokio::test]
async fn no_session_starts_from_a_token_that_is_not_good_here() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let revoked = world.token(&agent, &["*"]).await;
    world.engine.revoke_token(&world.org.runtime, &revoked, "").await.unwrap();
    let other = world.other_org().await;
    let stranger = world.agent_of(&other, new_agent("reader")).await;
    let foreign = world.engine.issue_token(&other.runtime, new_token(&stranger)).await.unwrap().secret;
    for (what, secret) in [("revoked", revoked.as_str()), ("foreign", &foreign), ("never issued", "at_never")] {
        let started = world.engine.start_api_session(&world.org.runtime, secret).await;
        assert!(matches!(started, Err(Error::Unauthenticated { code: "token_inactive", .. })), "{what}");
    }
}

#[tokio::test]
async fn a_token_that_was_widened_in_the_store_is_good_for_nothing() {
    let world = World::new().await;
    let agent = world.agent("reader", &["get_*"]).await;
    let secret = world.token(&agent, &["get_*"]).await;
    let id = world.bearer(&secret).proof.unwrap().token.unwrap();
    let world = world.altered("token", id.as_str(), |sealed| sealed["value"]["scopes"] = json!(["*"]));
    let held = "the token's integrity tag does not hold";
    assert_eq!(inactive(&world, &secret), Some(held));
    assert_eq!(world.engine.authenticate_token(&secret, None).unwrap_err(), held);
}
