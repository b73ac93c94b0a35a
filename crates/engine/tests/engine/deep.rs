//! The Deep guard as the engine asks it: once for a check, about what would else
//! wait for a human, and nothing but its yes lets that pass.

use std::sync::{Arc, Mutex};

use countersign_core::Effect;
use countersign_engine::{Ask, Brief, DeepGuard, Opinion, Reviewed, Reviewing, Said};
use serde_json::json;
use tokio::sync::oneshot;

use crate::world::{World, arguments, ask, word};

/// What a guard does when it is asked.
enum Does {
    Says(Reviewed),
    NeverAnswers,
    Panics,
    PanicsLater,
    Waits(Mutex<Option<oneshot::Receiver<Reviewed>>>),
}

/// A guard that does as it is told, and remembers what it was asked.
struct Stub {
    does: Does,
    asked: Mutex<Vec<Brief>>,
}

impl Stub {
    fn new(does: Does) -> Arc<Self> {
        Arc::new(Self { does, asked: Mutex::default() })
    }

    fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn opinion(reviewed: Reviewed) -> Opinion {
    let verdict = match reviewed {
        Reviewed::Cleared => "allow",
        Reviewed::Denied => "deny",
        Reviewed::Escalated => "escalate",
        Reviewed::Unavailable => return Opinion::unavailable("test", "timed_out"),
    };
    let said = Said { verdict, reasoning: "r".repeat(3_000), confidence: 90 };
    Opinion {
        reviewed,
        reviewer: "test".into(),
        model: Some("m".into()),
        said: Some(said),
        failed: None,
        is_outage: false,
    }
}

#[expect(clippy::panic, reason = "a guard that panics is what is tried")]
fn broken<T>() -> T {
    panic!("a guard that panics")
}

impl DeepGuard for Stub {
    fn review(&self, brief: Brief) -> Reviewing {
        self.asked.lock().unwrap().push(brief);
        match &self.does {
            Does::Says(reviewed) => Box::pin(std::future::ready(opinion(*reviewed))),
            Does::NeverAnswers => Box::pin(std::future::pending()),
            Does::Panics => broken(),
            Does::PanicsLater => Box::pin(async { broken() }),
            Does::Waits(answer) => {
                let answer = answer.lock().unwrap().take().unwrap();
                Box::pin(async move { opinion(answer.await.unwrap()) })
            }
        }
    }
}

async fn world(does: Does) -> (World, Arc<Stub>) {
    let stub = Stub::new(does);
    (World::new().await.reviewed_by(stub.clone()), stub)
}

#[tokio::test]
async fn what_is_cleared_passes_and_the_entry_says_who_cleared_it() {
    let (world, stub) = world(Does::Says(Reviewed::Cleared)).await;
    let agent = world.agent("cleaner", &["*"]).await;
    let answer =
        world.check(Ask { input: Some("{\"id\":1}"), arguments: arguments("1"), ..ask(&agent, "db/drop") }).await;
    assert_eq!((word(&answer), answer.decision.guard.as_str(), answer.permit.is_some()), ("allow", "deep", true));
    let review = world.last().event["review"].clone();
    let expected =
        json!({"confidence": 90, "model": "m", "reasoning": "r".repeat(1_000), "reviewer": "test", "verdict": "allow"});
    assert_eq!(review, expected);
    let brief = stub.asked.lock().unwrap().pop().unwrap();
    assert_eq!(
        (brief.tool.as_str(), brief.effect, brief.input.as_deref()),
        ("db/drop", Effect::Destructive, Some("{\"id\":1}"))
    );
    assert_eq!((&brief.agent, brief.arguments, brief.risk > 0), (&agent, arguments("1"), true));
    world.verified();
}

#[tokio::test]
async fn what_is_denied_or_not_answered_is_refused_with_a_code_of_its_own() {
    for (does, code, failed) in [
        (Does::Says(Reviewed::Denied), "review_denied", json!(null)),
        (Does::Says(Reviewed::Unavailable), "review_unavailable", json!("timed_out")),
        (Does::Panics, "review_unavailable", json!("broken")),
        (Does::PanicsLater, "review_unavailable", json!("broken")),
    ] {
        let (world, _) = world(does).await;
        let agent = world.agent("cleaner", &["*"]).await;
        assert_eq!(world.bare_verdict(&agent, "db/drop").await, code);
        let entry = world.last();
        assert_eq!(
            (entry.says("gate"), entry.says("guard"), &entry.event["review"]["failed"]),
            ("approval", "deep", &failed)
        );
    }
}

#[tokio::test]
async fn what_is_left_to_a_person_waits_and_is_not_put_to_the_reviewer_again() {
    let (world, stub) = world(Does::Says(Reviewed::Escalated)).await;
    let agent = world.agent("cleaner", &["*"]).await;
    let held = world.check(ask(&agent, "db/drop")).await;
    assert_eq!(word(&held), "destructive_needs_approval");
    assert_eq!(world.last().event["review"]["verdict"], "escalate");
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "destructive_needs_approval");
    assert!(world.last().event.get("review").is_none());
    world.approve(held.approval.as_ref().unwrap()).await;
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "allow");
    assert_eq!(stub.times(), 1);
}

#[tokio::test]
async fn admin_effects_pass_outside_a_session_alone_and_only_cleared() {
    for (reviewed, code) in [
        (Reviewed::Cleared, "allow"),
        (Reviewed::Denied, "review_denied"),
        (Reviewed::Escalated, "admin_unreviewed"),
        (Reviewed::Unavailable, "review_unavailable"),
    ] {
        let (world, stub) = world(Does::Says(reviewed)).await;
        let agent = world.agent("root", &["*"]).await;
        assert_eq!(world.bare_verdict(&agent, "iam/grant").await, code);
        assert_eq!(stub.times(), 1);
        let session = world.writing_session(&agent).await;
        assert_eq!(world.verdict(&agent, session.id.as_str(), "iam/grant").await, "admin_never_elevated");
        assert_eq!(world.verdict(&agent, "of-the-client", "iam/grant").await, "admin_unreviewed");
        assert_eq!(stub.times(), 1);
    }
}

#[tokio::test]
async fn reads_changes_and_what_is_refused_anyway_are_not_reviewed() {
    let (world, stub) = world(Does::Panics).await;
    let agent = world.agent("reader", &["db/*"]).await;
    for tool in ["db/get", "db/update"] {
        assert_eq!(world.bare_verdict(&agent, tool).await, "allow");
    }
    assert_eq!(world.bare_verdict(&agent, "mail/drop").await, "capability_missing");
    assert_eq!(stub.times(), 0);
}

#[tokio::test]
async fn a_guard_that_never_answers_allows_nothing_and_holds_up_nobody_else() {
    let (world, stub) = world(Does::NeverAnswers).await;
    let agent = world.agent("cleaner", &["*"]).await;
    let before = world.bodies().len();
    let asking = world.asking(&world.org.runtime, &agent, None, "db/drop").await;
    assert_eq!((stub.times(), asking.is_finished()), (1, false));
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    assert_eq!(world.bodies().len(), before + 1);
}

#[tokio::test]
async fn a_right_that_was_taken_away_during_a_review_is_gone_and_the_guard_is_asked_once() {
    let (answer, waiting) = oneshot::channel();
    let (world, stub) = world(Does::Waits(Mutex::new(Some(waiting)))).await;
    let agent = world.agent("cleaner", &["*"]).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "db/drop").await;
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "a drill").await.unwrap();
    answer.send(Reviewed::Cleared).unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "agent_suspended");
    assert_eq!((stub.times(), &world.last().event["review"]["verdict"]), (1, &json!("allow")));
}

#[tokio::test]
async fn a_check_that_is_decided_again_on_its_way_to_the_record_is_reviewed_once() {
    let (world, stub) = world(Does::Says(Reviewed::Cleared)).await;
    let agent = world.agent("cleaner", &["*"]).await;
    let other = world.agent("other", &["*"]).await;
    world.hold(&agent).await;
    let engine = world.engine.clone();
    let (admin, id) = (world.org.admin.clone(), other.clone());
    let order = world.started(async move { engine.suspend_agent(&admin, id.as_str(), "a drill").await }).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "db/drop").await;
    world.tap.release();
    order.await.unwrap().unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "allow");
    assert_eq!(stub.times(), 1);
    world.verified();
}

#[tokio::test]
async fn what_a_human_must_approve_is_not_put_to_the_reviewer() {
    let (world, stub) = world(Does::Says(Reviewed::Cleared)).await;
    let agent = world.agent("cleaner", &["*"]).await;
    let session = world.session(&agent).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "db/drop").await, "session_read_only");
    assert_eq!(stub.times(), 0);
}

#[tokio::test]
async fn no_cleared_action_is_recorded_while_the_ledger_fails() {
    let (world, _) = world(Does::Says(Reviewed::Cleared)).await;
    let agent = world.agent("cleaner", &["*"]).await;
    world.tap.fail(true);
    assert!(world.engine.check(&world.org.runtime, ask(&agent, "db/drop")).await.is_err());
    world.tap.fail(false);
}
