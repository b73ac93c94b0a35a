use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Ran, run};

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"properties": {"amount": {"type": "integer"},
    "any": {}}, "required": ["amount"]}}]}"#;
const LIMIT: &str = r#"@id("limit")
@code("too_much")
@reason("at most 5")
forbid (principal, action == Action::"payments/transfer", resource)
when { context.arguments.amount > 5 };
"#;
const CASES: &str = "
- name: six are too many
  when: { tool: payments/transfer, arguments: { amount: 6 } }
  then: { decision: forbid, by: [limit] }
";

/// A folder with one policy, its tool and a case.
fn folder(policy: &str, cases: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [("p.cedar", policy), ("tools/payments.json", TOOLS), ("cases/c.yaml", cases)] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn policy(verb: &str, dir: &Path, more: &[&str]) -> Ran {
    run(["policy", verb, dir.to_str().unwrap()].iter().chain(more))
}

#[test]
fn every_starter_pack_is_valid_formatted_and_tested_in_every_policy() {
    let packs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"));
    let mut seen = 0;
    for pack in fs::read_dir(&packs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let checked = policy("check", &pack, &[]).exits(0);
        assert_eq!(checked.err, "", "{}", pack.display());
        policy("fmt", &pack, &["--check"]).exits(0);
        policy("test", &pack, &["--require-coverage"]).exits(0);
        seen += 1;
    }
    assert!(seen >= 4, "{seen} packs");
    policy("check", &packs, &[]).exits(0);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_all_of_it() {
    let dir = folder(&LIMIT.replace("arguments.amount", "arguments.amuont"), CASES);
    policy("check", dir.path(), &[]).refused(&["p.cedar:5:8: ", "`arguments.amuont`", "did you mean `amount`?"]);
    fs::write(dir.path().join("q.cedar"), "permit (principal, action, resource);\n@id(\"a\") permit (;").unwrap();
    policy("check", dir.path(), &[]).refused(&["q.cedar:1:1: ", "without `@id`", "q.cedar:2:"]);
    for verb in ["test", "explain", "diff"] {
        let path = dir.path().to_str().unwrap();
        let more: &[&str] = match verb {
            "explain" => &["--request", "/dev/null"],
            "diff" => &[path],
            _ => &[],
        };
        policy(verb, dir.path(), more).exits(3);
    }
    policy("check", Path::new("/does/not/exist"), &[]).refused(&["cannot read the folder `/does/not/exist`"]);
    policy("check", &dir.path().join("p.cedar"), &[]).refused(&["p.cedar` is a file: expected the folder"]);
    // Hardly the folder that was meant.
    let empty = policy("check", tempfile::tempdir().unwrap().path(), &[]).exits(0);
    assert!(empty.err.contains("has no policies: expected files `*.cedar`"), "{empty:?}");
    let dir = folder(LIMIT, "- name: x\n  when: { tool: t }\n  then: { decision: deny }\n");
    policy("check", dir.path(), &[]).refused(&["cases/c.yaml:3:", "`deny`", "`forbid`"]);
    policy("check", folder(LIMIT, "name: x\n").path(), &[]).refused(&["cases/c.yaml:1:1: ", "begins with `- name:`"]);
}

#[test]
fn a_case_that_fails_and_a_policy_without_one_fail_in_ci() {
    let dir = folder(LIMIT, CASES);
    let good = policy("test", dir.path(), &["--require-coverage"]).exits(0);
    assert_eq!(good.out, "1 of 1 cases hold; 1 of 1 policies applied\n");
    fs::write(dir.path().join("q.cedar"), "@id(\"idle\") forbid (principal == Agent::\"x\", action, resource);")
        .unwrap();
    let uncovered = policy("test", dir.path(), &[]).exits(0);
    assert!(uncovered.err.contains("`idle` applies in no case"), "{uncovered:?}");
    policy("test", dir.path(), &["--require-coverage"]).exits(2);

    let misspelt = CASES.replace("payments/transfer", "payments/transfr");
    let said = policy("test", folder(LIMIT, &misspelt).path(), &[]).exits(2).err;
    assert!(said.contains("six are too many: ") && said.contains("did you mean `payments/transfer`?"), "{said}");

    let dir = folder(LIMIT, &CASES.replace("amount: 6", "amount: 5"));
    let report = dir.path().join("junit.xml");
    let failed = policy("test", dir.path(), &["--junit", report.to_str().unwrap()]).exits(2);
    assert!(failed.out.contains("six are too many") && failed.out.contains("expected \"forbid\", got \"none\""));
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("tests=\"1\" failures=\"1\"") && report.contains("name=\"six are too many\""), "{report}");
    policy("test", folder(LIMIT, "[]").path(), &[]).refused(&["has no cases"]);
}

#[test]
fn fmt_changes_layout_only_and_check_changes_nothing() {
    let ugly = format!("// why\n{}", LIMIT.replace('\n', "   "));
    let dir = folder(&ugly, CASES);
    let digest = |dir: &Path| policy("check", dir, &["-o", "json"]).exits(0).json()["policies"].clone();
    let before = digest(dir.path());
    let named = policy("fmt", dir.path(), &["--check"]).exits(2);
    assert_eq!((named.out.as_str(), fs::read_to_string(dir.path().join("p.cedar")).unwrap()), ("p.cedar\n", ugly));
    assert!(named.err.contains("`countersign policy fmt "), "{named:?}");
    policy("fmt", dir.path(), &[]).exits(0);
    policy("fmt", dir.path(), &["--check"]).exits(0);
    assert!(fs::read_to_string(dir.path().join("p.cedar")).unwrap().starts_with("// why\n@id(\"limit\")\n"));
    assert_eq!(before, digest(dir.path()));
    policy("test", dir.path(), &[]).exits(0);
}

#[test]
fn explain_says_who_was_asked_who_decided_and_why() {
    let dir = folder(
        &format!(
            "{LIMIT}@id(\"all\") permit (principal, action, resource);\n@id(\"other\") forbid (principal, action in Action::\"admin\", resource);"
        ),
        CASES,
    );
    let request = dir.path().join("request.yaml");
    fs::write(&request, "when: { tool: payments/transfer, arguments: { amount: 9 } }").unwrap();
    let more = ["--request", request.to_str().unwrap()];
    let said = policy("explain", dir.path(), &more).exits(0).out;
    for part in ["forbid: `limit` forbids it", "at most 5", "2 of 3 policies could apply", "all permits", "p.cedar:1"] {
        assert!(said.contains(part), "`{part}`: {said}");
    }
    assert!(!said.contains("other"), "{said}");
    fs::write(&request, "when: { tool: payments/transfer, arguments: { amount: nine } }").unwrap();
    let said = policy("explain", dir.path(), &more).exits(0).out;
    assert!(said.contains("error: `limit` failed") && said.contains("type error"), "{said}");
    let json = policy("explain", dir.path(), &["--request", more[1], "-o", "json"]).exits(0).json();
    assert_eq!(
        (&json["decision"], &json["by"], &json["code"]),
        (&json!("error"), &json!(["limit"]), &json!("policy_failed"))
    );
}

#[test]
fn diff_shows_what_changes_and_nothing_else() {
    let cases = format!(
        "{CASES}\n- name: one goes\n  when: {{ tool: payments/transfer, arguments: {{ amount: 1 }} }}\n  then: {{ decision: none }}\n"
    );
    let (a, b) = (folder(LIMIT, &cases), folder(&LIMIT.replace("> 5", "> 7"), &cases));
    let b = b.path().to_str().unwrap();
    let changed = policy("diff", a.path(), &[b]).exits(2);
    assert_eq!(changed.out.matches("six are too many").count(), 1, "{changed:?}");
    assert!(changed.out.contains("1 of 4 cases are answered differently"), "{changed:?}");
    assert!(!changed.out.contains("one goes"));
    policy("diff", a.path(), &[a.path().to_str().unwrap()]).exits(0);
    let json = policy("diff", a.path(), &[b, "-o", "json", "--cases", b]).exits(2).json();
    assert_eq!((&json["asked"], &json["changes"][0]["after"]["decision"]), (&json!(2), &json!("none")));
}

#[test]
fn the_schema_of_a_server_types_its_arguments_and_says_what_it_cannot() {
    let dir = folder(LIMIT, CASES);
    let tools = dir.path().join("tools/payments.json");
    let ran = run(["policy", "schema", "--server", "payments", tools.to_str().unwrap()]).exits(0);
    assert!(ran.out.contains("action \"payments/transfer\"") && ran.out.contains("\"amount\": Long"), "{}", ran.out);
    assert!(ran.err.contains("`payments/transfer: any` has no type"), "{}", ran.err);
    assert!(run(["policy", "schema"]).exits(0).out.contains("entity Agent"));
    fs::write(&tools, "{\"tools\": 3}").unwrap();
    run(["policy", "schema", "--server", "payments", tools.to_str().unwrap()]).refused(&["tools/list"]);
}

#[test]
fn rego_in_a_folder_is_checked_explained_and_tested_like_every_policy() {
    let dir = folder(LIMIT, CASES);
    let rego = |text: &str| fs::write(dir.path().join("r.rego"), text).unwrap();
    rego("package countersign\n\nallow if input.trust > 5\n");
    policy("check", dir.path(), &[]).refused(&["r.rego:3:1: ", "Rego may only refuse or escalate"]);
    rego("package countersign\n\ndeny contains \"late\" if {\n    time.now_ns() > 5\n}\n");
    policy("check", dir.path(), &[]).refused(&["r.rego:4:5: ", "`time.now_ns`", "`input.time`"]);
    rego("package countersign\n\ndeny contains \"not to there\" if input.arguments.to == \"x\"\n");
    let checked = policy("check", dir.path(), &["-o", "json"]).exits(0).json();
    assert_eq!(checked["policies"], 2);
    policy("fmt", dir.path(), &[]).exits(0);
    policy("fmt", dir.path(), &["--check"]).exits(0);
    let missing = policy("test", dir.path(), &["--require-coverage"]).exits(2).err;
    assert!(missing.contains("`r.rego:deny` applies in no case"), "{missing}");
    let request = dir.path().join("request.yaml");
    fs::write(&request, "when: { tool: nobody/declared, arguments: { to: x } }").unwrap();
    let told = policy("explain", dir.path(), &["--request", request.to_str().unwrap()]).out;
    assert!(told.contains("r.rego:deny forbids  r.rego:3") && told.contains("not to there"), "{told}");
    let case = "- name: not to there\n  when: { tool: a/b, arguments: { to: x } }\n  then: { decision: forbid, by: ['r.rego:deny'] }\n";
    fs::write(dir.path().join("cases/r.yaml"), case).unwrap();
    policy("test", dir.path(), &["--require-coverage"]).exits(0);
}
