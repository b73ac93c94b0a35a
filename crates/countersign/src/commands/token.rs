//! `countersign token`: short-lived access tokens of agents.

use anyhow::{Context as _, Result};
use clap::Subcommand;
use countersign_core::id::AgentId;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const ISSUED: &[Field] = &[
    ("token", "/token"),
    ("id", "/token_id"),
    ("agent", "/agent_id"),
    ("scopes", "/scopes"),
    ("expires", "/expires_at"),
];

const FOUND: &[Field] = &[
    ("active", "/active"),
    ("reason", "/reasoning"),
    ("agent", "/agent_id"),
    ("organisation", "/org_id"),
    ("scopes", "/scopes"),
    ("expires", "/expires_at"),
];

/// Issue, examine and revoke access tokens
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Issue a token; it is shown this once
    Issue {
        /// The agent that may present it
        #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
        agent: AgentId,
        /// A tool it may be used for, or a prefix that ends in `*`; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// How long it lives, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        ttl: u32,
    },
    /// Say whether a token is good; exit code 2 where it is not
    Introspect {
        /// The token; `-` reads it from standard input
        token: String,
        /// A scope it must have; may be repeated
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// Revoke a token for ever
    Revoke {
        /// The token; `-` reads it from standard input
        token: String,
    },
}

impl Token {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::Issue { agent, scopes, ttl } => {
                let order = json!({ "agent_id": agent.as_str(), "scopes": scopes, "ttl": ttl });
                output.one(&client.post("/api/v1/agent-tokens/issue", &order)?, ISSUED)?;
            }
            Self::Introspect { token, scopes } => {
                let ask = json!({ "token": secret(token)?, "required_scopes": scopes });
                let answer = client.post("/api/v1/agent-tokens/introspect", &ask)?;
                output.one(&answer, FOUND)?;
                if answer.get("active").and_then(Value::as_bool) != Some(true) {
                    return Ok(Exit::Denied);
                }
            }
            Self::Revoke { token } => {
                let order = json!({ "token": secret(token)?, "reason": "manual_revocation" });
                let answer = client.post("/api/v1/agent-tokens/revoke", &order)?;
                output.done(&answer, "the token is revoked for ever")?;
            }
        }
        Ok(Exit::Done)
    }
}

/// The token, which standard input keeps out of the list of processes.
fn secret(given: String) -> Result<String> {
    if given != "-" {
        return Ok(given);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read the token from standard input")?;
    Ok(line.trim().to_owned())
}
