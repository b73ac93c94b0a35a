//! A TRACE record by itself, as whoever was handed one verifies it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_evidence::trace::anchor::Batch;
use countersign_evidence::trace::digest::TaggedDigest;
use countersign_evidence::trace::key::{PublicKey, SigningKey};
use countersign_evidence::trace::profile::Profile;
use countersign_evidence::trace::record::{
    BuildProvenance, EnforcementMode, Model, Policy, Session, Subject, ToolTranscript, Uri, sign,
};
use countersign_evidence::trace::revocation::{Statement, sign_bundle};
use ed25519_dalek::pkcs8::{EncodePublicKey as _, spki::der::pem::LineEnding};
use serde_json::{Value, json};

use crate::harness::{Ran, run};

/// When the record was issued: some time ago.
const ISSUED: i64 = 1_750_000_000_000;

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

/// The record of a session whose policy and transcript have these digests.
pub fn signed(policy: TaggedDigest, transcript: TaggedDigest) -> Value {
    let session = Session {
        subject: Subject::parse("spiffe://example.org/agent/größe").unwrap(),
        issued_at: Timestamp::from_millis(ISSUED),
        model: Model {
            provider: "example".into(),
            model_id: "example-1".into(),
            version: None,
            weights_digest: None,
            aibom_uri: None,
        },
        measurement: TaggedDigest::sha256(b"measured"),
        policy: Policy {
            bundle_hash: policy,
            enforcement_mode: EnforcementMode::Enforce,
            version: None,
            policy_uri: None,
        },
        data_class: "internal".into(),
        transcript: ToolTranscript { hash: transcript, call_count: Some(1), transcript_uri: None },
        build: BuildProvenance {
            slsa_level: 0,
            builder: None,
            digest: TaggedDigest::sha256(b"binary"),
            provenance_uri: None,
            provenance_depth: None,
        },
        verifier: Uri::parse("https://countersign.invalid/verifier/none").unwrap(),
    };
    sign(&session.record(Profile::V02), &key()).unwrap()
}

fn sample() -> Value {
    signed(TaggedDigest::sha256(b"policy"), TaggedDigest::sha256(b"transcript"))
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.put("trusted.jwk.json", &PublicKey::from(&key()).jwk());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, value: &Value) -> String {
        let path = self.path(name);
        std::fs::write(&path, format!("{value:#}\n")).unwrap();
        shown(&path)
    }

    fn verify(&self, record: &Value, more: &[&str]) -> Ran {
        let record = self.put("record.json", record);
        run([&["-o", "json", "evidence", "verify", &record], more].concat())
    }

    fn trusted(&self) -> String {
        shown(&self.path("trusted.jwk.json"))
    }
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn a_record_verifies_under_a_trusted_key_and_says_what_was_not_checked() {
    let desk = Desk::new();
    let found = desk.verify(&sample(), &["--key", &desk.trusted()]).exits(0).json();
    assert_eq!((&found["verified"], &found["code"]), (&true.into(), &"verified".into()));
    let open = names(&found["checks_not_performed"]);
    for check in ["age", "revocation", "transcript", "policy_bundle"] {
        assert!(open.contains(&check), "{check}: {open:?}");
    }
    assert!(!open.contains(&"key_trust"));
    let pem = desk.path("trusted.pem");
    std::fs::write(&pem, key().verifying_key().to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
    desk.verify(&sample(), &["--key", &shown(&pem)]).exits(0);
    let set = desk.put("set.json", &json!({"keys": [PublicKey::from(&key()).jwk()]}));
    desk.verify(&sample(), &["--key", &set]).exits(0);
}

#[test]
fn without_a_trusted_key_nobody_vouches() {
    let desk = Desk::new();
    let found = desk.verify(&sample(), &[]).exits(5).json();
    assert_eq!(found["code"], "no_trusted_key");
    assert!(names(&found["checks_not_performed"]).contains(&"key_trust"));
    let stranger = PublicKey::from(&SigningKey::from_bytes(&[6; 32])).jwk();
    let stranger = desk.put("stranger.json", &stranger);
    assert_eq!(desk.verify(&sample(), &["--key", &stranger]).exits(5).json()["code"], "key_untrusted");
    desk.verify(&sample(), &["--key", &stranger, "--key", &desk.trusted()]).exits(0);
    let private = desk.put("private.json", &json!({"kty": "OKP", "crv": "Ed25519", "x": "A", "d": "A"}));
    desk.verify(&sample(), &["--key", &private]).refused(&["private key"]);
}

#[test]
fn every_member_is_signed() {
    let desk = Desk::new();
    let right = sample();
    let key = desk.trusted();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        desk.verify(&wrong, &["--key", &key]).exits(5).json()["code"].clone()
    };
    assert_eq!(refused(&|r| r["data_class"] = "public".into()), "signature_invalid");
    assert_eq!(refused(&|r| r["policy"]["enforcement_mode"] = "advisory".into()), "signature_invalid");
    assert_eq!(refused(&|r| r["iat"] = 1_750_000_001.into()), "signature_invalid");
    assert_eq!(refused(&|r| r["model"]["version"] = Value::Null), "schema");
    assert_eq!(refused(&|r| drop(r.as_object_mut().unwrap().remove("signature"))), "signature_missing");
    assert_eq!(refused(&|r| r["eat_profile"] = "tag:agentrust.io,2026:trace-v0.1".into()), "profile_not_accepted");
    // A member that is there twice has two meanings: it is not read at all.
    let twice = serde_json::to_string(&right).unwrap().replacen('{', r#"{"data_class":"public","#, 1);
    std::fs::write(desk.path("twice.json"), twice).unwrap();
    run(["evidence", "verify", &shown(&desk.path("twice.json")), "--key", &key]).refused(&["differently"]);
}

#[test]
fn age_counts_only_where_it_is_asked_for() {
    let desk = Desk::new();
    let key = desk.trusted();
    let found = desk.verify(&sample(), &["--key", &key, "--max-age", "1h"]).exits(5).json();
    assert_eq!(found["code"], "stale");
    desk.verify(&sample(), &["--key", &key, "--max-age", "1000000h"]).exits(0);
    desk.verify(&sample(), &["--key", &key, "--max-age", "soon"]).refused(&["24h"]);
}

#[test]
fn an_anchor_receipt_must_lead_from_this_record() {
    let desk = Desk::new();
    let (right, key) = (sample(), desk.trusted());
    let batch = Batch::new(&[json!({"subject": "other"}), right.clone()]).unwrap().unwrap();
    let receipt = desk.put("receipt.json", &serde_json::to_value(batch.receipt(1)).unwrap());
    let found = desk.verify(&right, &["--key", &key, "--receipt", &receipt]).exits(0).json();
    assert_eq!(found["anchored"]["leaf_count"], 2);
    let other = desk.put("other.json", &serde_json::to_value(batch.receipt(0)).unwrap());
    let found = desk.verify(&right, &["--key", &key, "--receipt", &other]).exits(5).json();
    assert_eq!(found["code"], "not_included");
}

#[test]
fn a_revoked_key_and_a_bundle_that_cannot_be_used_do_not_verify() {
    let desk = Desk::new();
    let (key, recovery) = (desk.trusted(), SigningKey::from_bytes(&[8; 32]));
    let recovery_key = desk.put("recovery.json", &PublicKey::from(&recovery).jwk());
    let bundle = |compromised: &SigningKey, valid: Duration| {
        let compromised = PublicKey::from(compromised);
        let statement = Statement {
            compromised_key_id: compromised.thumbprint(),
            last_valid_entry_id: "41",
            revoked_after_entry: None,
            log_id: "log.example/test",
            reason: None,
            revoked_at: None,
        };
        let issued = Timestamp::from_millis(ISSUED);
        let signed = [statement.sign(&recovery).unwrap()];
        let bundle = sign_bundle(statement.log_id, issued, issued.plus(valid), &signed, &recovery).unwrap();
        desk.put("revocations.json", &bundle)
    };
    let verify = |bundle: &str| {
        desk.verify(&sample(), &["--key", &key, "--revocations", bundle, "--revocation-key", &recovery_key])
    };
    let year = Duration::from_hours(24 * 365);
    let found = verify(&bundle(&self::key(), year)).exits(5).json();
    assert_eq!(found["code"], "key_revoked");
    // The bundle names another key, and is too old for its silence to count.
    let found = verify(&bundle(&SigningKey::from_bytes(&[9; 32]), year)).exits(5).json();
    assert_eq!(found["code"], "bundle_expired", "{found}");
}

#[test]
fn two_records_of_one_session_link_and_of_two_do_not() {
    let desk = Desk::new();
    let key = desk.trusted();
    let transcript = desk.path("transcript.json");
    std::fs::write(&transcript, r#"[{"tool":"a","verdict":"allow"}]"#).unwrap();
    let hash = TaggedDigest::sha256(br#"[{"tool":"a","verdict":"allow"}]"#);
    let first = desk.put("first.json", &signed(TaggedDigest::sha256(b"one policy"), hash.clone()));
    let second = desk.put("second.json", &signed(TaggedDigest::sha256(b"another"), hash));
    let link = |other: &str, more: &[&str]| -> Ran {
        run([&["-o", "json", "evidence", "link", &first, other], more].concat())
    };
    let keys = ["--key-a", &key, "--key-b", &key];
    let found = link(&second, &keys).exits(0).json();
    assert_eq!((&found["linked"], &found["supersedes"]), (&true.into(), &false.into()));
    assert_eq!(found["checks"]["same_policy_bundle"]["answer"], "not_performed");
    let recompute = ["--transcript", &shown(&transcript), "--form", "jcs-entries/1"];
    let found = link(&second, &[&keys[..], &recompute].concat()).exits(0).json();
    assert_eq!(found["checks"]["transcript_recomputed"]["answer"], "holds");
    // Nobody is trusted; another form; policies that must be the same; another session.
    assert!(link(&second, &[]).exits(5).json()["unchecked"].as_str().unwrap().contains("--key-a"));
    let other_form = ["--transcript", &shown(&transcript), "--form", "countersign-chain/1"];
    link(&second, &[&keys[..], &other_form].concat()).exits(5);
    link(&second, &[&keys[..], &["--same-policy-form"]].concat()).exits(5);
    let other = desk.put("other.json", &sample());
    let found = link(&other, &keys).exits(5).json();
    assert_eq!(found["checks"]["same_transcript"]["answer"], "fails");
    link(&second, &["--form", "jcs-entries/1"]).exits(3);
}
