//! Shapes that five published clients read, each in its own way.

use serde_json::{Value, json};

use crate::routes::{Everything, ROUTES, Route, asked};
use crate::world::TestServer;

/// The names of an object's members, sorted.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

const AGENT: [&str; 10] =
    ["blocked", "capabilities", "created_at", "framework", "id", "metadata", "name", "org_id", "public_key", "status"];

#[tokio::test]
async fn a_new_agent_is_told_wrapped_and_flat_at_once() {
    let server = TestServer::new().await;
    let body = json!({ "name": "first", "framework": "langchain", "capabilities": ["a", "b:*"] });
    let made = server.post("/api/v1/agents", &server.acme.admin, body).await.json(201);
    assert_eq!(members(&made["agent"]), AGENT);
    for name in AGENT {
        assert_eq!(made[name], made["agent"][name], "{name}");
    }
    assert_eq!(made["status"], "active");
    assert_eq!(made["org_id"], server.acme.id.as_str());
}

#[tokio::test]
async fn an_agent_is_read_flat() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["a"]).await;
    let path = format!("/api/v1/agents/{agent}");
    assert_eq!(members(&server.get(&path, &server.acme.admin).await.json(200)), AGENT);
    for (verb, status) in [("suspend", "suspended"), ("resume", "active")] {
        let told = server.post(&format!("{path}/{verb}"), &server.acme.admin, json!({})).await.json(200);
        assert_eq!((members(&told), &told["status"]), (AGENT.to_vec(), &json!(status)));
    }
}

#[tokio::test]
async fn a_list_of_agents_has_the_revoked_ones_too() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &[]).await;
    server.post(&format!("/api/v1/agents/{agent}/revoke"), &server.acme.admin, json!({})).await.json(200);
    let listed = server.get("/api/v1/agents", &server.acme.admin).await.json(200);
    assert_eq!((&listed["agents"][0]["id"], &listed["agents"][0]["status"]), (&json!(agent), &json!("revoked")));
}

#[tokio::test]
async fn metadata_and_a_public_key_come_back_as_they_were_sent() {
    let server = TestServer::new().await;
    let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEANjxk4zfyVQCy7AWV+iY0qX07NLn1TftCjMntVOO93x4=\n-----END PUBLIC KEY-----\n";
    let body = format!(
        r#"{{"name":"a","public_key":{},"metadata":{{"camelCase":null,"big":12345678901234567890123,"n":1.10}}}}"#,
        json!(key)
    );
    let ask = server.ask("POST", "/api/v1/agents").by(&server.acme.admin);
    let made = ask.body(body).send().await;
    assert_eq!(made.json(201)["public_key"], key);
    assert!(made.text().contains(r#"{"camelCase":null,"big":12345678901234567890123,"n":1.10}"#), "{}", made.text());
}

#[tokio::test]
async fn every_list_is_wrapped_in_an_object() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    for (path, names) in [
        ("/api/v1/agents", &["agents"][..]),
        ("/api/v1/approvals", &["approvals"]),
        ("/api/v1/decisions", &["decisions", "next"]),
        ("/api/v1/delegations", &["delegations"]),
        ("/api/v1/federation/providers", &["providers"]),
        ("/api/v1/keys", &["keys"]),
        ("/api/v1/orgs", &["orgs"]),
        ("/api/v1/sessions", &["sessions"]),
        ("/api/v1/siem/destinations", &["destinations", "total"]),
        ("/api/v1/siem/destinations/{destination}/logs", &["logs", "total"]),
        ("/api/v1/stops", &["stops"]),
        ("/mcp/servers", &["servers"]),
    ] {
        let listed = server.get(&everything.fill(path), &server.acme.admin).await.json(200);
        let named: Vec<&str> = members(&listed).into_iter().filter(|name| *name != "next").collect();
        assert_eq!(named, names.iter().copied().filter(|name| *name != "next").collect::<Vec<_>>(), "{path}");
        assert!(listed[names[0]].is_array(), "{path}");
    }
}

#[tokio::test]
async fn a_list_of_nothing_is_an_empty_list() {
    let server = TestServer::new().await;
    for (path, name) in [
        ("/api/v1/agents", "agents"),
        ("/api/v1/approvals", "approvals"),
        ("/api/v1/decisions", "decisions"),
        ("/api/v1/delegations", "delegations"),
        ("/api/v1/federation/providers", "providers"),
        ("/api/v1/sessions", "sessions"),
        ("/api/v1/siem/destinations", "destinations"),
        ("/api/v1/stops", "stops"),
        ("/mcp/servers", "servers"),
    ] {
        assert_eq!(server.get(path, &server.acme.admin).await.json(200)[name], json!([]), "{path}");
    }
}

#[tokio::test]
async fn a_delegation_is_told_wrapped_when_made_and_flat_when_read() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let body = json!({ "from_agent_id": everything.id("agent"), "to_agent_id": everything.id("other"),
        "scope": ["get_mail"], "restrictions": { "maxCalls": 10 } });
    let made = server.post("/api/v1/delegations", &server.acme.agent, body).await.json(201);
    assert_eq!(members(&made), ["delegation"]);
    let path = format!("/api/v1/delegations/{}", made["delegation"]["id"].as_str().unwrap());
    let read = server.get(&path, &server.acme.admin).await.json(200);
    assert_eq!(read, made["delegation"]);
    let names = [
        "created_at",
        "delegation_chain",
        "expires_at",
        "from_agent_id",
        "id",
        "org_id",
        "restrictions",
        "scope",
        "to_agent_id",
    ];
    assert_eq!(members(&read), names);
    assert_eq!(read["expires_at"], "2026-11-21T09:00:00.000Z", "an hour where nothing is said");
}

#[tokio::test]
async fn a_provider_is_told_wrapped_when_registered() {
    let server = TestServer::new().await;
    let body = json!({ "issuer": "https://issuer.example", "name": "partner" });
    let made = server.post("/api/v1/federation/providers", &server.acme.admin, body).await.json(201);
    let names = ["created_at", "id", "issuer", "jwks_uri", "name", "org_id", "status", "trust_level", "updated_at"];
    assert_eq!((members(&made), members(&made["provider"])), (vec!["provider"], names.to_vec()));
    assert_eq!((&made["provider"]["trust_level"], &made["provider"]["status"]), (&json!("standard"), &json!("active")));
}

#[tokio::test]
async fn a_session_is_flat_and_always_names_itself_its_agent_and_its_organisation() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let init = |path: &str, body: Value| server.ask("POST", path).by(&server.acme.agent).body(body.to_string()).send();
    let (agent, other) = (everything.id("agent"), everything.id("other"));
    let mcp = json!({ "agent_id": agent, "server_id": everything.id("server") });
    let mcp = init("/mcp/sessions/init", mcp).await.json(201);
    let api = json!({ "token": everything.id("token") });
    let api = init("/api/v1/agenttrust/api-sessions/init", api).await.json(201);
    let a2a = init(&everything.fill("/api/v1/delegations/{delegation}/session"), json!({})).await.json(201);
    for (session, source, owner, ceiling) in
        [(&mcp, "mcp", agent, json!(["*"])), (&api, "api", agent, json!(["*"])), (&a2a, "a2a", other, json!(["get_*"]))]
    {
        assert!(session["session_id"].as_str().unwrap().starts_with("sess_"));
        assert_eq!(session["agent_id"], owner);
        assert_eq!(session["org_id"], server.acme.id.as_str());
        assert_eq!(session["source"], source);
        assert_eq!(session["mode"], "read_only");
        assert_eq!(session["scope_ceiling"], ceiling);
        let path = session["session_id"].as_str().unwrap();
        assert_eq!(server.get(&format!("/mcp/sessions/{path}"), &server.acme.agent).await.json(200), *session);
        assert_eq!(server.get(&format!("/api/v1/sessions/{path}"), &server.acme.agent).await.json(200), *session);
    }
    assert_eq!(mcp["server_id"], everything.id("server"));
    assert_eq!(a2a["delegation_id"], everything.id("delegation"));
}

#[tokio::test]
async fn a_token_always_says_when_it_ends_and_lists_its_scopes() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["files:*"]).await;
    let body = json!({ "agent_id": agent, "scopes": ["files:read", "files:write"], "ttl": 0 });
    let issued = server.post("/api/v1/agent-tokens/issue", &server.acme.agent, body).await.json(200);
    let names = ["agent_id", "audience", "expires_at", "issued_at", "scopes", "token", "token_id"];
    assert_eq!(members(&issued), names, "and no `scope` beside `scopes`");
    assert_eq!(issued["scopes"], json!(["files:read", "files:write"]));
    assert_eq!(issued["expires_at"], "2026-11-21T08:05:00.000Z");
    assert!(issued["token"].as_str().unwrap().starts_with("at_"));
}

#[tokio::test]
async fn a_dead_token_is_an_answer_and_not_an_error() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let introspect = |token: &str, scopes: Value| {
        let body = json!({ "token": token, "target": null, "required_scopes": scopes }).to_string();
        server.ask("POST", "/api/v1/agent-tokens/introspect").by(&server.acme.agent).body(body).send()
    };
    let token = everything.id("token");
    let live = introspect(token, json!(["anything"])).await.json(200);
    assert_eq!((&live["active"], &live["agent_id"]), (&json!(true), &json!(everything.id("agent"))));
    let unknown = introspect("at_nobody-issued-this", json!([])).await.json(200);
    server.post("/api/v1/agent-tokens/revoke", &server.acme.agent, json!({ "token": token })).await.json(200);
    let revoked = introspect(token, json!([])).await.json(200);
    for (dead, why) in [(unknown, "no such token"), (revoked, "revoked")] {
        assert_eq!((&dead["active"], dead.get("expires_at"), dead.get("agent_id")), (&json!(false), None, None));
        assert!(dead["reasoning"].as_str().unwrap().contains(why), "{dead}");
    }
}

#[tokio::test]
async fn an_order_that_leaves_nothing_to_tell_is_answered_with_success() {
    let leaves_nothing = |route: &&Route| route.method == "DELETE" || route.path.ends_with("revoke");
    // That policies were taken away is a version of them.
    for route in ROUTES.iter().filter(leaves_nothing).filter(|route| route.path != "/api/v1/policies") {
        let (_, _, reply) = asked(route, |org| org.admin.clone()).await;
        assert_eq!(reply.json(200), json!({ "success": true }), "{}", reply.asked);
    }
}

#[tokio::test]
async fn security_settings_are_told_whole_and_what_is_left_out_of_a_change_stays() {
    let server = TestServer::new().await;
    let path = "/api/v1/orgs/security-settings";
    let told = |possession: bool, constrained: bool| json!({ "require_proof_of_possession": possession, "require_sender_constrained_tokens": constrained });
    assert_eq!(server.get(path, &server.acme.admin).await.json(200), told(false, false));
    assert_eq!(server.put(path, &server.acme.admin, told(true, true)).await.json(200), told(true, true));
    let part = json!({ "require_sender_constrained_tokens": false });
    assert_eq!(server.put(path, &server.acme.admin, part).await.json(200), told(true, false));
    assert_eq!(server.put(path, &server.acme.admin, json!({})).await.json(200), told(true, false));
    assert_eq!(server.get(path, &server.acme.agent).await.json(200), told(true, false));
}

#[tokio::test]
async fn a_change_to_a_destination_leaves_what_it_does_not_name() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let path = everything.fill("/api/v1/siem/destinations/{destination}");
    let before = server.get(&path, &server.acme.admin).await.json(200);
    let names = [
        "batch_size",
        "created_at",
        "destination_type",
        "endpoint_url",
        "filter_event_types",
        "flush_interval_seconds",
        "id",
        "is_active",
        "name",
        "org_id",
        "updated_at",
    ];
    assert_eq!(members(&before), names);
    let after = server.put(&path, &server.acme.admin, json!({ "batch_size": 7, "is_active": false })).await.json(200);
    let mut expected = before;
    (expected["batch_size"], expected["is_active"]) = (json!(7), json!(false));
    assert_eq!(after, expected);
}

#[tokio::test]
async fn a_test_of_a_destination_is_logged_with_a_stable_id() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let path = everything.fill("/api/v1/siem/destinations/{destination}");
    let tested = server.post(&format!("{path}/test"), &server.acme.admin, json!({})).await.json(200);
    assert_eq!(tested["success"], false, "nothing is sent, and the answer says so");
    let logs = server.get(&format!("{path}/logs"), &server.acme.admin).await.json(200);
    let again = server.get(&format!("{path}/logs"), &server.acme.admin).await.json(200);
    assert_eq!((&logs["total"], &logs), (&json!(1), &again));
    assert_eq!(
        members(&logs["logs"][0]),
        ["batch_size", "delivered_at", "destination_id", "error_message", "id", "status"]
    );
}
