//! What policies would have been asked, read back from the record.
//!
//! An entry tells the tool, the effect, the agent and the session; the chain before
//! it tells the counts. What a session or delegation was is in its document, which
//! goes a day after it ended; the arguments are where payloads are captured.

use std::collections::HashMap;

use countersign_core::Timestamp;
use countersign_core::behaviour::{Suspicion, suspicion};
use countersign_core::chain::Tally;
use countersign_core::effect::Effect;
use countersign_core::facts::PolicyWord;
use countersign_core::id::{OrgId, SessionId};
use countersign_core::session::Mode;
use countersign_core::taint::Taint;
use countersign_evidence::entry::Entry;
use countersign_evidence::event::Decision;
use countersign_policy::{Fallback, Request, SessionFacts};
use countersign_store::{Documents, Ledger, StoreError};
use serde_json::{Map, Value};

use crate::published::fallback;
use crate::registry::Registry;
use crate::spot::Heed;
use crate::vault::Vault;

/// How many entries are read at once.
const CHUNK: usize = 1024;
/// The most links of a delegation that are followed.
const MAX_LINKS: u32 = 16;

/// A call that was decided, as policies would have seen it.
#[derive(Debug, Clone)]
pub struct PastCall {
    /// The decision's id.
    pub id: String,
    /// When it was made.
    pub time: Timestamp,
    /// The organisation.
    pub org: OrgId,
    /// The agent.
    pub agent: String,
    /// The agent's name.
    pub agent_name: String,
    /// The tool.
    pub tool: String,
    /// The effect that policies see.
    pub effect: Effect,
    /// `allow`, `deny` or `elevate`.
    pub verdict: String,
    /// The code of the refusal.
    pub code: Option<String>,
    /// The gate that decided.
    pub gate: Option<String>,
    /// Whether a human's approval let it pass.
    pub is_approved: bool,
    /// The arguments; `None` where they were not captured.
    pub arguments: Option<Map<String, Value>>,
    /// What the policies that the organisation published for itself said. Where a human had to approve under two
    /// sets, the record does not tell which of them wanted it: then it counts as the operator's.
    pub own: PolicyWord,
    /// Whether everything else that policies see is known: not where the session's
    /// document is gone.
    pub is_known: bool,
    session: Option<(String, Mode)>,
    tally: Tally,
    suspicion: Option<Suspicion>,
    delegation_depth: u32,
    trust: u16,
    taint: Vec<String>,
}

impl PastCall {
    /// What policies mean for the call where the operator's say `word`: the organisation's own said what they said.
    #[must_use]
    pub fn beside_own(&self, word: PolicyWord) -> PolicyWord {
        if self.own.strictness() > word.strictness() { self.own } else { word }
    }

    /// The question, with `none` where there are no arguments.
    #[must_use]
    pub fn request<'a>(&'a self, none: &'a Map<String, Value>) -> Request<'a> {
        Request {
            organisation: self.org.as_str(),
            agent: &self.agent,
            agent_name: &self.agent_name,
            tool: &self.tool,
            effect: self.effect,
            arguments: self.arguments.as_ref().unwrap_or(none),
            session: self.session.as_ref().map(|(id, mode)| SessionFacts { id, mode: *mode, tally: self.tally }),
            delegation_depth: self.delegation_depth,
            trust: self.trust,
            suspicion: self.suspicion,
            now: self.time,
            taint: &self.taint,
        }
    }
}

/// Hands every decision from `since` on to `take`. The whole record is read, since
/// counts begin with a chain; `progress` hears how many entries of how many are done.
pub fn replay_calls(
    (ledger, documents): (&dyn Ledger, &dyn Documents),
    vault: Option<&Vault>,
    since: Timestamp,
    take: &mut dyn FnMut(PastCall),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let past = Past { registry: Registry::load(documents)?, vault };
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    let (length, mut position) = (ledger.length()?, 0);
    while position < length {
        let entries = ledger.read(position, CHUNK)?;
        let first = position;
        for bytes in &entries {
            let unreadable = |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("entry {position}: {why}"));
            let entry = Entry::read(bytes).map_err(|why| unreadable(&why))?;
            if let Some(count) = entry.count() {
                let tally = tallies.entry(entry.chain.id.to_owned()).or_default();
                let before = std::mem::replace(tally, tally.step(count));
                let time = Timestamp::parse(entry.time).map_err(|why| unreadable(&why))?;
                if time >= since
                    && let Some(call) = past.call(&entry, time, before).map_err(|why| unreadable(&why))?
                {
                    take(call);
                }
            }
            position += 1;
        }
        if position == first {
            return Err(StoreError::Corrupt(format!("entry {position} is missing")));
        }
        progress(position, length);
    }
    Ok(())
}

/// The effect that policies saw. What was refused before its behaviour was looked at is not recorded as raised, and
/// policies, which are asked before, saw it raised: by the session's counts, or by what detectors found where they
/// are heeded.
fn seen(said: &Decision<'_>, suspicion: Option<Suspicion>) -> Effect {
    let own = said.effect.judged;
    let found = said.risk.iter().flat_map(|risk| &risk.findings).any(|finding| finding.mode == "enforce");
    let is_suspect = suspicion.is_some() || found && own < Effect::Destructive;
    if is_suspect && said.effect.raised.is_none() { own.raised() } else { own }
}

struct Past<'a> {
    registry: Registry,
    vault: Option<&'a Vault>,
}

impl Past<'_> {
    fn call(&self, entry: &Entry<'_>, time: Timestamp, tally: Tally) -> Result<Option<PastCall>, serde_json::Error> {
        let said: Decision<'_> = serde_json::from_str(entry.event.get())?;
        let Some(org) = entry.org.and_then(|org| OrgId::parse(org).ok()) else { return Ok(None) };
        let session = said.session.as_deref().and_then(|id| self.registry.sessions.get(&org, id));
        let is_ours = said.session.as_deref().is_some_and(|id| id.starts_with(SessionId::PREFIX));
        let facts = session.as_ref().map(|stored| stored.value.unchecked());
        let held = said.content.as_ref().map_or(&[][..], |content| &content.held);
        // Taint is no reason where it was only watched.
        let heeded = said.content.as_ref().filter(|content| content.mode == Heed::Enforce.as_str());
        let heeded = heeded.map_or(Taint::NONE, |content| Taint::named(content.held.iter().copied()));
        let tainted = || heeded.reason_to_raise(said.effect.judged).map(Suspicion::Tainted);
        let suspicion = said.session.as_ref().and_then(|_| suspicion(tally)).or_else(tainted);
        let agent = self.registry.agents.any(said.agent);
        Ok(Some(PastCall {
            id: said.id.to_owned(),
            time,
            agent: said.agent.to_owned(),
            agent_name: agent.map(|stored| stored.value.name.clone()).unwrap_or_default(),
            tool: said.action.tool.to_string(),
            effect: seen(&said, suspicion),
            verdict: said.verdict.to_owned(),
            code: said.code.map(str::to_owned),
            gate: said.gate.map(str::to_owned),
            is_approved: said.verdict == "allow" && said.approval.is_some(),
            arguments: self.arguments(said.id, &org),
            own: self.own(&said, &org),
            is_known: facts.is_some() || !(is_ours && said.session.as_deref() == Some(entry.chain.id)),
            session: facts.map(|session| (session.id.to_string(), session.mode)),
            tally,
            suspicion,
            delegation_depth: facts
                .and_then(|session| session.delegation.as_ref())
                .map_or(0, |id| self.depth(id.as_str())),
            trust: said.trust.unwrap_or(0),
            taint: held.iter().map(|label| (*label).to_owned()).collect(),
            org,
        }))
    }

    /// What the organisation's own policies said.
    fn own(&self, said: &Decision<'_>, org: &OrgId) -> PolicyWord {
        let Some(sets) = &said.policies else { return PolicyWord::Silent };
        let mut each = std::iter::once(&sets.first).chain(&sets.second);
        let Some(own) = each.find(|set| set.version.is_some()) else { return PolicyWord::Silent };
        let fallback = || own.version.and_then(|number| fallback(&self.registry, org, number));
        match own.outcome {
            "forbid" => PolicyWord::Forbid,
            "hold" if fallback() == Some(Fallback::Allow) => PolicyWord::Hold,
            "none" if fallback() == Some(Fallback::Allow) => PolicyWord::Silent,
            "none" | "hold" => PolicyWord::Unmatched,
            "permit" if sets.second.is_none() && said.code == Some("policy_needs_approval") => PolicyWord::Hold,
            "permit" => PolicyWord::Permit,
            _ => PolicyWord::Failed,
        }
    }

    fn depth(&self, leaf: &str) -> u32 {
        let (mut depth, mut next) = (0, Some(leaf.to_owned()));
        while let Some(id) = next.filter(|_| depth < MAX_LINKS) {
            depth += 1;
            let stored = self.registry.delegations.any(&id);
            next = stored.and_then(|stored| stored.value.unchecked().parent.as_ref().map(ToString::to_string));
        }
        depth
    }

    /// The captured arguments, as policies see them.
    fn arguments(&self, id: &str, org: &OrgId) -> Option<Map<String, Value>> {
        let content = self.vault?.open(id, org).ok().flatten()?;
        let content: Value = serde_json::from_slice(&content).ok()?;
        Some(crate::judging::members(content.get("input").cloned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_effect_is_as_policies_saw_it_whether_or_not_it_was_recorded_as_raised() {
        let finding = |mode: &str| json!([{"limit": 5, "measured": 6, "mode": mode, "word": "call_spike"}]);
        let none = json!([]);
        for (own, raised, findings, suspicion, expected) in [
            ("read", None, &none, None, Effect::Read),
            // Refused before the gate that raises: policies saw the finding all the same.
            ("read", None, &finding("enforce"), None, Effect::Mutating),
            ("read", None, &finding("watch"), None, Effect::Read),
            ("mutating", None, &finding("enforce"), None, Effect::Destructive),
            // A finding makes no admin effect; a session's counts do.
            ("destructive", None, &finding("enforce"), None, Effect::Destructive),
            ("destructive", None, &none, Some(Suspicion::DenialRate), Effect::Admin),
            // Recorded as raised, and never raised twice.
            ("mutating", Some("call_spike"), &finding("enforce"), None, Effect::Mutating),
            ("mutating", Some("write_ratio"), &finding("enforce"), Some(Suspicion::WriteRatio), Effect::Mutating),
        ] {
            let text = json!({
                "action": {"arguments": countersign_core::Digest::of(b"").to_string(), "source": "api", "tool": "t"},
                "agent": "a", "agent_revision": 1, "by": "k", "epoch": 1, "guard": "fast", "id": "c", "verdict": "deny",
                "effect": {"by": "keyword", "final": own, "raised": raised}, "risk": {"findings": findings},
            })
            .to_string();
            let said: Decision<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(seen(&said, suspicion), expected, "{text}");
        }
    }
}
