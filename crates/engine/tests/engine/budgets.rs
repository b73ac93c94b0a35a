//! Budgets: what is spent is spent once, whoever asks, however many ask at once, and
//! through every restart.

use std::time::Duration;

use countersign_core::budget::Budget;
use countersign_core::id::AgentId;
use countersign_engine::{Durability, NewAgent, Rights, Settings};

use crate::world::{Ending, World, lending, new_agent, refusal, word};

const ENDINGS: [Ending; 2] = [Ending::Stopped, Ending::Killed];
const DAY: Duration = Duration::from_hours(24);

fn calls(most: u64) -> Budget {
    Budget { calls_per_day: Some(most), tokens_per_day: None }
}

fn tokens(most: u64) -> Budget {
    Budget { calls_per_day: None, tokens_per_day: Some(most) }
}

/// An agent that may do everything, `budget` of it a day.
async fn agent(world: &World, name: &str, budget: Budget) -> AgentId {
    world.agent_of(&world.org, NewAgent { budget, ..new_agent(name) }).await
}

/// How many calls and tokens `agent` has spent today.
fn spent(world: &World, agent: &AgentId) -> (u64, u64) {
    let account = world.engine.spent(&world.org.admin, agent.as_str()).unwrap().account;
    (account.calls, account.tokens)
}

async fn report(world: &World, agent: &AgentId, session: Option<&str>, tokens: u64) {
    world.engine.report_tokens(&world.org.runtime, agent.as_str(), session, tokens).await.unwrap();
}

#[tokio::test]
async fn neither_a_new_session_nor_a_made_up_one_nor_a_restart_gives_a_budget_back() {
    for ending in ENDINGS {
        let world = World::new().await;
        let worker = agent(&world, "worker", calls(4)).await;
        let (first, second) = (world.session(&worker).await, world.session(&worker).await);
        assert_eq!(world.verdict(&worker, first.id.as_str(), "get_mail").await, "allow");
        assert_eq!(world.verdict(&worker, second.id.as_str(), "get_mail").await, "allow");
        assert_eq!(world.verdict(&worker, "a run of mine", "get_mail").await, "allow");
        assert_eq!(world.bare_verdict(&worker, "get_mail").await, "allow");
        let world = world.restarted(ending);
        assert_eq!(spent(&world, &worker), (4, 0));
        for session in [first.id.as_str(), "another run"] {
            assert_eq!(world.verdict(&worker, session, "get_mail").await, "call_budget_spent");
        }
        let last = world.last();
        assert_eq!((last.says("gate"), last.says("guard")), ("limits", "spot"));
        let third = world.session(&worker).await;
        assert_eq!(world.verdict(&worker, third.id.as_str(), "get_mail").await, "call_budget_spent");
        world.clock.pass(DAY);
        assert_eq!(world.bare_verdict(&worker, "get_mail").await, "allow");
        assert_eq!(spent(&world, &worker), (1, 0));
        world.verified();
    }
}

#[tokio::test]
async fn of_calls_that_are_asked_for_at_once_no_more_are_allowed_than_there_is_budget() {
    for read_durability in [Durability::Sync, Durability::Grouped] {
        let settings = Settings { read_durability, agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() };
        let world = World::with(settings).await;
        let (other, worker) = (world.agent("other", &["*"]).await, agent(&world, "worker", calls(3)).await);
        world.hold(&other).await;
        let mut asking = Vec::new();
        for session in [None, Some("one"), Some("two"), None, Some("three"), Some("one"), None] {
            // All of them are decided while nothing is spent.
            asking.push(world.asking(&world.org.runtime, &worker, session, "get_mail").await);
        }
        world.tap.release();
        let mut words = Vec::new();
        for asked in asking {
            words.push(word(&asked.await.unwrap().unwrap()));
        }
        words.sort_unstable();
        assert_eq!(
            words,
            [
                "allow",
                "allow",
                "allow",
                "call_budget_spent",
                "call_budget_spent",
                "call_budget_spent",
                "call_budget_spent"
            ]
        );
        assert_eq!(spent(&world, &worker), (3, 0));
        let allowed =
            world.entries().iter().filter(|entry| entry.is_allow() && entry.says("agent") == worker.as_str()).count();
        assert_eq!(allowed, 3);
    }
}

#[tokio::test]
async fn what_is_refused_or_waits_costs_nothing() {
    let world = World::new().await;
    let worker = agent(&world, "worker", calls(2)).await;
    let session = world.writing_session(&worker).await;
    let id = session.id.as_str();
    assert_eq!(world.verdict(&worker, id, "grant_role").await, "admin_never_elevated");
    let waits = world.elevation(&worker, id, "delete_mail").await;
    assert_eq!(spent(&world, &worker), (0, 0));
    world.approve(&waits).await;
    assert_eq!(world.verdict(&worker, id, "delete_mail").await, "allow");
    assert_eq!(spent(&world, &worker), (1, 0));
}

#[tokio::test]
async fn who_has_nothing_left_has_nobody_go_on_in_its_place() {
    let world = World::new().await;
    let lender = agent(&world, "lender", calls(2)).await;
    let borrower = world.agent("borrower", &[]).await;
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    let started = world.engine.start_delegated_session(&world.org.runtime, delegation.id.as_str()).await;
    let session = started.unwrap().session;
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_mail").await, "allow");
    assert_eq!(spent(&world, &lender), (1, 0));
    assert_eq!(world.bare_verdict(&lender, "get_mail").await, "allow");
    assert_eq!(world.verdict(&borrower, session.id.as_str(), "get_mail").await, "call_budget_spent");

    // Tokens that are used on what was lent are used by those who lent it, too.
    report(&world, &borrower, Some(session.id.as_str()), 7).await;
    report(&world, &borrower, Some("a run of mine"), 1).await;
    assert_eq!((spent(&world, &lender), spent(&world, &borrower)), ((2, 7), (0, 8)));
}

#[tokio::test]
async fn who_borrows_cannot_use_up_the_tokens_of_who_lends_by_saying_so() {
    let world = World::new().await;
    let (lender, borrower) = (agent(&world, "lender", tokens(10)).await, world.agent("borrower", &[]).await);
    let delegation = world.lend(lending(&lender, &borrower)).await.unwrap();
    let started = world.engine.start_delegated_session(&world.org.runtime, delegation.id.as_str()).await;
    let session = started.unwrap().session;
    let own = world.key_of(&borrower).await;
    world.engine.report_tokens(&own, borrower.as_str(), Some(session.id.as_str()), 1_000).await.unwrap();
    assert_eq!((spent(&world, &lender), spent(&world, &borrower)), ((0, 0), (0, 1_000)));
    assert_eq!(world.bare_verdict(&lender, "get_mail").await, "allow");
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_not_spent() {
    let world = World::new().await;
    let worker = agent(&world, "worker", calls(1)).await;
    world.tap.fail(true);
    let asked = world.engine.check(&world.org.runtime, crate::world::ask(&worker, "get_mail")).await;
    assert_eq!(refusal(asked), "ledger_unavailable");
    world.tap.fail(false);
    assert_eq!(spent(&world, &worker), (0, 0));
    assert_eq!(world.bare_verdict(&worker, "get_mail").await, "allow");
    assert_eq!(world.bare_verdict(&worker, "get_mail").await, "call_budget_spent");
}

#[tokio::test]
async fn tokens_count_as_they_are_reported() {
    for ending in ENDINGS {
        let world = World::new().await;
        let worker = agent(&world, "worker", tokens(1_000)).await;
        let session = world.session(&worker).await;
        report(&world, &worker, Some(session.id.as_str()), 999).await;
        let entry = world.last();
        assert_eq!((entry.kind.as_str(), entry.chain.as_str()), ("usage", session.id.as_str()));
        assert_eq!((entry.says("agent"), entry.event["tokens"].as_u64()), (worker.as_str(), Some(999)));
        assert_eq!(world.bare_verdict(&worker, "get_mail").await, "allow");
        report(&world, &worker, None, 500).await;
        let world = world.restarted(ending);
        assert_eq!(world.verdict(&worker, session.id.as_str(), "get_mail").await, "token_budget_spent");
        assert_eq!(spent(&world, &worker).1, 1_499);
        world.verified();
    }
}

#[tokio::test]
async fn tokens_that_are_reported_while_a_call_is_decided_count_for_the_call() {
    let world = World::new().await;
    let (other, worker) = (world.agent("other", &["*"]).await, agent(&world, "worker", tokens(10)).await);
    world.hold(&other).await;
    let (engine, runtime, id) = (world.engine.clone(), world.org.runtime.clone(), worker.clone());
    let reporting =
        world.started(async move { engine.report_tokens(&runtime, id.as_str(), None, 10).await.is_ok() }).await;
    let asking = world.asking(&world.org.runtime, &worker, None, "get_mail").await;
    world.tap.release();
    assert!(reporting.await.unwrap());
    assert_eq!(word(&asking.await.unwrap().unwrap()), "token_budget_spent");
}

#[tokio::test]
async fn nobody_spends_what_is_anothers() {
    let world = World::new().await;
    let (worker, rival) = (agent(&world, "worker", tokens(10)).await, world.agent("rival", &["*"]).await);
    let (own, stranger) = (world.key_of(&rival).await, world.other_org().await.runtime);
    for (caller, code) in [(&own, "identity_mismatch"), (&stranger, "not_found")] {
        let reported = world.engine.report_tokens(caller, worker.as_str(), None, 10).await;
        assert_eq!(refusal(reported), code);
    }
    assert_eq!(refusal(world.engine.spent(&stranger, worker.as_str())), "not_found");
    // Nor is it spent by who asks in its name, or names its session.
    world.engine.check(&own, crate::world::ask(&worker, "get_mail")).await.unwrap();
    let session = world.session(&worker).await;
    report(&world, &rival, Some(session.id.as_str()), 10).await;
    assert_eq!(spent(&world, &worker), (0, 0));
    for many in [0, u64::MAX] {
        let reported = world.engine.report_tokens(&world.org.runtime, worker.as_str(), None, many).await;
        assert_eq!(refusal(reported), "invalid");
    }
}

#[tokio::test]
async fn a_budget_that_is_cut_counts_for_what_is_decided_meanwhile() {
    let world = World::new().await;
    let (other, worker) = (world.agent("other", &["*"]).await, agent(&world, "worker", calls(10)).await);
    world.hold(&other).await;
    let (engine, admin, id) = (world.engine.clone(), world.org.admin.clone(), worker.clone());
    let cut = Rights { calls_per_day: Some(Some(0)), ..Rights::default() };
    let cutting = world.started(async move { engine.change_rights(&admin, id.as_str(), cut).await }).await;
    let asking = world.asking(&world.org.runtime, &worker, None, "get_mail").await;
    world.tap.release();
    assert_eq!(cutting.await.unwrap().unwrap().budget, calls(0));
    assert_eq!(word(&asking.await.unwrap().unwrap()), "call_budget_spent");
    let lifted = Rights { calls_per_day: Some(None), ..Rights::default() };
    world.engine.change_rights(&world.org.admin, worker.as_str(), lifted).await.unwrap();
    assert_eq!(world.bare_verdict(&worker, "get_mail").await, "allow");
}

#[tokio::test]
async fn an_agent_without_a_budget_costs_nobody_a_write() {
    let world = World::new().await;
    let worker = world.agent("worker", &["*"]).await;
    assert_eq!(world.bare_verdict(&worker, "get_mail").await, "allow");
    assert_eq!(spent(&world, &worker), (0, 0));
    assert!(world.documents.list("account").unwrap().is_empty());
}
