//! `countersign decision`: what was decided, and why.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::{AgentId, CheckId};

use crate::client::Client;
use crate::exit::Exit;
use crate::explain::explain;
use crate::output::{Field, Output, print, visible};

const COLUMNS: &[Field] = &[
    ("id", "/check_id"),
    ("time", "/time"),
    ("agent", "/agent_id"),
    ("tool", "/tool"),
    ("effect", "/effect"),
    ("verdict", "/verdict"),
    ("code", "/code"),
];

const MORE: &[Field] = &[
    ("reason", "/reason"),
    ("gate", "/gate"),
    ("guard", "/guard_tier"),
    ("session", "/session_id"),
    ("approval", "/approval_id"),
    ("key", "/key_id"),
    ("position", "/position"),
];

/// Look at recorded decisions
#[derive(Debug, Subcommand)]
pub enum Decision {
    /// List decisions, latest first
    List(Filter),
    /// Show one decision
    Get {
        #[arg(value_parser = CheckId::parse)]
        id: CheckId,
    },
    /// Say in plain words who asked for what, what was decided, and why
    Explain {
        #[arg(value_parser = CheckId::parse)]
        id: CheckId,
    },
}

#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only this agent's
    #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
    agent: Option<AgentId>,
    /// Only this session's
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only this tool's
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only those that say so
    #[arg(long, value_parser = ["allow", "deny", "elevate"])]
    verdict: Option<String>,
    /// How many at most
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
    /// Only those before: the cursor that the list before ended with
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
}

impl Decision {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        let get = |id: &CheckId| client.get(&format!("/api/v1/decisions/{id}"), &[]);
        match self {
            Self::List(filter) => filter.list(client, output)?,
            Self::Get { id } => {
                let fields: Vec<Field> = COLUMNS.iter().chain(MORE).copied().collect();
                output.one(&get(&id)?, &fields)?;
            }
            Self::Explain { id } => {
                let decision = get(&id)?;
                let said = explain(&decision);
                if output.is_json() {
                    crate::output::json(&serde_json::json!({ "explanation": said, "decision": decision }))?;
                } else {
                    print(&said)?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

impl Filter {
    fn list(self, client: &Client, output: Output) -> Result<()> {
        let query = [
            ("agent", self.agent.map(String::from)),
            ("session", self.session),
            ("tool", self.tool),
            ("verdict", self.verdict),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("before", self.before),
        ];
        let answer = client.get("/api/v1/decisions", &query)?;
        output.list(&answer, "/decisions", COLUMNS)?;
        match answer.get("next").filter(|next| !next.is_null() && !output.is_json()) {
            Some(next) => print(&format!("more: --before {}\n", visible(next.as_str().unwrap_or(&next.to_string())))),
            None => Ok(()),
        }
    }
}
