//! The clients against a server that says what a test wants, byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use countersign_core::chain::Tally;
use countersign_core::conclude::Reviewed;
use countersign_core::id::{AgentId, OrgId};
use countersign_core::{Digest, Effect, Timestamp};
use countersign_engine::{Known, Opinion};
use serde_json::{Value, json};

use super::*;

fn key() -> TierKey {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
    TierKey::read(&file).unwrap()
}

/// Long enough that nothing but a hanging server takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

fn received(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line.trim_end().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

/// A server that answers one request with what `script` writes, and returns that request.
fn stub(
    script: impl Fn(&mut TcpStream, &Value) + Send + 'static,
) -> (String, std::thread::JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (head, body) = received(&stream);
        script(&mut stream, &body);
        (head, body)
    });
    (url, answering)
}

fn send(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    // A client that is gone is no fault.
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
}

fn sight() -> Sight {
    Sight {
        agent: AgentId::parse("agent_1").unwrap(),
        revision: 7,
        tool: "db/update".into(),
        resource: Some(Digest::ZERO),
        effect: Effect::Mutating,
        egress: false,
        at: Timestamp::from_millis(1),
    }
}

fn known() -> Value {
    json!({
        "findings": [{"word": "call_spike", "measured": 36, "limit": 35}],
        "decisions": 9, "denied": 1, "tool_is_new": false, "resource_is_new": true, "hour_permille": 40,
    })
}

async fn looked(url: &str) -> Result<Known, NoAnswer> {
    spot(url, &key(), PATIENCE).unwrap().look(sight()).await
}

#[tokio::test]
async fn a_spot_guard_is_asked_with_the_key_and_says_what_it_knows() {
    let (url, asked) = stub(|stream, _| send(stream, "200 OK", &known().to_string()));
    let found = looked(&url).await.unwrap();
    assert_eq!((found.history.decisions, found.tool_is_new, found.hour_permille), (9, false, Some(40)));
    assert_eq!(found.resource_is_new, Some(true));
    assert_eq!(
        found.findings.iter().map(|(f, figure)| (f.as_str(), figure.measured)).collect::<Vec<_>>(),
        [("call_spike", 36)]
    );
    let (head, body) = asked.join().unwrap();
    assert!(head.starts_with("POST /guardian/v1/spot/look HTTP/1.1"), "{head}");
    assert!(head.to_ascii_lowercase().contains("authorization: bearer 0123456789abcdef0123456789abcdef"), "{head}");
    let expected = json!({"agent": "agent_1", "revision": 7, "tool": "db/update", "resource": Digest::ZERO, "effect": "mutating", "egress": false, "at": 1});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn whatever_else_a_spot_guard_answers_is_no_answer() {
    let change = |pointer: &str, to: Value| {
        let mut changed = known();
        *changed.pointer_mut(pointer).unwrap() = to;
        changed.to_string()
    };
    let twice = json!([known()["findings"][0], known()["findings"][0]]);
    let more = known().to_string().replace("\"denied\":1", "\"denied\":1,\"trusted\":true");
    let bad = [
        ("200 OK", String::new()),
        ("200 OK", "null".into()),
        ("200 OK", "ok".into()),
        ("200 OK", known().to_string().replace('}', "")),
        ("200 OK", format!("{} {}", known(), known())),
        ("200 OK", more),
        ("200 OK", known().to_string().replace("\"denied\":1", "\"denied\":1,\"denied\":0")),
        ("200 OK", change("/denied", json!(10))),
        ("200 OK", change("/decisions", json!(-1))),
        ("200 OK", change("/hour_permille", json!(1_001))),
        ("200 OK", change("/findings/0/word", json!("all_is_well"))),
        ("200 OK", change("/findings", twice)),
        ("200 OK", format!("{}{}", known(), " ".repeat(70_000))),
        ("204 No Content", String::new()),
    ];
    for (status, body) in bad {
        let (url, asked) = stub(move |stream, _| send(stream, status, &body));
        assert_eq!(looked(&url).await, Err(NoAnswer::Garbled));
        asked.join().unwrap();
    }
    for status in ["401 Unauthorized", "302 Found", "500 Internal Server Error", "503 Service Unavailable"] {
        let (url, asked) = stub(move |stream, _| send(stream, status, &known().to_string()));
        assert_eq!(looked(&url).await, Err(NoAnswer::Refused), "{status}");
        asked.join().unwrap();
    }
    let (url, asked) = stub(|stream, _| drop(write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{{")));
    assert_eq!(looked(&url).await, Err(NoAnswer::Garbled));
    asked.join().unwrap();
}

#[tokio::test]
async fn a_spot_guard_that_hangs_or_is_not_there_is_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(looked(&format!("http://{free}")).await, Err(NoAnswer::Unreachable));
    // It takes the connection and says nothing.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hanging.local_addr().unwrap());
    let guard = spot(&url, &key(), Duration::from_millis(1)).unwrap();
    assert_eq!(guard.look(sight()).await, Err(NoAnswer::TimedOut));
}

fn brief() -> Brief {
    Brief {
        organisation: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("agent_1").unwrap(),
        tool: "db/drop".into(),
        effect: Effect::Destructive,
        arguments: Digest::of(b"{}"),
        input: Some("{\"table\":\"orders\"}".into()),
        policies: Digest::of(b""),
        session: Tally::default(),
        delegation_depth: 0,
        risk: 40,
        reasons: vec!["effect".into()],
        findings: Vec::new(),
        advice: Vec::new(),
    }
}

fn cleared() -> Value {
    json!({
        "action_digest": brief().action_digest().to_string(), "means": "cleared", "reviewer": "openai", "model": "m",
        "said": {"verdict": "allow", "reasoning": "fine", "confidence": 90},
    })
}

async fn reviewed(answer: &Value, shows_input: bool) -> (Opinion, Value) {
    let text = answer.to_string();
    let (url, asked) = stub(move |stream, _| send(stream, "200 OK", &text));
    let opinion = deep(&url, &key(), (PATIENCE, shows_input)).unwrap().review(brief()).await;
    (opinion, asked.join().unwrap().1)
}

#[tokio::test]
async fn a_review_comes_back_as_it_was_given_and_arguments_go_out_only_where_they_are_shown() {
    let (opinion, asked) = reviewed(&cleared(), true).await;
    assert_eq!((opinion.reviewed, opinion.reviewer.as_ref(), opinion.failed), (Reviewed::Cleared, "openai", None));
    assert_eq!(asked["input"], "{\"table\":\"orders\"}");
    let (_, asked) = reviewed(&cleared(), false).await;
    assert!(!asked.to_string().contains("orders"), "{asked}");
    // What is answered there is what is read here.
    let about = brief().action_digest();
    for given in [opinion, Opinion { is_outage: false, ..Opinion::unavailable("openai", "declined") }] {
        assert_eq!(Answer::new(about, given.clone()).read(about), Ok(given));
    }
}

#[tokio::test]
async fn only_a_yes_that_means_one_and_is_about_this_action_clears_it() {
    let other = Digest::of(b"another action").to_string();
    let said = |verdict: &str| json!({"verdict": verdict, "reasoning": "fine", "confidence": 90});
    for (pointer, to, why) in [
        ("/action_digest", json!(other), "unbound"),
        ("/action_digest", json!("yes"), "garbled"),
        ("/means", json!("allowed"), "garbled"),
        ("/means", json!("denied"), "malformed"),
        ("/means", json!("unavailable"), "malformed"),
        ("/said", said("deny"), "malformed"),
        ("/said", said("ALLOW"), "malformed"),
        ("/said", Value::Null, "malformed"),
        ("/said/reasoning", json!(""), "malformed"),
        ("/said/confidence", json!(101), "malformed"),
        ("/said/confidence", json!(1e9), "garbled"),
        ("/model", json!({"allow": true}), "garbled"),
    ] {
        let mut bad = cleared();
        *bad.pointer_mut(pointer).unwrap() = to;
        let (opinion, _) = reviewed(&bad, false).await;
        assert_eq!((opinion.reviewed, opinion.failed), (Reviewed::Unavailable, Some(why)), "{pointer}");
    }
    for (name, value) in [("failed", json!("timed_out")), ("note", json!("trust me"))] {
        let mut bad = cleared();
        bad.as_object_mut().unwrap().insert(name.into(), value);
        assert_eq!(reviewed(&bad, false).await.0.reviewed, Reviewed::Unavailable, "{name}");
    }
    let mut bad = cleared();
    (bad["means"], bad["said"], bad["failed"]) = (json!("unavailable"), Value::Null, json!("<script>"));
    assert_eq!(reviewed(&bad, false).await.0.failed, Some("malformed"));
}
