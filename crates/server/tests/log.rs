//! The transparency log over HTTP: what a stranger can fetch, and what not.

#![cfg(test)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use countersign_core::seal::SealKey;
use countersign_engine::{Engine, Log, Parts, Settings, SystemClock, SystemEntropy, Tracing};
use countersign_evidence::log::checkpoint::{Checkpoint, Trust};
use countersign_evidence::log::note::{KeyName, Note, Signer, VerifierKey};
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::log::tile::entries;
use countersign_server::Surface;
use countersign_store::{Ledger as _, MemoryLive, MemoryStore, MemoryTiles};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Server {
    engine: Arc<Engine>,
    store: Arc<MemoryStore>,
    tiles: Arc<MemoryTiles>,
    admin: String,
}

type Reply = (StatusCode, HeaderMap, Vec<u8>);

impl Server {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let engine = Arc::new(
            Engine::start(Parts {
                ledger: store.clone(),
                documents: store.clone(),
                live: Arc::new(MemoryLive::default()),
                clock: Arc::new(SystemClock::default()),
                entropy: Arc::new(SystemEntropy),
                seal_key: SealKey::new([1; 32]),
                settings: Settings::default(),
                tracing: Tracing::new(SigningKey::from_bytes(&[9; 32]), &serde_json::Map::new()).unwrap(),
                vault: None,
            })
            .unwrap(),
        );
        let admin = engine.bootstrap("first").await.unwrap().1.unwrap().secret;
        Self { engine, store, tiles: Arc::default(), admin }
    }

    /// The server, after it published all there is.
    fn published(&self) -> Router {
        let signer = Signer::new(KeyName::parse("example.com/log").unwrap(), SigningKey::from_bytes(&[7; 32]));
        let log = Log::start(self.store.clone(), self.tiles.clone(), signer).unwrap();
        log.stop();
        countersign_server::router(Surface::new(self.engine.clone(), false).with_log(Arc::new(log)))
    }

    /// A decision's id.
    async fn decide(&self, router: &Router) -> String {
        let name = format!("agent {}", self.store.length().unwrap());
        let agent = json!({ "name": name, "framework": "custom", "capabilities": ["read"] });
        let agent = json_of(ask(router, "POST", "/api/v1/agents", Some(&self.admin), &agent).await);
        let check = json!({ "agent_id": agent["id"], "action_name": "read" });
        let answer = json_of(ask(router, "POST", "/api/v1/agenttrust/check", Some(&self.admin), &check).await);
        answer["check_id"].as_str().unwrap().to_owned()
    }
}

async fn ask(router: &Router, method: &str, path: &str, key: Option<&str>, body: &Value) -> Reply {
    let request = Request::builder().method(method).uri(path);
    let request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let reply = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (head, body) = reply.into_parts();
    (head.status, head.headers, axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

async fn get(router: &Router, path: &str, key: Option<&str>) -> Reply {
    ask(router, "GET", path, key, &Value::Null).await
}

fn json_of((status, _, body): Reply) -> Value {
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

fn text_of((status, _, body): Reply) -> String {
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn a_stranger_can_verify_the_checkpoint_with_the_published_key() {
    let router = Server::new().await.published();
    let key = VerifierKey::parse(text_of(get(&router, "/log/vkey", None).await).trim_end()).unwrap();
    let note = Note::parse(text_of(get(&router, "/log/checkpoint", None).await).as_bytes()).unwrap();
    assert!(Trust::in_key(key).open(&note).is_ok());
}

#[tokio::test]
async fn a_decision_waits_for_its_receipt_until_a_checkpoint_covers_it() {
    let server = Server::new().await;
    let before = server.published();
    let path = format!("/api/v1/decisions/{}/receipt", server.decide(&before).await);
    let (status, headers, _) = get(&before, &path, Some(&server.admin)).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::ACCEPTED, "1"));
    let after = server.published();
    let (_, headers, _) = get(&after, &path, Some(&server.admin)).await;
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    let receipt = Receipt::parse(text_of(get(&after, &path, Some(&server.admin)).await).as_bytes()).unwrap();
    let key = VerifierKey::parse(text_of(get(&after, "/log/vkey", None).await).trim_end()).unwrap();
    assert!(receipt.verify(&receipt.extra, &Trust::in_key(key)).is_ok());
}

#[tokio::test]
async fn a_receipt_is_for_its_own_organisation_alone() {
    let server = Server::new().await;
    let router = server.published();
    let id = server.decide(&router).await;
    let other = json_of(ask(&router, "POST", "/api/v1/orgs", Some(&server.admin), &json!({ "name": "other" })).await);
    let other = other["admin_key"].as_str().unwrap();
    let router = server.published();
    let path = format!("/api/v1/decisions/{id}/receipt");
    assert_eq!(get(&router, &path, Some(other)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, &path, None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn hashes_are_for_everyone_and_entries_for_who_may_see_every_organisation() {
    let server = Server::new().await;
    let router = server.published();
    server.decide(&router).await;
    let other = json_of(ask(&router, "POST", "/api/v1/orgs", Some(&server.admin), &json!({ "name": "other" })).await);
    let router = server.published();
    let note = Note::parse(text_of(get(&router, "/log/checkpoint", None).await).as_bytes()).unwrap();
    let size = Checkpoint::parse(note.text()).unwrap().head().size;
    let (status, headers, hashes) = get(&router, &format!("/log/tile/0/000.p/{size}"), None).await;
    assert_eq!((status, hashes.len() as u64), (StatusCode::OK, size * 32));
    assert!(headers["cache-control"].to_str().unwrap().contains("immutable"));

    let bundle = format!("/log/tile/entries/000.p/{size}");
    assert_eq!(get(&router, &bundle, None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&router, &bundle, other["admin_key"].as_str()).await.0, StatusCode::FORBIDDEN);
    let (status, _, held) = get(&router, &bundle, Some(&server.admin)).await;
    assert_eq!((status, entries(&held).count() as u64), (StatusCode::OK, size));
}

#[tokio::test]
async fn a_tile_that_is_none_is_refused_and_one_beyond_the_tree_is_not_found() {
    let router = Server::new().await.published();
    for path in ["0/000.p/200", "0/001", "1/000.p/1"] {
        assert_eq!(get(&router, &format!("/log/tile/{path}"), None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["0/0", "x", "0/000.p/0", "0/000.p/256", "../../etc/passwd", "64/000"] {
        assert_eq!(get(&router, &format!("/log/tile/{path}"), None).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn a_server_without_a_log_says_so() {
    let server = Server::new().await;
    let router = countersign_server::router(Surface::new(server.engine.clone(), false));
    let (status, _, body) = get(&router, "/log/checkpoint", None).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, body["code"].as_str()), (StatusCode::NOT_FOUND, Some("no_log")));
}

#[tokio::test]
async fn the_record_of_a_session_is_anchored_in_the_log() {
    let server = Server::new().await;
    let router = server.published();
    let admin = Some(server.admin.as_str());
    let agent = json!({ "name": "a", "framework": "custom", "capabilities": ["read"] });
    let agent = json_of(ask(&router, "POST", "/api/v1/agents", admin, &agent).await)["id"].clone();
    let mcp = json!({ "name": "m", "url": "https://mcp.example" });
    let mcp = json_of(ask(&router, "POST", "/mcp/servers", admin, &mcp).await)["id"].clone();
    let init = json!({ "agent_id": agent, "server_id": mcp });
    let session = json_of(ask(&router, "POST", "/mcp/sessions/init", admin, &init).await)["session_id"].clone();
    let session = session.as_str().unwrap();
    json_of(ask(&router, "POST", &format!("/api/v1/sessions/{session}/close"), admin, &Value::Null).await);
    let proof = format!("/api/v1/sessions/{session}/trace/proof");
    assert_eq!(get(&router, &proof, admin).await.0, StatusCode::ACCEPTED);

    let router = server.published();
    let receipt = Receipt::parse(text_of(get(&router, &proof, admin).await).as_bytes()).unwrap();
    let key = VerifierKey::parse(text_of(get(&router, "/log/vkey", None).await).trim_end()).unwrap();
    receipt.verify(&receipt.extra, &Trust::in_key(key)).unwrap();
    let anchor: Value = serde_json::from_slice(&receipt.extra).unwrap();
    let held = json_of(get(&router, &format!("/api/v1/sessions/{session}/trace/receipt"), admin).await);
    assert_eq!(anchor["event"]["merkle_root"], held["merkle_root"]);
    assert_eq!(get(&router, &proof, None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_replayed_entry_comes_with_the_proof_that_it_is_in_the_log() {
    let server = Server::new().await;
    let router = server.published();
    server.decide(&router).await;
    let router = server.published();
    let later = server.decide(&router).await;
    let page = json_of(get(&router, "/api/v1/accountability/entries?limit=1000", Some(&server.admin)).await);
    let note = Note::parse(page["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    let head = Checkpoint::parse(note.text()).unwrap().head();
    let (mut proven, mut newer) = (0, 0);
    for entry in page["entries"].as_array().unwrap() {
        let Some(proof) = entry.get("proof") else {
            newer += 1;
            continue;
        };
        let lines = proof.as_array().unwrap().iter().map(|hash| format!("{}\n", hash.as_str().unwrap()));
        let index = entry["index"].as_u64().unwrap();
        let text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n{note}", lines.collect::<String>());
        let receipt = Receipt::parse(text.as_bytes()).unwrap();
        let key = VerifierKey::parse(text_of(get(&router, "/log/vkey", None).await).trim_end()).unwrap();
        receipt.verify(entry["entry"].to_string().as_bytes(), &Trust::in_key(key)).unwrap();
        proven += 1;
    }
    assert_eq!(proven, head.size);
    assert!(newer > 0, "the last decision `{later}` is newer than the checkpoint");
}
