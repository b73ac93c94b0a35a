//! `countersign key`: API keys, and what each is for.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::{AgentId, KeyId};
use serde_json::json;

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("role", "/role"),
    ("agent", "/agent_id"),
    ("created", "/created_at"),
    ("revoked", "/revoked_at"),
];

/// Make and revoke API keys
#[derive(Debug, Subcommand)]
pub enum Key {
    /// List the organisation's keys, without their secrets
    List,
    /// Make a key; it is shown this once
    Create {
        /// What to call it
        #[arg(long)]
        name: String,
        /// What it is for
        #[arg(long, value_parser = ["admin", "approver", "agent", "auditor"])]
        role: String,
        /// The one agent it speaks for
        #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
        agent: Option<AgentId>,
    },
    /// Revoke a key for ever
    Revoke {
        #[arg(value_parser = KeyId::parse)]
        id: KeyId,
    },
}

impl Key {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::List => output.list(&client.get("/api/v1/keys", &[])?, "/keys", COLUMNS)?,
            Self::Create { name, role, agent } => {
                let mut new = json!({ "name": name, "role": role });
                if let (Some(agent), Some(new)) = (agent, new.as_object_mut()) {
                    new.insert("agent_id".into(), agent.as_str().into());
                }
                let fields: Vec<Field> = [("key", "/key")].iter().chain(COLUMNS).copied().collect();
                output.one(&client.post("/api/v1/keys", &new)?, &fields)?;
            }
            Self::Revoke { id } => {
                let answer = client.delete(&format!("/api/v1/keys/{id}"))?;
                output.done(&answer, &format!("key {id} is revoked for ever"))?;
            }
        }
        Ok(Exit::Done)
    }
}
