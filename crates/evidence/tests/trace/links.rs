//! Two records of one session.

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_evidence::trace::anchor::Batch;
use countersign_evidence::trace::delegation::record_digest;
use countersign_evidence::trace::digest::{Algorithm, TaggedDigest};
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::link::{Answer, Question, Report, Side, Terms, check, structural_level};
use countersign_evidence::trace::profile::Profile;
use countersign_evidence::trace::record::{Reference, Session, TrustRecord, sign};
use countersign_evidence::trace::transcript::{self, Form};
use countersign_evidence::trace::verify::{Demands, Trust};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use std::time::Duration;

use crate::records::{NOW, session, signed, signing_key};

const TRANSCRIPT: &[u8] = br#"[ {"tool" : "github/create_issue"} ]"#;

fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn second(change: impl Fn(&mut TrustRecord)) -> Value {
    let mut record = Session { issued_at: NOW.plus(Duration::from_secs(5)), ..session() }.record(Profile::V02);
    change(&mut record);
    sign(&record, &other_key()).unwrap()
}

fn report(second: &Value, terms: &Terms<'_>) -> Report {
    let first = signed();
    let keys = [PublicKey::from(&signing_key()), PublicKey::from(&other_key())];
    let side = |record, key| Side { record, trust: Trust::Key(key), receipt: None };
    check(&side(&first, &keys[0]), &side(second, &keys[1]), &Demands::at(NOW), terms)
}

#[test]
fn two_records_of_one_session_link() {
    let terms = Terms {
        transcript: Some((TRANSCRIPT, Form::JcsEntries)),
        same_bundle_form: true,
        within: Some(Duration::from_mins(1)),
    };
    let report = report(&second(|_| {}), &terms);
    assert!(report.is_linked(), "{report:?}");
    assert!(!report.supersedes);
    let open: Vec<_> = report
        .answers
        .iter()
        .filter(|(_, answer)| matches!(answer, Answer::NotPerformed(_)))
        .map(|(question, _)| *question)
        .collect();
    assert_eq!(open, [Question::ExplicitReference, Question::FirstAnchored, Question::SecondAnchored]);
}

#[test]
fn each_difference_is_named_by_itself() {
    let fails = |second: &Value, terms: &Terms<'_>| -> Vec<Question> {
        let report = report(second, terms);
        assert!(!report.is_linked());
        let failed = report.answers.iter().filter(|(_, answer)| matches!(answer, Answer::Fails(_)));
        failed.map(|(question, _)| *question).collect()
    };
    let plain = Terms::default();
    let subject = "did:web:example.org";
    let by_subject = second(|r| r.subject = subject.to_owned().try_into().unwrap());
    assert_eq!(fails(&by_subject, &plain), [Question::SameSubject]);
    let by_hash = second(|r| r.tool_transcript.as_mut().unwrap().hash = TaggedDigest::sha256(b"x"));
    assert_eq!(fails(&by_hash, &plain), [Question::SameTranscript]);
    let by_count = second(|r| r.tool_transcript.as_mut().unwrap().call_count = Some(2));
    assert_eq!(fails(&by_count, &plain), [Question::SameCallCount]);
    let by_policy = second(|r| r.policy.bundle_hash = TaggedDigest::sha256(b"x"));
    assert_eq!(fails(&by_policy, &Terms { same_bundle_form: true, ..plain }), [Question::SamePolicyBundle]);
    let same = second(|_| {});
    let other_form = Terms { transcript: Some((br#"[{"tool":"x"}]"#, Form::JcsEntries)), ..plain };
    assert_eq!(fails(&same, &other_form), [Question::TranscriptRecomputed]);
    let not_one = Terms { transcript: Some((b"{}", Form::JcsEntries)), ..plain };
    assert_eq!(fails(&same, &not_one), [Question::TranscriptRecomputed]);
    assert_eq!(fails(&same, &Terms { within: Some(Duration::from_secs(4)), ..plain }), [Question::IssuedTogether]);
    let mut forged = same.clone();
    forged["data_class"] = "public".into();
    assert_eq!(fails(&forged, &plain), [Question::SecondVerifies]);
}

#[test]
fn bundles_hashed_in_different_ways_are_not_compared() {
    let by_policy = second(|r| r.policy.bundle_hash = TaggedDigest::sha256(b"x"));
    assert!(report(&by_policy, &Terms::default()).is_linked());
}

#[test]
fn a_record_without_a_transcript_links_to_nothing() {
    assert!(!report(&second(|r| r.tool_transcript = None), &Terms::default()).is_linked());
}

#[test]
fn a_reference_by_digest_makes_the_link_explicit() {
    let first = record_digest(&signed(), Algorithm::Sha384).unwrap();
    let referring = second(|r| {
        r.references = Some(vec![Reference {
            rel: "behavior-trace".to_owned(),
            id: "l0".to_owned(),
            resolver: "https://example.org".to_owned(),
            retention: None,
            digest: Some(first.clone()),
        }]);
    });
    let report = report(&referring, &Terms::default());
    assert_eq!(report.answer(Question::ExplicitReference), Some(&Answer::Holds));
}

#[test]
fn an_anchored_record_stands_above_one_that_is_not() {
    let (first, second) = (signed(), second(|_| {}));
    let receipt = Batch::new(std::slice::from_ref(&second)).unwrap().unwrap().receipt(0).unwrap();
    let keys = [PublicKey::from(&signing_key()), PublicKey::from(&other_key())];
    let plain = Side { record: &first, trust: Trust::Key(&keys[0]), receipt: None };
    let anchored = Side { record: &second, trust: Trust::Key(&keys[1]), receipt: Some(&receipt) };
    let demands = Demands::at(NOW);
    assert!(check(&plain, &anchored, &demands, &Terms::default()).supersedes);
    assert!(!check(&anchored, &plain, &demands, &Terms::default()).supersedes);
    let older = sign(
        &Session { issued_at: Timestamp::from_millis(NOW.as_millis() - 1000), ..session() }.record(Profile::V02),
        &other_key(),
    )
    .unwrap();
    let older_receipt = Batch::new(std::slice::from_ref(&older)).unwrap().unwrap().receipt(0).unwrap();
    let older = Side { record: &older, receipt: Some(&older_receipt), ..anchored };
    let report = check(&plain, &older, &demands, &Terms::default());
    assert!(report.is_linked() && !report.supersedes);
    let wrong = Side { receipt: Some(&receipt), ..plain };
    assert!(!check(&wrong, &anchored, &demands, &Terms::default()).is_linked());
}

#[test]
fn no_receipt_lifts_software_above_level_0() {
    assert_eq!(structural_level(&signed(), true), 0);
    let mut claimed = signed();
    claimed["runtime"]["platform"] = "amd-sev-snp".into();
    claimed["runtime"]["nonce"] = "n".into();
    claimed["appraisal"]["status"] = "affirming".into();
    assert_eq!(structural_level(&claimed, true), 1);
    claimed["transparency"] = "https://log.example/1".into();
    assert_eq!((structural_level(&claimed, false), structural_level(&claimed, true)), (1, 2));
}

#[test]
fn a_servers_transcript_is_its_chain_and_counts_decisions() {
    let first = r#"{"event":{"é":1},"kind":"decision"}"#;
    let second = r#"{"event":{},"kind":"outcome"}"#;
    let head = Chain::GENESIS.step(first.as_bytes(), None).step(second.as_bytes(), None).head;
    let measured = transcript::measure(format!("[ {first} , {second} ]").as_bytes(), Form::Chain).unwrap();
    assert_eq!((measured.hash, measured.call_count), (head.into(), Some(1)));
    assert_eq!(Form::parse("countersign-chain/1"), Some(Form::Chain));
}

#[test]
fn the_forms_of_a_transcript_differ_in_floats_and_have_names() {
    let text = br#"[{"data":{"evaluation_ms":1.0},"session_id":null}]"#;
    let [ours, theirs] =
        [Form::JcsEntries, Form::AgtAuditEntries].map(|form| transcript::measure(text, form).unwrap().hash);
    assert_eq!(ours, TaggedDigest::sha256(br#"[{"data":{"evaluation_ms":1},"session_id":null}]"#));
    assert_eq!(theirs, TaggedDigest::sha256(text));
    assert_eq!(Form::parse("agt-auditentry/1"), Some(Form::AgtAuditEntries));
    assert_eq!(Form::parse("jcs-entries/1"), Some(Form::JcsEntries));
    assert_eq!(Form::parse("AGT"), None);
}
