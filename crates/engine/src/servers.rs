//! The registry of MCP servers, and what operators say of their tools.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use countersign_core::Timestamp;
use countersign_core::effect::Effect;
use countersign_core::id::{OrgId, ServerId};
use countersign_core::role::Right;
use countersign_core::seal::Sealed;
use countersign_core::session::{Mode, Session};
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::{Engine, check_name, clip};
use crate::error::Error;

/// A registered MCP server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// The organisation it belongs to.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What its registrant says it can do.
    pub capabilities: Vec<String>,
    /// What the operator says of its tools.
    pub tools: Vec<Tool>,
    /// How sessions for it begin.
    pub default_mode: Mode,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// What an operator says of a tool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tool {
    /// The tool's name.
    pub name: String,
    /// Its effect, whatever its name says.
    pub effect: Option<Effect>,
    /// Whether a human must approve every call.
    pub needs_approval: bool,
}

/// What registering a server takes.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What its registrant says it can do.
    pub capabilities: Vec<String>,
    /// What the operator says of its tools.
    pub tools: Vec<Tool>,
    /// How sessions for it begin.
    pub default_mode: Mode,
}

impl Engine {
    /// Registers an MCP server. Nothing is connected to.
    pub async fn register_server(&self, caller: &Caller, new: NewServer) -> Result<Server, Error> {
        caller.needs(Right::Administer)?;
        check_name("name", &new.name)?;
        check_name("url", &new.url)?;
        for tool in &new.tools {
            check_name("tools.name", &tool.name)?;
        }
        let id = ServerId::from_entropy(self.bits());
        let server = Server {
            id: id.clone(),
            org: caller.org.clone(),
            name: new.name,
            url: new.url,
            description: clip(&new.description, 2_000).to_owned(),
            capabilities: new.capabilities,
            tools: new.tools,
            default_mode: new.default_mode,
            created_at: self.now(),
        };
        let mut changes = Changes::default();
        changes.create(server.clone())?;
        // What a server says of a tool can raise an effect, so decisions on
        // their way are made again.
        self.tighten(caller, ("create", "server", id.as_str()), changes).await?;
        Ok(server)
    }

    /// One server of the caller's organisation.
    pub fn server(&self, caller: &Caller, id: &str) -> Result<Arc<Stored<Server>>, Error> {
        caller.needs(Right::Read)?;
        self.registry.servers.get(&caller.org, id).ok_or_else(|| Error::not_found("server", id))
    }

    /// Every server of the caller's organisation, oldest first.
    pub fn list_servers(&self, caller: &Caller) -> Result<Vec<Arc<Stored<Server>>>, Error> {
        caller.needs(Right::Read)?;
        let mut found = self.registry.servers.list(&caller.org, |_| true);
        found.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(found)
    }

    /// Forgets a server. What was said of its tools no longer holds.
    pub async fn delete_server(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.needs(Right::Administer)?;
        let before = self.server(caller, id)?;
        let mut changes = Changes::default();
        changes.delete(&before);
        self.tighten(caller, ("delete", "server", id), changes).await?;
        Ok(())
    }

    /// What operators say of a tool: the session's own server alone, or where
    /// there is none, the worst that any server of the organisation says.
    pub(crate) fn tool_rules(
        &self,
        org: &OrgId,
        session: Option<&Stored<Sealed<Session>>>,
        tool: &str,
    ) -> (Option<Effect>, bool) {
        let own = session.and_then(|s| s.value.unchecked().server.as_ref());
        if let Some(server) = own.and_then(|id| self.registry.servers.get(org, id.as_str())) {
            let said = server.value.tools.iter().filter(|said| said.name == tool);
            let worse = |(effect, approval): (Option<Effect>, bool), said: &Tool| {
                (effect.max(said.effect), approval || said.needs_approval)
            };
            return said.fold((None, false), worse);
        }
        // No server, or one that is deleted: its sessions must not be freer for it.
        self.registry.tool_rules.get(org).and_then(|rules| rules.get(tool).copied()).unwrap_or_default()
    }
}

/// What the servers of an organisation say of each tool; the worst where they differ.
pub(crate) type ToolRules = HashMap<Box<str>, (Option<Effect>, bool), RandomState>;

pub(crate) fn worst_of(servers: &[Arc<Stored<Server>>]) -> ToolRules {
    let mut rules = ToolRules::default();
    for said in servers.iter().flat_map(|server| &server.value.tools) {
        let (effect, needs_approval) = rules.entry(said.name.as_str().into()).or_default();
        *effect = (*effect).max(said.effect);
        *needs_approval |= said.needs_approval;
    }
    rules
}
