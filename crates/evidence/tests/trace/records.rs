//! Records made here: what is in them, and that signing them is honest.

use std::collections::BTreeSet;

use countersign_core::Timestamp;
use countersign_evidence::trace::digest::TaggedDigest;
use countersign_evidence::trace::key::{self, PublicKey};
use countersign_evidence::trace::profile::{AcceptedProfiles, Profile};
use countersign_evidence::trace::record::{
    BuildProvenance, Delegation, EnforcementMode, Model, Policy, Reference, Session, SignError, Subject, TrustRecord,
    Uri, sign, sign_as,
};
use countersign_evidence::trace::transcript::{self, Form};
use countersign_evidence::trace::verify::{Demands, Refusal, Trust, verify};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

/// 2026-11-21T01:08:46Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_223_326_000);

pub fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn session() -> Session {
    Session {
        subject: Subject::parse("spiffe://example.org/agent/billing-bot").unwrap(),
        issued_at: NOW,
        model: Model {
            provider: "anthropic".to_owned(),
            model_id: "claude-sonnet-4-6".to_owned(),
            version: None,
            weights_digest: None,
            aibom_uri: None,
        },
        measurement: TaggedDigest::sha256(b"measurement"),
        policy: Policy {
            bundle_hash: TaggedDigest::sha256(b"policy"),
            enforcement_mode: EnforcementMode::Enforce,
            version: None,
            policy_uri: None,
        },
        data_class: "internal".to_owned(),
        transcript: transcript::measure(br#"[{"tool":"github/create_issue"}]"#, Form::JcsEntries).unwrap(),
        build: BuildProvenance {
            slsa_level: 0,
            builder: None,
            digest: TaggedDigest::sha256(b"binary"),
            provenance_uri: None,
            provenance_depth: None,
        },
        verifier: Uri::parse("https://countersign.invalid/verifier").unwrap(),
    }
}

pub fn signed() -> Value {
    sign(&session().record(Profile::V02), &signing_key()).unwrap()
}

#[test]
fn a_record_holds_the_least_it_may_and_claims_nothing() {
    let record = signed();
    let names: BTreeSet<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    let least = [
        "appraisal",
        "build_provenance",
        "cnf",
        "data_class",
        "eat_profile",
        "iat",
        "model",
        "policy",
        "runtime",
        "signature",
        "subject",
        "tool_transcript",
    ];
    assert_eq!(names, BTreeSet::from(least));
    assert_eq!(record["appraisal"]["status"], "none");
    assert_eq!(record["runtime"]["platform"], "software-only");
    assert_eq!(record["tool_transcript"]["call_count"], 1);
    assert!(!record.to_string().contains("null"));
}

#[test]
fn the_same_session_and_key_give_the_same_bytes() {
    assert_eq!(signed().to_string(), signed().to_string());
}

#[test]
fn what_was_signed_can_be_read_back_whole() {
    let mut record = session().record(Profile::V02);
    record.transparency = Some(Uri::parse("https://log.example/entry/1").unwrap());
    record.delegation =
        Some(Delegation { parent_record_hash: TaggedDigest::sha256(b"parent"), credential_id: "dlg_1".to_owned() });
    record.references = Some(vec![Reference {
        rel: "behavior-trace".to_owned(),
        id: "1".to_owned(),
        resolver: "https://example.org".to_owned(),
        retention: Some("P90D".to_owned()),
        digest: None,
    }]);
    let value = sign_as(&record, &signing_key(), Some("gateway-1")).unwrap();
    assert_eq!(value["cnf"]["jwk"]["kid"], "gateway-1");
    let read = TrustRecord::read(&value).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), value);
    let trusted = PublicKey::from(&signing_key());
    assert!(verify(&value, Trust::Key(&trusted), &Demands::at(NOW)).verified().is_some());
}

#[test]
fn every_record_of_the_vectors_can_be_read_back_whole() {
    for set in ["delegation-link", "revocation-bundle", "citation-resolution"] {
        for name in crate::vectors::names(set) {
            for record in crate::vectors::read(&format!("{set}/{name}"))["records"].as_array().unwrap() {
                assert_eq!(&serde_json::to_value(TrustRecord::read(record).unwrap()).unwrap(), record, "{name}");
            }
        }
    }
}

#[test]
fn what_is_not_a_record_is_not_signed() {
    let mut record = session().record(Profile::V02);
    record.build_provenance.slsa_level = 4;
    assert!(
        matches!(sign(&record, &signing_key()), Err(SignError::Shape(v)) if v.pointer == "/build_provenance/slsa_level")
    );
    let mut record = session().record(Profile::V02);
    record.iat = 1;
    assert!(matches!(sign(&record, &signing_key()), Err(SignError::Shape(v)) if v.pointer == "/iat"));
}

#[test]
fn a_legacy_record_is_written_and_read_only_by_name() {
    let mut record = session().record(Profile::LegacyV01);
    let missing = sign(&record, &signing_key()).unwrap_err();
    assert!(missing.to_string().contains("transparency"), "{missing}");
    record.transparency = Some(Uri::parse("https://log.example/entry/1").unwrap());
    let value = sign(&record, &signing_key()).unwrap();
    let trusted = PublicKey::from(&signing_key());
    let refused = verify(&value, Trust::Key(&trusted), &Demands::at(NOW));
    assert_eq!(refused.refusal().map(Refusal::code), Some("profile_not_accepted"));
    let legacy = Demands { profiles: AcceptedProfiles::legacy_v01(), ..Demands::at(NOW) };
    assert!(verify(&value, Trust::Key(&trusted), &legacy).verified().is_some());
    assert!(verify(&signed(), Trust::Key(&trusted), &legacy).refusal().is_some());
}

#[test]
fn a_subject_names_a_workload() {
    for good in ["spiffe://example.org/agent/a", "did:web:example.org", "did:key:z6Mk", "spiffe://d/é"] {
        assert!(Subject::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "agent-1",
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe:///agent",
        "did:WEB:x",
        "did:web:",
        "did::x",
        "did:web:x\n",
        "spiffe://example.org/agent\n",
        "https://example.org/agent",
    ] {
        assert!(Subject::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_uri_is_absolute() {
    for good in [
        "https://example.org",
        "https://example.org/a?b=c#d",
        "urn:uuid:1",
        "https://[2001:db8::1]:8443/x",
        "mailto:a@b",
        "https://[v1.fe:d]/",
        "https://u:p@example.org",
        "a:",
        "file:///x",
        "https://example.org/%C3%A9",
    ] {
        assert!(Uri::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "self",
        "/relative",
        "://x",
        "1a:b",
        "https://exa mple.org",
        "https://example.org/é",
        "https://[::g]/",
        "https://x/%zz",
        "https://x\n",
        "https://[::1",
        "https://h:port/",
        "a:[b]",
        "https://x/#a#b",
        "h\u{e9}:x",
    ] {
        assert!(Uri::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn keys_are_public_on_ed25519_and_spelled_once() {
    let own = PublicKey::from(&signing_key());
    assert_eq!(PublicKey::from_jwk(&own.jwk()).unwrap(), own);
    assert_eq!(key::thumbprint(&own.jwk()).unwrap(), own.thumbprint());
    let x = own.jwk()["x"].as_str().unwrap().to_owned();
    for bad in [
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": x}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": format!("{x}=")}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": "AA"}),
        json!({"kty": "OKP", "crv": "Ed25519"}),
        json!([]),
    ] {
        assert!(PublicKey::from_jwk(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_key_is_read_from_pem_as_the_environment_holds_it() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";
    assert_eq!(key::signing_key_from_pem(pem).unwrap().to_bytes(), [7; 32]);
    assert_eq!(key::signing_key_to_pem(&signing_key()).unwrap(), pem);
    assert!(key::signing_key_from_pem("not a key").is_err());
}

#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "use": "sig"});
    assert_eq!(key::thumbprint(&jwk).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}
