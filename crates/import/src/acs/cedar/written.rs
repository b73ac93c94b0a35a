//! What was found of each policy, as policies of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cedar_policy::Effect;

use super::{One, Places, Table};
use crate::cedar::slug;
use crate::quote::escaped;

/// Who and what is told apart: the agents that are named, then all others; tools, or none.
pub(crate) struct World<'a> {
    pub agents: &'a [String],
    pub tools: &'a [Option<String>],
    pub server: &'a str,
}

/// A policy for each of `from` that matches anything, and those that refuse where one fails.
pub(crate) fn policies(from: &[One], table: &Table, world: &World<'_>) -> String {
    let mut ids = BTreeSet::new();
    let mut text = String::new();
    for (number, (one, places)) in from.iter().zip(&table.matches).enumerate() {
        let Some(parsed) = &one.parsed else { continue };
        let own = parsed.annotation("id").filter(|own| !own.is_empty());
        let id = own.map_or_else(|| format!("acs-{}", number + 1), slug);
        let is_permit = parsed.effect() == Effect::Permit;
        let reason = parsed.annotation("reason").filter(|reason| !reason.trim().is_empty());
        let reason = reason.map_or_else(
            || format!("refused by the imported {}", one.name),
            |reason| reason.chars().take(500).collect(),
        );
        let mut write =
            |when: Placed| text.push_str(&when.written(&unique(&id, &mut ids), (!is_permit).then_some(&*reason)));
        grouped(places, world, is_permit).into_iter().for_each(&mut write);
    }
    let failing: Places = table.fails.iter().chain([&table.unasked]).flatten().copied().collect();
    let reason = "a policy of the manifest fails on this call, and its host refuses then";
    for when in grouped(&failing, world, false) {
        text.push_str(&when.written(&unique("acs-fails", &mut ids), Some(reason)));
    }
    text
}

fn unique(id: &str, taken: &mut BTreeSet<String>) -> String {
    let (mut found, mut number) = (id.to_owned(), 1);
    while !taken.insert(found.clone()) {
        number += 1;
        found = format!("{id}.{number}");
    }
    found
}

/// Agents and tools, as the head and conditions of a policy.
struct Placed {
    principal: String,
    resource: String,
    conditions: Vec<String>,
}

impl Placed {
    /// `reason`: of a forbid.
    fn written(&self, id: &str, reason: Option<&str>) -> String {
        let mut text = format!("@id(\"{id}\")\n");
        if let Some(reason) = reason {
            let _ = writeln!(text, "@reason(\"{}\")", escaped(reason));
        }
        let effect = if reason.is_some() { "forbid" } else { "permit" };
        let _ = write!(text, "{effect} ({}, action, {})", self.principal, self.resource);
        for condition in &self.conditions {
            let _ = write!(text, "\n{condition}");
        }
        text + ";\n\n"
    }
}

/// `places` as few policies: tools for which the agents are the same are in one.
fn grouped(places: &Places, world: &World<'_>, is_permit: bool) -> Vec<Placed> {
    let mut agents_of: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (agent, tool) in places {
        agents_of.entry(*tool).or_default().insert(*agent);
    }
    let mut groups: BTreeMap<BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
    for (tool, agents) in agents_of {
        groups.entry(agents).or_default().push(tool);
    }
    groups.iter().map(|(agents, tools)| placed(agents, tools, world, is_permit)).collect()
}

fn placed(agents: &BTreeSet<usize>, tools: &[usize], world: &World<'_>, is_permit: bool) -> Placed {
    let mut conditions = Vec::new();
    let agent = |number: &usize| world.agents.get(*number).map(|id| format!("Agent::\"{}\"", escaped(id)));
    let others_too = agents.contains(&world.agents.len());
    let within = |is: bool| {
        (0..world.agents.len()).filter(|n| agents.contains(n) == is).filter_map(|n| agent(&n)).collect::<Vec<_>>()
    };
    let principal = match (others_too, within(!others_too).as_slice()) {
        (true, []) => "principal".to_owned(),
        (true, but) => {
            conditions.push(format!("unless {{ [{}].contains(principal) }}", but.join(", ")));
            "principal".to_owned()
        }
        (false, [one]) => format!("principal == {one}"),
        (false, some) => {
            conditions.push(format!("when {{ [{}].contains(principal) }}", some.join(", ")));
            "principal".to_owned()
        }
    };
    let tool = |name: &String| format!("Tool::\"{}\"", escaped(&format!("{}/{name}", world.server)));
    let names: Vec<String> = tools.iter().filter_map(|n| world.tools.get(*n)?.as_ref().map(tool)).collect();
    let server = format!("resource in Server::\"{}\"", escaped(world.server));
    // What the manifest does not name is refused, whatever its policies permit.
    let is_all = tools.len() == world.tools.len() && !is_permit;
    let resource = match names.as_slice() {
        [one] => format!("resource == {one}"),
        [] => server,
        _ if is_all => server,
        some => {
            conditions.push(format!("when {{ [{}].contains(resource) }}", some.join(", ")));
            server
        }
    };
    Placed { principal, resource, conditions }
}
