//! Everything decisions read, in memory: what the store holds, and what a
//! restart may forget.

use ahash::RandomState;
use countersign_core::agent::{Agent, Stop};
use countersign_core::approval::Approval;
use countersign_core::breaker::Breaker;
use countersign_core::delegation::Delegation;
use countersign_core::id::{AgentId, ApprovalId, ChainId, OrgId};
use countersign_core::seal::Sealed;
use countersign_core::session::{Session, Token};
use countersign_store::{Documents, StoreError};
use dashmap::DashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::caller::ApiKey;
use crate::collection::{Collection, Owned};
use crate::records::{Delivery, Destination, OrgSettings, Organisation, Provider};
use crate::servers::{Server, ToolRules, worst_of};
use crate::versions::PolicyVersion;

/// A kind of document.
pub(crate) trait Record: Owned + Serialize + DeserializeOwned + Send + Sync + Sized + 'static {
    /// The collection's name in the store.
    const KIND: &'static str;

    /// Where documents of this kind are kept in memory.
    fn collection(registry: &Registry) -> &Collection<Self>;

    /// Runs whenever the document was put into memory: keeps look-ups current.
    fn placed(&self, _: &Registry) {}

    /// Runs after the document was removed from memory.
    fn removed(&self, _: &Registry) {}

    /// Fills the collection from the store.
    fn load(registry: &Registry, documents: &dyn Documents) -> Result<(), StoreError> {
        for document in documents.list(Self::KIND)? {
            let value: Self = serde_json::from_slice(&document.body)
                .map_err(|why| StoreError::Corrupt(format!("{} `{}`: {why}", Self::KIND, document.key)))?;
            Self::collection(registry).put(value, document.revision);
            if let Some(stored) = Self::collection(registry).any(&document.key) {
                stored.value.placed(registry);
            }
        }
        Ok(())
    }
}

/// A name that is taken: what makes agent names unique within an organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) key: String,
    pub(crate) org: OrgId,
    pub(crate) agent: AgentId,
}

/// The last approval asked for a tool on a chain: what makes a pending one unique.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) key: String,
    pub(crate) org: OrgId,
    pub(crate) approval: ApprovalId,
}

#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) organisations: Collection<Organisation>,
    pub(crate) settings: Collection<OrgSettings>,
    pub(crate) keys: Collection<ApiKey>,
    pub(crate) agents: Collection<Agent>,
    pub(crate) names: Collection<Name>,
    pub(crate) stops: Collection<Stop>,
    pub(crate) servers: Collection<Server>,
    pub(crate) tokens: Collection<Sealed<Token>>,
    pub(crate) sessions: Collection<Sealed<Session>>,
    pub(crate) delegations: Collection<Sealed<Delegation>>,
    pub(crate) approvals: Collection<Sealed<Approval>>,
    pub(crate) asked: Collection<Asked>,
    pub(crate) providers: Collection<Provider>,
    pub(crate) destinations: Collection<Destination>,
    pub(crate) deliveries: Collection<Delivery>,
    pub(crate) policy_versions: Collection<PolicyVersion>,
    /// The approvals asked for on each chain, oldest first.
    pub(crate) asked_on: DashMap<ChainId, Vec<ApprovalId>, RandomState>,
    /// What servers say of each tool, by organisation.
    pub(crate) tool_rules: DashMap<OrgId, ToolRules, RandomState>,
    /// The circuits, by agent and tool. A restart closes them all.
    pub(crate) circuits: DashMap<String, Breaker, RandomState>,
}

impl Registry {
    /// Reads everything the store holds.
    pub(crate) fn load(documents: &dyn Documents) -> Result<Self, StoreError> {
        let registry = Self::default();
        <Organisation as Record>::load(&registry, documents)?;
        <OrgSettings as Record>::load(&registry, documents)?;
        <ApiKey as Record>::load(&registry, documents)?;
        <Agent as Record>::load(&registry, documents)?;
        <Name as Record>::load(&registry, documents)?;
        <Stop as Record>::load(&registry, documents)?;
        <Server as Record>::load(&registry, documents)?;
        <Sealed<Token> as Record>::load(&registry, documents)?;
        <Sealed<Session> as Record>::load(&registry, documents)?;
        <Sealed<Delegation> as Record>::load(&registry, documents)?;
        <Sealed<Approval> as Record>::load(&registry, documents)?;
        <Asked as Record>::load(&registry, documents)?;
        <Provider as Record>::load(&registry, documents)?;
        <Destination as Record>::load(&registry, documents)?;
        <Delivery as Record>::load(&registry, documents)?;
        <PolicyVersion as Record>::load(&registry, documents)?;
        registry.order_approvals();
        Ok(registry)
    }

    /// Documents come by key; what was asked on a chain is in the order of asking.
    fn order_approvals(&self) {
        let asked_at =
            |id: &ApprovalId| self.approvals.any(id.as_str()).map(|found| found.value.unchecked().created_at);
        self.asked_on.iter_mut().for_each(|mut on_chain| on_chain.sort_by_key(asked_at));
    }
}

macro_rules! records {
    ($($kind:literal: $type:ty, $field:ident, $this:ident => $key:expr, $org:expr;)*) => {$(
        impl Owned for $type {
            fn key(&self) -> &str {
                let $this = self;
                $key
            }

            fn org(&self) -> &OrgId {
                let $this = self;
                $org
            }
        }

        impl Record for $type {
            const KIND: &'static str = $kind;

            fn collection(registry: &Registry) -> &Collection<Self> {
                &registry.$field
            }
        }
    )*};
}

records! {
    "organisation": Organisation, organisations, it => it.id.as_str(), &it.id;
    "settings": OrgSettings, settings, it => it.org.as_str(), &it.org;
    "key": ApiKey, keys, it => it.id.as_str(), &it.org;
    "agent": Agent, agents, it => it.id.as_str(), &it.org;
    "agent_name": Name, names, it => &it.key, &it.org;
    "stop": Stop, stops, it => it.id.as_str(), &it.org;
    "token": Sealed<Token>, tokens, it => it.unchecked().id.as_str(), &it.unchecked().org;
    "session": Sealed<Session>, sessions, it => it.unchecked().id.as_str(), &it.unchecked().org;
    "delegation": Sealed<Delegation>, delegations, it => it.unchecked().id.as_str(), &it.unchecked().org;
    "asked": Asked, asked, it => &it.key, &it.org;
    "provider": Provider, providers, it => it.id.as_str(), &it.org;
    "destination": Destination, destinations, it => it.id.as_str(), &it.org;
    "delivery": Delivery, deliveries, it => &it.id, &it.org;
    "policy_version": PolicyVersion, policy_versions, it => &it.key, &it.org;
}

impl Owned for Server {
    fn key(&self) -> &str {
        self.id.as_str()
    }

    fn org(&self) -> &OrgId {
        &self.org
    }
}

impl Record for Server {
    const KIND: &'static str = "server";

    fn collection(registry: &Registry) -> &Collection<Self> {
        &registry.servers
    }

    fn placed(&self, registry: &Registry) {
        let servers = registry.servers.list(&self.org, |_| true);
        registry.tool_rules.insert(self.org.clone(), worst_of(&servers));
    }

    fn removed(&self, registry: &Registry) {
        self.placed(registry);
    }
}

impl Owned for Sealed<Approval> {
    fn key(&self) -> &str {
        self.unchecked().id.as_str()
    }

    fn org(&self) -> &OrgId {
        &self.unchecked().org
    }
}

impl Record for Sealed<Approval> {
    const KIND: &'static str = "approval";

    fn collection(registry: &Registry) -> &Collection<Self> {
        &registry.approvals
    }

    fn placed(&self, registry: &Registry) {
        let approval = self.unchecked();
        let mut on_chain = registry.asked_on.entry(approval.chain.clone()).or_default();
        if !on_chain.contains(&approval.id) {
            on_chain.push(approval.id.clone());
        }
    }

    fn removed(&self, registry: &Registry) {
        let approval = self.unchecked();
        if let Some(mut on_chain) = registry.asked_on.get_mut(&approval.chain) {
            on_chain.retain(|id| *id != approval.id);
        }
        registry.asked_on.remove_if(&approval.chain, |_, on_chain| on_chain.is_empty());
    }
}
