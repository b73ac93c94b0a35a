//! Asking the Spot guard about a call, and telling it what became of it.

use std::sync::Arc;

use countersign_core::agent::Agent;
use countersign_core::detect::{Call, Findings, Observation, Outcome, is_egress};
use countersign_core::facts::{Action, Facts};
use countersign_core::risk::{Consequence, Cumulative, RiskFacts, risk};
use countersign_core::{Effect, Timestamp, Verdict};

use crate::baselines::{Known, Version};
use crate::caller::Caller;
use crate::collection::Stored;
use crate::engine::Engine;
use crate::resource::resource;
use crate::spot::{Heed, Spotted};

/// One call, as the baselines see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Who makes it, in which version.
    pub(crate) by: Version<'a>,
    /// What it is.
    pub(crate) call: Call<'a>,
}

impl Engine {
    /// A call as the baselines see it: it is by the agent that was proven.
    pub(crate) fn seen<'a>(
        &self,
        caller: &'a Caller,
        spoken_of: &'a Stored<Agent>,
        (action, input): (&Action<'a>, Option<&str>),
        at: Timestamp,
    ) -> Seen<'a> {
        let agent = caller.acting(&spoken_of.value.id);
        let revision = if *agent == spoken_of.value.id {
            spoken_of.revision
        } else {
            self.registry.agents.any(agent.as_str()).map_or(0, |stored| stored.revision)
        };
        let Action { tool, class } = *action;
        let resource = if self.spots() { resource(input, &self.settings.resources) } else { None };
        let call = Call { at, tool, resource, effect: class.effect, egress: is_egress(tool) };
        Seen { by: Version { agent, revision }, call }
    }

    /// Looks at a call, and tells `facts` what of that is heeded. `None` where
    /// nothing needs to be recorded: of a read about which nothing is unusual.
    pub(crate) fn spot(&self, caller: &Caller, seen: &Seen<'_>, facts: &mut Facts<'_>) -> Option<Spotted> {
        if !self.spots() {
            return None;
        }
        let chosen = self.settings.spot;
        let known = self.baselines.look(seen.by, &seen.call);
        let findings = if chosen.detectors == Heed::Off { Findings::default() } else { known.findings };
        if chosen.detectors == Heed::Enforce {
            facts.finding = findings.iter().next().map(|(finding, _)| finding);
        }
        let own = seen.call.effect;
        let effect = if facts.suspicion(own).is_some() { own.raised() } else { own };
        if effect == Effect::Read && findings.is_empty() {
            return None;
        }
        let scored = (chosen.risk != Heed::Off)
            .then(|| risk(&self.risk_facts(caller, &known, (effect, facts)), &chosen.weights));
        if let (Heed::Enforce, Some(risk)) = (chosen.risk, &scored) {
            facts.risk = if effect == Effect::Read { Consequence::Allow } else { risk.holds };
        }
        Some(Spotted { chosen, findings, risk: scored })
    }

    /// Whether anything is looked at.
    fn spots(&self) -> bool {
        self.settings.spot.risk != Heed::Off || self.settings.spot.detectors != Heed::Off
    }

    fn risk_facts(&self, caller: &Caller, known: &Known, (effect, facts): (Effect, &Facts<'_>)) -> RiskFacts {
        let key = caller.key.as_ref().and_then(|id| self.registry.keys.any(id.as_str()));
        let tally = facts.tally;
        RiskFacts {
            effect,
            credential_age: key.map(|key| facts.now.since(key.value.created_at)),
            history: Some(known.history),
            // A chain does not tell changes apart by effect: each counts as a mutating one.
            session: Some(Cumulative {
                calls: tally.total,
                denied: tally.denied,
                mutating: tally.write,
                ..Cumulative::default()
            }),
            trust: None,
            tool_is_new: Some(known.tool_is_new),
            resource_is_new: known.resource_is_new,
            hour_permille: known.hour_permille,
        }
    }

    /// Lets a decision that was recorded move the baseline of who asked.
    pub(crate) fn observe(&self, seen: &Seen<'_>, verdict: Verdict) {
        if !self.spots() {
            return;
        }
        let outcome = match verdict {
            Verdict::Allow => Outcome::Allowed,
            Verdict::Deny(_) => Outcome::Denied,
            Verdict::Elevate(_) => Outcome::Waiting,
        };
        self.baselines.step(seen.by, &Observation { call: seen.call, outcome });
    }

    /// Has baselines written that changed, `most` of them; the recorder does it
    /// when it has a moment.
    pub(crate) fn keep_baselines(&self, most: usize) {
        let (baselines, documents) = (Arc::clone(&self.baselines), Arc::clone(&self.documents));
        self.recorder.aside(move |ledger| baselines.keep(ledger, documents.as_ref(), most));
    }
}
