//! Action receipts: the conformance, gap disclosure and Acta vectors.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_core::digest::Digest;
use countersign_evidence::trace::action::{self, Case, Expected, Ring, acta, gap};
use countersign_evidence::trace::key::PublicKey;
use serde_json::{Value, json};

use crate::vectors::{names, read, replay, report, same, strings, text};

fn ring(vector: &Value) -> Ring {
    let keys = vector["trusted_issuer_keys"].as_object().unwrap();
    keys.iter().map(|(id, jwk)| (id.clone(), PublicKey::from_jwk(jwk).unwrap())).collect()
}

#[test]
fn the_conformance_vectors_hold() {
    replay("action-receipts/conformance", 30, |vector| {
        let case = Case {
            action: &vector["action"],
            evidence: vector.get("evidence").unwrap_or(&Value::Null),
            receipt: vector.get("receipt"),
        };
        let expected = Expected {
            call_id: text(vector, "/context/call_id"),
            session_id: text(vector, "/context/session_id"),
            previous_receipt_hash: text(vector, "/context/expected_previous_receipt_hash"),
            now: Timestamp::parse(text(vector, "/context/verification_time")).unwrap(),
            max_age: Duration::from_secs(vector["context"]["max_receipt_age_seconds"].as_u64().unwrap()),
        };
        let outcome = action::verify(&case, &ring(vector), &expected);
        let found = json!({
            "status": outcome.status.code(), "controller_outcome": outcome.controller_outcome,
            "failures": outcome.failures, "warnings": outcome.warnings,
        });
        same("outcome", &found, &vector["expected"])
    });
}

#[test]
fn the_gap_disclosure_vectors_hold() {
    replay("action-receipts/gap-disclosure", 20, |vector| {
        let chain = &vector["context"]["chain"];
        let ancestors = strings(chain, "/permitted_ancestor_key_ids");
        let permitted: Vec<&str> = std::iter::once(text(chain, "/predecessor_issuer_key_id"))
            .chain(ancestors.iter().map(String::as_str))
            .collect();
        let place = gap::Place {
            session_id: text(vector, "/context/session_id"),
            predecessor: (chain["predecessor_present"] == true).then(|| text(chain, "/predecessor_hash")),
            permitted_key_ids: &permitted,
            successor_link: (chain["successor_present"] == true)
                .then(|| chain["successor_previous_receipt_hash"].as_str().unwrap_or_default()),
            is_contradicted: !chain["claimed_absent_but_present"].as_array().unwrap().is_empty(),
        };
        let outcome = gap::verify(&vector["gap_disclosure"], &ring(vector), &place);
        let expected = &vector["expected"];
        same("status", &Value::from(outcome.status.code()), &expected["status"])?;
        same("failures", &json!(outcome.failures), &expected["failures"])?;
        same("warnings", &json!(outcome.warnings), &expected["warnings"])
    });
}

#[test]
fn the_acta_vectors_hold() {
    let set = "action-receipts/acta";
    let known = read(&format!("{set}/expected.json"));
    let bytes = *Digest::parse(text(&known, "/signer_public_key_hex")).unwrap().as_bytes();
    let key = PublicKey::new(ed25519_dalek::VerifyingKey::from_bytes(&bytes).unwrap(), None);
    let names = names(set);
    let mut right = 0;
    for name in &names {
        let before = known["chain"].get(name).map(|before| read(&format!("{set}/{}", before.as_str().unwrap())));
        let expected = acta::Expected {
            predecessor: before.as_ref(),
            policy_digest: text(&known, "/current_policy_digest"),
            session_id: text(&known, "/expected_session_id"),
        };
        let outcome = acta::verify(&read(&format!("{set}/{name}")), &key, &expected);
        let found = json!({
            "signature": outcome.signature.code(), "chain": outcome.chain.code(),
            "policy_freshness": outcome.policy_freshness.code(), "session_binding": outcome.session_binding.code(),
        });
        right += usize::from(found == known["results"][name] && outcome.structure == acta::Answer::Pass);
    }
    report(set, right, names.len());
    assert_eq!((right, names.len()), (6, 6));
}

#[test]
fn what_is_missing_is_never_equal_to_what_is_missing() {
    let nothing = json!({});
    let case = Case { action: &nothing, evidence: &nothing, receipt: Some(&nothing) };
    let expected = Expected {
        call_id: "",
        session_id: "",
        previous_receipt_hash: "",
        now: Timestamp::from_millis(0),
        max_age: Duration::ZERO,
    };
    let outcome = action::verify(&case, &BTreeMap::new(), &expected);
    assert_eq!(outcome.status, action::Status::Invalid);
    assert!(outcome.failures.contains(&"action_ref_mismatch") && outcome.failures.contains(&"call_id_mismatch"));
}

#[test]
fn a_receipt_may_be_as_old_as_is_allowed() {
    let vector = read("action-receipts/conformance/01-valid-controller-accepted.json");
    let case = Case { action: &vector["action"], evidence: &vector["evidence"], receipt: vector.get("receipt") };
    let now = Timestamp::parse(text(&vector, "/context/verification_time")).unwrap();
    let age = now.since(Timestamp::parse(text(&vector, "/receipt/issued_at")).unwrap());
    for (max_age, failures) in [(age, vec![]), (age.saturating_sub(Duration::from_millis(1)), vec!["receipt_stale"])] {
        let expected = Expected {
            call_id: text(&vector, "/context/call_id"),
            session_id: text(&vector, "/context/session_id"),
            previous_receipt_hash: text(&vector, "/context/expected_previous_receipt_hash"),
            now,
            max_age,
        };
        assert_eq!(action::verify(&case, &ring(&vector), &expected).failures, failures);
    }
}
