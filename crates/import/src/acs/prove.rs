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
    let Requests { agents, names, arguments } = requests;
    let all = names.len().saturating_mul(agents.len()).saturating_mul(arguments.len());
    let mut proof = Proof { complete: all <= options.prove, ..nothing() };
    for number in 0..all.min(options.prove) {
        // Tools in turn, then agents, so that a few requests still meet each of them.
        let (name, rest) = (names.get(number % names.len()), number / names.len());
        let (agent, rest) = (agents.get(rest % agents.len()), rest / agents.len());
        let (Some(name), Some(agent), Some(arguments)) = (name, agent, arguments.get(rest)) else { break };
        let source = says(Call { agent, tool: name, arguments });
        let tool = format!("{}/{name}", options.server);
        let decision = decide(&mut worker, Call { agent, tool: name, arguments }, &tool);
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
