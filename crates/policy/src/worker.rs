//! One thread's copy of a set, and how it answers.
//!
//! Threads that share parsed policies gain nothing from each other: counting
//! references to the same expressions keeps them waiting. So each parses its own.
//!
//! A decision costs what its candidates ask for, and little besides: heads are
//! judged by the index, conditions in the form of our own are asked first, of
//! the request only what is read becomes Cedar's values, and entities are made
//! once for each agent and tool.

use ahash::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{EvalResult, Expression, eval_expression};
use serde_json::Map;

use crate::condition::Reads;
use crate::decision::{Decision, Outcome, PolicyError, Shadowed};
use crate::index::Reach;
use crate::policy::{Kind, Policy};
use crate::related::{Ready, Related};
use crate::request::Request;
use crate::set::PolicySet;
use crate::tools::Tool;
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
    #[cfg(feature = "rego")]
    rego: crate::rego::Judge,
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
        Ok(Worker {
            set: Arc::clone(self),
            policies,
            types,
            candidates: HashMap::default(),
            related,
            #[cfg(feature = "rego")]
            rego: crate::rego::Judge::new(&self.rego)?,
        })
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
        let mut decision =
            Decision { outcome: Outcome::Unmatched, by: Vec::new(), errors: Vec::new(), shadow: Vec::new() };
        let (mut permits, mut forbids, mut holds) = (Vec::new(), Vec::new(), Vec::new());
        self.each(request, &candidates, |policy, said| match (said, policy.kind) {
            (Ok(false), _) => {}
            (said, kind) if policy.shadow => {
                let would = if said.is_ok() { kind.into() } else { Outcome::Failed };
                decision.shadow.push(Shadowed { policy: Arc::clone(policy), would });
            }
            (Ok(true), Kind::Permit) => permits.push(Arc::clone(policy)),
            (Ok(true), Kind::Forbid) => forbids.push(Arc::clone(policy)),
            (Ok(true), Kind::Hold) => holds.push(Arc::clone(policy)),
            (Err(message), _) => decision.errors.push(PolicyError { policy: Arc::clone(policy), message }),
        });
        (decision.outcome, decision.by) = if !forbids.is_empty() {
            (Outcome::Forbid, forbids)
        } else if !decision.errors.is_empty() {
            (Outcome::Failed, decision.errors.iter().map(|error| Arc::clone(&error.policy)).collect())
        } else {
            Outcome::of_willing(permits, holds)
        };
        decision
    }

    /// Answers `request`, and says what each policy that can apply says by itself.
    pub fn trace(&mut self, request: &Request<'_>) -> Trace {
        let decision = self.decide(request);
        let candidates = self.candidates(request);
        let mut alone = Vec::with_capacity(candidates.policies.len());
        self.each(request, &candidates, |policy, said| {
            let outcome = match said {
                Ok(true) => policy.kind.into(),
                Ok(false) => Outcome::Unmatched,
                Err(_) => Outcome::Failed,
            };
            alone.push((Arc::clone(policy), outcome));
        });
        Trace { decision, candidates: alone, total: self.policies.len() }
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
        for condition in judges.filter_map(|judge| judge.policy.condition.as_ref()) {
            reads.add(&condition.reads);
        }
        let candidates = Arc::new(Candidates { policies, reads });
        if self.candidates.len() >= READY {
            self.candidates.clear();
        }
        self.candidates.insert(reach, Arc::clone(&candidates));
        candidates
    }

    /// Tells of each of `candidates` whether it applies. The error is why that
    /// cannot be known: Cedar could not hold the request, or a condition failed.
    fn each(
        &mut self,
        request: &Request<'_>,
        candidates: &Candidates,
        mut tell: impl FnMut(&Arc<Policy>, Result<bool, String>),
    ) {
        #[cfg(feature = "rego")]
        self.rego.ask(request);
        let Self { set, policies, types, related, .. } = self;
        // No policy of Cedar may name the arguments of a tool that nobody declared.
        let none = Map::new();
        let tool = set.tools().get(request.tool);
        let arguments = if tool.is_some() { request.arguments } else { &none };
        let request = &Request { arguments, ..*request };
        let mut asked = None;
        for number in &candidates.policies {
            let Some(Judge { policy, condition }) = usize::try_from(*number).ok().and_then(|at| policies.get(at))
            else {
                continue;
            };
            #[cfg(feature = "rego")]
            if let Some(rule) = &policy.rego {
                match self.rego.says(rule) {
                    Ok(Some(message)) => tell(&Arc::new(policy.saying(message)), Ok(true)),
                    Ok(None) => tell(policy, Ok(false)),
                    Err(why) => tell(policy, Err(why)),
                }
                continue;
            }
            let compiled = policy.condition.as_ref().and_then(|condition| condition.compiled.as_ref());
            let said = match (condition, compiled.and_then(|compiled| compiled.says(request))) {
                (None, _) => Ok(true),
                (_, Some(holds)) => Ok(holds),
                // Made where the first policy needs it, for all of them.
                (Some(condition), None) => asked
                    .get_or_insert_with(|| Asked::new(types, related, tool, request, &candidates.reads))
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|asked| asked.says(condition)),
            };
            tell(policy, said);
        }
    }
}

impl Asked {
    /// What `reads` says of `request`, in Cedar's values.
    fn new(
        types: &Types,
        related: &mut Ready,
        tool: Option<&Tool>,
        request: &Request<'_>,
        reads: &Reads,
    ) -> Result<Self, String> {
        let context = values::context(types, request, tool, reads)?;
        let related = if reads.entities { related.get(types, request, tool.is_some())? } else { related.nobody() };
        let [principal, action, resource] = [&related.principal, &related.action, &related.resource].map(Clone::clone);
        let query =
            cedar_policy::Request::new(principal, action, resource, context, None).map_err(|why| why.to_string())?;
        Ok(Self { query, related })
    }

    fn says(&self, condition: &Expression) -> Result<bool, String> {
        match eval_expression(&self.query, &self.related.entities, condition) {
            Ok(EvalResult::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("`{other}` is neither true nor false")),
            Err(why) => Err(why.to_string()),
        }
    }
}
