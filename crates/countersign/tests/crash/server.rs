//! A real server, and who asks it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::disk::Disk;

/// How long anything may take that is waited for. Nothing here measures time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server in development mode, which lets a test in.
pub struct Server {
    child: Child,
    ready: Value,
    log: JoinHandle<String>,
}

impl Server {
    /// A server on the disk's data directory.
    pub fn start(disk: &Disk) -> Self {
        Self::start_on(disk, &disk.data()).unwrap_or_else(|why| panic!("the server did not start: {why}"))
    }

    /// The same on `data`, or what it says where it does not start.
    pub fn start_on(disk: &Disk, data: &Path) -> Result<Self, String> {
        let mut child = disk
            .countersign()
            .args(["dev", "--json", "--log-format", "text", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if let Ok(ready) = serde_json::from_str(&line) {
            return Ok(Self { child, ready, log });
        }
        let status = child.wait().unwrap();
        let said = log.join().unwrap();
        assert_eq!(status.code(), Some(3), "a start that fails says so by its exit code: {said}");
        Err(said)
    }

    pub fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end it leads to: how, and what the log said.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        (status, self.log.join().unwrap())
    }

    /// Sends the signal `name`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

/// A caller with the administrator's key.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    key: String,
}

impl Client {
    pub fn new(server: &Server) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        Self { agent: config.into(), url: server.text("url"), key: server.text("admin_key") }
    }

    /// The answer's status and text; `None` once the server is gone.
    pub fn text(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String)> {
        let url = format!("{}{path}", self.url);
        let sent = match method {
            "GET" => self.agent.get(&url).header("X-API-Key", &self.key).call(),
            "PUT" => self.agent.put(&url).header("X-API-Key", &self.key).send(body.to_string()),
            _ => self.agent.post(&url).header("X-API-Key", &self.key).send(body.to_string()),
        };
        let mut response = sent.ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        Some((response.status().as_u16(), text))
    }

    /// The same, where the answer is JSON.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let (status, text) = self.text(method, path, body)?;
        Some((status, serde_json::from_str(&text).unwrap_or_else(|why| panic!("{path}: {why}: {text}"))))
    }

    /// What was made; fails where it was refused.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call("POST", path, body).expect("the server answers");
        assert!((200..300).contains(&status), "{path} answered {status}: {answer}");
        answer
    }

    /// What is there; fails where it is not.
    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call("GET", path, &Value::Null).expect("the server answers");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// What is there as text, once it is: `202` and `404` say not yet.
    pub fn get_soon(&self, path: &str) -> String {
        until(path, || match self.text("GET", path, &Value::Null).expect("the server answers") {
            (200, text) => Some(text),
            (202 | 404, _) => None,
            (status, text) => panic!("{path} answered {status}: {text}"),
        })
    }

    /// The status of `/health` and its reason.
    pub fn health(&self) -> (u16, String) {
        let (status, health) = self.call("GET", "/health", &Value::Null).expect("the server answers");
        (status, health["reason"].as_str().unwrap_or_default().to_owned())
    }
}

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
