//! `countersign agent`: who may act at all.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::AgentId;
use serde_json::{Map, Value, json};

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
    ("calls per day", "/budget/calls_per_day"),
    ("tokens per day", "/budget/tokens_per_day"),
    ("trust", "/trust"),
    ("created", "/created_at"),
];

const SPENT: &[Field] = &[
    ("agent", "/agent_id"),
    ("calls", "/calls"),
    ("calls per day", "/calls_per_day"),
    ("tokens", "/tokens"),
    ("tokens per day", "/tokens_per_day"),
    ("resets", "/resets_at"),
];

/// How much may be spent in a day; `None` is without limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit(Option<u64>);

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let wrong = |_| "expected a number, or `unlimited`".to_owned();
        text.parse().map(|most| Self(Some(most))).map_err(wrong)
    }
}

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
        /// How many calls it may make in a day of UTC
        #[arg(long, value_name = "N")]
        calls_per_day: Option<u64>,
        /// How many tokens its models may use in a day of UTC
        #[arg(long, value_name = "N")]
        tokens_per_day: Option<u64>,
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
        /// How many calls it may make in a day from now on: a number, or `unlimited`
        #[arg(long, value_name = "N")]
        calls_per_day: Option<Limit>,
        /// How many tokens its models may use in a day from now on: a number, or `unlimited`
        #[arg(long, value_name = "N")]
        tokens_per_day: Option<Limit>,
        /// How far it is trusted from now on, 0 to 1000
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
        trust: Option<u16>,
    },
    /// Show what an agent may spend today, and what it has spent
    Budget {
        #[arg(value_parser = AgentId::parse)]
        id: AgentId,
    },
    /// Report how many tokens an agent's models used
    Usage {
        #[arg(value_parser = AgentId::parse)]
        id: AgentId,
        /// How many, since the last report
        #[arg(long, value_name = "N")]
        tokens: u64,
        /// The session they were used in
        #[arg(long, value_name = "ID")]
        session: Option<String>,
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
            Self::Register { name, capabilities, blocked, calls_per_day, tokens_per_day, framework } => {
                let new = json!({
                    "name": name, "framework": framework, "capabilities": capabilities, "blocked": blocked,
                    "budget": { "calls_per_day": calls_per_day, "tokens_per_day": tokens_per_day }, "metadata": {},
                });
                let answer = client.post("/api/v1/agents", &new)?;
                output.one(answer.get("agent").unwrap_or(&answer), COLUMNS)?;
            }
            Self::Update { id, capabilities, blocked, calls_per_day, tokens_per_day, trust } => {
                let limits = [("calls_per_day", calls_per_day), ("tokens_per_day", tokens_per_day)];
                let named = limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?.0))));
                let budget: Map<String, Value> = named.collect();
                let mut rights = json!({ "capabilities": capabilities, "blocked": blocked, "budget": budget });
                if let (Some(trust), Some(rights)) = (trust, rights.as_object_mut()) {
                    rights.insert("trust".to_owned(), trust.into());
                }
                output.one(&client.put(&format!("/api/v1/agents/{id}/capabilities"), &rights)?, COLUMNS)?;
            }
            Self::Budget { id } => output.one(&client.get(&format!("/api/v1/agents/{id}/budget"), &[])?, SPENT)?,
            Self::Usage { id, tokens, session } => {
                let report = json!({ "tokens": tokens, "session_id": session });
                output.one(&client.post(&format!("/api/v1/agents/{id}/usage"), &report)?, SPENT)?;
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
