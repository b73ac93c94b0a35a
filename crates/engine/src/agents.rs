//! Agents: registering, stopping and never again.

use std::sync::Arc;

use countersign_core::agent::{Agent, Status, Stop};
use countersign_core::budget::Budget;
use countersign_core::capability::Pattern;
use countersign_core::digest::Digest;
use countersign_core::id::{AgentId, ChainId, StopId};
use countersign_core::role::Right;

use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::{Engine, check_name, clip};
use crate::error::Error;
use crate::registry::Name;

/// What registering an agent takes.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// Its name, unique within the organisation.
    pub name: String,
    /// What it is built with.
    pub framework: String,
    /// Its Ed25519 public key as SPKI PEM, if it has one.
    pub public_key: Option<String>,
    /// What it may do.
    pub capabilities: Vec<Pattern>,
    /// What it may not do.
    pub blocked: Vec<Pattern>,
    /// What it may spend in a day.
    pub budget: Budget,
    /// Notes, as JSON text.
    pub metadata: String,
}

/// What an agent may and may not do from now on. What is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// What it may do.
    pub capabilities: Option<Vec<Pattern>>,
    /// What it may not do, whatever its capabilities say.
    pub blocked: Option<Vec<Pattern>>,
    /// How many calls it may make in a day; inside, `None` is without limit.
    pub calls_per_day: Option<Option<u64>>,
    /// How many tokens it may use in a day; inside, `None` is without limit.
    pub tokens_per_day: Option<Option<u64>>,
    /// How far it is trusted, 0 to 1000; inside, `None` is that nobody says.
    pub trust: Option<Option<u16>>,
}

/// Trust that is complete.
const MOST_TRUST: u16 = 1_000;

/// The first bytes of every Ed25519 key as SPKI (RFC 8410, section 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Reads an Ed25519 public key as SPKI PEM and prints it in the one form that
/// is stored: 64-character lines, LF, one line end at the end.
fn canonical_key(pem: &str) -> Result<String, Error> {
    use base64::Engine as _;
    let invalid = || Error::Invalid("`public_key` must be an Ed25519 public key as SPKI PEM".into());
    let body: String = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or_else(invalid)?
        .split_whitespace()
        .collect();
    let der = base64::engine::general_purpose::STANDARD.decode(&body).map_err(|_| invalid())?;
    if der.len() != 44 || !der.starts_with(&ED25519_SPKI) {
        return Err(invalid());
    }
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"))
}

fn check_rights(capabilities: &[Pattern], blocked: &[Pattern]) -> Result<(), Error> {
    if capabilities.len() + blocked.len() > 1_000 {
        return Err(Error::Invalid("an agent has at most 1,000 capabilities and blocks together".into()));
    }
    Ok(())
}

impl Engine {
    /// Registers an agent.
    pub async fn register_agent(&self, caller: &Caller, new: NewAgent) -> Result<Agent, Error> {
        caller.needs(Right::Register)?;
        check_name("name", &new.name)?;
        check_name("framework", &new.framework)?;
        check_rights(&new.capabilities, &new.blocked)?;
        let public_key = new.public_key.as_deref().map(canonical_key).transpose()?.unwrap_or_default();
        let id = AgentId::from_entropy(self.bits());
        let agent = Agent {
            id: id.clone(),
            org: caller.org.clone(),
            name: new.name,
            framework: new.framework,
            public_key,
            status: Status::Active,
            capabilities: new.capabilities,
            blocked: new.blocked,
            budget: new.budget,
            trust: None,
            metadata: new.metadata,
            created_at: self.now(),
        };
        let key = Digest::of(format!("{}/{}", caller.org, agent.name).as_bytes()).to_string();
        let mut changes = Changes::default();
        changes.create(agent.clone())?;
        changes.create(Name { key, org: caller.org.clone(), agent: id.clone() })?;
        match self.change(caller, ChainId::from(&id), ("create", "agent", id.as_str()), changes).await {
            Err(Error::Conflict(_)) => {
                let taken = clip(&agent.name, 64);
                Err(Error::Conflict(format!("an agent named `{taken}` exists already; choose another name")))
            }
            other => other.map(|_| agent),
        }
    }

    /// One agent of the caller's organisation.
    pub fn agent(&self, caller: &Caller, id: &str) -> Result<Arc<Stored<Agent>>, Error> {
        caller.needs(Right::Read)?;
        self.registry.agents.get(&caller.org, id).ok_or_else(|| Error::not_found("agent", id))
    }

    /// Every agent of the caller's organisation, revoked ones too, oldest first.
    pub fn list_agents(&self, caller: &Caller) -> Result<Vec<Arc<Stored<Agent>>>, Error> {
        caller.needs(Right::Read)?;
        let mut agents = self.registry.agents.list(&caller.org, |_| true);
        agents.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(agents)
    }

    /// Revokes an agent for ever, and with it everything that hangs below it.
    pub async fn revoke_agent(&self, caller: &Caller, id: &str, reason: &str) -> Result<Agent, Error> {
        self.set_agent_status(caller, id, Status::Revoked, reason).await
    }

    /// Suspends an agent until it is resumed.
    pub async fn suspend_agent(&self, caller: &Caller, id: &str, reason: &str) -> Result<Agent, Error> {
        self.set_agent_status(caller, id, Status::Suspended, reason).await
    }

    /// Lets a suspended agent act again.
    pub async fn resume_agent(&self, caller: &Caller, id: &str) -> Result<Agent, Error> {
        self.set_agent_status(caller, id, Status::Active, "").await
    }

    /// Changes what an agent may and may not do.
    pub async fn change_rights(&self, caller: &Caller, id: &str, rights: Rights) -> Result<Agent, Error> {
        caller.needs(Right::Administer)?;
        let before = self.agent(caller, id)?;
        let mut after = before.value.clone();
        after.capabilities = rights.capabilities.unwrap_or(after.capabilities);
        after.blocked = rights.blocked.unwrap_or(after.blocked);
        after.budget.calls_per_day = rights.calls_per_day.unwrap_or(after.budget.calls_per_day);
        after.budget.tokens_per_day = rights.tokens_per_day.unwrap_or(after.budget.tokens_per_day);
        after.trust = rights.trust.unwrap_or(after.trust);
        check_rights(&after.capabilities, &after.blocked)?;
        if after.trust.is_some_and(|trust| trust > MOST_TRUST) {
            return Err(Error::Invalid(format!("`trust` must be 0 to {MOST_TRUST}")));
        }
        let mut changes = Changes::default();
        changes.replace(&before, after.clone())?;
        self.tighten(caller, ("update", "agent", id), changes).await?;
        Ok(after)
    }

    async fn set_agent_status(&self, caller: &Caller, id: &str, status: Status, reason: &str) -> Result<Agent, Error> {
        caller.needs(Right::Administer)?;
        let before = self.agent(caller, id)?;
        match (before.value.status, status) {
            (Status::Revoked, Status::Suspended | Status::Active) => {
                return Err(Error::Conflict("the agent is revoked, which is for ever; register a new one".into()));
            }
            (old, new) if old == new => return Ok(before.value.clone()),
            _ => {}
        }
        let after = Agent { status, ..before.value.clone() };
        let mut changes = Changes::default();
        changes.replace(&before, after.clone())?;
        let chain = ChainId::from(&after.id);
        match status {
            Status::Active => self.change(caller, chain, ("resume", "agent", id), changes).await?,
            Status::Suspended => self.revocation(caller, chain, ("suspend", "agent", id, reason), changes).await?,
            Status::Revoked => self.revocation(caller, chain, ("revoke", "agent", id, reason), changes).await?,
        };
        Ok(after)
    }

    /// Stops a tool (a name, or a prefix that ends in `*`), or everything.
    pub async fn stop_tool(&self, caller: &Caller, tool: Option<String>, reason: &str) -> Result<Stop, Error> {
        caller.needs(Right::Administer)?;
        if let Some(tool) = &tool {
            check_name("tool", tool)?;
        }
        let id = StopId::from_entropy(self.bits());
        let reason = clip(reason, 500);
        let stop =
            Stop { id: id.clone(), org: caller.org.clone(), tool, reason: reason.to_owned(), created_at: self.now() };
        let mut changes = Changes::default();
        changes.create(stop.clone())?;
        let event = ("stop", "stop", id.as_str(), reason);
        self.revocation(caller, ChainId::from(&caller.org), event, changes).await?;
        Ok(stop)
    }

    /// The stops in force.
    pub fn list_stops(&self, caller: &Caller) -> Result<Vec<Arc<Stored<Stop>>>, Error> {
        caller.needs(Right::Read)?;
        let mut stops = self.registry.stops.list(&caller.org, |_| true);
        stops.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(stops)
    }

    /// Lifts a stop.
    pub async fn lift_stop(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.needs(Right::Administer)?;
        let stop = self.registry.stops.get(&caller.org, id).ok_or_else(|| Error::not_found("stop", id))?;
        let mut changes = Changes::default();
        changes.delete(&stop);
        self.change(caller, ChainId::from(&caller.org), ("lift", "stop", id), changes).await?;
        Ok(())
    }

    /// The agent, if it may be given new rights now.
    pub(crate) fn active_agent(&self, caller: &Caller, id: &AgentId) -> Result<Arc<Stored<Agent>>, Error> {
        let agent =
            self.registry.agents.get(&caller.org, id.as_str()).ok_or_else(|| Error::not_found("agent", id.as_str()))?;
        match agent.value.status {
            Status::Active => Ok(agent),
            Status::Suspended => Err(Error::forbidden("agent_suspended", "the agent is suspended")),
            Status::Revoked => Err(Error::forbidden("agent_revoked", "the agent is revoked")),
        }
    }
}
