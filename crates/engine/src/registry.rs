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
use serde::{Deserialize, Serialize};

use crate::caller::ApiKey;
use crate::collection::{Collection, Record};
use crate::records::{Delivery, Destination, OrgSettings, Organisation, Provider};
use crate::servers::Server;

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
    /// The approvals asked for on each chain, oldest first.
    pub(crate) asked_on: DashMap<ChainId, Vec<ApprovalId>, RandomState>,
    /// The circuits, by agent and tool. A restart closes them all.
    pub(crate) circuits: DashMap<String, Breaker, RandomState>,
}

impl Registry {
    /// Reads everything the store holds.
    pub(crate) fn load(documents: &dyn Documents) -> Result<Self, StoreError> {
        let registry = Self::default();
        Collection::<Organisation>::load(&registry, documents)?;
        Collection::<OrgSettings>::load(&registry, documents)?;
        Collection::<ApiKey>::load(&registry, documents)?;
        Collection::<Agent>::load(&registry, documents)?;
        Collection::<Name>::load(&registry, documents)?;
        Collection::<Stop>::load(&registry, documents)?;
        Collection::<Server>::load(&registry, documents)?;
        Collection::<Sealed<Token>>::load(&registry, documents)?;
        Collection::<Sealed<Session>>::load(&registry, documents)?;
        Collection::<Sealed<Delegation>>::load(&registry, documents)?;
        Collection::<Sealed<Approval>>::load(&registry, documents)?;
        Collection::<Asked>::load(&registry, documents)?;
        Collection::<Provider>::load(&registry, documents)?;
        Collection::<Destination>::load(&registry, documents)?;
        Collection::<Delivery>::load(&registry, documents)?;
        Ok(registry)
    }
}

macro_rules! records {
    ($($kind:literal: $type:ty, $field:ident, $this:ident => $key:expr, $org:expr;)*) => {$(
        impl Record for $type {
            const KIND: &'static str = $kind;

            fn key(&self) -> &str {
                let $this = self;
                $key
            }

            fn org(&self) -> &OrgId {
                let $this = self;
                $org
            }

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
    "server": Server, servers, it => it.id.as_str(), &it.org;
    "token": Sealed<Token>, tokens, it => it.unchecked().id.as_str(), &it.unchecked().org;
    "session": Sealed<Session>, sessions, it => it.unchecked().id.as_str(), &it.unchecked().org;
    "delegation": Sealed<Delegation>, delegations, it => it.unchecked().id.as_str(), &it.unchecked().org;
    "asked": Asked, asked, it => &it.key, &it.org;
    "provider": Provider, providers, it => it.id.as_str(), &it.org;
    "destination": Destination, destinations, it => it.id.as_str(), &it.org;
    "delivery": Delivery, deliveries, it => &it.id, &it.org;
}

impl Record for Sealed<Approval> {
    const KIND: &'static str = "approval";

    fn key(&self) -> &str {
        self.unchecked().id.as_str()
    }

    fn org(&self) -> &OrgId {
        &self.unchecked().org
    }

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
}
