//! Verdicts on records: the canonicalisation and compatibility vectors, and the
//! order of the checks.

use std::time::Duration;

use countersign_core::Timestamp;
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::profile::{AcceptedProfiles, InvalidProfiles, LEGACY_PROFILE_V01};
use countersign_evidence::trace::verify::{Check, Demands, Refusal, Trust, Verdict, verify};
use serde_json::{Value, json};

use crate::records::{NOW, signed, signing_key};
use crate::vectors::{key, replay, same, seconds, strings};

fn code(verdict: &Verdict) -> &'static str {
    verdict.refusal().map_or("verified", Refusal::code)
}

/// Judges the record of a canonicalisation vector at the moment it was issued.
fn canonicalization(vector: &Value, trust: Trust<'_>) -> &'static str {
    let demands = Demands { max_age: Some(Duration::from_mins(1)), ..Demands::at(seconds(vector, "/record/iat")) };
    code(&verify(vector.pointer("/record").unwrap(), trust, &demands))
}

#[test]
fn the_canonicalization_vectors_hold() {
    replay("canonicalization-boundary", 6, |vector| {
        let trusted = key(vector, "/trusted_key");
        let expected = vector.pointer("/expected/failure").map_or("verified", |failure| failure.as_str().unwrap());
        same("verdict", &canonicalization(vector, Trust::Key(&trusted)), &expected)
    });
    replay("suite-canonicalization", 4, |vector| {
        let verdict = canonicalization(vector, Trust::Embedded);
        same("signature", &(verdict == "verified"), &(vector["expected_tr_sig"] == "PASS"))
    });
}

#[test]
fn the_compatibility_vectors_hold() {
    replay("verifier-compatibility", 8, |vector| {
        let uris = strings(vector, "/verifier/accepted_profiles");
        let trusted = key(vector, "/trusted_key");
        let statement = vector.pointer("/expected/statement").unwrap();
        let failure = vector.pointer("/expected/failure").unwrap();
        let profiles = match AcceptedProfiles::parse(uris.iter().map(String::as_str)) {
            Ok(profiles) => profiles,
            Err(error) => return same("configuration", &Value::from(error.code()), failure),
        };
        let demands =
            Demands { profiles, max_age: None, ..Demands::at(seconds(vector, "/verifier/verification_time")) };
        let verdict = verify(vector.pointer("/record").unwrap(), Trust::Key(&trusted), &demands);
        let said = verdict.verified().map_or(Value::Null, |verified| {
            let accepted: Vec<_> = verified.accepted_profiles.uris().collect();
            json!({"profile": verified.profile.uri(), "accepted_profiles": accepted})
        });
        same("failure", &verdict.refusal().map_or(Value::Null, |refusal| refusal.code().into()), failure)?;
        same("statement", &said, statement)
    });
}

/// A change to a record, made before or after it was signed.
type Change = fn(&mut Value);

fn judged(change: Change, demands: &Demands<'_>) -> &'static str {
    let mut record = signed();
    change(&mut record);
    let trusted = PublicKey::from(&signing_key());
    code(&verify(&record, Trust::Key(&trusted), demands))
}

#[test]
fn every_refusal_has_its_cause() {
    let now = Demands::at(NOW);
    let cases: [(&str, Change); 9] = [
        ("verified", |_| {}),
        ("not_an_object", |r| *r = json!([])),
        ("profile_absent", |r| r["eat_profile"] = "".into()),
        ("profile_not_accepted", |r| r["eat_profile"] = LEGACY_PROFILE_V01.into()),
        ("signature_missing", |r| {
            r.as_object_mut().unwrap().remove("signature");
        }),
        ("signature_encoding", |r| r["signature"] = "AA==".into()),
        ("schema", |r| r["transparency"] = Value::Null),
        ("key_mismatch", |r| r["cnf"]["jwk"]["x"] = "S9f_IqfsGG7jIzI7brZ7VVXCyF-_1jj_Guc1ynPKpuI".into()),
        ("signature_invalid", |r| r["data_class"] = "public".into()),
    ];
    for (expected, change) in cases {
        assert_eq!(judged(change, &now), expected);
    }
}

#[test]
fn the_first_check_that_fails_is_the_verdict() {
    let late = Demands::at(NOW.plus(Duration::from_hours(48)));
    let both: Change = |r| {
        r["eat_profile"] = "tag:example.com,2031:trace-v9".into();
        r["signature"] = "AA==".into();
        r["surprise"] = 1.into();
    };
    assert_eq!(judged(both, &late), "profile_not_accepted");
    let two: Change = |r| {
        r["signature"] = "AA==".into();
        r["surprise"] = 1.into();
    };
    assert_eq!(judged(two, &late), "signature_encoding");
    assert_eq!(judged(|r| r["surprise"] = 1.into(), &late), "schema");
    assert_eq!(judged(|r| r["data_class"] = "public".into(), &late), "stale");
}

#[test]
fn age_and_skew_are_inclusive() {
    let at = |by: i64| Demands::at(Timestamp::from_millis(NOW.as_millis() + by * 1000));
    for (by, expected) in
        [(86_400, "verified"), (86_401, "stale"), (-300, "verified"), (-301, "from_future"), (0, "verified")]
    {
        assert_eq!(judged(|_| {}, &at(by)), expected, "{by}");
    }
    assert_eq!(judged(|_| {}, &Demands { max_age: None, ..at(1_000_000_000) }), "verified");
}

#[test]
fn a_challenge_must_be_given_back() {
    for nonce in ["", "n", "nonce"] {
        let demands = Demands { nonce: Some(nonce), ..Demands::at(NOW) };
        assert_eq!(judged(|_| {}, &demands), "nonce_mismatch");
    }
}

#[test]
fn a_second_spelling_of_a_signature_is_refused() {
    let mut record = signed();
    let signature = record["signature"].as_str().unwrap().to_owned();
    // 64 bytes leave four unused bits in the 86th character.
    let last = signature.chars().last().unwrap();
    let next = char::from_u32(u32::from(last) + 1).unwrap();
    record["signature"] = format!("{}{next}", &signature[..85]).into();
    let trusted = PublicKey::from(&signing_key());
    assert_eq!(code(&verify(&record, Trust::Key(&trusted), &Demands::at(NOW))), "signature_encoding");
}

#[test]
fn what_was_not_checked_is_said() {
    let record = signed();
    let trusted = PublicKey::from(&signing_key());
    let verdict = verify(&record, Trust::Key(&trusted), &Demands::at(NOW));
    let codes = |verdict: &Verdict| -> Vec<_> {
        verdict.verified().unwrap().checks_not_performed.iter().map(|check| check.code()).collect()
    };
    let open = ["challenge", "revocation", "measurement", "policy_bundle", "transcript", "build_provenance"];
    assert_eq!(codes(&verdict), open);
    let embedded = verify(&record, Trust::Embedded, &Demands::at(NOW));
    assert_eq!(codes(&embedded).first(), Some(&Check::KeyTrust.code()));
}

#[test]
fn among_several_keys_the_one_the_record_names_is_used() {
    let record = signed();
    let other = PublicKey::from(&ed25519_dalek::SigningKey::from_bytes(&[9; 32]));
    let both = [other.clone(), PublicKey::from(&signing_key())];
    let demands = Demands::at(NOW);
    assert_eq!(code(&verify(&record, Trust::AnyOf(&both), &demands)), "verified");
    assert_eq!(code(&verify(&record, Trust::AnyOf(&[other]), &demands)), "key_untrusted");
    assert_eq!(code(&verify(&record, Trust::AnyOf(&[]), &demands)), "key_untrusted");
}

#[test]
fn the_superseded_profile_is_accepted_only_on_its_own() {
    assert_eq!(AcceptedProfiles::parse([LEGACY_PROFILE_V01]), Err(InvalidProfiles::Superseded));
    assert_eq!(AcceptedProfiles::legacy_v01().uris().collect::<Vec<_>>(), [LEGACY_PROFILE_V01]);
}
