//! Approvals: what waits for a human, and the human's word.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::approval::{self, Answer, Approval, Approver, Shown, Status};
use countersign_core::digest::Digest;
use countersign_core::effect::Effect;
use countersign_core::id::{ApprovalId, ChainId, KeyId, OrgId};
use countersign_core::role::Right;
use countersign_core::seal::Sealed;
use countersign_evidence::event;

use crate::ask::{Ask, TRIES};
use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::{Engine, check_name, clip};
use crate::error::Error;
use crate::recorder::RecordError;
use crate::recording::Recording;
use crate::registry::Asked;
use crate::sessions::chain_for;

/// An approval that a call waits for.
pub(crate) struct Wanted<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) org: &'a OrgId,
    pub(crate) chain: &'a ChainId,
    pub(crate) effect: Effect,
    /// What whoever answers is told.
    pub(crate) shown: Shown,
}

impl Engine {
    fn stored_approval(&self, caller: &Caller, id: &str) -> Result<Arc<Stored<Sealed<Approval>>>, Error> {
        caller.needs(Right::Read)?;
        let visible = |stored: &Arc<Stored<Sealed<Approval>>>| {
            caller.proof.as_ref().is_none_or(|proof| proof.agent == stored.value.unchecked().agent)
        };
        self.registry.approvals.get(&caller.org, id).filter(visible).ok_or_else(|| Error::not_found("approval", id))
    }

    /// One request for approval, as it stands now. An agent sees only its own.
    pub fn approval(&self, caller: &Caller, id: &str) -> Result<Approval, Error> {
        self.stored_approval(caller, id).map(|stored| as_it_stands(stored.value.unchecked(), self.now()))
    }

    /// The requests for approval, latest first; only those with `status` if given.
    pub fn list_approvals(&self, caller: &Caller, status: Option<&str>, limit: usize) -> Result<Vec<Approval>, Error> {
        caller.needs(Right::Read)?;
        let now = self.now();
        let mine = caller.proof.as_ref().map(|proof| &proof.agent);
        let mut found: Vec<Approval> = self
            .registry
            .approvals
            .list(&caller.org, |sealed| {
                let approval = sealed.unchecked();
                mine.is_none_or(|agent| *agent == approval.agent)
                    && status.is_none_or(|wanted| wanted == approval.status_at(now).as_str())
            })
            .iter()
            .map(|stored| as_it_stands(stored.value.unchecked(), now))
            .collect();
        found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        found.truncate(limit);
        Ok(found)
    }

    /// A human's yes or no.
    pub async fn decide_approval(
        &self,
        caller: &Caller,
        id: &str,
        answer: Answer,
        name: &str,
    ) -> Result<Approval, Error> {
        caller.needs(Right::Approve)?;
        self.still(caller).await?;
        check_name("decided_by", name)?;
        let Some(key) = caller.key.clone() else {
            return Err(Error::forbidden("role_insufficient", "a human approves with a key of their own"));
        };
        let before = self.stored_approval(caller, id)?;
        let Some(approval) = before.value.open(&self.seal_key) else {
            return Err(Error::Conflict("the approval's integrity tag does not hold, so it is dead".into()));
        };
        let by = Approver { name: name.to_owned(), key };
        let after = approval
            .clone()
            .decide(answer, by, self.now())
            .map_err(|why| Error::Conflict(format!("{why}; the agent must ask again")))?;
        let event = event::Approval {
            agent: after.agent.as_str(),
            arguments: after.arguments,
            by: after.decided_key.as_ref().map_or("", KeyId::as_str),
            effect: after.effect,
            id,
            name: Cow::Borrowed(name),
            session: after.session.as_deref().map(Cow::Borrowed),
            status: after.status.as_str(),
            tool: Cow::Borrowed(&after.tool),
        };
        for _ in 0..TRIES {
            // The epoch first: a session that is closed after this line ends the chain.
            let epoch = self.live.epoch();
            let session = self.registry.sessions.any(after.chain.as_str());
            let chain = session.map_or_else(|| after.chain.clone(), |s| chain_for(s.value.unchecked()));
            let recording = Recording::new(self.draft(chain, &caller.org, &event)?).decided_in(epoch);
            let mut changes = Changes::default();
            changes.replace(&before, Sealed::new(after.clone(), &self.seal_key))?;
            match self.recorder.record(changes.onto(recording, &self.registry)).await {
                Err(RecordError::Superseded) => self.still(caller).await?,
                other => return other.map(|_| after).map_err(Error::from),
            }
        }
        Err(RecordError::Superseded.into())
    }

    /// The approval to wait for: the pending one if it is about exactly this,
    /// or a new one in its place.
    pub(crate) fn ask_for_approval(
        &self,
        Wanted { ask, org, chain, effect, shown }: Wanted<'_>,
        now: Timestamp,
        changes: &mut Changes,
    ) -> Result<ApprovalId, Error> {
        let key = Digest::of(format!("{}/{}", chain, ask.tool).as_bytes()).to_string();
        let asked = self.registry.asked.any(&key);
        let last = asked.as_ref().and_then(|a| self.registry.approvals.any(a.value.approval.as_str()));
        if let Some(last) = last.as_ref().filter(|l| l.value.unchecked().status_at(now) == Status::Pending) {
            let pending = last.value.unchecked();
            let same = pending.is_about(chain, ask.tool, &ask.arguments) && pending.effect >= effect;
            if same && last.value.open(&self.seal_key).is_some() {
                return Ok(pending.id.clone());
            }
            let replaced = Approval { status: Status::Expired, ..pending.clone() };
            changes.replace(last, Sealed::new(replaced, &self.seal_key))?;
        }
        let id = ApprovalId::from_entropy(self.bits());
        let approval = Approval {
            id: id.clone(),
            org: org.clone(),
            agent: ask.agent.clone(),
            session: ask.session.map(str::to_owned),
            chain: chain.clone(),
            tool: ask.tool.to_owned(),
            effect,
            arguments: ask.arguments,
            summary: clip(ask.summary, 500).to_owned(),
            shown,
            status: Status::Pending,
            created_at: now,
            expires_at: now.plus(approval::PENDING),
            decided_by: None,
            decided_key: None,
            decided_at: None,
            spent: false,
        };
        changes.create(Sealed::new(approval, &self.seal_key))?;
        let next = Asked { key, org: org.clone(), approval: id.clone() };
        changes.put(next, asked.map_or(0, |a| a.revision))?;
        Ok(id)
    }

    /// Names the approval an allow rests on; a destructive action uses it up.
    pub(crate) fn use_approval(
        &self,
        approval: Option<&Arc<Stored<Sealed<Approval>>>>,
        effect: Effect,
        changes: &mut Changes,
    ) -> Result<Option<ApprovalId>, Error> {
        let Some(stored) = approval else { return Ok(None) };
        let approval = stored.value.unchecked();
        if effect == Effect::Destructive {
            let spent = Approval { spent: true, ..approval.clone() };
            changes.replace(stored, Sealed::new(spent, &self.seal_key))?;
        }
        Ok(Some(approval.id.clone()))
    }

    /// The last request about exactly this action on this chain that was answered or waits.
    pub(crate) fn approval_for(
        &self,
        chain: &ChainId,
        tool: &str,
        arguments: &Digest,
    ) -> Option<Arc<Stored<Sealed<Approval>>>> {
        let ids = self.registry.asked_on.get(chain)?.clone();
        ids.iter()
            .rev()
            .filter_map(|id| self.registry.approvals.any(id.as_str()))
            .find(|a| a.value.unchecked().is_about(chain, tool, arguments))
    }
}

fn as_it_stands(approval: &Approval, now: Timestamp) -> Approval {
    let status: Status = approval.status_at(now);
    Approval { status, ..approval.clone() }
}
