//! Chains of delegation: the vectors, in three orders.

use std::collections::BTreeMap;

use countersign_evidence::trace::delegation::{Classification, Context, Credential, follow, record_digest};
use countersign_evidence::trace::digest::{Algorithm, TaggedDigest};
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::profile::Profile;
use countersign_evidence::trace::record::{Delegation, Subject, sign};
use serde_json::Value;

use crate::records::{session, signed, signing_key};
use crate::vectors::{keys, read, replay, same, strings, text};

fn outcome(vector: &Value, records: &[Value]) -> Option<(String, Vec<String>)> {
    let roots = keys(vector, "/context/trusted_root_keys");
    let credentials: BTreeMap<String, Credential> =
        serde_json::from_value(vector["context"]["credentials"].clone()).unwrap();
    let algorithms: Vec<_> = strings(vector, "/context/supported_digest_algorithms")
        .iter()
        .map(|name| Algorithm::parse(name).unwrap())
        .collect();
    let context = Context {
        trusted_root_keys: &roots,
        credentials: &credentials,
        data_classes: &strings(vector, "/context/data_class_lattice"),
        max_depth: usize::try_from(vector["context"]["max_depth"].as_u64().unwrap()).unwrap(),
        algorithms: &algorithms,
    };
    let chain = follow(&TaggedDigest::parse(text(vector, "/context/leaf")).unwrap(), records, &context)?;
    let mut codes: Vec<_> = chain.findings.iter().map(|finding| finding.code().to_owned()).collect();
    codes.sort();
    Some((chain.classification.code().to_owned(), codes))
}

#[test]
fn the_delegation_vectors_hold_in_any_order() {
    replay("delegation-link", 24, |vector| {
        let mut codes = strings(vector, "/expected/codes");
        codes.sort();
        let expected = Some((text(vector, "/expected/classification").to_owned(), codes));
        let mut records = vector["records"].as_array().unwrap().clone();
        for order in ["as given", "reversed", "rotated"] {
            same(order, &outcome(vector, &records), &expected)?;
            if order == "as given" { records.reverse() } else { records.rotate_left(1) }
        }
        Ok(())
    });
}

#[test]
fn a_leaf_that_is_not_there_has_no_chain() {
    let vector = read("delegation-link/01-valid-single-hop.json");
    assert_eq!(outcome(&vector, &vector["records"].as_array().unwrap()[1..]), None);
}

#[test]
fn a_credential_holds_in_its_first_and_last_second() {
    let parent = signed();
    let mut hop = session().record(Profile::V02);
    hop.subject = Subject::parse("spiffe://example.org/agent/helper").unwrap();
    hop.delegation = Some(Delegation {
        parent_record_hash: record_digest(&parent, Algorithm::Sha256).unwrap(),
        credential_id: "c".to_owned(),
    });
    let iat = i64::try_from(hop.iat).unwrap();
    let hop = sign(&hop, &signing_key()).unwrap();
    let leaf = record_digest(&hop, Algorithm::Sha256).unwrap();
    let records = [parent.clone(), hop.clone()];
    for (not_before, not_after, holds) in
        [(iat, iat, true), (iat + 1, iat + 1, false), (iat - 1, iat - 1, false), (iat, iat + 9, true)]
    {
        let credential = Credential {
            issuer: text(&parent, "/subject").to_owned(),
            holder: text(&hop, "/subject").to_owned(),
            not_before,
            not_after,
        };
        let context = Context {
            trusted_root_keys: &[PublicKey::from(&signing_key())],
            credentials: &BTreeMap::from([("c".to_owned(), credential)]),
            data_classes: &[],
            max_depth: 1,
            algorithms: &[Algorithm::Sha256],
        };
        let chain = follow(&leaf, &records, &context).unwrap();
        assert_eq!(chain.classification == Classification::Verified, holds, "{:?}", chain.findings);
    }
}
