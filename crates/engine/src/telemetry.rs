//! Outcomes, as agents report them.

use std::borrow::Cow;

use countersign_core::agent::Agent;
use countersign_core::id::{AgentId, ChainId, SessionId};
use countersign_core::role::Right;
use countersign_evidence::event::Outcome;

use crate::caller::Caller;
use crate::check::circuit_key;
use crate::collection::Stored;
use crate::engine::{Engine, clip};
use crate::error::Error;
use crate::sessions::chain_for;

/// The longest duration that is recorded: entries hold no integer that a
/// canonical form (RFC 8785) could round.
const MAX_DURATION_MS: u64 = 1 << 53;
/// How many circuits are remembered at most.
const MAX_CIRCUITS: usize = 100_000;

/// One thing an agent reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// The kind of event: `tool_start`, `tool_end`, `tool_error` and others.
    pub event_type: String,
    /// The tool.
    pub tool: String,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// The name of the error, where it failed.
    pub error_type: Option<String>,
}

impl Engine {
    /// Records what an agent reports, and moves its circuits.
    pub async fn report(
        &self,
        caller: &Caller,
        agent: &AgentId,
        session: Option<&str>,
        reports: Vec<Report>,
    ) -> Result<usize, Error> {
        caller.needs(Right::Ask)?;
        caller.speaks_for(agent)?;
        self.still(caller).await?;
        if reports.len() > 1_000 {
            return Err(Error::Invalid("a report holds at most 1,000 events".into()));
        }
        let known = self.registry.agents.get(&caller.org, agent.as_str());
        let known = known.ok_or_else(|| Error::not_found("agent", agent.as_str()))?;
        for report in &reports {
            let event = Outcome {
                agent: agent.as_str(),
                by: caller.name(),
                duration_ms: report.duration_ms.map(|ms| ms.min(MAX_DURATION_MS)),
                error_type: report.error_type.as_deref().map(|e| Cow::Borrowed(clip(e, 128))),
                event_type: Cow::Borrowed(clip(&report.event_type, 64)),
                session: session.map(|s| Cow::Borrowed(clip(s, 256))),
                success: report.success,
                tool: Cow::Borrowed(clip(&report.tool, 256)),
            };
            self.record_on(caller, &event, || self.chain_for_report(caller, &known, session), None).await?;
            self.move_circuit(agent, report);
        }
        Ok(reports.len())
    }

    pub(crate) fn chain_for_report(&self, caller: &Caller, agent: &Stored<Agent>, session: Option<&str>) -> ChainId {
        let id = &agent.value.id;
        match session {
            Some(name) if name.starts_with(SessionId::PREFIX) => match self.registry.sessions.get(&caller.org, name) {
                Some(found) if found.value.unchecked().agent == *id => chain_for(found.value.unchecked()),
                _ => ChainId::from(id),
            },
            Some(name) => ChainId::tracking(&caller.org, id, name),
            None => ChainId::from(id),
        }
    }

    fn move_circuit(&self, agent: &AgentId, report: &Report) {
        // Only what ended says something; a refusal by us is not the tool's failure.
        let ended = matches!(report.event_type.as_str(), "tool_end" | "tool_error");
        let refused = report.error_type.as_deref() == Some("AGENTTRUST_DENIED");
        if !ended || refused {
            return;
        }
        let succeeded = report.success.unwrap_or(report.event_type == "tool_end");
        let key = circuit_key(agent, &report.tool);
        let circuits = &self.registry.circuits;
        if succeeded {
            circuits.remove(&key);
        } else if circuits.contains_key(&key) || circuits.len() < MAX_CIRCUITS {
            let now = self.clock.monotonic();
            let mut circuit = circuits.entry(key).or_default();
            *circuit = circuit.step(false, now);
        }
    }
}
