//! The policies in force, and what they say of a call.
//!
//! A set is put in force as a whole and replaced as a whole: a call is judged by
//! the one that holds when its facts are gathered, and the entry names its digest.
//! Each thread has a parsed copy of its own, since threads that share one wait for
//! each other.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use countersign_core::Digest;
use countersign_core::facts::PolicyWord;
use countersign_evidence::event;
use countersign_policy::{Decision, Fallback, Obligation, Outcome, PolicySet, Request, Worker};

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

    /// What the set says of a call, by this thread's copy.
    pub fn judge(&self, request: &Request<'_>) -> Judged {
        let said = MINE.with_borrow_mut(|mine| {
            if mine.as_ref().is_none_or(|(number, _)| *number != self.number) {
                let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
                *mine = Some((self.number, spare.map_or_else(|| self.set.worker(), Ok).ok()?));
            }
            mine.as_mut().map(|(_, worker)| worker.decide(request))
        });
        Judged { set: self.set.digest(), said, fallback: self.fallback }
    }
}

/// The policies of an engine.
#[derive(Default)]
pub(crate) struct Policies {
    in_force: RwLock<Option<Arc<InForce>>>,
    failure: Mutex<Option<String>>,
}

impl Policies {
    pub(crate) fn get(&self) -> Option<Arc<InForce>> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a newer set was not put in force.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn fail(&self, why: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(crate) fn replace(&self, other: Option<Arc<InForce>>) -> Option<Arc<InForce>> {
        std::mem::replace(&mut self.in_force.write().unwrap_or_else(PoisonError::into_inner), other)
    }
}

/// What the policies said of a call.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The digest of the set.
    pub set: Digest,
    /// What the set said; `None` where it could not be asked.
    pub said: Option<Decision>,
    fallback: Fallback,
}

impl Judged {
    /// What it means for the decision.
    #[must_use]
    pub fn word(&self) -> PolicyWord {
        match self.said.as_ref().map(|said| said.outcome) {
            Some(Outcome::Permit) if self.wants_approval() => PolicyWord::Hold,
            Some(Outcome::Permit) => PolicyWord::Permit,
            Some(Outcome::Forbid) => PolicyWord::Forbid,
            Some(Outcome::Hold) if self.fallback == Fallback::Allow => PolicyWord::Hold,
            Some(Outcome::Unmatched) if self.fallback == Fallback::Allow => PolicyWord::Silent,
            Some(Outcome::Unmatched | Outcome::Hold) => PolicyWord::Unmatched,
            Some(Outcome::Failed) | None => PolicyWord::Failed,
        }
    }

    fn wants_approval(&self) -> bool {
        self.obligations().any(|one| matches!(one, Obligation::RequireApproval(_)))
    }

    /// What must be done by whoever lets the action happen.
    pub fn obligations(&self) -> impl Iterator<Item = &Obligation> {
        self.said.iter().flat_map(Decision::obligations)
    }

    /// What the policies have to say to who is refused, or must wait for a human.
    pub fn reason(&self) -> Option<&str> {
        let wanted = self.obligations().find_map(|one| match one {
            Obligation::RequireApproval(why) => Some(why.as_str()),
            _ => None,
        });
        self.said.as_ref().and_then(Decision::reason).or(wanted)
    }

    /// The policies that decided, by id.
    pub fn by(&self) -> impl Iterator<Item = &str> {
        self.said.iter().flat_map(|said| &said.by).map(|policy| policy.id.as_str())
    }

    /// What all of them together say: `permit`, `forbid`, `error`, `hold` or `none`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.said.as_ref().map_or(Outcome::Failed, |said| said.outcome)
    }

    /// The first code that one of those that decided gives to the refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.said.iter().flat_map(|said| &said.by).find_map(|policy| policy.code.as_deref())
    }

    /// What the entry says of it.
    pub(crate) fn event(&self) -> event::Policies<'_> {
        let said = self.said.as_ref();
        let shadow = said.into_iter().flat_map(|said| &said.shadow);
        event::Policies {
            by: self.by().collect(),
            code: self.code(),
            outcome: self.outcome().as_str(),
            set: self.set,
            shadow: shadow.map(|one| event::Shadow { policy: &one.policy.id, would: one.would.as_str() }).collect(),
        }
    }
}
