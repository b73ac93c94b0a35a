//! Anchors: the inclusion vectors, and batches made here.

use countersign_core::Timestamp;
use countersign_evidence::trace::anchor::{Batch, NotIncluded, ProducerId, Receipt, leaf};
use countersign_evidence::trace::digest::TaggedDigest;
use countersign_evidence::trace::json::sorted_ascii;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::{replay, same, text};

#[test]
fn the_anchor_inclusion_vectors_hold() {
    replay("anchor-inclusion", 27, |vector| {
        let claim = &vector["claim"];
        let shown = Receipt::read(&vector["receipt"]).and_then(|receipt| receipt.verify(claim));
        let expected = text(vector, "/expected/tr_anc_002");
        same("inclusion", &if shown.is_ok() { "pass" } else { "fail" }, &expected)?;
        if let Some(construction) = vector.get("construction") {
            same("leaf bytes", &sorted_ascii(claim).unwrap().into(), &construction["canonical_ascii"])?;
            let leaf = TaggedDigest::from(leaf(claim).unwrap());
            same("leaf hash", &Value::from(leaf.as_str()), &construction["leaf_hash"])?;
        }
        Ok(())
    });
}

#[test]
fn a_uri_alone_proves_nothing() {
    assert_eq!(Receipt::read(&Value::Null), Err(NotIncluded::NoReceipt));
}

fn records(count: usize) -> Vec<Value> {
    (0..count).map(|i| json!({"subject": format!("agent-{i}"), "iat": i})).collect()
}

#[test]
fn an_empty_batch_is_none_at_all() {
    assert!(Batch::new(&[]).unwrap().is_none());
}

#[test]
fn a_batch_is_named_by_what_is_in_it_and_not_by_its_order() {
    let (one, mut other) = (records(5), records(5));
    other.reverse();
    let id = |records: &[Value]| Batch::new(records).unwrap().unwrap().id().to_owned();
    assert_eq!(id(&one), id(&other));
    assert_ne!(id(&one), id(&records(4)));
}

#[test]
fn the_registry_line_is_closed_and_in_whole_seconds() {
    let batch = Batch::new(&records(3)).unwrap().unwrap();
    let entry =
        batch.entry(Timestamp::from_millis(1_795_223_326_500), &ProducerId::parse("countersign/0.1.0").unwrap());
    assert_eq!(entry["ts"], "2026-11-21T01:08:46Z");
    assert_eq!(entry["leaf_count"], 3);
    assert_eq!(entry["merkle_root"], batch.root().as_str());
}

#[test]
fn a_producer_is_a_name_and_a_version_that_make_a_file_name() {
    for good in ["countersign/0.1.0", "a.b-c_d/10.20.30-rc.1+x", "0/0.0.0"] {
        assert!(ProducerId::parse(good).is_ok(), "{good}");
    }
    for bad in
        ["", "countersign", "countersign/1.2", "/1.2.3", "a/b/1.2.3", "a../1.2.3", "-a/1.2.3", "a/1.2.x", "a/1..3"]
    {
        assert!(ProducerId::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(ProducerId::parse("countersign/0.1.0").unwrap().file_name(), "countersign-0.1.0.json");
}

#[test]
fn a_path_that_ends_below_the_root_proves_nothing() {
    let records = records(4);
    let receipt = Batch::new(&records).unwrap().unwrap().receipt(0).unwrap();
    let lower = Batch::new(&records[..2]).unwrap().unwrap();
    let short = Receipt { audit_path: receipt.audit_path[..1].to_vec(), merkle_root: lower.root(), ..receipt.clone() };
    assert_eq!(short.verify(&records[0]), Err(NotIncluded::OtherRoot));
    assert_eq!(Receipt { leaf_count: 2, ..short }.verify(&records[0]), Ok(()));
}

proptest! {
    #[test]
    fn every_receipt_of_every_batch_verifies_its_own_record_and_no_other(count in 1usize..40, other in 0usize..40) {
        let records = records(count);
        let batch = Batch::new(&records).unwrap().unwrap();
        for (i, record) in records.iter().enumerate() {
            let receipt = batch.receipt(i).unwrap();
            let wire = serde_json::to_value(&receipt).unwrap();
            prop_assert_eq!(&Receipt::read(&wire).unwrap(), &receipt);
            prop_assert_eq!(receipt.verify(record), Ok(()));
            let wrong = &records[other % count];
            prop_assert_eq!(receipt.verify(wrong).is_ok(), other % count == i);
        }
        prop_assert!(batch.receipt(count).is_none());
    }
}
