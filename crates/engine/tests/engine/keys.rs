//! API keys: kept as digests, good until revoked, and never all gone.

use countersign_core::role::Role;
use countersign_engine::{Ask, NewDestination, NewKey};

use crate::world::{Choice, World, arguments, ask, new_agent, new_server, refusal, word};

fn new_key(role: Role) -> NewKey {
    NewKey { name: "key".into(), role, agent: None }
}

#[tokio::test]
async fn a_key_is_who_it_was_made_for() {
    let world = World::new().await;
    for role in [Role::Admin, Role::Approver, Role::Agent, Role::Auditor] {
        let minted = world.engine.create_key(&world.org.admin, new_key(role)).await.unwrap();
        let caller = world.engine.authenticate_key(&minted.secret).unwrap();
        assert_eq!((caller.role, caller.org, caller.key), (role, world.org.id.clone(), Some(minted.key.id)));
    }
}

#[tokio::test]
async fn what_is_not_a_key_is_nobody() {
    let world = World::new().await;
    let secret = &world.org.admin_secret;
    let (shorter, longer) = (&secret[..secret.len() - 1], format!("{secret}x"));
    for wrong in ["", "sk_live_", shorter, &longer, &secret.to_uppercase()] {
        assert!(world.engine.authenticate_key(wrong).is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_nobody() {
    let world = World::new().await;
    let minted = world.engine.create_key(&world.org.admin, new_key(Role::Agent)).await.unwrap();
    world.engine.revoke_key(&world.org.admin, minted.key.id.as_str()).await.unwrap();
    assert!(world.engine.authenticate_key(&minted.secret).is_none());
}

#[tokio::test]
async fn a_key_that_is_bound_to_an_agent_speaks_for_it_alone() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let key = world.key_of(&one).await;
    assert_eq!(word(&world.engine.check(&key, ask(&one, "get_mail")).await.unwrap()), "allow");
    assert_eq!(word(&world.engine.check(&key, ask(&two, "get_mail")).await.unwrap()), "identity_mismatch");
}

#[tokio::test]
async fn only_an_agents_key_is_bound_to_an_agent() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    for role in [Role::Admin, Role::Approver, Role::Auditor] {
        let new = NewKey { agent: Some(agent.clone()), ..new_key(role) };
        assert_eq!(refusal(world.engine.create_key(&world.org.admin, new).await), "invalid", "{role:?}");
    }
}

#[tokio::test]
async fn only_an_administrator_makes_lists_and_revokes_keys() {
    let world = World::new().await;
    let key = world.org.runtime.key.as_ref().unwrap().as_str();
    for caller in [&world.org.runtime, &world.org.approver, &world.org.auditor, &world.engine.developer().unwrap()] {
        assert_eq!(refusal(world.engine.create_key(caller, new_key(Role::Agent)).await), "role_insufficient");
        assert_eq!(refusal(world.engine.list_keys(caller)), "role_insufficient");
        assert_eq!(refusal(world.engine.revoke_key(caller, key).await), "role_insufficient");
    }
}

#[tokio::test]
async fn the_last_administrators_key_cannot_be_revoked() {
    let world = World::new().await;
    let last = world.org.admin.key.as_ref().unwrap().as_str();
    assert_eq!(refusal(world.engine.revoke_key(&world.org.admin, last).await), "conflict");
    assert!(world.engine.authenticate_key(&world.org.admin_secret).is_some());
}

#[tokio::test]
async fn an_administrators_key_can_be_revoked_once_there_is_another() {
    let world = World::new().await;
    let minted = world.engine.create_key(&world.org.admin, new_key(Role::Admin)).await.unwrap();
    let other = world.engine.authenticate_key(&minted.secret).unwrap();
    let first = world.org.admin.key.as_ref().unwrap().as_str();
    world.engine.revoke_key(&other, first).await.unwrap();
    assert_eq!(refusal(world.engine.revoke_key(&other, minted.key.id.as_str()).await), "conflict");
}

#[tokio::test]
async fn an_administrator_of_another_organisation_is_no_reason_to_revoke_the_last_one_here() {
    let world = World::new().await;
    let other = world.other_org().await;
    let last = other.admin.key.as_ref().unwrap().as_str();
    assert_eq!(refusal(world.engine.revoke_key(&other.admin, last).await), "conflict");
}

#[tokio::test]
async fn of_the_last_two_administrators_who_revoke_each_other_at_once_one_stays() {
    let world = World::new().await;
    let bystander = world.agent("bystander", &["*"]).await;
    let minted = world.engine.create_key(&world.org.admin, new_key(Role::Admin)).await.unwrap();
    let second = world.engine.authenticate_key(&minted.secret).unwrap();
    let noting = world.hold(&bystander).await;
    let mut revoking = Vec::new();
    for (caller, target) in [(&world.org.admin, &second), (&second, &world.org.admin)] {
        let (engine, caller, target) = (world.engine.clone(), caller.clone(), target.key.clone().unwrap());
        let work = async move { engine.revoke_key(&caller, target.as_str()).await };
        revoking.push(world.started(work).await);
    }
    world.tap.release();
    noting.await.unwrap();
    let mut revoked = 0;
    for task in revoking {
        revoked += usize::from(task.await.unwrap().is_ok());
    }
    let left =
        [&world.org.admin_secret, &minted.secret].iter().filter(|s| world.engine.authenticate_key(s).is_some()).count();
    assert_eq!((revoked, left), (1, 1));
}

#[tokio::test]
async fn the_operators_own_first_key_is_adopted_once_and_is_an_administrators() {
    let world = World::new().await;
    let secret = "sk_live_chosen_by_the_operator";
    for _ in 0..2 {
        world.engine.adopt_admin_key(secret).await.unwrap();
    }
    assert_eq!(world.engine.authenticate_key(secret).unwrap().role, Role::Admin);
    let named =
        |name: &str| world.engine.list_keys(&world.org.admin).unwrap().iter().filter(|k| k.value.name == name).count();
    assert_eq!(named("bootstrap"), 1);
}

#[tokio::test]
async fn a_first_key_that_is_easily_guessed_is_refused() {
    let world = World::new().await;
    for weak in ["", "password", "sk_live_short", "chosen_by_the_operator_at_length"] {
        assert_eq!(refusal(world.engine.adopt_admin_key(weak).await), "invalid", "{weak}");
    }
}

#[tokio::test]
async fn a_first_key_that_was_revoked_is_not_brought_back_by_the_next_start() {
    let world = World::new().await;
    let secret = "sk_live_chosen_by_the_operator";
    world.engine.adopt_admin_key(secret).await.unwrap();
    let id = world.engine.authenticate_key(secret).unwrap().key.unwrap();
    world.engine.revoke_key(&world.org.admin, id.as_str()).await.unwrap();
    world.engine.adopt_admin_key(secret).await.unwrap();
    assert!(world.engine.authenticate_key(secret).is_none());
}

const KINDS: [&str; 15] = [
    "organisation",
    "settings",
    "key",
    "agent",
    "agent_name",
    "stop",
    "server",
    "token",
    "session",
    "delegation",
    "approval",
    "asked",
    "provider",
    "destination",
    "delivery",
];

/// Every byte that the store holds, by where it is: in entries, or in which kind of document.
fn stored(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let mut all: Vec<_> = world.bodies().into_iter().map(|body| ("entry", body)).collect();
    for kind in KINDS {
        all.extend(world.documents.list(kind).unwrap().into_iter().map(|document| (kind, document.body)));
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Where `text` is.
fn places(world: &World, text: &str) -> Vec<&'static str> {
    let mut places: Vec<_> =
        stored(world).into_iter().filter(|(_, bytes)| holds(bytes, text)).map(|(place, _)| place).collect();
    places.dedup();
    places
}

#[tokio::test]
async fn no_secret_is_anywhere_in_the_store() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let key = world.engine.create_key(&world.org.admin, new_key(Role::Agent)).await.unwrap().secret;
    let token = world.token(&agent, &["*"]).await;
    world.engine.check(&world.bearer(&token), ask(&agent, "get_mail")).await.unwrap();
    let session = world.engine.start_api_session(&world.org.runtime, &token).await.unwrap().session;
    world.verdict(&agent, session.id.as_str(), "get_mail").await;
    world.engine.revoke_token(&world.org.runtime, &token, "lost").await.unwrap();
    for secret in [&world.org.admin_secret, &key, &token] {
        let random = secret.trim_start_matches("sk_live_").trim_start_matches("at_");
        assert_eq!(places(&world, random), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn no_secret_is_in_the_files_of_the_store() {
    let world = World::made(Choice { on_disk: true, ..Choice::default() }).await;
    let agent = world.agent("writer", &["*"]).await;
    let token = world.token(&agent, &["*"]).await;
    world.engine.check(&world.bearer(&token), ask(&agent, "get_mail")).await.unwrap();
    let files = world.files();
    assert!(files.iter().any(|bytes| holds(bytes, "get_mail")));
    for secret in [&world.org.admin_secret, &token] {
        assert!(!files.iter().any(|bytes| holds(bytes, secret)));
    }
}

#[tokio::test]
async fn what_an_agent_says_it_wants_is_with_the_approval_alone_and_its_arguments_are_nowhere() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    for tool in ["get_mail", "delete_mail", "grant_mail"] {
        let summary = "canary-summary";
        world.check(Ask { summary, arguments: arguments("canary-arguments"), ..ask(&agent, tool) }).await;
    }
    assert_eq!(places(&world, "canary-summary"), ["approval"]);
    assert_eq!(places(&world, "canary-arguments"), Vec::<&str>::new());
}

#[tokio::test]
async fn what_a_destination_wants_to_be_shown_is_with_it_alone() {
    let world = World::new().await;
    let about = NewDestination {
        name: "siem".into(),
        destination_type: "webhook".into(),
        endpoint_url: "https://siem.example".into(),
        auth_token: Some("canary-siem".into()),
        batch_size: 1,
        flush_interval_seconds: 1,
        filter_event_types: Vec::new(),
    };
    let made = world.engine.create_destination(&world.org.admin, about).await.unwrap();
    world.engine.test_destination(&world.org.admin, made.id.as_str()).await.unwrap();
    assert_eq!(places(&world, "canary-siem"), ["destination"]);
    assert!(!format!("{made:?} {:?}", made.about).contains("canary"));
}

#[tokio::test]
async fn the_canaries_would_be_seen_in_every_kind_of_document() {
    let world = World::new().await;
    world.agent_of(&world.org, new_agent("canary-agent")).await;
    let server = countersign_engine::NewServer { name: "canary-server".into(), ..new_server(&[]) };
    world.engine.register_server(&world.org.admin, server).await.unwrap();
    assert_eq!(places(&world, "canary-agent"), ["agent"]);
    assert_eq!(places(&world, "canary-server"), ["server"]);
}
