//! The check over HTTP: what is allowed, denied or waiting, and how it is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_engine::{Durability, Settings};
use serde_json::{Value, json};

use crate::routes::Everything;
use crate::world::{Caller, TestServer};

const CHECK: &str = "/api/v1/agenttrust/check";

/// What every answer has.
const ALWAYS: [&str; 9] = [
    "allowed",
    "check_id",
    "confidence",
    "durability",
    "effect",
    "elevation_required",
    "guard_tier",
    "latency_ms",
    "reason",
];

#[track_caller]
fn assert_members(answer: &Value, more: &[&str]) {
    let members: BTreeSet<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ALWAYS.iter().chain(more).copied().collect(), "{answer}");
}

#[tokio::test]
async fn an_allow_says_so_and_asks_for_nothing() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["get_mail"]).await;
    let answer = server.check(&server.acme.agent, &agent, "", "get_mail").await.json(200);
    assert_members(&answer, &[]);
    let said = json!({ "allowed": true, "elevation_required": false, "reason": "capability match", "effect": "read",
        "guard_tier": "fast", "confidence": 1.0, "durability": "sync", "latency_ms": 0, "check_id": answer["check_id"] });
    assert_eq!(answer, said);
    let entry = server.last_entry();
    assert_eq!((entry.kind.as_str(), &entry.event["id"]), ("decision", &answer["check_id"]));
}

#[tokio::test]
async fn a_denial_is_an_answer_with_a_code_and_a_page_about_it() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["get_mail"]).await;
    let answer = server.check(&server.acme.agent, &agent, "", "update_mail").await.json(200);
    assert_members(&answer, &["code", "help"]);
    assert_eq!((&answer["allowed"], &answer["elevation_required"]), (&json!(false), &json!(false)));
    assert_eq!(answer["code"], "capability_missing");
    assert_eq!(answer["help"], "docs/denials/capability_missing.md");
    assert!(answer["reason"].as_str().unwrap().starts_with("capability not registered"), "{answer}");
}

#[tokio::test]
async fn a_write_in_a_read_only_session_waits_for_a_human_and_passes_once_one_said_yes() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let session = server.session(&server.acme, &agent).await;
    let ask = || server.check(&server.acme.agent, &agent, &session, "update_mail");
    let held = ask().await.json(200);
    assert_members(&held, &["approval_id", "code", "help"]);
    assert_eq!((&held["allowed"], &held["elevation_required"]), (&json!(false), &json!(true)));
    assert_eq!(held["code"], "session_read_only");
    assert_eq!(
        ask().await.json(200)["approval_id"],
        held["approval_id"],
        "one request waits, however often it is asked"
    );

    let approval = format!("/mcp/approvals/{}", held["approval_id"].as_str().unwrap());
    let waiting = server.get(&approval, &server.acme.agent).await.json(200);
    assert_eq!((&waiting["status"], waiting.get("decided_by")), (&json!("pending"), None));
    for caller in [&server.acme.agent, &server.acme.auditor] {
        server.post(&format!("{approval}/approve"), caller, json!({})).await.refusal(403, "role_insufficient");
    }
    let said = json!({ "decided_by": "Ada" });
    let approved = server.post(&format!("{approval}/approve"), &server.acme.approver, said.clone()).await.json(200);
    assert_eq!((&approved["status"], &approved["decided_by"]), (&json!("approved"), &json!("Ada")));
    server.post(&format!("{approval}/deny"), &server.acme.approver, said).await.refusal(409, "conflict");

    let allowed = ask().await.json(200);
    assert_members(&allowed, &[]);
    assert_eq!((&allowed["allowed"], &allowed["guard_tier"]), (&json!(true), &json!("spot")));
    let told = server.get(&format!("/mcp/sessions/{session}"), &server.acme.agent).await.json(200);
    assert_eq!((&told["mode"], &told["allowed_actions"]), (&json!("elevated"), &json!(["update_mail"])));
    let calls = ["total_calls", "read_calls", "write_calls", "denied_calls"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(calls, [3, 0, 1, 0]);
}

#[tokio::test]
async fn a_destructive_action_waits_for_a_human_and_an_admin_one_is_refused() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let session = server.session(&server.acme, &agent).await;
    let held = server.check(&server.acme.agent, &agent, "", "delete_mail").await.json(200);
    assert_eq!((&held["elevation_required"], &held["code"]), (&json!(true), &json!("destructive_needs_approval")));
    for session in ["", session.as_str()] {
        let denied = server.check(&server.acme.agent, &agent, session, "grant_role").await.json(200);
        assert_eq!((&denied["allowed"], &denied["elevation_required"]), (&json!(false), &json!(false)), "{denied}");
    }
}

#[tokio::test]
async fn an_older_client_is_answered_in_the_same_shape() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["files:read"]).await;
    let ask =
        |body: Value| server.ask("POST", "/api/v1/actions/check").by(&server.acme.agent).body(body.to_string()).send();
    let allowed = json!({ "agent_id": agent, "action": "tool_call", "tool_name": "files:read",
        "tool_input_summary": "a file", "session_id": "8c3e5f0a-6d1b-4a4e-9b0e-1f2a3b4c5d6e" });
    let allowed = ask(allowed).await.json(200);
    assert_members(&allowed, &[]);
    assert_eq!((&allowed["allowed"], &allowed["guard_tier"]), (&json!(true), &json!("fast")));
    assert_eq!(server.last_entry().event["action"]["tool"], "files:read");
    let denied = ask(json!({ "agent_id": agent })).await.json(200);
    assert_eq!(denied["code"], "capability_missing");
    assert_eq!(server.last_entry().event["action"]["tool"], "tool_call");
}

#[tokio::test]
async fn a_session_id_that_the_client_made_up_is_no_read_only_session() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let invented = "8c3e5f0a-6d1b-4a4e-9b0e-1f2a3b4c5d6e";
    for tool in ["summarize", "analyze", "update_mail"] {
        let answer = server.check(&server.acme.agent, &agent, invented, tool).await.json(200);
        assert_eq!(answer["allowed"], true, "{tool}: {answer}");
        assert_eq!(server.last_entry().event["session"], invented);
    }
    let forged = server.check(&server.acme.agent, &agent, "sess_made-up", "get_mail").await.json(200);
    assert_eq!(forged["code"], "session_unknown");
}

#[tokio::test]
async fn a_hint_raises_the_effect_whatever_word_is_used_and_an_unknown_one_is_none() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    for (hint, effect) in
        [("write", "mutating"), ("destructive", "destructive"), ("read", "read"), ("weird", "read"), ("", "read")]
    {
        let body = json!({ "agent_id": agent, "action_name": "get_mail", "action_effect": hint });
        let answer = server.post(CHECK, &server.acme.agent, body).await.json(200);
        assert_eq!(answer["effect"], effect, "{hint}");
    }
    let lowered = json!({ "agent_id": agent, "action_name": "delete_mail", "action_effect": "read" });
    assert_eq!(server.post(CHECK, &server.acme.agent, lowered).await.json(200)["effect"], "destructive");
}

#[tokio::test]
async fn who_speaks_for_another_agent_is_refused_and_the_attempt_is_a_recorded_decision() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let token = Caller::token(everything.id("token"));
    let reply = server.check(&token, everything.id("other"), "", "get_mail").await;
    let message = reply.refusal(403, "identity_mismatch");
    assert!(message.contains("another agent"), "{message}");
    let entry = server.last_entry();
    let said = ["verdict", "code", "agent"].map(|name| entry.event[name].as_str().unwrap());
    assert_eq!((entry.kind.as_str(), said), ("decision", ["deny", "identity_mismatch", everything.id("other")]));
}

#[tokio::test]
async fn who_uses_another_agents_session_is_refused_and_the_attempt_is_a_recorded_decision() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let count = async || {
        let session = server.get(&everything.fill("/mcp/sessions/{session}"), &server.acme.admin).await.json(200);
        (session["total_calls"].clone(), session["chain"].clone())
    };
    let before = count().await;
    let reply = server.check(&server.acme.agent, everything.id("other"), everything.id("session"), "get_mail").await;
    reply.refusal(403, "session_foreign");
    let entry = server.last_entry();
    assert_eq!((entry.kind.as_str(), &entry.event["code"]), ("decision", &json!("session_foreign")));
    assert_eq!(count().await, before, "the owner's session did not move");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_not_found_and_one_that_is_stopped_is_denied() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    server.check(&server.acme.agent, "agent_nobody", "", "get_mail").await.refusal(404, "not_found");
    for (verb, code) in [("suspend", "agent_suspended"), ("revoke", "agent_revoked")] {
        let path = format!("/api/v1/agents/{}/{verb}", everything.id("agent"));
        server.post(&path, &server.acme.admin, json!({})).await.json(200);
        let answer = server.check(&server.acme.agent, everything.id("agent"), "", "get_mail").await.json(200);
        assert_eq!((&answer["allowed"], &answer["code"]), (&json!(false), &json!(code)));
        let issue = json!({ "agent_id": everything.id("agent"), "scopes": [] });
        server.post("/api/v1/agent-tokens/issue", &server.acme.admin, issue).await.refusal(403, code);
    }
}

#[tokio::test]
async fn while_the_ledger_fails_nothing_is_decided_and_health_says_why() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let health = async || server.get("/health", &Caller::developer()).await;
    let healthy = health().await.json(200);
    assert_eq!((&healthy["status"], healthy.get("reason")), (&json!("healthy"), None));

    server.store.fail_commits(true);
    let recorded = server.entries().len();
    for tool in ["get_mail", "update_mail", "grant_role"] {
        let reply = server.check(&server.acme.agent, everything.id("agent"), "", tool).await;
        let message = reply.refusal(503, "ledger_unavailable");
        assert!(message.contains("/health"), "{message}");
    }
    let unhealthy = health().await.json(503);
    assert_eq!((&unhealthy["status"], &unhealthy["service"]), (&json!("unhealthy"), &json!("countersign")));
    assert!(unhealthy["reason"].as_str().unwrap().contains("the ledger cannot be written"), "{unhealthy}");
    server.post("/api/v1/agents", &server.acme.admin, json!({ "name": "a" })).await.refusal(503, "ledger_unavailable");
    server.get("/api/v1/agents", &server.acme.admin).await.json(200);
    assert_eq!(server.entries().len(), recorded);

    server.store.fail_commits(false);
    server.check(&server.acme.agent, everything.id("agent"), "", "get_mail").await.json(200);
    assert_eq!(health().await.json(200), healthy);
}

#[tokio::test]
async fn an_answer_says_whether_its_record_is_on_disk_already() {
    let settings = Settings { read_durability: Durability::Grouped, ..Settings::default() };
    let server = TestServer::with(false, settings).await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    for (tool, durability) in [("get_mail", "grouped"), ("update_mail", "sync"), ("delete_mail", "sync")] {
        let answer = server.check(&server.acme.agent, &agent, "", tool).await.json(200);
        assert_eq!(answer["durability"], durability, "{tool}");
    }
    assert_eq!(server.get("/health", &Caller::developer()).await.json(200)["read_durability"], "grouped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_checks_at_once_in_one_session_are_fifty_calls() {
    let server = Arc::new(TestServer::new().await);
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let session = server.session(&server.acme, &agent).await;
    let asking = (0..50).map(|number| {
        let (server, agent, session) = (Arc::clone(&server), agent.clone(), session.clone());
        tokio::spawn(async move {
            let tool = if number % 5 == 0 { "update_mail" } else { "get_mail" };
            server.check(&server.acme.agent, &agent, &session, tool).await.json(200)
        })
    });
    let mut ids = BTreeSet::new();
    let mut approvals = BTreeSet::new();
    for asked in asking.collect::<Vec<_>>() {
        let answer = asked.await.unwrap();
        ids.insert(answer["check_id"].as_str().unwrap().to_owned());
        approvals.extend(answer["approval_id"].as_str().map(str::to_owned));
    }
    assert_eq!((ids.len(), approvals.len()), (50, 1), "fifty decisions, of which ten wait for one approval");
    let told = server.get(&format!("/mcp/sessions/{session}"), &server.acme.agent).await.json(200);
    let calls = ["total_calls", "read_calls", "write_calls", "denied_calls"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(calls, [50, 40, 0, 0]);
    assert_eq!(told["chain"]["length"], 51, "the start and fifty decisions");
    assert_eq!(server.entries().iter().filter(|entry| entry.kind == "decision").count(), 50);
}
