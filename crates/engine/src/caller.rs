//! Who is asking.

use countersign_core::Timestamp;
use countersign_core::digest::Digest;
use countersign_core::id::{AgentId, KeyId, OrgId, TokenId};
use countersign_core::role::{Right, Role};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// An API key, as the server remembers it: never the key itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: KeyId,
    /// The organisation it belongs to.
    pub org: OrgId,
    /// What its creator called it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The one agent it speaks for, where it is bound to one.
    pub agent: Option<AgentId>,
    /// The SHA-256 of the key.
    pub digest: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A caller whose credentials were checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The organisation it acts in.
    pub org: OrgId,
    /// What it may ask for.
    pub role: Role,
    /// The key it showed; `None` for a keyless call in dev mode.
    pub key: Option<KeyId>,
    /// The agent it proved to be.
    pub proof: Option<Proof>,
}

/// How a caller proved to be an agent.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The agent.
    pub agent: AgentId,
    /// The token it showed; `None` where its key is bound to the agent.
    pub token: Option<TokenId>,
}

/// The roles of keys that have `right`, for people.
fn roles(right: Right) -> String {
    let all = [Role::Admin, Role::Approver, Role::Auditor, Role::Agent];
    let may = all.into_iter().filter(|role| role.may(right)).map(|role| format!("`{}`", role.as_str()));
    format!("the role {}", may.collect::<Vec<_>>().join(" or "))
}

impl Caller {
    /// The name under which the caller is recorded.
    #[must_use]
    pub fn name(&self) -> &str {
        match (&self.key, &self.proof) {
            (_, Some(Proof { token: Some(token), .. })) => token.as_str(),
            (Some(key), _) => key.as_str(),
            (None, _) => self.role.as_str(),
        }
    }

    /// Refuses a caller that does not have `right`.
    pub fn needs(&self, right: Right) -> Result<(), Error> {
        let by_agent = self.proof.is_some() && matches!(right, Right::Approve | Right::Administer | Right::Register);
        // What a token made would outlive it; with nothing below it, revoking
        // it is enough.
        let by_token = self.proof.as_ref().is_some_and(|proof| proof.token.is_some());
        let begets = by_token && matches!(right, Right::Issue | Right::Delegate);
        if self.role.may(right) && !by_agent && !begets {
            return Ok(());
        }
        let role = self.role.as_str();
        let message = match right {
            Right::Approve if by_agent => "an agent may not approve; a key with the role `approver` can".to_owned(),
            Right::Approve => {
                format!("the role `{role}` may not approve; a key with the role `approver` or `admin` can")
            }
            _ if begets => "an access token may not issue tokens or delegate; a key can".to_owned(),
            _ => format!("the role `{role}` may not do this; a key with {} can", roles(right)),
        };
        Err(Error::forbidden("role_insufficient", message))
    }

    /// Who acts when this caller speaks of `agent`: the agent it proved to be.
    pub(crate) fn acting<'a>(&'a self, agent: &'a AgentId) -> &'a AgentId {
        self.proof.as_ref().map_or(agent, |proof| &proof.agent)
    }

    /// Refuses a caller that proved to be another agent than `agent`.
    pub fn speaks_for(&self, agent: &AgentId) -> Result<(), Error> {
        match &self.proof {
            Some(proof) if proof.agent != *agent => Err(Error::forbidden(
                "identity_mismatch",
                "the caller proved to be another agent than the one it speaks of",
            )),
            _ => Ok(()),
        }
    }
}
