//! `countersign approval`: what waits for a human, and the human's word.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::ApprovalId;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[
    ("id", "/id"),
    ("status", "/status"),
    ("agent", "/agent_id"),
    ("tool", "/action_name"),
    ("effect", "/action_effect"),
    ("why", "/facts/code"),
    ("summary", "/summary"),
    ("session", "/session_id"),
    ("expires", "/expires_at"),
    ("decided by", "/decided_by"),
];

/// Everything a human has to know, a line each.
const FACTS: &[Field] = &[
    ("id", "/id"),
    ("status", "/status"),
    ("agent", "/agent_id"),
    ("tool", "/action_name"),
    ("effect", "/action_effect"),
    ("why", "/facts/code"),
    ("policy says", "/facts/advice"),
    ("reviewer says", "/facts/review"),
    ("agent says", "/summary"),
    ("arguments", "/arguments"),
    ("their digest", "/arguments_digest"),
    ("risk", "/facts/risk"),
    ("reasons", "/facts/reasons"),
    ("unusual", "/facts/findings"),
    ("session", "/session_id"),
    ("calls before", "/facts/calls"),
    ("writes before", "/facts/writes"),
    ("denied before", "/facts/denied"),
    ("delegations", "/facts/delegation_depth"),
    ("decision", "/facts/check_id"),
    ("asked", "/created_at"),
    ("expires", "/expires_at"),
    ("decided by", "/decided_by"),
    ("holds until", "/granted_until"),
];

/// Say yes or no to what agents want to do
#[derive(Debug, Subcommand)]
pub enum Approval {
    /// List requests for approval, latest first
    List {
        /// Only those that stand so
        #[arg(long, value_parser = ["pending", "approved", "denied", "expired"])]
        status: Option<String>,
    },
    /// Show everything that is known of a request
    Show {
        #[arg(value_parser = ApprovalId::parse)]
        id: ApprovalId,
        /// Show the arguments too, where the server keeps them (`capture.arguments`); that they were read is recorded
        #[arg(long)]
        arguments: bool,
    },
    /// Approve exactly the action of a request, for five minutes at most
    Approve(Word),
    /// Deny the action of a request
    Deny(Word),
}

#[derive(Debug, clap::Args)]
pub struct Word {
    #[arg(value_parser = ApprovalId::parse)]
    id: ApprovalId,
    /// Who says so, for the record
    #[arg(long = "as", value_name = "NAME", env = "USER", hide_env = true, default_value = "cli")]
    name: String,
}

impl Approval {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::List { status } => {
                output.list(&client.get("/api/v1/approvals", &[("status", status)])?, "/approvals", COLUMNS)?;
            }
            Self::Show { id, arguments } => {
                let mut request = client.get(&format!("/mcp/approvals/{id}"), &[])?;
                if arguments {
                    with_arguments(client, &mut request)?;
                }
                output.one(&request, FACTS)?;
            }
            Self::Approve(word) => word.say(client, output, "approve", "approved")?,
            Self::Deny(word) => word.say(client, output, "deny", "denied")?,
        }
        Ok(Exit::Done)
    }
}

/// Adds what the call would be made with, as it was captured when the agent asked.
fn with_arguments(client: &Client, request: &mut Value) -> Result<()> {
    let asked = request.pointer("/facts/check_id").and_then(Value::as_str).unwrap_or_default();
    let payload = client.get(&format!("/api/v1/decisions/{asked}/payload"), &[])?;
    if let (Some(request), Some(input)) = (request.as_object_mut(), payload.get("input")) {
        request.insert("arguments".into(), input.clone());
    }
    Ok(())
}

impl Word {
    fn say(self, client: &Client, output: Output, verb: &str, now: &str) -> Result<()> {
        let Self { id, name } = self;
        let answer = client.post(&format!("/mcp/approvals/{id}/{verb}"), &json!({ "decided_by": name }))?;
        output.done(&answer, &format!("{id} is {now} by {name}"))
    }
}
