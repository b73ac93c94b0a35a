//! What operators say of tools.

use countersign_core::Effect;
use countersign_engine::{Ask, Tool};

use crate::world::{Ending, World, ask, new_server, refusal, word};

fn tool(name: &str, effect: Option<Effect>) -> Tool {
    Tool { name: name.into(), effect, needs_approval: false }
}

#[tokio::test]
async fn what_an_operator_says_of_a_tool_replaces_what_its_name_says() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let tools = [tool("delete_draft", Some(Effect::Read)), tool("get_funds", Some(Effect::Mutating))];
    let session = world.session_for(&agent, new_server(&tools)).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "delete_draft").await, "allow");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_funds").await, "session_read_only");
}

#[tokio::test]
async fn a_hint_raises_what_an_operator_said_and_never_lowers_it() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let tools = [tool("frobnicate", Some(Effect::Mutating))];
    let session = world.session_for(&agent, new_server(&tools)).await;
    let asked = Ask { session: Some(session.id.as_str()), ..ask(&agent, "frobnicate") };
    let judged = async |hint| world.check(Ask { hint: Some(hint), ..asked }).await.decision.effect;
    assert_eq!(judged(Effect::Read).await, Effect::Mutating);
    assert_eq!(judged(Effect::Destructive).await, Effect::Destructive);
}

#[tokio::test]
async fn outside_the_sessions_of_servers_the_worst_that_any_server_says_counts() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    for effect in [Effect::Read, Effect::Destructive, Effect::Mutating] {
        let server = new_server(&[tool("frobnicate", Some(effect))]);
        world.engine.register_server(&world.org.admin, server).await.unwrap();
    }
    for session in [None, Some("made-up")] {
        let answer = world.check(Ask { session, ..ask(&agent, "frobnicate") }).await;
        assert_eq!(answer.decision.effect, Effect::Destructive, "{session:?}");
    }
}

#[tokio::test]
async fn in_the_session_of_a_server_nothing_counts_but_what_was_said_of_its_own_tools() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let other = new_server(&[tool("get_mail", Some(Effect::Destructive))]);
    world.engine.register_server(&world.org.admin, other).await.unwrap();
    let session = world.session(&agent).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "allow");
}

#[tokio::test]
async fn where_a_tool_is_named_twice_the_worst_that_is_said_of_it_counts_everywhere() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let approved = Tool { needs_approval: true, ..tool("get_mail", Some(Effect::Read)) };
    let server = new_server(&[tool("get_mail", Some(Effect::Read)), approved]);
    let session = world.session_for(&agent, server).await;
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "tool_needs_approval");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "tool_needs_approval");
}

#[tokio::test]
async fn the_session_of_a_deleted_server_is_bound_by_what_the_others_say() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let session = world.session(&agent).await;
    let own = session.server.as_ref().unwrap().as_str();
    let other = new_server(&[Tool { needs_approval: true, ..tool("get_mail", None) }]);
    world.engine.register_server(&world.org.admin, other).await.unwrap();
    world.engine.delete_server(&world.org.admin, own).await.unwrap();
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "tool_needs_approval");
}

#[tokio::test]
async fn what_was_said_of_a_tool_holds_after_a_restart() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let server = new_server(&[tool("get_mail", Some(Effect::Destructive))]);
    world.engine.register_server(&world.org.admin, server).await.unwrap();
    let world = world.restarted(Ending::Killed);
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "destructive_needs_approval");
}

#[tokio::test]
async fn what_was_said_of_the_tools_of_a_deleted_server_no_longer_counts() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let server = new_server(&[tool("get_mail", Some(Effect::Destructive))]);
    let id = world.engine.register_server(&world.org.admin, server).await.unwrap().id;
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "destructive_needs_approval");
    world.engine.delete_server(&world.org.admin, id.as_str()).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}

#[tokio::test]
async fn an_operators_word_never_makes_an_admin_effect_of_it_pass() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let server = new_server(&[tool("frobnicate", Some(Effect::Admin))]);
    world.engine.register_server(&world.org.admin, server).await.unwrap();
    assert_eq!(word(&world.check(ask(&agent, "frobnicate")).await), "admin_unreviewed");
}

#[tokio::test]
async fn only_an_administrator_registers_and_deletes_servers() {
    let world = World::new().await;
    let id = world.engine.register_server(&world.org.admin, new_server(&[])).await.unwrap().id;
    for caller in [&world.org.runtime, &world.org.approver, &world.org.auditor, &world.engine.developer().unwrap()] {
        let registered = world.engine.register_server(caller, new_server(&[])).await;
        assert_eq!(refusal(registered), "role_insufficient");
        assert_eq!(refusal(world.engine.delete_server(caller, id.as_str()).await), "role_insufficient");
    }
}
