//! Budgets: what an agent may spend in a day, and what it has.
//!
//! A call on rights that were lent is paid for by those who lent them too: an agent that
//! has nothing left cannot have another one go on in its place.

use countersign_core::Timestamp;
use countersign_core::agent::Agent;
use countersign_core::budget::{Account, Budget, Overdrawn};
use countersign_core::role::Right;
use countersign_evidence::event;

use crate::accounts::{Payer, Spending};
use crate::caller::Caller;
use crate::engine::{Engine, clip};
use crate::error::Error;
use crate::lent::Lent;

/// How many tokens one report may speak of.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// What an agent may spend in a day, and what it has spent.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// What it may spend.
    pub budget: Budget,
    /// What it spent, on which day. Calls are counted while there is a budget.
    pub account: Account,
}

/// Everybody whose budget a call of `agent` counts against.
fn payers<'a>(agent: &'a Agent, lent: &'a Lent) -> impl Iterator<Item = &'a Agent> {
    let limited = |agent: &&Agent| !agent.budget.is_unlimited();
    std::iter::once(agent).chain(lent.lenders()).filter(limited)
}

/// What one call of `agent` costs, if anybody counts it.
pub(crate) fn price(agent: &Agent, lent: &Lent, at: Timestamp) -> Option<Spending> {
    let payers: Vec<Payer> =
        payers(agent, lent).map(|agent| Payer { agent: agent.id.clone(), budget: agent.budget }).collect();
    (!payers.is_empty()).then_some(Spending { payers, calls: 1, tokens: 0, at })
}

impl Engine {
    /// What of the budgets that a call counts against is used up.
    pub(crate) fn overdrawn(&self, agent: &Agent, lent: &Lent, now: Timestamp) -> Option<Overdrawn> {
        payers(agent, lent).find_map(|agent| agent.budget.overdrawn(self.accounts.of(&agent.id), now))
    }

    /// What an agent may spend today, and what it has spent.
    pub fn spent(&self, caller: &Caller, id: &str) -> Result<Spent, Error> {
        let agent = self.agent(caller, id)?;
        let account = self.accounts.of(&agent.value.id).at(self.now());
        Ok(Spent { budget: agent.value.budget, account })
    }

    /// Records how many tokens an agent's models used, as its caller reports it, and counts
    /// them: for the agent, and for those who lent to it what the session rests on. What an
    /// agent says of itself counts for itself alone: it could use up what is another's.
    pub async fn report_tokens(
        &self,
        caller: &Caller,
        id: &str,
        session: Option<&str>,
        tokens: u64,
    ) -> Result<Spent, Error> {
        caller.needs(Right::Ask).or_else(|_| caller.needs(Right::Administer))?;
        let agent = self.agent(caller, id)?;
        caller.speaks_for(&agent.value.id)?;
        self.still(caller).await?;
        if tokens == 0 || tokens > MOST_TOKENS {
            return Err(Error::Invalid(format!("`tokens` must be 1 to {MOST_TOKENS}, as many as were used")));
        }
        let event = event::Usage {
            agent: agent.value.id.as_str(),
            by: caller.name(),
            session: session.map(|session| clip(session, 256).into()),
            tokens,
        };
        let lent = self.lent_to(caller, &agent.value, session);
        let others = lent.lenders().filter(|_| caller.proof.is_none());
        let everybody = std::iter::once(&agent.value).chain(others);
        let payers = everybody.map(|agent| Payer { agent: agent.id.clone(), budget: agent.budget }).collect();
        let spending = Spending { payers, calls: 0, tokens, at: self.now() };
        let chain = || self.chain_for_report(caller, &agent, session);
        self.record_on(caller, &event, chain, Some(spending)).await?;
        self.spent(caller, id)
    }

    /// What a session of `agent` rests on.
    fn lent_to(&self, caller: &Caller, agent: &Agent, session: Option<&str>) -> Lent {
        let session = session.and_then(|id| self.registry.sessions.get(&caller.org, id));
        let mine = session.as_ref().map(|session| session.value.unchecked()).filter(|found| found.agent == agent.id);
        self.lent(mine.and_then(|session| session.delegation.clone()))
    }
}
