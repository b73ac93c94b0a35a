//! Dev mode answers without a key, and so answers nobody from elsewhere.

use serde_json::json;

use crate::routes::ROUTES;
use crate::world::{Caller, TestServer};

const AGENTS: &str = "/api/v1/agents";

#[tokio::test]
async fn a_request_for_another_host_is_refused_whoever_asks_and_whatever_for() {
    let server = TestServer::in_dev_mode().await;
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"] {
        for caller in [Caller::developer(), server.acme.admin.clone()] {
            let reply = server.ask("GET", AGENTS).host(host).by(&caller).send().await;
            reply.refusal(403, "not_local");
        }
    }
    for route in ROUTES {
        server.ask(route.method, route.path).host("evil.example").send().await.refusal(403, "not_local");
    }
    server.ask("GET", "/no/such/route").host("evil.example").send().await.refusal(403, "not_local");
}

#[tokio::test]
async fn a_request_that_a_foreign_web_page_sends_is_refused() {
    let server = TestServer::in_dev_mode().await;
    for origin in
        ["https://evil.example", "http://127.0.0.1.evil.example", "null", "", "http://192.168.0.1:8080", "file://"]
    {
        let ask = server.ask("POST", AGENTS).header("origin", origin).body(json!({ "name": "a" }).to_string());
        ask.send().await.refusal(403, "not_local");
    }
    assert_eq!(server.get(AGENTS, &server.acme.admin).await.json(200)["agents"], json!([]));
}

#[tokio::test]
async fn a_request_to_this_machine_is_answered() {
    let server = TestServer::in_dev_mode().await;
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080", ""] {
        server.ask("GET", AGENTS).host(host).send().await.json(200);
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]"] {
        server.ask("GET", AGENTS).header("origin", origin).send().await.json(200);
    }
}

#[tokio::test]
async fn outside_dev_mode_any_host_is_answered_and_nobody_without_a_key() {
    let server = TestServer::new().await;
    let ask = || server.ask("GET", AGENTS).host("countersign.example").header("origin", "https://console.example");
    ask().by(&server.acme.admin).send().await.json(200);
    ask().send().await.refusal(401, "credentials_missing");
    server.ask("GET", AGENTS).host("localhost").send().await.refusal(401, "credentials_missing");
}

#[tokio::test]
async fn a_request_refused_for_where_it_comes_from_has_an_id_and_is_counted() {
    let server = TestServer::in_dev_mode().await;
    let refused = server.ask("GET", AGENTS).host("evil.example").header("x-request-id", "mine").send().await;
    assert_eq!(refused.header("x-request-id"), "mine");
    let metrics = server.get("/metrics", &Caller::developer()).await;
    assert!(metrics.text().contains("countersign_http_responses_total{status=\"403\"} 1\n"), "{}", metrics.text());
}

#[tokio::test]
async fn a_developer_acts_in_the_first_organisation() {
    let server = TestServer::in_dev_mode().await;
    let made = server.post(AGENTS, &Caller::developer(), json!({ "name": "a", "capabilities": ["*"] })).await.json(201);
    assert_eq!(made["org_id"], server.acme.id.as_str());
    let answer = server.check(&Caller::developer(), made["id"].as_str().unwrap(), "", "get_mail").await.json(200);
    assert_eq!(answer["allowed"], true);
    assert_eq!(server.last_entry().event["by"], "developer");
}
