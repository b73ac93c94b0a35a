//! A check is decided, recorded, and only then answered.

use countersign_core::Effect;
use countersign_engine::Ask;

use crate::world::{World, arguments, ask, refusal, word};

#[tokio::test]
async fn an_allow_is_recorded_with_what_was_asked_and_what_decided_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["get_*"]).await;
    let session = world.session(&agent).await;
    let asked = Ask { session: Some(session.id.as_str()), arguments: arguments("{}"), ..ask(&agent, "get_mail") };
    let answer = world.check(asked).await;
    let entry = world.last();
    assert_eq!((entry.kind.as_str(), entry.chain.as_str()), ("decision", session.id.as_str()));
    assert_eq!(entry.org.as_deref(), Some(world.org.id.as_str()));
    let expected = serde_json::json!({
        "action": { "arguments": arguments("{}"), "source": "test", "tool": "get_mail" },
        "agent": agent,
        "agent_revision": 1,
        "by": world.org.runtime.key,
        "effect": { "by": "keyword", "final": "read", "word": "get" },
        "epoch": entry.event["epoch"],
        "guard": "fast",
        "id": answer.id,
        "session": session.id,
        "verdict": "allow",
    });
    assert_eq!(entry.event, expected);
}

#[tokio::test]
async fn a_denial_is_recorded_with_its_code_and_the_gate_that_refused() {
    let world = World::new().await;
    let agent = world.agent("reader", &["get_*"]).await;
    let answer = world.check(ask(&agent, "update_mail")).await;
    let entry = world.last();
    assert_eq!((entry.kind.as_str(), entry.chain.as_str()), ("decision", agent.as_str()));
    let said = ["id", "verdict", "code", "gate"].map(|name| entry.says(name));
    assert_eq!(said, [answer.id.as_str(), "deny", "capability_missing", "capability"]);
}

#[tokio::test]
async fn an_elevation_is_recorded_with_the_approval_to_wait_for() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.session(&agent).await;
    let approval = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    let entry = world.last();
    let said = ["verdict", "code", "gate", "approval"].map(|name| entry.says(name));
    assert_eq!(said, ["elevate", "session_read_only", "session", approval.as_str()]);
}

#[tokio::test]
async fn an_allow_that_rests_on_an_approval_is_recorded_with_it() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.session(&agent).await;
    let approval = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    world.approve(&approval).await;
    assert_eq!(world.verdict(&agent, session.id.as_str(), "update_mail").await, "allow");
    assert_eq!(world.last().says("approval"), approval.as_str());
}

#[tokio::test]
async fn a_hint_that_raises_the_effect_is_recorded_as_what_decided_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.check(Ask { hint: Some(Effect::Destructive), ..ask(&agent, "get_mail") }).await;
    let effect = &world.last().event["effect"];
    assert_eq!((&effect["by"], &effect["final"]), (&"hint".into(), &"destructive".into()));
}

#[tokio::test]
async fn only_an_allow_carries_a_permit() {
    let world = World::new().await;
    let agent = world.agent("writer", &["get_*", "update_*"]).await;
    let session = world.session(&agent).await;
    let mut permits = Vec::new();
    for tool in ["get_mail", "update_mail", "send_mail"] {
        let answer = world.check(Ask { session: Some(session.id.as_str()), ..ask(&agent, tool) }).await;
        permits.push((answer.decision.verdict.as_str(), answer.permit.is_some()));
    }
    assert_eq!(permits, [("allow", true), ("elevate", false), ("deny", false)]);
}

#[tokio::test]
async fn a_permit_names_the_place_of_its_allow_in_the_ledger() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let answer = world.check(ask(&agent, "get_mail")).await;
    world.note(&agent).await;
    let position = answer.permit.unwrap().position().unwrap();
    let entries = world.entries();
    assert_eq!(entries[usize::try_from(position).unwrap()].says("id"), answer.id.as_str());
}

#[tokio::test]
async fn nobody_is_answered_before_the_entry_is_on_disk() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.tap.hold();
    let asking = world.asking(&world.org.runtime, &agent, None, "get_mail").await;
    world.tap.arrived();
    tokio::task::yield_now().await;
    assert!(!asking.is_finished());
    world.tap.release();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "allow");
}

#[tokio::test]
async fn everything_a_check_records_verifies() {
    let world = World::new().await;
    let agent = world.agent("writer", &["get_*", "update_*"]).await;
    let session = world.session(&agent).await;
    for tool in ["get_mail", "update_mail", "send_mail", "get_\u{2028}\"mail\"", "get_Grüße"] {
        world.verdict(&agent, session.id.as_str(), tool).await;
        world.verdict(&agent, "my own \"id\" \u{1f5d1}", tool).await;
    }
    assert_eq!(world.verified()[session.id.as_str()], world.chain(&session));
}

#[tokio::test]
async fn an_agent_that_does_not_exist_is_not_decided_about() {
    let world = World::new().await;
    let nobody = countersign_core::id::AgentId::parse("nobody").unwrap();
    let length = world.bodies().len();
    assert_eq!(refusal(world.engine.check(&world.org.runtime, ask(&nobody, "get_mail")).await), "not_found");
    assert_eq!(world.bodies().len(), length);
}

#[tokio::test]
async fn a_tool_name_that_cannot_be_one_is_refused() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    for tool in ["", "get\nmail", &"g".repeat(257)] {
        assert_eq!(refusal(world.engine.check(&world.org.runtime, ask(&agent, tool)).await), "invalid", "{tool:?}");
    }
}

#[tokio::test]
async fn a_key_that_only_reads_may_not_ask() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    for caller in [&world.org.auditor, &world.org.approver] {
        assert_eq!(refusal(world.engine.check(caller, ask(&agent, "get_mail")).await), "role_insufficient");
    }
}

#[tokio::test]
async fn nothing_is_answered_while_the_ledger_cannot_be_written() {
    let world = World::new().await;
    let agent = world.agent("writer", &["get_*", "delete_*"]).await;
    world.tap.fail(true);
    // Neither an allow, nor an elevation, nor a denial.
    for tool in ["get_mail", "delete_mail", "send_mail"] {
        let answer = world.engine.check(&world.org.runtime, ask(&agent, tool)).await;
        assert_eq!(refusal(answer), "ledger_unavailable", "{tool}");
    }
}

#[tokio::test]
async fn health_says_why_while_the_ledger_cannot_be_written() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.tap.fail(true);
    world.engine.check(&world.org.runtime, ask(&agent, "get_mail")).await.unwrap_err();
    let why = "the ledger cannot be written: a test cut the ledger off; every decision is refused until it can";
    assert_eq!(world.engine.health().failure.unwrap(), why);
}

#[tokio::test]
async fn checks_go_on_by_themselves_when_the_ledger_can_be_written_again() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.tap.fail(true);
    world.engine.check(&world.org.runtime, ask(&agent, "get_mail")).await.unwrap_err();
    world.tap.fail(false);
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
    assert_eq!(world.engine.health().failure, None);
}

#[tokio::test]
async fn health_is_well_again_although_nobody_asks_anything() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.rest();
    world.tap.fail(true);
    world.engine.check(&world.org.runtime, ask(&agent, "get_mail")).await.unwrap_err();
    world.tap.fail(false);
    world.tap.tried_more_than(world.tap.tries());
    world.engine.stop();
    assert_eq!(world.engine.health().failure, None);
}

#[tokio::test]
async fn what_could_not_be_recorded_moved_no_chain_and_no_count() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let session = world.session(&agent).await;
    let before = world.chain(&session);
    world.tap.fail(true);
    for tool in ["get_mail", "update_mail", "grant_mail"] {
        let asked = Ask { session: Some(session.id.as_str()), ..ask(&agent, tool) };
        world.engine.check(&world.org.runtime, asked).await.unwrap_err();
    }
    assert_eq!(world.chain(&session), before);
    world.tap.fail(false);
    world.verdict(&agent, session.id.as_str(), "get_mail").await;
    assert_eq!(world.chain(&session).length, before.length + 1);
    world.verified();
}

#[tokio::test]
async fn what_could_not_be_recorded_left_no_approval() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    world.tap.fail(true);
    world.engine.check(&world.org.runtime, ask(&agent, "delete_mail")).await.unwrap_err();
    assert!(world.engine.list_approvals(&world.org.admin, None, 10).unwrap().is_empty());
    assert!(world.documents.list("approval").unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_could_not_be_recorded_was_not_started() {
    let world = World::new().await;
    let agent = world.agent("writer", &["*"]).await;
    let server = world.engine.register_server(&world.org.admin, crate::world::new_server(&[])).await.unwrap();
    world.tap.fail(true);
    let started = world.engine.start_mcp_session(&world.org.runtime, &agent, server.id.as_str()).await;
    assert_eq!(refusal(started), "ledger_unavailable");
    assert!(world.engine.list_sessions(&world.org.admin, None, 10).unwrap().is_empty());
    assert!(world.documents.list("session").unwrap().is_empty());
}

#[tokio::test]
async fn a_revocation_that_could_not_be_recorded_did_not_happen() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    world.tap.fail(true);
    let revoked = world.engine.revoke_agent(&world.org.admin, agent.as_str(), "gone").await;
    assert_eq!(refusal(revoked), "ledger_unavailable");
    world.tap.fail(false);
    assert_eq!(world.bare_verdict(&agent, "get_mail").await, "allow");
}
