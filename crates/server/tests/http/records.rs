//! Looking things up: decisions by page, sessions, approvals, and what is
//! never shown again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::routes::Everything;
use crate::world::{Caller, TestServer};

fn texts(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_decision_is_found_by_its_id_with_the_entry_as_recorded() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let answer = server.check(&server.acme.agent, everything.id("agent"), "mine", "update_mail").await.json(200);
    let id = answer["check_id"].as_str().unwrap();
    let reply = server.get(&format!("/api/v1/decisions/{id}"), &server.acme.auditor).await;
    let told = reply.json(200);
    let said = ["check_id", "agent_id", "session_id", "tool", "verdict", "effect", "guard_tier", "word", "time"];
    assert_eq!(
        said.map(|name| told[name].as_str().unwrap()),
        [
            id,
            everything.id("agent"),
            "mine",
            "update_mail",
            "allow",
            "mutating",
            "spot",
            "update",
            "2026-11-21T08:00:00.000Z"
        ]
    );
    let entry = server.last_entry();
    assert!(reply.text().contains(&format!(r#""entry":{}"#, entry.text)), "byte for byte: {}", reply.text());
    assert_eq!(told["position"], server.entries().len() - 1);
    for unknown in ["chk_", "chk_zzzzzzzzzzzz", "chk_ééééééééé", "nothing", &format!("chk_{}", "0".repeat(32))]
    {
        let path = format!("/api/v1/decisions/{}", unknown.replace('é', "%C3%A9"));
        server.get(&path, &server.acme.auditor).await.refusal(404, "not_found");
    }
}

#[tokio::test]
async fn a_denial_is_told_with_the_gate_the_code_and_the_reason() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let id =
        server.check(&server.acme.agent, everything.id("other"), "", "get_mail").await.json(200)["check_id"].clone();
    let path = format!("/api/v1/decisions/{}", id.as_str().unwrap());
    let told = server.get(&path, &server.acme.auditor).await.json(200);
    let said = ["verdict", "gate", "code", "reason"].map(|name| told[name].as_str().unwrap());
    assert_eq!(said, ["deny", "capability", "capability_missing", "capability not registered"]);
    assert_eq!(told.get("session_id"), None);
}

#[tokio::test]
async fn pages_of_decisions_show_each_once_the_latest_first() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let mut asked = Vec::new();
    for number in 0..23 {
        let answer = server.check(&server.acme.agent, &agent, "", &format!("get_{number}")).await.json(200);
        asked.push(answer["check_id"].as_str().unwrap().to_owned());
        // Other entries stand between.
        server.clock.pass(Duration::from_secs(1));
        server.get("/api/v1/agents", &Caller::stranger()).await.refusal(401, "api_key_unknown");
    }
    asked.reverse();
    for limit in [1, 5, 22, 23, 100] {
        let (mut seen, mut query) = (Vec::new(), format!("?limit={limit}"));
        loop {
            let page = server.get(&format!("/api/v1/decisions{query}"), &server.acme.auditor).await.json(200);
            let ids = texts(&page["decisions"], "check_id");
            assert!(ids.len() <= limit, "{limit}: {}", ids.len());
            seen.extend(ids);
            assert!(seen.len() <= asked.len(), "a page is shown twice");
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?limit={limit}&before={next}");
        }
        assert_eq!(seen, asked, "{limit} at a time");
    }
    for all in ["", "?limit=99999", "?before=99999", "?unknown=1"] {
        let page = server.get(&format!("/api/v1/decisions{all}"), &server.acme.auditor).await.json(200);
        assert_eq!(texts(&page["decisions"], "check_id"), asked, "{all}");
    }
    let least = server.get("/api/v1/decisions?limit=0", &server.acme.auditor).await.json(200);
    assert_eq!(texts(&least["decisions"], "check_id"), asked[..1]);
}

#[tokio::test]
async fn decisions_are_listed_by_agent_session_tool_and_verdict() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let (agent, other) = (everything.id("agent"), everything.id("other"));
    for (who, session, tool) in [
        (agent, "mine", "get_mail"),
        (agent, "", "get_mail"),
        (agent, "mine", "update_mail"),
        (other, "mine", "get_mail"),
    ] {
        server.check(&server.acme.agent, who, session, tool).await.json(200);
    }
    // `Everything` asked once too, and has to wait.
    for (query, count) in [
        (format!("agent={agent}"), 4),
        (format!("agent={other}"), 1),
        ("session=mine".into(), 3),
        ("tool=get_mail".into(), 3),
        ("verdict=allow".into(), 3),
        ("verdict=deny".into(), 1),
        ("verdict=elevate".into(), 1),
        (format!("agent={agent}&session=mine&tool=get_mail&verdict=allow"), 1),
        ("agent=agent_nobody".into(), 0),
    ] {
        let page = server.get(&format!("/api/v1/decisions?{query}"), &server.acme.auditor).await.json(200);
        assert_eq!(page["decisions"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn sessions_are_listed_the_latest_first_by_agent_and_up_to_a_limit() {
    let server = TestServer::new().await;
    let (one, two) = (server.agent(&server.acme, "one", &["*"]).await, server.agent(&server.acme, "two", &["*"]).await);
    let mut started = Vec::new();
    for agent in [&one, &two, &one] {
        started.push(server.session(&server.acme, agent).await);
        server.clock.pass(Duration::from_secs(1));
    }
    started.reverse();
    let list = async |query: &str| {
        let told = server.get(&format!("/api/v1/sessions{query}"), &server.acme.auditor).await.json(200);
        texts(&told["sessions"], "session_id")
    };
    assert_eq!(list("").await, started);
    assert_eq!(list(&format!("?agent={two}")).await, started[1..2]);
    assert_eq!(list("?limit=2").await, started[..2]);
}

#[tokio::test]
async fn a_session_tells_how_it_stands() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let path = everything.fill("/api/v1/sessions/{session}");
    let stands = async || {
        let told = server.get(&path, &server.acme.auditor).await.json(200);
        told["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(stands().await, "active");
    let order = async |verb: &str| {
        let path = format!("/api/v1/agents/{}/{verb}", everything.id("agent"));
        server.post(&path, &server.acme.admin, json!({})).await.json(200);
    };
    order("suspend").await;
    assert_eq!(stands().await, "revoked");
    order("resume").await;
    assert_eq!(stands().await, "active");
    server.clock.pass(Duration::from_hours(1));
    assert_eq!(stands().await, "expired");
    let closed = server.post(&format!("{path}/close"), &server.acme.agent, json!({})).await.json(200);
    assert_eq!((closed["status"].as_str().unwrap(), stands().await.as_str()), ("closed", "closed"));
    let answer = server.check(&server.acme.agent, everything.id("agent"), everything.id("session"), "get_mail").await;
    assert_eq!(answer.json(200)["code"], "session_closed");
}

#[tokio::test]
async fn approvals_are_listed_by_how_they_stand() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let mut held = Vec::new();
    for tool in ["delete_a", "delete_b", "delete_c", "delete_d"] {
        let answer = server.check(&server.acme.agent, &agent, "", tool).await.json(200);
        held.push(answer["approval_id"].as_str().unwrap().to_owned());
        server.clock.pass(Duration::from_secs(1));
    }
    let said = json!({ "decided_by": "Ada" });
    let answer = async |id: &str, word: &str| {
        server.post(&format!("/mcp/approvals/{id}/{word}"), &server.acme.approver, said.clone()).await.json(200)
    };
    let list = async |query: &str| {
        let told = server.get(&format!("/api/v1/approvals{query}"), &server.acme.approver).await.json(200);
        texts(&told["approvals"], "id")
    };
    answer(&held[0], "approve").await;
    answer(&held[1], "deny").await;
    assert_eq!(list("?status=approved").await, held[..1]);
    assert_eq!(list("?status=denied").await, held[1..2]);
    assert_eq!(list("?status=pending").await, [held[3].clone(), held[2].clone()]);
    assert_eq!(list("?limit=3").await, [held[3].clone(), held[2].clone(), held[1].clone()]);
    server.clock.pass(Duration::from_mins(15));
    assert_eq!(list("?status=expired").await.len(), 2);
    let late = format!("/mcp/approvals/{}/approve", held[3]);
    server.post(&late, &server.acme.approver, said.clone()).await.refusal(409, "conflict");
}

#[tokio::test]
async fn a_key_is_told_once_and_never_again() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &[]).await;
    let body = json!({ "name": "runtime", "role": "agent", "agent_id": agent });
    let made = server.post("/api/v1/keys", &server.acme.admin, body).await.json(201);
    let secret = made["key"].as_str().unwrap();
    assert!(secret.starts_with("sk_live_"));
    let listed = server.get("/api/v1/keys", &server.acme.admin).await;
    assert!(!listed.text().contains("sk_"), "{}", listed.text());
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    server.delete(&path, &server.acme.admin).await.json(200);
    let listed = server.get("/api/v1/keys", &server.acme.admin).await;
    let keys = listed.json(200);
    let revoked = keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == made["id"]).unwrap();
    let members: BTreeSet<&str> = revoked.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["agent_id", "created_at", "id", "name", "revoked_at", "role"]));
    let recorded = server.entries().into_iter().any(|entry| entry.text.contains(secret));
    assert!(!recorded, "the secret is in the ledger");
}

#[tokio::test]
async fn the_secret_of_a_destination_is_never_told() {
    let server = TestServer::new().await;
    let secret = "a-secret-that-only-the-collector-knows";
    let body = json!({ "name": "siem", "destination_type": "splunk_hec", "endpoint_url": "https://siem.example",
        "auth_token": secret, "filter_event_types": null });
    let made = server.post("/api/v1/siem/destinations", &server.acme.admin, body).await;
    let path = format!("/api/v1/siem/destinations/{}", made.json(201)["id"].as_str().unwrap());
    let changed = server.put(&path, &server.acme.admin, json!({ "auth_token": format!("{secret}-2") })).await;
    let mut replies = vec![made, changed];
    for route in [path.clone(), format!("{path}/logs"), "/api/v1/siem/destinations".into()] {
        replies.push(server.get(&route, &server.acme.admin).await);
    }
    replies.push(server.post(&format!("{path}/test"), &server.acme.admin, json!({})).await);
    for reply in replies {
        assert!(reply.status.is_success(), "{}: {}", reply.asked, reply.text());
        assert!(!reply.text().contains(secret) && !reply.text().contains("auth_token"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_report_says_how_much_of_it_was_recorded() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let times = ["2026-11-21T08:00:00.123456+00:00", "2026-11-21T08:00:00.123456789+00:00", "2026-11-21T08:00:00Z"];
    let events: Vec<Value> = times
        .iter()
        .map(|time| json!({ "event_type": "tool_end", "tool_name": "get_mail", "timestamp": time, "success": true }))
        .collect();
    let before = server.entries().len();
    let body = json!({ "agent_id": everything.id("agent"), "session_id": "mine", "events": events });
    let told = server.post("/api/v1/telemetry/report", &server.acme.agent, body).await.json(200);
    assert_eq!(told, json!({ "accepted": true, "events_processed": 3 }));
    let kinds: Vec<String> = server.entries().split_off(before).into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, ["outcome", "outcome", "outcome"]);
    let none = json!({ "agent_id": everything.id("agent"), "session_id": "", "events": [] });
    let told = server.post("/api/v1/telemetry/report", &server.acme.agent, none).await.json(200);
    assert_eq!(told["events_processed"], 0);
}
