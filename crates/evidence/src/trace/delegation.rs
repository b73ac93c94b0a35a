//! Delegation between records: from a leaf to the root that was trusted.
//!
//! A hop names its parent by the digest of the parent's whole signed record, so
//! a chain is a set of records in no order. Three answers are kept apart: the
//! chain is broken, the chain is whole and grants less than it uses, and a link
//! could not be read at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::digest::{Algorithm, TaggedDigest};
use super::json::{self, Refused};
use super::key::{self, PublicKey};

/// A delegation credential, held apart from the records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The subject that delegates.
    pub issuer: String,
    /// The subject that may act.
    pub holder: String,
    /// The first second it may be used in.
    pub not_before: i64,
    /// The last.
    pub not_after: i64,
}

/// What a verifier of chains knows.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// Whose records may be roots.
    pub trusted_root_keys: &'a [PublicKey],
    /// The credentials, by their exact id.
    pub credentials: &'a BTreeMap<String, Credential>,
    /// Classes of data, least sensitive first; others are not compared.
    pub data_classes: &'a [String],
    /// How many links are followed.
    pub max_depth: usize,
    /// The algorithms that links are computed with.
    pub algorithms: &'a [Algorithm],
}

/// What a chain is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Classification {
    /// It reaches a trusted root, and grants what it uses.
    Verified,
    /// It is broken: a signature, a link or the root.
    ProvenanceInvalid,
    /// It is whole, and the authority it claims is not there.
    AuthorizationInvalid,
    /// A link could not be read. That is no finding against the chain.
    Unverifiable,
}

/// What was found on a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// A record's signature does not verify under the key it names.
    RecordSignatureInvalid,
    /// The root was signed by a key nobody trusts.
    RootKeyUntrusted,
    /// A parent is not among the records.
    ParentNotFound,
    /// There are more links than the verifier follows.
    DepthExceeded,
    /// A credential is not known.
    CredentialUnknown,
    /// A credential was not issued by the parent.
    CredentialIssuerMismatch,
    /// A credential is held by another subject.
    CredentialHolderMismatch,
    /// A hop happened outside its credential's time.
    CredentialWindow,
    /// A hop touched more sensitive data than its parent.
    DataClassWidened,
    /// A link is computed with an algorithm the verifier does not have.
    DigestAlgorithmUnsupported,
}

/// The answer to "who was this session acting for?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// What it is worth.
    pub classification: Classification,
    /// Everything that was found.
    pub findings: BTreeSet<Finding>,
    /// How many links were followed.
    pub depth: usize,
}

/// The digest by which a child names its parent: over the whole signed record.
pub fn record_digest(record: &Value, algorithm: Algorithm) -> Result<TaggedDigest, Refused> {
    Ok(TaggedDigest::of(algorithm, &json::jcs(record)?))
}

/// Follows the chain from the record whose digest is `leaf`; `None` if it is
/// not among `records`, or one of them has no digest.
#[must_use]
pub fn follow(leaf: &TaggedDigest, records: &[Value], context: &Context<'_>) -> Option<Chain> {
    let mut by_digest = BTreeMap::new();
    for record in records {
        for algorithm in context.algorithms {
            by_digest.insert(record_digest(record, *algorithm).ok()?, record);
        }
    }
    let mut record = *by_digest.get(leaf)?;
    let mut findings = BTreeSet::new();
    let mut depth = 0;
    // A chain that returns to itself would be a collision; a bound all the same.
    while depth <= records.len() {
        findings.extend((!signed_by_own_key(record)).then_some(Finding::RecordSignatureInvalid));
        let Some(link) = record.get("delegation") else {
            findings.extend((!is_trusted_root(record, context)).then_some(Finding::RootKeyUntrusted));
            break;
        };
        depth += 1;
        findings.extend((depth > context.max_depth).then_some(Finding::DepthExceeded));
        let parent = match parent(link, &by_digest, context) {
            Ok(parent) => parent,
            Err(finding) => {
                findings.insert(finding);
                break;
            }
        };
        findings.extend(hop_findings(record, link, parent, context));
        record = parent;
    }
    Some(Chain { classification: classify(&findings), findings, depth })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a record verifies under the key it names. That the key is trusted is
/// another question: forged and unknown are two findings.
fn signed_by_own_key(record: &Value) -> bool {
    let key = record.pointer("/cnf/jwk").and_then(|jwk| PublicKey::from_jwk(jwk).ok());
    key.is_some_and(|key| key.signed_at(record, "signature"))
}

fn is_trusted_root(record: &Value, context: &Context<'_>) -> bool {
    let named = record.pointer("/cnf/jwk").and_then(|jwk| key::thumbprint(jwk).ok());
    named.is_some_and(|named| context.trusted_root_keys.iter().any(|key| key.thumbprint() == named))
}

fn parent<'a>(
    link: &Value,
    records: &BTreeMap<TaggedDigest, &'a Value>,
    context: &Context<'_>,
) -> Result<&'a Value, Finding> {
    let named = text(link, "parent_record_hash");
    let algorithm = named.split(':').next().and_then(Algorithm::parse);
    if !algorithm.is_some_and(|algorithm| context.algorithms.contains(&algorithm)) {
        return Err(Finding::DigestAlgorithmUnsupported);
    }
    let digest = TaggedDigest::parse(named).map_err(|_| Finding::ParentNotFound)?;
    records.get(&digest).copied().ok_or(Finding::ParentNotFound)
}

/// What is wrong between a hop and its parent.
fn hop_findings(record: &Value, link: &Value, parent: &Value, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match context.credentials.get(text(link, "credential_id")) {
        None => findings.push(Finding::CredentialUnknown),
        Some(credential) => {
            // Judged at the hop's own time: a chain does not expire by being read late.
            let time = record.get("iat").and_then(Value::as_i64);
            let in_time = time.is_some_and(|t| (credential.not_before..=credential.not_after).contains(&t));
            let checks = [
                (credential.issuer == text(parent, "subject"), Finding::CredentialIssuerMismatch),
                (credential.holder == text(record, "subject"), Finding::CredentialHolderMismatch),
                (in_time, Finding::CredentialWindow),
            ];
            findings.extend(checks.into_iter().filter_map(|(holds, finding)| (!holds).then_some(finding)));
        }
    }
    let rank = |record: &Value| context.data_classes.iter().position(|class| class == text(record, "data_class"));
    if let (Some(own), Some(parents)) = (rank(record), rank(parent))
        && own > parents
    {
        findings.push(Finding::DataClassWidened);
    }
    findings
}

/// A broken chain outranks a lack of authority: what was never shown to be a
/// parent has no authority to compare with.
fn classify(findings: &BTreeSet<Finding>) -> Classification {
    let worst = findings.iter().map(|finding| finding.classification());
    worst.max_by_key(|class| class.weight()).unwrap_or(Classification::Verified)
}

impl Finding {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RecordSignatureInvalid => "record_signature_invalid",
            Self::RootKeyUntrusted => "root_key_untrusted",
            Self::ParentNotFound => "parent_not_found",
            Self::DepthExceeded => "depth_exceeded",
            Self::CredentialUnknown => "credential_unknown",
            Self::CredentialIssuerMismatch => "credential_issuer_mismatch",
            Self::CredentialHolderMismatch => "credential_holder_mismatch",
            Self::CredentialWindow => "credential_window",
            Self::DataClassWidened => "data_class_widened",
            Self::DigestAlgorithmUnsupported => "digest_algorithm_unsupported",
        }
    }

    const fn classification(self) -> Classification {
        match self {
            Self::RecordSignatureInvalid | Self::RootKeyUntrusted | Self::ParentNotFound => {
                Classification::ProvenanceInvalid
            }
            Self::DepthExceeded
            | Self::CredentialUnknown
            | Self::CredentialIssuerMismatch
            | Self::CredentialHolderMismatch
            | Self::CredentialWindow
            | Self::DataClassWidened => Classification::AuthorizationInvalid,
            Self::DigestAlgorithmUnsupported => Classification::Unverifiable,
        }
    }
}

impl Classification {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::ProvenanceInvalid => "provenance-invalid",
            Self::AuthorizationInvalid => "authorization-invalid",
            Self::Unverifiable => "unverifiable",
        }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Unverifiable => 1,
            Self::AuthorizationInvalid => 2,
            Self::ProvenanceInvalid => 3,
        }
    }
}
