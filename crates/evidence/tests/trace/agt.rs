//! The toolkit's configuration, read as its documentation shows it.

use countersign_evidence::trace::agt::{InvalidConfig, Settings};
use countersign_evidence::trace::digest::TaggedDigest;
use serde_json::{Value, json};

fn read(config: &Value) -> Result<Settings, InvalidConfig> {
    Settings::from_trace_config(config.as_object().unwrap())
}

#[test]
fn the_documented_configuration_works_unchanged() {
    let digest = TaggedDigest::sha256(b"image");
    let settings = read(&json!({
        "output_path": "session.trace.json", "model_provider": "anthropic", "model_id": "claude-sonnet-4-6",
        "model_version": "20251001", "data_class": "confidential", "build_provenance_slsa_level": 2,
        "build_provenance_digest": digest.as_str(), "appraisal_verifier": "https://verifier.example/v1",
    }))
    .unwrap();
    assert_eq!(settings.model.version.as_deref(), Some("20251001"));
    assert_eq!(settings.build_provenance(&TaggedDigest::sha256(b"measured")).digest, digest);
    assert_eq!((settings.slsa_level, settings.data_class.as_str()), (2, "confidential"));
    assert_eq!(settings.verifier.as_str(), "https://verifier.example/v1");
    assert_eq!(settings.file_for(1, None).as_deref(), Some("session.trace.json"));
}

#[test]
fn what_is_left_out_or_null_has_the_toolkits_default() {
    let measured = TaggedDigest::sha256(b"measured");
    for config in [json!({}), json!({"model_version": null, "build_provenance_digest": null, "data_class": null})] {
        let settings = read(&config).unwrap();
        assert_eq!((settings.model.provider.as_str(), settings.model.model_id.as_str()), ("unknown", "unknown"));
        assert_eq!((settings.slsa_level, settings.data_class.as_str()), (0, "internal"));
        assert_eq!(settings.build_provenance(&measured).digest, measured);
        assert_eq!(settings.file_for(1, None), None);
    }
}

#[test]
fn a_folder_gets_a_file_per_session() {
    let settings = read(&json!({"output_path": "out/"})).unwrap();
    assert_eq!(
        settings.file_for(7, Some("sess_0123456789abcdef")).as_deref(),
        Some("out/trace-7-sess_0123456789a.json")
    );
    assert_eq!(settings.file_for(7, None).as_deref(), Some("out/trace-7-session.json"));
    assert_eq!(settings.file_for(7, Some("../../etc")).as_deref(), Some("out/trace-7-.._.._etc.json"));
}

#[test]
fn a_wrong_name_is_told_the_nearest_right_one() {
    for (wrong, right) in [
        ("model_provder", "did you mean `model_provider`?"),
        ("dataclass", "did you mean `data_class`?"),
        ("slsa_level", "not a field of TraceConfig"),
        ("build_provenance_level", "did you mean `build_provenance_slsa_level`?"),
        ("zzz", "not a field of TraceConfig"),
    ] {
        let error = read(&json!({wrong: "x"})).unwrap_err().to_string();
        assert!(error.contains(right), "{error}");
    }
}

#[test]
fn a_wrong_value_is_told_what_was_expected() {
    for (field, value) in [
        ("build_provenance_slsa_level", json!(4)),
        ("build_provenance_slsa_level", json!("2")),
        ("build_provenance_digest", json!("sha256:e5f6a7b8...")),
        ("appraisal_verifier", json!("self")),
        ("model_provider", json!(1)),
        ("data_class", json!("")),
    ] {
        let error = read(&json!({field: value})).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{field}`: expected ")), "{error}");
    }
}
