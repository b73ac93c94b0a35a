//! A reviewer behind an API of the form of OpenAI's, from the configuration to the record.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{countersign, run};
use crate::serve::{KEY, Serving, config};

/// A server that answers by the tool it is asked about, and keeps what it was asked.
pub fn stub() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let request = received(&stream);
            let answer = answer(&request).to_string();
            seen.lock().unwrap().push(request);
            let length = answer.len();
            // A client that is gone is no fault.
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
        }
    });
    (url, asked)
}

fn received(stream: &TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn answer(request: &Value) -> Value {
    let text = |at: &str| request.pointer(at).and_then(Value::as_str).unwrap().to_owned();
    let (system, user) = (text("/messages/0/content"), text("/messages/1/content"));
    let nonce = system.rsplit("The nonce is: ").next().unwrap();
    let said = |verdict: &str, nonce: &str| {
        json!({"verdict": verdict, "reasoning": "as asked", "confidence": 95, "nonce": nonce}).to_string()
    };
    let content = match () {
        () if user.contains("drop_right") => said("allow", nonce),
        () if user.contains("drop_denied") => said("deny", nonce),
        () if user.contains("drop_unsure") => said("escalate", nonce),
        () if user.contains("drop_replayed") => said("allow", "0123456789abcdef"),
        () if user.contains("drop_prose") => format!("Sure, go ahead: {}", said("allow", nonce)),
        () => "allow".to_owned(),
    };
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "local-1",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": content, "refusal": null}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    })
}

fn section(url: &str, more: &str) -> String {
    format!(
        "[bootstrap]\nadmin_key_file = 'admin.key'\n[guardian.deep]\n{more}\n\
         reviewer = {{ kind = 'openai', model = 'local', url = '{url}' }}\n"
    )
}

#[test]
fn a_reviewer_clears_what_it_clears_and_nothing_else_it_says_is_a_yes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.key"), KEY).unwrap();
    let (url, asked) = stub();
    let file = config(dir.path(), &section(&url, "arguments = 'shown'"));
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    let made = serving.run(KEY, &["agent", "register", "--name", "dropper", "--capability", "*"]).exits(0).json();
    let agent = made["id"].as_str().or(made["agent_id"].as_str()).unwrap().to_owned();
    let check = |tool: &str| {
        serving.run(KEY, &["check", "--agent", &agent, "--tool", tool, "--arguments", "{\"table\":\"orders\"}"]).json()
    };
    let entry = |answer: &Value| {
        let id = answer["check_id"].as_str().unwrap().to_owned();
        serving.run(KEY, &["decision", "get", &id]).exits(0).json()["entry"]["event"].clone()
    };

    let cleared = check("db/drop_right");
    assert_eq!(cleared["allowed"], true, "{cleared}");
    assert_eq!(cleared["confidence"], 0.95);
    assert_eq!(cleared["reason"], "a reviewer allowed exactly this action");
    let review = json!({"confidence": 95, "model": "local-1", "reasoning": "as asked", "reviewer": "openai", "verdict": "allow"});
    assert_eq!(entry(&cleared)["review"], review);
    assert_eq!(entry(&cleared)["guard"], "deep");
    for (tool, code, failed) in [
        ("db/drop_denied", "review_denied", Value::Null),
        ("db/drop_unsure", "destructive_needs_approval", Value::Null),
        ("db/drop_replayed", "review_unavailable", json!("unbound")),
        ("db/drop_prose", "review_unavailable", json!("malformed")),
        ("db/drop_word", "review_unavailable", json!("malformed")),
    ] {
        let answer = check(tool);
        assert_eq!((&answer["allowed"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
        assert_eq!(entry(&answer)["review"]["failed"], failed, "{tool}");
    }
    let waiting = serving.run(KEY, &["approval", "list"]).exits(0).json();
    let facts = &waiting["approvals"][0]["facts"];
    assert_eq!((&facts["review"], &facts["code"]), (&json!("as asked"), &json!("destructive_needs_approval")));
    let told = asked.lock().unwrap()[0]["messages"][1]["content"].as_str().unwrap().to_owned();
    assert!(told.contains("orders") && told.contains(&agent), "{told}");
    // A change needs no reviewer.
    let before = asked.lock().unwrap().len();
    assert_eq!(check("db/update")["allowed"], true);
    assert_eq!(asked.lock().unwrap().len(), before);
    serving.stop();
}

#[test]
fn a_reviewer_that_is_not_there_lets_nothing_pass_and_sees_no_arguments_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.key"), KEY).unwrap();
    let (url, asked) = stub();
    let file = config(dir.path(), &section(&url, ""));
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    let made = serving.run(KEY, &["agent", "register", "--name", "dropper", "--capability", "*"]).exits(0).json();
    let agent = made["id"].as_str().or(made["agent_id"].as_str()).unwrap().to_owned();
    let ask = ["check", "--agent", &agent, "--tool", "db/drop_right", "--arguments", "{\"table\":\"orders\"}"];
    assert_eq!(serving.run(KEY, &ask).json()["allowed"], true);
    assert!(!asked.lock().unwrap()[0].to_string().contains("orders"));
    serving.stop();

    // A port that nobody listens on any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = config(dir.path(), &section(&format!("http://{free}/v1"), ""));
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    assert_eq!(serving.run(KEY, &ask).json()["code"], "review_unavailable");
    serving.stop();
}

#[test]
fn a_review_section_that_cannot_hold_stops_the_start_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.key"), KEY).unwrap();
    for (more, says) in [
        ("minimum_confidence = 101", "guardian.deep.minimum_confidence"),
        ("argumets = 'shown'", "argumets"),
        ("arguments = 'some'", "some"),
    ] {
        let file = config(dir.path(), &section("http://127.0.0.1:1/v1", more));
        run(["serve", "--config", &file]).refused(&[says]);
    }
    let file = config(dir.path(), &section("http://reviewer.example/v1", ""));
    run(["serve", "--config", &file]).refused(&["guardian.deep.reviewer.url"]);
}
