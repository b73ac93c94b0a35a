//! Agents: a name, a key where they have one, and what they may do.

use countersign_engine::NewAgent;

use crate::world::{World, new_agent, patterns, refusal};

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
