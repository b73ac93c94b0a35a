//! Every decision can be found again: by its id, and page by page.

use std::time::Duration;

use countersign_core::id::AgentId;
use countersign_core::session::Session;
use countersign_engine::{Filter, Found, Settings};

use crate::world::{World, ask, new_agent, recorded, refusal};

fn id(found: &Found) -> String {
    recorded(&found.entry).says("id").to_owned()
}

async fn unlimited() -> World {
    World::with(Settings { agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() }).await
}

/// Follows the cursor from the latest decision to the first.
fn pages(world: &World, filter: &Filter) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut before = filter.before;
    loop {
        let page = world.engine.list_decisions(&world.org.auditor, &Filter { before, ..filter.clone() }).unwrap();
        pages.push(page.decisions.iter().map(id).collect());
        before = page.next;
        if before.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_decision_is_found_among_thousands_even_where_several_share_a_millisecond() {
    let world = unlimited().await;
    let agent = world.agent("reader", &["*"]).await;
    let mut asked = Vec::new();
    for at in 0..3_000_u64 {
        // Bursts in one millisecond, steady work, and silences.
        let gap = [0, 0, 0, 1, 0, 7, 20_000][usize::try_from(at % 7).unwrap()];
        world.clock.pass(Duration::from_millis(gap));
        asked.push(world.check(ask(&agent, "get_mail")).await.id.to_string());
    }
    for wanted in &asked {
        let found = world.engine.decision(&world.org.auditor, wanted).unwrap();
        assert_eq!(id(&found), *wanted);
    }
}

#[tokio::test]
async fn a_found_decision_is_the_entry_as_recorded_and_says_where_it_stands() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let wanted = world.check(ask(&agent, "get_mail")).await.id;
    world.note(&agent).await;
    let found = world.engine.decision(&world.org.auditor, wanted.as_str()).unwrap();
    assert_eq!(world.bodies()[usize::try_from(found.position).unwrap()], found.entry);
}

#[tokio::test]
async fn what_is_not_a_decision_is_not_found() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let made = world.check(ask(&agent, "get_mail")).await.id;
    let mut other = made.to_string();
    other.replace_range(other.len() - 1.., "x");
    for wrong in ["", "chk_", "chk_zzzzzzzzzzzz", "é", "chk_ééééééé", agent.as_str(), &other, &made.as_str()[..20]]
    {
        assert_eq!(refusal(world.engine.decision(&world.org.auditor, wrong)), "not_found", "{wrong}");
    }
}

#[tokio::test]
async fn another_organisations_decision_is_not_found_and_not_listed() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let made = world.check(ask(&agent, "get_mail")).await.id;
    let other = world.other_org().await;
    assert_eq!(refusal(world.engine.decision(&other.auditor, made.as_str())), "not_found");
    let page = world.engine.list_decisions(&other.auditor, &Filter { limit: 10, ..Filter::default() }).unwrap();
    assert_eq!((page.decisions.len(), page.next), (0, None));
}

#[tokio::test]
async fn only_who_may_audit_sees_decisions() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let made = world.check(ask(&agent, "get_mail")).await.id;
    for caller in [&world.org.runtime, &world.key_of(&agent).await] {
        assert_eq!(refusal(world.engine.decision(caller, made.as_str())), "role_insufficient");
        assert_eq!(refusal(world.engine.list_decisions(caller, &Filter::default())), "role_insufficient");
    }
}

/// Two agents of ours, one with a session, and a stranger's decisions between.
async fn mixed() -> (World, AgentId, Session) {
    let world = unlimited().await;
    let other = world.other_org().await;
    let stranger = world.agent_of(&other, new_agent("stranger")).await;
    let one = world.agent("one", &["get_*", "update_*"]).await;
    let two = world.agent("two", &["*"]).await;
    let session = world.session(&one).await;
    for at in 0..40 {
        world.clock.pass(Duration::from_millis(at % 3));
        world
            .verdict(
                &one,
                session.id.as_str(),
                ["get_mail", "update_mail", "send_mail"][usize::try_from(at % 3).unwrap()],
            )
            .await;
        world.bare_verdict(&two, "get_mail").await;
        world.note(&two).await;
        world.engine.check(&other.runtime, ask(&stranger, "get_mail")).await.unwrap();
    }
    (world, one, session)
}

/// The decisions of ours that `wanted` accepts, latest first, straight from the record.
fn expected(world: &World, wanted: impl Fn(&crate::world::Recorded) -> bool) -> Vec<String> {
    let ours = world.org.id.as_str();
    let entries = world.entries().into_iter().rev();
    let decisions = entries.filter(|entry| entry.kind == "decision" && entry.org.as_deref() == Some(ours));
    decisions.filter(|entry| wanted(entry)).map(|entry| entry.says("id").to_owned()).collect()
}

#[tokio::test]
async fn pages_have_every_decision_once_latest_first_whatever_their_size() {
    let (world, ..) = mixed().await;
    let everything = expected(&world, |_| true);
    for limit in [1, 7, 80, 1_000] {
        let pages = pages(&world, &Filter { limit, ..Filter::default() });
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        assert_eq!(pages.concat(), everything, "{limit}");
    }
}

#[tokio::test]
async fn pages_stay_as_they_are_while_new_decisions_are_made() {
    let (world, one, session) = mixed().await;
    let everything = expected(&world, |_| true);
    let first = world.engine.list_decisions(&world.org.auditor, &Filter { limit: 10, ..Filter::default() }).unwrap();
    for _ in 0..20 {
        world.verdict(&one, session.id.as_str(), "get_mail").await;
    }
    let rest = pages(&world, &Filter { before: first.next, limit: 10, ..Filter::default() }).concat();
    let seen: Vec<_> = first.decisions.iter().map(id).chain(rest).collect();
    assert_eq!(seen, everything);
}

#[tokio::test]
async fn a_filter_shows_what_it_names_and_nothing_else() {
    let (world, one, session) = mixed().await;
    let filter = Filter { limit: 7, ..Filter::default() };
    let some = |text: &str| Some(text.to_owned());
    let listed = |filter: Filter| pages(&world, &filter).concat();
    let agent = Filter { agent: some(one.as_str()), ..filter.clone() };
    assert_eq!(listed(agent), expected(&world, |entry| entry.says("agent") == one.as_str()));
    let of_session = Filter { session: some(session.id.as_str()), ..filter.clone() };
    assert_eq!(listed(of_session), expected(&world, |entry| entry.says("session") == session.id.as_str()));
    let tool = Filter { tool: some("update_mail"), ..filter.clone() };
    assert_eq!(listed(tool), expected(&world, |entry| entry.event["action"]["tool"] == "update_mail"));
    for verdict in ["allow", "deny", "elevate"] {
        let of_verdict = Filter { verdict: some(verdict), ..filter.clone() };
        let wanted = expected(&world, |entry| entry.says("verdict") == verdict);
        assert!(!wanted.is_empty());
        assert_eq!(listed(of_verdict), wanted, "{verdict}");
    }
    let both = Filter { agent: some(one.as_str()), verdict: some("deny"), ..filter };
    assert_eq!(listed(both), expected(&world, |e| e.says("agent") == one.as_str() && e.says("verdict") == "deny"));
}

#[tokio::test]
async fn a_list_of_a_long_record_hands_back_a_cursor_although_it_found_nothing_yet() {
    let (world, one, _) = mixed().await;
    let nothing = Filter { agent: Some("nobody".into()), limit: 5, ..Filter::default() };
    assert_eq!(pages(&world, &nothing).concat(), Vec::<String>::new());
    let some = Filter { agent: Some(one.to_string()), before: Some(0), limit: 5, ..Filter::default() };
    assert_eq!(pages(&world, &some), [Vec::<String>::new()]);
}

#[tokio::test]
async fn a_decision_made_before_a_restart_is_found_after_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let made = world.check(ask(&agent, "get_mail")).await.id;
    let world = world.restarted(crate::world::Ending::Killed);
    world.engine.decision(&world.org.auditor, made.as_str()).unwrap();
}

#[tokio::test]
async fn a_decision_is_found_although_the_wall_clock_was_set_back_a_little() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let mut made = Vec::new();
    for _ in 0..50 {
        world.clock.pass(Duration::from_millis(100));
        made.push(world.check(ask(&agent, "get_mail")).await.id);
    }
    let back = countersign_core::Timestamp::from_millis(world.engine.now().as_millis() - 4_000);
    world.clock.set_wall(back);
    for _ in 0..50 {
        world.clock.pass(Duration::from_millis(100));
        made.push(world.check(ask(&agent, "get_mail")).await.id);
    }
    for wanted in &made {
        world.engine.decision(&world.org.auditor, wanted.as_str()).unwrap();
    }
}
