//! What is claimed of a set of policies.

use std::sync::Arc;

use countersign_policy::{Fault, Kind, PolicySet, Source, Tools};

/// The claims that are made of every set, but for those that are not about single requests.
const BUILT_IN: &str = include_str!("invariants.cedar");

/// Something that may hold of a set of policies.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What it is called.
    pub name: String,
    /// What it says, as a sentence.
    pub says: String,
    pub(crate) what: What,
}

/// The kinds of claims.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// What this one forbid speaks of is never allowed.
    Never(Arc<PolicySet>),
    /// What this one permit speaks of is always allowed.
    Always(Arc<PolicySet>),
    /// What is allowed, these allow too.
    NoWiderThan(Arc<PolicySet>),
    /// At least one request is allowed.
    AllowsSomething,
    /// No policy fails on a request.
    NeverFails,
    /// Each policy decides at least one request.
    EveryPolicyCounts,
}

/// The claims that are made of every set with these `tools`.
///
/// The error is a fault of ours; it does not happen.
pub fn built_in(tools: &Tools) -> Result<Vec<Claim>, Vec<Fault>> {
    let mut claims = Claim::read(Source { file: "invariants.cedar", text: BUILT_IN }, tools)?;
    let more = [
        ("allows-something", "at least one request is allowed", What::AllowsSomething),
        ("never-fails", "no policy fails on a request whose arguments are as declared", What::NeverFails),
        ("every-policy-counts", "each policy decides at least one request", What::EveryPolicyCounts),
    ];
    claims.extend(more.map(|(name, says, what)| Claim { name: name.to_owned(), says: says.to_owned(), what }));
    Ok(claims)
}

impl Claim {
    /// The claims of a text with policies, in the order of their ids: what a forbid there speaks of is never
    /// allowed, what a permit speaks of always is. `tools` are those of the set they shall hold of.
    pub fn read(source: Source<'_>, tools: &Tools) -> Result<Vec<Self>, Vec<Fault>> {
        let written = PolicySet::load(&[source], tools.clone())?;
        let claim = |policy: &countersign_policy::Policy| {
            let fault = |message: &str, help: &str| Fault {
                severity: countersign_policy::Severity::Error,
                file: policy.file.clone(),
                line: policy.line,
                column: 1,
                message: message.to_owned(),
                help: Some(help.to_owned()),
            };
            if policy.shadow {
                return Err(vec![fault("an invariant is not watched, but proved", "take `@shadow` away")]);
            }
            let alone = Source { file: source.file, text: &policy.text };
            let alone = Arc::new(PolicySet::load(&[alone], tools.clone())?);
            let (says, what) = match policy.kind {
                Kind::Forbid => {
                    let says = policy.reason.clone();
                    (says.unwrap_or_else(|| "what this forbids is never allowed".to_owned()), What::Never(alone))
                }
                Kind::Hold => return Err(vec![fault("Rego is no claim", "write it as a forbid or a permit in Cedar")]),
                Kind::Permit => ("what this permits is always allowed".to_owned(), What::Always(alone)),
            };
            Ok(Self { name: policy.id.clone(), says, what })
        };
        written.policies().iter().map(claim).collect()
    }

    /// Whatever is allowed, the policies of `other` allow too. `called` is what to call them.
    #[must_use]
    pub fn no_wider_than(other: Arc<PolicySet>, called: &str) -> Self {
        let says = format!("what is allowed, `{called}` allows too");
        Self { name: "no-wider".to_owned(), says, what: What::NoWiderThan(other) }
    }
}
