//! `countersign org`: organisations, each apart from the others.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const COLUMNS: &[Field] = &[("id", "/id"), ("name", "/name"), ("created", "/created_at")];

const CREATED: &[Field] = &[("id", "/id"), ("name", "/name"), ("admin key", "/admin_key")];

/// Look at organisations and create them
#[derive(Debug, Subcommand)]
pub enum Org {
    /// List the organisations that the key's owner may see
    List,
    /// Create an organisation, and its first administrator's key, which is shown this once
    Create {
        /// Its name
        name: String,
    },
}

impl Org {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        match self {
            Self::List => output.list(&client.get("/api/v1/orgs", &[])?, "/orgs", COLUMNS)?,
            Self::Create { name } => {
                output.one(&client.post("/api/v1/orgs", &json!({ "name": name }))?, CREATED)?;
            }
        }
        Ok(Exit::Done)
    }
}
