//! `countersign agent`: who may act at all.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::AgentId;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("status", "/status"),
    ("framework", "/framework"),
    ("capabilities", "/capabilities"),
    ("blocked", "/blocked"),
    ("created", "/created_at"),
];

/// Register, stop and look at agents
#[derive(Debug, Subcommand)]
pub enum Agent {
    /// List every agent of the organisation
    List,
    /// Show one agent
    Get {
        #[arg(value_parser = AgentId::parse)]
        id: AgentId,
    },
    /// Register an agent
    Register {
        /// Its name, unique within the organisation
        #[arg(long)]
        name: String,
        /// A tool it may use, or a prefix that ends in `*`; may be repeated
        #[arg(long = "capability", value_name = "TOOL")]
        capabilities: Vec<String>,
        /// A tool it may not use, whatever its capabilities say; may be repeated
        #[arg(long = "block", value_name = "TOOL")]
        blocked: Vec<String>,
        /// What it is built with
        #[arg(long, default_value = "custom")]
        framework: String,
    },
    /// Change what an agent may and may not do; what is not named stays
    Update {
        #[arg(value_parser = AgentId::parse)]
        id: AgentId,
        /// A tool it may use from now on, in place of all it could; may be repeated
        #[arg(long = "capability", value_name = "TOOL")]
        capabilities: Option<Vec<String>>,
        /// A tool it may not use from now on, in place of all that were blocked; may be repeated
        #[arg(long = "block", value_name = "TOOL")]
        blocked: Option<Vec<String>>,
    },
    /// Let an agent do nothing until it is resumed
    Suspend(Order),
    /// Let a suspended agent act again
    Resume {
        #[arg(value_parser = AgentId::parse)]
        id: AgentId,
    },
    /// Let an agent do nothing ever again, with everything that hangs below it
    Revoke(Order),
}

#[derive(Debug, clap::Args)]
pub struct Order {
    #[arg(value_parser = AgentId::parse)]
    id: AgentId,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
}

impl Agent {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::List => output.list(&client.get("/api/v1/agents", &[])?, "/agents", COLUMNS)?,
            Self::Get { id } => output.one(&client.get(&format!("/api/v1/agents/{id}"), &[])?, COLUMNS)?,
            Self::Register { name, capabilities, blocked, framework } => {
                let new = json!({
                    "name": name, "framework": framework, "capabilities": capabilities, "blocked": blocked,
                    "metadata": {},
                });
                let answer = client.post("/api/v1/agents", &new)?;
                output.one(answer.get("agent").unwrap_or(&answer), COLUMNS)?;
            }
            Self::Update { id, capabilities, blocked } => {
                let rights = json!({ "capabilities": capabilities, "blocked": blocked });
                output.one(&client.put(&format!("/api/v1/agents/{id}/capabilities"), &rights)?, COLUMNS)?;
            }
            Self::Suspend(order) => order.give(client, output, "suspend", "suspended")?,
            Self::Resume { id } => Order { id, reason: None }.give(client, output, "resume", "active again")?,
            Self::Revoke(order) => order.give(client, output, "revoke", "revoked for ever")?,
        }
        Ok(Exit::Done)
    }
}

impl Order {
    fn give(self, client: &Client, output: Output, verb: &str, now: &str) -> Result<()> {
        let Self { id, reason } = self;
        let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": Value::from(reason) }));
        let answer = client.post(&format!("/api/v1/agents/{id}/{verb}"), &body)?;
        output.done(&answer, &format!("agent {id} is {now}"))
    }
}
