//! API keys: who may call, and as what.

use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::digest::Digest;
use countersign_core::id::{AgentId, ChainId, KeyId, OrgId};
use countersign_core::role::{Right, Role};

use crate::caller::{ApiKey, Caller, Proof};
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::{Engine, check_name};
use crate::error::Error;

/// What every API key begins with.
const PREFIX: &str = "sk_live_";

/// What making a key takes.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What to call it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The one agent it speaks for.
    pub agent: Option<AgentId>,
}

/// A key that was just made: the only time the secret is there.
#[derive(Debug)]
pub struct Minted {
    /// The key itself.
    pub secret: String,
    /// What the server remembers of it.
    pub key: ApiKey,
}

/// The public name of the key whose digest this is.
fn key_id(digest: &Digest) -> String {
    let hex = digest.hex();
    let begin = hex.get(..24).and_then(|begin| std::str::from_utf8(begin).ok());
    [KeyId::PREFIX, begin.unwrap_or_default()].concat()
}

/// Refuses a key that an operator chose and that anyone could guess.
pub(crate) fn check_admin_key(secret: &str) -> Result<(), Error> {
    if secret.len() < 24 || !secret.starts_with("sk_") {
        let message = "the bootstrap key must begin with `sk_` and have at least 24 characters";
        return Err(Error::Invalid(message.into()));
    }
    Ok(())
}

impl Engine {
    /// Makes a key.
    pub async fn create_key(&self, caller: &Caller, new: NewKey) -> Result<Minted, Error> {
        caller.needs(Right::Administer)?;
        check_name("name", &new.name)?;
        match (&new.agent, new.role) {
            (Some(agent), Role::Agent) => {
                self.active_agent(caller, agent)?;
            }
            (Some(_), _) => {
                return Err(Error::Invalid("only a key with the role `agent` can be bound to an agent".into()));
            }
            (None, _) => {}
        }
        let mut changes = Changes::default();
        let minted = self.mint(caller, new, None, &mut changes)?;
        let id = minted.key.id.as_str();
        self.change(caller, ChainId::from(&caller.org), ("create", "key", id), changes).await?;
        Ok(minted)
    }

    /// Makes a key, with a secret of our own unless one is given.
    pub(crate) fn mint(
        &self,
        caller: &Caller,
        new: NewKey,
        secret: Option<&str>,
        changes: &mut Changes,
    ) -> Result<Minted, Error> {
        let secret = secret.map_or_else(|| self.secret(PREFIX).0, str::to_owned);
        let key = self.remember(&caller.org, new, &secret, changes)?;
        Ok(Minted { secret, key })
    }

    fn remember(&self, org: &OrgId, new: NewKey, secret: &str, changes: &mut Changes) -> Result<ApiKey, Error> {
        let digest = Digest::of(secret.as_bytes());
        let id = KeyId::parse(&key_id(&digest)).map_err(|why| Error::Invalid(why.to_string()))?;
        let NewKey { name, role, agent } = new;
        let key = ApiKey { id, org: org.clone(), name, role, agent, digest, created_at: self.now(), revoked_at: None };
        changes.create(key.clone())?;
        Ok(key)
    }

    /// Makes sure that `secret` is an administrator's key of the first
    /// organisation: how an operator who chose the first key gets in.
    pub async fn adopt_admin_key(&self, secret: &str) -> Result<(), Error> {
        check_admin_key(secret)?;
        let Some(org) = self.root() else { return Err(Error::not_found("organisation", "root")) };
        let digest = Digest::of(secret.as_bytes());
        if self.registry.keys.any(&key_id(&digest)).is_some() {
            return Ok(());
        }
        let founder = Caller { org: org.id, role: Role::Admin, key: None, proof: None };
        let mut changes = Changes::default();
        let new = NewKey { name: "bootstrap".into(), role: Role::Admin, agent: None };
        let key = self.remember(&founder.org, new, secret, &mut changes)?;
        self.change(&founder, ChainId::from(&founder.org), ("create", "key", key.id.as_str()), changes).await?;
        Ok(())
    }

    /// The keys of the caller's organisation, oldest first, without their secrets.
    pub fn list_keys(&self, caller: &Caller) -> Result<Vec<Arc<Stored<ApiKey>>>, Error> {
        caller.needs(Right::Administer)?;
        let mut keys = self.registry.keys.list(&caller.org, |_| true);
        keys.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(keys)
    }

    /// Revokes a key for ever.
    pub async fn revoke_key(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.needs(Right::Administer)?;
        let before = self.registry.keys.get(&caller.org, id).ok_or_else(|| Error::not_found("key", id))?;
        if before.value.revoked_at.is_some() {
            return Ok(());
        }
        let others = self
            .registry
            .keys
            .list(&caller.org, |k| k.role == Role::Admin && k.revoked_at.is_none() && k.id.as_str() != id);
        if before.value.role == Role::Admin && others.is_empty() {
            return Err(Error::Conflict("this is the last administrator's key; make another one first".into()));
        }
        let now: Timestamp = self.now();
        let mut changes = Changes::default();
        changes.replace(&before, ApiKey { revoked_at: Some(now), ..before.value.clone() })?;
        if before.value.role == Role::Admin
            && let Some(org) = self.registry.organisations.any(caller.org.as_str())
        {
            // Two administrators who revoke each other at once both saw the
            // other's key: writing one document makes one of them look again.
            changes.replace(&org, org.value.clone())?;
        }
        let event = ("revoke", "key", id, "revoked");
        self.revocation(caller, ChainId::from(&caller.org), event, changes).await?;
        Ok(())
    }

    /// Who the holder of an API key is, if the key is good.
    pub fn authenticate_key(&self, secret: &str) -> Option<Caller> {
        let digest = Digest::of(secret.as_bytes());
        let stored = self.registry.keys.any(&key_id(&digest))?;
        let key = &stored.value;
        if key.revoked_at.is_some() || !constant_time_eq(key.digest.as_bytes(), digest.as_bytes()) {
            return None;
        }
        let proof = key.agent.clone().map(|agent| Proof { agent, token: None });
        Some(Caller { org: key.org.clone(), role: key.role, key: Some(key.id.clone()), proof })
    }

    /// Who the holder of an access token is, if the token is good. `behind` is
    /// the caller its API key named, where one was shown too: the token
    /// decides who acts, and both must be of one organisation.
    pub fn authenticate_token(&self, secret: &str, behind: Option<&Caller>) -> Result<Caller, &'static str> {
        let stored = self.live_token(secret)?;
        let token = stored.value.unchecked();
        if behind.is_some_and(|caller| caller.org != token.org) {
            return Err("there is no such token");
        }
        if behind.and_then(|caller| caller.proof.as_ref()).is_some_and(|proof| proof.agent != token.agent) {
            return Err("the token is another agent's than the key's");
        }
        Ok(Caller {
            org: token.org.clone(),
            role: Role::Agent,
            key: behind.and_then(|caller| caller.key.clone()),
            proof: Some(Proof { agent: token.agent.clone(), token: Some(token.id.clone()) }),
        })
    }

    /// Refuses a caller whose credential was taken away since it was checked:
    /// between the head of a request and the end of its body much can happen.
    pub(crate) fn still_good(&self, caller: &Caller) -> Result<(), Error> {
        if let Some(id) = &caller.key {
            let revoked = self.registry.keys.any(id.as_str()).is_none_or(|key| key.value.revoked_at.is_some());
            if revoked {
                return Err(Error::Unauthenticated { code: "api_key_unknown", message: "the API key was revoked" });
            }
        }
        if let Some(Proof { token: Some(id), .. }) = &caller.proof {
            let inactive = |message| Error::Unauthenticated { code: "token_inactive", message };
            let token = self.registry.tokens.any(id.as_str()).ok_or_else(|| inactive("there is no such token"))?;
            self.token_state(&token).map_err(inactive)?;
        }
        Ok(())
    }

    /// A developer of the first organisation: who a keyless call is in dev mode.
    pub fn developer(&self) -> Option<Caller> {
        self.root().map(|org| Caller { org: org.id, role: Role::Developer, key: None, proof: None })
    }
}

/// Compares without telling by its time where the difference is.
fn constant_time_eq(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}
