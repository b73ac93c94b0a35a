//! Clients that ask all they can, and tell what was answered.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::server::{Client, Server};

/// How many clients ask at once.
const CLIENTS: usize = 6;
/// The codes of a server that cannot record, and so decides nothing.
const CANNOT: [&str; 3] = ["ledger_unavailable", "recorder_busy", "contended"];

/// What the server answered, so what must never be lost.
#[derive(Debug)]
pub enum Answered {
    Decision {
        id: String,
        session: Option<String>,
    },
    Session(String),
    /// Asked, not answered: from here on the session may be closed.
    Closing(String),
    /// The Trust Record of a closed session, as it was spelled.
    Trace {
        session: String,
        record: String,
    },
    Token(String),
    /// The receipt of a decision.
    Receipt(String),
    /// The log's checkpoint.
    Checkpoint(String),
    /// The server said that it cannot record; nothing happened.
    Refused,
}

/// The server is gone, or nobody is to ask any more.
#[derive(Debug)]
struct Over;

/// Clients at work, until the server is gone or they are told to end.
pub struct Load {
    clients: Vec<JoinHandle<Result<(), Over>>>,
    answers: Receiver<Answered>,
    over: Arc<AtomicBool>,
}

impl Load {
    pub fn on(server: &Server) -> Self {
        let admin = Client::new(server);
        let free = json!({ "agent_per_minute": 0, "tool_per_minute": 0 });
        assert_eq!(admin.call("PUT", "/api/v1/orgs/limits", &free).unwrap().0, 200);
        let upstream = admin.get("/mcp/servers")["servers"][0]["id"].as_str().unwrap().to_owned();
        let over = Arc::new(AtomicBool::new(false));
        let (sender, answers) = channel();
        let clients = (0..CLIENTS).map(|_| {
            let asking = Asking {
                client: Client::new(server),
                agent: server.text("agent_id"),
                upstream: upstream.clone(),
                answered: sender.clone(),
                over: Arc::clone(&over),
                old: Cell::default(),
            };
            std::thread::spawn(move || asking.ask())
        });
        Self { clients: clients.collect(), answers, over }
    }

    /// Adds answers to `kept` until there were `enough` that `count`.
    pub fn keep(&self, kept: &mut Vec<Answered>, enough: u64, count: impl Fn(&Answered) -> bool) {
        let mut found = 0;
        while found < enough {
            let answer = self.answers.recv().expect("clients ask until the end");
            found += u64::from(count(&answer));
            kept.push(answer);
        }
    }

    /// Adds the answers that are there.
    pub fn take(&self, kept: &mut Vec<Answered>) {
        kept.extend(self.answers.try_iter());
    }

    /// Lets nobody ask any more, and adds what was answered meanwhile.
    pub fn end(self, kept: &mut Vec<Answered>) {
        self.over.store(true, Ordering::SeqCst);
        kept.extend(self.answers.iter());
        for client in self.clients {
            drop(client.join().unwrap());
        }
    }
}

/// One client.
struct Asking {
    client: Client,
    agent: String,
    upstream: String,
    answered: Sender<Answered>,
    over: Arc<AtomicBool>,
    /// A decision that is old enough to be under a checkpoint, mostly.
    old: Cell<Option<String>>,
}

impl Asking {
    fn ask(&self) -> Result<(), Over> {
        loop {
            let init = json!({ "agent_id": self.agent, "server_id": self.upstream });
            let Some(made) = self.post("/mcp/sessions/init", &init)? else { continue };
            let session = made["session_id"].as_str().unwrap().to_owned();
            self.tell(Answered::Session(session.clone()))?;
            for call in 0..12 {
                self.check(call, &session)?;
            }
            let issue = json!({ "agent_id": self.agent, "scopes": ["web_search"], "ttl": 3600 });
            if let Some(issued) = self.post("/api/v1/agent-tokens/issue", &issue)? {
                self.tell(Answered::Token(issued["token"].as_str().unwrap().to_owned()))?;
            }
            if session.ends_with(['0', '1', '2', '3', '4', '5', '6', '7']) {
                self.close(session)?;
            }
            if let Some(checkpoint) = self.text("/log/checkpoint")? {
                self.tell(Answered::Checkpoint(checkpoint))?;
            }
        }
    }

    /// One call: every third outside the session, every fourth one that writes.
    fn check(&self, call: u32, session: &str) -> Result<(), Over> {
        let within = (!call.is_multiple_of(3)).then_some(session);
        let tool = if call % 4 == 3 { "write_file" } else { "web_search" };
        let body = json!({
            "agent_id": self.agent, "session_id": within.unwrap_or_default(), "action_name": tool, "action_source": "api",
        });
        let Some(answer) = self.post("/api/v1/agenttrust/check", &body)? else { return Ok(()) };
        let id = answer["check_id"].as_str().unwrap().to_owned();
        self.tell(Answered::Decision { id: id.clone(), session: within.map(str::to_owned) })?;
        if call == 0
            && let Some(old) = self.old.replace(Some(id))
            && let Some(receipt) = self.text(&format!("/api/v1/decisions/{old}/receipt"))?
        {
            self.tell(Answered::Receipt(receipt))?;
        }
        Ok(())
    }

    fn close(&self, session: String) -> Result<(), Over> {
        self.tell(Answered::Closing(session.clone()))?;
        if self.post(&format!("/api/v1/sessions/{session}/close"), &json!({}))?.is_none() {
            return Ok(());
        }
        match self.text(&format!("/api/v1/sessions/{session}/trace"))? {
            Some(record) => self.tell(Answered::Trace { session, record }),
            None => Ok(()),
        }
    }

    fn tell(&self, answer: Answered) -> Result<(), Over> {
        self.answered.send(answer).map_err(|_| Over)
    }

    /// What was made; nothing where it was refused for want of a record.
    fn post(&self, path: &str, body: &Value) -> Result<Option<Value>, Over> {
        if self.over.load(Ordering::SeqCst) {
            return Err(Over);
        }
        let (status, answer) = self.client.call("POST", path, body).ok_or(Over)?;
        match status {
            200..300 => Ok(Some(answer)),
            _ => self.refused(path, status, &answer).map(|()| None),
        }
    }

    /// The same of what is read: nothing while it is not there yet.
    fn text(&self, path: &str) -> Result<Option<String>, Over> {
        let (status, text) = self.client.text("GET", path, &Value::Null).ok_or(Over)?;
        match status {
            200 => Ok(Some(text)),
            202 | 404 => Ok(None),
            _ => self.refused(path, status, &serde_json::from_str(&text).unwrap()).map(|()| None),
        }
    }

    fn refused(&self, path: &str, status: u16, answer: &Value) -> Result<(), Over> {
        let code = answer["code"].as_str().unwrap_or_default();
        assert!(status == 503 && CANNOT.contains(&code), "{path} answered {status}: {answer}");
        self.tell(Answered::Refused)
    }
}
