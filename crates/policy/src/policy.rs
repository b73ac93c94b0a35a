//! One policy, read and checked.

use cedar_policy::{ActionConstraint, EntityUid, PrincipalConstraint, ResourceConstraint};

use crate::compiled::Compiled;
use crate::condition::{self, Reads};
use crate::obligation::Obligation;

/// Whether a policy permits or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It permits.
    Permit,
    /// It forbids.
    Forbid,
    /// It wants a human asked first, and permits nothing (Rego's `escalate`).
    Hold,
}

/// A policy of a set: what it is called, what it carries, where it is written.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its `@id`; a rule of Rego is called `FILE:NAME`.
    pub id: String,
    /// Whether it permits or forbids.
    pub kind: Kind,
    /// Whether it is only watched (`@shadow`).
    pub shadow: bool,
    /// The denial code it gives (`@code`).
    pub code: Option<String>,
    /// What it tells who is refused (`@reason` or `@deny`).
    pub reason: Option<String>,
    /// What must be done when it decides (`@advice`).
    pub advice: Vec<Obligation>,
    /// The file it is written in.
    pub file: String,
    /// The line it begins on, from 1.
    pub line: usize,
    /// Its text, from its first token to its `;`; of a rule of Rego the whole file.
    pub text: String,
    /// Which requests it can apply to, judged by its head alone.
    pub head: Head,
    /// What it asks where its head matches; `None`: nothing.
    pub(crate) condition: Option<Condition>,
    /// The rule it is, where it is one of Rego.
    #[cfg(feature = "rego")]
    pub(crate) rego: Option<RegoRule>,
}

/// Where a rule of Rego is.
#[cfg(feature = "rego")]
#[derive(Debug, Clone)]
pub(crate) struct RegoRule {
    /// Which of the files, by its place among the Rego files of the set.
    pub file: usize,
    /// `deny` or `escalate`.
    pub name: &'static str,
}

/// The conditions of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// All of them as one Cedar expression.
    pub text: String,
    /// What they read of a request.
    pub reads: Reads,
    /// The same in a form of our own, where there is one.
    pub compiled: Option<Compiled>,
}

impl Policy {
    /// Whether it is a rule of Rego.
    #[must_use]
    pub const fn is_rego(&self) -> bool {
        #[cfg(feature = "rego")]
        return self.rego.is_some();
        #[cfg(not(feature = "rego"))]
        false
    }

    #[cfg(feature = "rego")]
    /// The same, with what it has to say of one call.
    pub(crate) fn saying(&self, message: String) -> Self {
        let (reason, advice) = match self.kind {
            Kind::Hold => (None, vec![Obligation::RequireApproval(message)]),
            Kind::Permit | Kind::Forbid => (Some(message), Vec::new()),
        };
        Self { reason, advice, ..self.clone() }
    }
}

impl Condition {
    /// The conditions of `policy`, which is written as `text`.
    pub(crate) fn of(policy: &cedar_policy::Policy, text: &str) -> Option<Self> {
        let text = condition::expression(text)?;
        let reads = condition::reads(&text);
        let compiled = Compiled::of(policy, &text);
        Some(Self { text, reads, compiled })
    }
}

/// The head of a policy: what its principal, action and resource must be or be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What the principal must be or be in; `None` for any.
    pub principal: Option<EntityUid>,
    /// One of these the action must be or be in; `None` for any.
    pub actions: Option<Vec<EntityUid>>,
    /// What the resource must be or be in; `None` for any.
    pub resource: Option<EntityUid>,
}

impl Head {
    /// The head of `policy`; `None` where no request of ours can match it.
    ///
    /// INVARIANT: a principal is always an `Agent` and a resource a `Tool`, and
    /// neither is in another of its kind. So `==` and `in` ask the same of them.
    pub(crate) fn of(policy: &cedar_policy::Policy) -> Option<Self> {
        let is = |kind: &cedar_policy::EntityTypeName, ours: &str| kind.to_string() == ours;
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => None,
            PrincipalConstraint::Is(kind) if is(&kind, "Agent") => None,
            PrincipalConstraint::Eq(uid) if is(uid.type_name(), "Agent") => Some(uid),
            PrincipalConstraint::In(uid) => Some(uid),
            PrincipalConstraint::IsIn(kind, uid) if is(&kind, "Agent") => Some(uid),
            _ => return None,
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => None,
            ResourceConstraint::Is(kind) if is(&kind, "Tool") => None,
            ResourceConstraint::Eq(uid) if is(uid.type_name(), "Tool") => Some(uid),
            ResourceConstraint::In(uid) => Some(uid),
            ResourceConstraint::IsIn(kind, uid) if is(&kind, "Tool") => Some(uid),
            _ => return None,
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(vec![uid]),
            ActionConstraint::In(mut uids) => {
                uids.sort_by_key(ToString::to_string);
                uids.dedup();
                Some(uids)
            }
        };
        Some(Self { principal, actions, resource })
    }
}
