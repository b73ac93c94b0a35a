//! Agents: a name, a key where they have one, and what they may do.

use std::sync::Arc;

use countersign_core::id::AgentId;
use countersign_engine::{Fallback, InForce, NewAgent, PolicySet, Rights, Source, Tools};

use crate::world::{World, ask, lending, new_agent, patterns, refusal, word};

const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

#[tokio::test]
async fn an_agent_that_may_do_nothing_in_particular_does_nothing() {
    let world = World::new().await;
    let agent = world.agent("idle", &[]).await;
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "capability_missing");
}

#[tokio::test]
async fn what_an_agent_must_never_do_outweighs_what_it_may() {
    let world = World::new().await;
    let new = NewAgent { blocked: patterns(&["get_secret*"]), ..new_agent("worker") };
    let agent = world.agent_of(&world.org, new).await;
    assert_eq!(world.bare_verdict(&agent, "get_secrets").await, "capability_blocked");
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}

#[tokio::test]
async fn the_same_key_is_kept_in_one_spelling_however_it_is_written() {
    let world = World::new().await;
    let one_line = PEM.replace('\n', "").replace("KEY-----MC", "KEY-----\r\nMC");
    for (name, pem) in [("plain", PEM.to_owned()), ("padded", format!("\n\n {PEM} ")), ("odd", one_line)] {
        let new = NewAgent { public_key: Some(pem), ..new_agent(name) };
        let agent = world.engine.register_agent(&world.org.admin, new).await.unwrap();
        assert_eq!(agent.public_key, PEM, "{name}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_an_ed25519_public_key_is_refused() {
    let world = World::new().await;
    let private = PEM.replace("PUBLIC", "PRIVATE");
    let short = PEM.replace("VwAyEA", "");
    let other = PEM.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu");
    for pem in ["", "MCowBQYDK2VwAyEA", &private, &short, &other] {
        let new = NewAgent { public_key: Some(pem.to_owned()), ..new_agent("worker") };
        assert_eq!(refusal(world.engine.register_agent(&world.org.admin, new).await), "invalid", "{pem}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_shown_is_refused() {
    let world = World::new().await;
    for name in ["", "two\nlines", &"x".repeat(257)] {
        assert_eq!(refusal(world.engine.register_agent(&world.org.admin, new_agent(name)).await), "invalid");
    }
}

#[tokio::test]
async fn whoever_may_register_registers() {
    let world = World::new().await;
    let developer = world.engine.developer().unwrap();
    world.engine.register_agent(&developer, new_agent("from-dev")).await.unwrap();
    for caller in [&world.org.runtime, &world.org.approver, &world.org.auditor] {
        assert_eq!(refusal(world.engine.register_agent(caller, new_agent("other")).await), "role_insufficient");
    }
}

#[tokio::test]
async fn an_agent_registers_no_other_even_with_an_administrators_key_behind_it() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let caller = world.engine.authenticate_token(&world.token(&agent, &["*"]).await, Some(&world.org.admin)).unwrap();
    assert_eq!(refusal(world.engine.register_agent(&caller, new_agent("child")).await), "role_insufficient");
}

#[tokio::test]
async fn no_agent_changes_countersign_itself() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    for tool in ["countersign/update_agent", "Countersign.create_key", "countersign:put_settings"] {
        assert_eq!(world.bare_verdict(&agent, tool).await, "self_administration", "{tool}");
    }
}

async fn may(world: &World, agent: &AgentId, capabilities: &[&str]) {
    let rights = Rights { capabilities: Some(patterns(capabilities)), ..Rights::default() };
    world.engine.change_rights(&world.org.admin, agent.as_str(), rights).await.unwrap();
}

#[tokio::test]
async fn what_an_agent_may_not_do_any_more_it_does_not_do_at_its_very_next_check() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let session = world.session(&agent).await;
    let bearer = world.bearer(&world.token(&agent, &["*"]).await);
    may(&world, &agent, &["list_*"]).await;
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "capability_missing");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "capability_missing");
    assert_eq!(word(&world.engine.check(&bearer, ask(&agent, "get_mail")).await.unwrap()), "capability_missing");
}

#[tokio::test]
async fn what_an_agent_may_not_do_any_more_nobody_does_for_it() {
    let world = World::new().await;
    let (lender, borrower) = (world.agent("lender", &["*"]).await, world.agent("borrower", &[]).await);
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    let started = world.engine.start_delegated_session(&world.org.runtime, delegation.id.as_str()).await;
    may(&world, &lender, &["list_*"]).await;
    let session = started.unwrap().session;
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_mail").await, "delegation_widened");
}

#[tokio::test]
async fn what_an_agent_may_do_from_now_on_it_does_not_do_in_a_session_from_before() {
    let world = World::new().await;
    let agent = world.agent("worker", &["get_*"]).await;
    let session = world.session(&agent).await;
    may(&world, &agent, &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "list_mail").await, "allow");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "list_mail").await, "outside_ceiling");
}

#[tokio::test]
async fn a_right_that_is_taken_away_counts_for_what_is_decided_meanwhile() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let (engine, admin, id) = (world.engine.clone(), world.org.admin.clone(), agent.clone());
    world.hold(&agent).await;
    let rights = Rights { blocked: Some(patterns(&["get_*"])), ..Rights::default() };
    let taking = async move { engine.change_rights(&admin, id.as_str(), rights).await };
    let taking = world.started(taking).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "get_mail").await;
    world.tap.release();
    taking.await.unwrap().unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "capability_blocked");
}

#[tokio::test]
async fn only_an_administrator_changes_what_an_agent_of_its_own_organisation_may_do() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let (own, developer) = (world.key_of(&agent).await, world.engine.developer().unwrap());
    let other = world.other_org().await.admin;
    for (caller, code) in [(&own, "role_insufficient"), (&developer, "role_insufficient"), (&other, "not_found")] {
        assert_eq!(refusal(world.engine.change_rights(caller, agent.as_str(), Rights::default()).await), code);
    }
}

#[tokio::test]
async fn trust_is_what_an_administrator_says_and_policies_and_risk_hear_it() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let text =
        "@id(\"trusted\") forbid (principal, action in Action::\"mutating\", resource) when { context.trust < 500 };";
    let set = PolicySet::load(&[Source { file: "trust.cedar", text }], Tools::default()).unwrap();
    let policies = InForce::new(Arc::new(set), Fallback::Allow, 0).unwrap();
    world.engine.put_policies(Some(Arc::new(policies))).await.unwrap();
    let reasons = |world: &World| world.last().event["risk"]["scored"]["reasons"].to_string();
    assert_eq!(world.bare_verdict(&agent, "create_mail").await, "policy_forbids");
    assert!(world.last().event.get("trust").is_none() && reasons(&world).contains("trust_unknown"));

    let trusted = |trust: u16| Rights { trust: Some(Some(trust)), ..Rights::default() };
    world.engine.change_rights(&world.org.admin, agent.as_str(), trusted(700)).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "create_mail").await, "allow");
    assert_eq!(world.last().event["trust"], 700);
    assert!(reasons(&world).contains("trust_low"), "{}", reasons(&world));
    world.engine.change_rights(&world.org.admin, agent.as_str(), trusted(1_000)).await.unwrap();
    world.bare_verdict(&agent, "create_mail").await;
    assert!(!reasons(&world).contains("trust"), "{}", reasons(&world));
    let own = world.key_of(&agent).await;
    let raised = world.engine.change_rights(&own, agent.as_str(), trusted(1_000)).await;
    assert_eq!(refusal(raised), "role_insufficient");
    let more = world.engine.change_rights(&world.org.admin, agent.as_str(), trusted(1_001)).await;
    assert_eq!(refusal(more), "invalid");
}
