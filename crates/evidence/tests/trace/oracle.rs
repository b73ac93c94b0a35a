//! The hand-written shapes against the JSON Schemas they stand for: every
//! record of the vectors, with one thing changed at a time, is judged by both.

use countersign_evidence::trace::profile::{LEGACY_PROFILE_V01, Profile};
use countersign_evidence::trace::schema::{bundle_violations, record_violations, statement_violations};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::records::signed;
use crate::vectors::{names, path, read, report};

fn schema(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(&format!("schema/{name}.json"))).unwrap()).unwrap()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// Every pointer in a value, its own first.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            pointers(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), all));
        }
        _ => {}
    }
}

/// `value` with one thing changed, in every way tried here.
fn changed(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    let strange = [
        json!(null),
        json!(""),
        json!("x"),
        json!(0),
        json!(4),
        json!(-1),
        json!(true),
        json!([]),
        json!({}),
        json!(1.5),
        json!([{}]),
        json!(1_800_000_000),
        json!("https://example.org/x"),
        json!("did:web:x"),
        json!("spiffe://d"),
        json!("P1Y2DT3H"),
        json!("P"),
        json!("P1W"),
        json!("PT"),
        json!("P1YT"),
        json!("P1WT1S"),
        json!("P1D2Y"),
        json!("silent"),
        json!("declared"),
        json!("log-import"),
        json!("re-execution"),
        json!("diverged"),
        json!("not-attempted"),
        json!("surface"),
        json!(9_007_199_254_740_993_i64),
        json!("amd-sev-snp"),
        json!("OKP"),
        json!("RSA"),
        json!("sha384:aa"),
        json!(["x"]),
        json!({"kind": "log-import", "producer": "x"}),
    ];
    let mut variants = vec![("unchanged".to_owned(), value.clone())];
    for pointer in &all {
        for replacement in &strange {
            let mut variant = value.clone();
            *variant.pointer_mut(pointer).unwrap() = replacement.clone();
            variants.push((format!("{pointer} = {replacement}"), variant));
        }
        if let Some((parent, name)) = pointer.rsplit_once('/') {
            let mut variant = value.clone();
            if let Some(members) = variant.pointer_mut(parent).and_then(Value::as_object_mut) {
                members.remove(name);
                variants.push((format!("without {pointer}"), variant));
            }
        }
        for (name, member) in
            [("d", json!("x")), ("origin", json!({"kind": "self", "producer": "x"})), ("zz", json!(1))]
        {
            let mut variant = value.clone();
            if let Some(members) = variant.pointer_mut(pointer).and_then(Value::as_object_mut) {
                members.insert(name.to_owned(), member);
                variants.push((format!("{pointer} with {name}"), variant));
            }
        }
    }
    variants
}

/// Judges every variant by both, and prints how many there were.
fn agree(what: &str, values: &[Value], oracle: &Validator, ours: impl Fn(&Value) -> Option<String>) {
    let mut total = 0;
    for value in values {
        for (change, variant) in changed(value) {
            let found = ours(&variant);
            assert_eq!(oracle.is_valid(&variant), found.is_none(), "{what}: {change}: {found:?}");
            total += 1;
        }
    }
    report(&format!("{what} against its schema"), total, total);
}

/// A record with every member a record may have.
fn fullest() -> Value {
    let mut record = signed();
    let digest = record["runtime"]["measurement"].clone();
    let uri = "https://example.org/x";
    let more = json!({
        "model": {"version": "1", "weights_digest": digest, "aibom_uri": uri},
        "runtime": {"rim_uri": uri, "nonce": "n", "firmware_version": "1"},
        "policy": {"version": "1", "policy_uri": uri},
        "tool_transcript": {"transcript_uri": uri},
        "build_provenance": {"builder": "b", "provenance_uri": uri, "provenance_depth": "builder"},
        "appraisal": {
            "policy_ref": uri, "timestamp": 5, "provenance_depth_verified": "surface", "method": "re-execution",
            "re_execution": {"outcome": "diverged", "observed_digest": digest, "reason": "r", "verifier_code_identity": digest},
        },
        "delegation": {"parent_record_hash": digest, "credential_id": "c"},
        "origin": {"kind": "log-import", "producer": "p", "source_event_id": "s", "ingested_at": 1_800_000_000},
        "reproducibility": {
            "function": "f", "code_identity": digest, "code_resolver": "r", "transcript_digest": digest,
            "input_closure": [{"id": "i", "digest": digest, "resolver": "r"}],
        },
    });
    for (name, members) in more.as_object().unwrap() {
        let object = record.as_object_mut().unwrap().entry(name.clone()).or_insert_with(|| json!({}));
        object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    }
    record["transparency"] = uri.into();
    record["references"] =
        json!([{"rel": "x", "id": "i", "resolver": "r", "retention": "P1Y2M3DT4H5M6S", "digest": digest}]);
    record["cnf"]["jwk"]["use"] = json!({"any": [1, null, "x"]});
    record["cnf"]["jwk"]["kid"] = "k".into();
    record
}

fn first(violations: &[impl ToString]) -> Option<String> {
    violations.first().map(ToString::to_string)
}

#[test]
fn records_of_v02_are_judged_as_their_schema_judges_them() {
    let mut records = vec![fullest(), signed()];
    for name in ["valid_level0", "valid_appraisal_full", "valid_openshell_import", "signed_delegated_hop"] {
        records.push(read(&format!("suite-records/{name}.json")));
    }
    records.extend(
        names("reproducibility-claim").iter().map(|n| read(&format!("reproducibility-claim/{n}"))["record"].clone()),
    );
    agree("trace-v0.2", &records, &validator(&schema("trace-v0.2")), |r| first(&record_violations(r, Profile::V02)));
}

#[test]
fn records_of_v01_are_judged_as_their_schema_judges_them() {
    let mut record = signed();
    record["eat_profile"] = LEGACY_PROFILE_V01.into();
    record["transparency"] = "https://example.org/x".into();
    // v0.1 bounds no integer above; what has no canonical form is not signed either way.
    let known = ["9007199254740993", "/cnf/jwk", "/cnf/jwk with d"];
    let oracle = validator(&schema("trace-v0.1"));
    let mut total = 0;
    for (change, variant) in changed(&record) {
        if known.iter().any(|k| change.contains(k)) {
            continue;
        }
        let found = first(&record_violations(&variant, Profile::LegacyV01));
        assert_eq!(oracle.is_valid(&variant), found.is_none(), "{change}: {found:?}");
        total += 1;
    }
    report("trace-v0.1 against its schema", total, total);
}

#[test]
fn bundles_and_statements_are_judged_as_their_schemas_judge_them() {
    let mut bundle = schema("trace-revocation-bundle");
    let statement = schema("trace-revocation");
    // The schema names its part by URL; here it stands in its place.
    bundle["properties"]["statements"]["items"] = statement.clone();
    let vector = |name: &str| read(&format!("revocation-bundle/{name}"))["context"]["bundle"].clone();
    let bundles = [vector("13-statement-names-a-different-key.json"), vector("10-empty-statements-is-evidence.json")];
    agree("trace-revocation-bundle", &bundles, &validator(&bundle), |b| first(&bundle_violations(b)));
    let statements = bundles[0]["statements"].as_array().unwrap();
    agree("trace-revocation", statements, &validator(&statement), |s| first(&statement_violations(s)));
}
