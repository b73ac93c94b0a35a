//! What agents sent, outside the record and deletable without breaking it.
//!
//! An entry holds the digest of an action's arguments and never the arguments.
//! Where capture is on, the bytes that the digest is of go into the [`Vault`]
//! before the decision is recorded: there is no captured decision without its
//! payload.

use countersign_core::Digest;
use countersign_core::id::{ChainId, CheckId, OrgId};
use countersign_core::role::Right;
use countersign_evidence::entry::Entry;
use countersign_evidence::event::{Change, Decision};

use crate::caller::Caller;
use crate::decisions::Found;
use crate::engine::Engine;
use crate::error::Error;
use crate::recording::Recording;
use crate::vault::Vault;

impl Engine {
    /// Whether the content of what is asked is wanted.
    pub fn captures(&self) -> bool {
        self.vault.as_ref().is_some_and(Vault::captures)
    }

    /// How many payloads are kept.
    pub fn payloads_kept(&self) -> u64 {
        self.vault.as_ref().and_then(|vault| vault.count().ok()).unwrap_or(0)
    }

    /// Keeps the content of what is about to be recorded as `id`.
    pub(crate) fn capture(&self, id: &CheckId, org: &OrgId, content: Option<&[u8]>) -> Result<(), Error> {
        let (Some(vault), Some(content)) = (self.vault.as_ref().filter(|vault| vault.captures()), content) else {
            return Ok(());
        };
        let kept = vault.put((id.as_str(), org), self.now(), content, self.entropy.as_ref());
        kept.map_err(|why| {
            tracing::error!(%why, "a payload cannot be captured, so nothing is decided");
            let message = "the payload cannot be captured, so nothing was decided; the server's log says why";
            Error::Unavailable { code: "capture_unavailable", message }
        })
    }

    /// Forgets the content of what was not recorded after all.
    pub(crate) fn uncapture(&self, id: &CheckId) {
        if let Some(vault) = self.vault.as_ref().filter(|vault| vault.captures())
            && let Err(why) = vault.delete(id.as_str())
        {
            tracing::warn!(%why, "a payload without a decision stays until its time is over");
        }
    }

    /// What an agent sent with a decision: the bytes that `action.arguments` of
    /// its entry is the digest of. That it was read is recorded first. `found`
    /// is the decision's entry.
    pub async fn payload(&self, caller: &Caller, found: &Found) -> Result<Vec<u8>, Error> {
        caller.needs(Right::Audit)?;
        let (id, arguments) = named(found)?;
        let absent = || Error::not_found("payload of", id.clone());
        let vault = self.vault.as_ref().ok_or_else(absent)?;
        let content = vault.open(&id, &caller.org)?.ok_or_else(absent)?;
        if Digest::of(&content) != arguments {
            return Err(Error::Conflict("the payload is not what the decision was about".into()));
        }
        self.record_payload(caller, &id, "read").await?;
        Ok(content)
    }

    /// Deletes what an agent sent with a decision. That it was deleted is
    /// recorded first; the decision, and every proof of it, stay as they are.
    pub async fn delete_payload(&self, caller: &Caller, found: &Found) -> Result<(), Error> {
        caller.needs(Right::Administer)?;
        let (id, _) = named(found)?;
        let absent = || Error::not_found("payload of", id.clone());
        let vault = self.vault.as_ref().ok_or_else(absent)?;
        if !vault.holds(&id)? {
            return Err(absent());
        }
        self.record_payload(caller, &id, "delete").await?;
        vault.delete(&id)?;
        Ok(())
    }

    async fn record_payload(&self, caller: &Caller, id: &str, verb: &'static str) -> Result<(), Error> {
        self.still(caller).await?;
        let event = Change { by: caller.name(), id, noun: "payload", verb };
        let draft = self.draft(ChainId::from(&caller.org), &caller.org, &event)?;
        self.recorder.record(Recording::new(draft)).await?;
        Ok(())
    }

    /// Deletes the payloads whose time is over.
    pub(crate) fn sweep_payloads(&self) -> Result<(), Error> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let gone = vault.sweep(self.now())?;
        if gone > 0 {
            tracing::info!(gone, "deleted payloads whose time is over");
        }
        Ok(())
    }
}

/// The id of a decision, and the digest of what it was about.
fn named(found: &Found) -> Result<(String, Digest), Error> {
    let unreadable = |_| Error::Conflict("the decision's entry cannot be read".into());
    let entry = Entry::read(&found.entry).map_err(unreadable)?;
    let decision: Decision<'_> = serde_json::from_str(entry.event.get()).map_err(unreadable)?;
    Ok((decision.id.to_owned(), decision.action.arguments))
}
