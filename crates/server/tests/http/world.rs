//! A server to ask, and the people who ask it. Every answer that comes back
//! through here is held to the golden rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use countersign_core::Timestamp;
use countersign_core::capability::Pattern;
use countersign_core::role::Role;
use countersign_core::seal::SealKey;
use countersign_engine::{Clock, ContentGuard, Engine, Entropy, Heed, Parts, Settings, Sources, Tracing, Vault};
use countersign_evidence::entry::Entry;
use countersign_evidence::trace::key::SigningKey;
use countersign_evidence::verify::Verifier;
use countersign_server::Surface;
use countersign_store::{Ledger as _, MemoryLive, MemoryStore, Payloads};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::golden;

/// A clock that stands still until a test moves it.
pub struct TestClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl TestClock {
    /// Lets time pass.
    pub fn pass(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.wall.fetch_add(i64::try_from(millis).unwrap(), Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

/// Luck that is the same in every run (`SplitMix64`).
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Someone who asks, as the headers they send.
#[derive(Debug, Clone, Default)]
pub struct Caller(Vec<(&'static str, String)>);

impl Caller {
    /// Somebody with an API key.
    pub fn key(secret: &str) -> Self {
        Self(vec![("x-api-key", secret.to_owned())])
    }

    /// An agent with an access token.
    pub fn token(secret: &str) -> Self {
        Self(vec![("authorization", format!("Bearer {secret}"))])
    }

    /// Somebody without credentials: a developer in dev mode, else nobody.
    pub fn developer() -> Self {
        Self::default()
    }

    /// Somebody with a key that nobody issued.
    pub fn stranger() -> Self {
        Self::key("sk_live_a-key-that-nobody-ever-issued-to-anyone")
    }

    /// The same, with another header beside.
    pub fn with(mut self, header: (&'static str, String)) -> Self {
        self.0.push(header);
        self
    }

    /// The API key, in the clear.
    pub fn secret(&self) -> &str {
        &self.0[0].1
    }
}

/// The people of one organisation.
#[derive(Debug, Clone)]
pub struct Org {
    pub id: String,
    pub admin: Caller,
    pub approver: Caller,
    pub agent: Caller,
    pub auditor: Caller,
}

impl Org {
    /// The one who has `role`; whoever sends no credentials is the developer.
    pub fn caller(&self, role: Role) -> Caller {
        match role {
            Role::Admin => self.admin.clone(),
            Role::Approver => self.approver.clone(),
            Role::Agent => self.agent.clone(),
            Role::Auditor => self.auditor.clone(),
            Role::Developer => Caller::developer(),
        }
    }
}

/// A server, its first organisation, and what it stands on.
pub struct TestServer {
    pub clock: Arc<TestClock>,
    pub store: Arc<MemoryStore>,
    pub acme: Org,
    router: Router,
}

impl TestServer {
    /// A server as `serve` runs it.
    pub async fn new() -> Self {
        Self::with(false, Settings::default()).await
    }

    /// A server as `dev` runs it.
    pub async fn in_dev_mode() -> Self {
        Self::with(true, Settings::default()).await
    }

    pub async fn with(dev_mode: bool, settings: Settings) -> Self {
        Self::heeding(Heed::Watch, dev_mode, settings).await
    }

    /// A server that heeds what calls say as `heed` says.
    pub async fn heeding(heed: Heed, dev_mode: bool, settings: Settings) -> Self {
        let began = Timestamp::parse("2026-11-21T08:00:00Z").unwrap().as_millis();
        let clock = Arc::new(TestClock { wall: AtomicI64::new(began), monotonic: AtomicU64::new(1_000_000) });
        let store = Arc::new(MemoryStore::default());
        let parts = Parts {
            ledger: store.clone(),
            documents: store.clone(),
            live: Arc::new(MemoryLive::default()),
            clock: clock.clone(),
            entropy: Arc::new(Seeded(AtomicU64::new(42))),
            seal_key: SealKey::new([7; 32]),
            settings,
            tracing: Tracing::new(SigningKey::from_bytes(&[9; 32]), &serde_json::Map::new()).unwrap(),
            vault: Some(Vault::new(Payloads::in_memory().unwrap(), [3; 32], true, Duration::from_hours(1))),
        };
        let sources = Sources { untrusted: vec![Pattern::new("web/*")], trusted: vec![] };
        let guard = ContentGuard::new([5; 32], heed, sources).unwrap();
        let engine = Arc::new(Engine::start(parts).unwrap().inspected_by(guard));
        let (org, minted) = engine.bootstrap("acme").await.unwrap();
        let admin = Caller::key(&minted.unwrap().secret);
        let nobody = Caller::default();
        let acme = Org {
            id: org.id.to_string(),
            admin: admin.clone(),
            approver: nobody.clone(),
            agent: nobody.clone(),
            auditor: nobody,
        };
        let router = countersign_server::router(Surface::new(engine, dev_mode));
        let mut server = Self { clock, store, acme, router };
        server.acme = server.people(server.acme.id.clone(), admin).await;
        server
    }

    async fn people(&self, id: String, admin: Caller) -> Org {
        let key = async |role: &str| {
            let made = self.post("/api/v1/keys", &admin, json!({ "name": role, "role": role })).await.json(201);
            Caller::key(made["key"].as_str().unwrap())
        };
        let (approver, agent, auditor) = (key("approver").await, key("agent").await, key("auditor").await);
        Org { id, admin, approver, agent, auditor }
    }

    /// Another organisation, with people of its own.
    pub async fn other_org(&self) -> Org {
        let made = self.post("/api/v1/orgs", &self.acme.admin, json!({ "name": "globex" })).await.json(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        self.people(text("id"), Caller::key(&text("admin_key"))).await
    }

    pub async fn get(&self, path: &str, caller: &Caller) -> Reply {
        self.ask("GET", path).by(caller).send().await
    }

    pub async fn delete(&self, path: &str, caller: &Caller) -> Reply {
        self.ask("DELETE", path).by(caller).send().await
    }

    pub async fn post(&self, path: &str, caller: &Caller, body: Value) -> Reply {
        self.ask("POST", path).by(caller).body(body.to_string()).send().await
    }

    pub async fn put(&self, path: &str, caller: &Caller, body: Value) -> Reply {
        self.ask("PUT", path).by(caller).body(body.to_string()).send().await
    }

    pub fn ask(&self, method: &str, path: &str) -> Ask {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:8080");
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::empty()).unwrap();
        Ask { router: self.router.clone(), request }
    }

    /// An agent that may do `capabilities`.
    pub async fn agent(&self, org: &Org, name: &str, capabilities: &[&str]) -> String {
        let body = json!({ "name": name, "framework": "custom", "capabilities": capabilities, "metadata": {} });
        let made = self.post("/api/v1/agents", &org.admin, body).await.json(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// A read-only session of `agent`.
    pub async fn session(&self, org: &Org, agent: &str) -> String {
        let server = json!({ "name": "files", "url": "https://mcp.example" });
        let server = self.post("/mcp/servers", &org.admin, server).await.json(201);
        let init = json!({ "agent_id": agent, "server_id": server["id"] });
        let made = self.post("/mcp/sessions/init", &org.agent, init).await.json(201);
        made["session_id"].as_str().unwrap().to_owned()
    }

    /// An access token of `agent` for everything, as the answer that told it.
    pub async fn token(&self, org: &Org, agent: &str) -> Value {
        let asked = json!({ "agent_id": agent, "scopes": ["*"], "ttl": 300 });
        self.post("/api/v1/agent-tokens/issue", &org.agent, asked).await.json(200)
    }

    /// Asks whether `agent` may use `tool`, as published clients do.
    pub async fn check(&self, caller: &Caller, agent: &str, session: &str, tool: &str) -> Reply {
        let asked = json!({
            "agent_id": agent,
            "session_id": session,
            "action_name": tool,
            "action_source": "api",
            "action_input_summary": "",
        });
        self.post("/api/v1/agenttrust/check", caller, asked).await
    }

    /// Everything recorded so far, which must verify.
    pub fn entries(&self) -> Vec<Recorded> {
        let mut verifier = Verifier::new();
        let bodies = self.store.read(0, usize::MAX).unwrap();
        let read = |bytes: &Vec<u8>| {
            verifier.push(bytes).unwrap();
            let entry = Entry::read(bytes).unwrap();
            Recorded {
                kind: entry.kind.to_owned(),
                org: entry.org.map(str::to_owned),
                event: serde_json::from_str(entry.event.get()).unwrap(),
                text: String::from_utf8(bytes.clone()).unwrap(),
            }
        };
        bodies.iter().map(read).collect()
    }

    pub fn last_entry(&self) -> Recorded {
        self.entries().pop().unwrap()
    }
}

/// An entry, read.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub kind: String,
    pub org: Option<String>,
    pub event: Value,
    /// All of it.
    pub text: String,
}

/// A request that is being put together.
pub struct Ask {
    router: Router,
    request: Request<Body>,
}

impl Ask {
    pub fn by(mut self, caller: &Caller) -> Self {
        for (name, value) in &caller.0 {
            self = self.header(name, value);
        }
        self
    }

    /// Adds a header, beside one of the same name that is there already.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().append(name, value.parse().unwrap());
        self
    }

    /// Sends `value` as the `Host`, or none where it is empty.
    pub fn host(mut self, value: &str) -> Self {
        self.request.headers_mut().remove(header::HOST);
        if value.is_empty() { self } else { self.header("host", value) }
    }

    /// Sends `value` as the `Content-Type`, or none where it is empty.
    pub fn content_type(mut self, value: &str) -> Self {
        self.request.headers_mut().remove(header::CONTENT_TYPE);
        if value.is_empty() { self } else { self.header("content-type", value) }
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    pub async fn send(self) -> Reply {
        let asked = format!("{} {}", self.request.method(), self.request.uri());
        let response = self.router.oneshot(self.request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let reply = Reply { asked, status: parts.status, headers: parts.headers, body };
        golden::hold(&reply);
        reply
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// What was asked, for the message of a test that fails.
    pub asked: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body, of an answer that must have this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.asked, self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The message of a refusal that must have this status and code.
    #[track_caller]
    pub fn refusal(&self, status: u16, code: &str) -> String {
        let body = self.json(status);
        assert_eq!(body["code"], code, "{}: {body}", self.asked);
        body["message"].as_str().unwrap().to_owned()
    }
}
