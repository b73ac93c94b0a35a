//! Delegations: rights only ever shrink on the way, and one dead link kills
//! what hangs below it.

use std::time::Duration;

use countersign_core::delegation::Delegation;
use countersign_core::id::AgentId;
use countersign_core::session::Session;
use countersign_engine::{NewAgent, NewDelegation};
use serde_json::json;

use crate::world::{World, lending, new_agent, patterns, refusal};

/// A world with a lender that may do everything and a borrower that may do nothing.
async fn world() -> (World, AgentId, AgentId) {
    let world = World::new().await;
    let lender = world.agent("lender", &["*"]).await;
    let borrower = world.agent("borrower", &[]).await;
    (world, lender, borrower)
}

async fn session_of(world: &World, delegation: &Delegation) -> Session {
    world.engine.start_delegated_session(&world.org.runtime, delegation.id.as_str()).await.unwrap().session
}

fn below(parent: &Delegation, to: &AgentId) -> NewDelegation {
    NewDelegation { parent: Some(parent.id.clone()), scope: parent.scope.clone(), ..lending(&parent.to, to) }
}

/// `count` links after one another, and the agents they run between.
async fn links(world: &World, count: usize) -> (Vec<AgentId>, Vec<Delegation>) {
    let mut agents = vec![world.agent("agent-0", &["*"]).await];
    let mut links: Vec<Delegation> = Vec::new();
    for at in 1..=count {
        let next = world.agent(&format!("agent-{at}"), &[]).await;
        let new = links.last().map_or_else(|| lending(&agents[0], &next), |parent| below(parent, &next));
        links.push(world.lend(new).await.unwrap());
        agents.push(next);
    }
    (agents, links)
}

#[tokio::test]
async fn a_borrower_does_what_it_was_lent_without_holding_it_itself() {
    let (world, lender, borrower) = world().await;
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    let session = session_of(&world, &delegation).await;
    assert_eq!(world.bare_verdict(&borrower, "get_mail").await, "capability_missing");
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_mail").await, "allow");
}

#[tokio::test]
async fn a_borrower_does_nothing_that_it_was_not_lent() {
    let (world, lender, borrower) = world().await;
    let new = NewDelegation { scope: patterns(&["get_*"]), ..lending(&lender, &borrower) };
    let session = session_of(&world, &world.lend(new).await.unwrap()).await;
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "list_mail").await, "outside_ceiling");
}

#[tokio::test]
async fn what_a_borrower_must_never_do_it_does_not_do_for_others_either() {
    let world = World::new().await;
    let lender = world.agent("lender", &["*"]).await;
    let new = NewAgent { blocked: patterns(&["get_secret"]), ..new_agent("borrower") };
    let borrower = world.agent_of(&world.org, new).await;
    let session = session_of(&world, &world.lend(lending(&lender, &borrower)).await.unwrap()).await;
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_secret").await, "capability_blocked");
}

#[tokio::test]
async fn what_a_lender_must_never_do_it_cannot_have_others_do() {
    let world = World::new().await;
    let new = NewAgent { blocked: patterns(&["get_secret"]), ..new_agent("lender") };
    let lender = world.agent_of(&world.org, new).await;
    let borrower = world.agent("borrower", &[]).await;
    let last = world.agent("last", &[]).await;
    let first = world.lend(lending(&lender, &borrower)).await.unwrap();
    let second = world.lend(below(&first, &last)).await.unwrap();
    for (agent, link) in [(&borrower, &first), (&last, &second)] {
        let session = session_of(&world, link).await;
        assert_eq!(world.verdict(agent, session.id.as_str(), "get_secret").await, "capability_blocked");
    }
}

#[tokio::test]
async fn nobody_lends_more_than_they_hold() {
    let world = World::new().await;
    let lender = world.agent("lender", &["get_*"]).await;
    let borrower = world.agent("borrower", &["*"]).await;
    for wide in ["*", "get*", "update_mail"] {
        let new = NewDelegation { scope: patterns(&["get_mail", wide]), ..lending(&lender, &borrower) };
        assert_eq!(refusal(world.lend(new).await), "delegation_widened", "{wide}");
    }
}

#[tokio::test]
async fn nobody_lends_on_more_than_they_borrowed_even_where_they_hold_more_themselves() {
    let world = World::new().await;
    let lender = world.agent("lender", &["*"]).await;
    let middle = world.agent("middle", &["*"]).await;
    let last = world.agent("last", &[]).await;
    let narrow = NewDelegation { scope: patterns(&["get_*"]), ..lending(&lender, &middle) };
    let parent = world.lend(narrow).await.unwrap();
    let wide = NewDelegation { scope: patterns(&["update_mail"]), ..below(&parent, &last) };
    assert_eq!(refusal(world.lend(wide).await), "delegation_widened");
}

#[tokio::test]
async fn who_shows_a_token_lends_nothing_that_would_outlive_it() {
    let (world, lender, borrower) = world().await;
    let bearer = world.bearer(&world.token(&lender, &["*"]).await);
    let lent = world.engine.create_delegation(&bearer, lending(&lender, &borrower)).await;
    assert_eq!(refusal(lent), "role_insufficient");
}

#[tokio::test]
async fn an_agent_lends_nothing_in_the_name_of_another() {
    let (world, lender, borrower) = world().await;
    let lent = world.engine.create_delegation(&world.key_of(&borrower).await, lending(&lender, &borrower)).await;
    assert_eq!(refusal(lent), "identity_mismatch");
}

#[tokio::test]
async fn nothing_at_all_cannot_be_lent() {
    let (world, lender, borrower) = world().await;
    let new = NewDelegation { scope: Vec::new(), ..lending(&lender, &borrower) };
    assert_eq!(refusal(world.lend(new).await), "invalid");
}

#[tokio::test]
async fn five_links_hold() {
    let world = World::new().await;
    let (agents, links) = links(&world, 5).await;
    let session = session_of(&world, &links[4]).await;
    assert_eq!(world.verdict(&agents[5], session.id.as_str(), "get_mail").await, "allow");
}

#[tokio::test]
async fn a_sixth_link_is_refused() {
    let world = World::new().await;
    let (_, links) = links(&world, 5).await;
    let sixth = world.agent("agent-6", &[]).await;
    assert_eq!(refusal(world.lend(below(&links[4], &sixth)).await), "delegation_too_deep");
}

#[tokio::test]
async fn an_agent_does_not_lend_to_itself() {
    let (world, lender, _) = world().await;
    assert_eq!(refusal(world.lend(lending(&lender, &lender)).await), "delegation_to_self");
}

#[tokio::test]
async fn what_is_lent_does_not_come_back_in_a_circle() {
    let world = World::new().await;
    let (agents, links) = links(&world, 3).await;
    for back in &agents[..3] {
        assert_eq!(refusal(world.lend(below(&links[2], back)).await), "delegation_to_self");
    }
}

#[tokio::test]
async fn only_who_borrowed_lends_on() {
    let (world, lender, borrower) = world().await;
    let other = world.agent("other", &["*"]).await;
    let last = world.agent("last", &[]).await;
    let parent = world.lend(lending(&lender, &borrower)).await.unwrap();
    let new = NewDelegation { from: other.clone(), ..below(&parent, &last) };
    assert_eq!(refusal(world.lend(new).await), "delegation_broken");
}

#[tokio::test]
async fn only_the_borrower_starts_a_session_from_a_delegation() {
    let (world, lender, borrower) = world().await;
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    let started = world.engine.start_delegated_session(&world.key_of(&lender).await, delegation.id.as_str()).await;
    assert_eq!(refusal(started), "identity_mismatch");
}

#[tokio::test]
async fn a_link_that_is_revoked_kills_the_sessions_of_everything_below_it() {
    for revoked in 0..3 {
        let world = World::new().await;
        let (agents, links) = links(&world, 3).await;
        let session = session_of(&world, &links[2]).await;
        world.engine.revoke_delegation(&world.org.admin, links[revoked].id.as_str()).await.unwrap();
        assert_eq!(world.verdict(&agents[3], session.id.as_str(), "get_mail").await, "delegation_revoked");
        assert_eq!(world.status(&session), "revoked");
    }
}

#[tokio::test]
async fn a_link_that_is_revoked_leaves_what_is_above_it() {
    let world = World::new().await;
    let (agents, links) = links(&world, 2).await;
    let session = session_of(&world, &links[0]).await;
    world.engine.revoke_delegation(&world.org.admin, links[1].id.as_str()).await.unwrap();
    assert_eq!(world.verdict(&agents[1], session.id.as_str(), "get_mail").await, "allow");
}

#[tokio::test]
async fn nothing_is_lent_on_from_a_revoked_link() {
    let (world, lender, borrower) = world().await;
    let parent = world.lend(lending(&lender, &borrower)).await.unwrap();
    world.engine.revoke_delegation(&world.org.admin, parent.id.as_str()).await.unwrap();
    let last = world.agent("last", &[]).await;
    assert_eq!(refusal(world.lend(below(&parent, &last)).await), "delegation_revoked");
}

#[tokio::test]
async fn only_who_lent_takes_it_back() {
    let (world, lender, borrower) = world().await;
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    let taken = world.engine.revoke_delegation(&world.key_of(&borrower).await, delegation.id.as_str()).await;
    assert_eq!(refusal(taken), "identity_mismatch");
    world.engine.revoke_delegation(&world.key_of(&lender).await, delegation.id.as_str()).await.unwrap();
}

#[tokio::test]
async fn a_lender_that_may_not_act_kills_what_it_lent_until_it_may_again() {
    for suspended in 0..2 {
        let world = World::new().await;
        let (agents, links) = links(&world, 2).await;
        let session = session_of(&world, &links[1]).await;
        let lender = agents[suspended].as_str();
        world.engine.suspend_agent(&world.org.admin, lender, "").await.unwrap();
        let said = world.verdict(&agents[2], session.id.as_str(), "get_mail").await;
        assert_eq!(said, "delegation_lender_inactive");
        world.engine.resume_agent(&world.org.admin, lender).await.unwrap();
        assert_eq!(world.verdict(&agents[2], session.id.as_str(), "get_mail").await, "allow");
    }
}

#[tokio::test]
async fn what_is_lent_on_ends_no_later_than_what_was_borrowed() {
    let (world, lender, borrower) = world().await;
    let last = world.agent("last", &[]).await;
    let minute = NewDelegation { ttl_seconds: Some(60), ..lending(&lender, &borrower) };
    let parent = world.lend(minute).await.unwrap();
    let hour = NewDelegation { ttl_seconds: Some(3_600), ..below(&parent, &last) };
    assert_eq!(world.lend(hour).await.unwrap().expires_at, parent.expires_at);
}

#[tokio::test]
async fn a_session_from_a_delegation_ends_with_it() {
    let (world, lender, borrower) = world().await;
    let minute = NewDelegation { ttl_seconds: Some(60), ..lending(&lender, &borrower) };
    let delegation = world.lend(minute).await.unwrap();
    let session = session_of(&world, &delegation).await;
    assert_eq!(session.expires_at, delegation.expires_at);
    world.clock.pass(Duration::from_mins(1));
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_mail").await, "session_expired");
}

#[tokio::test]
async fn no_session_starts_from_a_delegation_that_is_over() {
    let (world, lender, borrower) = world().await;
    let minute = NewDelegation { ttl_seconds: Some(60), ..lending(&lender, &borrower) };
    let delegation = world.lend(minute).await.unwrap();
    world.clock.pass(Duration::from_mins(1));
    let started = world.engine.start_delegated_session(&world.org.runtime, delegation.id.as_str()).await;
    assert_eq!(refusal(started), "delegation_expired");
}

#[tokio::test]
async fn a_delegation_lives_for_an_hour_where_nobody_says_how_long() {
    let (world, lender, borrower) = world().await;
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    assert_eq!(delegation.expires_at.since(delegation.created_at), Duration::from_hours(1));
}

#[tokio::test]
async fn a_delegation_that_was_widened_in_the_store_kills_its_sessions() {
    let (world, lender, borrower) = world().await;
    let new = NewDelegation { scope: patterns(&["get_*"]), ..lending(&lender, &borrower) };
    let delegation = world.lend(new).await.unwrap();
    let session = session_of(&world, &delegation).await;
    let id = delegation.id.as_str();
    let world = world.altered("delegation", id, |sealed| sealed["value"]["scope"] = json!(["*"]));
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_mail").await, "delegation_broken");
}
