//! What a record points at: policy bundles, builds, and references whose
//! fixtures other projects ship.

use std::collections::BTreeMap;

use countersign_evidence::trace::citation::{PolicyBundle, policy_bundle};
use countersign_evidence::trace::digest::{Algorithm, TaggedDigest};
use countersign_evidence::trace::json::jcs;
use countersign_evidence::trace::key::{PublicKey, thumbprint};
use countersign_evidence::trace::provenance::{Evidence, follow};
use countersign_evidence::trace::record::ProvenanceDepth;
use countersign_evidence::trace::verify::{Demands, Refusal, Trust, verify};
use serde_json::{Value, json};

use crate::vectors::{files, key, names, path, read, replay, report, same, seconds, strings, text};

#[test]
fn the_policy_resolution_vectors_hold() {
    let routes = read("policy-resolution/resolutions.json");
    let resolve = |uri: &str| {
        let file = routes.get(uri).and_then(Value::as_str).ok_or("no route")?;
        std::fs::read(path(&format!("policy-resolution/{file}"))).map_err(|e| e.to_string())
    };
    replay("policy-resolution", 11, |vector| {
        let found = match policy_bundle(&vector["record"], Some(&resolve)) {
            PolicyBundle::NotLookedUp => "skip",
            PolicyBundle::NotAUri | PolicyBundle::Other => "fail",
            PolicyBundle::Unreachable => "unverified",
            PolicyBundle::Same => "pass",
        };
        same("status", &found, &text(vector, "/expected/tr_pol_003"))
    });
}

#[test]
fn the_build_provenance_vectors_hold_at_every_depth() {
    replay("build-provenance-depth", 6, |vector| {
        let context = &vector["context"];
        let members = |name: &str| context[name].as_object().unwrap().iter();
        let statements = members("attestations").map(|(uri, a)| (uri.clone(), a["statement"].clone())).collect();
        let issuer = |a: &Value| text(a, "/verified_identity/issuer").to_owned();
        let input_issuers = members("dependency_attestations").map(|(uri, a)| (uri.clone(), issuer(a))).collect();
        let evidence = Evidence {
            artifact_digest: text(context, "/artifact_digest"),
            trusted_builders: &strings(context, "/trusted_builders"),
            statements: &statements,
            input_issuers: &input_issuers,
            trusted_issuers: &strings(context, "/trusted_publisher_issuers"),
        };
        for (name, expected) in vector["expected"].as_object().unwrap() {
            let depth: ProvenanceDepth = serde_json::from_value(json!(name)).unwrap();
            let walk = follow(&vector["build_provenance"], depth, &evidence);
            let outcome = if walk.failures.is_empty() { "accept" } else { "reject" };
            let found = json!({
                "outcome": outcome, "verified_depth": walk.reached,
                "failures": walk.failures, "unresolved": walk.unresolved,
            });
            same(name, &found, expected)?;
        }
        Ok(())
    });
}

#[test]
fn provenance_that_cannot_be_had_lowers_and_what_contradicts_fails() {
    let vector = read("build-provenance-depth/01-all-depths-accept.json");
    let (statements, issuers) = (BTreeMap::new(), BTreeMap::new());
    let evidence = Evidence {
        artifact_digest: text(&vector, "/build_provenance/digest"),
        trusted_builders: &strings(&vector, "/context/trusted_builders"),
        statements: &statements,
        input_issuers: &issuers,
        trusted_issuers: &[],
    };
    let deep = ProvenanceDepth::Transitive;
    let mut build = vector["build_provenance"].clone();
    let walk = follow(&build, deep, &evidence);
    assert_eq!((walk.reached, walk.unresolved), (ProvenanceDepth::Surface, vec!["attestation_unresolvable"]));
    build.as_object_mut().unwrap().remove("provenance_uri");
    assert_eq!(follow(&build, deep, &evidence).unresolved, ["provenance_uri_missing"]);
    build["builder"] = "https://example.org/other".into();
    build["digest"] = "sha256:00".into();
    assert_eq!(follow(&build, deep, &evidence).failures, ["artifact_digest_mismatch", "builder_untrusted"]);
}

/// Replays a set whose expectations are in one file beside the records.
fn replay_cases(set: &str, total: usize, assess: impl Fn(&Value, &Value, &Value) -> Value) {
    let known = read(&format!("{set}/expected.json"));
    let trusted = key(&known, "/trace_signer_jwk");
    let is_right = |name: &String| {
        let (record, case) = (read(&format!("{set}/{name}")), &known["cases"][name]);
        let demands = Demands { max_age: None, ..Demands::at(seconds(&record, "/iat")) };
        let verifies = verify(&record, Trust::Key(&trusted), &demands).verified().is_some();
        let store = case.get("store").or(case.get("log")).and_then(Value::as_str).unwrap();
        let found = assess(&record["references"][0], &read(&format!("{set}/{store}")), &known);
        let agrees = found.as_object().unwrap().iter().all(|(name, value)| case[name] == *value);
        verifies == (case["trace_record_verifies"] == true) && agrees
    };
    let names = names(set);
    let right = names.iter().filter(|name| is_right(name)).count();
    report(set, right, names.len());
    assert_eq!((right, names.len()), (total, total));
}

fn digest(value: &Value) -> Value {
    Value::from(TaggedDigest::of(Algorithm::Sha256, &jcs(value).unwrap()).to_string())
}

#[test]
fn the_condition_appraisal_records_verify_whatever_they_point_at() {
    replay_cases("condition-appraisal", 5, |reference, store, known| {
        let Some(object) = store["appraisals"].get(reference["id"].as_str().unwrap()) else {
            return json!({"reference_resolves": false, "digest_matches": null, "appraisal_verifies": null});
        };
        let jwk = known["issuer_keys"].get(object["issuer_key_id"].as_str().unwrap());
        let signed = jwk.map(|jwk| PublicKey::from_jwk(jwk).unwrap().signed_at(object, "signature"));
        json!({
            "reference_resolves": true, "digest_matches": digest(object) == reference["digest"],
            "issuer_key_configured": jwk.is_some(), "appraisal_verifies": signed, "outcome": object["outcome"]["status"],
        })
    });
    let known = read("condition-appraisal/expected.json");
    for (id, jwk) in known["issuer_keys"].as_object().unwrap() {
        assert_eq!(&thumbprint(jwk).unwrap(), id);
    }
}

#[test]
fn the_approval_outcome_records_verify_whatever_they_point_at() {
    replay_cases("chap-approval-outcome", 4, |reference, log, _| {
        let entries = log["entries"].as_array().unwrap();
        let mut head = format!("sha256:{}", "0".repeat(64));
        let mut replays = true;
        for entry in entries {
            replays &= entry["prev_hash"] == head.as_str();
            let bytes = [jcs(&entry["envelope"]).unwrap(), head.into_bytes()].concat();
            head = TaggedDigest::sha256(&bytes).to_string();
        }
        replays &= log["chain_head"] == head.as_str();
        let id = reference["id"].as_str().unwrap();
        let entry = entries.iter().find(|entry| format!("audit/{}", entry["seq"]) == id);
        let Some(entry) = entry else {
            return json!({"reference_resolves": false, "digest_matches": null, "chain_replays": replays});
        };
        json!({
            "reference_resolves": true, "digest_matches": digest(&entry["envelope"]) == reference["digest"],
            "decision": entry["envelope"]["method"], "chain_replays": replays,
        })
    });
}

/// These records are of a draft, v0.3, that binds nothing yet: what can be said
/// of them is that none is accepted and that their signatures are what they are.
#[test]
fn the_runtime_evidence_records_of_the_draft_are_refused_with_their_signatures_intact() {
    let set = "runtime-evidence";
    let is_right = |name: &String| {
        let record = &read(&format!("{set}/{name}"))["record"];
        let key = key(record, "/cnf/jwk");
        let verdict = verify(record, Trust::Key(&key), &Demands::at(seconds(record, "/iat")));
        let is_intact = name != "reject-evidence-swapped-after-signing.json";
        verdict.refusal().map(Refusal::code) == Some("profile_not_accepted")
            && key.signed_at(record, "signature") == is_intact
    };
    let names = files(set);
    let right = names.iter().filter(|name| is_right(name)).count();
    report(set, right, names.len());
    assert_eq!((right, names.len()), (14, 14));
}
