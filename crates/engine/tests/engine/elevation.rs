//! A human's yes or no: to exactly one action, for a while, by somebody who
//! may say it.

use std::time::Duration;

use countersign_core::approval::{Answer, Status};
use countersign_core::id::{AgentId, ApprovalId};
use countersign_core::session::Session;
use countersign_core::{Effect, Verdict};
use countersign_engine::{Ask, Caller, NewServer, Tool};
use serde_json::json;

use crate::world::{Choice, Ending, World, arguments, ask, new_agent, new_server, refusal, word};

/// A world with an agent that may do everything and a session that may only read.
async fn world() -> (World, AgentId, Session) {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.session(&agent).await;
    (world, agent, session)
}

fn status(world: &World, id: &ApprovalId) -> Status {
    world.engine.approval(&world.org.admin, id.as_str()).unwrap().status
}

#[tokio::test]
async fn asking_again_names_the_same_approval() {
    let (world, agent, session) = world().await;
    let first = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.clock.pass(Duration::from_mins(1));
    assert_eq!(world.elevation(&agent, session.id.as_str(), "update_mail").await, first);
}

#[tokio::test]
async fn asking_many_times_at_once_makes_one_approval() {
    let (world, agent, session) = world().await;
    let noting = world.hold(&agent).await;
    let mut asked = Vec::new();
    for _ in 0..8 {
        asked.push(world.asking(&world.org.runtime, &agent, Some(session.id.as_str()), "update_mail").await);
    }
    world.tap.release();
    noting.await.unwrap();
    let mut named = Vec::new();
    for asking in asked {
        named.push(asking.await.unwrap().unwrap().approval.unwrap());
    }
    named.dedup();
    let listed = world.engine.list_approvals(&world.org.approver, None, 10).unwrap();
    assert_eq!(listed.into_iter().map(|approval| approval.id).collect::<Vec<_>>(), named);
}

#[tokio::test]
async fn an_approval_shows_the_human_what_it_is_about() {
    let (world, agent, session) = world().await;
    let asked = Ask { session: Some(session.id.as_str()), summary: "mail Bob", ..ask(&agent, "update_mail") };
    let id = world.check(Ask { arguments: arguments("bob"), ..asked }).await.approval.unwrap();
    let shown = world.engine.approval(&world.org.approver, id.as_str()).unwrap();
    assert_eq!((&shown.agent, shown.session.as_deref()), (&agent, Some(session.id.as_str())));
    assert_eq!((shown.tool.as_str(), shown.summary.as_str()), ("update_mail", "mail Bob"));
    assert_eq!((shown.effect, shown.arguments), (Effect::Mutating, arguments("bob")));
    assert_eq!(shown.expires_at, world.engine.now().plus(Duration::from_mins(15)));
}

#[tokio::test]
async fn other_arguments_replace_the_pending_approval_which_nobody_can_grant_any_more() {
    let (world, agent, session) = world().await;
    let asked = Ask { session: Some(session.id.as_str()), ..ask(&agent, "update_mail") };
    let old = world.check(Ask { arguments: arguments("bob"), ..asked }).await.approval.unwrap();
    let new = world.check(Ask { arguments: arguments("eve"), ..asked }).await.approval.unwrap();
    assert_ne!(old, new);
    assert_eq!(status(&world, &old), Status::Expired);
    assert_eq!(refusal(world.answer(&old, Answer::Approve).await), "conflict");
    assert_eq!(status(&world, &new), Status::Pending);
}

#[tokio::test]
async fn a_human_who_approves_what_is_being_replaced_grants_nothing() {
    let (world, agent, session) = world().await;
    let asked = Ask { session: Some(session.id.as_str()), arguments: arguments("bob"), ..ask(&agent, "update_mail") };
    let old = world.check(asked).await.approval.unwrap();
    let noting = world.hold(&agent).await;
    // The same tool without those arguments: queued first.
    let replacing = world.asking(&world.org.runtime, &agent, Some(session.id.as_str()), "update_mail").await;
    let (engine, approver) = (world.engine.clone(), world.org.approver.clone());
    let id = old.clone();
    let approving = world
        .started(async move { engine.decide_approval(&approver, id.as_str(), Answer::Approve, "Ada").await })
        .await;
    world.tap.release();
    noting.await.unwrap();
    assert!(replacing.await.unwrap().unwrap().approval.is_some());
    assert_eq!(refusal(approving.await.unwrap()), "conflict");
    assert_eq!(word(&world.check(asked).await), "session_read_only");
}

#[tokio::test]
async fn an_approved_action_is_allowed() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.approve(&id).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "allow");
}

#[tokio::test]
async fn an_approval_covers_no_other_session_arguments_or_tool() {
    let (world, agent, session) = world().await;
    let another = world.session(&agent).await;
    let asked = Ask { session: Some(session.id.as_str()), ..ask(&agent, "update_mail") };
    let id = world.check(asked).await.approval.unwrap();
    world.approve(&id).await;
    for other in [
        Ask { session: Some(another.id.as_str()), ..asked },
        Ask { arguments: arguments("other"), ..asked },
        Ask { tool: "update_mails", ..asked },
    ] {
        assert_eq!(word(&world.check(other).await), "session_read_only", "{other:?}");
    }
    assert_eq!(word(&world.check(asked).await), "allow");
}

#[tokio::test]
async fn an_approval_covers_no_other_agent_that_names_the_same_session_of_its_own() {
    let world = World::new().await;
    let (one, two) = (world.agent("one", &["*"]).await, world.agent("two", &["*"]).await);
    let id = world.elevation(&one, "shared", "delete_mail").await;
    world.approve(&id).await;
    assert_eq!(world.verdict(&two, "shared", "delete_mail").await, "destructive_needs_approval");
}

#[tokio::test]
async fn an_approval_holds_for_five_minutes_to_the_millisecond() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.clock.pass(Duration::from_mins(10));
    world.approve(&id).await;
    world.clock.pass(Duration::from_mins(5) - Duration::from_millis(1));
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "allow");
    world.clock.pass(Duration::from_millis(1));
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "session_read_only");
}

#[tokio::test]
async fn a_session_shows_what_it_is_elevated_for_while_that_holds() {
    let (world, agent, session) = world().await;
    let elevated = || world.engine.session(&world.org.admin, session.id.as_str()).unwrap().elevated;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    assert!(elevated().is_empty());
    world.approve(&id).await;
    assert_eq!(elevated(), ["update_mail"]);
    world.clock.pass(Duration::from_mins(5));
    assert!(elevated().is_empty());
}

#[tokio::test]
async fn a_request_that_nobody_answered_for_a_quarter_of_an_hour_cannot_be_answered() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.clock.pass(Duration::from_mins(15));
    assert_eq!(refusal(world.answer(&id, Answer::Approve).await), "conflict");
    assert_ne!(world.elevation(&agent, session.id.as_str(), "update_mail").await, id);
}

#[tokio::test]
async fn a_destructive_action_uses_its_approval_up() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.writing_session(&agent).await;
    let id = world.elevation(&agent, session.id.as_str(), "delete_mail").await;
    world.approve(&id).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "delete_mail").await, "allow");
    assert_eq!(world.verdict(&agent, session.id.as_str(), "delete_mail").await, "destructive_needs_approval");
}

#[tokio::test]
async fn of_many_checks_on_their_way_to_the_record_with_one_destructive_approval_one_is_allowed() {
    let (world, agent, _) = world().await;
    let id = world.elevation(&agent, "mine", "delete_mail").await;
    world.approve(&id).await;
    let noting = world.hold(&agent).await;
    let mut asked = Vec::new();
    for _ in 0..8 {
        asked.push(world.asking(&world.org.runtime, &agent, Some("mine"), "delete_mail").await);
    }
    world.tap.release();
    noting.await.unwrap();
    let mut said = Vec::new();
    for asking in asked {
        said.push(word(&asking.await.unwrap().unwrap()));
    }
    assert_eq!(said.iter().filter(|word| **word == "allow").count(), 1, "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_checks_at_once_with_one_destructive_approval_one_is_allowed_however_they_race() {
    for on_disk in [false, true] {
        let world = World::made(Choice { on_disk, ..Choice::default() }).await;
        let agent = world.agent("writer", &["*"]).await;
        for round in 0..60 {
            let name = format!("round-{round}");
            let id = world.elevation(&agent, &name, "delete_mail").await;
            world.approve(&id).await;
            let (one, two) = tokio::join!(
                world.asking(&world.org.runtime, &agent, Some(&name), "delete_mail"),
                world.asking(&world.org.runtime, &agent, Some(&name), "delete_mail"),
            );
            let mut said = [one.await, two.await].map(|answer| word(&answer.unwrap().unwrap()));
            said.sort_unstable();
            assert_eq!(said, ["allow", "destructive_needs_approval"], "round {round}");
        }
    }
}

#[tokio::test]
async fn a_yes_to_a_mutating_action_does_not_cover_it_once_the_session_looks_suspicious() {
    let world = World::new().await;
    let agent = world.agent("writer", &["get_*", "update_*"]).await;
    let session = world.session(&agent).await;
    let mutating = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.approve(&mutating).await;
    for _ in 0..4 {
        world.verdict(&agent, session.id.as_str(), "send_mail").await;
    }
    let asked = Ask { session: Some(session.id.as_str()), ..ask(&agent, "update_mail") };
    let answer = world.check(asked).await;
    assert!(matches!(answer.decision.verdict, Verdict::Elevate(_)), "{:?}", answer.decision);
    let destructive = answer.approval.unwrap();
    assert_ne!(destructive, mutating);
    let shown = world.engine.approval(&world.org.approver, destructive.as_str()).unwrap();
    assert_eq!(shown.effect, Effect::Destructive);
    // The human who saw how bad it is may still say yes, once.
    world.approve(&destructive).await;
    assert_eq!(word(&world.check(asked).await), "allow");
    assert_ne!(word(&world.check(asked).await), "allow");
}

#[tokio::test]
async fn a_denied_action_is_refused_with_the_humans_no() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.answer(&id, Answer::Deny).await.unwrap();
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "approval_denied");
}

#[tokio::test]
async fn nobody_decides_twice() {
    for (first, second) in [(Answer::Approve, Answer::Deny), (Answer::Deny, Answer::Approve)] {
        let (world, agent, session) = world().await;
        let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
        let decided = world.answer(&id, first).await.unwrap().status;
        assert_eq!(refusal(world.answer(&id, second).await), "conflict");
        assert_eq!(status(&world, &id), decided);
    }
}

#[tokio::test]
async fn of_a_yes_and_a_no_at_once_one_counts() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let noting = world.hold(&agent).await;
    let mut said = Vec::new();
    for answer in [Answer::Deny, Answer::Approve] {
        let (engine, approver, id) = (world.engine.clone(), world.org.approver.clone(), id.clone());
        let deciding = async move { engine.decide_approval(&approver, id.as_str(), answer, "Ada").await };
        said.push(world.started(deciding).await);
    }
    world.tap.release();
    noting.await.unwrap();
    let mut won = 0;
    for deciding in said {
        won += usize::from(deciding.await.unwrap().is_ok());
    }
    assert_eq!((won, status(&world, &id)), (1, Status::Denied));
}

#[tokio::test]
async fn whoever_is_or_may_be_an_agent_cannot_approve() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let admin_with_token =
        Caller { proof: world.bearer(&world.token(&agent, &["*"]).await).proof, ..world.org.admin.clone() };
    let nobody = Caller { key: None, ..world.org.admin.clone() };
    for (who, caller) in [
        ("an agent runtime", world.org.runtime.clone()),
        ("the agent's own key", world.key_of(&agent).await),
        ("the agent's token", world.bearer(&world.token(&agent, &["*"]).await)),
        ("an administrator who shows an agent's token", admin_with_token),
        ("a developer", world.engine.developer().unwrap()),
        ("an auditor", world.org.auditor.clone()),
        ("somebody without a key", nobody),
    ] {
        let said = world.engine.decide_approval(&caller, id.as_str(), Answer::Approve, "Ada").await;
        assert_eq!(refusal(said), "role_insufficient", "{who}");
    }
    assert_eq!(status(&world, &id), Status::Pending);
}

#[tokio::test]
async fn an_approver_and_an_administrator_may_approve() {
    let (world, agent, session) = world().await;
    for (tool, caller) in [("update_mail", &world.org.approver), ("send_mail", &world.org.admin)] {
        let id = world.elevation(&agent, session.id.as_str(), tool).await;
        let said = world.engine.decide_approval(caller, id.as_str(), Answer::Approve, "Ada").await.unwrap();
        assert_eq!((said.status, said.decided_key), (Status::Approved, caller.key.clone()));
    }
}

#[tokio::test]
async fn the_record_says_who_approved_what_with_which_key() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.approve(&id).await;
    let entry = world.last();
    assert_eq!((entry.kind.as_str(), entry.chain.as_str()), ("approval", session.id.as_str()));
    let expected = json!({
        "agent": agent,
        "arguments": arguments(""),
        "by": world.org.approver.key,
        "effect": "mutating",
        "id": id,
        "name": "Ada",
        "session": session.id,
        "status": "approved",
        "tool": "update_mail",
    });
    assert_eq!(entry.event, expected);
}

#[tokio::test]
async fn another_organisations_approval_does_not_exist() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let other = world.other_org().await;
    let said = world.engine.decide_approval(&other.approver, id.as_str(), Answer::Approve, "Eve").await;
    assert_eq!(refusal(said), "not_found");
    assert_eq!(refusal(world.engine.approval(&other.approver, id.as_str())), "not_found");
    assert!(world.engine.list_approvals(&other.approver, None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_sees_its_own_approvals_alone() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let (own, other) = (world.key_of(&agent).await, world.key_of(&world.agent("other", &["*"]).await).await);
    assert_eq!(world.engine.approval(&own, id.as_str()).unwrap().id, id);
    assert_eq!(refusal(world.engine.approval(&other, id.as_str())), "not_found");
    assert!(world.engine.list_approvals(&other, None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn an_admin_effect_is_refused_and_asks_no_human() {
    let (world, agent, session) = world().await;
    let writing = world.writing_session(&agent).await;
    for (named, code) in [
        (Some(session.id.as_str()), "admin_never_elevated"),
        (Some(writing.id.as_str()), "admin_never_elevated"),
        (Some("tracked"), "admin_unreviewed"),
        (None, "admin_unreviewed"),
    ] {
        let answer = world.check(Ask { session: named, ..ask(&agent, "grant_role") }).await;
        assert_eq!((word(&answer), &answer.approval), (code, &None), "{named:?}");
    }
    assert!(world.engine.list_approvals(&world.org.admin, None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn no_human_is_asked_about_what_another_rule_refuses_anyway() {
    let world = World::new().await;
    let agent = world.agent_of(&world.org, new_agent("writer")).await;
    let session = world.session(&agent).await;
    world.engine.stop_tool(&world.org.admin, Some("update_mail".into()), "").await.unwrap();
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "tool_stopped");
    assert!(world.engine.list_approvals(&world.org.admin, None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn a_tool_that_an_operator_wants_approved_waits_even_when_it_only_reads() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let tool = Tool { name: "get_mail".into(), effect: None, needs_approval: true };
    let session = world.session_for(&agent, NewServer { ..new_server(&[tool]) }).await;
    let id = world.elevation(&agent, session.id.as_str(), "get_mail").await;
    world.approve(&id).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "allow");
}

#[tokio::test]
async fn an_approval_that_was_forged_in_the_store_grants_nothing() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let now = world.engine.now();
    let world = world.altered("approval", id.as_str(), |sealed| {
        sealed["value"]["status"] = json!("approved");
        sealed["value"]["decided_at"] = json!(now);
    });
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "session_read_only");
}

#[tokio::test]
async fn a_human_cannot_approve_what_was_changed_in_the_store_under_their_eyes() {
    let (world, agent, session) = world().await;
    let id = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let world =
        world.altered("approval", id.as_str(), |sealed| sealed["value"]["arguments"] = json!(arguments("everything")));
    assert_eq!(refusal(world.answer(&id, Answer::Approve).await), "conflict");
}

#[tokio::test]
async fn the_latest_word_on_an_action_is_the_one_that_counts_after_a_restart_too() {
    let (mut world, agent, _) = world().await;
    // Ids are random, so several rounds meet both orders of any two.
    for round in 0..8 {
        let name = format!("round-{round}");
        for _ in 0..2 {
            let id = world.elevation(&agent, &name, "delete_mail").await;
            world.clock.pass(Duration::from_secs(1));
            world.approve(&id).await;
            world = world.restarted(Ending::Stopped);
            assert_eq!(world.verdict(&agent, &name, "delete_mail").await, "allow", "round {round}");
        }
    }
}
