//! Shapes: the reproducibility vectors, and the records of the conformance suite.

use countersign_evidence::trace::delegation::record_digest;
use countersign_evidence::trace::digest::{Algorithm, TaggedDigest};
use countersign_evidence::trace::json::{self, Fault};
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::profile::Profile;
use countersign_evidence::trace::schema::record_violations;
use countersign_evidence::trace::verify::{Demands, Refusal, Trust, verify};
use serde_json::Value;

use crate::vectors::{path, read, replay, report, same, seconds, strings};

/// Where a code's violations must lie, and at least one of them exactly below.
fn locus(code: &str) -> (&'static str, &'static str) {
    match code {
        "re_execution_without_method" | "method_without_re_execution" => ("/appraisal", "/appraisal"),
        "diverged_without_observed_digest" | "not_attempted_without_reason" => {
            ("/appraisal/re_execution", "/appraisal/re_execution")
        }
        "closure_entry_incomplete" => ("/reproducibility/input_closure", "/reproducibility/input_closure"),
        "unknown_method" => ("/appraisal/method", "/appraisal"),
        "unknown_outcome" => ("/appraisal/re_execution/outcome", "/appraisal/re_execution/outcome"),
        "claim_incomplete" => ("/reproducibility", "/reproducibility"),
        _ => panic!("unknown code {code}"),
    }
}

#[test]
fn the_reproducibility_vectors_hold() {
    replay("reproducibility-claim", 21, |vector| {
        let record = &vector["record"];
        let pointers: Vec<_> = record_violations(record, Profile::V02).into_iter().map(|v| v.pointer).collect();
        let outcome = if pointers.is_empty() { "accept" } else { "reject" };
        same("outcome", &Value::from(outcome), &vector["expected"]["outcome"])?;
        let is_below = |pointer: &String, above: &str| pointer == above || pointer.starts_with(&format!("{above}/"));
        for code in strings(vector, "/expected/codes") {
            let (at, under) = locus(&code);
            same("one lies there", &pointers.iter().any(|p| is_below(p, at)), &true)?;
            same("all lie there", &pointers.iter().all(|p| is_below(p, under)), &true)?;
        }
        let digest = |value: &Value| TaggedDigest::sha256(&json::jcs(value).unwrap()).to_string();
        if let Some(context) = vector.get("context") {
            let claim = &record["reproducibility"];
            same("transcript", &Value::from(digest(&context["transcript"])), &claim["transcript_digest"])?;
            for entry in claim["input_closure"].as_array().unwrap() {
                let input = &context["closure"][entry["id"].as_str().unwrap()];
                same("input", &Value::from(digest(input)), &entry["digest"])?;
            }
        }
        // The shape is what is refused: every one of them is signed.
        let demands = Demands { max_age: None, ..Demands::at(seconds(record, "/iat")) };
        let verdict = verify(record, Trust::Embedded, &demands);
        let expected = if outcome == "accept" { None } else { Some("schema") };
        same("verdict", &verdict.refusal().map(Refusal::code), &expected)
    });
}

/// What becomes of each record of the suite: where it is refused, or nothing.
const SUITE: [(&str, &str); 13] = [
    ("invalid_canonical_integer_out_of_range", "read: UnsafeInteger"),
    ("invalid_canonical_lone_surrogate", "read: NotJson"),
    ("invalid_canonical_non_finite_float", "read: Float"),
    ("invalid_canonical_plain_trace", "read: UnsafeInteger"),
    ("invalid_missing_runtime", "signature_missing"),
    ("invalid_wrong_profile", "profile_not_accepted"),
    ("signed_delegated_hop", "verified"),
    ("signed_root", "verified"),
    ("valid_appraisal_full", "signature_missing"),
    ("valid_cmcp_runtime", "profile_absent"),
    ("valid_level0", "signature_missing"),
    ("valid_level0_with_transcript", "signature_missing"),
    ("valid_openshell_import", "signature_missing"),
];

fn judged(name: &str) -> String {
    let bytes = std::fs::read(path(&format!("suite-records/{name}.json"))).unwrap();
    let record = match json::read(&bytes) {
        Ok(record) => record,
        Err(refused) => {
            let fault = match refused.fault {
                Fault::NotJson(_) => "NotJson".to_owned(),
                other => format!("{other:?}"),
            };
            return format!("read: {fault}");
        }
    };
    let now = record.get("iat").map_or_else(|| seconds(&record, "/trace/iat"), |_| seconds(&record, "/iat"));
    verify(&record, Trust::Embedded, &Demands::at(now)).refusal().map_or("verified", Refusal::code).to_owned()
}

#[test]
fn the_records_of_the_suite_are_told_apart() {
    let wrong: Vec<_> = SUITE
        .iter()
        .filter(|(name, expected)| judged(name) != *expected)
        .map(|(name, expected)| format!("{name}: expected {expected}, found {}", judged(name)))
        .collect();
    report("suite-records", SUITE.len() - wrong.len(), SUITE.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_records_the_suite_calls_valid_have_their_shape() {
    for (name, _) in SUITE.iter().filter(|(name, _)| !name.contains("canonical") && !name.contains("cmcp")) {
        let violations = record_violations(&read(&format!("suite-records/{name}.json")), Profile::V02);
        let first = violations.first().map(ToString::to_string);
        // The suite calls an import valid whose verifier is no URI: it runs no schema.
        let is_shaped = !name.starts_with("invalid") && *name != "valid_openshell_import";
        assert_eq!(first.is_none(), is_shaped, "{name}: {first:?}");
    }
}

#[test]
fn the_suites_hop_names_its_root() {
    let [root, hop] = ["signed_root", "signed_delegated_hop"].map(|name| read(&format!("suite-records/{name}.json")));
    let digest = record_digest(&root, Algorithm::Sha256).unwrap();
    assert_eq!(hop["delegation"]["parent_record_hash"], digest.as_str());
    assert!(PublicKey::from_jwk(&root["cnf"]["jwk"]).is_ok());
}
