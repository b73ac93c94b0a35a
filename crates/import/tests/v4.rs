//! AGT's rule documents of versions 1 to 4: what is carried, and that both answer alike.
#![cfg(test)]

use std::path::PathBuf;
use std::sync::Arc;

use countersign_import::{Imported, Kind, Options, Severity, Strategy, import};
use countersign_policy::cases::question;
use countersign_policy::{PolicySet, Source, Tools};
use serde_json::Value;

const TOOLS: &str = r#"{"tools": [
    {"name": "send", "inputSchema": {"properties": {"amount": {"type": "number"}, "to": {"type": "string"},
        "flag": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}}}}},
    {"name": "drop", "inputSchema": {"properties": {"amount": {"type": "integer"}}}}]}"#;

fn options(tools: Option<&'static str>) -> Options<'static> {
    let (kind, file, server, strategy) = (Kind::AgtV4, "p.yaml", "crm", Strategy::DenyOverrides);
    Options { kind, file, server, tools, strategy, prove: 3000 }
}

fn imported(text: &str, tools: Option<&'static str>) -> Imported {
    let imported = import(text, &options(tools)).unwrap();
    assert!(imported.proof.difference.is_none(), "{text}\n{:?}\n{}", imported.proof, imported.policies);
    imported
}

fn rules(rules: &[&str]) -> String {
    let rules: Vec<_> = rules.iter().enumerate().map(|(n, rule)| format!("  - {{name: r{n}, {rule}}}\n")).collect();
    format!("version: '1.0'\nname: p\nrules:\n{}", rules.concat())
}

#[test]
fn the_first_rule_by_priority_decides() {
    let text = rules(&[
        "condition: {field: tool_name, operator: matches, value: '^(drop_|delete_)'}, action: deny, priority: 1",
        "condition: {field: action, operator: eq, value: drop_cache}, action: allow, priority: 2",
        "condition: {field: action, operator: in, value: [pay, refund]}, action: audit, priority: 3",
        "condition: {field: action, operator: not_in, value: [pay, look]}, action: block",
    ]);
    let imported = imported(&text, None);
    assert_eq!((imported.rules, imported.missing().count()), ((4, 4), 0), "{:#?}", imported.findings);
    assert!(imported.policies.contains("like \"crm/drop_*\""), "{}", imported.policies);
}

#[test]
fn every_operator_is_carried_for_declared_tools() {
    let condition = |field: &str, operator: &str, value: &str| {
        format!("condition: {{field: {field}, operator: {operator}, value: {value}}}, action: deny, priority: 1")
    };
    for (field, operator, value) in [
        ("amount", "gt", "500.5"),
        ("amount", "gte", "500.5"),
        ("amount", "lt", "-3.5"),
        ("amount", "lte", "-3"),
        ("amount", "eq", "500"),
        ("amount", "ne", "500"),
        ("amount", "in", "[1, 2.5]"),
        ("amount", "not_in", "[1, x]"),
        ("to", "contains", "'*@'"),
        ("to", "matches", "'^(a|b)$'"),
        ("to", "not_in", "[a, b]"),
        ("flag", "eq", "true"),
        ("flag", "ne", "1"),
        ("tags", "contains", "pii"),
    ] {
        let imported = imported(&rules(&[&condition(field, operator, value)]), Some(TOOLS));
        assert_eq!(imported.rules, (1, 1), "{field} {operator} {value}: {:#?}", imported.findings);
        assert!(imported.proof.asked > 3 && imported.proof.odd > 5, "{field} {operator} {value}: {:?}", imported.proof);
    }
}

#[test]
fn a_value_of_another_type_is_no_way_around_a_refusal() {
    let text = rules(&["condition: {field: amount, operator: eq, value: 500}, action: deny"]);
    let imported = imported(&text, Some(TOOLS));
    let mut tools = Tools::default();
    tools.declare("crm", Source { file: "t", text: TOOLS }).unwrap();
    let set = PolicySet::load(&[Source { file: "p", text: &imported.policies }], tools).unwrap();
    let mut worker = Arc::new(set).worker().unwrap();
    let mut answer = |amount: &str| {
        let request = format!("when: {{ tool: crm/drop, arguments: {{ amount: {amount} }} }}");
        question(Source { file: "q", text: &request }).unwrap().answer(&mut worker).decision
    };
    assert_eq!((answer("500"), answer("499")), ("forbid", "permit"));
    for odd in ["500.0", "'500'", "true", "[500]", "{ value: 500 }"] {
        assert_eq!(answer(odd), "error", "{odd}");
    }
}

#[test]
fn what_no_call_has_and_what_the_engine_ignores_is_missing_and_named() {
    let text = rules(&[
        "condition: {field: output, operator: contains, value: secret}, action: deny",
        "condition: {field: token_count, operator: gt, value: 5}, action: deny",
        "condition: {field: to, operator: matches, value: '\\d+'}, action: deny",
        "condition: {field: to, operator: gt, value: a}, action: deny, overide: true",
    ]) + "scope: 'src/**'\ntool_allowlist: [read]\ndefaults:\n  action: deny\n  max_tool_calls: 5\n";
    let imported = imported(&text, Some(TOOLS));
    let missing: Vec<_> = imported.missing().map(|finding| (finding.line, finding.severity)).collect();
    let (silent, lost) = (Severity::Silent, Severity::Lost);
    let expected = [(4, lost), (5, lost), (6, lost), (7, lost), (7, silent), (8, silent), (9, silent), (12, silent)];
    assert_eq!(missing, expected, "{:#?}", imported.findings);
}

#[test]
fn what_the_source_would_not_load_is_refused_with_its_line() {
    for (rule, part) in [
        ("condition: {field: a, operator: like, value: x}, action: deny", "`operator: like`"),
        ("condition: {field: a, operator: eq, value: x}, action: warn", "`action: warn`"),
        ("condition: {field: a, operator: eq, value: x}", "no `action`"),
        ("action: deny", "no `condition`"),
        ("condition: {field: a, operator: eq}, action: deny", "no `value`"),
    ] {
        let why = import(&rules(&[rule]), &options(None)).unwrap_err();
        assert!(why.line == 4 && why.message.contains(part), "{rule}: {why}");
    }
}

#[test]
fn documents_made_at_random_are_carried_or_refused_and_never_answered_differently() {
    let vectors: Value = serde_json::from_str(include_str!("../../../vectors/import/agt-v4.json")).unwrap();
    let (mut asked, mut carried) = (0, 0);
    for document in vectors["documents"].as_array().unwrap() {
        for tools in [None, Some(TOOLS)] {
            let imported = imported(&document["policy"].to_string(), tools);
            asked += imported.proof.asked;
            carried += imported.rules.1;
        }
    }
    assert!(asked > 2_000 && carried > 60, "{asked} requests, {carried} rules");
}

/// AGT's own data, beside the checkout. It is not part of the repository.
fn shared(name: &str) -> Option<String> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut found = ["../shared/data/agt", "../../shared/data/agt"].iter().map(|folder| root.join(folder).join(name));
    let text = found.find_map(|path| std::fs::read_to_string(path).ok());
    if text.is_none() {
        assert!(std::env::var_os("CI").is_none(), "`../shared/data/agt/{name}` is not there, and this is CI");
        eprintln!("skipped: the replay fixtures, because `../shared/data/agt/{name}` is not there");
    }
    text
}

#[test]
fn the_replay_fixtures_that_are_calls_are_answered_as_they_were_recorded() {
    let names = ["general-saas-fixtures.json", "k8s-agent-fixtures.json", "sql-agent-fixtures.json"];
    let Some(document) = shared("v4-general-saas.yaml") else { return };
    let imported = import(&document, &options(None)).unwrap();
    assert!(imported.proof.difference.is_none(), "{:?}\n{}", imported.proof, imported.policies);
    let lost: Vec<_> = imported.missing().map(|finding| finding.message.as_str()).collect();
    assert!(imported.rules.0 > imported.rules.1 && !lost.is_empty());
    let set = PolicySet::load(&[Source { file: "p", text: &imported.policies }], Tools::default()).unwrap();
    let mut worker = Arc::new(set).worker().unwrap();
    let (mut held, mut others) = (0, Vec::new());
    for name in names {
        let Some(text) = shared(&format!("fixtures/{name}")) else { return };
        for fixture in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
            let Some(action) = fixture["input"]["action"].as_str() else {
                let about: Vec<&str> = ["input", "output", "token_count", "tool_call_count"]
                    .into_iter()
                    .filter(|about| !fixture["input"][about].is_null())
                    .collect();
                assert!(!about.is_empty(), "{}: neither a call nor what is left out on purpose", fixture["id"]);
                others.push(format!("{} ({})", fixture["id"].as_str().unwrap(), about.join(", ")));
                continue;
            };
            let request = format!("when: {{ tool: crm/{action} }}");
            let answer = question(Source { file: "q", text: &request }).unwrap().answer(&mut worker);
            let said = if answer.decision == "permit" { "allow" } else { "deny" };
            assert_eq!(said, fixture["expected_verdict"], "{}: {answer:?}", fixture["id"]);
            held += 1;
        }
    }
    println!(
        "{} of {} rules carried; {held} fixtures are calls and held, {} are about what a model was told or said, or a host \
         counts: {}",
        imported.rules.1,
        imported.rules.0,
        others.len(),
        others.join("; ")
    );
    assert!(held >= 10, "{held}");
}
