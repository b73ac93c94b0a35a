//! Starts the server once and makes its callers.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use agenttrustid::{Agent, AgentTrustClient, CreateAgentRequest, RegisterMCPServerRequest, Session};
use serde::Deserialize;
use serde_json::{Value, json};

/// Runs the server on data of its own and interrupts it when standard input closes,
/// which happens when the test process ends, even if it is killed. The keeper lets go
/// of standard output, so that a server that dies early ends the wait for its first line;
/// it says nothing itself, and shows the server's log only when that ended badly.
const KEEPER: &str = r#"
exec 3>&2 2>/dev/null
set -m
trap : INT
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$@" --data "$folder/data" </dev/null 2>"$folder/log" & server=$!
exec >&-
read -r _
kill -INT "$server" 2>/dev/null
wait "$server" || cat "$folder/log" >&3
"#;

/// A running server and the keys it was born with.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub url: String,
    /// The demo organisation's administrator.
    pub admin_key: String,
    /// A key bound to the agent below.
    pub agent_key: String,
    /// The agent the server is born with.
    pub agent_id: String,
    names: AtomicU32,
    /// Held open for as long as the server shall run.
    _keeper: (Child, ChildStdin),
}

/// The one line a server prints when it is ready.
#[derive(Deserialize)]
struct Ready {
    url: String,
    admin_key: String,
    agent_key: String,
    agent_id: String,
}

/// The one server of this test process.
///
/// # Panics
///
/// When there is no binary, or it does not become ready: no test can say anything then.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

impl Server {
    /// A client of the demo organisation's administrator.
    pub fn admin(&self) -> AgentTrustClient {
        self.client(&self.admin_key)
    }

    /// A client that holds the given key.
    pub fn client(&self, key: &str) -> AgentTrustClient {
        AgentTrustClient::builder().base_url(&self.url).api_key(key).build().expect("a client can be built")
    }

    /// A caller without a key: in dev mode, a developer of the demo organisation.
    pub fn keyless(&self) -> AgentTrustClient {
        AgentTrustClient::builder().base_url(&self.url).build().expect("a client can be built")
    }

    /// A client of a human who may approve.
    pub fn approver(&self) -> AgentTrustClient {
        let name = self.name("approver");
        self.client(&self.new_key(&json!({ "name": name, "role": "approver" })))
    }

    /// A client that holds a key of the agent's own.
    pub fn client_of(&self, agent: &Agent) -> AgentTrustClient {
        let name = self.name("key");
        self.client(&self.new_key(&json!({ "name": name, "role": "agent", "agent_id": agent.id })))
    }

    /// A client of another organisation's administrator.
    pub fn stranger(&self) -> AgentTrustClient {
        let made = self.manage("/api/v1/orgs", &json!({ "name": self.name("organisation") }));
        self.client(made["admin_key"].as_str().expect("an organisation comes with a key"))
    }

    /// Registers an agent with exactly the given capabilities.
    pub fn agent(&self, capabilities: &[&str]) -> Agent {
        let request = CreateAgentRequest {
            name: self.name("agent"),
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        self.admin().agents().create(&request).expect("an agent can be registered")
    }

    /// Opens an MCP session of an agent with a server that offers the agent's capabilities.
    pub fn session(&self, agent: &Agent) -> Session {
        let admin = self.admin();
        let request = RegisterMCPServerRequest {
            name: self.name("server"),
            url: "https://mcp.example.invalid/fs".to_string(),
            capabilities: Some(agent.capabilities.clone()),
        };
        let registered = admin.mcp().register_server(&request).expect("an MCP server can be registered");
        admin.sessions().init_session(&agent.id, &registered.id).expect("a session can be opened")
    }

    /// A name nobody else in this run uses.
    pub fn name(&self, of_what: &str) -> String {
        format!("{of_what}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    fn new_key(&self, request: &Value) -> String {
        let made = self.manage("/api/v1/keys", request);
        made["key"].as_str().expect("a new key is shown once").to_string()
    }

    /// A call of the management API, which the SDK does not know.
    fn manage(&self, path: &str, request: &Value) -> Value {
        let answer = reqwest::blocking::Client::new()
            .post(format!("{}{path}", self.url))
            .header("X-API-Key", &self.admin_key)
            .json(request)
            .send()
            .expect("the server answers");
        assert_eq!(answer.status().as_u16(), 201, "{path}: {}", answer.text().unwrap_or_default());
        answer.json().expect("the answer is JSON")
    }
}

fn find_binary() -> PathBuf {
    let places = match std::env::var_os("COUNTERSIGN_BIN") {
        Some(named) => vec![PathBuf::from(named)],
        None => {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
            ["debug", "release"].map(|profile| target.join(profile).join("countersign")).to_vec()
        }
    };
    match places.iter().find(|place| place.is_file()) {
        Some(found) => found.clone(),
        None => panic!("no countersign binary: looked at {places:?}; build it or set COUNTERSIGN_BIN"),
    }
}

fn start() -> Server {
    let binary = find_binary();
    let mut keeper = Command::new("bash")
        .args(["-c", KEEPER, "keeper"])
        .arg(&binary)
        .args(["dev", "--listen", "127.0.0.1:0", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let input = keeper.stdin.take().expect("standard input is piped");
    let output = keeper.stdout.take().expect("standard output is piped");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("standard output is text");
    let ready: Ready = serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("`{} dev` did not say it is ready ({error}): {line:?}", binary.display()));
    Server {
        url: ready.url,
        admin_key: ready.admin_key,
        agent_key: ready.agent_key,
        agent_id: ready.agent_id,
        names: AtomicU32::new(0),
        _keeper: (keeper, input),
    }
}
