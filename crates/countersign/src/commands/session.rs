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
    ("taint", "/taint"),
    ("last activity", "/last_activity_at"),
    ("expires", "/expires_at"),
    ("closed", "/closed_at"),
];

const VERIFIED: &[Field] = &[
    ("session", "/session_id"),
    ("verified", "/verified"),
    ("integrity", "/integrity"),
    ("entries", "/entries"),
    ("head", "/head"),
    ("in the log", "/included"),
    ("newer than the checkpoint", "/pending"),
    ("fault", "/fault/message"),
    ("at entry", "/fault/index"),
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
    /// Close a session for ever, which makes its Trust Record
    Close {
        #[arg(value_parser = SessionId::parse)]
        id: SessionId,
        /// A challenge that the record gives back
        #[arg(long, value_name = "TEXT")]
        nonce: Option<String>,
        /// The closed session of the agent that delegated to this one
        #[arg(long, value_name = "ID", value_parser = SessionId::parse)]
        parent: Option<SessionId>,
    },
    /// Have the server replay a session from its first entry
    ///
    /// Exit code 0 is that it leads to where the session's chain stands, and 5 that it does not.
    Verify {
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
            Self::Close { id, nonce, parent } => {
                let body = json!({ "nonce": nonce, "parent_session": parent.map(String::from) });
                let answer = client.post(&format!("/api/v1/sessions/{id}/close"), &body)?;
                output.done(
                    &answer,
                    &format!("session {id} is closed; `countersign trace get {id}` prints its record"),
                )?;
            }
            Self::Verify { id } => {
                let answer = client.get(&format!("/api/v1/accountability/sessions/{id}/verify"), &[])?;
                output.one(&answer, VERIFIED)?;
                if answer.get("verified") != Some(&true.into()) {
                    return Ok(Exit::Unverified);
                }
            }
        }
        Ok(Exit::Done)
    }
}
