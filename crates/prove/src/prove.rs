//! Asking the solver about claims, and judging what it says.

use std::rc::Rc;
use std::sync::Arc;

use cedar_policy::{Effect, Policy};
use countersign_policy::{Fallback, PolicySet, schema};
use serde_json::Value;

use crate::claim::{Claim, What};
use crate::judge::{Judge, Shown};
use crate::shown;
use crate::solver::{Asker, NoSolver, Query, Said, Solver};
use crate::space::{Named, Space, parse, permitting, spaces};

/// What claims are made of.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The policies. Those that only watch decide nothing, and are left out.
    pub set: Arc<PolicySet>,
    /// What holds where no policy speaks of a call.
    pub fallback: Fallback,
}

/// What became of a claim.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It holds of every request. Where it says that there is one, this is it.
    Holds(Option<Shown>),
    /// It does not: for this request, or for these policies, by id.
    Fails {
        /// A request that breaks it, as the policies really answer it.
        shown: Option<Shown>,
        /// The policies that break it, where it speaks of policies.
        policies: Vec<String>,
    },
    /// Nobody can tell, and why.
    Undecided(Vec<String>),
}

/// A claim, and what became of it.
#[derive(Debug, Clone)]
pub struct Proof {
    /// What the claim is called.
    pub name: String,
    /// What it says.
    pub says: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// Proves each of `claims` of `subject`, or shows why it does not hold.
///
/// The error is that there is no solver, or that it ended and cannot be started again.
pub fn prove(subject: &Subject, claims: &[Claim], solver: &Solver) -> Result<Vec<Proof>, NoSolver> {
    let mut asker = Asker::new(solver)?;
    let proof = |claim: &Claim| {
        let verdict = match Work::new(subject, &claim.what) {
            Ok(mut work) => work.prove(&mut asker)?,
            Err(why) => Verdict::Undecided(vec![why]),
        };
        Ok(Proof { name: claim.name.clone(), says: claim.says.clone(), verdict })
    };
    claims.iter().map(proof).collect()
}

/// What a search comes to.
enum Search {
    /// There is no such request.
    None,
    /// This one.
    Found(Box<Shown>),
    /// Nobody can tell, and why.
    Unknown(String),
}

/// A claim while it is proved.
struct Work<'a> {
    subject: &'a Subject,
    what: &'a What,
    named: Named,
    spaces: Rc<[Space<'a>]>,
    /// The policies of the subject that decide.
    ours: Vec<Policy>,
    /// The policies that the claim itself is written in.
    theirs: Vec<Policy>,
    /// What holds where no policy speaks of a call and the organisation allows that.
    everything: Policy,
    judge: Judge,
    other: Option<Judge>,
}

impl<'a> Work<'a> {
    fn new(subject: &'a Subject, what: &'a What) -> Result<Self, String> {
        let (other, fallback) = match what {
            What::Never(other) | What::Always(other) => (Some(other), Fallback::Deny),
            What::NoWiderThan(other) => (Some(other), subject.fallback),
            _ => (None, Fallback::Deny),
        };
        let tools = subject.set.tools();
        if other.is_some_and(|other| schema(other.tools()) != schema(tools)) {
            return Err("the two do not declare the same tools, so their policies are not asked the same".to_owned());
        }
        // A solver does not know Rego. It only takes away, so what is never allowed without it is not allowed
        // with it either; what needs it to stay silent cannot be shown.
        let unseen = match what {
            What::Always(_) | What::NeverFails => subject.set.policies().iter().find(|policy| policy.is_rego()),
            _ => other.and_then(|other| other.policies().iter().find(|policy| policy.is_rego())),
        };
        if let Some(rego) = unseen {
            return Err(format!(
                "`{}` is Rego, which a solver does not know, and may refuse or fail anywhere",
                rego.id
            ));
        }
        let deciding = |set: &'a PolicySet| set.policies().iter().filter(|policy| !policy.shadow && !policy.is_rego());
        let parsed = |set: &'a PolicySet| deciding(set).map(|policy| parse(&policy.id, &policy.text)).collect();
        let ours: Vec<Policy> = parsed(&subject.set)?;
        let theirs: Vec<Policy> = other.map_or(Ok(Vec::new()), |other| parsed(other))?;
        let texts = deciding(&subject.set).chain(other.into_iter().flat_map(|other| deciding(other)));
        let named = Named::of(ours.iter().chain(&theirs).zip(texts.map(|policy| policy.text.as_str())));
        let spaces = spaces(tools, &named)?.into();
        let judge = Judge::new(&subject.set, subject.fallback)?;
        let other = other.map(|other| Judge::new(other, fallback)).transpose()?;
        let everything = parse("everything else", "permit (principal, action, resource);")?;
        Ok(Self { subject, what, named, spaces, ours, theirs, everything, judge, other })
    }

    /// `policies`, with what `fallback` adds.
    fn allowing(&self, policies: &[Policy], fallback: Fallback) -> Vec<Policy> {
        let everything = (fallback == Fallback::Allow).then(|| self.everything.clone());
        policies.iter().cloned().chain(everything).collect()
    }

    fn prove(&mut self, asker: &mut Asker) -> Result<Verdict, NoSolver> {
        let spaces = Rc::clone(&self.spaces);
        if matches!(self.what, What::EveryPolicyCounts) {
            return self.every_policy_counts(asker);
        }
        let mut unknown = Vec::new();
        for space in &*spaces {
            let search = match self.what {
                What::NeverFails => self.failing(asker, space, Which::Ours)?,
                What::AllowsSomething => self.allowed(asker, space)?,
                _ => self.between(asker, space)?,
            };
            match (search, self.what) {
                (Search::None, _) => {}
                (Search::Found(shown), What::AllowsSomething) => return Ok(Verdict::Holds(Some(*shown))),
                (Search::Found(shown), _) => {
                    return Ok(Verdict::Fails { shown: Some(*shown), policies: Vec::new() });
                }
                (Search::Unknown(why), _) => unknown.push(format!("{}: {why}", space.called())),
            }
        }
        Ok(match self.what {
            _ if !unknown.is_empty() => Verdict::Undecided(unknown),
            What::AllowsSomething => Verdict::Fails { shown: None, policies: Vec::new() },
            _ => Verdict::Holds(None),
        })
    }

    /// A request that one side allows and the other does not, where the claim says that there is none.
    fn between(&mut self, asker: &mut Asker, space: &Space<'_>) -> Result<Search, NoSolver> {
        let ours = self.allowing(&self.ours, self.subject.fallback);
        let (wide, narrow, may_fail) = match self.what {
            // What the forbid leaves, beside a permit for everything, is what it does not speak of.
            What::Never(_) => (ours, self.allowing(&self.theirs, Fallback::Allow), Which::Theirs),
            What::Always(_) => (self.theirs.clone(), ours, Which::Both),
            _ => (ours, self.allowing(&self.theirs, self.subject.fallback), Which::Theirs),
        };
        let compiled = space.compile(&wide, true).and_then(|wide| Ok((wide, space.compile(&narrow, false)?)));
        let said = match compiled {
            Ok((wide, narrow)) => asker.ask(&Query::Between(&wide, &narrow))?,
            Err(why) => return Ok(Search::Unknown(why)),
        };
        match self.judged(space, said) {
            // Cedar passes over a policy that fails, and we refuse. So where one can fail, what the solver takes
            // for allowed may be refused, and what it takes for unspoken of may be spoken of.
            Search::None => self.failing(asker, space, may_fail),
            other => Ok(other),
        }
    }

    /// A request that the policies allow.
    fn allowed(&mut self, asker: &mut Asker, space: &Space<'_>) -> Result<Search, NoSolver> {
        let said = match space.compile(&self.allowing(&self.ours, self.subject.fallback), true) {
            Ok(compiled) => asker.ask(&Query::Allowed(&compiled))?,
            Err(why) => return Ok(Search::Unknown(why)),
        };
        Ok(self.judged(space, said))
    }

    /// A request that breaks the claim because one of these policies fails on it.
    fn failing(&mut self, asker: &mut Asker, space: &Space<'_>, which: Which) -> Result<Search, NoSolver> {
        let policies = match which {
            Which::Ours => self.ours.clone(),
            Which::Theirs => self.theirs.clone(),
            Which::Both => [&*self.ours, &*self.theirs].concat(),
        };
        for policy in policies {
            let said = match space.failing(&policy) {
                Ok(compiled) => asker.ask(&Query::Fails(&compiled))?,
                Err(why) => return Ok(Search::Unknown(why)),
            };
            match self.judged(space, said) {
                Search::None => {}
                Search::Unknown(why) => return Ok(Search::Unknown(format!("`{}` may fail: {why}", policy.id()))),
                found @ Search::Found(_) => return Ok(found),
            }
        }
        Ok(Search::None)
    }

    /// What the solver said, once the policies have been asked the same.
    fn judged(&mut self, space: &Space<'_>, said: Said) -> Search {
        let found = match said {
            Said::None => return Search::None,
            Said::Unknown(why) => return Search::Unknown(why),
            Said::Found(found) => found,
        };
        let request = match shown::request(&found, space, &self.named) {
            Ok(request) => request,
            Err(why) => return Search::Unknown(why),
        };
        if !self.is_it(&request) {
            return Search::Unknown(format!("the solver names {request}, and asked that, the policies do not agree"));
        }
        let request = shown::shorter(request, &mut |other| self.is_it(other));
        match self.judge.answer(&request) {
            Some((answer, _)) => Search::Found(Box::new(Shown { request, answer })),
            None => Search::Unknown(format!("the solver names {request}, which is no request")),
        }
    }

    /// Whether `request` really is what is looked for.
    fn is_it(&mut self, request: &Value) -> bool {
        let Some((answer, allowed)) = self.judge.answer(request) else { return false };
        match (self.what, self.other.as_mut().and_then(|other| other.answer(request))) {
            (What::Never(_), Some((theirs, _))) => allowed && theirs.decision == "forbid",
            (What::Always(_), Some((_, theirs))) => !allowed && theirs,
            (What::NoWiderThan(_), Some((_, theirs))) => allowed && !theirs,
            (What::AllowsSomething, _) => allowed,
            (What::NeverFails, _) => !answer.errors.is_empty(),
            _ => false,
        }
    }

    /// Each policy decides something: a forbid where it applies, a permit where nothing forbids.
    fn every_policy_counts(&mut self, asker: &mut Asker) -> Result<Verdict, NoSolver> {
        let forbids = self.ours.iter().filter(|policy| policy.effect() == Effect::Forbid);
        let forbids: Vec<Policy> = forbids.cloned().collect();
        let (mut dead, mut unknown) = (Vec::new(), Vec::new());
        for policy in &self.ours {
            let mut alone = match permitting(policy) {
                Ok(permit) => vec![permit],
                Err(why) => return Ok(Verdict::Undecided(vec![why])),
            };
            if policy.effect() == Effect::Permit {
                alone.extend(forbids.iter().cloned());
            }
            match self.somewhere(asker, &alone)? {
                Some(Ok(())) => {}
                Some(Err(why)) => unknown.push(format!("`{}`: {why}", policy.id())),
                None => dead.push(policy.id().to_string()),
            }
        }
        Ok(match (dead.is_empty(), unknown.is_empty()) {
            (false, _) => Verdict::Fails { shown: None, policies: dead },
            (true, false) => Verdict::Undecided(unknown),
            (true, true) => Verdict::Holds(None),
        })
    }

    /// Whether `policies` allow anything; the inner error is why nobody can tell.
    fn somewhere(&self, asker: &mut Asker, policies: &[Policy]) -> Result<Option<Result<(), String>>, NoSolver> {
        let mut unknown = None;
        for space in &*self.spaces {
            let said = match space.compile(policies, true) {
                Ok(compiled) => asker.ask(&Query::Allowed(&compiled))?,
                Err(why) => Said::Unknown(why),
            };
            match said {
                Said::Found(_) => return Ok(Some(Ok(()))),
                Said::None => {}
                Said::Unknown(why) => unknown = Some(Err(format!("{}: {why}", space.called()))),
            }
        }
        Ok(unknown)
    }
}

/// Whose policies.
#[derive(Clone, Copy)]
enum Which {
    Ours,
    Theirs,
    Both,
}
