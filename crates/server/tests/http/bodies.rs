//! Requests that cannot be read are refused with a reason that names the place
//! and never the value; requests that published clients send oddly are read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use serde_json::json;

use crate::routes::{Everything, ROUTES, Route};
use crate::world::{Reply, TestServer};

const CHECK: &str = "/api/v1/agenttrust/check";
/// The most bytes a body may have.
const LIMIT: usize = 1 << 20;

/// A body that comes in pieces and does not say how long it is.
struct Pieces(VecDeque<Result<Bytes, &'static str>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

fn pieces(text: &str) -> Body {
    Body::new(Pieces(text.as_bytes().chunks(4_096).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()))
}

async fn send(server: &TestServer, path: &str, body: impl Into<Body>) -> Reply {
    server.ask("POST", path).by(&server.acme.admin).body(body).send().await
}

fn routes_with_a_body() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| !route.body.is_empty())
}

#[tokio::test]
async fn what_is_not_one_json_object_is_refused_by_every_route() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    for route in routes_with_a_body() {
        for body in ["{", "{]", "[]", "null", "\"text\"", "1", "{} {}", "{\"a\":}", "{'a':1}", "no JSON"] {
            let ask = server.ask(route.method, &everything.fill(route.path)).by(&server.acme.admin);
            ask.body(body).send().await.refusal(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused() {
    let server = TestServer::new().await;
    let message = send(&server, CHECK, &b"{\"agent_id\":\"\xff\"}"[..]).await.refusal(400, "invalid_request");
    assert!(message.contains("UTF-8"), "{message}");
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_by_its_place_and_not_repeated() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &[]).await;
    for (path, place, body) in [
        (CHECK, "agent_id", json!({ "agent_id": ["hunter2"], "action_name": "get" })),
        (CHECK, "agent_id", json!({ "agent_id": "hunter2 with spaces", "action_name": "get" })),
        (CHECK, "action_name", json!({ "agent_id": agent, "action_name": { "hunter2": "hunter2" } })),
        (
            CHECK,
            "action_input_summary",
            json!({ "agent_id": agent, "action_name": "a", "action_input_summary": 77_001 }),
        ),
        (CHECK, "session_id", json!({ "agent_id": agent, "action_name": "a", "session_id": ["hunter2"] })),
        ("/api/v1/agents", "capabilities", json!({ "name": "a", "capabilities": "hunter2" })),
        ("/api/v1/agents", "capabilities[1]", json!({ "name": "a", "capabilities": ["a", 77_001] })),
        ("/api/v1/agents", "metadata", json!({ "name": "a", "metadata": "hunter2" })),
        ("/api/v1/agents", "name", json!({ "name": "" })),
        ("/api/v1/agent-tokens/issue", "ttl", json!({ "agent_id": agent, "scopes": [], "ttl": "hunter2" })),
        ("/api/v1/agent-tokens/introspect", "token", json!({ "token": { "hunter2": 1 } })),
        (
            "/api/v1/telemetry/report",
            "events[0].duration_ms",
            json!({ "agent_id": agent, "events": [
            { "event_type": "a", "duration_ms": "hunter2" }] }),
        ),
        (
            "/api/v1/telemetry/report",
            "events[1].timestamp",
            json!({ "agent_id": agent, "events": [
            { "event_type": "a" }, { "event_type": "a", "timestamp": "hunter2" }] }),
        ),
        ("/api/v1/keys", "role", json!({ "name": "a", "role": "hunter2" })),
        ("/api/v1/keys", "role", json!({ "name": "a", "role": "developer" })),
        ("/mcp/servers", "default_mode", json!({ "name": "a", "url": "u", "default_mode": "hunter2" })),
        (
            "/mcp/servers",
            "tools[0].effect_override",
            json!({ "name": "a", "url": "u", "tools": [
            { "name": "a", "effect_override": "hunter2" }] }),
        ),
        (
            "/api/v1/siem/destinations",
            "batch_size",
            json!({ "name": "a", "destination_type": "a",
            "endpoint_url": "https://a", "batch_size": -77_001 }),
        ),
    ] {
        let message = server.post(path, &server.acme.admin, body).await.refusal(400, "invalid_request");
        assert!(message.contains(&format!("`{place}`")), "{path}: {message}");
        assert!(!message.contains("hunter2"), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_field_that_is_missing_is_named() {
    let server = TestServer::new().await;
    for (path, field) in [
        (CHECK, "agent_id"),
        ("/api/v1/actions/check", "agent_id"),
        ("/api/v1/agents", "name"),
        ("/api/v1/agent-tokens/issue", "agent_id"),
        ("/api/v1/agent-tokens/introspect", "token"),
        ("/api/v1/agent-tokens/revoke", "token"),
        ("/api/v1/telemetry/report", "agent_id"),
        ("/mcp/sessions/init", "agent_id"),
        ("/api/v1/agenttrust/api-sessions/init", "token"),
        ("/mcp/servers", "name"),
        ("/api/v1/delegations", "from_agent_id"),
        ("/api/v1/federation/providers", "issuer"),
        ("/api/v1/siem/destinations", "name"),
        ("/api/v1/keys", "name"),
        ("/api/v1/orgs", "name"),
    ] {
        let message = send(&server, path, "{}").await.refusal(400, "invalid_request");
        assert!(message.contains(&format!("`{field}`")), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_key_that_appears_twice_is_refused_at_any_depth_and_however_it_is_spelled() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    for twice in [
        r#""action_name":"get_mail","action_name":"drop_all""#,
        r#""action_name":"get_mail","action_\u006eame":"drop_all""#,
        r#""action_name":"get_mail","nobody_knows":1,"nobody_knows":1"#,
        r#""action_name":"get_mail","action_input":{"to":"a","to":"b"}"#,
        r#""action_name":"get_mail","action_input":[{"deep":{"\u0074o":"a","to":"b"}}]"#,
    ] {
        let body = format!(r#"{{"agent_id":"{agent}",{twice}}}"#);
        let message = send(&server, CHECK, body).await.refusal(400, "invalid_request");
        assert!(message.contains("appears twice"), "{twice}: {message}");
    }
    let metadata = r#"{"name":"a","metadata":{"note":{"a":1,"a":2}}}"#;
    send(&server, "/api/v1/agents", metadata).await.refusal(400, "invalid_request");
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused() {
    let server = TestServer::new().await;
    let deep = format!(r#"{{"name":"a","metadata":{{"a":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let message = send(&server, "/api/v1/agents", deep).await.refusal(400, "invalid_request");
    assert!(message.contains("nested too deep"), "{message}");
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not() {
    let server = TestServer::new().await;
    let body = |length: usize, name: &str| {
        let head = format!(r#"{{"name":"{name}","unknown":""#);
        format!(r#"{head}{}"}}"#, "x".repeat(length - head.len() - 2))
    };
    for (just, more) in [("whole", "larger"), ("pieced", "larger")] {
        let as_sent = |text: String| if just == "pieced" { pieces(&text) } else { text.into() };
        send(&server, "/api/v1/agents", as_sent(body(LIMIT, just))).await.json(201);
        let refused = send(&server, "/api/v1/agents", as_sent(body(LIMIT + 1, more))).await;
        let message = refused.refusal(413, "payload_too_large");
        assert!(message.contains("1048576"), "{message}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let server = TestServer::new().await;
    let broken = Pieces(VecDeque::from([Ok(Bytes::from_static(b"{\"name\":")), Err("the connection was lost")]));
    send(&server, "/api/v1/agents", Body::new(broken)).await.refusal(400, "invalid_request");
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_verb_are_told_apart() {
    let server = TestServer::new().await;
    for path in
        ["/", "/api", "/api/v1/agent", "/api/v1/agents/", "/api/v2/agents", "/mcp/servers/a/b", "/%ff", "//health"]
    {
        server.get(path, &server.acme.admin).await.refusal(404, "route_unknown");
    }
    for (method, path) in [
        ("DELETE", "/api/v1/agents"),
        ("PUT", "/api/v1/agents/a"),
        ("POST", "/health"),
        ("GET", CHECK),
        ("PATCH", "/api/v1/siem/destinations/a"),
        ("OPTIONS", "/api/v1/agents"),
        ("BREW", "/api/v1/agents"),
    ] {
        let reply = server.ask(method, path).by(&server.acme.admin).send().await;
        reply.refusal(405, "method_not_allowed");
        assert!(!reply.header("allow").is_empty(), "{method} {path} does not say what is allowed");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused_with_its_field_and_without_its_value() {
    let server = TestServer::new().await;
    for (path, field) in [
        ("/api/v1/decisions?limit=hunter2", "limit"),
        ("/api/v1/decisions?limit=-1", "limit"),
        ("/api/v1/decisions?before=hunter2", "before"),
        ("/api/v1/decisions?limit=", "limit"),
        ("/api/v1/decisions?limit=1&limit=2", "limit"),
        ("/api/v1/sessions?limit=hunter2", "limit"),
        ("/api/v1/approvals?limit=1.5", "limit"),
        ("/api/v1/agents?org_id=hunter2%2F", "org_id"),
    ] {
        let message = server.get(path, &server.acme.admin).await.refusal(400, "invalid_request");
        assert!(message.contains(&format!("`{field}`")), "{path}: {message}");
        assert!(!message.contains("hunter2"), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_path_that_no_id_can_have_is_refused_and_not_found() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    for route in ROUTES.iter().filter(|route| route.nouns().next().is_some()) {
        for (odd, status, code) in
            [("%ff", 400, "invalid_request"), ("a%2fb", 404, "not_found"), ("%00", 404, "not_found")]
        {
            let noun = route.nouns().next().unwrap();
            let path = route.path.replace(&format!("{{{noun}}}"), odd);
            let ask = server.ask(route.method, &path).by(&server.acme.admin);
            ask.body(everything.fill(route.body)).send().await.refusal(status, code);
        }
    }
}

#[tokio::test]
async fn a_query_or_a_path_that_cannot_be_read_tells_nothing_to_those_without_credentials() {
    let server = TestServer::new().await;
    for path in ["/api/v1/decisions?limit=x", "/api/v1/agents/%ff"] {
        server.ask("GET", path).send().await.refusal(401, "credentials_missing");
    }
}

#[tokio::test]
async fn a_post_that_needs_no_body_takes_none_in_each_way_that_clients_spell_it() {
    for (method, path, status) in [
        ("POST", "/api/v1/delegations/{delegation}/session", 201),
        ("POST", "/api/v1/siem/destinations/{destination}/test", 200),
        ("PUT", "/api/v1/siem/destinations/{destination}", 200),
        ("PUT", "/api/v1/orgs/security-settings", 200),
        ("PUT", "/api/v1/orgs/limits", 200),
        ("POST", "/api/v1/sessions/{session}/close", 200),
        ("POST", "/api/v1/agents/{agent}/suspend", 200),
        ("POST", "/api/v1/agents/{agent}/resume", 200),
        ("POST", "/api/v1/agents/{agent}/revoke", 200),
        ("POST", "/mcp/approvals/{approval}/approve", 200),
        ("POST", "/mcp/approvals/{approval}/deny", 200),
    ] {
        for body in [None, Some(""), Some("{}"), Some(" \r\n")] {
            let server = TestServer::new().await;
            let everything = Everything::of(&server, &server.acme).await;
            let ask = server.ask(method, &everything.fill(path)).by(&server.acme.admin);
            let ask = match body {
                None => ask,
                Some("") => ask.header("content-length", "0"),
                Some(text) => ask.body(text),
            };
            let reply = ask.send().await;
            assert_eq!(reply.status.as_u16(), status, "{path} with {body:?}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn half_of_a_surrogate_pair_is_read_as_the_replacement_character() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let body = format!(
        r#"{{"agent_id":"{agent}","action_name":"delete_mail","action_source":"api",
            "action_input_summary":"cut \ud83d","action_input":{{"\udc00":"\ud83d\ud83d\ude00"}}}}"#
    );
    let held = send(&server, CHECK, body).await.json(200);
    let path = format!("/mcp/approvals/{}", held["approval_id"].as_str().unwrap());
    let approval = server.get(&path, &server.acme.admin).await.json(200);
    assert_eq!(approval["summary"], "cut \u{fffd}");
    let named = send(&server, "/api/v1/agents", r#"{"name":"\ud83d","metadata":{"\ud83d":"\ude00"}}"#).await.json(201);
    assert_eq!(named["name"], "\u{fffd}");
}

#[tokio::test]
async fn a_field_that_nobody_knows_is_ignored_and_null_is_the_same_as_absent() {
    let server = TestServer::new().await;
    let body = json!({ "name": "a", "capabilities": null, "metadata": null, "org_id": null, "public_key": null,
        "surprise": { "of": ["a", "newer", "client"] } });
    let made = server.post("/api/v1/agents", &server.acme.admin, body).await.json(201);
    assert_eq!(
        (&made["capabilities"], &made["metadata"], &made["framework"]),
        (&json!([]), &json!({}), &json!("custom"))
    );
}

#[tokio::test]
async fn no_content_type_is_needed_and_any_is_taken() {
    let server = TestServer::new().await;
    for (kind, name) in [("", "a"), ("text/plain", "b"), ("application/json; charset=utf-8", "c")] {
        let ask = server.ask("POST", "/api/v1/agents").by(&server.acme.admin);
        let reply = ask.content_type(kind).body(json!({ "name": name }).to_string()).send().await;
        reply.json(201);
    }
}

#[tokio::test]
async fn headers_that_name_an_agent_or_a_session_are_ignored() {
    let server = TestServer::new().await;
    let other = server.other_org().await;
    let theirs = Everything::of(&server, &other).await;
    for route in ROUTES {
        let server = TestServer::new().await;
        let everything = Everything::of(&server, &server.acme).await;
        let ask = everything.ask(&server, route).by(&server.acme.admin);
        let leaked = ask.header("x-agent-id", theirs.id("agent")).header("x-session-id", theirs.id("session"));
        let reply = leaked.send().await;
        assert_eq!(reply.status.as_u16(), route.status, "{}: {}", reply.asked, reply.text());
    }
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    let asked = json!({ "agent_id": agent, "action_name": "get_mail" }).to_string();
    let ask = server.ask("POST", CHECK).by(&server.acme.agent).body(asked);
    ask.header("x-agent-id", "agent_other").header("x-session-id", "sess_other").send().await.json(200);
    let decision = server.last_entry();
    assert_eq!((&decision.event["agent"], decision.event.get("session")), (&json!(agent), None));
}
