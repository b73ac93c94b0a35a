//! Revoked keys: the bundle vectors, and what is added to them here.

use std::time::Duration;

use countersign_core::Timestamp;
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::revocation::{Known, Outcome, Position, Statement, sign_bundle, statement_verifies};
use countersign_evidence::trace::verify::{Demands, Refusal, Trust, Verdict, verify};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use crate::records::{NOW, signed, signing_key};
use crate::vectors::{key, keys, replay, same, seconds};

const LOG: &str = "https://log.example/trace";

#[test]
fn the_revocation_bundle_vectors_hold() {
    replay("revocation-bundle", 28, |vector| {
        let span = |name: &str| {
            Duration::from_secs(vector.pointer(&format!("/context/{name}")).and_then(Value::as_u64).unwrap())
        };
        let bundle_keys = keys(vector, "/context/trusted_bundle_keys");
        let demands = Demands {
            max_future_skew: span("max_future_skew_seconds"),
            revocation: Known {
                bundle: vector.pointer("/context/bundle").filter(|bundle| !bundle.is_null()),
                bundle_keys: &bundle_keys,
                max_bundle_age: span("max_bundle_age_seconds"),
                ..Known::default()
            },
            ..Demands::at(seconds(vector, "/context/now"))
        };
        let trusted = key(vector, "/context/trusted_key");
        let verdict = verify(vector.pointer("/records/0").unwrap(), Trust::Key(&trusted), &demands);
        let expected = vector.pointer("/expected").unwrap();
        if expected["rejected"] == true {
            return same("refusal", &verdict.refusal().map(Refusal::code), &Some("key_revoked"));
        }
        let check = &verdict.verified().ok_or_else(|| format!("{verdict:?}"))?.revocation;
        same("outcome", &Value::from(check.outcome.code()), &expected["outcome"])?;
        same("cause", &check.cause.map_or(Value::Null, |cause| cause.code().into()), &expected["cause"])?;
        let mut evidence = expected["evidence"].as_object().unwrap().iter();
        evidence.try_for_each(|(name, value)| same(name, &check.evidence.get(name), &Some(value)))
    });
}

fn recovery_key() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

fn statement() -> Value {
    let compromised = PublicKey::from(&signing_key());
    let statement = Statement {
        compromised_key_id: compromised.thumbprint(),
        last_valid_entry_id: "41",
        revoked_after_entry: Some("42"),
        log_id: LOG,
        reason: Some("key compromise"),
        revoked_at: None,
    };
    statement.sign(&recovery_key()).unwrap()
}

fn judged(position: Option<Position<'_>>) -> Verdict {
    let later = NOW.plus(Duration::from_hours(1000));
    let bundle = sign_bundle(LOG, NOW, later, &[statement()], &recovery_key()).unwrap();
    let bundle_keys = [PublicKey::from(&recovery_key())];
    let known = Known { bundle: Some(&bundle), bundle_keys: &bundle_keys, position, ..Known::default() };
    let trusted = PublicKey::from(&signing_key());
    verify(&signed(), Trust::Key(&trusted), &Demands { revocation: known, ..Demands::at(NOW) })
}

#[test]
fn a_record_of_a_revoked_key_stands_only_where_it_was_logged_in_time() {
    let at = |log_id, entry_id| Some(Position { log_id, entry_id });
    let cases = [
        (at(LOG, "41"), true),
        (at(LOG, "9"), true),
        (at(LOG, "0"), true),
        (at(LOG, "42"), false),
        (at(LOG, "100"), false),
        (at("https://other.example", "1"), false),
        (at(LOG, "009"), false),
        (at(LOG, "entry-1"), false),
        (at(LOG, ""), false),
        (None, false),
    ];
    for (position, stands) in cases {
        assert_eq!(judged(position).verified().is_some(), stands, "{position:?}");
    }
}

#[test]
fn a_key_cannot_revoke_itself() {
    let own = PublicKey::from(&signing_key());
    let unsigned = Statement {
        compromised_key_id: own.thumbprint(),
        last_valid_entry_id: "1",
        revoked_after_entry: None,
        log_id: LOG,
        reason: None,
        revoked_at: None,
    };
    assert!(unsigned.sign(&signing_key()).is_err());
    assert!(statement_verifies(&statement(), &PublicKey::from(&recovery_key())));
    assert!(!statement_verifies(&statement(), &own));
    let mut changed = statement();
    changed["last_valid_entry_id"] = "400".into();
    assert!(!statement_verifies(&changed, &PublicKey::from(&recovery_key())));
}

#[test]
fn a_store_is_asked_for_every_name_and_fails_closed() {
    let trusted = PublicKey::new(signing_key().verifying_key(), Some("issuer-1"));
    let judge = |store: &dyn Fn(&str) -> Result<bool, String>| {
        let known = Known { store: Some(store), ..Known::default() };
        let verdict = verify(&signed(), Trust::Key(&trusted), &Demands { revocation: known, ..Demands::at(NOW) });
        verdict.refusal().map_or("verified", Refusal::code)
    };
    assert_eq!(judge(&|name| Ok(name == "issuer-1")), "key_revoked");
    assert_eq!(judge(&|_| Err("timeout".to_owned())), "revocation_unavailable");
    assert_eq!(judge(&|_| Ok(false)), "verified");
}

#[test]
fn silence_of_a_store_is_a_check_and_silence_of_nobody_is_not() {
    let trusted = PublicKey::from(&signing_key());
    let judge = |known| {
        let verdict = verify(&signed(), Trust::Key(&trusted), &Demands { revocation: known, ..Demands::at(NOW) });
        verdict.verified().unwrap().revocation.clone()
    };
    let listed = |_: &str| Ok(false);
    let bundle = sign_bundle(LOG, NOW, NOW, &[], &recovery_key()).unwrap();
    let bundle_keys = [PublicKey::from(&recovery_key())];
    let by_store = judge(Known { store: Some(&listed), ..Known::default() });
    assert_eq!((by_store.outcome, by_store.evidence.get("source")), (Outcome::Verified, Some(&json!("store"))));
    assert_eq!(judge(Known::default()).outcome, Outcome::NoCheck);
    let both =
        judge(Known { store: Some(&listed), bundle: Some(&bundle), bundle_keys: &bundle_keys, ..Known::default() });
    assert_eq!((both.outcome, both.evidence.get("store")), (Outcome::Verified, Some(&json!("consulted"))));
}

#[test]
fn a_bundle_that_is_signed_here_has_the_shape_of_one() {
    let bundle = sign_bundle(LOG, NOW, NOW, &[statement()], &recovery_key()).unwrap();
    assert_eq!(countersign_evidence::trace::schema::bundle_violations(&bundle), []);
    let early = Timestamp::from_millis(0);
    assert!(sign_bundle(LOG, early, NOW, &[], &recovery_key()).is_err());
    assert!(sign_bundle("", NOW, NOW, &[], &recovery_key()).is_err());
}

#[test]
fn a_bundle_may_be_as_far_ahead_as_clocks_may_differ() {
    let trusted = PublicKey::from(&signing_key());
    let bundle_keys = [PublicKey::from(&recovery_key())];
    for (ahead, expected) in [(300, Outcome::Verified), (301, Outcome::Unverified)] {
        let issued = NOW.plus(Duration::from_secs(ahead));
        let bundle = sign_bundle(LOG, issued, issued, &[], &recovery_key()).unwrap();
        let known = Known { bundle: Some(&bundle), bundle_keys: &bundle_keys, ..Known::default() };
        let verdict = verify(&signed(), Trust::Key(&trusted), &Demands { revocation: known, ..Demands::at(NOW) });
        assert_eq!(verdict.verified().unwrap().revocation.outcome, expected);
    }
}

#[test]
fn a_key_that_revokes_itself_under_its_other_name_is_not_believed() {
    let named = PublicKey::new(signing_key().verifying_key(), Some("issuer-1"));
    let statement = Statement {
        compromised_key_id: "issuer-1",
        last_valid_entry_id: "400",
        revoked_after_entry: None,
        log_id: LOG,
        reason: None,
        revoked_at: None,
    };
    let statement = statement.sign(&signing_key()).unwrap();
    assert!(!statement_verifies(&statement, &named));
}
