//! What `countersign dev` finds in its folder, and makes on the first start: a
//! demo organisation with an agent and a registered tool server, and the keys
//! to it in a file that its owner alone may read.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use countersign_core::Digest;
use countersign_core::budget::Budget;
use countersign_core::capability::Pattern;
use countersign_core::effect::Effect;
use countersign_core::role::Role;
use countersign_core::session::Mode;
use countersign_engine::{Caller, Engine, Entropy, NewAgent, NewKey, NewServer, SystemEntropy, Tool};
use serde::{Deserialize, Serialize};

use crate::data_dir::{DataDir, write_private};

const AGENT: &str = "demo-agent";
const SERVER: &str = "demo-tools";
const TOOLS: [&str; 4] = ["web_search", "read_file", "write_file", "delete_file"];

/// The way into the demo organisation. Never logged.
#[derive(Clone, Deserialize, Serialize)]
pub struct Keys {
    /// An administrator's key.
    pub admin_key: String,
    /// A key that speaks for the demo agent.
    pub agent_key: String,
    /// The demo agent.
    pub agent_id: String,
}

/// What is in the file: the administrator's key from before the organisation
/// is there, and the rest once everything is.
#[derive(Default, Deserialize, Serialize)]
struct Stored {
    admin_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
}

/// Finds the demo organisation's keys, or makes the organisation. A start that
/// was cut short is finished by the next one.
pub async fn seed(engine: &Engine, data: &DataDir) -> Result<Keys> {
    let path = data.path().join("dev-keys.json");
    let admin_key = match read(&path)? {
        Some(Stored { admin_key, agent_key: Some(agent_key), agent_id: Some(agent_id) }) => {
            return Ok(Keys { admin_key, agent_key, agent_id });
        }
        Some(Stored { admin_key, .. }) => admin_key,
        None if engine.root().is_some() => bail!(
            "`{}` holds an organisation that `countersign dev` did not make, and dev mode would let anyone on this \
             machine ask in it; use `countersign serve`, or another folder with `--data`",
            data.path().display()
        ),
        None => fresh_key(),
    };
    // INVARIANT: the file is there before the organisation, so an organisation
    // without the file is never one of ours.
    write(&path, &Stored { admin_key: admin_key.clone(), ..Stored::default() })?;
    engine.bootstrap_with("demo", &admin_key).await?;
    let admin = engine.authenticate_key(&admin_key).context("the administrator's key of this folder was revoked")?;
    let (agent_key, agent_id) = demo_agent(engine, &admin).await?;
    demo_server(engine, &admin).await?;
    let keys = Keys { admin_key, agent_key, agent_id };
    write(&path, &keys)?;
    Ok(keys)
}

async fn demo_agent(engine: &Engine, admin: &Caller) -> Result<(String, String)> {
    let found = engine.list_agents(admin)?.into_iter().find(|agent| agent.value.name == AGENT);
    let id = if let Some(agent) = found {
        agent.value.id.clone()
    } else {
        let new = NewAgent {
            name: AGENT.into(),
            framework: "custom".into(),
            public_key: None,
            capabilities: TOOLS.map(Pattern::new).into(),
            blocked: Vec::new(),
            budget: Budget::default(),
            metadata: "{}".into(),
        };
        engine.register_agent(admin, new).await?.id
    };
    let key = NewKey { name: AGENT.into(), role: Role::Agent, agent: Some(id.clone()) };
    Ok((engine.create_key(admin, key).await?.secret, id.as_str().to_owned()))
}

async fn demo_server(engine: &Engine, admin: &Caller) -> Result<()> {
    if engine.list_servers(admin)?.iter().any(|server| server.value.name == SERVER) {
        return Ok(());
    }
    let tool = |name: &str| Tool {
        name: name.into(),
        effect: (name == "web_search").then_some(Effect::Read),
        needs_approval: name == "delete_file",
    };
    let new = NewServer {
        name: SERVER.into(),
        url: "http://127.0.0.1:9000/mcp".into(),
        description: "The demo agent's tools. Nothing listens there; the rules for its tools hold all the same.".into(),
        capabilities: TOOLS.map(str::to_owned).into(),
        tools: TOOLS.map(tool).into(),
        default_mode: Mode::ReadOnly,
    };
    engine.register_server(admin, new).await?;
    Ok(())
}

/// A key with 256 random bits.
fn fresh_key() -> String {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    format!("sk_live_{}", Digest::from_bytes(bytes))
}

fn read(path: &Path) -> Result<Option<Stored>> {
    let shown = path.display();
    match std::fs::read(path) {
        Ok(bytes) => {
            let stored = serde_json::from_slice(&bytes);
            stored.map(Some).with_context(|| format!("`{shown}` is not what `countersign dev` wrote; restore it"))
        }
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why).with_context(|| format!("cannot read `{shown}`")),
    }
}

fn write(path: &Path, keys: &impl Serialize) -> Result<()> {
    write_private(path, &serde_json::to_vec_pretty(keys)?)
}
