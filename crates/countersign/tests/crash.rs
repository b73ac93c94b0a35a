//! SIGKILL at any moment loses nothing that was answered.
//!
//! A real server is killed under load again and again on one folder. After
//! each kill the ledger must verify offline and hold every decision that was
//! answered; after the restart every token and session that was answered is
//! there, and no session has fewer calls than were answered in it.

#![cfg(test)]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use countersign_evidence::entry::Entry;
use countersign_evidence::verify::Verifier;
use countersign_store::{Ledger as _, SqliteStore};
use serde_json::{Value, json};

/// Kills in an ordinary run; `COUNTERSIGN_KILLS` sets another number.
const KILLS: u64 = 50;
/// How many clients ask at once.
const CLIENTS: usize = 6;

struct Server {
    child: Child,
    ready: Value,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server did not start: `{line}`"));
        Self { child, ready }
    }

    fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap().to_owned()
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the server answered, so what must never be lost.
#[derive(Debug)]
enum Answered {
    Decision { id: String, session: Option<String> },
    Session(String),
    Token(String),
}

struct Client {
    agent: ureq::Agent,
    url: String,
    key: String,
}

impl Client {
    fn new(server: &Server) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), url: server.text("url"), key: server.text("admin_key") }
    }

    /// The answer's body and status; `None` once the server is gone.
    fn call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.url);
        let sent = match method {
            "GET" => self.agent.get(&url).header("X-API-Key", &self.key).call(),
            "PUT" => self.agent.put(&url).header("X-API-Key", &self.key).send(body.to_string()),
            _ => self.agent.post(&url).header("X-API-Key", &self.key).send(body.to_string()),
        };
        let mut response = sent.ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        Some((response.status().as_u16(), serde_json::from_str(&text).ok()?))
    }

    fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let (status, answer) = self.call("POST", path, body)?;
        assert!((200..300).contains(&status), "{path} answered {status}: {answer}");
        Some(answer)
    }

    fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call("GET", path, &Value::Null).expect("the server answers");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }
}

/// Asks until the server dies, telling what was answered.
fn ask(client: &Client, agent: &str, server: &str, answered: &Sender<Answered>) -> Option<()> {
    loop {
        let init = json!({ "agent_id": agent, "server_id": server });
        let session = client.post("/mcp/sessions/init", &init)?["session_id"].as_str()?.to_owned();
        answered.send(Answered::Session(session.clone())).ok()?;
        for call in 0..12 {
            let within = (call % 3 != 0).then_some(session.as_str());
            let tool = if call % 4 == 3 { "write_file" } else { "web_search" };
            let body = json!({
                "agent_id": agent, "session_id": within.unwrap_or_default(), "action_name": tool, "action_source": "api",
            });
            let id = client.post("/api/v1/agenttrust/check", &body)?["check_id"].as_str()?.to_owned();
            answered.send(Answered::Decision { id, session: within.map(str::to_owned) }).ok()?;
        }
        let issue = json!({ "agent_id": agent, "scopes": ["web_search"], "ttl": 3600 });
        let token = client.post("/api/v1/agent-tokens/issue", &issue)?["token"].as_str()?.to_owned();
        answered.send(Answered::Token(token)).ok()?;
    }
}

/// A small generator, so that kills come at different moments in each round
/// and at the same in each run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Lets clients ask until `enough` was answered, and kills the server.
fn load_and_kill(server: Server, enough: u64) -> Vec<Answered> {
    let admin = Client::new(&server);
    admin.call("PUT", "/api/v1/orgs/limits", &json!({ "agent_per_minute": 0, "tool_per_minute": 0 })).unwrap();
    let upstream = admin.get("/mcp/servers")["servers"][0]["id"].as_str().unwrap().to_owned();
    let agent = server.text("agent_id");
    let (sender, answers): (Sender<Answered>, Receiver<Answered>) = channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (client, agent, upstream, sender) =
                (Client::new(&server), agent.clone(), upstream.clone(), sender.clone());
            std::thread::spawn(move || ask(&client, &agent, &upstream, &sender))
        })
        .collect();
    drop(sender);
    let mut kept = Vec::new();
    for _ in 0..enough {
        kept.push(answers.recv().expect("clients run until the kill"));
    }
    server.kill();
    for client in clients {
        client.join().unwrap();
    }
    kept.extend(answers);
    kept
}

/// Reads what was appended since `verified`, and returns the ids of decisions.
fn read_on(folder: &Path, verifier: &mut Verifier, found: &mut HashSet<String>) {
    let store = SqliteStore::open_read_only(&folder.join("countersign.db")).unwrap();
    loop {
        let entries = store.read(verifier.entries(), 1_000).unwrap();
        if entries.is_empty() {
            return;
        }
        for bytes in entries {
            verifier.push(&bytes).unwrap_or_else(|bad| panic!("after a kill the record does not verify: {bad}"));
            let entry = Entry::read(&bytes).unwrap();
            if entry.kind == "decision" {
                let event: Value = serde_json::from_str(entry.event.get()).unwrap();
                found.insert(event["id"].as_str().unwrap().to_owned());
            }
        }
    }
}

#[test]
fn whatever_was_answered_survives_being_killed_at_any_moment() {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is chosen where it runs")]
    let kills = std::env::var("COUNTERSIGN_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let (mut state, mut verifier, mut found) = (0x2545_f491_4f6c_dd1d, Verifier::new(), HashSet::new());
    let mut calls: HashMap<String, u64> = HashMap::new();
    let (mut decisions, mut tokens) = (0, Vec::new());
    for kill in 0..kills {
        let answered = load_and_kill(Server::start(folder.path()), 20 + next(&mut state) % 400);
        read_on(folder.path(), &mut verifier, &mut found);
        let (mut sessions, mut fresh) = (HashSet::new(), Vec::new());
        for answer in answered {
            match answer {
                Answered::Decision { id, session } => {
                    assert!(found.contains(&id), "kill {kill}: decision {id} was answered and is gone");
                    decisions += 1;
                    if let Some(session) = session {
                        *calls.entry(session.clone()).or_default() += 1;
                        sessions.insert(session);
                    }
                }
                Answered::Session(id) => drop(sessions.insert(id)),
                Answered::Token(token) => fresh.push(token),
            }
        }
        let server = Server::start(folder.path());
        let client = Client::new(&server);
        for id in sessions {
            let session = client.get(&format!("/mcp/sessions/{id}"));
            let (total, least) = (session["total_calls"].as_u64().unwrap(), calls.get(&id).copied().unwrap_or(0));
            assert!(total >= least, "kill {kill}: session {id} has {total} calls and {least} were answered");
            assert_eq!(session["status"], "active", "kill {kill}: session {id}");
        }
        tokens.extend(fresh.into_iter().take(3));
        for token in &tokens {
            let state = client.post("/api/v1/agent-tokens/introspect", &json!({ "token": token })).unwrap();
            assert_eq!(state["active"], true, "kill {kill}: a token that was issued is gone: {state}");
        }
        server.kill();
        if (kill + 1) % 10 == 0 {
            println!("{} kills, {decisions} decisions answered and found, {} entries", kill + 1, verifier.entries());
        }
    }
}
