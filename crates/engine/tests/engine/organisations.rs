//! Organisations do not see, name or move each other's things.

use std::collections::BTreeSet;

use countersign_core::approval::Answer;
use countersign_core::id::{AgentId, ApprovalId, DelegationId};
use countersign_core::role::Role;
use countersign_core::session::Session;
use countersign_engine::{
    Closing, DestinationChange, NewAgent, NewDelegation, NewDestination, NewKey, NewProvider, Report, SettingsChange,
};

use crate::world::{Org, World, ask, failure, lending, new_agent, new_server, new_token, refusal};

/// One of everything, in the first organisation.
struct Things {
    agent: AgentId,
    session: Session,
    delegation: DelegationId,
    approval: ApprovalId,
    token: String,
    stop: String,
    server: String,
    provider: String,
    destination: String,
    check: String,
}

async fn things(world: &World) -> Things {
    let (engine, admin) = (&world.engine, &world.org.admin);
    let agent = world.agent("worker", &["*"]).await;
    let borrower = world.agent("borrower", &[]).await;
    let session = world.session(&agent).await;
    let provider = NewProvider { issuer: "https://id.example".into(), name: "id".into(), trust_level: "low".into() };
    Things {
        delegation: world.lend(lending(&agent, &borrower)).await.unwrap().id,
        approval: world.elevation(&agent, session.id.as_str(), "update_mail").await,
        token: world.token(&agent, &["*"]).await,
        stop: engine.stop_tool(admin, Some("format_disk".into()), "").await.unwrap().id.to_string(),
        server: engine.register_server(admin, new_server(&[])).await.unwrap().id.to_string(),
        provider: engine.register_provider(admin, provider).await.unwrap().id.to_string(),
        destination: engine.create_destination(admin, destination()).await.unwrap().id.to_string(),
        check: world.check(ask(&agent, "get_mail")).await.id.to_string(),
        agent,
        session,
    }
}

fn destination() -> NewDestination {
    NewDestination {
        name: "siem".into(),
        destination_type: "webhook".into(),
        endpoint_url: "https://siem.example".into(),
        auth_token: None,
        batch_size: 1,
        flush_interval_seconds: 1,
        filter_event_types: Vec::new(),
    }
}

fn report() -> Vec<Report> {
    vec![failure("get_mail")]
}

/// What `other` is answered for each thing of the first organisation that it names.
async fn named_by(world: &World, other: &Org, things: &Things, own: &AgentId) -> Vec<(&'static str, &'static str)> {
    let (engine, admin, runtime) = (&world.engine, &other.admin, &other.runtime);
    let (agent, session) = (things.agent.as_str(), things.session.id.as_str());
    let bound = NewKey { name: "bound".into(), role: Role::Agent, agent: Some(things.agent.clone()) };
    let own_server = engine.register_server(admin, new_server(&[])).await.unwrap().id;
    let below = NewDelegation { parent: Some(things.delegation.clone()), ..lending(own, own) };
    let key = world.org.approver.key.as_ref().unwrap().as_str();
    vec![
        ("agent", refusal(engine.agent(admin, agent))),
        ("revoke agent", refusal(engine.revoke_agent(admin, agent, "").await)),
        ("suspend agent", refusal(engine.suspend_agent(admin, agent, "").await)),
        ("resume agent", refusal(engine.resume_agent(admin, agent).await)),
        ("check", refusal(engine.check(runtime, ask(&things.agent, "get_mail")).await)),
        ("report", refusal(engine.report(runtime, &things.agent, None, report()).await)),
        ("lift stop", refusal(engine.lift_stop(admin, &things.stop).await)),
        ("issue token", refusal(engine.issue_token(runtime, new_token(&things.agent)).await)),
        ("revoke token", refusal(engine.revoke_token(runtime, &things.token, "").await)),
        ("session", refusal(engine.session(admin, session))),
        ("close session", refusal(engine.close_session(admin, session, Closing::default()).await)),
        ("session of agent", refusal(engine.start_mcp_session(runtime, &things.agent, own_server.as_str()).await)),
        ("session for server", refusal(engine.start_mcp_session(runtime, own, &things.server).await)),
        ("delegated session", refusal(engine.start_delegated_session(runtime, things.delegation.as_str()).await)),
        ("delegation", refusal(engine.delegation(admin, things.delegation.as_str()))),
        ("revoke delegation", refusal(engine.revoke_delegation(admin, things.delegation.as_str()).await)),
        ("borrow", refusal(engine.create_delegation(runtime, lending(&things.agent, own)).await)),
        ("lend", refusal(engine.create_delegation(runtime, lending(own, &things.agent)).await)),
        ("lend on", refusal(engine.create_delegation(runtime, below).await)),
        ("approval", refusal(engine.approval(admin, things.approval.as_str()))),
        ("approve", refusal(engine.decide_approval(admin, things.approval.as_str(), Answer::Approve, "Eve").await)),
        ("server", refusal(engine.server(admin, &things.server))),
        ("delete server", refusal(engine.delete_server(admin, &things.server).await)),
        ("delete provider", refusal(engine.delete_provider(admin, &things.provider).await)),
        ("destination", refusal(engine.destination(admin, &things.destination))),
        ("deliveries", refusal(engine.deliveries(admin, &things.destination))),
        ("test destination", refusal(engine.test_destination(admin, &things.destination).await)),
        ("delete destination", refusal(engine.delete_destination(admin, &things.destination).await)),
        (
            "change destination",
            refusal(engine.change_destination(admin, &things.destination, DestinationChange::default()).await),
        ),
        ("revoke key", refusal(engine.revoke_key(admin, key).await)),
        ("bind key", refusal(engine.create_key(admin, bound).await)),
        ("decision", refusal(engine.decision(admin, &things.check))),
    ]
}

#[tokio::test]
async fn nothing_of_another_organisation_exists() {
    let world = World::new().await;
    let things = things(&world).await;
    let other = world.other_org().await;
    let own = world.agent_of(&other, new_agent("own")).await;
    let answered = named_by(&world, &other, &things, &own).await;
    let found: Vec<_> = answered.into_iter().filter(|(_, code)| *code != "not_found").collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn whoever_names_things_of_another_organisation_moves_none_of_them() {
    let world = World::new().await;
    let things = things(&world).await;
    let other = world.other_org().await;
    let own = world.agent_of(&other, new_agent("own")).await;
    let ours = |world: &World| {
        let id = world.org.id.as_str();
        world.entries().into_iter().filter(|entry| entry.org.as_deref() == Some(id)).count()
    };
    let before = ours(&world);
    named_by(&world, &other, &things, &own).await;
    assert_eq!(ours(&world), before);
}

#[tokio::test]
async fn lists_show_ones_own_organisation_alone() {
    let world = World::new().await;
    things(&world).await;
    let other = world.other_org().await;
    let (engine, admin) = (&world.engine, &other.admin);
    assert_eq!(engine.list_agents(admin).unwrap().len(), 0);
    assert_eq!(engine.list_sessions(admin, None, 100).unwrap().len(), 0);
    assert_eq!(engine.list_approvals(admin, None, 100).unwrap().len(), 0);
    assert_eq!(engine.list_delegations(admin).unwrap().len(), 0);
    assert_eq!(engine.list_stops(admin).unwrap().len(), 0);
    assert_eq!(engine.list_servers(admin).unwrap().len(), 0);
    assert_eq!(engine.list_providers(admin).unwrap().len(), 0);
    assert_eq!(engine.list_destinations(admin).unwrap().len(), 0);
    assert_eq!(engine.list_organisations(admin).unwrap().len(), 1);
    assert!(engine.list_keys(admin).unwrap().iter().all(|key| key.value.org == other.id));
}

#[tokio::test]
async fn what_one_organisation_says_of_a_tool_is_said_to_nobody_else() {
    let world = World::new().await;
    let other = world.other_org().await;
    let tool = countersign_engine::Tool { name: "get_mail".into(), effect: None, needs_approval: true };
    world.engine.register_server(&other.admin, new_server(&[tool])).await.unwrap();
    let agent = world.agent("reader", &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}

#[tokio::test]
async fn what_one_organisation_chose_holds_for_nobody_else() {
    let world = World::new().await;
    let other = world.other_org().await;
    let change = SettingsChange { agent_per_minute: Some(7), ..SettingsChange::default() };
    world.engine.change_settings(&other.admin, change).await.unwrap();
    assert_eq!(world.engine.org_settings(&world.org.admin).unwrap().agent_per_minute, None);
}

#[tokio::test]
async fn two_organisations_may_each_have_an_agent_of_the_same_name() {
    let world = World::new().await;
    let other = world.other_org().await;
    let one = world.agent_of(&world.org, new_agent("billing-bot")).await;
    let two = world.agent_of(&other, new_agent("billing-bot")).await;
    assert_ne!(one, two);
}

#[tokio::test]
async fn a_name_stays_taken_even_when_its_agent_is_revoked() {
    let world = World::new().await;
    let agent = world.agent("billing-bot", &["*"]).await;
    let again = || world.engine.register_agent(&world.org.admin, new_agent("billing-bot"));
    assert_eq!(refusal(again().await), "conflict");
    world.engine.revoke_agent(&world.org.admin, agent.as_str(), "").await.unwrap();
    assert_eq!(refusal(again().await), "conflict");
}

#[tokio::test]
async fn of_many_that_want_the_same_name_at_once_one_gets_it() {
    let world = World::new().await;
    let bystander = world.agent("bystander", &["*"]).await;
    let noting = world.hold(&bystander).await;
    let mut registering = Vec::new();
    for _ in 0..16 {
        let (engine, admin) = (world.engine.clone(), world.org.admin.clone());
        let work = async move { engine.register_agent(&admin, new_agent("billing-bot")).await };
        registering.push(world.started(work).await);
    }
    world.tap.release();
    noting.await.unwrap();
    let mut said = Vec::new();
    for task in registering {
        said.push(task.await.unwrap().map_or_else(|why| refusal::<()>(Err(why)), |_| "registered"));
    }
    said.sort_unstable();
    assert_eq!((&said[..15], said[15]), (&["conflict"; 15][..], "registered"));
    let named = |agent: &NewAgent| {
        world.engine.list_agents(&world.org.admin).unwrap().iter().filter(|a| a.value.name == agent.name).count()
    };
    assert_eq!(named(&new_agent("billing-bot")), 1);
}

#[tokio::test]
async fn only_administrators_of_the_first_organisation_create_others() {
    let world = World::new().await;
    let other = world.other_org().await;
    assert_eq!(refusal(world.engine.create_organisation(&other.admin, "third").await), "not_root");
    assert_eq!(refusal(world.engine.create_organisation(&world.org.runtime, "third").await), "role_insufficient");
}

#[tokio::test]
async fn the_first_organisation_is_founded_once() {
    let world = World::new().await;
    let (org, minted) = world.engine.bootstrap("acme").await.unwrap();
    assert_eq!((org.id, minted.is_none()), (world.org.id.clone(), true));
}

#[tokio::test]
async fn every_id_that_the_server_gives_is_another() {
    let world = World::new().await;
    let mut ids = BTreeSet::new();
    for at in 0..100 {
        assert!(ids.insert(world.agent(&format!("agent-{at}"), &[]).await));
    }
}
