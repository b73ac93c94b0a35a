//! How often an agent may ask, how often a tool may be asked for, and a tool
//! that keeps failing.

use std::time::Duration;

use countersign_core::id::AgentId;
use countersign_engine::{Report, Settings, SettingsChange};

use crate::world::{World, ask, failure, new_agent, refusal, word};

async fn with(agent_per_minute: u32, tool_per_minute: u32) -> World {
    World::with(Settings { agent_per_minute, tool_per_minute, ..Settings::default() }).await
}

async fn verdicts(world: &World, agent: &AgentId, tools: &[&str]) -> Vec<&'static str> {
    let mut said = Vec::new();
    for tool in tools {
        said.push(world.bare_verdict(agent, tool).await);
    }
    said
}

#[tokio::test]
async fn an_agent_that_asks_too_often_is_refused_until_its_time_has_come() {
    let world = with(2, 0).await;
    let agent = world.agent("reader", &["*"]).await;
    let said = verdicts(&world, &agent, &["get_a", "get_b", "get_c"]).await;
    assert_eq!(said, ["allow", "allow", "agent_rate_exceeded"]);
    world.clock.pass(Duration::from_secs(30));
    assert_eq!(verdicts(&world, &agent, &["get_a", "get_b"]).await, ["allow", "agent_rate_exceeded"]);
}

#[tokio::test]
async fn an_agent_that_asks_too_often_leaves_the_others_their_share() {
    let world = with(1, 0).await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    verdicts(&world, &one, &["get_a", "get_a"]).await;
    assert_eq!(world.bare_verdict(&two, "get_a").await, "allow");
}

#[tokio::test]
async fn a_tool_that_is_asked_for_too_often_is_refused_to_everyone_in_the_organisation() {
    let world = with(0, 2).await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    verdicts(&world, &one, &["get_a", "get_a"]).await;
    assert_eq!(verdicts(&world, &two, &["get_a", "get_b"]).await, ["tool_rate_exceeded", "allow"]);
}

#[tokio::test]
async fn a_tool_of_another_organisation_has_its_own_share() {
    let world = with(0, 1).await;
    let other = world.other_org().await;
    let ours = world.agent("one", &["*"]).await;
    let theirs = world.agent_of(&other, new_agent("one")).await;
    world.bare_verdict(&ours, "get_a").await;
    assert_eq!(word(&world.engine.check(&other.runtime, ask(&theirs, "get_a")).await.unwrap()), "allow");
}

#[tokio::test]
async fn another_organisation_does_not_use_up_an_agents_share() {
    let world = with(1, 0).await;
    let other = world.other_org().await;
    let agent = world.agent("reader", &["*"]).await;
    for _ in 0..3 {
        assert_eq!(refusal(world.engine.check(&other.runtime, ask(&agent, "get_a")).await), "not_found");
    }
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "allow");
}

#[tokio::test]
async fn whoever_asks_in_anothers_name_uses_up_their_own_share() {
    let world = with(1, 0).await;
    let (owner, trier) = (world.agent("owner", &["*"]).await, world.agent("trier", &["*"]).await);
    let caller = world.key_of(&trier).await;
    for _ in 0..3 {
        let answer = world.engine.check(&caller, ask(&owner, "get_a")).await.unwrap();
        assert_eq!(word(&answer), "identity_mismatch");
    }
    assert_eq!(world.bare_verdict(&owner, "get_a").await, "allow");
    assert_eq!(world.bare_verdict(&trier, "get_a").await, "agent_rate_exceeded");
}

#[tokio::test]
async fn an_organisation_may_choose_its_own_limits() {
    let world = with(1, 1).await;
    let agent = world.agent("reader", &["*"]).await;
    let choose = async |agent, tool| {
        let change = SettingsChange { agent_per_minute: agent, tool_per_minute: tool, ..SettingsChange::default() };
        world.engine.change_settings(&world.org.admin, change).await.unwrap();
    };
    choose(Some(3), Some(2)).await;
    let said = verdicts(&world, &agent, &["get_a", "get_a", "get_a", "get_b"]).await;
    assert_eq!(said, ["allow", "allow", "tool_rate_exceeded", "agent_rate_exceeded"]);
    // Zero is without limit.
    choose(Some(0), Some(0)).await;
    assert_eq!(verdicts(&world, &agent, &["get_a"; 5]).await, ["allow"; 5]);
}

#[tokio::test]
async fn setting_the_wall_clock_back_or_forth_changes_no_limit() {
    let world = with(1, 0).await;
    let agent = world.agent("reader", &["*"]).await;
    world.bare_verdict(&agent, "get_a").await;
    world.clock.set_wall(world.engine.now().plus(Duration::from_hours(24)));
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "agent_rate_exceeded");
}

#[tokio::test]
async fn a_refusal_for_asking_too_often_is_recorded() {
    let world = with(1, 0).await;
    let agent = world.agent("reader", &["*"]).await;
    verdicts(&world, &agent, &["get_a", "get_a"]).await;
    let entry = world.last();
    assert_eq!(["code", "gate"].map(|name| entry.says(name)), ["agent_rate_exceeded", "limits"]);
}

async fn fails(world: &World, agent: &AgentId, tool: &str, times: usize) {
    for _ in 0..times {
        world.engine.report(&world.org.runtime, agent, None, vec![failure(tool)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_tool_that_failed_five_times_in_a_row_is_paused_for_that_agent() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    fails(&world, &one, "get_a", 4).await;
    assert_eq!(world.bare_verdict(&one, "get_a").await, "allow");
    fails(&world, &one, "get_a", 1).await;
    assert_eq!(verdicts(&world, &one, &["get_a", "get_b"]).await, ["circuit_open", "allow"]);
    assert_eq!(world.bare_verdict(&two, "get_a").await, "allow");
}

#[tokio::test]
async fn a_paused_tool_is_tried_again_after_half_a_minute_and_what_comes_of_it_decides() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    fails(&world, &agent, "get_a", 5).await;
    world.clock.pass(Duration::from_secs(30) - Duration::from_millis(1));
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "circuit_open");
    world.clock.pass(Duration::from_millis(1));
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "allow");
    fails(&world, &agent, "get_a", 1).await;
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "circuit_open");
    world.clock.pass(Duration::from_secs(30));
    let success = Report { success: Some(true), ..failure("get_a") };
    world.engine.report(&world.org.runtime, &agent, None, vec![success]).await.unwrap();
    fails(&world, &agent, "get_a", 4).await;
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "allow");
}

#[tokio::test]
async fn a_refusal_of_ours_is_not_the_tools_failure() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let denied = Report { error_type: Some("AGENTTRUST_DENIED".into()), ..failure("get_a") };
    world.engine.report(&world.org.runtime, &agent, None, vec![denied; 9]).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "get_a").await, "allow");
}

#[tokio::test]
async fn an_agent_reports_nothing_in_the_name_of_another() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let reported = world.engine.report(&world.key_of(&one).await, &two, None, vec![failure("get_a")]).await;
    assert_eq!(refusal(reported), "identity_mismatch");
}

#[tokio::test]
async fn a_report_is_recorded_on_the_chain_of_its_session_and_counts_as_no_call() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    let reported = vec![failure("get_a")];
    world.engine.report(&world.org.runtime, &agent, Some(session.id.as_str()), reported).await.unwrap();
    let entry = world.last();
    assert_eq!((entry.kind.as_str(), entry.chain.as_str()), ("outcome", session.id.as_str()));
    assert_eq!(world.tally(&session).total, 0);
}

#[tokio::test]
async fn a_report_about_another_agents_session_is_on_the_chain_of_who_reported() {
    let world = World::new().await;
    let (owner, other) = (world.agent("owner", &["*"]).await, world.agent("other", &["*"]).await);
    let session = world.session(&owner).await;
    let before = world.chain(&session);
    let reported = vec![failure("get_a")];
    world.engine.report(&world.org.runtime, &other, Some(session.id.as_str()), reported).await.unwrap();
    assert_eq!((world.last().chain.as_str(), world.chain(&session)), (other.as_str(), before));
}
