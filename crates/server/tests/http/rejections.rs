//! Who could not prove who they are is on record before they are told so.

use std::time::Duration;

use serde_json::json;

use crate::routes::Everything;
use crate::world::{Caller, Reply, TestServer};

const AGENTS: &str = "/api/v1/agents";

#[tokio::test]
async fn a_rejection_is_recorded_with_the_route_as_a_pattern_and_without_the_secret() {
    let server = TestServer::new().await;
    let unknown = format!("at_{}", "A".repeat(43));
    let secret = |text: &str| text.replace("Bearer ", "");
    let cases = [
        ("x-api-key", "sk_live_guess-who", "api_key_unknown", "api_key"),
        ("authorization", "Bearer sk_live_guess-who", "api_key_unknown", "api_key"),
        ("authorization", "Bearer nonsense", "credential_unknown", "bearer"),
        ("authorization", "Bearer eyJh.guess.who", "credential_unsupported", "bearer"),
        ("authorization", &format!("Bearer {unknown}"), "token_inactive", "access_token"),
    ];
    for (header, value, code, credential) in cases {
        let before = server.entries().len();
        let reply = server.ask("GET", "/api/v1/agents/agent_guess").header(header, value).send().await;
        reply.refusal(401, code);
        assert_eq!(server.entries().len(), before + 1);
        let entry = server.last_entry();
        assert_eq!((entry.kind.as_str(), &entry.org), ("rejection", &None));
        let event = json!({ "code": code, "credential": credential, "route": "/api/v1/agents/{id}" });
        assert_eq!(entry.event, event);
        assert!(!entry.text.contains(&secret(value)), "{}", entry.text);
    }
}

#[tokio::test]
async fn a_call_without_credentials_is_recorded_too() {
    let server = TestServer::new().await;
    server.ask("POST", "/mcp/approvals/appr_1/approve").send().await.refusal(401, "credentials_missing");
    let event = json!({ "code": "credentials_missing", "credential": "none", "route": "/mcp/approvals/{id}/approve" });
    assert_eq!(server.last_entry().event, event);
}

#[tokio::test]
async fn a_rejection_is_recorded_with_the_organisation_that_the_credential_was_of() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let of = || server.last_entry().org;
    let ask = || server.ask("GET", AGENTS).by(&server.acme.admin);
    ask().header("authorization", "Bearer nonsense").send().await.refusal(401, "credential_unknown");
    assert_eq!(of().as_ref(), Some(&server.acme.id), "the key is good, the bearer is not");
    server.clock.pass(Duration::from_hours(1));
    server.get(AGENTS, &Caller::token(everything.id("token"))).await.refusal(401, "token_inactive");
    assert_eq!(of().as_ref(), Some(&server.acme.id), "the token has expired");
}

#[tokio::test]
async fn a_dead_token_in_a_body_is_recorded_as_a_rejection() {
    let server = TestServer::new().await;
    let body = json!({ "token": "at_guess-who" });
    let reply = server.post("/api/v1/agenttrust/api-sessions/init", &server.acme.agent, body).await;
    reply.refusal(401, "token_inactive");
    let entry = server.last_entry();
    assert_eq!((entry.kind.as_str(), &entry.event["code"]), ("rejection", &json!("token_inactive")));
    assert!(!entry.text.contains("guess-who"), "{}", entry.text);
}

#[tokio::test]
async fn a_check_without_a_bound_token_where_one_is_demanded_is_recorded_as_a_rejection() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let strict = |on: bool| json!({ "require_sender_constrained_tokens": on });
    server.put("/api/v1/orgs/security-settings", &server.acme.admin, strict(true)).await.json(200);
    for path in ["/api/v1/agenttrust/check", "/api/v1/actions/check"] {
        for caller in [&server.acme.admin, &server.acme.agent, &Caller::token(everything.id("token"))] {
            let body =
                json!({ "agent_id": everything.id("agent"), "action_name": "get_mail", "tool_name": "get_mail" });
            let reply = server.post(path, caller, body).await;
            let message = reply.refusal(401, "sender_constrained_token_required");
            assert!(message.contains("require_sender_constrained_tokens"), "{message}");
            let entry = server.last_entry();
            assert_eq!((entry.kind.as_str(), entry.org.as_ref()), ("rejection", Some(&server.acme.id)));
        }
    }
    // What runs the organisation goes on, and so the demand can be dropped.
    server.agent(&server.acme, "later", &[]).await;
    server.put("/api/v1/orgs/security-settings", &server.acme.admin, strict(false)).await.json(200);
    server.check(&server.acme.agent, everything.id("agent"), "", "get_mail").await.json(200);
}

#[tokio::test]
async fn while_the_ledger_fails_nobody_is_told_that_their_credentials_are_bad() {
    let server = TestServer::new().await;
    let before = server.entries().len();
    server.store.fail_commits(true);
    for caller in [Caller::default(), Caller::stranger(), Caller::token("nonsense")] {
        server.get(AGENTS, &caller).await.refusal(503, "ledger_unavailable");
    }
    assert_eq!(server.entries().len(), before);
    server.store.fail_commits(false);
    server.get(AGENTS, &Caller::stranger()).await.refusal(401, "api_key_unknown");
}

#[tokio::test]
async fn who_guesses_more_than_six_thousand_times_a_minute_is_turned_away_unrecorded() {
    let server = TestServer::new().await;
    let guess =
        async |number: usize| -> Reply { server.get(AGENTS, &Caller::key(&format!("sk_live_guess-{number}"))).await };
    let before = server.entries().len();
    for number in 0..6_000 {
        assert_eq!(guess(number).await.status, 401);
    }
    assert_eq!(server.entries().len(), before + 6_000);
    for number in 6_000..6_010 {
        guess(number).await.refusal(429, "too_many_requests");
    }
    assert_eq!(server.entries().len(), before + 6_000);
    // Whoever has a good key is not held up by those who guess.
    server.get(AGENTS, &server.acme.admin).await.json(200);
    server.clock.pass(Duration::from_mins(1));
    guess(0).await.refusal(401, "api_key_unknown");
}
