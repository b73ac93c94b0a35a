//! Organisations do not see each other: what belongs to another is not there.

use countersign_core::role::Role;
use serde_json::{Value, json};

use crate::routes::{Everything, ROUTES};
use crate::world::{Org, TestServer};

/// Two organisations, of which the first has one of everything and the second too.
struct Two {
    server: TestServer,
    theirs: Everything,
    mine: Everything,
    me: Org,
}

impl Two {
    async fn new() -> Self {
        let server = TestServer::new().await;
        let me = server.other_org().await;
        let theirs = Everything::of(&server, &server.acme).await;
        let mine = Everything::of(&server, &me).await;
        Self { server, theirs, mine, me }
    }

    /// How many entries of the first organisation there are.
    fn theirs_recorded(&self) -> usize {
        self.server.entries().iter().filter(|entry| entry.org.as_deref() == Some(&self.server.acme.id)).count()
    }
}

#[tokio::test]
async fn an_id_of_another_organisation_is_not_found_by_any_route() {
    let two = Two::new().await;
    let before = two.theirs_recorded();
    for route in ROUTES.iter().filter(|route| route.nouns().next().is_some()) {
        for role in [Role::Admin, Role::Approver, Role::Agent, Role::Auditor] {
            let ask = two.server.ask(route.method, &two.theirs.fill(route.path)).by(&two.me.caller(role));
            let reply = ask.body(two.mine.fill(route.body)).send().await;
            if route.is_open_to(role) {
                let message = reply.refusal(404, "not_found");
                assert!(message.starts_with("no "), "{}: {message}", reply.asked);
            } else {
                reply.refusal(403, "role_insufficient");
            }
        }
    }
    assert_eq!(two.theirs_recorded(), before, "nothing was recorded with the other organisation");
}

#[tokio::test]
async fn another_organisations_id_is_told_from_none_by_nothing() {
    let two = Two::new().await;
    for route in ROUTES.iter().filter(|route| route.nouns().next().is_some()) {
        let noun = route.nouns().next().unwrap();
        let unknown = format!("{}_{}", two.theirs.id(noun).split('_').next().unwrap(), "0".repeat(32));
        let told = async |id: &str| {
            let path = route.path.replace(&format!("{{{noun}}}"), id);
            let ask = two.server.ask(route.method, &path).by(&two.me.admin).body(two.mine.fill(route.body));
            ask.send().await.refusal(404, "not_found").replace(id, "…")
        };
        assert_eq!(told(two.theirs.id(noun)).await, told(&unknown).await, "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn an_id_of_another_organisation_in_a_body_is_not_found() {
    let two = Two::new().await;
    let id = |noun| two.mine.id(noun);
    let their = |noun| two.theirs.id(noun);
    let lent = |from: &str, to: &str, parent: &str| json!({ "from_agent_id": from, "to_agent_id": to, "scope": ["get_*"], "parent_delegation_id": parent });
    let before = two.theirs_recorded();
    for (path, body) in [
        ("/api/v1/agenttrust/check", json!({ "agent_id": their("agent"), "action_name": "get_mail" })),
        ("/api/v1/actions/check", json!({ "agent_id": their("agent"), "tool_name": "get_mail" })),
        ("/api/v1/telemetry/report", json!({ "agent_id": their("agent"), "events": [{ "event_type": "a" }] })),
        ("/api/v1/agent-tokens/issue", json!({ "agent_id": their("agent"), "scopes": [] })),
        ("/api/v1/agent-tokens/revoke", json!({ "token": their("token") })),
        ("/mcp/sessions/init", json!({ "agent_id": their("agent"), "server_id": id("server") })),
        ("/mcp/sessions/init", json!({ "agent_id": id("agent"), "server_id": their("server") })),
        ("/api/v1/delegations", lent(their("agent"), id("other"), "")),
        ("/api/v1/delegations", lent(id("agent"), their("other"), "")),
        ("/api/v1/delegations", lent(id("other"), id("agent"), their("delegation"))),
        ("/api/v1/keys", json!({ "name": "a", "role": "agent", "agent_id": their("agent") })),
    ] {
        two.server.post(path, &two.me.admin, body).await.refusal(404, "not_found");
    }
    assert_eq!(two.theirs_recorded(), before);
}

#[tokio::test]
async fn a_session_of_another_organisation_is_no_session() {
    let two = Two::new().await;
    let denied = two.server.check(&two.me.agent, two.mine.id("agent"), two.theirs.id("session"), "get_mail").await;
    assert_eq!(denied.json(200)["code"], "session_unknown");
    let unknown = format!("sess_{}", "0".repeat(32));
    let missing = two.server.check(&two.me.agent, two.mine.id("agent"), &unknown, "get_mail").await;
    assert_eq!(denied.json(200)["reason"], missing.json(200)["reason"]);
}

#[tokio::test]
async fn a_token_of_another_organisation_is_no_token() {
    let two = Two::new().await;
    let token = two.theirs.id("token");
    let told = two.server.post("/api/v1/agent-tokens/introspect", &two.me.admin, json!({ "token": token })).await;
    assert_eq!((&told.json(200)["active"], told.json(200).get("org_id")), (&json!(false), None));
    let init = json!({ "token": token });
    let refused = two.server.post("/api/v1/agenttrust/api-sessions/init", &two.me.admin, init).await;
    refused.refusal(401, "token_inactive");
}

#[tokio::test]
async fn no_list_shows_what_belongs_to_another_organisation() {
    let two = Two::new().await;
    let lists = ROUTES.iter().filter(|route| route.method == "GET" && !route.path.contains('{'));
    for route in lists.filter(|route| !["/metrics", "/api/v1/openapi.json"].contains(&route.path)) {
        let told = two.server.get(route.path, &two.me.admin).await;
        assert_eq!(told.status, 200);
        assert!(!told.text().contains(&two.server.acme.id), "{}: {}", route.path, told.text());
    }
    for filtered in
        ["/api/v1/decisions?agent={agent}", "/api/v1/decisions?session={session}", "/api/v1/sessions?agent={agent}"]
    {
        let told = two.server.get(&two.theirs.fill(filtered), &two.me.admin).await.json(200);
        let lists: Vec<&Value> = told.as_object().unwrap().values().filter(|value| value.is_array()).collect();
        assert_eq!(lists, [&json!([])], "{filtered}");
    }
}

#[tokio::test]
async fn naming_another_organisation_than_ones_own_is_refused() {
    let two = Two::new().await;
    let theirs = &two.server.acme.id;
    let listed = two.server.get(&format!("/api/v1/agents?org_id={theirs}"), &two.me.admin).await;
    listed.refusal(403, "org_mismatch");
    let body = json!({ "name": "a", "org_id": theirs });
    two.server.post("/api/v1/agents", &two.me.admin, body).await.refusal(403, "org_mismatch");
    let unknown = json!({ "name": "a", "org_id": "org_unknown" });
    two.server.post("/api/v1/agents", &two.me.admin, unknown).await.refusal(403, "org_mismatch");
    for mine in ["", two.me.id.as_str()] {
        two.server.get(&format!("/api/v1/agents?org_id={mine}"), &two.me.admin).await.json(200);
    }
}

#[tokio::test]
async fn a_name_that_another_organisation_uses_is_free_and_ones_own_is_taken() {
    let two = Two::new().await;
    two.server.agent(&two.server.acme, "namesake", &[]).await;
    two.server.agent(&two.me, "namesake", &[]).await;
    let again = two.server.post("/api/v1/agents", &two.me.admin, json!({ "name": "namesake" })).await;
    let message = again.refusal(409, "conflict");
    assert!(message.contains("`namesake`"), "{message}");
}

#[tokio::test]
async fn a_stop_and_a_setting_hold_in_their_own_organisation_alone() {
    let two = Two::new().await;
    two.server.post("/api/v1/stops", &two.me.admin, json!({ "reason": "an incident" })).await.json(201);
    let strict = json!({ "require_sender_constrained_tokens": true });
    two.server.put("/api/v1/orgs/security-settings", &two.me.admin, strict).await.json(200);
    two.server.put("/api/v1/orgs/limits", &two.me.admin, json!({ "agent_per_minute": 1 })).await.json(200);
    for _ in 0..3 {
        let answer = two.server.check(&two.server.acme.agent, two.theirs.id("agent"), "", "get_mail").await;
        assert_eq!(answer.json(200)["allowed"], true);
    }
}

#[tokio::test]
async fn an_agent_sees_its_own_sessions_and_approvals_and_not_another_agents() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let asked = json!({ "agent_id": everything.id("other"), "scopes": [] });
    let stranger = server.post("/api/v1/agent-tokens/issue", &server.acme.agent, asked).await.json(200);
    let stranger = crate::world::Caller::token(stranger["token"].as_str().unwrap());
    let owner = crate::world::Caller::token(everything.id("token"));
    for path in ["/mcp/sessions/{session}", "/api/v1/sessions/{session}", "/mcp/approvals/{approval}"] {
        server.get(&everything.fill(path), &stranger).await.refusal(404, "not_found");
        server.get(&everything.fill(path), &owner).await.json(200);
    }
    server
        .post(&everything.fill("/api/v1/sessions/{session}/close"), &stranger, json!({}))
        .await
        .refusal(404, "not_found");
    assert_eq!(server.get("/api/v1/sessions", &stranger).await.json(200)["sessions"], json!([]));
    assert_eq!(server.get("/api/v1/approvals", &stranger).await.json(200)["approvals"], json!([]));
}
