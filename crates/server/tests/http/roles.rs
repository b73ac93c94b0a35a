//! Who may ask for what: every route against every role.

use std::time::Duration;

use countersign_core::role::{Right, Role};
use serde_json::json;

use crate::routes::{Everything, ROUTES, asked};
use crate::world::{Caller, TestServer};

const ROLES: [Role; 5] = [Role::Admin, Role::Approver, Role::Agent, Role::Auditor, Role::Developer];

#[tokio::test]
async fn every_role_is_answered_where_it_has_the_right_and_refused_where_it_has_not() {
    for route in ROUTES {
        for role in ROLES {
            let (_, _, reply) = asked(route, |org| org.caller(role)).await;
            if route.is_open_to(role) {
                assert_eq!(reply.status.as_u16(), route.status, "{role:?}: {}: {}", reply.asked, reply.text());
            } else {
                reply.refusal(403, "role_insufficient");
            }
        }
    }
}

#[tokio::test]
async fn what_a_role_may_not_do_leaves_no_trace_of_having_been_done() {
    let server = TestServer::in_dev_mode().await;
    let everything = Everything::of(&server, &server.acme).await;
    let before = server.entries().len();
    for route in ROUTES {
        for role in ROLES.into_iter().filter(|role| !route.is_open_to(*role)) {
            everything.ask(&server, route).by(&server.acme.caller(role)).send().await.refusal(403, "role_insufficient");
        }
    }
    assert_eq!(server.entries().len(), before);
}

#[tokio::test]
async fn a_developer_registers_issues_and_asks_and_never_approves_or_rules() {
    for (method, path, may) in [
        ("POST", "/api/v1/agents", true),
        ("POST", "/api/v1/agent-tokens/issue", true),
        ("POST", "/api/v1/agenttrust/check", true),
        ("POST", "/api/v1/telemetry/report", true),
        ("POST", "/mcp/sessions/init", true),
        ("POST", "/api/v1/delegations", true),
        ("GET", "/api/v1/decisions", true),
        ("POST", "/mcp/approvals/{approval}/approve", false),
        ("POST", "/mcp/approvals/{approval}/deny", false),
        ("GET", "/api/v1/keys", false),
        ("POST", "/api/v1/keys", false),
        ("DELETE", "/api/v1/keys/{key}", false),
        ("PUT", "/api/v1/orgs/security-settings", false),
        ("PUT", "/api/v1/orgs/limits", false),
        ("POST", "/api/v1/orgs", false),
        ("POST", "/api/v1/agents/{agent}/revoke", false),
        ("POST", "/api/v1/stops", false),
        ("POST", "/mcp/servers", false),
        ("POST", "/api/v1/siem/destinations", false),
        ("POST", "/api/v1/federation/providers", false),
    ] {
        let route = ROUTES.iter().find(|route| (route.method, route.path) == (method, path)).unwrap();
        let (_, _, reply) = asked(route, |_| Caller::developer()).await;
        assert_eq!(reply.status.is_success(), may, "{}: {}", reply.asked, reply.text());
    }
}

/// Every route that is not about another agent, asked by who proved to be the
/// first one, is answered where `has` says and refused where it does not.
async fn proved(caller: impl AsyncFn(&TestServer, &Everything) -> Caller, has: &[Right]) {
    for route in ROUTES.iter().filter(|route| !route.path.ends_with("/session")) {
        let server = TestServer::new().await;
        let everything = Everything::of(&server, &server.acme).await;
        let caller = caller(&server, &everything).await;
        let reply = everything.ask(&server, route).by(&caller).send().await;
        if route.is_open_with(has) {
            assert_eq!(reply.status.as_u16(), route.status, "{}: {}", reply.asked, reply.text());
        } else {
            reply.refusal(403, "role_insufficient");
        }
    }
}

#[tokio::test]
async fn an_access_token_asks_and_reads_and_begets_nothing() {
    proved(async |_, everything| Caller::token(everything.id("token")), &[Right::Ask, Right::Read]).await;
}

#[tokio::test]
async fn an_access_token_beside_an_administrators_key_is_still_the_agent() {
    let both = async |server: &TestServer, everything: &Everything| {
        let admin = server.acme.admin.secret().to_owned();
        Caller::token(everything.id("token")).with(("x-api-key", admin))
    };
    proved(both, &[Right::Ask, Right::Read]).await;
}

#[tokio::test]
async fn a_key_that_is_bound_to_an_agent_may_what_an_agent_may() {
    let bound = async |server: &TestServer, everything: &Everything| {
        let body = json!({ "name": "bound", "role": "agent", "agent_id": everything.id("agent") });
        let made = server.post("/api/v1/keys", &server.acme.admin, body).await.json(201);
        Caller::key(made["key"].as_str().unwrap())
    };
    proved(bound, &[Right::Ask, Right::Read, Right::Issue, Right::Delegate]).await;
}

#[tokio::test]
async fn only_the_first_organisation_makes_others_and_sees_them() {
    let server = TestServer::new().await;
    server.clock.pass(Duration::from_secs(1));
    let other = server.other_org().await;
    let body = json!({ "name": "initech" });
    server.post("/api/v1/orgs", &other.admin, body).await.refusal(403, "not_root");
    let names = |told: serde_json::Value| -> Vec<String> {
        told["orgs"].as_array().unwrap().iter().map(|org| org["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(server.get("/api/v1/orgs", &server.acme.admin).await.json(200)), ["acme", "globex"]);
    assert_eq!(names(server.get("/api/v1/orgs", &other.admin).await.json(200)), ["globex"]);
}
