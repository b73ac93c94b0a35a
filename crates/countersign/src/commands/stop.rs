//! `countersign stop`: the switch for when something goes wrong.

use anyhow::Result;
use clap::Subcommand;
use countersign_core::id::StopId;
use serde_json::json;

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[("id", "/id"), ("tool", "/tool"), ("reason", "/reason"), ("since", "/created_at")];

/// Stop a tool, or everything, at once
#[derive(Debug, Subcommand)]
pub enum Stop {
    /// List the stops in force; one without a tool stops everything
    List,
    /// Stop a tool for every agent of the organisation, or everything
    Add {
        /// The tool, or a prefix that ends in `*`; without it, everything is stopped
        #[arg(long, value_name = "NAME")]
        tool: Option<String>,
        /// Why, for the record
        #[arg(long)]
        reason: String,
    },
    /// Lift a stop
    Lift {
        #[arg(value_parser = StopId::parse)]
        id: StopId,
    },
}

impl Stop {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::List => output.list(&client.get("/api/v1/stops", &[])?, "/stops", COLUMNS)?,
            Self::Add { tool, reason } => {
                let mut new = json!({ "reason": reason });
                if let (Some(tool), Some(new)) = (tool, new.as_object_mut()) {
                    new.insert("tool".into(), tool.into());
                }
                output.one(&client.post("/api/v1/stops", &new)?, COLUMNS)?;
            }
            Self::Lift { id } => {
                let answer = client.delete(&format!("/api/v1/stops/{id}"))?;
                output.done(&answer, &format!("stop {id} is lifted"))?;
            }
        }
        Ok(Exit::Done)
    }
}
