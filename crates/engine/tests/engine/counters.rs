//! What a session's counts say is what happened in it, however many ask at once.

use countersign_core::chain::{Chain, Tally};
use countersign_core::{Effect, Verdict};
use countersign_engine::{Answer, Ask};
use tokio::task::JoinSet;

use crate::world::{Choice, World, ask};

/// The tally that one answer adds up to.
fn counted(tally: Tally, answer: &Answer) -> Tally {
    let one = |is: bool| u64::from(is);
    let decision = &answer.decision;
    let allowed = decision.verdict == Verdict::Allow;
    Tally {
        total: tally.total + 1,
        read: tally.read + one(allowed && decision.effect == Effect::Read),
        write: tally.write + one(allowed && decision.effect > Effect::Read),
        denied: tally.denied + one(matches!(decision.verdict, Verdict::Deny(_))),
    }
}

async fn many_at_once(on_disk: bool, each: usize) {
    let world = World::made(Choice { on_disk, ..Choice::default() }).await;
    let agent = world.agent("worker", &["get_*", "update_*"]).await;
    let session = world.writing_session(&agent).await;
    let mut tasks = JoinSet::new();
    for at in 0..8 {
        let (engine, caller) = (world.engine.clone(), world.org.runtime.clone());
        let (agent, session) = (agent.clone(), session.id.clone());
        tasks.spawn(async move {
            let mut tally = Tally::default();
            for step in 0..each {
                let tool = ["get_mail", "get_mails", "update_mail", "get_letter", "send_mail"][(at + step) % 5];
                let asked = Ask { session: Some(session.as_str()), ..ask(&agent, tool) };
                tally = counted(tally, &engine.check(&caller, asked).await.unwrap());
            }
            tally
        });
    }
    let tallies = tasks.join_all().await;
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
    let answered =
        Tally { total: sum(|t| t.total), read: sum(|t| t.read), write: sum(|t| t.write), denied: sum(|t| t.denied) };
    assert_eq!(answered.total, 8 * each as u64);
    let Chain { tally, length, .. } = world.chain(&session);
    assert_eq!(tally, answered);
    // The first entry says that the session began.
    assert_eq!(length, answered.total + 1);
    assert_eq!(world.verified()[session.id.as_str()], world.chain(&session));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_a_session_is_counted_once_however_many_come_at_once_in_memory() {
    many_at_once(false, 250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_a_session_is_counted_once_however_many_come_at_once_on_disk() {
    many_at_once(true, 40).await;
}

#[tokio::test]
async fn a_call_that_waits_is_in_the_total_alone() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let session = world.session(&agent).await;
    world.elevation(&agent, session.id.as_str(), "update_mail").await;
    assert_eq!(world.tally(&session), Tally { total: 1, ..Tally::default() });
}

#[tokio::test]
async fn reads_writes_and_denials_add_up_to_the_total_where_nothing_waits() {
    let world = World::new().await;
    let agent = world.agent("worker", &["get_*", "update_*"]).await;
    let session = world.writing_session(&agent).await;
    for tool in ["get_mail", "update_mail", "send_mail", "get_mail"] {
        world.verdict(&agent, session.id.as_str(), tool).await;
    }
    assert_eq!(world.tally(&session), Tally { total: 4, read: 2, write: 1, denied: 1 });
}

#[tokio::test]
async fn sessions_are_counted_apart() {
    let world = World::new().await;
    let agent = world.agent("worker", &["*"]).await;
    let (one, two) = (world.session(&agent).await, world.session(&agent).await);
    world.verdict(&agent, one.id.as_str(), "get_mail").await;
    world.bare_verdict(&agent, "get_mail").await;
    assert_eq!((world.tally(&one).total, world.tally(&two).total), (1, 0));
}

#[tokio::test]
async fn a_session_that_probes_has_its_next_action_judged_one_tier_worse() {
    let world = World::new().await;
    let agent = world.agent("worker", &["get_*", "update_*"]).await;
    let session = world.writing_session(&agent).await;
    for tool in ["get_mail", "get_mail", "get_mail", "send_mail", "send_mail"] {
        world.verdict(&agent, session.id.as_str(), tool).await;
    }
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "destructive_needs_approval");
    assert_eq!(world.last().event["effect"]["raised"], "denial_rate");
}
