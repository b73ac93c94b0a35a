//! What a session rests on: the delegation, link by link, from its root.

use std::sync::Arc;

use countersign_core::agent::{Agent, Status};
use countersign_core::capability::Pattern;
use countersign_core::delegation::{Delegation, Link};
use countersign_core::id::{AgentId, DelegationId};
use countersign_core::seal::{SealKey, Sealed};

use crate::collection::Stored;
use crate::engine::Engine;

/// How many links are followed before a delegation chain counts as endless.
const MAX_LINKS: usize = 16;

/// The delegation that a session rests on.
#[derive(Default)]
pub(crate) struct Lent {
    /// The links, from the root to the one in use.
    pub(crate) links: Vec<LentLink>,
    /// The agent at the root.
    pub(crate) root: Option<Arc<Stored<Agent>>>,
}

/// One link, as found.
pub(crate) struct LentLink {
    pub(crate) stored: Option<Arc<Stored<Sealed<Delegation>>>>,
    lender: Option<Arc<Stored<Agent>>>,
}

impl LentLink {
    /// Who lends.
    pub(crate) fn from(&self) -> Option<&AgentId> {
        self.stored.as_ref().map(|stored| &stored.value.unchecked().from)
    }

    fn open(&self, key: &SealKey) -> Link<'_> {
        let delegation = self.stored.as_ref().and_then(|stored| stored.value.open(key));
        let lender = self.lender.as_ref().map(|lender| &lender.value);
        Link {
            delegation,
            lender_is_active: lender.is_some_and(|lender| lender.status == Status::Active),
            lender_blocks: lender.map_or(&[], |lender| &lender.blocked),
        }
    }
}

impl Lent {
    /// The links as the core reads them, their seals checked.
    pub(crate) fn links(&self, key: &SealKey) -> Vec<Link<'_>> {
        self.links.iter().map(|link| link.open(key)).collect()
    }

    /// Everybody who lends, from the root.
    pub(crate) fn lenders(&self) -> impl Iterator<Item = &Agent> {
        self.links.iter().filter_map(|link| link.lender.as_ref()).map(|lender| &lender.value)
    }

    /// What the agent at the root may do.
    pub(crate) fn root_capabilities(&self) -> &[Pattern] {
        self.root.as_ref().map_or(&[], |root| &root.value.capabilities)
    }
}

impl Engine {
    /// The delegation that ends in `leaf`, from its root.
    pub(crate) fn lent(&self, leaf: Option<DelegationId>) -> Lent {
        let (mut lent, mut next) = (Lent::default(), leaf);
        while let Some(id) = next.take() {
            let stored = self.registry.delegations.any(id.as_str());
            let lender = stored.as_ref().and_then(|s| self.registry.agents.any(s.value.unchecked().from.as_str()));
            next = stored.as_ref().and_then(|s| s.value.unchecked().parent.clone());
            next = next.filter(|_| lent.links.len() < MAX_LINKS);
            lent.root.clone_from(&lender);
            lent.links.push(LentLink { stored, lender });
        }
        lent.links.reverse();
        lent
    }
}
