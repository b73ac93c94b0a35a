//! Sessions: starting, seeing and closing them.

use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::agent::Status;
use countersign_core::chain::Chain;
use countersign_core::delegation::verify;
use countersign_core::id::{AgentId, ChainId, DelegationId, SessionId};
use countersign_core::role::Right;
use countersign_core::seal::Sealed;
use countersign_core::session::{Mode, Session, Source};
use countersign_evidence::event::Event;

use crate::accounts::Spending;
use crate::ask::TRIES;
use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::Engine;
use crate::error::Error;
use crate::recorder::RecordError;
use crate::recording::Recording;
use crate::trace::Closing;

/// A session and what follows from the record.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// Its chain: how long, its head, and its counts.
    pub chain: Chain,
    /// The tools a human has approved and the approval still holds for.
    pub elevated: Vec<String>,
    /// `active`, `expired`, `closed`, `revoked` or `altered`.
    pub status: &'static str,
}

impl Engine {
    /// Starts a session for an MCP server. Its ceiling is what the agent may do now.
    pub async fn start_mcp_session(
        &self,
        caller: &Caller,
        agent: &AgentId,
        server: &str,
    ) -> Result<SessionView, Error> {
        caller.needs(Right::Ask)?;
        caller.speaks_for(agent)?;
        let holder = self.active_agent(caller, agent)?;
        let server =
            self.registry.servers.get(&caller.org, server).ok_or_else(|| Error::not_found("server", server))?;
        let now = self.now();
        let mut session = self.blank_session(caller, agent, Source::Mcp, now);
        session.server = Some(server.value.id.clone());
        session.mode = server.value.default_mode;
        session.ceiling = self.scopes_shown(caller).unwrap_or_else(|| holder.value.capabilities.clone());
        session.token = caller.proof.as_ref().and_then(|p| p.token.clone());
        self.start_session(caller, session).await
    }

    /// Starts a session from an access token. Its ceiling is the token's scopes,
    /// and it ends with the token.
    pub async fn start_api_session(&self, caller: &Caller, secret: &str) -> Result<SessionView, Error> {
        caller.needs(Right::Ask)?;
        let stored = match self.live_token(secret) {
            Ok(stored) if stored.value.unchecked().org == caller.org => stored,
            Ok(_) => return Err(self.turned_away(caller, "token_inactive", "there is no such token").await),
            Err(why) => return Err(self.turned_away(caller, "token_inactive", why).await),
        };
        let token = stored.value.unchecked();
        caller.speaks_for(&token.agent)?;
        let mut session = self.blank_session(caller, &token.agent, Source::Api, self.now());
        session.ceiling = token.scopes.clone();
        session.token = Some(token.id.clone());
        session.expires_at = session.expires_at.min(token.expires_at);
        self.start_session(caller, session).await
    }

    /// Starts a session for the borrower of a delegation. Its ceiling is what
    /// was lent, and it ends with the delegation.
    pub async fn start_delegated_session(&self, caller: &Caller, id: &str) -> Result<SessionView, Error> {
        caller.needs(Right::Ask)?;
        let stored =
            self.registry.delegations.get(&caller.org, id).ok_or_else(|| Error::not_found("delegation", id))?;
        let delegation = stored.value.unchecked();
        caller.speaks_for(&delegation.to)?;
        self.active_agent(caller, &delegation.to)?;
        self.verify_delegation(&delegation.id)?;
        let mut session = self.blank_session(caller, &delegation.to, Source::A2a, self.now());
        session.ceiling = delegation.scope.clone();
        session.delegation = Some(delegation.id.clone());
        session.expires_at = session.expires_at.min(delegation.expires_at);
        self.start_session(caller, session).await
    }

    fn blank_session(&self, caller: &Caller, agent: &AgentId, source: Source, now: Timestamp) -> Session {
        Session {
            id: SessionId::from_entropy(self.bits()),
            org: caller.org.clone(),
            agent: agent.clone(),
            source,
            server: None,
            token: None,
            delegation: None,
            ceiling: Vec::new(),
            mode: Mode::ReadOnly,
            created_at: now,
            expires_at: now.plus(self.settings.session_lifetime),
            closed_at: None,
        }
    }

    async fn start_session(&self, caller: &Caller, session: Session) -> Result<SessionView, Error> {
        let id = session.id.clone();
        let mut changes = Changes::default();
        changes.create(Sealed::new(session.clone(), &self.seal_key))?;
        self.change(caller, ChainId::from(&id), ("start", "session", id.as_str()), changes).await?;
        Ok(self.view(&Sealed::new(session, &self.seal_key)))
    }

    /// One session of the caller's organisation. An agent sees only its own.
    pub fn session(&self, caller: &Caller, id: &str) -> Result<SessionView, Error> {
        self.stored_session(caller, id).map(|stored| self.view(&stored.value))
    }

    pub(crate) fn stored_session(&self, caller: &Caller, id: &str) -> Result<Arc<Stored<Sealed<Session>>>, Error> {
        caller.needs(Right::Read)?;
        let visible = |stored: &Arc<Stored<Sealed<Session>>>| {
            caller.proof.as_ref().is_none_or(|proof| proof.agent == stored.value.unchecked().agent)
        };
        self.registry.sessions.get(&caller.org, id).filter(visible).ok_or_else(|| Error::not_found("session", id))
    }

    /// The sessions of the caller's organisation, latest first, at most `limit`.
    pub fn list_sessions(&self, caller: &Caller, agent: Option<&str>, limit: usize) -> Result<Vec<SessionView>, Error> {
        caller.needs(Right::Read)?;
        let mine = caller.proof.as_ref().map(|proof| proof.agent.as_str());
        let mut found = self.registry.sessions.list(&caller.org, |sealed| {
            let owner = sealed.unchecked().agent.as_str();
            agent.is_none_or(|a| a == owner) && mine.is_none_or(|m| m == owner)
        });
        found.sort_by(|a, b| {
            let (a, b) = (a.value.unchecked(), b.value.unchecked());
            (b.created_at, &b.id).cmp(&(a.created_at, &a.id))
        });
        found.truncate(limit);
        Ok(found.iter().map(|stored| self.view(&stored.value)).collect())
    }

    /// Closes a session for ever, which ends its chain, and makes its record.
    pub async fn close_session(&self, caller: &Caller, id: &str, closing: Closing<'_>) -> Result<SessionView, Error> {
        caller.needs(Right::Ask).or_else(|_| caller.needs(Right::Administer))?;
        let before = self.stored_session(caller, id)?;
        // What cannot be said in the record is refused before anything is closed.
        self.can_say(caller, before.value.unchecked(), closing)?;
        let view = self.end_session(caller, id, &before).await?;
        if self.kept_trace(caller, id)?.is_none() {
            self.make_trace(caller, &view.session, closing).await?;
        }
        Ok(view)
    }

    async fn end_session(
        &self,
        caller: &Caller,
        id: &str,
        before: &Stored<Sealed<Session>>,
    ) -> Result<SessionView, Error> {
        let Some(open) = before.value.open(&self.seal_key) else {
            return Err(Error::Conflict("the session's integrity tag does not hold, so it is dead already".into()));
        };
        if open.closed_at.is_some() {
            return Ok(self.view(&before.value));
        }
        let closed = Sealed::new(Session { closed_at: Some(self.now()), ..open.clone() }, &self.seal_key);
        let mut changes = Changes::default();
        changes.replace(before, closed.clone())?;
        let chain = ChainId::from(&open.id);
        self.revocation(caller, chain, ("close", "session", id, "closed"), changes).await?;
        Ok(self.view(&closed))
    }

    fn view(&self, sealed: &Sealed<Session>) -> SessionView {
        let session = sealed.unchecked().clone();
        let now = self.now();
        let chain_id = ChainId::from(&session.id);
        let asked = self.registry.asked_on.get(&chain_id).map(|ids| ids.clone()).unwrap_or_default();
        let mut elevated: Vec<String> = asked
            .iter()
            .filter_map(|id| self.registry.approvals.any(id.as_str()))
            .filter(|a| a.value.open(&self.seal_key).is_some_and(|a| a.grants(a.effect, now)))
            .map(|a| a.value.unchecked().tool.clone())
            .collect();
        elevated.sort();
        elevated.dedup();
        let agent = self.registry.agents.get(&session.org, session.agent.as_str());
        let agent_acts = agent.is_some_and(|agent| agent.value.status == Status::Active);
        let lent = session.delegation.as_ref().is_none_or(|id| self.verify_delegation(id).is_ok());
        let status = if sealed.open(&self.seal_key).is_none() {
            "altered"
        } else if session.closed_at.is_some() {
            "closed"
        } else if now >= session.expires_at {
            "expired"
        } else if agent_acts && lent && self.parent_lives(&session) {
            "active"
        } else {
            "revoked"
        };
        let chain = self.chain_of(&chain_id);
        SessionView { session, chain, elevated, status }
    }

    /// Records `event` on the chain that `chain` names, which is asked again
    /// if rights were taken away meanwhile: a closed session's has ended.
    pub(crate) async fn record_on<E: Event>(
        &self,
        caller: &Caller,
        event: &E,
        chain: impl Fn() -> ChainId,
        spending: Option<Spending>,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            // The epoch first: what changes after this line turns the recording away.
            let epoch = self.live.epoch();
            let draft = self.draft(chain(), &caller.org, event)?;
            let recording = Recording::new(draft).decided_in(epoch).paid_by(spending.clone());
            match self.recorder.record(recording).await {
                Err(RecordError::Superseded) => {}
                other => return other.map(|_| ()).map_err(Error::from),
            }
        }
        Err(RecordError::Superseded.into())
    }

    /// Where a chain stands: in memory, or, where it has long not moved, as
    /// last checkpointed.
    pub(crate) fn chain_of(&self, id: &ChainId) -> Chain {
        self.live.chain(id).or_else(|| self.ledger.chain(id).ok().flatten()).unwrap_or(Chain::GENESIS)
    }

    /// Whether every link of a delegation still holds.
    pub(crate) fn verify_delegation(&self, leaf: &DelegationId) -> Result<(), Error> {
        let lent = self.lent(Some(leaf.clone()));
        verify(&lent.links(&self.seal_key), lent.root_capabilities(), self.now())
            .map_err(|denial| Error::forbidden(denial.code(), denial.to_string()))
    }
}

/// The chain for what happens around a session: its own, which ends when it is
/// closed, and then its agent's.
pub(crate) fn chain_for(session: &Session) -> ChainId {
    if session.closed_at.is_none() { ChainId::from(&session.id) } else { ChainId::from(&session.agent) }
}
