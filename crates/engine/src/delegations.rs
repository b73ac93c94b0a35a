//! Delegations: lending part of an agent's rights to another.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::capability::Pattern;
use countersign_core::delegation::{Delegation, Link, verify};
use countersign_core::id::{AgentId, ChainId, DelegationId};
use countersign_core::role::Right;
use countersign_core::seal::Sealed;

use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::Engine;
use crate::error::Error;

/// How long a delegation lives when its request does not say, in seconds.
const DEFAULT_TTL: i64 = 3_600;
/// The longest life a delegation can have: thirty days, in seconds.
const MAX_TTL: i64 = 30 * 24 * 3_600;

/// What lending takes.
#[derive(Debug, Clone)]
pub struct NewDelegation {
    /// Who lends.
    pub from: AgentId,
    /// Who borrows.
    pub to: AgentId,
    /// What is lent.
    pub scope: Vec<Pattern>,
    /// For how long, in seconds.
    pub ttl_seconds: Option<i64>,
    /// Notes, as JSON text.
    pub restrictions: String,
    /// The link before, where the lender itself borrowed.
    pub parent: Option<DelegationId>,
}

impl Engine {
    /// Lends. The whole chain is verified as it would be when used.
    pub async fn create_delegation(&self, caller: &Caller, new: NewDelegation) -> Result<Delegation, Error> {
        caller.needs(Right::Delegate)?;
        caller.speaks_for(&new.from)?;
        if new.scope.is_empty() {
            return Err(Error::Invalid("`scope` must name at least one right to lend".into()));
        }
        let from = self.active_agent(caller, &new.from)?;
        self.active_agent(caller, &new.to)?;
        let ttl = match new.ttl_seconds.unwrap_or(0) {
            ..0 => return Err(Error::Invalid("`ttl_seconds` must be a positive number of seconds".into())),
            0 => DEFAULT_TTL,
            asked => asked.min(MAX_TTL),
        };
        if let Some(id) = &new.parent
            && self.registry.delegations.get(&caller.org, id.as_str()).is_none()
        {
            return Err(Error::not_found("delegation", id.as_str()));
        }
        let lent = self.lent(new.parent.clone());
        let now = self.now();
        let parent = lent.links.last().and_then(|link| link.stored.as_ref());
        let parent_ends = parent.map(|parent| parent.value.unchecked().expires_at);
        let until = now.plus(Duration::from_secs(ttl.unsigned_abs()));
        let delegation = Delegation {
            id: DelegationId::from_entropy(self.bits()),
            org: caller.org.clone(),
            from: new.from,
            to: new.to,
            scope: new.scope,
            parent: new.parent,
            restrictions: new.restrictions,
            created_at: now,
            expires_at: parent_ends.map_or(until, |ends| until.min(ends)),
            revoked_at: None,
        };
        let mut links = lent.links(&self.seal_key);
        links.push(Link { delegation: Some(&delegation), lender_is_active: true, lender_blocks: &from.value.blocked });
        let root = lent.root.as_ref().unwrap_or(&from);
        verify(&links, &root.value.capabilities, now)
            .map_err(|denial| Error::forbidden(denial.code(), denial.to_string()))?;
        let mut changes = Changes::default();
        changes.create(Sealed::new(delegation.clone(), &self.seal_key))?;
        let chain = ChainId::from(&delegation.from);
        self.change(caller, chain, ("create", "delegation", delegation.id.as_str()), changes).await?;
        Ok(delegation)
    }

    fn stored_delegation(&self, caller: &Caller, id: &str) -> Result<Arc<Stored<Sealed<Delegation>>>, Error> {
        caller.needs(Right::Read)?;
        self.registry.delegations.get(&caller.org, id).ok_or_else(|| Error::not_found("delegation", id))
    }

    /// One delegation of the caller's organisation.
    pub fn delegation(&self, caller: &Caller, id: &str) -> Result<Delegation, Error> {
        self.stored_delegation(caller, id).map(|stored| stored.value.unchecked().clone())
    }

    /// Every delegation of the caller's organisation, oldest first.
    pub fn list_delegations(&self, caller: &Caller) -> Result<Vec<Delegation>, Error> {
        caller.needs(Right::Read)?;
        let stored = self.registry.delegations.list(&caller.org, |_| true);
        let mut found: Vec<Delegation> = stored.iter().map(|s| s.value.unchecked().clone()).collect();
        found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(found)
    }

    /// The links that lead to this delegation, the root first.
    pub fn links_before(&self, delegation: &Delegation) -> Vec<DelegationId> {
        let lent = self.lent(delegation.parent.clone());
        lent.links.iter().filter_map(|l| l.stored.as_ref()).map(|s| s.value.unchecked().id.clone()).collect()
    }

    /// Revokes a delegation, and with it everything lent on from it.
    pub async fn revoke_delegation(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.needs(Right::Delegate)?;
        let before = self.stored_delegation(caller, id)?;
        let delegation = before.value.unchecked();
        caller.speaks_for(&delegation.from)?;
        if delegation.revoked_at.is_some() {
            return Ok(());
        }
        let after = Delegation { revoked_at: Some(self.now()), ..delegation.clone() };
        let chain = ChainId::from(&after.from);
        let mut changes = Changes::default();
        changes.replace(&before, Sealed::new(after, &self.seal_key))?;
        self.revocation(caller, chain, ("revoke", "delegation", id, "revoked"), changes).await?;
        Ok(())
    }
}
