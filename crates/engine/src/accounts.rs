//! What agents spent today. The recorder keeps the accounts: what is spent becomes durable
//! with the entry it is spent by, and no two calls spend the same.

use std::collections::HashMap;

use ahash::RandomState;
use countersign_core::Timestamp;
use countersign_core::budget::{Account, Budget};
use countersign_core::id::AgentId;
use countersign_store::{Documents, StoreError, Write};
use dashmap::DashMap;

/// The kind of the documents.
const KIND: &str = "account";

/// Who pays for something, and how much they may spend in a day.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    pub(crate) agent: AgentId,
    pub(crate) budget: Budget,
}

/// What recording something costs.
#[derive(Debug, Clone)]
pub(crate) struct Spending {
    /// Everybody who pays all of it.
    pub(crate) payers: Vec<Payer>,
    /// Calls, which nobody makes whose budget is used up.
    pub(crate) calls: u64,
    /// Tokens, which were used already.
    pub(crate) tokens: u64,
    pub(crate) at: Timestamp,
}

/// The accounts as recorded, with the revision of their documents.
#[derive(Debug, Default)]
pub(crate) struct Accounts(DashMap<AgentId, (Account, u64), RandomState>);

impl Accounts {
    /// Reads what the store holds.
    pub(crate) fn load(documents: &dyn Documents) -> Result<Self, StoreError> {
        let accounts = Self::default();
        for document in documents.list(KIND)? {
            let corrupt = |why: String| StoreError::Corrupt(format!("{KIND} `{}`: {why}", document.key));
            let agent = AgentId::parse(&document.key).map_err(|why| corrupt(why.to_string()))?;
            let account = serde_json::from_slice(&document.body).map_err(|why| corrupt(why.to_string()))?;
            accounts.0.insert(agent, (account, document.revision));
        }
        Ok(accounts)
    }

    /// What `agent` has spent.
    pub(crate) fn of(&self, agent: &AgentId) -> Account {
        self.0.get(agent).map_or(Account::default(), |kept| kept.0)
    }
}

/// What a batch of recordings makes of the accounts.
#[derive(Default)]
pub(crate) struct Dues(HashMap<AgentId, Account, RandomState>);

impl Dues {
    /// Pays for one more. `false`, and nothing is paid, where it is a call that one of the
    /// payers may not make any more.
    pub(crate) fn pay(&mut self, accounts: &Accounts, spending: &Spending) -> bool {
        let Spending { payers, calls, tokens, at } = spending;
        let may_pay = |payer: &Payer| payer.budget.overdrawn(self.of(accounts, &payer.agent), *at).is_none();
        if *calls > 0 && !payers.iter().all(may_pay) {
            return false;
        }
        for Payer { agent, .. } in payers {
            let account = self.of(accounts, agent).at(*at).spend(*calls, *tokens);
            self.0.insert(agent.clone(), account);
        }
        true
    }

    /// What `agent` has spent once the batch is through.
    fn of(&self, accounts: &Accounts, agent: &AgentId) -> Account {
        self.0.get(agent).copied().unwrap_or_else(|| accounts.of(agent))
    }

    /// The documents to write with the batch.
    pub(crate) fn writes(&self, accounts: &Accounts) -> impl Iterator<Item = Write> {
        self.0.iter().map(|(agent, account)| Write {
            kind: KIND,
            key: agent.to_string(),
            revision: accounts.0.get(agent).map_or(0, |kept| kept.1),
            body: Some(serde_json::to_vec(account).unwrap_or_default()),
        })
    }

    /// Makes it so, after the batch was committed.
    pub(crate) fn settle(self, accounts: &Accounts) {
        for (agent, account) in self.0 {
            let mut kept = accounts.0.entry(agent).or_default();
            *kept = (account, kept.1 + 1);
        }
    }
}
