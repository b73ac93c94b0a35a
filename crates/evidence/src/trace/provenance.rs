//! How far a build's provenance was followed, and what was found on the way.
//!
//! Three depths stack: the digest and the builder (`surface`), the attestation
//! that names both (`builder`), and an attestation by the publisher of every
//! build input (`transitive`). Evidence that cannot be had lowers the depth that
//! was reached; evidence that can be had and contradicts is a rejection, and no
//! shallower reading makes it go away. The attestations are the caller's, who
//! has checked their signatures.

use std::collections::BTreeMap;

use serde_json::Value;

use super::record::ProvenanceDepth;

/// What a verifier knows about builds.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The digest of the artifact that runs.
    pub artifact_digest: &'a str,
    /// The builders that are trusted.
    pub trusted_builders: &'a [String],
    /// The in-toto statements that were fetched and verified, by their URI.
    pub statements: &'a BTreeMap<String, Value>,
    /// The issuer that attests each build input, by the input's URI.
    pub input_issuers: &'a BTreeMap<String, String>,
    /// The issuers that are trusted to attest inputs.
    pub trusted_issuers: &'a [String],
}

/// What was found, down to the depth asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The depth that was reached: what belongs in
    /// `appraisal.provenance_depth_verified`.
    pub reached: ProvenanceDepth,
    /// What contradicts the record. Any makes the provenance invalid.
    pub failures: Vec<&'static str>,
    /// What could not be had.
    pub unresolved: Vec<&'static str>,
}

/// What a finding does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Fails,
    Lowers,
}

/// Follows the provenance of `build`, a record's `build_provenance`, to `depth`.
#[must_use]
pub fn follow(build: &Value, depth: ProvenanceDepth, evidence: &Evidence<'_>) -> Walk {
    let text = |name: &str| build.get(name).and_then(Value::as_str);
    let uri = text("provenance_uri");
    let statement = uri.and_then(|uri| evidence.statements.get(uri));
    let found = [
        (ProvenanceDepth::Surface, surface(text("digest"), text("builder"), evidence)),
        (ProvenanceDepth::Builder, attestation(uri, text("digest"), text("builder"), statement)),
        (ProvenanceDepth::Transitive, statement.map(|s| inputs(s, evidence)).unwrap_or_default()),
    ];
    let mut walk = Walk { reached: depth, failures: Vec::new(), unresolved: Vec::new() };
    for (at, findings) in found.into_iter().filter(|(at, _)| *at <= depth) {
        for (code, effect) in findings {
            match effect {
                Effect::Fails => walk.failures.push(code),
                Effect::Lowers => {
                    walk.reached = walk.reached.min(before(at));
                    walk.unresolved.push(code);
                }
            }
        }
    }
    walk
}

/// The findings of one depth: what is wrong, and what that does.
type Findings = Vec<(&'static str, Effect)>;

fn surface(digest: Option<&str>, builder: Option<&str>, evidence: &Evidence<'_>) -> Findings {
    let trusted = |builder: &str| evidence.trusted_builders.iter().any(|known| known == builder);
    let checks = [
        (digest == Some(evidence.artifact_digest), "artifact_digest_mismatch", Effect::Fails),
        (builder.is_some_and(trusted), "builder_untrusted", Effect::Fails),
    ];
    broken(checks)
}

fn attestation(uri: Option<&str>, digest: Option<&str>, builder: Option<&str>, statement: Option<&Value>) -> Findings {
    let Some(statement) = statement else {
        let code = if uri.is_some() { "attestation_unresolvable" } else { "provenance_uri_missing" };
        return vec![(code, Effect::Lowers)];
    };
    let subjects = statement.get("subject").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names = |(algorithm, hex): (&str, &str)| {
        subjects.iter().any(|s| s.get("digest").and_then(|d| d.get(algorithm)).is_some_and(|named| named == hex))
    };
    let attested = statement.pointer("/predicate/runDetails/builder/id").and_then(Value::as_str);
    broken([
        (digest.and_then(|d| d.split_once(':')).is_some_and(names), "attestation_subject_mismatch", Effect::Fails),
        (attested.is_some() && attested == builder, "attestation_builder_mismatch", Effect::Fails),
    ])
}

fn inputs(statement: &Value, evidence: &Evidence<'_>) -> Findings {
    let inputs = statement.pointer("/predicate/buildDefinition/resolvedDependencies").and_then(Value::as_array);
    let inputs = inputs.map_or(&[][..], Vec::as_slice);
    let issuer = |input: &Value| evidence.input_issuers.get(input.get("uri").and_then(Value::as_str)?);
    let trusted = |issuer: &String| evidence.trusted_issuers.contains(issuer);
    broken([
        (!inputs.is_empty(), "resolved_dependencies_absent", Effect::Lowers),
        (inputs.iter().all(|input| issuer(input).is_some()), "dependency_attestation_missing", Effect::Lowers),
        (inputs.iter().filter_map(issuer).all(trusted), "dependency_publisher_untrusted", Effect::Fails),
    ])
}

fn broken(checks: impl IntoIterator<Item = (bool, &'static str, Effect)>) -> Findings {
    checks.into_iter().filter_map(|(holds, code, effect)| (!holds).then_some((code, effect))).collect()
}

/// The depth that stands where this one could not be walked.
const fn before(depth: ProvenanceDepth) -> ProvenanceDepth {
    match depth {
        ProvenanceDepth::Surface | ProvenanceDepth::Builder => ProvenanceDepth::Surface,
        ProvenanceDepth::Transitive => ProvenanceDepth::Builder,
    }
}
