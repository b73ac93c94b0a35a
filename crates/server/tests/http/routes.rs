//! Every route there is: the right it needs, a request that succeeds, and the
//! status it succeeds with. Other tests walk this table.

use countersign_core::role::Right;
use serde_json::{Value, json};

use crate::world::{Ask, Caller, Org, Reply, TestServer};

/// Who may ask for a route.
#[derive(Debug, Clone, Copy)]
pub enum Needs {
    /// Everyone, without credentials too.
    Nothing,
    /// Who has any of these rights.
    Any(&'static [Right]),
}

/// A route, with words in braces for what [`Everything`] knows the ids of.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub needs: Needs,
    /// The body to send; empty for none.
    pub body: &'static str,
    pub status: u16,
}

const fn route(method: &'static str, path: &'static str, needs: Needs, status: u16, body: &'static str) -> Route {
    Route { method, path, needs, body, status }
}

const OPEN: Needs = Needs::Nothing;
const ASK: Needs = Needs::Any(&[Right::Ask]);
const ISSUE: Needs = Needs::Any(&[Right::Issue]);
const REGISTER: Needs = Needs::Any(&[Right::Register]);
const DELEGATE: Needs = Needs::Any(&[Right::Delegate]);
const READ: Needs = Needs::Any(&[Right::Read]);
const AUDIT: Needs = Needs::Any(&[Right::Audit]);
const APPROVE: Needs = Needs::Any(&[Right::Approve]);
const ADMINISTER: Needs = Needs::Any(&[Right::Administer]);

/// Every route that this version answers.
pub const ROUTES: &[Route] = &[
    route("GET", "/health", OPEN, 200, ""),
    route("GET", "/metrics", OPEN, 200, ""),
    route("GET", "/api/v1/openapi.json", OPEN, 200, ""),
    route("POST", "/api/v1/agents", REGISTER, 201, r#"{"name":"new","framework":"custom","capabilities":[]}"#),
    route("GET", "/api/v1/agents", READ, 200, ""),
    route("GET", "/api/v1/agents/{agent}", READ, 200, ""),
    route("POST", "/api/v1/agents/{agent}/revoke", ADMINISTER, 200, r#"{"reason":"manual_revocation"}"#),
    route("POST", "/api/v1/agents/{agent}/suspend", ADMINISTER, 200, r#"{"reason":"a look"}"#),
    route("POST", "/api/v1/agents/{agent}/resume", ADMINISTER, 200, ""),
    route("PUT", "/api/v1/agents/{agent}/capabilities", ADMINISTER, 200, r#"{"capabilities":["get_*"],"blocked":[]}"#),
    route("GET", "/api/v1/agents/{agent}/budget", READ, 200, ""),
    route("POST", "/api/v1/agents/{agent}/usage", ASK, 200, r#"{"tokens":5}"#),
    route("POST", "/api/v1/agent-tokens/issue", ISSUE, 200, r#"{"agent_id":"{agent}","scopes":["a"],"ttl":300}"#),
    route("POST", "/api/v1/agent-tokens/introspect", READ, 200, r#"{"token":"{token}","target":null}"#),
    route("POST", "/api/v1/agent-tokens/revoke", ISSUE, 200, r#"{"token":"{token}","reason":"done"}"#),
    route("POST", "/api/v1/agenttrust/check", ASK, 200, CHECK),
    route("POST", "/api/v1/actions/check", ASK, 200, LEGACY_CHECK),
    route("GET", "/api/v1/decisions", AUDIT, 200, ""),
    route("GET", "/api/v1/decisions/{check}", AUDIT, 200, ""),
    route("GET", "/api/v1/decisions/{check}/payload", AUDIT, 200, ""),
    route("DELETE", "/api/v1/decisions/{check}/payload", ADMINISTER, 200, ""),
    route("POST", "/api/v1/telemetry/report", ASK, 200, REPORT),
    route("POST", "/mcp/sessions/init", ASK, 201, r#"{"agent_id":"{agent}","server_id":"{server}"}"#),
    route("GET", "/mcp/sessions/{session}", READ, 200, ""),
    route("POST", "/api/v1/agenttrust/api-sessions/init", ASK, 201, r#"{"token":"{token}"}"#),
    route("GET", "/api/v1/sessions", READ, 200, ""),
    route("GET", "/api/v1/sessions/{session}", READ, 200, ""),
    route("POST", "/api/v1/sessions/{session}/close", Needs::Any(&[Right::Ask, Right::Administer]), 200, ""),
    route(
        "POST",
        "/api/v1/sessions/{session}/content",
        Needs::Any(&[Right::Ask, Right::Administer]),
        200,
        r#"{"source":"web/get","content":["a page"]}"#,
    ),
    route("GET", "/api/v1/sessions/{closed}/trace", READ, 200, ""),
    route("GET", "/api/v1/sessions/{closed}/trace/receipt", READ, 200, ""),
    route("GET", "/api/v1/sessions/{closed}/trace/anchor", READ, 200, ""),
    route("GET", "/api/v1/sessions/{closed}/trace/policy", READ, 200, ""),
    route("GET", "/trace/jwk", OPEN, 200, ""),
    route("GET", "/api/v1/accountability/sessions/{session}", READ, 200, ""),
    route("GET", "/api/v1/accountability/sessions/{session}/verify", AUDIT, 200, ""),
    route("GET", "/api/v1/accountability/entries", AUDIT, 200, ""),
    route("GET", "/api/v1/approvals", READ, 200, ""),
    route("GET", "/mcp/approvals/{approval}", READ, 200, ""),
    route("POST", "/mcp/approvals/{approval}/approve", APPROVE, 200, r#"{"decided_by":"sdk_user"}"#),
    route("POST", "/mcp/approvals/{approval}/deny", APPROVE, 200, r#"{"decided_by":"sdk_user"}"#),
    route("POST", "/mcp/servers", ADMINISTER, 201, r#"{"name":"new","url":"https://mcp.example"}"#),
    route("GET", "/mcp/servers", READ, 200, ""),
    route("GET", "/mcp/servers/{server}", READ, 200, ""),
    route("DELETE", "/mcp/servers/{server}", ADMINISTER, 200, ""),
    route("POST", "/api/v1/delegations", DELEGATE, 201, DELEGATION),
    route("GET", "/api/v1/delegations", READ, 200, ""),
    route("GET", "/api/v1/delegations/{delegation}", READ, 200, ""),
    route("DELETE", "/api/v1/delegations/{delegation}", DELEGATE, 200, ""),
    route("POST", "/api/v1/delegations/{delegation}/session", ASK, 201, ""),
    route("POST", "/api/v1/federation/providers", ADMINISTER, 201, PROVIDER),
    route("GET", "/api/v1/federation/providers", READ, 200, ""),
    route("DELETE", "/api/v1/federation/providers/{provider}", ADMINISTER, 200, ""),
    route("POST", "/api/v1/siem/destinations", ADMINISTER, 201, DESTINATION),
    route("GET", "/api/v1/siem/destinations", READ, 200, ""),
    route("GET", "/api/v1/siem/destinations/{destination}", READ, 200, ""),
    route("PUT", "/api/v1/siem/destinations/{destination}", ADMINISTER, 200, r#"{"is_active":false}"#),
    route("DELETE", "/api/v1/siem/destinations/{destination}", ADMINISTER, 200, ""),
    route("GET", "/api/v1/siem/destinations/{destination}/logs", READ, 200, ""),
    route("POST", "/api/v1/siem/destinations/{destination}/test", ADMINISTER, 200, ""),
    route("POST", "/api/v1/policies", ADMINISTER, 201, POLICIES),
    route("GET", "/api/v1/policies", ADMINISTER, 200, ""),
    route("DELETE", "/api/v1/policies", ADMINISTER, 201, ""),
    route("GET", "/api/v1/policies/versions", ADMINISTER, 200, ""),
    route("GET", "/api/v1/policies/versions/{version}", ADMINISTER, 200, ""),
    route("GET", "/api/v1/policies/versions/{version}/diff", ADMINISTER, 200, ""),
    route("POST", "/api/v1/policies/versions/{version}/rollback", ADMINISTER, 201, ""),
    route("POST", "/api/v1/keys", ADMINISTER, 201, r#"{"name":"new","role":"agent","agent_id":"{agent}"}"#),
    route("GET", "/api/v1/keys", ADMINISTER, 200, ""),
    route("DELETE", "/api/v1/keys/{key}", ADMINISTER, 200, ""),
    route("POST", "/api/v1/stops", ADMINISTER, 201, r#"{"tool":"get_mail","reason":"an incident"}"#),
    route("GET", "/api/v1/stops", READ, 200, ""),
    route("DELETE", "/api/v1/stops/{stop}", ADMINISTER, 200, ""),
    route("POST", "/api/v1/orgs", ADMINISTER, 201, r#"{"name":"initech"}"#),
    route("GET", "/api/v1/orgs", ADMINISTER, 200, ""),
    route("GET", "/api/v1/orgs/security-settings", READ, 200, ""),
    route("PUT", "/api/v1/orgs/security-settings", ADMINISTER, 200, r#"{"require_proof_of_possession":true}"#),
    route("GET", "/api/v1/orgs/limits", READ, 200, ""),
    route("PUT", "/api/v1/orgs/limits", ADMINISTER, 200, r#"{"agent_per_minute":100}"#),
];

const CHECK: &str = r#"{"agent_id":"{agent}","session_id":"{session}","action_name":"get_mail",
    "action_source":"api","action_input_summary":"","action_effect":"read"}"#;
const LEGACY_CHECK: &str = r#"{"agent_id":"{agent}","action":"tool_call","tool_name":"get_mail",
    "tool_input_summary":"","session_id":""}"#;
const REPORT: &str = r#"{"agent_id":"{agent}","session_id":"{session}","events":[
    {"event_type":"tool_start","tool_name":"get_mail","timestamp":"2026-11-21T08:00:00.123456+00:00"},
    {"event_type":"tool_end","tool_name":"get_mail","duration_ms":12,"success":true,"error_type":null}]}"#;
const DELEGATION: &str = r#"{"from_agent_id":"{agent}","to_agent_id":"{other}","scope":["get_*"],
    "ttl_seconds":3600,"restrictions":{"max_calls":10}}"#;
const PROVIDER: &str = r#"{"issuer":"https://new.example","name":"new"}"#;
const DESTINATION: &str = r#"{"name":"new","destination_type":"splunk_hec","endpoint_url":"https://siem.example/in",
    "auth_token":"siem-secret","batch_size":100,"flush_interval_seconds":30,"filter_event_types":["check"]}"#;
/// Policies that take nothing away.
const POLICIES: &str = r#"{"policies":[{"file":"own.cedar","text":"@id(\"own\") permit (principal, action, resource);"}],
    "default":"allow"}"#;

impl Route {
    /// Whether a role has what the route needs.
    pub fn is_open_to(&self, role: countersign_core::role::Role) -> bool {
        match self.needs {
            Needs::Nothing => true,
            Needs::Any(rights) => rights.iter().any(|right| role.may(*right)),
        }
    }

    /// Whether some of these rights are enough.
    pub fn is_open_with(&self, has: &[Right]) -> bool {
        match self.needs {
            Needs::Nothing => true,
            Needs::Any(rights) => rights.iter().any(|right| has.contains(right)),
        }
    }

    /// The nouns of the ids in the path. The number of a version is none: each organisation counts its own.
    pub fn nouns(&self) -> impl Iterator<Item = &'static str> {
        let nouns = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        nouns.filter(|noun| *noun != "version")
    }
}

/// One of everything that an organisation can have, by its id.
pub struct Everything(Vec<(&'static str, String)>);

impl Everything {
    /// Makes one of everything in `org`.
    pub async fn of(server: &TestServer, org: &Org) -> Self {
        let text = |body: &Value, name: &str| body[name].as_str().unwrap().to_owned();
        let made = async |path: &str, body: Value| server.post(path, &org.admin, body).await.json(201);
        let agent = server.agent(org, "first", &["*"]).await;
        let other = server.agent(org, "second", &[]).await;
        let session = server.session(org, &agent).await;
        let closed = server.session(org, &agent).await;
        server.post(&format!("/api/v1/sessions/{closed}/close"), &org.agent, json!({})).await.json(200);
        let held = server.check(&org.agent, &agent, &session, "update_mail").await.json(200);
        let mcp = json!({ "name": "mail", "url": "https://mail.example", "tools": [{ "name": "send_mail" }] });
        let lent = json!({ "from_agent_id": agent, "to_agent_id": other, "scope": ["get_*"] });
        let lent = &made("/api/v1/delegations", lent).await["delegation"];
        let issuer = json!({ "issuer": "https://issuer.example", "name": "partner" });
        let provider = &made("/api/v1/federation/providers", issuer).await["provider"];
        let siem = json!({ "name": "siem", "destination_type": "webhook", "endpoint_url": "https://siem.example" });
        let key = json!({ "name": "spare", "role": "auditor" });
        let stop = json!({ "tool": "pay_*", "reason": "an incident" });
        made("/api/v1/policies", serde_json::from_str(POLICIES).unwrap()).await;
        Self(vec![
            ("token", text(&server.token(org, &agent).await, "token")),
            ("server", text(&made("/mcp/servers", mcp).await, "id")),
            ("delegation", text(lent, "id")),
            ("provider", text(provider, "id")),
            ("destination", text(&made("/api/v1/siem/destinations", siem).await, "id")),
            ("key", text(&made("/api/v1/keys", key).await, "id")),
            ("stop", text(&made("/api/v1/stops", stop).await, "id")),
            ("approval", text(&held, "approval_id")),
            ("check", text(&held, "check_id")),
            ("version", "1".to_owned()),
            ("agent", agent),
            ("other", other),
            ("session", session),
            ("closed", closed),
        ])
    }

    /// The id of one thing.
    pub fn id(&self, noun: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == noun).expect("a noun of the table").1
    }

    /// A text of the table, with the ids in place.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (noun, id)| text.replace(&format!("{{{noun}}}"), id))
    }

    /// The request of a route, about these things.
    pub fn ask(&self, server: &TestServer, route: &Route) -> Ask {
        server.ask(route.method, &self.fill(route.path)).body(self.fill(route.body))
    }
}

/// A server, its first organisation with one of everything, and the answer of
/// a route to `caller` there.
pub async fn asked(route: &Route, caller: impl Fn(&Org) -> Caller) -> (TestServer, Everything, Reply) {
    let server = TestServer::in_dev_mode().await;
    let everything = Everything::of(&server, &server.acme).await;
    let reply = everything.ask(&server, route).by(&caller(&server.acme)).send().await;
    (server, everything, reply)
}

#[tokio::test]
async fn every_route_answers_its_administrator_with_the_documented_status() {
    for route in ROUTES {
        let (_, _, reply) = asked(route, |org| org.admin.clone()).await;
        assert_eq!(reply.status.as_u16(), route.status, "{}: {}", reply.asked, reply.text());
    }
}
