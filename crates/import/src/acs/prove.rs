//! What a manifest asks and the policies, asked the same.

use std::sync::Arc;

use countersign_policy::{Outcome, PolicySet};
use serde_json::{Map, Value};

use super::Point;
use crate::prove::{Call, asks, decide};
use crate::{Difference, Options, Proof, Verdict};

/// Whoever calls, where it does not matter who.
pub(crate) const AGENT: &str = "agent_1";

/// What is asked of both: each with each.
pub(crate) struct Requests {
    pub agents: Vec<String>,
    /// Tools of the manifest, and names near them.
    pub names: Vec<String>,
    pub arguments: Vec<Map<String, Value>>,
    /// Whether there are no more.
    pub is_all: bool,
}

/// Nothing was asked.
pub(crate) const fn nothing() -> Proof {
    Proof { asked: 0, odd: 0, complete: false, difference: None }
}

/// Puts the same calls to both, up to `options.prove`. `says` is the host of the manifest.
pub(crate) fn ask(
    says: &mut dyn FnMut(Call<'_>) -> Verdict,
    requests: &Requests,
    set: PolicySet,
    options: &Options<'_>,
) -> Result<Proof, String> {
    let mut worker = Arc::new(set).worker()?;
    let Requests { agents, names, arguments, is_all } = requests;
    let total = agents.len().saturating_mul(arguments.len());
    // Evenly chosen where there are too many, for each tool by itself.
    let each = (options.prove / names.len().max(1)).max(1);
    let (count, step) = if total <= each { (total, 1) } else { (each, (total / each) | 1) };
    let mut proof = Proof { complete: *is_all && total <= each, ..nothing() };
    let chosen = |n: usize| {
        let n = n.wrapping_mul(step) % total;
        Some((agents.get(n % agents.len())?, arguments.get(n / agents.len())?))
    };
    for (name, (agent, arguments)) in
        names.iter().flat_map(|name| (0..count).filter_map(chosen).map(move |with| (name, with)))
    {
        let call = Call { agent, tool: name, arguments };
        let (source, tool) = (says(call), format!("{}/{name}", options.server));
        let decision = decide(&mut worker, call, &tool);
        let ours = match decision.outcome {
            Outcome::Permit if asks(&decision) => Verdict::Approve,
            Outcome::Permit => Verdict::Allow,
            _ => Verdict::Deny,
        };
        if source == ours {
            proof.asked += 1;
        } else if decision.outcome == Outcome::Failed {
            // The source takes a function that fails for silence; here it refuses.
            proof.odd += 1;
        } else {
            let by: Vec<&str> = decision.by.iter().map(|policy| policy.id.as_str()).collect();
            let policies = format!("{} ({})", decision.outcome.as_str(), by.join(", "));
            let (agent, arguments) = (agent.clone(), arguments.clone());
            proof.difference = Some(Difference { agent, tool, arguments, source, policies });
            break;
        }
    }
    Ok(proof)
}

/// The tools of the manifest, and names near them.
pub(crate) fn names(point: &Point) -> Vec<String> {
    let near = point.catalogue.keys().flat_map(|name| [name.clone(), name.to_uppercase(), format!("{name}_")]);
    let mut names: Vec<String> = near.chain(["some_other_tool".to_owned()]).collect();
    names.sort();
    names.dedup();
    names
}
