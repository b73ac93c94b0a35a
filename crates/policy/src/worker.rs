//! One thread's copy of a set, and how it answers.
//!
//! Threads that share parsed policies gain nothing from each other: counting
//! references to the same expressions keeps them waiting. So each parses its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, Entity, EntityUid, PolicyId, RestrictedExpression};

use crate::decision::{Decision, Outcome, PolicyError, Shadowed};
use crate::index::Reach;
use crate::policy::{Kind, Policy};
use crate::request::Request;
use crate::set::PolicySet;
use crate::values::{self, Types, uid};

/// How many sets of candidates are kept ready. Calls of a few hundred tools by
/// a few kinds of agents make fewer.
const READY: usize = 1024;

/// One thread's copy of a set.
pub struct Worker {
    set: Arc<PolicySet>,
    policies: Vec<(Arc<Policy>, cedar_policy::Policy)>,
    by_id: HashMap<String, u32>,
    types: Types,
    authorizer: Authorizer,
    ready: HashMap<Vec<u32>, Candidates>,
}

/// The policies that can apply, ready to be evaluated.
#[derive(Default)]
struct Candidates {
    deciding: cedar_policy::PolicySet,
    /// Shadow policies are evaluated one by one: each speaks for itself.
    shadow: Vec<(u32, cedar_policy::PolicySet)>,
}

/// What became of each policy for one request.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The answer.
    pub decision: Decision,
    /// The policies whose heads match, by id, and what each says by itself.
    pub candidates: Vec<(Arc<Policy>, Outcome)>,
    /// How many policies there are.
    pub total: usize,
}

/// A request in Cedar's values.
struct Asked {
    query: cedar_policy::Request,
    entities: Entities,
}

struct Uids {
    organisation: EntityUid,
    agent: EntityUid,
    tool: EntityUid,
    server: Option<EntityUid>,
    effect: EntityUid,
    action: EntityUid,
}

impl PolicySet {
    /// A copy for one thread. Parses every policy again: a millisecond for
    /// about a hundred of them.
    ///
    /// The error is what Cedar says of a text that it read before; it does not happen.
    pub fn worker(self: &Arc<Self>) -> Result<Worker, String> {
        let mut policies = Vec::with_capacity(self.policies().len());
        let mut by_id = HashMap::new();
        for (number, policy) in (0..).zip(self.policies()) {
            let id = PolicyId::new(&policy.id);
            let parsed = cedar_policy::Policy::parse(Some(id), &policy.text).map_err(|why| why.to_string())?;
            policies.push((Arc::new(policy.clone()), parsed));
            by_id.insert(policy.id.clone(), number);
        }
        let set = Arc::clone(self);
        Ok(Worker { set, policies, by_id, types: Types::new()?, authorizer: Authorizer::new(), ready: HashMap::new() })
    }
}

impl Worker {
    /// The set this is a copy of.
    #[must_use]
    pub fn set(&self) -> &Arc<PolicySet> {
        &self.set
    }

    /// Answers `request`. Only policies whose heads match are evaluated.
    pub fn decide(&mut self, request: &Request<'_>) -> Decision {
        let uids = self.uids(request);
        let found = self.find(&uids);
        if found.is_empty() {
            return silence();
        }
        let asked = match self.ask(request, &uids) {
            Ok(asked) => asked,
            Err(message) => return self.unheard(&found, &message),
        };
        if self.ready.len() >= READY && !self.ready.contains_key(&found) {
            self.ready.clear();
        }
        let mut ready = std::mem::take(&mut self.ready);
        let candidates = ready.entry(found).or_insert_with_key(|found| self.candidates(found));
        let decision = self.evaluate(candidates, &asked);
        self.ready = ready;
        decision
    }

    /// Answers `request` with every policy evaluated: what [`decide`](Self::decide)
    /// must always agree with.
    pub fn decide_unindexed(&mut self, request: &Request<'_>) -> Decision {
        let all: Vec<u32> = (0..).zip(&self.policies).map(|(number, _)| number).collect();
        match self.ask(request, &self.uids(request)) {
            Ok(asked) => self.evaluate(&self.candidates(&all), &asked),
            Err(message) => self.unheard(&self.find(&self.uids(request)), &message),
        }
    }

    /// Answers `request`, and says what each policy that can apply says by itself.
    pub fn trace(&mut self, request: &Request<'_>) -> Trace {
        let decision = self.decide(request);
        let uids = self.uids(request);
        let found = self.find(&uids);
        let asked = self.ask(request, &uids);
        let alone = |number: &u32| {
            let (policy, parsed) = self.get(*number)?;
            let outcome = asked.as_ref().map_or(Outcome::Failed, |asked| self.alone(policy, &only(parsed), asked));
            Some((Arc::clone(policy), outcome))
        };
        let candidates = found.iter().filter_map(alone).collect();
        Trace { decision, candidates, total: self.policies.len() }
    }

    fn get(&self, number: u32) -> Option<&(Arc<Policy>, cedar_policy::Policy)> {
        self.policies.get(usize::try_from(number).ok()?)
    }

    fn uids(&self, request: &Request<'_>) -> Uids {
        let effect = uid(&self.types.action, request.effect.as_str());
        let declared = self.set.tools().get(request.tool).is_some();
        Uids {
            organisation: uid(&self.types.organisation, request.organisation),
            agent: uid(&self.types.agent, request.agent),
            tool: uid(&self.types.tool, request.tool),
            server: request.server().map(|server| uid(&self.types.server, server)),
            action: if declared { uid(&self.types.action, request.tool) } else { effect.clone() },
            effect,
        }
    }

    fn find(&self, uids: &Uids) -> Vec<u32> {
        let Uids { organisation, agent, tool, server, effect, action } = uids;
        let principal = [agent, organisation];
        let actions = [action, effect];
        let resource = [tool, organisation, server.as_ref().unwrap_or(tool)];
        let action = if action == effect { &actions[..1] } else { &actions[..] };
        let resource = if server.is_none() { &resource[..2] } else { &resource[..] };
        self.set.index.find(&Reach { principal: &principal, action, resource })
    }

    fn ask(&self, request: &Request<'_>, uids: &Uids) -> Result<Asked, String> {
        let tool = self.set.tools().get(request.tool);
        let context = values::context(&self.types, request, tool)?;
        let entities = entities(request, uids)?;
        let [principal, action, resource] = [&uids.agent, &uids.action, &uids.tool].map(Clone::clone);
        let query =
            cedar_policy::Request::new(principal, action, resource, context, None).map_err(|why| why.to_string())?;
        Ok(Asked { query, entities })
    }

    fn candidates(&self, found: &[u32]) -> Candidates {
        let mut candidates = Candidates::default();
        for number in found {
            let Some((policy, parsed)) = self.get(*number) else { continue };
            if policy.shadow {
                candidates.shadow.push((*number, only(parsed)));
            } else {
                // The ids of a set differ, so there is always room.
                let _ = candidates.deciding.add(parsed.clone());
            }
        }
        candidates
    }

    fn evaluate(&self, candidates: &Candidates, asked: &Asked) -> Decision {
        let mut decision = silence();
        let answer = self.authorizer.is_authorized(&asked.query, &candidates.deciding, &asked.entities);
        let said = answer.diagnostics();
        let mut reasons: Vec<Arc<Policy>> = said.reason().filter_map(|id| self.policy(id)).collect();
        for error in said.errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(why) = error;
            if let Some(policy) = self.policy(why.policy_id()) {
                decision.errors.push(PolicyError { policy, message: why.inner().to_string() });
            }
        }
        decision.errors.sort_by(|a, b| a.policy.id.cmp(&b.policy.id));
        let forbids = reasons.first().is_some_and(|policy| policy.kind == Kind::Forbid);
        decision.outcome = match (forbids, said.errors().next().is_some(), reasons.is_empty()) {
            (true, _, _) => Outcome::Forbid,
            (false, true, _) => {
                reasons = decision.errors.iter().map(|error| Arc::clone(&error.policy)).collect();
                Outcome::Failed
            }
            (false, false, false) => Outcome::Permit,
            (false, false, true) => Outcome::Unmatched,
        };
        reasons.sort_by(|a, b| a.id.cmp(&b.id));
        decision.by = reasons;
        for (number, policies) in &candidates.shadow {
            let Some((policy, _)) = self.get(*number) else { continue };
            let would = self.alone(policy, policies, asked);
            if would != Outcome::Unmatched {
                decision.shadow.push(Shadowed { policy: Arc::clone(policy), would });
            }
        }
        decision
    }

    /// What one policy says by itself.
    fn alone(&self, policy: &Policy, only: &cedar_policy::PolicySet, asked: &Asked) -> Outcome {
        let answer = self.authorizer.is_authorized(&asked.query, only, &asked.entities);
        let matched = answer.diagnostics().reason().next().is_some();
        match policy.kind {
            _ if answer.diagnostics().errors().next().is_some() => Outcome::Failed,
            Kind::Permit if matched => Outcome::Permit,
            Kind::Forbid if matched => Outcome::Forbid,
            _ => Outcome::Unmatched,
        }
    }

    fn policy(&self, id: &PolicyId) -> Option<Arc<Policy>> {
        let number = self.by_id.get(AsRef::<str>::as_ref(id))?;
        self.get(*number).map(|(policy, _)| Arc::clone(policy))
    }

    /// A request that cannot be put to the policies: all of them failed.
    fn unheard(&self, found: &[u32], message: &str) -> Decision {
        let mut decision = silence();
        for (policy, _) in found.iter().filter_map(|number| self.get(*number)) {
            if policy.shadow {
                decision.shadow.push(Shadowed { policy: Arc::clone(policy), would: Outcome::Failed });
            } else {
                decision.outcome = Outcome::Failed;
                decision.by.push(Arc::clone(policy));
                decision.errors.push(PolicyError { policy: Arc::clone(policy), message: message.to_owned() });
            }
        }
        decision
    }
}

fn silence() -> Decision {
    Decision { outcome: Outcome::Unmatched, by: Vec::new(), errors: Vec::new(), shadow: Vec::new() }
}

fn only(policy: &cedar_policy::Policy) -> cedar_policy::PolicySet {
    cedar_policy::PolicySet::from_policies([policy.clone()]).unwrap_or_default()
}

fn entities(request: &Request<'_>, uids: &Uids) -> Result<Entities, String> {
    let Uids { organisation, agent, tool, server, effect, action } = uids;
    let named = |uid: &EntityUid, name: &str, parents: HashSet<EntityUid>| {
        let name = RestrictedExpression::new_string(name.to_owned());
        Entity::new(uid.clone(), HashMap::from([("name".to_owned(), name)]), parents).map_err(|why| why.to_string())
    };
    let inside = || HashSet::from([organisation.clone()]);
    let mut all = vec![
        Entity::with_uid(organisation.clone()),
        named(agent, request.agent_name, inside())?,
        Entity::with_uid(effect.clone()),
    ];
    let mut parents = inside();
    if let Some(server) = server {
        all.push(Entity::new_no_attrs(server.clone(), inside()));
        parents.insert(server.clone());
    }
    all.push(named(tool, request.tool, parents)?);
    if action != effect {
        all.push(Entity::new_no_attrs(action.clone(), HashSet::from([effect.clone()])));
    }
    Entities::from_entities(all, None).map_err(|why| why.to_string())
}
