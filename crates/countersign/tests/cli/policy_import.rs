use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Ran, run};

const GOVERN: &str = "apiVersion: governance.toolkit/v1
name: payments
default_action: allow
rules:
  - name: nothing-is-dropped
    condition: action.type in ['drop_table', 'truncate']
    action: deny
  - name: large-transfers
    condition: action.type == 'transfer' and amount.value > 500
    action: require_approval
    priority: 5
";

/// A folder with `text` as `p.yaml`.
fn document(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.yaml"), text).unwrap();
    dir
}

fn import(dir: &TempDir, kind: &str, more: &[&str]) -> Ran {
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let args = ["policy", "import", "--from", kind, &at("p.yaml"), "--to", &at("out"), "--server", "bank"];
    run(args.iter().copied().chain(more.iter().copied()))
}

fn policy(verb: &str, folder: &Path, more: &[&str]) -> Ran {
    run(["policy", verb, folder.to_str().unwrap()].iter().chain(more))
}

#[test]
fn what_is_imported_is_valid_formatted_tested_and_in_every_policy() {
    let dir = document(GOVERN);
    let out = dir.path().join("out");
    let imported = import(&dir, "agt-govern", &[]).exits(0);
    assert!(
        imported.out.contains("2 of 2 rules") && imported.out.contains("requests were answered as"),
        "{imported:?}"
    );
    policy("check", &out, &[]).exits(0);
    policy("fmt", &out, &["--check"]).exits(0);
    policy("test", &out, &["--require-coverage"]).exits(0);
    let text = fs::read_to_string(out.join("imported.cedar")).unwrap();
    assert!(text.contains("payments.large-transfers") && text.contains("require_approval"), "{text}");
    // What is there might be somebody's.
    import(&dir, "agt-govern", &[]).refused(&["is not empty"]);
}

#[test]
fn what_cannot_be_carried_is_refused_and_with_partial_listed_in_what_is_written() {
    let dir = document(&GOVERN.replace("amount.value > 500", "amount.value == 500"));
    let out = dir.path().join("out");
    import(&dir, "agt-govern", &[]).refused(&["p.yaml:9: silent", "large-transfers", "never matches", "--partial"]);
    assert!(!out.exists());
    let partial = import(&dir, "agt-govern", &["--partial", "-o", "json"]).exits(2).json();
    assert_eq!((&partial["rules"], &partial["carried"]), (&2.into(), &1.into()));
    assert!(partial["missing"].as_u64().unwrap() > 0);
    let text = fs::read_to_string(out.join("imported.cedar")).unwrap();
    assert!(text.contains("MISSING") && text.contains("large-transfers"), "{text}");
    policy("test", &out, &["--require-coverage"]).exits(0);
}

#[test]
fn a_document_that_its_own_engine_would_not_load_is_refused_with_its_line() {
    let dir = document(&GOVERN.replace("action: deny", "action: block"));
    import(&dir, "agt-govern", &["--partial"]).refused(&["p.yaml:7: ", "`action: block`", "`deny`"]);
    import(&document("["), "agt-govern", &[]).refused(&["p.yaml:"]);
}

#[test]
fn rule_documents_of_version_4_are_imported_with_the_same_command() {
    let dir = document(
        "version: '1.0'\nname: v4\nrules:\n  - name: no-shell\n    condition: { field: action, operator: matches, value: '^exec_' }\n    \
         action: deny\n  - name: reads\n    condition: { field: action, operator: in, value: [look, list] }\n    action: audit\n\
         defaults: { action: deny }\n",
    );
    let out = dir.path().join("out");
    import(&dir, "agt-v4", &[]).exits(0);
    policy("test", &out, &["--require-coverage"]).exits(0);
    policy("fmt", &out, &["--check"]).exits(0);
}

#[test]
fn a_manifest_of_acs_is_imported_with_its_rego() {
    let dir = document(
        "agent_control_specification_version: 0.3.1-beta\npolicies:\n  p: { type: rego, bundle: policy, query: data.acs.verdict }\n\
         intervention_points:\n  pre_tool_call:\n    tool_name_from: $snap.tool_call.name\n    policy: { id: p }\n    \
         policy_target: $snap.tool_call.args\ntools:\n  search: { type: Tool }\n",
    );
    fs::create_dir(dir.path().join("policy")).unwrap();
    let rego = "package acs\n\ndefault verdict := {\"decision\": \"allow\"}\n\n\
                verdict := {\"decision\": \"deny\", \"reason\": \"no\"} if input.policy_target.value.q == \"x\"\n";
    fs::write(dir.path().join("policy/p.rego"), rego).unwrap();
    let out = dir.path().join("out");
    import(&dir, "acs", &[]).exits(0);
    assert_eq!(fs::read_to_string(out.join("policy/p.rego")).unwrap(), rego);
    policy("check", &out, &[]).exits(0);
    policy("fmt", &out, &["--check"]).exits(0);
    fs::write(dir.path().join("policy/p.rego"), rego.replace("policy_target.value.q", "snapshot.budgets.cost_usd"))
        .unwrap();
    fs::remove_dir_all(&out).unwrap();
    import(&dir, "acs", &[]).refused(&["lost", "input.snapshot.budgets.cost_usd", "--partial"]);
    assert!(!out.exists());
}

#[test]
fn a_manifest_of_acs_with_cedar_lists_what_its_dispatcher_never_matches() {
    let dir = document(
        "agent_control_specification_version: 0.3.1-beta\npolicies:\n  p: { type: cedar, policy_path: acs/p.cedar }\n\
         intervention_points:\n  pre_tool_call:\n    tool_name_from: $snap.tool_call.name\n    policy: { id: p }\n    \
         policy_target: $snap.tool_call.args\ntools:\n  search: { type: Tool }\n  drop: { type: Tool }\n",
    );
    fs::create_dir(dir.path().join("acs")).unwrap();
    let policies = "permit (principal, action, resource);\nforbid (principal, action, resource == Tool::\"drop\");\n\
                    forbid (principal, action, resource) when { context has tool_call };\n";
    fs::write(dir.path().join("acs/p.cedar"), policies).unwrap();
    let out = dir.path().join("out");
    import(&dir, "acs", &[]).refused(&[
        "silent: acs/p.cedar:3: policy 3 reads `context`",
        "never matches",
        "--partial",
    ]);
    assert!(!out.exists());
    import(&dir, "acs", &["--partial"]).exits(2);
    policy("check", &out, &[]).exits(0);
    policy("fmt", &out, &["--check"]).exits(0);
    let text = fs::read_to_string(out.join("imported.cedar")).unwrap();
    assert!(text.contains("MISSING") && text.contains("resource == Tool::\"bank/drop\""), "{text}");
    // What it says in a case.
    fs::create_dir(out.join("cases")).unwrap();
    let case = "- name: a table stays\n  when: { tool: bank/drop }\n  then: { decision: forbid, by: [acs-2] }\n\
                - name: a search is let through\n  when: { tool: bank/search }\n  then: { decision: permit, by: [acs-1] }\n";
    fs::write(out.join("cases/acs.yaml"), case).unwrap();
    policy("test", &out, &[]).exits(0);
}

#[test]
fn the_data_of_a_bundle_is_imported_and_no_file_from_outside_the_folder_of_the_manifest() {
    let manifest = "agent_control_specification_version: 0.3.1-beta\npolicies:\n  p: { type: rego, bundle: policy, query: data.acs.verdict }\n\
         intervention_points:\n  pre_tool_call:\n    policy: { id: p }\n    policy_target: $snap.tool_call.args\n";
    let dir = document(manifest);
    fs::create_dir_all(dir.path().join("policy/limits")).unwrap();
    let rego = "package acs\n\ndefault verdict := {\"decision\": \"allow\"}\n\n\
                verdict := {\"decision\": \"deny\"} if input.policy_target.value.n > data.limits.most\n";
    fs::write(dir.path().join("policy/p.rego"), rego).unwrap();
    fs::write(dir.path().join("policy/limits/data.json"), "{\"most\": 3}").unwrap();
    let out = dir.path().join("out");
    import(&dir, "acs", &[]).exits(0);
    let data = fs::read_to_string(out.join("imported-data/limits.rego")).unwrap();
    assert!(data.contains("most := 3"), "{data}");
    policy("check", &out, &[]).exits(0);
    fs::remove_dir_all(&out).unwrap();
    fs::write(dir.path().join("p.yaml"), manifest.replace("bundle: policy", "bundle: policy, data: ../secret.json"))
        .unwrap();
    import(&dir, "acs", &["--partial"]).refused(&["p.yaml:3: ", "leads out of the manifest's folder"]);
    assert!(!out.exists());
}
