//! What sessions take in: recorded without its words, and held against what comes after.
//!
//! Taint is kept with chains and follows from the entries: a session's with the
//! session's, and what is done outside sessions, whatever id a client made up for it,
//! with the agent's. There is no way to take a label away.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_content::Findings;
use countersign_core::Verdict;
use countersign_core::chain::Chain;
use countersign_core::detect::is_egress;
use countersign_core::facts::Facts;
use countersign_core::id::{AgentId, ChainId};
use countersign_core::role::Right;
use countersign_core::taint::{Label, Taint};
use countersign_evidence::event;
use countersign_store::StoreError;

use crate::caller::Caller;
use crate::content::{ContentGuard, Looked, Standing};
use crate::engine::{Engine, check_name, clip};
use crate::error::Error;
use crate::sessions::chain_for;
use crate::spot::Heed;

/// How many findings an entry lists.
const LISTED: usize = 8;
/// How much of a finding's place an entry tells, in characters.
const PLACE: usize = 200;

/// What content means for one decision.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'a> {
    guard: &'a ContentGuard,
    looked: &'a Looked,
    standing: Standing,
}

impl<'a> Heard<'a> {
    /// The labels that the decision is made by.
    pub(crate) fn held(&self) -> Taint {
        self.standing.own.join(self.standing.lent).join(self.looked.taint)
    }

    /// Tells `facts` what of that is heeded.
    pub(crate) fn tell(&self, tool: &str, facts: &mut Facts<'_>) {
        if self.guard.heed == Heed::Enforce {
            facts.taint = self.held();
            facts.secret_leaves = self.looked.taint.has(Label::SecretSeen) && is_egress(tool);
        }
    }

    /// The labels that come with the decision: those of what the call says, whatever
    /// is decided, and that of the outside, where the call goes there.
    pub(crate) fn added(&self, tool: &str, verdict: Verdict) -> Taint {
        let goes_out = verdict == Verdict::Allow && self.guard.is_untrusted(tool);
        let outside = goes_out.then_some(Label::UntrustedContent).into_iter().collect();
        self.looked.taint.join(outside).beyond(self.standing.own)
    }

    /// What the entry says of it; `None` where there is nothing to say.
    pub(crate) fn event(&self, added: Taint) -> Option<event::Content<'a>> {
        let said = said(self.guard.heed, &self.looked.findings, (self.held(), added));
        let is_silent = said.added.is_empty() && said.findings.is_empty() && said.held.is_empty();
        (!is_silent).then_some(said)
    }
}

/// What an agent took in, as its caller reports it.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// The tool that returned it.
    pub tool: &'a str,
    /// What it returned, as JSON text.
    pub content: &'a str,
}

/// What came of a report.
#[derive(Debug, Clone)]
pub struct TakenIn {
    /// What was found.
    pub findings: Findings,
    /// The labels that came of it, and were not there before.
    pub added: Taint,
    /// The labels that the session has now.
    pub held: Taint,
}

impl Engine {
    /// The engine with somebody to look at what calls say.
    #[must_use]
    pub fn inspected_by(self, guard: ContentGuard) -> Self {
        Self { content: Some(Arc::new(guard)), ..self }
    }

    /// What content means for a decision; `None` where nobody looks.
    pub(crate) fn heard<'a>(&'a self, looked: Option<&'a Looked>, standing: Standing) -> Option<Heard<'a>> {
        Some(Heard { guard: self.content.as_deref()?, looked: looked?, standing })
    }

    /// What is held before a call: by the chain that bears its labels, and by who lent
    /// what it rests on. Nothing where nobody looks.
    pub(crate) fn standing<'a>(
        &self,
        bearer: &ChainId,
        mut lenders: impl Iterator<Item = &'a AgentId>,
    ) -> Result<Standing, StoreError> {
        if self.content.is_none() {
            return Ok(Standing::default());
        }
        let lent = lenders
            .try_fold(Taint::NONE, |all, lender| self.tainted(&ChainId::from(lender)).map(|lent| all.join(lent)))?;
        Ok(Standing { own: self.tainted(bearer)?, lent })
    }

    /// What the chain that `id` names is tainted with.
    fn tainted(&self, id: &ChainId) -> Result<Taint, StoreError> {
        let chain = match self.live.chain(id) {
            None if self.recorder.forgets() => self.ledger.chain(id)?,
            there => there,
        };
        Ok(chain.unwrap_or(Chain::GENESIS).taint)
    }

    /// Records, for the chain that bears the labels of a call, those that came with it.
    pub(crate) async fn bear(
        &self,
        caller: &Caller,
        bearer: &ChainId,
        (agent, tool): (&AgentId, &str),
        (heard, added): (&Heard<'_>, Taint),
    ) -> Result<(), Error> {
        let held = heard.standing.own.join(added);
        let event = event::Taken {
            agent: agent.as_str(),
            by: caller.name(),
            content: said(heard.guard.heed, &heard.looked.findings, (held, added)),
            session: None,
            tool: Cow::Borrowed(tool),
        };
        self.record_on(caller, &event, || bearer.clone(), None).await
    }

    /// Takes what a tool returned into a session, for good: what it says is looked at and
    /// not kept.
    pub async fn take_in(&self, caller: &Caller, session: &str, reported: Reported<'_>) -> Result<TakenIn, Error> {
        caller.needs(Right::Ask).or_else(|_| caller.needs(Right::Administer))?;
        self.still(caller).await?;
        let Some(guard) = &self.content else {
            return Err(Error::Conflict("nobody looks at content: `guardian.content.heed` is `off`".into()));
        };
        check_name("source", reported.tool)?;
        let stored = self.stored_session(caller, session)?;
        let taker = stored.value.unchecked();
        if taker.closed_at.is_some() {
            return Err(Error::Conflict("the session is closed, and takes nothing in any more".into()));
        }
        let looked = guard.look_at(reported.tool, reported.content).await;
        let before = self.tainted(&ChainId::from(&taker.id))?;
        let (added, held) = (looked.taint.beyond(before), looked.taint.join(before));
        let event = event::Taken {
            agent: taker.agent.as_str(),
            by: caller.name(),
            content: said(guard.heed, &looked.findings, (held, added)),
            session: Some(session),
            tool: Cow::Borrowed(reported.tool),
        };
        // Of a session that is closed meanwhile, the agent bears it.
        let bearer = || {
            let now = self.registry.sessions.get(&caller.org, session);
            now.map_or_else(|| ChainId::from(&taker.agent), |now| chain_for(now.value.unchecked()))
        };
        self.record_on(caller, &event, bearer, None).await?;
        Ok(TakenIn { findings: looked.findings, added, held })
    }
}

/// What an entry says of content.
fn said(mode: Heed, findings: &Findings, (held, added): (Taint, Taint)) -> event::Content<'_> {
    let mut gravest: Vec<_> = findings.list.iter().collect();
    gravest.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let told = gravest.into_iter().take(LISTED).map(|finding| event::ContentFinding {
        at: Cow::Borrowed(clip(&finding.at, PLACE)),
        digest: finding.digest,
        family: finding.family.as_str(),
        severity: finding.severity.as_str(),
    });
    event::Content {
        added: names(added),
        findings: told.collect(),
        found: u64::try_from(findings.list.len()).unwrap_or(u64::MAX),
        held: names(held),
        mode: mode.as_str(),
    }
}

/// The names of labels.
fn names(taint: Taint) -> Vec<&'static str> {
    taint.labels().map(Label::as_str).collect()
}
