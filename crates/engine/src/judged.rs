//! What policies said of a call, and what it means where two sets speak.

use countersign_core::Digest;
use countersign_core::facts::PolicyWord;
use countersign_evidence::event;
use countersign_policy::{Decision, Fallback, Obligation, Outcome};

/// Whose set it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The operator's, for everybody.
    Operator,
    /// The organisation's own.
    Organisation {
        /// The number of the version that was published.
        version: u64,
    },
}

impl Owner {
    /// The word used in entries and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Organisation { .. } => "organisation",
        }
    }

    /// The number of the version, where the set was published.
    #[must_use]
    pub const fn version(self) -> Option<u64> {
        match self {
            Self::Operator => None,
            Self::Organisation { version } => Some(version),
        }
    }
}

/// What one set said of a call.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whose set it is.
    pub owner: Owner,
    /// The digest of the set.
    pub set: Digest,
    /// What the set said; `None` where it could not be asked.
    pub said: Option<Decision>,
    pub(crate) fallback: Fallback,
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
    fn event(&self) -> event::Policies<'_> {
        let said = self.said.as_ref();
        let shadow = said.into_iter().flat_map(|said| &said.shadow);
        event::Policies {
            by: self.by().collect(),
            code: self.code(),
            outcome: self.outcome().as_str(),
            set: self.set,
            source: self.owner.as_str(),
            version: self.owner.version(),
            shadow: shadow.map(|one| event::Shadow { policy: &one.policy.id, would: one.would.as_str() }).collect(),
        }
    }
}

/// What all sets in force said of a call: the operator's, and then the organisation's own.
#[derive(Debug, Clone)]
pub struct Rulings {
    first: Judged,
    second: Option<Judged>,
}

impl Rulings {
    /// What both sets said; `None` where there are none.
    pub(crate) fn of(operator: Option<Judged>, own: Option<Judged>) -> Option<Self> {
        match (operator, own) {
            (Some(first), second) => Some(Self { first, second }),
            (None, Some(first)) => Some(Self { first, second: None }),
            (None, None) => None,
        }
    }

    /// What each said.
    pub fn each(&self) -> impl Iterator<Item = &Judged> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// What it means for the decision: the stricter word.
    #[must_use]
    pub fn word(&self) -> PolicyWord {
        self.strictest().word()
    }

    /// What the one that decided has to say to who is refused, or must wait for a human.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.strictest().reason()
    }

    /// Commits to the sets, for who remembers what was said under them.
    pub(crate) fn digest(&self) -> Digest {
        match &self.second {
            None => self.first.set,
            Some(second) => Digest::of(format!("{}\n{}", self.first.set, second.set).as_bytes()),
        }
    }

    /// The one whose word holds; the operator's where both say the same.
    fn strictest(&self) -> &Judged {
        let stricter = |other: &&Judged| other.word().strictness() > self.first.word().strictness();
        self.second.as_ref().filter(stricter).unwrap_or(&self.first)
    }

    /// What the entry says of it.
    pub(crate) fn event(&self) -> event::Sets<'_> {
        event::Sets { first: self.first.event(), second: self.second.as_ref().map(Judged::event) }
    }
}
