//! What an operator sees: metrics that a scraper can read and that move, and an
//! id for every request.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use crate::routes::Everything;
use crate::world::{Caller, TestServer};

/// Numbers by name and labels, as scraped.
struct Samples(BTreeMap<String, String>);

impl Samples {
    /// A whole number; 0 where nothing was counted yet.
    fn count(&self, name: &str) -> i64 {
        self.0.get(name).map_or(0, |number| number.parse().unwrap())
    }
}

/// Reads the `OpenMetrics` text, line by line, and stops at what is none.
fn samples(text: &str) -> Samples {
    let (mut kinds, mut described) = (BTreeMap::new(), HashSet::new());
    let mut samples = BTreeMap::new();
    assert!(text.ends_with("\n# EOF\n"), "the end is marked");
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let [word, name, what] = [(); 3].map(|()| words.next().expect(line));
            assert!(name.starts_with("countersign_"), "{line}");
            match word {
                "HELP" => assert!(described.insert(name) && !what.is_empty(), "{line}"),
                "TYPE" => assert!(kinds.insert(name, what).is_none(), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, number) = line.rsplit_once(' ').expect(line);
        let name = sample.split('{').next().unwrap();
        let family =
            ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let kind = *kinds.get(family).unwrap_or_else(|| panic!("{line}: no such family"));
        let suffix = &name[family.len()..];
        let fits = match kind {
            "counter" => suffix == "_total",
            "gauge" => suffix.is_empty(),
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            _ => false,
        };
        assert!(fits && described.contains(family), "{line}");
        assert_labels(sample, line);
        assert!(number.parse::<f64>().is_ok(), "{line}");
        assert!(samples.insert(sample.to_owned(), number.to_owned()).is_none(), "{line}: there twice");
    }
    Samples(samples)
}

fn assert_labels(sample: &str, line: &str) {
    let Some((_, labels)) = sample.split_once('{') else { return };
    for label in labels.strip_suffix('}').expect(line).split(',') {
        let (name, value) = label.split_once('=').expect(line);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.+-".contains(&b);
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect(line);
        assert!(name.bytes().all(plain) && !value.is_empty() && value.bytes().all(plain), "{line}");
    }
}

async fn scrape(server: &TestServer) -> Samples {
    let reply = server.get("/metrics", &Caller::developer()).await;
    assert_eq!(reply.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    samples(reply.text())
}

#[tokio::test]
async fn metrics_can_be_read_before_anything_happened() {
    let server = TestServer::new().await;
    let scraped = scrape(&server).await;
    assert_eq!(scraped.0["countersign_recorder_failing"], "0");
    assert_eq!(scraped.0["countersign_rejected_authentications_total"], "0");
    // Nothing is asked outside this process: there is no circuit to speak of.
    assert_eq!(scraped.0[r#"countersign_guardian_failed_total{tier="spot"}"#], "0");
    assert!(!scraped.0.keys().any(|name| name.starts_with("countersign_guardian_circuit{")));
}

#[tokio::test]
async fn every_number_moves_with_what_it_counts() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let before = scrape(&server).await;
    let check = async |agent: &str, session: &str, tool: &str| {
        server.check(&server.acme.agent, everything.id(agent), session, tool).await
    };
    for tool in ["get_mail", "get_mail", "update_mail", "delete_mail", "grant_role"] {
        check("agent", "", tool).await.json(200);
    }
    check("other", everything.id("session"), "get_mail").await.refusal(403, "session_foreign");
    server.get("/api/v1/agents", &Caller::stranger()).await.refusal(401, "api_key_unknown");
    let after = scrape(&server).await;
    let moved = |name| after.count(name) - before.count(name);
    for (name, by) in [
        (r#"countersign_decisions_total{verdict="allow",effect="read"}"#, 2),
        (r#"countersign_decisions_total{verdict="allow",effect="mutating"}"#, 1),
        (r#"countersign_decisions_total{verdict="elevate",effect="destructive"}"#, 1),
        (r#"countersign_decisions_total{verdict="deny",effect="admin"}"#, 1),
        (r#"countersign_decisions_total{verdict="deny",effect="read"}"#, 1),
        (r#"countersign_refusals_total{code="destructive_needs_approval"}"#, 1),
        (r#"countersign_refusals_total{code="admin_unreviewed"}"#, 1),
        (r#"countersign_refusals_total{code="session_foreign"}"#, 1),
        (r#"countersign_http_responses_total{status="200"}"#, 6),
        (r#"countersign_http_responses_total{status="401"}"#, 1),
        (r#"countersign_http_responses_total{status="403"}"#, 1),
        ("countersign_rejected_authentications_total", 1),
        ("countersign_check_seconds_count", 6),
        ("countersign_recorder_entries", 7),
        ("countersign_recorder_commits", 7),
        ("countersign_sessions", 0),
    ] {
        assert_eq!(moved(name), by, "{name}");
    }
    assert_eq!(after.count("countersign_recorder_entries"), i64::try_from(server.entries().len()).unwrap());
}

#[tokio::test]
async fn the_buckets_of_a_histogram_only_grow_and_end_with_all() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    for _ in 0..3 {
        server.check(&server.acme.agent, &agent, "", "get_mail").await.json(200);
    }
    let text = server.get("/metrics", &Caller::developer()).await.text().to_owned();
    let buckets: Vec<u64> = text
        .lines()
        .filter(|line| line.starts_with("countersign_check_seconds_bucket"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.len() > 2, "{buckets:?}");
    assert_eq!(buckets.last(), Some(&3));
}

#[tokio::test]
async fn a_failing_ledger_and_live_sessions_show_in_the_metrics() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "first", &["*"]).await;
    server.session(&server.acme, &agent).await;
    server.store.fail_commits(true);
    server.check(&server.acme.agent, &agent, "", "get_mail").await.refusal(503, "ledger_unavailable");
    let failing = scrape(&server).await;
    assert_eq!((failing.count("countersign_recorder_failing"), failing.count("countersign_sessions")), (1, 1));
    server.store.fail_commits(false);
    server.check(&server.acme.agent, &agent, "", "get_mail").await.json(200);
    assert_eq!(scrape(&server).await.count("countersign_recorder_failing"), 0);
}

#[tokio::test]
async fn what_callers_choose_never_becomes_a_label() {
    let server = TestServer::new().await;
    let agent = server.agent(&server.acme, "a-name-of-my-own", &["*"]).await;
    server.check(&server.acme.agent, &agent, "a-session-of-my-own", "a-tool-of-my-own").await.json(200);
    server.get("/a-path-of-my-own", &server.acme.agent).await.refusal(404, "route_unknown");
    server.ask("OF-MY-OWN", "/health").send().await.refusal(405, "method_not_allowed");
    let text = server.get("/metrics", &Caller::developer()).await.text().to_lowercase();
    assert!(!text.contains("of-my-own"), "{text}");
}

#[tokio::test]
async fn a_plain_request_id_is_given_back_and_any_other_is_replaced() {
    let server = TestServer::new().await;
    for plain in ["abc", "0af7651916cd43dd8448eb211c80319c", "A-b_c.1", &"x".repeat(64)] {
        let reply = server.ask("GET", "/health").header("x-request-id", plain).send().await;
        assert_eq!(reply.header("x-request-id"), plain);
    }
    for odd in ["", "a b", "a;b", "<script>", "ü", &"x".repeat(65)] {
        let reply = server.ask("GET", "/health").header("x-request-id", odd).send().await;
        let given = reply.header("x-request-id");
        assert!(given.starts_with("req-") && given != odd, "{odd}: {given}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = TestServer::new().await;
    let admin = &server.acme.admin;
    let mut seen = HashSet::new();
    for (ask, status) in [
        (server.ask("GET", "/health"), 200),
        (server.ask("GET", "/api/v1/agents").by(admin), 200),
        (server.ask("POST", "/api/v1/agents").by(admin), 400),
        (server.ask("GET", "/api/v1/agents"), 401),
        (server.ask("GET", "/api/v1/keys").by(&server.acme.agent), 403),
        (server.ask("GET", "/nowhere"), 404),
        (server.ask("PATCH", "/health"), 405),
        (server.ask("POST", "/api/v1/agents").by(admin).body("x".repeat(2 << 20)), 413),
        (server.ask("POST", "/graphql").by(admin), 501),
    ] {
        let reply = ask.send().await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.asked);
        assert!(seen.insert(reply.header("x-request-id").to_owned()), "{}", reply.asked);
    }
    assert!(!seen.contains(""));
    let body = json!({ "name": "a" }).to_string();
    let made = server.ask("POST", "/api/v1/agents").by(admin).header("x-request-id", "mine").body(body).send().await;
    assert_eq!((made.status.as_u16(), made.header("x-request-id")), (201, "mine"));
}
