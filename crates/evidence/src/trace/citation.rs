//! What a record cites, and whether it can be had.
//!
//! A citation that resolves is not thereby true, and one that does not is no
//! reason to refuse the record: this reports, and judges nothing. `references`
//! are never followed; nothing in a record chooses the resolver.

use serde_json::Value;

use super::digest::TaggedDigest;
use super::schema::is_uri;

/// Where the caller gets cited objects from: their bytes, or a word for what
/// went wrong.
pub type Resolver<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Whether a policy bundle is the one a record was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyBundle {
    /// The record says not where it is, or nobody was asked for it.
    NotLookedUp,
    /// What the record says is no absolute URI: a defect of the record.
    NotAUri,
    /// It could not be had: no finding against the record.
    Unreachable,
    /// It hashes to what the record says.
    Same,
    /// It does not.
    Other,
}

/// Looks up the policy bundle that `policy.policy_uri` names, and hashes it.
#[must_use]
pub fn policy_bundle(record: &Value, resolver: Option<Resolver<'_>>) -> PolicyBundle {
    let Some(named) = record.pointer("/policy/policy_uri") else { return PolicyBundle::NotLookedUp };
    let Some(uri) = named.as_str().filter(|uri| is_uri(uri)) else { return PolicyBundle::NotAUri };
    let declared = record.pointer("/policy/bundle_hash").and_then(Value::as_str).unwrap_or_default();
    let algorithm = TaggedDigest::parse(declared).ok().map(|digest| digest.algorithm());
    let (Some(algorithm), Some(resolve)) = (algorithm, resolver) else { return PolicyBundle::NotLookedUp };
    match resolve(uri) {
        Err(_) => PolicyBundle::Unreachable,
        Ok(bytes) if TaggedDigest::of(algorithm, &bytes).as_str() == declared => PolicyBundle::Same,
        Ok(_) => PolicyBundle::Other,
    }
}

/// The members that cite, in the order they are reported.
const SURFACES: [&str; 3] = ["appraisal.policy_ref", "runtime.rim_uri", "model.aibom_uri"];

/// What came of each citation, in the reference's order. `transparency` is not
/// among them: a log answers for it, with a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citations(Vec<(&'static str, Citation)>);

/// What came of one citation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Citation {
    /// The record cites nothing here.
    Absent,
    /// The caller gave no resolver.
    NoResolver {
        /// What is cited, if anything.
        uri: Option<String>,
    },
    /// The resolver had no answer.
    Unresolvable {
        /// What is cited.
        uri: String,
        /// The resolver's word for what went wrong.
        why: String,
    },
    /// The resolver had bytes.
    Resolved {
        /// What is cited.
        uri: String,
        /// Their digest.
        digest: TaggedDigest,
        /// How many.
        length: usize,
    },
}

impl Citations {
    /// Every member that cites, and what came of it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Citation)> {
        self.0.iter().map(|(surface, citation)| (*surface, citation))
    }

    /// Whether the record cites what nobody has looked up.
    pub(super) fn any_open(&self) -> bool {
        self.0.iter().any(|(_, citation)| match citation {
            Citation::NoResolver { uri } => uri.is_some(),
            Citation::Unresolvable { .. } => true,
            Citation::Absent | Citation::Resolved { .. } => false,
        })
    }
}

/// Looks up what `record` cites.
#[must_use]
pub fn resolve(record: &Value, resolver: Option<Resolver<'_>>) -> Citations {
    let look_up = |surface: &'static str| {
        let cited = record.pointer(&format!("/{}", surface.replace('.', "/"))).and_then(Value::as_str);
        let citation = match (cited, resolver) {
            (cited, None) => Citation::NoResolver { uri: cited.map(str::to_owned) },
            (None, Some(_)) => Citation::Absent,
            (Some(uri), Some(resolve)) => match resolve(uri) {
                Err(why) => Citation::Unresolvable { uri: uri.to_owned(), why },
                Ok(bytes) => Citation::Resolved {
                    uri: uri.to_owned(),
                    digest: TaggedDigest::sha256(&bytes),
                    length: bytes.len(),
                },
            },
        };
        (surface, citation)
    };
    Citations(SURFACES.into_iter().map(look_up).collect())
}
