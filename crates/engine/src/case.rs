//! What somebody who decides about a call is told of it.

use countersign_core::approval::Shown;
use countersign_core::chain::Tally;
use countersign_core::decide::{Decision, Hold};
use countersign_core::id::{CheckId, OrgId};
use countersign_core::risk::Risk;
use countersign_core::taint::{Label, Taint};

use crate::ask::Ask;
use crate::deep::Brief;
use crate::engine::clip;
use crate::judged::Rulings;
use crate::reviewing;
use crate::spot::Spotted;

/// A call that somebody else must decide about, with what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) org: &'a OrgId,
    /// How many links the delegation has that it rests on.
    pub(crate) links: usize,
    pub(crate) decision: Decision,
    pub(crate) judged: Option<&'a Rulings>,
    pub(crate) spotted: Option<&'a Spotted>,
    pub(crate) tally: Tally,
    /// What the session took in.
    pub(crate) taint: Taint,
}

impl<'a> Case<'a> {
    /// What a reviewer is told.
    pub(crate) fn brief(&self) -> Brief {
        let Self { ask, judged, .. } = self;
        let (risk, findings) = (self.risk(), self.spotted.map(|spotted| spotted.findings).unwrap_or_default());
        let noticed = findings.iter().map(|(finding, _)| finding.as_str());
        Brief {
            organisation: self.org.clone(),
            agent: ask.agent.clone(),
            tool: ask.tool.to_owned(),
            effect: self.decision.effect,
            arguments: ask.arguments,
            input: ask.input.map(str::to_owned),
            policies: judged.map_or_else(reviewing::no_policies, Rulings::digest),
            session: self.tally,
            delegation_depth: u32::try_from(self.links).unwrap_or(u32::MAX),
            risk: risk.map_or(0, |risk| risk.score),
            reasons: risk.into_iter().flat_map(Risk::reasons).map(|(why, _)| why.as_str().to_owned()).collect(),
            findings: noticed.chain(self.taint.labels().map(Label::as_str)).map(str::to_owned).collect(),
            advice: judged.and_then(Rulings::reason).map(str::to_owned).into_iter().collect(),
        }
    }

    /// What a human is told, who is asked after everybody else: all that a reviewer
    /// would be, and what one said.
    pub(crate) fn shown(&self, (check, hold): (&CheckId, Hold), reviewed: Option<&reviewing::Asked>) -> Shown {
        let brief = self.brief();
        let said = reviewed.and_then(|asked| asked.opinion.said.as_ref());
        Shown {
            check: check.clone(),
            code: hold.code().to_owned(),
            advice: brief.advice.into_iter().next(),
            review: said.map(|said| clip(&said.reasoning, 1_000).to_owned()),
            risk: self.risk().map(|risk| risk.score),
            reasons: brief.reasons,
            findings: brief.findings,
            tally: brief.session,
            delegation_depth: brief.delegation_depth,
        }
    }

    fn risk(&self) -> Option<&'a Risk> {
        self.spotted.and_then(|spotted| spotted.risk.as_ref())
    }
}
