//! The servers that are measured, each in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::Request;

/// Whether rate limits are in force.
pub(crate) enum Limits {
    Default,
    Off,
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    binary: PathBuf,
    folder: Option<TempDir>,
    ready: Value,
    pub(crate) address: String,
    pub(crate) ready_after_ms: f64,
}

impl Server {
    /// The bare echo.
    pub(crate) fn echo() -> anyhow::Result<Self> {
        let binary = std::env::current_exe()?;
        let mut command = Command::new(&binary);
        command.arg("echo");
        Self::spawn(command, binary, None)
    }

    /// Countersign on a new folder.
    pub(crate) fn countersign(binary: &str, limits: &Limits) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench").tempdir_in("target")?;
        let server = Self::open(binary.into(), folder)?;
        if matches!(limits, Limits::Off) {
            server.admin("PUT", "/api/v1/orgs/limits", &json!({ "agent_per_minute": 0, "tool_per_minute": 0 }))?;
        }
        Ok(server)
    }

    /// Ends this server and starts another on its folder.
    pub(crate) fn restart(mut self) -> anyhow::Result<Self> {
        let folder = self.folder.take().context("this server has no folder")?;
        let binary = self.binary.clone();
        drop(self);
        Self::open(binary, folder)
    }

    fn open(binary: PathBuf, folder: TempDir) -> anyhow::Result<Self> {
        let mut command = Command::new(&binary);
        command.args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"]).arg(folder.path());
        Self::spawn(command, binary, Some(folder))
    }

    fn spawn(mut command: Command, binary: PathBuf, folder: Option<TempDir>) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let ready_after_ms = began.elapsed().as_secs_f64() * 1e3;
        let ready: Value = serde_json::from_str(&line).context("the server did not become ready")?;
        let url = ready.get("url").and_then(Value::as_str).context("no url")?;
        let address = url.trim_start_matches("http://").to_owned();
        Ok(Self { child, binary, folder, ready, address, ready_after_ms })
    }

    fn ready(&self, name: &str) -> String {
        self.ready.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A request as bytes.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str, key: Option<&str>) -> Request {
        let key = key.map(|key| format!("x-api-key: {key}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{key}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        Request { bytes: [head.as_bytes(), body.as_bytes()].concat(), body: body.to_owned() }
    }

    /// A check by the demo agent, as the Python SDK spells it.
    pub(crate) fn check_request(&self, tool: &str) -> Request {
        let body = json!({
            "agent_id": self.ready("agent_id"), "session_id": "", "action_name": tool,
            "action_source": "api", "action_input_summary": "quarterly revenue of the northern region",
        });
        self.request("POST", "/api/v1/agenttrust/check", &body.to_string(), Some(&self.ready("agent_key")))
    }

    /// The start of a session for the demo agent.
    pub(crate) fn session_request(&self) -> anyhow::Result<Request> {
        let servers = self.admin("GET", "/mcp/servers", &Value::Null)?;
        let server = servers.pointer("/servers/0/id").context("no demo server")?;
        let body = json!({ "agent_id": self.ready("agent_id"), "server_id": server });
        Ok(self.request("POST", "/mcp/sessions/init", &body.to_string(), Some(&self.ready("admin_key"))))
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = self.request(method, path, &body, Some(&self.ready("admin_key")));
        let mut stream = std::net::TcpStream::connect(&self.address)?;
        stream.write_all(&request.bytes)?;
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some((_, value)) = line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case("content-length")) {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        std::io::Read::read_exact(&mut reader, &mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Resident memory, in MB.
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        memory_mb(&self.child.id().to_string(), "VmRSS:")
    }
}

/// What `/proc/PROCESS/status` says under `name`, in MB.
pub(crate) fn memory_mb(process: &str, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kilobytes / 1024.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good as killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
