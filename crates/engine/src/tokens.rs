//! Opaque access tokens: short-lived, scoped, and dead at once when revoked.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_core::agent::Status;
use countersign_core::capability::{Pattern, allows, widened};
use countersign_core::digest::Digest;
use countersign_core::id::{AgentId, ChainId, OrgId, SessionId, TokenId};
use countersign_core::role::Right;
use countersign_core::seal::Sealed;
use countersign_core::session::Token;

use crate::caller::Caller;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::engine::Engine;
use crate::error::Error;

/// What every access token begins with.
pub(crate) const PREFIX: &str = "at_";
/// How long a token lives when its request does not say.
const DEFAULT_TTL: i64 = 300;
/// The longest life a token can have, in seconds.
const MAX_TTL: i64 = 3_600;

/// What issuing a token takes.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is.
    pub agent: AgentId,
    /// The most it may be used for.
    pub scopes: Vec<Pattern>,
    /// How long it lives, in seconds; 300 when absent or 0, 3,600 at most.
    pub ttl: Option<i64>,
    /// The session it is for.
    pub session: Option<String>,
}

/// A token that was just issued: the only time the secret is there.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token itself.
    pub secret: String,
    /// What the server remembers of it.
    pub token: Token,
}

/// What a token is good for.
#[derive(Debug)]
pub struct Introspection {
    /// The token, where there is one in the caller's organisation.
    pub token: Option<Token>,
    /// Why it is good for nothing, where it is.
    pub inactive: Option<&'static str>,
}

/// The public name of the token whose secret this is.
pub(crate) fn token_id(secret: &str) -> Result<TokenId, Error> {
    let digest = Digest::of(secret.as_bytes()).to_string();
    TokenId::parse(&format!("{}{}", TokenId::PREFIX, digest.get(..32).unwrap_or_default()))
        .map_err(|why| Error::Invalid(why.to_string()))
}

impl Engine {
    /// Issues a token for an agent.
    pub async fn issue_token(&self, caller: &Caller, new: NewToken) -> Result<IssuedToken, Error> {
        let NewToken { agent, scopes, ttl, session } = new;
        caller.needs(Right::Issue)?;
        caller.speaks_for(&agent)?;
        let holder = self.active_agent(caller, &agent)?;
        if let Some(scope) = widened(&holder.value.capabilities, &scopes) {
            let message = format!("the agent does not have the capability `{}`", scope.as_str());
            return Err(Error::forbidden("scope_exceeds_capabilities", message));
        }
        let ttl = match ttl.unwrap_or(0) {
            ..0 => return Err(Error::Invalid("`ttl` must be a positive number of seconds".into())),
            0 => DEFAULT_TTL,
            asked => asked.min(MAX_TTL),
        };
        // A session id that the client made up ties the token to nothing; one
        // of the server's own must name a session, or the token would outlive it.
        let session = match session.as_deref().map(|id| (id, self.registry.sessions.get(&caller.org, id))) {
            Some((_, Some(found))) if found.value.unchecked().agent != agent => {
                return Err(Error::forbidden("session_foreign", "the session belongs to another agent"));
            }
            Some((_, Some(found))) => Some(found.value.unchecked().id.clone()),
            Some((id, None)) if id.starts_with(SessionId::PREFIX) => return Err(Error::not_found("session", id)),
            _ => None,
        };
        let (secret, _) = self.secret(PREFIX);
        let id = token_id(&secret)?;
        let now = self.now();
        let token = Token {
            id: id.clone(),
            org: caller.org.clone(),
            agent: agent.clone(),
            scopes,
            session,
            issued_at: now,
            expires_at: now.plus(Duration::from_secs(ttl.unsigned_abs())),
            revoked_at: None,
        };
        let mut changes = Changes::default();
        changes.create(Sealed::new(token.clone(), &self.seal_key))?;
        self.change(caller, ChainId::from(&agent), ("issue", "token", id.as_str()), changes).await?;
        Ok(IssuedToken { secret, token })
    }

    /// Says what a token is good for now. A dead or unknown token is an answer,
    /// not an error.
    pub fn introspect_token(&self, caller: &Caller, secret: &str, required: &[String]) -> Result<Introspection, Error> {
        caller.needs(Right::Read)?;
        let Some(stored) = self.registry.tokens.get(&caller.org, token_id(secret)?.as_str()) else {
            return Ok(Introspection { token: None, inactive: Some("there is no such token") });
        };
        let token = stored.value.unchecked().clone();
        let inactive = match self.token_state(&stored) {
            Err(why) => Some(why),
            Ok(()) if !required.iter().all(|scope| allows(&token.scopes, scope)) => {
                Some("the token does not have a required scope")
            }
            Ok(()) => None,
        };
        Ok(Introspection { token: Some(token), inactive })
    }

    /// Revokes a token, and with it the sessions that were started from it.
    pub async fn revoke_token(&self, caller: &Caller, secret: &str, reason: &str) -> Result<(), Error> {
        caller.needs(Right::Issue)?;
        let id = token_id(secret)?;
        let before =
            self.registry.tokens.get(&caller.org, id.as_str()).ok_or_else(|| Error::not_found("token", id.as_str()))?;
        let token = before.value.unchecked();
        caller.speaks_for(&token.agent)?;
        if token.revoked_at.is_some() {
            return Ok(());
        }
        let chain = ChainId::from(&token.agent);
        let mut changes = Changes::default();
        let after = Token { revoked_at: Some(self.now()), ..token.clone() };
        changes.replace(&before, Sealed::new(after, &self.seal_key))?;
        self.revocation(caller, chain, ("revoke", "token", id.as_str(), reason), changes).await?;
        Ok(())
    }

    /// Whether a token is good, and if not, why.
    pub(crate) fn token_state(&self, stored: &Stored<Sealed<Token>>) -> Result<(), &'static str> {
        let Some(token) = stored.value.open(&self.seal_key) else {
            return Err("the token's integrity tag does not hold");
        };
        if token.revoked_at.is_some() {
            return Err("the token is revoked");
        }
        if self.now() >= token.expires_at {
            return Err("the token has expired");
        }
        let agent = self.registry.agents.get(&token.org, token.agent.as_str());
        if agent.is_none_or(|agent| agent.value.status != Status::Active) {
            return Err("the token's agent is revoked or suspended");
        }
        match &token.session {
            Some(session) if !self.session_lives(session.as_str()) => Err("the token's session is over"),
            _ => Ok(()),
        }
    }

    /// The token that a secret names, if it is good now.
    pub(crate) fn live_token(&self, secret: &str) -> Result<Arc<Stored<Sealed<Token>>>, &'static str> {
        let id = token_id(secret).map_err(|_| "there is no such token")?;
        let stored = self.registry.tokens.any(id.as_str()).ok_or("there is no such token")?;
        self.token_state(&stored)?;
        Ok(stored)
    }

    /// Whether a session that a token was issued in still lives. Looks at the
    /// session alone, so that a token and its session cannot chase each other.
    fn session_lives(&self, id: &str) -> bool {
        let now: Timestamp = self.now();
        self.registry.sessions.any(id).is_some_and(|stored| {
            stored.value.open(&self.seal_key).is_some_and(|s| s.closed_at.is_none() && now < s.expires_at)
        })
    }

    /// The scopes of the token a caller showed.
    pub(crate) fn scopes_shown(&self, caller: &Caller) -> Option<Vec<Pattern>> {
        let id = caller.proof.as_ref()?.token.as_ref()?;
        let stored = self.registry.tokens.any(id.as_str())?;
        Some(stored.value.unchecked().scopes.clone())
    }

    /// The organisation of a token that is not good any more, for the record.
    pub fn org_of_token(&self, secret: &str) -> Option<OrgId> {
        let id = token_id(secret).ok()?;
        self.registry.tokens.any(id.as_str()).map(|stored| stored.value.unchecked().org.clone())
    }
}
