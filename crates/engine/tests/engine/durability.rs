//! When an answer may be given: after its record is on disk, or, where the
//! operator chose so and for reads alone, once it is queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_engine::{Ask, Durability, Settings, Tool};
use tokio::task::JoinSet;

use crate::world::{Choice, Recorded, World, ask, new_server, refusal, word};

fn grouped() -> Settings {
    Settings { read_durability: Durability::Grouped, agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() }
}

#[tokio::test]
async fn unless_an_operator_chose_otherwise_every_answer_is_on_disk() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    for tool in ["get_mail", "update_mail", "delete_mail", "grant_mail"] {
        assert_eq!(world.check(ask(&agent, tool)).await.durability, Durability::Sync, "{tool}");
    }
}

#[tokio::test]
async fn a_grouped_read_is_answered_before_it_is_on_disk_and_says_so() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    world.hold(&agent).await;
    let answer = world.check(ask(&agent, "get_mail")).await;
    assert_eq!((word(&answer), answer.durability), ("allow", Durability::Grouped));
    assert_eq!(answer.permit.unwrap().position(), None);
    assert!(!world.entries().iter().any(Recorded::is_allow));
    world.tap.release();
}

#[tokio::test]
async fn a_grouped_read_is_on_disk_after_an_orderly_stop() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    let mut answered = Vec::new();
    for _ in 0..100 {
        answered.push(world.check(ask(&agent, "get_mail")).await.id.to_string());
    }
    world.engine.stop();
    let recorded: Vec<_> =
        world.entries().iter().filter(|entry| entry.is_allow()).map(|entry| entry.says("id").to_owned()).collect();
    assert_eq!(recorded, answered);
    world.verified();
}

#[tokio::test]
async fn everything_above_a_read_waits_for_the_disk_even_when_reads_do_not() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    let noting = world.hold(&agent).await;
    let mut asked = Vec::new();
    for tool in ["update_mail", "delete_mail", "grant_mail"] {
        asked.push(world.asking(&world.org.runtime, &agent, None, tool).await);
    }
    tokio::task::yield_now().await;
    assert!(asked.iter().all(|asking| !asking.is_finished()));
    world.tap.release();
    noting.await.unwrap();
    for asking in asked {
        assert_eq!(asking.await.unwrap().unwrap().durability, Durability::Sync);
    }
}

#[tokio::test]
async fn a_read_that_needs_a_human_waits_for_the_disk_even_when_reads_do_not() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    let tool = Tool { name: "get_mail".into(), effect: None, needs_approval: true };
    world.engine.register_server(&world.org.admin, new_server(&[tool])).await.unwrap();
    let noting = world.hold(&agent).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        asked.push(world.asking(&world.org.runtime, &agent, None, "get_mail").await);
    }
    world.tap.release();
    noting.await.unwrap();
    for asking in asked {
        let id = asking.await.unwrap().unwrap().approval.unwrap();
        // Whoever is told to wait for it can find it.
        world.engine.approval(&world.org.approver, id.as_str()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_grouped_allow_that_was_answered_is_recorded_however_orders_race_with_it() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    let other = world.agent("other", &["*"]).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (engine, caller, agent) = (world.engine.clone(), world.org.runtime.clone(), agent.clone());
        let answered = answered.clone();
        tasks.spawn(async move {
            for _ in 0..200 {
                match engine.check(&caller, ask(&agent, "get_mail")).await {
                    Ok(answer) => _ = answered.fetch_add(usize::from(answer.permit.is_some()), Ordering::SeqCst),
                    Err(why) => assert_eq!(refusal::<()>(Err(why)), "contended"),
                }
            }
        });
    }
    let (engine, admin) = (world.engine.clone(), world.org.admin.clone());
    tasks.spawn(async move {
        for _ in 0..100 {
            engine.suspend_agent(&admin, other.as_str(), "").await.unwrap();
            engine.resume_agent(&admin, other.as_str()).await.unwrap();
        }
    });
    tasks.join_all().await;
    world.engine.stop();
    let recorded = world.entries().iter().filter(|entry| entry.is_allow()).count();
    assert_eq!((recorded, world.engine.health().lost), (answered.load(Ordering::SeqCst), 0));
}

#[tokio::test]
async fn an_answered_read_that_the_ledger_then_refused_is_counted_as_lost() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    world.hold(&agent).await;
    world.check(ask(&agent, "get_mail")).await;
    assert_eq!(world.engine.health().lost, 0);
    world.tap.fail(true);
    world.tap.release();
    world.engine.stop();
    assert_eq!(world.engine.health().lost, 1);
}

#[tokio::test]
async fn no_read_is_answered_early_while_the_ledger_is_known_to_fail() {
    let world = World::with(grouped()).await;
    let agent = world.agent("worker", &["*"]).await;
    world.tap.fail(true);
    world.engine.check(&world.org.runtime, ask(&agent, "update_mail")).await.unwrap_err();
    assert_eq!(refusal(world.engine.check(&world.org.runtime, ask(&agent, "get_mail")).await), "ledger_unavailable");
    world.tap.fail(false);
    assert_eq!(world.check(ask(&agent, "get_mail")).await.durability, Durability::Sync);
    assert_eq!(world.check(ask(&agent, "get_mail")).await.durability, Durability::Grouped);
}

#[tokio::test]
async fn many_that_wait_at_once_share_a_transaction() {
    let world = World::made(Choice { on_disk: true, ..Choice::default() }).await;
    let agent = world.agent("worker", &["*"]).await;
    let noting = world.hold(&agent).await;
    let before = world.engine.health().commits;
    let mut asked = Vec::new();
    for _ in 0..50 {
        asked.push(world.asking(&world.org.runtime, &agent, None, "get_mail").await);
    }
    world.tap.release();
    noting.await.unwrap();
    for asking in asked {
        asking.await.unwrap().unwrap();
    }
    // The one that was held, and one for the fifty behind it.
    assert_eq!(world.engine.health().commits, before + 2);
}

#[tokio::test]
async fn whoever_comes_when_too_much_waits_is_turned_away_and_nothing_is_decided() {
    let unlimited = Settings { agent_per_minute: 0, ..Settings::default() };
    let world = World::with(unlimited).await;
    let agent = world.agent("worker", &["*"]).await;
    let noting = world.hold(&agent).await;
    let mut asked = Vec::new();
    let mut refused = None;
    for _ in 0..20_000 {
        let asking = world.asking(&world.org.runtime, &agent, None, "get_mail").await;
        if asking.is_finished() {
            refused = Some(asking.await.unwrap());
            break;
        }
        asked.push(asking);
    }
    assert_eq!(refusal(refused.unwrap()), "recorder_busy");
    let waited = asked.len();
    world.tap.release();
    noting.await.unwrap();
    for asking in asked {
        asking.await.unwrap().unwrap();
    }
    assert_eq!(world.entries().iter().filter(|entry| entry.kind == "decision").count(), waited);
}

#[tokio::test]
async fn nothing_is_recorded_after_the_engine_was_stopped() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    world.engine.stop();
    let length = world.bodies().len();
    let asked = Ask { session: Some("mine"), ..ask(&agent, "get_mail") };
    assert_eq!(refusal(world.engine.check(&world.org.runtime, asked).await), "recorder_busy");
    assert_eq!(world.bodies().len(), length);
}
