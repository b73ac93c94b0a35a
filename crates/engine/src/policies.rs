//! The policies in force: the operator's, and those that organisations publish.
//!
//! A set is put in force as a whole and replaced as a whole: a call is judged by
//! what holds when its facts are gathered, and the entry names the digests. Of the
//! operator's set each thread has a parsed copy of its own, since threads that share
//! one wait for each other; of an organisation's there are as many as were ever used
//! at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ahash::RandomState;
use countersign_core::Digest;
use countersign_core::id::OrgId;
use countersign_policy::{Decision, Fallback, PolicySet, Request, Worker};

use crate::judged::{Judged, Owner};

/// Tells sets in force apart, in all engines of a process.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// This thread's copy of the set that it judged by last, and its number.
    static MINE: RefCell<Option<(u64, Worker)>> = const { RefCell::new(None) };
}

/// A set, and what holds where it says nothing.
pub struct InForce {
    number: u64,
    set: Arc<PolicySet>,
    fallback: Fallback,
    /// Copies that were made before the set was put in force, for threads to take.
    spare: Mutex<Vec<Worker>>,
}

impl InForce {
    /// Makes `copies` of the set, so that no call waits for one.
    ///
    /// The error is what Cedar says of a text that it read before; it does not happen.
    pub fn new(set: Arc<PolicySet>, fallback: Fallback, copies: usize) -> Result<Self, String> {
        let spare = (0..copies).map(|_| set.worker()).collect::<Result<_, _>>()?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, set, fallback, spare: Mutex::new(spare) })
    }

    /// The set.
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// What holds where it says nothing.
    pub fn fallback(&self) -> Fallback {
        self.fallback
    }

    /// Whether a policy of the set could read the arguments of `tool`.
    pub(crate) fn reads_arguments_of(&self, tool: &str) -> bool {
        self.set.reads_undeclared() || self.set.tools().get(tool).is_some()
    }

    /// What the operator's set says of a call, by this thread's copy.
    pub fn judge(&self, request: &Request<'_>) -> Judged {
        let said = MINE.with_borrow_mut(|mine| {
            if mine.as_ref().is_none_or(|(number, _)| *number != self.number) {
                let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
                *mine = Some((self.number, spare.map_or_else(|| self.set.worker(), Ok).ok()?));
            }
            mine.as_mut().map(|(_, worker)| worker.decide(request))
        });
        Judged { owner: Owner::Operator, set: self.set.digest(), said, fallback: self.fallback }
    }

    /// What the set says of a call, by a copy that is nobody's own.
    fn lend(&self, request: &Request<'_>) -> Option<Decision> {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = spare().pop();
        let mut worker = lent.map_or_else(|| self.set.worker(), Ok).ok()?;
        let said = worker.decide(request);
        spare().push(worker);
        Some(said)
    }
}

/// What an organisation published for itself.
pub(crate) struct Own {
    /// The number of the version.
    pub(crate) version: u64,
    /// The digest of the set, as recorded.
    pub(crate) set: Digest,
    /// What holds where it says nothing.
    pub(crate) fallback: Fallback,
    /// The set, or why there is none: then every call is refused.
    pub(crate) loaded: Result<InForce, String>,
}

impl Own {
    /// What the set says of a call.
    pub(crate) fn judge(&self, request: &Request<'_>) -> Judged {
        let said = self.loaded.as_ref().ok().and_then(|set| set.lend(request));
        let owner = Owner::Organisation { version: self.version };
        Judged { owner, set: self.set, said, fallback: self.fallback }
    }

    /// Whether a policy of the set could read the arguments of `tool`.
    pub(crate) fn reads_arguments_of(&self, tool: &str) -> bool {
        self.loaded.as_ref().is_ok_and(|set| set.reads_arguments_of(tool))
    }
}

/// Everything in force at a moment. There is one only where there are policies.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    /// The operator's set, which holds for everybody.
    pub(crate) operator: Option<Arc<InForce>>,
    own: HashMap<OrgId, Arc<Own>, RandomState>,
}

impl Snapshot {
    /// What `org` published for itself.
    pub(crate) fn own(&self, org: &OrgId) -> Option<&Arc<Own>> {
        self.own.get(org)
    }

    /// How many organisations published what does not load.
    pub(crate) fn broken(&self) -> usize {
        self.own.values().filter(|own| own.loaded.is_err()).count()
    }
}

/// The policies of an engine.
#[derive(Default)]
pub(crate) struct Policies {
    in_force: RwLock<Option<Arc<Snapshot>>>,
    failure: Mutex<Option<String>>,
}

impl Policies {
    pub(crate) fn get(&self) -> Option<Arc<Snapshot>> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a newer set of the operator was not put in force.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn fail(&self, why: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Puts another set of the operator in force, and returns the one before.
    pub(crate) fn replace(&self, other: Option<Arc<InForce>>) -> Option<Arc<InForce>> {
        self.change(|next| std::mem::replace(&mut next.operator, other))
    }

    /// Puts what `org` published in force, and returns what held before.
    pub(crate) fn publish(&self, org: &OrgId, own: Option<Own>) -> Option<Arc<Own>> {
        self.change(|next| match own {
            Some(own) => next.own.insert(org.clone(), Arc::new(own)),
            None => next.own.remove(org),
        })
    }

    /// Puts a changed copy of the snapshot in the place of the one that holds.
    fn change<T>(&self, change: impl FnOnce(&mut Snapshot) -> T) -> T {
        let mut held = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = held.as_deref().cloned().unwrap_or_default();
        let result = change(&mut next);
        let is_empty = next.operator.is_none() && next.own.is_empty();
        *held = if is_empty { None } else { Some(Arc::new(next)) };
        result
    }
}
