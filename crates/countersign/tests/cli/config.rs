use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Ran, countersign, ran, run};

fn command(verb: &str, dir: &Path, text: &str) -> Ran {
    let file = dir.join("countersign.toml");
    std::fs::write(&file, text).unwrap();
    run(["config", verb, "-o", "json", "--config", file.to_str().unwrap()])
}

const RIGHT: &str = "[storage]\ndata_dir = 'data'\n";

#[test]
fn what_is_wrong_is_named_with_what_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("[server]\nlisten_on = []\n", &["`server.listen_on`", "did you mean `server.listen`"]),
        ("[sever]\nlisten = []\n", &["`sever`", "did you mean `server`"]),
        ("[server]\ndata_dir = 'x'\n", &["`server.data_dir`", "did you mean `storage.data_dir`"]),
        ("data_dir = 'x'\n", &["`data_dir`", "did you mean `storage.data_dir`"]),
        ("[limits]\nagents_per_minute = 1\n", &["did you mean `limits.agent_per_minute`"]),
        ("[log]\nzzz = 1\n", &["`log.zzz`", "config schema"]),
        ("[log]\nlevle = 'info'\n[recordng]\n", &["did you mean `log.level`", "did you mean `recording`"]),
        ("", &["`storage.data_dir` is missing"]),
        ("[storage]\ndata_dir = 3\n", &["data_dir = 3", "expected"]),
        ("[storage\n", &["[storage"]),
        ("[storage]\ndata_dir = 'd'\n[server]\nlisten = ['example']\n", &["`example`", "expected IP:PORT"]),
        ("[storage]\ndata_dir = 'd'\n[server]\nlisten = []\n", &["at least one address"]),
        ("[storage]\ndata_dir = 'd'\n[server]\nworkers = 0\n", &["workers = 0"]),
        ("[storage]\ndata_dir = 'd'\n[server]\npublic_urls = ['x']\n", &["`x` is not a base URL"]),
        ("[storage]\ndata_dir = 'd'\n[sessions]\nlifetime_seconds = 0\n", &["from 1 to 2592000"]),
        ("[storage]\ndata_dir = 'd'\n[recording]\nread_durability = 'never'\n", &["`never`", "`sync`"]),
        ("[storage]\ndata_dir = 'd'\n[bootstrap]\nadmin_key_file = 'none'\n", &["cannot read", "none"]),
        ("[storage]\ndata_dir = 'd'\n[evidence]\norigin = 'a log'\n", &["`evidence.origin`", "`a log`"]),
        (
            "[storage]\ndata_dir = 'd'\n[evidence]\nwitness_quorum = 1\n",
            &["`evidence.witness_quorum` is 1", "0 witnesses"],
        ),
        (
            "[storage]\ndata_dir = 'd'\n[[evidence.witnesses]]\nurl = 'witness.example'\nkey = 'x'\n",
            &["`evidence.witnesses`", "`witness.example` is not a base URL"],
        ),
        (
            "[storage]\ndata_dir = 'd'\n[[evidence.witnesses]]\nurl = 'http://w'\nkey = 'x'\n",
            &["`evidence.witnesses`", "`x`", "expected a verifier key"],
        ),
        ("[storage]\ndata_dir = 'd'\n[[evidence.witnesses]]\nurl = 'http://w'\n", &["missing field `key`"]),
        (
            "[storage]\ndata_dir = 'd'\n[server]\nlisten = ['x']\n[sessions]\nlifetime_seconds = 0\n",
            &["server.listen", "sessions.lifetime_seconds"],
        ),
    ];
    for (text, said) in cases {
        command("check", dir.path(), text).refused(said);
    }
}

#[test]
fn the_least_configuration_is_valid_and_its_defaults_are_safe() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(command("check", dir.path(), RIGHT).exits(0).json(), json!({ "valid": true }));
    let shown = command("show", dir.path(), RIGHT).exits(0).json();
    assert_eq!(shown["server"]["listen"], json!(["127.0.0.1:8080"]));
    assert_eq!(shown["recording"]["read_durability"], "sync");
    assert_eq!(shown["storage"]["data_dir"], dir.path().join("data").to_str().unwrap());
}

#[test]
fn what_is_shown_as_toml_is_a_configuration_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("countersign.toml");
    std::fs::write(&file, RIGHT).unwrap();
    let shown = run(["config", "show", "--config", file.to_str().unwrap()]).exits(0).out;
    command("check", dir.path(), &shown).exits(0);
}

#[test]
fn keys_are_checked_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "sk_live_canary_canary_canary";
    let text = format!("{RIGHT}[bootstrap]\nadmin_key_file = 'admin.key'\n");
    std::fs::write(dir.path().join("admin.key"), secret).unwrap();
    let checked = command("check", dir.path(), &text).exits(0);
    assert!(checked.err.contains("warning: others may read"), "{checked:?}");
    let shown = command("show", dir.path(), &text).exits(0);
    assert!(!format!("{checked:?}{shown:?}").contains("canary"), "{shown:?}");

    let file = dir.path().join("countersign.toml");
    let with_variable = |key: &str| {
        let mut command = countersign();
        command.args(["config", "check", "--config"]).arg(&file).env("COUNTERSIGN_BOOTSTRAP_ADMIN_KEY", key);
        ran(&mut command)
    };
    with_variable(secret).exits(0);
    with_variable("sk_live_another_another_another").refused(&["hold different keys"]);
    std::fs::write(dir.path().join("admin.key"), "sk_short").unwrap();
    command("check", dir.path(), &text).refused(&["at least 24 characters"]);
}

#[test]
fn a_missing_file_is_named() {
    run(["config", "check", "--config", "no/such.toml"]).refused(&["cannot read the configuration `no/such.toml`"]);
}

#[test]
fn the_schema_knows_every_section_and_what_is_required() {
    let schema = run(["config", "schema"]).exits(0).json();
    assert_eq!(schema["required"], json!(["storage"]));
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
    for section in ["server", "storage", "recording", "sessions", "limits", "bootstrap", "log"] {
        assert!(schema["properties"][section]["properties"].is_object(), "{section}");
    }
}

#[test]
fn a_witness_is_named_by_a_key_of_its_own_kind_and_only_once() {
    use countersign_evidence::log::note::{Algorithm, KeyName, VerifierKey};
    let dir = tempfile::tempdir().unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]).verifying_key();
    let of = |name: &str, algorithm| VerifierKey::new(KeyName::parse(name).unwrap(), algorithm, key).to_string();
    let witness = |key: &str| format!("[[evidence.witnesses]]\nurl = 'http://127.0.0.1:1'\nkey = '{key}'\n");
    let right = witness(&of("w.example", Algorithm::CosignatureV1));
    command("check", dir.path(), &format!("{RIGHT}[evidence]\nwitness_quorum = 1\n{right}")).exits(0);
    let of_a_log = witness(&of("w.example", Algorithm::Ed25519));
    command("check", dir.path(), &format!("{RIGHT}{of_a_log}")).refused(&["is the key of a log"]);
    let renamed = witness(&of("v.example", Algorithm::CosignatureV1));
    command("check", dir.path(), &format!("{RIGHT}{right}{renamed}")).refused(&["`v.example` is there twice"]);
}
