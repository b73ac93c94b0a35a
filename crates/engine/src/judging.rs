//! Putting policies in force, and asking them about a call.

use std::sync::Arc;

use countersign_core::chain::Tally;
use countersign_core::facts::{Action, Facts, SessionFacts};
use countersign_core::id::ChainId;
use countersign_core::taint::Taint;
use countersign_evidence::entry::Draft;
use countersign_evidence::event::Change;
use countersign_policy::Request;
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::error::Error;
use crate::judged::Rulings;
use crate::policies::InForce;
use crate::recording::Recording;

impl Engine {
    /// The operator's policies in force.
    pub fn policies(&self) -> Option<Arc<InForce>> {
        self.policies.get()?.operator.clone()
    }

    /// Says, in health, why a newer set was not put in force; `None` that it was.
    pub fn policies_failed(&self, why: Option<String>) {
        self.policies.fail(why);
    }

    /// Why a newer set was not put in force.
    pub fn policy_failure(&self) -> Option<String> {
        self.policies.failure()
    }

    /// Puts policies of the operator in force, or takes them away, and records that. What is being
    /// decided meanwhile is decided again.
    pub async fn put_policies(&self, next: Option<Arc<InForce>>) -> Result<(), Error> {
        let none = "none".to_owned();
        let id = next.as_ref().map_or(none, |next| next.set().digest().to_string());
        let event = Change { by: "operator", id: &id, noun: "policies", verb: "load" };
        let chain = ChainId::server();
        let draft = Draft::new(chain, None, self.clock.now(), &event).map_err(|why| Error::Invalid(why.to_string()))?;
        // In force first: an allow that is recorded after the change is one of these.
        let before = self.policies.replace(next);
        match self.recorder.record(Recording::new(draft).revoking()).await {
            Ok(_) => Ok(()),
            Err(why) => {
                self.policies.replace(before);
                Err(why.into())
            }
        }
    }

    /// What the policies in force say of a call under `taint`, heeded elsewhere or not;
    /// `None` where there are none.
    pub(crate) fn judge(
        &self,
        action: &Action<'_>,
        input: Option<&str>,
        facts: &Facts<'_>,
        taint: Taint,
    ) -> Option<Rulings> {
        let policies = self.policies.get()?;
        let (operator, own) = (policies.operator.as_ref(), policies.own(&facts.agent.org));
        // Arguments that no policy can name need not be read.
        let is_read = operator.is_some_and(|set| set.reads_arguments_of(action.tool))
            || own.is_some_and(|set| set.reads_arguments_of(action.tool));
        let arguments = if is_read { arguments(input) } else { Map::new() };
        let raised = facts.suspicion(action.class.effect);
        let taint: Vec<String> = taint.labels().map(|label| label.as_str().to_owned()).collect();
        let request = Request {
            organisation: facts.agent.org.as_str(),
            agent: facts.agent.id.as_str(),
            agent_name: &facts.agent.name,
            tool: action.tool,
            effect: if raised.is_some() { action.class.effect.raised() } else { action.class.effect },
            arguments: &arguments,
            session: of_session(facts.session, facts.tally),
            delegation_depth: u32::try_from(facts.delegation.len()).unwrap_or(u32::MAX),
            trust: facts.agent.trust.unwrap_or(0),
            suspicion: raised,
            now: facts.now,
            taint: &taint,
        };
        let rulings = Rulings::of(operator.map(|set| set.judge(&request)), own.map(|set| set.judge(&request)))?;
        for error in rulings.each().filter_map(|judged| judged.said.as_ref()).flat_map(|said| &said.errors) {
            // The message may quote an argument: it stays out of the log.
            tracing::warn!(policy = error.policy.id, "a policy failed on a call, which is refused");
        }
        Some(rulings)
    }
}

fn of_session(session: SessionFacts<'_>, tally: Tally) -> Option<countersign_policy::SessionFacts<'_>> {
    match session {
        SessionFacts::Ours { session, .. } => {
            Some(countersign_policy::SessionFacts { id: session.id.as_str(), mode: session.mode, tally })
        }
        _ => None,
    }
}

/// The arguments as policies see them, from the text of the call.
fn arguments(input: Option<&str>) -> Map<String, Value> {
    // It was read before. If it cannot be read again, no policy must miss it.
    let value = |text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(String::new()));
    members(input.map(value))
}

/// The members of an object; anything else is the member `value`.
pub(crate) fn members(input: Option<Value>) -> Map<String, Value> {
    match input {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(members)) => members,
        Some(value) => Map::from_iter([("value".to_owned(), value)]),
    }
}
