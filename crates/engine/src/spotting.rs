//! Asking the Spot guard about a call, and telling it what became of it.

use countersign_core::agent::Agent;
use countersign_core::decide::Guard;
use countersign_core::detect::{Call, Findings, Outcome, Tool, is_egress};
use countersign_core::facts::{Action, Facts};
use countersign_core::risk::{Consequence, Cumulative, RiskFacts, risk};
use countersign_core::router::tiers;
use countersign_core::{Effect, Timestamp, Verdict};

use crate::caller::Caller;
use crate::collection::Stored;
use crate::engine::Engine;
use crate::resource::resource;
use crate::sight::{Known, Seen, Sight, Version};
use crate::spot::{Heed, Spotted};
use crate::spotter::{Sighted, Spotter};

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
        let resource = if self.settings.spot.is_off() { None } else { resource(input, &self.settings.resources) };
        let call = Call { at, tool: Tool::new(tool), resource, effect: class.effect, egress: is_egress(tool) };
        Seen { by: Version { agent, revision }, call }
    }

    /// Looks at a call, and tells `facts` what of that is heeded, or that nobody
    /// could look. `None` where nothing needs to be recorded: of a read about which
    /// nothing is unusual. Fails with what must be asked elsewhere first.
    pub(crate) fn spot(
        &self,
        caller: &Caller,
        seen: &Seen<'_>,
        facts: &mut Facts<'_>,
        sighted: Option<&Sighted>,
    ) -> Result<Option<Spotted>, Box<Sight>> {
        let chosen = self.settings.spot;
        if chosen.is_off() {
            return Ok(None);
        }
        let own = seen.call.effect;
        let is_met = |facts: &Facts<'_>| tiers(judged(own, facts)).contains(&Guard::Spot);
        let known = match (&self.spotter, sighted) {
            (Spotter::Here(baselines), _) => self.look_here(baselines, seen),
            // What does not meet this tier waits for no other process.
            (Spotter::Elsewhere(_), _) if !is_met(facts) => return Ok(None),
            (Spotter::Elsewhere(_), Some(sighted)) if sighted.is_about(seen) => sighted.known,
            (Spotter::Elsewhere(_), _) => return Err(Box::new(Sight::of(seen))),
        };
        match known {
            Ok(known) => Ok(self.heed(caller, own, facts, &known)),
            Err(why) => {
                facts.reach.spot = false;
                Ok(is_met(facts).then(|| Spotted::missing(chosen, why)))
            }
        }
    }

    /// Tells `facts` what of the known is heeded.
    fn heed(&self, caller: &Caller, own: Effect, facts: &mut Facts<'_>, known: &Known) -> Option<Spotted> {
        let chosen = self.settings.spot;
        let findings = if chosen.detectors == Heed::Off { Findings::default() } else { known.findings };
        if chosen.detectors == Heed::Enforce {
            facts.finding = findings.iter().next().map(|(finding, _)| finding);
        }
        let effect = judged(own, facts);
        if effect == Effect::Read && findings.is_empty() {
            return None;
        }
        let scored =
            (chosen.risk != Heed::Off).then(|| risk(&self.risk_facts(caller, known, (effect, facts)), &chosen.weights));
        if let (Heed::Enforce, Some(risk)) = (chosen.risk, &scored) {
            facts.risk = if effect == Effect::Read { Consequence::Allow } else { risk.holds };
        }
        Some(Spotted { chosen, findings, risk: scored, failed: None })
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
            trust: facts.agent.trust,
            tool_is_new: Some(known.tool_is_new),
            resource_is_new: known.resource_is_new,
            hour_permille: known.hour_permille,
        }
    }

    /// Lets a decision that was recorded move the baseline of who asked.
    pub(crate) fn observe(&self, seen: &Seen<'_>, verdict: Verdict) {
        if self.settings.spot.is_off() {
            return;
        }
        let outcome = match verdict {
            Verdict::Allow => Outcome::Allowed,
            Verdict::Deny(_) => Outcome::Denied,
            Verdict::Elevate(_) => Outcome::Waiting,
        };
        self.tell_spot(seen, outcome);
    }
}

/// The effect that an action with `own` is judged by.
fn judged(own: Effect, facts: &Facts<'_>) -> Effect {
    if facts.suspicion(own).is_some() { own.raised() } else { own }
}
