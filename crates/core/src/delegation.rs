//! One agent lending part of its rights to another.
//!
//! A chain runs from the agent that holds the rights to the agent that uses
//! them. Rights only ever shrink on the way, and one dead link kills the rest.

use serde::{Deserialize, Serialize};

use crate::capability::{Pattern, widened};
use crate::denial::Denial;
use crate::id::{AgentId, DelegationId, OrgId};
use crate::seal::{Fields, Seal};
use crate::time::Timestamp;

/// The most links a chain may have.
pub const MAX_DEPTH: usize = 5;

/// One link of a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delegation {
    /// Its id.
    pub id: DelegationId,
    /// The organisation both agents belong to.
    pub org: OrgId,
    /// Who lends.
    pub from: AgentId,
    /// Who may use what is lent.
    pub to: AgentId,
    /// What is lent.
    pub scope: Vec<Pattern>,
    /// The link before this one, where the lender itself borrowed.
    pub parent: Option<DelegationId>,
    /// What the lender noted, as JSON text.
    pub restrictions: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Seal for Delegation {
    fn feed(&self, fields: &mut Fields) {
        fields
            .text("delegation")
            .text(self.id.as_str())
            .text(self.org.as_str())
            .text(self.from.as_str())
            .text(self.to.as_str())
            .maybe(self.parent.as_ref().map(DelegationId::as_str))
            .text(&self.restrictions)
            .number(self.created_at.as_millis())
            .number(self.expires_at.as_millis())
            .number(self.revoked_at.map_or(-1, Timestamp::as_millis));
        for pattern in &self.scope {
            fields.text(pattern.as_str());
        }
    }
}

/// A link together with what is known of its lender now.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The delegation, or `None` where its seal does not hold.
    pub delegation: Option<&'a Delegation>,
    /// Whether the lender may act.
    pub lender_is_active: bool,
    /// What the lender may not do, and so cannot lend.
    pub lender_blocks: &'a [Pattern],
}

/// Checks a chain from its root to the link in use. `root_holds` are the
/// capabilities of the agent at the root.
pub fn verify(chain: &[Link<'_>], root_holds: &[Pattern], now: Timestamp) -> Result<(), Denial> {
    if chain.len() > MAX_DEPTH {
        return Err(Denial::DelegationTooDeep);
    }
    let mut before: Option<&Delegation> = None;
    let mut lenders: Vec<&AgentId> = Vec::with_capacity(chain.len());
    for link in chain {
        let this = link.delegation.ok_or(Denial::DelegationBroken)?;
        if this.revoked_at.is_some() {
            return Err(Denial::DelegationRevoked);
        }
        if now >= this.expires_at {
            return Err(Denial::DelegationExpired);
        }
        if !link.lender_is_active {
            return Err(Denial::DelegationLenderInactive);
        }
        lenders.push(&this.from);
        if lenders.contains(&&this.to) {
            return Err(Denial::DelegationToSelf);
        }
        let continues = match before {
            Some(parent) => {
                this.parent.as_ref() == Some(&parent.id) && this.from == parent.to && this.org == parent.org
            }
            None => this.parent.is_none(),
        };
        if !continues {
            return Err(Denial::DelegationBroken);
        }
        let lent = before.map_or(root_holds, |parent| &parent.scope);
        if this.scope.is_empty() || widened(lent, &this.scope).is_some() {
            return Err(Denial::DelegationWidened);
        }
        before = Some(this);
    }
    Ok(())
}
