//! Organisations and their settings, and the records that later work acts on:
//! federation providers and SIEM destinations.

use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::id::{ChainId, DestinationId, KeyId, OrgId, ProviderId};
use countersign_core::role::Right;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::{Engine, check_name};
use crate::error::Error;
use crate::keys::{Minted, NewKey, check_admin_key};

/// An organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Organisation {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Whether its administrators may create other organisations: true for the first.
    pub root: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What an organisation chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgSettings {
    /// The organisation.
    pub org: OrgId,
    /// Identity tokens are issued only against proof of possession.
    pub require_proof_of_possession: bool,
    /// Checks are answered only for callers that prove the agent's identity
    /// with a sender-constrained token.
    pub require_sender_constrained_tokens: bool,
    /// How many calls a minute an agent may make; absent means the server's default.
    pub agent_per_minute: Option<u32>,
    /// The same for one tool.
    pub tool_per_minute: Option<u32>,
}

/// A change to [`OrgSettings`]: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    /// See [`OrgSettings`].
    pub require_proof_of_possession: Option<bool>,
    /// See [`OrgSettings`].
    pub require_sender_constrained_tokens: Option<bool>,
    /// See [`OrgSettings`].
    pub agent_per_minute: Option<u32>,
    /// See [`OrgSettings`].
    pub tool_per_minute: Option<u32>,
}

/// An external identity provider, as registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provider {
    /// Its id.
    pub id: ProviderId,
    /// The organisation that trusts it.
    pub org: OrgId,
    /// Its issuer URL.
    pub issuer: String,
    /// Its name.
    pub name: String,
    /// How far it is trusted, in the organisation's own words.
    pub trust_level: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// What registering a provider takes.
#[derive(Debug, Clone)]
pub struct NewProvider {
    /// Its issuer URL.
    pub issuer: String,
    /// Its name.
    pub name: String,
    /// How far it is trusted.
    pub trust_level: String,
}

/// Where an organisation wants its events sent.
#[derive(Clone, Serialize, Deserialize)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// The organisation.
    pub org: OrgId,
    /// What it is and where: everything but the secret can be shown.
    pub about: NewDestination,
    /// Whether it is in use.
    pub is_active: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What creating a destination takes.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewDestination {
    /// Its name.
    pub name: String,
    /// The kind of receiver, such as `splunk`, `datadog` or `webhook`.
    pub destination_type: String,
    /// The receiver's URL.
    pub endpoint_url: String,
    /// The secret it wants. Never shown again.
    pub auth_token: Option<String>,
    /// How many events are sent at once.
    pub batch_size: u32,
    /// How long events wait at most, in seconds.
    pub flush_interval_seconds: u32,
    /// The kinds of events to send; empty means all.
    pub filter_event_types: Vec<String>,
}

// Not derived: a secret must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({})", self.id)
    }
}

impl std::fmt::Debug for NewDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewDestination({})", self.name)
    }
}

/// A change to a [`Destination`]: what is absent stays.
#[derive(Clone, Default)]
pub struct DestinationChange {
    /// Its name.
    pub name: Option<String>,
    /// The receiver's URL.
    pub endpoint_url: Option<String>,
    /// The secret it wants.
    pub auth_token: Option<String>,
    /// Whether it is in use.
    pub is_active: Option<bool>,
    /// How many events are sent at once.
    pub batch_size: Option<u32>,
    /// How long events wait at most, in seconds.
    pub flush_interval_seconds: Option<u32>,
    /// The kinds of events to send.
    pub filter_event_types: Option<Vec<String>>,
}

/// An attempt to send to a destination.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The organisation.
    pub org: OrgId,
    /// The destination.
    pub destination: DestinationId,
    /// How many events it held.
    pub batch_size: u32,
    /// Why it failed, where it did.
    pub error: Option<String>,
    /// When it was tried.
    pub at: Timestamp,
}

fn check_url(field: &str, url: &str) -> Result<(), Error> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|r| r.split(['/', '?', '#']).next()).unwrap_or_default();
    let plain = url.len() <= 2_048 && !url.chars().any(|c| c.is_control() || c.is_whitespace());
    if host.is_empty() || host.contains('@') || !plain {
        return Err(Error::Invalid(format!("`{field}` must be an http or https URL without user information")));
    }
    Ok(())
}

impl Engine {
    /// Creates an organisation and its first administrator's key.
    pub async fn create_organisation(&self, caller: &Caller, name: &str) -> Result<(Organisation, Minted), Error> {
        caller.needs(Right::Administer)?;
        let mine = self.registry.organisations.any(caller.org.as_str());
        if !mine.is_some_and(|org| org.value.root) {
            let message = "only administrators of the first organisation may create others";
            return Err(Error::forbidden("not_root", message));
        }
        self.found(name, caller.key.clone(), None).await
    }

    /// Creates the first organisation, or finds it. Its key is only there the
    /// first time.
    pub async fn bootstrap(&self, name: &str) -> Result<(Organisation, Option<Minted>), Error> {
        match self.root() {
            Some(org) => Ok((org, None)),
            None => self.found(name, None, None).await.map(|(org, minted)| (org, Some(minted))),
        }
    }

    /// Creates the first organisation with the administrator's key that its
    /// operator chose, or where it is there already, lets that key in.
    pub async fn bootstrap_with(&self, name: &str, admin_key: &str) -> Result<(), Error> {
        check_admin_key(admin_key)?;
        if self.root().is_some() {
            return self.adopt_admin_key(admin_key).await;
        }
        self.found(name, None, Some(admin_key)).await.map(drop)
    }

    /// The first organisation, if there is one.
    pub fn root(&self) -> Option<Organisation> {
        self.registry.organisations.find(|org| org.root).map(|org| org.value.clone())
    }

    /// Founds an organisation, by the key of an administrator of the first; the
    /// first itself is founded by nobody.
    async fn found(
        &self,
        name: &str,
        by: Option<KeyId>,
        secret: Option<&str>,
    ) -> Result<(Organisation, Minted), Error> {
        check_name("name", name)?;
        let id = OrgId::from_entropy(self.bits());
        let org = Organisation { id: id.clone(), name: name.to_owned(), root: by.is_none(), created_at: self.now() };
        let founder = Caller { org: id.clone(), role: countersign_core::role::Role::Admin, key: by, proof: None };
        let mut changes = Changes::default();
        changes.create(org.clone())?;
        let key = NewKey { name: "first administrator".into(), role: founder.role, agent: None };
        let minted = self.mint(&founder, key, secret, &mut changes)?;
        self.change(&founder, ChainId::from(&id), ("create", "organisation", id.as_str()), changes).await?;
        Ok((org, minted))
    }

    /// Every organisation, for an administrator of the first; else the caller's own.
    pub fn list_organisations(&self, caller: &Caller) -> Result<Vec<Organisation>, Error> {
        caller.needs(Right::Administer)?;
        let root = self.root().is_some_and(|org| org.id == caller.org);
        let mut orgs = self.registry.organisations.filter(|org| root || org.id == caller.org);
        orgs.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(orgs.iter().map(|org| org.value.clone()).collect())
    }

    /// What the caller's organisation chose.
    pub fn org_settings(&self, caller: &Caller) -> Result<OrgSettings, Error> {
        caller.needs(Right::Read)?;
        Ok(self.settings_of(&caller.org))
    }

    pub(crate) fn settings_of(&self, org: &OrgId) -> OrgSettings {
        self.registry.settings.any(org.as_str()).map_or_else(
            || OrgSettings {
                org: org.clone(),
                require_proof_of_possession: false,
                require_sender_constrained_tokens: false,
                agent_per_minute: None,
                tool_per_minute: None,
            },
            |stored| stored.value.clone(),
        )
    }

    /// The limits in force for an organisation: per agent, per tool, a minute.
    pub fn limits_of(&self, org: &OrgId) -> (u32, u32) {
        let chosen = self.settings_of(org);
        (
            chosen.agent_per_minute.unwrap_or(self.settings.agent_per_minute),
            chosen.tool_per_minute.unwrap_or(self.settings.tool_per_minute),
        )
    }

    /// Changes what the caller's organisation chose.
    pub async fn change_settings(&self, caller: &Caller, change: SettingsChange) -> Result<OrgSettings, Error> {
        caller.needs(Right::Administer)?;
        let revision = self.registry.settings.any(caller.org.as_str()).map_or(0, |stored| stored.revision);
        let before = self.settings_of(&caller.org);
        let after = OrgSettings {
            require_proof_of_possession: change
                .require_proof_of_possession
                .unwrap_or(before.require_proof_of_possession),
            require_sender_constrained_tokens: change
                .require_sender_constrained_tokens
                .unwrap_or(before.require_sender_constrained_tokens),
            agent_per_minute: change.agent_per_minute.or(before.agent_per_minute),
            tool_per_minute: change.tool_per_minute.or(before.tool_per_minute),
            org: before.org,
        };
        let mut changes = Changes::default();
        changes.put(after.clone(), revision)?;
        self.tighten(caller, ("update", "settings", ""), changes).await?;
        Ok(after)
    }

    /// Registers a federation provider.
    pub async fn register_provider(&self, caller: &Caller, new: NewProvider) -> Result<Provider, Error> {
        caller.needs(Right::Administer)?;
        check_url("issuer", &new.issuer)?;
        check_name("name", &new.name)?;
        if !self.registry.providers.list(&caller.org, |p| p.issuer == new.issuer).is_empty() {
            return Err(Error::Conflict(format!("the issuer `{}` is registered already", new.issuer)));
        }
        let id = ProviderId::from_entropy(self.bits());
        let provider = Provider {
            id: id.clone(),
            org: caller.org.clone(),
            issuer: new.issuer,
            name: new.name,
            trust_level: new.trust_level,
            created_at: self.now(),
        };
        let mut changes = Changes::default();
        changes.create(provider.clone())?;
        self.change(caller, ChainId::from(&caller.org), ("create", "provider", id.as_str()), changes).await?;
        Ok(provider)
    }

    /// The caller's federation providers.
    pub fn list_providers(&self, caller: &Caller) -> Result<Vec<Arc<Stored<Provider>>>, Error> {
        caller.needs(Right::Read)?;
        let mut found = self.registry.providers.list(&caller.org, |_| true);
        found.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(found)
    }

    /// Forgets a federation provider.
    pub async fn delete_provider(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.needs(Right::Administer)?;
        let found = self.registry.providers.get(&caller.org, id).ok_or_else(|| Error::not_found("provider", id))?;
        let mut changes = Changes::default();
        changes.delete(&found);
        self.tighten(caller, ("delete", "provider", id), changes).await?;
        Ok(())
    }

    /// Creates a SIEM destination.
    pub async fn create_destination(&self, caller: &Caller, about: NewDestination) -> Result<Destination, Error> {
        caller.needs(Right::Administer)?;
        check_name("name", &about.name)?;
        check_name("destination_type", &about.destination_type)?;
        check_url("endpoint_url", &about.endpoint_url)?;
        let (id, now) = (DestinationId::from_entropy(self.bits()), self.now());
        let destination = Destination {
            id: id.clone(),
            org: caller.org.clone(),
            about,
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        let mut changes = Changes::default();
        changes.create(destination.clone())?;
        self.change(caller, ChainId::from(&caller.org), ("create", "destination", id.as_str()), changes).await?;
        Ok(destination)
    }

    /// The caller's SIEM destinations.
    pub fn list_destinations(&self, caller: &Caller) -> Result<Vec<Arc<Stored<Destination>>>, Error> {
        caller.needs(Right::Read)?;
        let mut found = self.registry.destinations.list(&caller.org, |_| true);
        found.sort_by(|a, b| (a.value.created_at, &a.value.id).cmp(&(b.value.created_at, &b.value.id)));
        Ok(found)
    }

    /// One SIEM destination.
    pub fn destination(&self, caller: &Caller, id: &str) -> Result<Arc<Stored<Destination>>, Error> {
        caller.needs(Right::Read)?;
        self.registry.destinations.get(&caller.org, id).ok_or_else(|| Error::not_found("destination", id))
    }

    /// Changes a SIEM destination.
    pub async fn change_destination(
        &self,
        caller: &Caller,
        id: &str,
        change: DestinationChange,
    ) -> Result<Destination, Error> {
        caller.needs(Right::Administer)?;
        let before = self.destination(caller, id)?;
        let mut after = before.value.clone();
        let about = &mut after.about;
        if let Some(url) = change.endpoint_url {
            check_url("endpoint_url", &url)?;
            about.endpoint_url = url;
        }
        if let Some(name) = change.name {
            check_name("name", &name)?;
            about.name = name;
        }
        // An empty one takes the secret away.
        about.auth_token = change.auth_token.or_else(|| about.auth_token.take()).filter(|secret| !secret.is_empty());
        about.batch_size = change.batch_size.unwrap_or(about.batch_size);
        about.flush_interval_seconds = change.flush_interval_seconds.unwrap_or(about.flush_interval_seconds);
        if let Some(filter) = change.filter_event_types {
            about.filter_event_types = filter;
        }
        after.is_active = change.is_active.unwrap_or(after.is_active);
        after.updated_at = self.now();
        let mut changes = Changes::default();
        changes.replace(&before, after.clone())?;
        self.change(caller, ChainId::from(&caller.org), ("update", "destination", id), changes).await?;
        Ok(after)
    }

    /// Forgets a SIEM destination.
    pub async fn delete_destination(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.needs(Right::Administer)?;
        let before = self.destination(caller, id)?;
        let mut changes = Changes::default();
        changes.delete(&before);
        for delivery in self.registry.deliveries.list(&caller.org, |d| d.destination.as_str() == id) {
            changes.delete(&delivery);
        }
        self.change(caller, ChainId::from(&caller.org), ("delete", "destination", id), changes).await?;
        Ok(())
    }

    /// Tries a destination. Sending is not built yet, so the attempt is
    /// recorded as failed and says so.
    pub async fn test_destination(&self, caller: &Caller, id: &str) -> Result<Delivery, Error> {
        caller.needs(Right::Administer)?;
        let destination = self.destination(caller, id)?;
        let delivery = Delivery {
            id: format!("dlv_{:032x}", self.bits()),
            org: caller.org.clone(),
            destination: destination.value.id.clone(),
            batch_size: 0,
            error: Some("sending to destinations is not part of this version; the record itself is valid".into()),
            at: self.now(),
        };
        let mut changes = Changes::default();
        changes.create(delivery.clone())?;
        self.change(caller, ChainId::from(&caller.org), ("test", "destination", id), changes).await?;
        Ok(delivery)
    }

    /// The attempts to send to a destination, latest first.
    pub fn deliveries(&self, caller: &Caller, id: &str) -> Result<Vec<Arc<Stored<Delivery>>>, Error> {
        self.destination(caller, id)?;
        let mut found = self.registry.deliveries.list(&caller.org, |d| d.destination.as_str() == id);
        found.sort_by(|a, b| (b.value.at, &b.value.id).cmp(&(a.value.at, &a.value.id)));
        Ok(found)
    }
}
