//! A right that was taken away is gone for the very next check, and in the
//! record no allow comes after the order that took its right away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_core::approval::Answer;
use countersign_core::id::AgentId;
use countersign_core::role::Role;
use countersign_core::session::Session;
use countersign_engine::{
    Ask, Caller, Closing, Durability, Engine, Error, NewDelegation, NewKey, Settings, SettingsChange, Tool,
};
use tokio::task::JoinSet;

use crate::world::{Choice, Recorded, World, ask, failure, lending, new_server, refusal, word};

/// What can be taken away from an agent that is in the middle of its work.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    RevokeAgent,
    SuspendAgent,
    StopEverything,
    StopTool,
    CloseSession,
    RevokeToken,
    RevokeSessionsToken,
    RevokeDelegation,
    RevokeParentDelegation,
    RevokeLender,
    RevokeKey,
}

const ORDERS: [Order; 11] = [
    Order::RevokeAgent,
    Order::SuspendAgent,
    Order::StopEverything,
    Order::StopTool,
    Order::CloseSession,
    Order::RevokeToken,
    Order::RevokeSessionsToken,
    Order::RevokeDelegation,
    Order::RevokeParentDelegation,
    Order::RevokeLender,
    Order::RevokeKey,
];

/// An agent at work, and what an order would take from it.
#[derive(Clone)]
struct Work {
    order: Order,
    /// Who asks.
    caller: Caller,
    agent: AgentId,
    session: Option<Session>,
    /// The id, or the secret, of what the order names.
    target: String,
}

impl Work {
    async fn under(order: Order, world: &World) -> Self {
        let agent = world.agent("worker", &["*"]).await;
        let runtime = world.org.runtime.clone();
        let work = |target: &str| Self {
            order,
            caller: runtime.clone(),
            agent: agent.clone(),
            session: None,
            target: target.to_owned(),
        };
        match order {
            Order::RevokeAgent | Order::SuspendAgent => work(agent.as_str()),
            Order::StopEverything | Order::StopTool => work(""),
            Order::CloseSession => {
                let session = world.session(&agent).await;
                Self { session: Some(session.clone()), ..work(session.id.as_str()) }
            }
            Order::RevokeToken => {
                let secret = world.token(&agent, &["*"]).await;
                Self { caller: world.bearer(&secret), ..work(&secret) }
            }
            Order::RevokeSessionsToken => {
                let secret = world.token(&agent, &["*"]).await;
                let session = world.engine.start_api_session(&runtime, &secret).await.unwrap().session;
                Self { session: Some(session), ..work(&secret) }
            }
            Order::RevokeDelegation | Order::RevokeParentDelegation | Order::RevokeLender => {
                let root = world.agent("root", &["*"]).await;
                let middle = world.agent("middle", &[]).await;
                let parent = world.lend(lending(&root, &middle)).await.unwrap();
                let below = NewDelegation { parent: Some(parent.id.clone()), ..lending(&middle, &agent) };
                let leaf = world.lend(below).await.unwrap();
                let session = world.engine.start_delegated_session(&runtime, leaf.id.as_str()).await.unwrap().session;
                let target = match order {
                    Order::RevokeDelegation => leaf.id.to_string(),
                    Order::RevokeParentDelegation => parent.id.to_string(),
                    _ => root.to_string(),
                };
                Self { session: Some(session), ..work(&target) }
            }
            Order::RevokeKey => {
                let new = NewKey { name: "runtime".into(), role: Role::Agent, agent: None };
                let minted = world.engine.create_key(&world.org.admin, new).await.unwrap();
                let caller = world.engine.authenticate_key(&minted.secret).unwrap();
                Self { caller, ..work(minted.key.id.as_str()) }
            }
        }
    }

    /// Gives the order.
    async fn take_away(&self, engine: &Engine, admin: &Caller) -> Result<(), Error> {
        let target = self.target.as_str();
        match self.order {
            Order::RevokeAgent | Order::RevokeLender => engine.revoke_agent(admin, target, "").await.map(drop),
            Order::SuspendAgent => engine.suspend_agent(admin, target, "").await.map(drop),
            Order::StopEverything => engine.stop_tool(admin, None, "").await.map(drop),
            Order::StopTool => engine.stop_tool(admin, Some("get_*".into()), "").await.map(drop),
            Order::CloseSession => engine.close_session(admin, target, Closing::default()).await.map(drop),
            Order::RevokeToken | Order::RevokeSessionsToken => engine.revoke_token(admin, target, "").await,
            Order::RevokeDelegation | Order::RevokeParentDelegation => engine.revoke_delegation(admin, target).await,
            Order::RevokeKey => engine.revoke_key(admin, target).await,
        }
    }

    /// What the agent is told when it wants to read.
    async fn ask(&self, engine: &Engine) -> &'static str {
        let session = self.session.as_ref().map(|session| session.id.as_str());
        match engine.check(&self.caller, Ask { session, ..ask(&self.agent, "get_mail") }).await {
            Ok(answer) => word(&answer),
            Err(why) => refusal::<()>(Err(why)),
        }
    }
}

/// What an agent is told once the right is gone.
fn refused(order: Order) -> &'static str {
    match order {
        Order::RevokeAgent => "agent_revoked",
        Order::SuspendAgent => "agent_suspended",
        Order::StopEverything => "organisation_stopped",
        Order::StopTool => "tool_stopped",
        Order::CloseSession => "session_closed",
        Order::RevokeToken => "token_inactive",
        Order::RevokeSessionsToken => "session_orphaned",
        Order::RevokeDelegation | Order::RevokeParentDelegation => "delegation_revoked",
        Order::RevokeLender => "delegation_lender_inactive",
        Order::RevokeKey => "api_key_unknown",
    }
}

#[tokio::test]
async fn what_was_taken_away_is_gone_for_the_very_next_check() {
    for order in ORDERS {
        let world = World::new().await;
        let work = Work::under(order, &world).await;
        assert_eq!(work.ask(&world.engine).await, "allow", "{order:?}");
        work.take_away(&world.engine, &world.org.admin).await.unwrap();
        assert_eq!(work.ask(&world.engine).await, refused(work.order), "{order:?}");
    }
}

#[tokio::test]
async fn what_was_taken_away_is_recorded_as_a_revocation_by_who_ordered_it() {
    for order in ORDERS {
        let world = World::new().await;
        let work = Work::under(order, &world).await;
        work.take_away(&world.engine, &world.org.admin).await.unwrap();
        // The record that a close leaves comes after it.
        let entry = world.entries().into_iter().rfind(|entry| entry.kind != "trace").unwrap();
        let by = world.org.admin.key.as_ref().unwrap().as_str();
        assert_eq!((entry.kind.as_str(), entry.says("by")), ("revocation", by), "{order:?}");
    }
}

/// The ways in which an order and an allow that was decided before it can meet.
#[derive(Debug, Clone, Copy)]
enum Meeting {
    /// In one batch, the allow first.
    AllowFirst,
    /// In one batch, the order first.
    OrderFirst,
    /// The order is being committed when the allow is queued.
    OrderUnderWay,
    /// The order is given and through after the facts were gathered and before
    /// the allow is queued.
    OrderInBetween,
}

async fn met(order: Order, meeting: Meeting, read_durability: Durability) -> (World, &'static str) {
    let world = World::with(Settings { read_durability, ..Settings::default() }).await;
    let bystander = world.agent("bystander", &["*"]).await;
    let work = Work::under(order, &world).await;
    let (engine, admin, ordering) = (world.engine.clone(), world.org.admin.clone(), work.clone());
    let ordering = async move { ordering.take_away(&engine, &admin).await.unwrap() };
    let (engine, asking) = (world.engine.clone(), work.clone());
    let asking = async move { asking.ask(&engine).await };
    let asking = match meeting {
        Meeting::AllowFirst => {
            world.hold(&bystander).await;
            let asking = world.started(asking).await;
            world.started(ordering).await;
            asking
        }
        Meeting::OrderFirst => {
            world.hold(&bystander).await;
            world.started(ordering).await;
            world.started(asking).await
        }
        Meeting::OrderUnderWay => {
            world.tap.hold();
            world.started(ordering).await;
            world.tap.arrived();
            world.started(asking).await
        }
        Meeting::OrderInBetween => {
            let elsewhere = tokio::runtime::Builder::new_current_thread().build().unwrap();
            world.luck.meanwhile(move || {
                std::thread::spawn(move || elsewhere.block_on(ordering)).join().unwrap();
            });
            world.started(asking).await
        }
    };
    world.tap.release();
    let said = asking.await.unwrap();
    world.engine.stop();
    (world, said)
}

const DURABILITIES: [Durability; 2] = [Durability::Sync, Durability::Grouped];

#[tokio::test]
async fn an_allow_that_reaches_the_record_after_the_order_is_decided_again() {
    for durability in DURABILITIES {
        for order in ORDERS {
            for meeting in [Meeting::OrderFirst, Meeting::OrderUnderWay, Meeting::OrderInBetween] {
                let (world, said) = met(order, meeting, durability).await;
                assert_eq!(said, refused(order), "{order:?} {meeting:?} {durability:?}");
                assert!(!world.entries().iter().any(Recorded::is_allow), "{order:?} {meeting:?} {durability:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_allow_that_reaches_the_record_before_the_order_stands() {
    for durability in DURABILITIES {
        for order in ORDERS {
            let (world, said) = met(order, Meeting::AllowFirst, durability).await;
            assert_eq!(said, "allow", "{order:?} {durability:?}");
            let kinds = world.entries().into_iter().rev().map(|entry| entry.kind).filter(|kind| kind != "trace");
            assert_eq!(kinds.take(2).collect::<Vec<_>>(), ["revocation", "decision"], "{order:?} {durability:?}");
        }
    }
}

/// Whoever asks until it is refused must not be refused for asking.
fn unlimited() -> Settings {
    Settings { agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() }
}

/// Several at once ask until they are refused, while one gives the order.
async fn race(world: &World, work: &Work) {
    let (asked, through) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let (engine, work, asked, through) = (world.engine.clone(), work.clone(), asked.clone(), through.clone());
        tasks.spawn(async move {
            loop {
                let last = through.load(Ordering::SeqCst);
                let said = work.ask(&engine).await;
                asked.fetch_add(1, Ordering::SeqCst);
                if last || !matches!(said, "allow" | "contended") {
                    return assert_eq!(said, refused(work.order));
                }
            }
        });
    }
    let (engine, admin, work) = (world.engine.clone(), world.org.admin.clone(), work.clone());
    tasks.spawn(async move {
        while asked.load(Ordering::SeqCst) < 30 {
            tokio::task::yield_now().await;
        }
        work.take_away(&engine, &admin).await.unwrap();
        through.store(true, Ordering::SeqCst);
    });
    tasks.join_all().await;
}

fn assert_no_allow_after_the_order(world: &World, work: &Work) {
    let entries = world.entries();
    let ordered = entries.iter().position(|entry| entry.kind == "revocation").unwrap();
    let allowed = |entry: &&Recorded| entry.is_allow() && entry.says("agent") == work.agent.as_str();
    let (before, after) = entries.split_at(ordered);
    assert!(before.iter().filter(allowed).count() > 0, "{:?}: nothing was allowed before the order", work.order);
    assert_eq!(after.iter().filter(allowed).count(), 0, "{:?}", work.order);
    world.verified();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_they_race_no_allow_comes_after_the_order_in_memory() {
    for order in ORDERS {
        for _ in 0..5 {
            let world = World::with(unlimited()).await;
            let work = Work::under(order, &world).await;
            race(&world, &work).await;
            assert_no_allow_after_the_order(&world, &work);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_they_race_no_allow_comes_after_the_order_on_disk() {
    for order in ORDERS {
        let world = World::made(Choice { on_disk: true, settings: unlimited(), ..Choice::default() }).await;
        let work = Work::under(order, &world).await;
        race(&world, &work).await;
        assert_no_allow_after_the_order(&world, &work);
    }
}

#[tokio::test]
async fn a_key_that_was_revoked_while_its_request_was_on_its_way_changes_nothing() {
    let world = World::new().await;
    let new = NewKey { name: "second".into(), role: Role::Admin, agent: None };
    let minted = world.engine.create_key(&world.org.admin, new.clone()).await.unwrap();
    let caller = world.engine.authenticate_key(&minted.secret).unwrap();
    world.engine.revoke_key(&world.org.admin, minted.key.id.as_str()).await.unwrap();
    // Whoever stole it sent the head of this request before, and the body after.
    assert_eq!(refusal(world.engine.create_key(&caller, new).await), "api_key_unknown");
    let agent = world.agent("reader", &["*"]).await;
    assert_eq!(refusal(world.engine.revoke_agent(&caller, agent.as_str(), "").await), "api_key_unknown");
    assert_eq!(refusal(world.engine.change_settings(&caller, SettingsChange::default()).await), "api_key_unknown");
    assert_eq!(refusal(world.engine.report(&caller, &agent, None, vec![failure("get_mail")]).await), "api_key_unknown");
}

#[tokio::test]
async fn a_key_that_was_revoked_while_its_answer_was_on_its_way_approves_nothing() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let id = world.elevation(&agent, "mine", "delete_mail").await;
    let approver = world.org.approver.key.as_ref().unwrap();
    world.engine.revoke_key(&world.org.admin, approver.as_str()).await.unwrap();
    assert_eq!(refusal(world.answer(&id, Answer::Approve).await), "api_key_unknown");
    assert_eq!(world.bare_verdict(&agent, "delete_mail").await, "destructive_needs_approval");
}

#[tokio::test]
async fn a_revoked_agent_never_acts_again() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.engine.revoke_agent(&world.org.admin, agent.as_str(), "gone").await.unwrap();
    assert_eq!(refusal(world.engine.resume_agent(&world.org.admin, agent.as_str()).await), "conflict");
    assert_eq!(refusal(world.engine.suspend_agent(&world.org.admin, agent.as_str(), "").await), "conflict");
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "agent_revoked");
}

#[tokio::test]
async fn a_suspended_agent_acts_again_once_it_is_resumed() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "").await.unwrap();
    world.engine.resume_agent(&world.org.admin, agent.as_str()).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}

#[tokio::test]
async fn a_stop_of_one_tool_leaves_the_others() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.engine.stop_tool(&world.org.admin, Some("get_mail".into()), "").await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "get_mails").await, "allow");
}

#[tokio::test]
async fn a_stop_of_everything_stops_one_organisation() {
    let world = World::new().await;
    let other = world.other_org().await;
    let agent = world.agent("reader", &["*"]).await;
    world.engine.stop_tool(&other.admin, None, "").await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}

#[tokio::test]
async fn a_stop_that_was_lifted_stops_nothing() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let stop = world.engine.stop_tool(&world.org.admin, None, "").await.unwrap();
    world.engine.lift_stop(&world.org.admin, stop.id.as_str()).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}

#[tokio::test]
async fn only_an_administrator_revokes_suspends_and_stops() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    for caller in [&world.org.runtime, &world.org.approver, &world.org.auditor, &world.engine.developer().unwrap()] {
        let id = agent.as_str();
        assert_eq!(refusal(world.engine.revoke_agent(caller, id, "").await), "role_insufficient");
        assert_eq!(refusal(world.engine.suspend_agent(caller, id, "").await), "role_insufficient");
        assert_eq!(refusal(world.engine.stop_tool(caller, None, "").await), "role_insufficient");
    }
}

#[tokio::test]
async fn what_an_operator_says_of_a_tool_counts_for_what_is_decided_meanwhile() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let tool = Tool { name: "get_mail".into(), effect: None, needs_approval: true };
    let (engine, admin) = (world.engine.clone(), world.org.admin.clone());
    world.hold(&agent).await;
    let saying = world.started(async move { engine.register_server(&admin, new_server(&[tool])).await }).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "get_mail").await;
    world.tap.release();
    saying.await.unwrap().unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "tool_needs_approval");
}

#[tokio::test]
async fn what_an_organisation_demands_of_its_callers_counts_for_what_is_decided_meanwhile() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let change = SettingsChange { require_sender_constrained_tokens: Some(true), ..SettingsChange::default() };
    let (engine, admin) = (world.engine.clone(), world.org.admin.clone());
    world.hold(&agent).await;
    let demanding = world.started(async move { engine.change_settings(&admin, change).await }).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "get_mail").await;
    world.tap.release();
    demanding.await.unwrap().unwrap();
    assert_eq!(refusal(asking.await.unwrap()), "sender_constrained_token_required");
}
