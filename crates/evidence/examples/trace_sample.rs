//! Writes sample Trust Records for other implementations to verify.
//!
//! ```text
//! cargo run -p countersign-evidence --example trace_sample -- FOLDER "$(date +%s)"
//! ```
//!
//! | File | What it is |
//! |---|---|
//! | `level0.json` | a session's record, as it is written by default |
//! | `trusted.jwk.json` | the key to trust, of a published seed: it protects nothing |
//! | `transcript.json` | the transcript the records name, in the form `jcs-entries/1` |
//! | `anchored.json`, `anchored.receipt.json` | the same session, logged, with its inclusion receipt |
//! | `anchored.entry.ndjson`, `anchored.proof.json` | the same receipt as `trace-verify` reads it |
//! | `legacy.json` | the session as v0.1 spells it, which no verifier of v0.2 accepts |
//! | `producers/` | the registration of the key, for `trace-verify --producers-dir` |
//! | `revocations.json`, `recovery.jwk.json` | a bundle that revokes another key, and the key that signed it |
//! | `invented.json`, `invented.receipt.json` | the shape of Level 2 with **invented** hardware values: it attests nothing, and is only here because the suite asks for a platform at that level |

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_evidence::trace::anchor::{Batch, ProducerId};
use countersign_evidence::trace::digest::TaggedDigest;
use countersign_evidence::trace::key::{PublicKey, SigningKey};
use countersign_evidence::trace::profile::Profile;
use countersign_evidence::trace::record::{
    AppraisalStatus, BuildProvenance, EnforcementMode, Model, Platform, Policy, Session, Subject, TrustRecord, Uri,
    sign, sign_as,
};
use countersign_evidence::trace::revocation::{Statement, sign_bundle};
use countersign_evidence::trace::transcript::{self, Form};
use serde_json::{Value, json};

/// The challenge the anchored records answer.
const NONCE: &str = "Y291bnRlcnNpZ24tc2FtcGxl";

/// The transcript. Its words are not ASCII, so that a mix-up of forms shows.
const TRANSCRIPT: &str =
    r#"[{"tool":"github/create_issue","verdict":"allow"},{"tool":"größe/löschen","verdict":"deny"}]"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(now)) = (arguments.next(), arguments.next()) else {
        return Err("usage: trace_sample FOLDER SECONDS-SINCE-1970".into());
    };
    let now = Timestamp::from_millis(now.parse::<i64>()?.saturating_mul(1000));
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let key = SigningKey::from_bytes(&[7; 32]);
    let write = |name: &str, value: &Value| std::fs::write(folder.join(name), format!("{value:#}\n"));

    write("trusted.jwk.json", &PublicKey::from(&key).jwk())?;
    std::fs::write(folder.join("transcript.json"), TRANSCRIPT)?;
    write("level0.json", &sign(&session(now)?.record(Profile::V02), &key)?)?;

    let mut legacy = session(now)?.record(Profile::LegacyV01);
    // The v0.1 suite escapes what it should not, and verifies only ASCII.
    "internal".clone_into(&mut legacy.data_class);
    legacy.transparency = Some(Uri::parse("https://log.countersign.invalid/batch/1")?);
    write("legacy.json", &sign(&legacy, &key)?)?;

    let anchored = sign_as(&anchored(now)?, &key, Some("countersign-sample"))?;
    let invented = anchored_record_with_invented_hardware(now)?;
    let invented = sign(&invented, &key)?;
    let others = ["one", "two", "three"].map(|name| json!({"subject": name}));
    let batch = [&others[..1], std::slice::from_ref(&anchored), &others[1..], std::slice::from_ref(&invented)].concat();
    let batch = Batch::new(&batch)?.ok_or("an empty batch")?;
    let recovery = SigningKey::from_bytes(&[8; 32]);
    write("recovery.jwk.json", &PublicKey::from(&recovery).jwk())?;
    write("revocations.json", &revocations(now, &recovery)?)?;
    let producer = ProducerId::parse("countersign/0.1.0")?;
    std::fs::create_dir_all(folder.join("producers"))?;
    let registration = producer.registration(&PublicKey::from(&key), now, "security@countersign.invalid");
    write(&format!("producers/{}", producer.file_name()), &registration)?;
    for (index, name, record) in [(1, "anchored", &anchored), (4, "invented", &invented)] {
        let receipt = serde_json::to_value(batch.receipt(index))?;
        write(&format!("{name}.json"), record)?;
        write(&format!("{name}.receipt.json"), &receipt)?;
        let proof = json!({"leaf_index": receipt.get("leaf_index"), "audit_path": receipt.get("audit_path")});
        write(&format!("{name}.proof.json"), &proof)?;
        let entry = batch.entry(now, &producer);
        std::fs::write(folder.join(format!("{name}.entry.ndjson")), format!("{entry}\n"))?;
    }
    println!("wrote {}", folder.display());
    Ok(())
}

fn session(now: Timestamp) -> Result<Session, Box<dyn Error>> {
    Ok(Session {
        subject: Subject::parse("spiffe://example.org/agent/billing-bot")?,
        issued_at: now,
        model: Model {
            provider: "example".to_owned(),
            model_id: "example-model-1".to_owned(),
            version: None,
            weights_digest: None,
            aibom_uri: None,
        },
        measurement: TaggedDigest::sha256(b"the documented preimage"),
        policy: Policy {
            bundle_hash: TaggedDigest::sha256(b"permit(principal, action, resource);"),
            enforcement_mode: EnforcementMode::Enforce,
            version: None,
            policy_uri: None,
        },
        data_class: "vertraulich \u{2602} \u{1f600}".to_owned(),
        transcript: transcript::measure(TRANSCRIPT.as_bytes(), Form::JcsEntries)?,
        build: BuildProvenance {
            slsa_level: 0,
            builder: None,
            digest: TaggedDigest::sha256(b"the running binary"),
            provenance_uri: None,
            provenance_depth: None,
        },
        verifier: Uri::parse("https://countersign.invalid/verifier/none")?,
    })
}

/// The session's record, logged at a place that was named before it was signed.
fn anchored(now: Timestamp) -> Result<TrustRecord, Box<dyn Error>> {
    let mut record = session(now)?.record(Profile::V02);
    record.transparency = Some(Uri::parse("https://log.countersign.invalid/batch/1")?);
    record.runtime.nonce = Some(NONCE.to_owned());
    Ok(record)
}

/// A bundle that revokes a key nobody here uses.
fn revocations(now: Timestamp, recovery: &SigningKey) -> Result<Value, Box<dyn Error>> {
    let revoked = PublicKey::from(&SigningKey::from_bytes(&[9; 32]));
    let statement = Statement {
        compromised_key_id: revoked.thumbprint(),
        last_valid_entry_id: "41",
        revoked_after_entry: Some("42"),
        log_id: "countersign.invalid/log",
        reason: Some("key compromise"),
        revoked_at: None,
    };
    let statements = [statement.sign(recovery)?];
    Ok(sign_bundle(statement.log_id, now, now.plus(Duration::from_hours(24)), &statements, recovery)?)
}

fn anchored_record_with_invented_hardware(now: Timestamp) -> Result<TrustRecord, Box<dyn Error>> {
    let mut record = anchored(now)?;
    record.runtime.platform = Platform::AmdSevSnp;
    record.runtime.measurement = TaggedDigest::sha256(b"invented");
    record.appraisal.status = AppraisalStatus::Affirming;
    Ok(record)
}
