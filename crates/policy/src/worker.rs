//! One thread's copy of a set, and how it answers.
//!
//! Threads that share parsed policies gain nothing from each other: counting
//! references to the same expressions keeps them waiting. So each parses its own.
//!
//! A decision costs what its candidates ask for, and little besides: heads are
//! judged by the index, of the request only what is read becomes Cedar's
//! values, and entities are made once for each agent and tool.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{EvalResult, Expression, eval_expression};

use crate::condition::Reads;
use crate::decision::{Decision, Outcome, PolicyError, Shadowed};
use crate::index::Reach;
use crate::policy::{Kind, Policy};
use crate::related::{Ready, Related};
use crate::request::Request;
use crate::set::PolicySet;
use crate::values::{self, Types};

/// How many lists of candidates are kept ready.
const READY: usize = 4096;

/// One thread's copy of a set.
pub struct Worker {
    set: Arc<PolicySet>,
    policies: Vec<Judge>,
    types: Types,
    candidates: HashMap<Reach, Arc<Candidates>>,
    related: Ready,
}

/// A policy, to be asked where its head matches.
struct Judge {
    policy: Arc<Policy>,
    /// `None`: it applies wherever its head matches.
    condition: Option<Expression>,
}

/// The policies whose heads match, by id, and what they read together.
struct Candidates {
    policies: Vec<u32>,
    conditional: bool,
    reads: Reads,
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
    related: Arc<Related>,
}

impl PolicySet {
    /// A copy for one thread. Parses every condition again: a millisecond for
    /// about a hundred of them.
    ///
    /// The error is what Cedar says of a text that it read before; it does not happen.
    pub fn worker(self: &Arc<Self>) -> Result<Worker, String> {
        let parse = |text: &str| Expression::from_str(text).map_err(|why| why.to_string());
        let judge = |policy: &Policy| {
            let condition = policy.condition.as_ref().map(|condition| parse(&condition.text)).transpose()?;
            Ok::<_, String>(Judge { policy: Arc::new(policy.clone()), condition })
        };
        let policies = self.policies().iter().map(judge).collect::<Result<_, _>>()?;
        let types = Types::new()?;
        let related = Ready::new(&types);
        Ok(Worker { set: Arc::clone(self), policies, types, candidates: HashMap::new(), related })
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
        let candidates = self.candidates(request);
        let asked = self.ask(request, &candidates);
        let mut decision =
            Decision { outcome: Outcome::Unmatched, by: Vec::new(), errors: Vec::new(), shadow: Vec::new() };
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        for judge in candidates.policies.iter().filter_map(|number| self.judge(*number)) {
            let policy = &judge.policy;
            match (judge.says(&asked), policy.kind) {
                (Ok(false), _) => {}
                (said, kind) if policy.shadow => {
                    let would = if said.is_ok() { kind.into() } else { Outcome::Failed };
                    decision.shadow.push(Shadowed { policy: Arc::clone(policy), would });
                }
                (Ok(true), Kind::Permit) => permits.push(Arc::clone(policy)),
                (Ok(true), Kind::Forbid) => forbids.push(Arc::clone(policy)),
                (Err(message), _) => decision.errors.push(PolicyError { policy: Arc::clone(policy), message }),
            }
        }
        (decision.outcome, decision.by) = if !forbids.is_empty() {
            (Outcome::Forbid, forbids)
        } else if !decision.errors.is_empty() {
            (Outcome::Failed, decision.errors.iter().map(|error| Arc::clone(&error.policy)).collect())
        } else if permits.is_empty() {
            (Outcome::Unmatched, permits)
        } else {
            (Outcome::Permit, permits)
        };
        decision
    }

    /// Answers `request`, and says what each policy that can apply says by itself.
    pub fn trace(&mut self, request: &Request<'_>) -> Trace {
        let decision = self.decide(request);
        let candidates = self.candidates(request);
        let asked = self.ask(request, &candidates);
        let alone = |judge: &Judge| match judge.says(&asked) {
            Ok(true) => judge.policy.kind.into(),
            Ok(false) => Outcome::Unmatched,
            Err(_) => Outcome::Failed,
        };
        let judges = candidates.policies.iter().filter_map(|number| self.judge(*number));
        let candidates = judges.map(|judge| (Arc::clone(&judge.policy), alone(judge))).collect();
        Trace { decision, candidates, total: self.policies.len() }
    }

    fn judge(&self, number: u32) -> Option<&Judge> {
        self.policies.get(usize::try_from(number).ok()?)
    }

    fn candidates(&mut self, request: &Request<'_>) -> Arc<Candidates> {
        let reach = self.set.index.reach(request);
        if let Some(candidates) = self.candidates.get(&reach) {
            return Arc::clone(candidates);
        }
        let policies = self.set.index.find(reach);
        let mut reads = Reads::default();
        let judges = policies.iter().filter_map(|number| self.judge(*number));
        let conditions: Vec<_> = judges.filter_map(|judge| judge.policy.condition.as_ref()).collect();
        for condition in &conditions {
            reads.add(&condition.reads);
        }
        let candidates = Arc::new(Candidates { conditional: !conditions.is_empty(), policies, reads });
        if self.candidates.len() >= READY {
            self.candidates.clear();
        }
        self.candidates.insert(reach, Arc::clone(&candidates));
        candidates
    }

    /// `request` in Cedar's values, as far as `candidates` read it; `None` where no condition asks.
    fn ask(&mut self, request: &Request<'_>, candidates: &Candidates) -> Result<Option<Asked>, String> {
        if !candidates.conditional {
            return Ok(None);
        }
        let tool = self.set.tools().get(request.tool);
        let context = values::context(&self.types, request, tool, &candidates.reads)?;
        let related = if candidates.reads.entities {
            self.related.get(&self.types, request, tool.is_some())?
        } else {
            self.related.nobody()
        };
        let [principal, action, resource] = [&related.principal, &related.action, &related.resource].map(Clone::clone);
        let query =
            cedar_policy::Request::new(principal, action, resource, context, None).map_err(|why| why.to_string())?;
        Ok(Some(Asked { query, related }))
    }
}

impl Judge {
    /// Whether the policy applies. The error is why that cannot be told: Cedar
    /// could not hold the request, or the condition failed on it.
    fn says(&self, asked: &Result<Option<Asked>, String>) -> Result<bool, String> {
        let Some(condition) = &self.condition else { return Ok(true) };
        let Some(Asked { query, related }) = asked.as_ref().map_err(Clone::clone)? else {
            return Err("it was not asked".to_owned());
        };
        match eval_expression(query, &related.entities, condition) {
            Ok(EvalResult::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("`{other}` is neither true nor false")),
            Err(why) => Err(why.to_string()),
        }
    }
}
