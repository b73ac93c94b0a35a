//! Which policies can apply to a request, judged by their heads alone.
//!
//! A head names at most one principal, one resource and some actions. Each
//! policy is kept under what its head names; a request looks under everything
//! it is or is in. So what cannot apply is never looked at, however much of it there is.

use ahash::HashMap;

use cedar_policy::EntityUid;
use countersign_core::Effect;

use crate::policy::Head;
use crate::request::Request;

/// What some head names, as a small number; [`ANY`] where a head names nothing,
/// or no head names what a request has.
type Name = u32;
const ANY: Name = 0;

/// Policies by head.
#[derive(Debug, Default)]
pub(crate) struct Index {
    names: Names,
    policies: HashMap<[Name; 3], Vec<u32>>,
}

/// What heads name, by kind and id.
#[derive(Debug, Default)]
struct Names {
    last: Name,
    agents: HashMap<String, Name>,
    organisations: HashMap<String, Name>,
    servers: HashMap<String, Name>,
    tools: HashMap<String, Name>,
    effects: HashMap<Effect, Name>,
    /// The actions of declared tools.
    actions: HashMap<String, Name>,
}

/// Everything a request is or is in that some head names. Requests with the
/// same reach have the same candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Reach {
    agent: Name,
    organisation: Name,
    action: Name,
    effect: Name,
    tool: Name,
    server: Name,
}

impl Index {
    pub(crate) fn new<'a>(heads: impl Iterator<Item = &'a Head>) -> Self {
        let mut index = Self::default();
        for (number, head) in (0..).zip(heads) {
            let principal = index.names.number(head.principal.as_ref());
            let resource = index.names.number(head.resource.as_ref());
            let actions = match &head.actions {
                None => vec![ANY],
                Some(uids) => uids.iter().map(|uid| index.names.number(Some(uid))).collect(),
            };
            for action in actions {
                index.policies.entry([principal, action, resource]).or_default().push(number);
            }
        }
        index
    }

    /// What of `request` the heads name.
    pub(crate) fn reach(&self, request: &Request<'_>) -> Reach {
        let find = |names: &HashMap<String, Name>, id: &str| names.get(id).copied().unwrap_or(ANY);
        let Names { agents, organisations, servers, tools, effects, actions, .. } = &self.names;
        Reach {
            agent: find(agents, request.agent),
            organisation: find(organisations, request.organisation),
            // No head names the action of a tool that is not declared: that does not validate.
            action: find(actions, request.tool),
            effect: effects.get(&request.effect).copied().unwrap_or(ANY),
            tool: find(tools, request.tool),
            server: request.server().map_or(ANY, |server| find(servers, server)),
        }
    }

    /// The numbers of the policies whose heads match, ascending.
    pub(crate) fn find(&self, reach: Reach) -> Vec<u32> {
        let Reach { agent, organisation, action, effect, tool, server } = reach;
        let mut found = Vec::new();
        for principal in named([agent, organisation, ANY]) {
            for action in named([action, effect, ANY]) {
                for resource in named([tool, server, organisation, ANY]) {
                    found.extend(self.policies.get(&[principal, action, resource]).into_iter().flatten());
                }
            }
        }
        // A policy whose head names two actions of the request is found twice.
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Each of `names` that is one, and [`ANY`], which ends them.
fn named<const N: usize>(names: [Name; N]) -> impl Iterator<Item = Name> {
    names.into_iter().enumerate().filter(|(at, name)| *name != ANY || at + 1 == N).map(|(_, name)| name)
}

impl Names {
    fn number(&mut self, uid: Option<&EntityUid>) -> Name {
        let Some(uid) = uid else { return ANY };
        self.last += 1;
        let (id, next) = (uid.id().unescaped(), self.last);
        let names = match (uid.type_name().to_string().as_str(), Effect::parse(id)) {
            ("Agent", _) => &mut self.agents,
            ("Organisation", _) => &mut self.organisations,
            ("Server", _) => &mut self.servers,
            ("Tool", _) => &mut self.tools,
            ("Action", Some(effect)) => return *self.effects.entry(effect).or_insert(next),
            ("Action", None) => &mut self.actions,
            // Nothing that a request has is of another kind: a number that is never found.
            _ => return next,
        };
        *names.entry(id.to_owned()).or_insert(next)
    }
}
