//! `countersign session`: bounded stretches of work.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::{AgentId, SessionId};
use serde_json::json;

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[
    ("id", "/session_id"),
    ("agent", "/agent_id"),
    ("source", "/source"),
    ("mode", "/mode"),
    ("status", "/status"),
    ("calls", "/total_calls"),
    ("reads", "/read_calls"),
    ("writes", "/write_calls"),
    ("denied", "/denied_calls"),
    ("created", "/created_at"),
];

const MORE: &[Field] = &[
    ("server", "/server_id"),
    ("delegation", "/delegation_id"),
    ("ceiling", "/scope_ceiling"),
    ("last activity", "/last_activity_at"),
    ("expires", "/expires_at"),
    ("closed", "/closed_at"),
];

/// Look at sessions and close them
#[derive(Debug, Subcommand)]
pub enum Session {
    /// List sessions
    List {
        /// Only this agent's
        #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
        agent: Option<AgentId>,
    },
    /// Show one session
    Get {
        #[arg(value_parser = SessionId::parse)]
        id: SessionId,
    },
    /// Close a session for ever
    Close {
        #[arg(value_parser = SessionId::parse)]
        id: SessionId,
    },
}

impl Session {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::List { agent } => {
                let answer = client.get("/api/v1/sessions", &[("agent", agent.map(String::from))])?;
                output.list(&answer, "/sessions", COLUMNS)?;
            }
            Self::Get { id } => {
                let fields: Vec<Field> = COLUMNS.iter().chain(MORE).copied().collect();
                output.one(&client.get(&format!("/api/v1/sessions/{id}"), &[])?, &fields)?;
            }
            Self::Close { id } => {
                let answer = client.post(&format!("/api/v1/sessions/{id}/close"), &json!({}))?;
                output.done(&answer, &format!("session {id} is closed"))?;
            }
        }
        Ok(Exit::Done)
    }
}
