//! `govern()` documents: what is carried, what is said of the rest, and that both answer alike.
#![cfg(test)]

use countersign_import::{Imported, Kind, Options, Severity, Strategy, Verdict, import};

const README: &str = r#"apiVersion: governance.toolkit/v1
name: email policy
default_action: allow
rules:
  - name: block-destructive
    condition: "action.type in ['drop', 'delete', 'truncate']"
    action: deny
    description: Destructive operations need a human
    priority: 100
  - name: approve-email
    condition: "action.type == 'send_email'"
    action: require_approval
    approvers: ["security-team"]
    priority: 50
  - name: large
    condition: "action.type == 'transfer' and amount.value > 500.5"
    action: deny
"#;

fn options(prove: usize) -> Options<'static> {
    let (kind, file, server, strategy) = (Kind::AgtGovern, "p.yaml", "crm", Strategy::DenyOverrides);
    Options { kind, file, server, tools: None, strategy, prove }
}

fn imported(text: &str) -> Imported {
    let imported = import(text, &options(3000)).unwrap();
    assert!(imported.proof.difference.is_none(), "{:?}\n{}", imported.proof.difference, imported.policies);
    imported
}

fn said(imported: &Imported) -> Vec<String> {
    imported.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_document_becomes_policies_that_answer_as_it_does() {
    let imported = imported(README);
    assert_eq!(imported.missing().count(), 0, "{:#?}", said(&imported));
    assert_eq!(imported.rules, (3, 3));
    assert!(imported.proof.complete && imported.proof.asked > 20, "{:?}", imported.proof);
    println!("{}\n{}\n{}", imported.policies, imported.tools.as_deref().unwrap_or("-"), imported.cases);
    for part in [
        "Destructive operations need a human",
        "require_approval",
        "greaterThan(decimal(\"500.5\"))",
        "resource in Server::\"crm\"",
    ] {
        assert!(imported.policies.contains(part), "`{part}`: {}", imported.policies);
    }
    assert!(imported.tools.unwrap().contains("\"amount\""));
}

#[test]
fn what_never_matches_there_is_named_with_its_line_and_counts_as_missing() {
    let odd = [
        ("(action.type == 'drop')", "no parentheses"),
        ("not data.safe", "no `not`"),
        ("amount.value == 100", "compare with a text in quotes"),
        ("amount.value > -5", "begins with a digit"),
        ("amount.value = 'x'", "none of"),
        ("to.value contains 'x'", "none of"),
        ("to.value == 'a or b'", "splits at"),
        ("amount > 100", "its value is `amount.value`"),
        ("action.type == 'drop' trailing", "does not look at `trailing`"),
        ("amount.value > 1,000 and action.type == 'pay'", "does not look at `,000`"),
    ];
    for (condition, why) in odd {
        let text = format!("name: p\nrules:\n  - name: r\n    condition: \"{condition}\"\n    action: deny\n");
        let imported = imported(&text);
        let missing: Vec<_> = imported.missing().map(ToString::to_string).collect();
        assert!(missing.iter().any(|said| said.starts_with("p.yaml:4: silent") && said.contains(why)), "{missing:#?}");
        assert!(imported.policies.contains("MISSING"), "{}", imported.policies);
    }
}

#[test]
fn keys_stages_limits_and_parents_are_not_passed_over() {
    let text = "name: p\ndefault_acton: deny\nextends: base.yaml\nrules:\n  - name: a\n    condition: action.type == 'x'\n    \
        stage: post_tool\n  - name: b\n    condition: action.type == 'y'\n    limit: 5/hour\n    sevrity: high\n  - name: c\n    \
        condition: sql.verb == 'DROP'\n  - name: d\n    condition: amount.value > 5\n  - name: e\n    \
        condition: action.type == 'z' and x.value > 1 and x.value == 'y'\n";
    let imported = imported(text);
    let missing: Vec<_> = imported.missing().map(|finding| (finding.line, finding.severity)).collect();
    let (silent, lost) = (Severity::Silent, Severity::Lost);
    assert_eq!(
        missing,
        [(2, silent), (3, lost), (5, silent), (10, lost), (11, silent), (13, lost), (14, lost), (16, lost)],
        "{:#?}",
        said(&imported)
    );
    assert_eq!(imported.rules, (5, 0));
}

#[test]
fn warn_and_log_refuse_as_they_do_there() {
    let imported = imported(
        "name: p\ndefault_action: allow\nrules:\n  - {name: w, condition: action.type == 'x', action: warn}\n",
    );
    assert!(said(&imported).iter().any(|said| said.contains("`action: warn` refuses there")), "{:?}", said(&imported));
    assert!(said(&imported)[0].starts_with("p.yaml:2: note: what no rule names is allowed"), "{:?}", said(&imported));
    assert!(imported.policies.contains("forbid"));
}

#[test]
fn every_strategy_is_carried_and_an_order_that_matters_is_kept() {
    let text = "name: p\ndefault_action: deny\nrules:\n\
        - {name: all, condition: action.type, action: allow, priority: 1}\n\
        - {name: not-x, condition: action.type == 'x', action: deny, priority: 0}\n\
        - {name: ask-y, condition: \"action.type in ['y','x']\", action: require_approval, priority: 5}\n\
        - {name: big, condition: \"action.type == 'y' and n.value >= 10\", action: deny, priority: 3}\n";
    for strategy in [Strategy::DenyOverrides, Strategy::AllowOverrides, Strategy::PriorityFirstMatch] {
        let imported = import(text, &Options { strategy, ..options(3000) }).unwrap();
        assert!(imported.proof.difference.is_none(), "{strategy:?} {:?}\n{}", imported.proof, imported.policies);
        assert_eq!(imported.rules, (4, 4));
    }
}

#[test]
fn declared_tools_give_types_and_close_what_no_rule_could_reach() {
    let text = "name: p\ndefault_action: allow\nrules:\n  - {name: big, condition: n.value > 5.5, action: deny}\n  \
        - {name: x, condition: to.value != 'x', action: deny}\n  - {name: y, condition: flag.value, action: require_approval}\n";
    let tools = r#"{"tools": [{"name": "a", "inputSchema": {"properties": {"n": {"type": "integer"}, "to": {"type": "string"}},
        "required": ["n"]}}, {"name": "b", "inputSchema": {"properties": {"flag": {"type": ["boolean", "null"]}}}}]}"#;
    let imported = import(text, &Options { tools: Some(tools), ..options(3000) }).unwrap();
    assert!(imported.proof.difference.is_none(), "{:?}\n{}", imported.proof, imported.policies);
    assert_eq!(imported.rules, (3, 3), "{:#?}", said(&imported));
    assert!(imported.policies.contains("p.undeclared") && imported.policies.contains("> 5"), "{}", imported.policies);
    assert_eq!(imported.tools.as_deref(), Some(tools));
    let odd = tools.replace("\"string\"", "[\"string\", \"integer\"]");
    let imported = import(text, &Options { tools: Some(&odd), ..options(3000) }).unwrap();
    assert!(
        said(&imported).iter().any(|said| said.contains("`to` has no type that Cedar has")),
        "{:#?}",
        said(&imported)
    );
}

#[test]
fn a_document_for_some_agents_speaks_of_those_alone() {
    for agents in ["agent: did:mesh:1", "agents: [did:mesh:1, did:mesh:2]"] {
        let text = format!("name: p\n{agents}\ndefault_action: allow\nrules: []\n");
        let imported = imported(&text);
        assert!(imported.policies.contains("Agent::\"did:mesh:1\"") && imported.proof.asked >= 2);
        assert!(said(&imported)[0].contains("agents are named"), "{:?}", said(&imported));
    }
}

#[test]
fn what_the_source_would_not_load_is_refused_with_its_line() {
    for (text, line, part) in [
        ("rules: []\n", 1, "no `name`"),
        ("name: p\ndefault_action: maybe\n", 2, "expected `allow` or `deny`"),
        ("name: p\nrules:\n  - name: r\n    condition: a.b\n    action: block\n", 5, "`action: block`"),
        ("name: p\nrules:\n  - name: r\n", 3, "no `condition`"),
        ("name: p\napiVersion: v9\n", 2, "governance.toolkit/v1"),
        ("name: p\nname: q\n", 2, "duplicated key"),
        ("- a\n", 1, "expected a mapping"),
        ("name: [\n", 2, ""),
    ] {
        let why = import(text, &options(10)).unwrap_err();
        assert!(why.line == line && why.message.contains(part), "{text}: {why}");
    }
}

#[test]
fn names_and_texts_of_the_document_cannot_write_policies() {
    let text = "name: \"p\\\") permit (principal, action, resource); //\"\ndefault_action: deny\nrules:\n  - name: \"r\\\"\\n\"\n    \
        condition: to.value == 'x\\') || true //' and action.type == 'a'\n    action: allow\n    description: \"d\\\") };\\n permit\"\n";
    let imported = imported(text);
    assert_eq!(imported.policies.matches("permit (").count() + imported.policies.matches("permit(").count(), 1);
    assert_eq!(Verdict::Deny.as_str(), "refuse");
}

#[test]
fn documents_made_at_random_are_carried_or_refused_and_never_answered_differently() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/import/agt-govern.json")).unwrap();
    let (mut asked, mut carried) = (0, 0);
    for document in vectors["documents"].as_array().unwrap() {
        let strategy = match document["strategy"].as_str().unwrap() {
            "deny_overrides" => Strategy::DenyOverrides,
            "allow_overrides" => Strategy::AllowOverrides,
            _ => Strategy::PriorityFirstMatch,
        };
        let text = document["policy"].to_string();
        let properties = r#"{"amount": {"type": "number"}, "to": {"type": "string"}, "flag": {"type": "boolean"},
            "user": {"type": "object", "properties": {"role": {"type": "string"}}}, "missing": {"type": "integer"}}"#;
        let tools: Vec<_> = ["send", "drop", "read"]
            .map(|name| format!(r#"{{"name": "{name}", "inputSchema": {{"properties": {properties}}}}}"#))
            .into();
        let tools = format!(r#"{{"tools": [{}]}}"#, tools.join(","));
        for tools in [None, Some(tools.as_str())] {
            let imported = import(&text, &Options { strategy, tools, ..options(2000) }).unwrap();
            assert!(imported.proof.difference.is_none(), "{text}\n{:?}\n{}", imported.proof, imported.policies);
            asked += imported.proof.asked;
            carried += imported.rules.1;
        }
    }
    assert!(asked > 3_000 && carried > 60, "{asked} requests, {carried} rules");
}
