//! What is wrong with a policy is said, with its place and what would be right.

#![cfg(test)]

use countersign_policy::{Fault, MAX_POLICY_BYTES, PolicySet, Source, Tools};

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"type": "object",
    "properties": {"amount": {"type": "integer"}, "to": {"type": "string"}}, "required": ["amount"]}}]}"#;

fn load(text: &str) -> Result<PolicySet, Vec<Fault>> {
    let mut tools = Tools::default();
    tools.declare("payments", Source { file: "tools/payments.json", text: TOOLS }).unwrap();
    PolicySet::load(&[Source { file: "p.cedar", text }], tools)
}

/// The faults of `text`, as they are printed.
fn faults(text: &str) -> Vec<String> {
    load(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn fault(text: &str) -> String {
    let found = faults(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

fn says(text: &str, parts: &[&str]) {
    let found = fault(text);
    for part in parts {
        assert!(found.contains(part), "`{part}` is not in `{found}`");
    }
}

#[test]
fn every_statement_that_cannot_be_read_is_named_not_just_the_first() {
    let text = "@id(\"a\")\npermit (principal, action resource);\n\n@id(\"b\")\nforbid (principal, action, resource) wen { true };\n";
    let found = faults(text);
    assert!(found[0].starts_with("p.cedar:2:27: ") && found[1].starts_with("p.cedar:5:38: "), "{found:#?}");
}

#[test]
fn a_misspelt_argument_attribute_or_effect_is_an_error_with_the_nearest_right_name() {
    let forbid = |when: &str| {
        format!("@id(\"a\")\nforbid (principal, action == Action::\"payments/transfer\", resource)\nwhen {{ {when} }};")
    };
    says(&forbid("context.arguments.amuont > 5"), &["p.cedar:3:8: ", "`arguments.amuont`", "did you mean `amount`?"]);
    says(&forbid("context.arguments.amount > \"5\""), &["p.cedar:3:35: ", "expected Long but saw String"]);
    says(&forbid("context.arguments.to == \"x\""), &["p.cedar:3:8: ", "has"]);
    says(&forbid("context.sesion.calls > 1"), &["p.cedar:3:8: ", "did you mean `session`?"]);
    says(&forbid("context.effect == Effect::\"raed\""), &["raed"]);
    says(&forbid("principal in Team::\"x\""), &["Team"]);
    assert!(load(&forbid("context.arguments.amount > 5")).is_ok());
}

#[test]
fn a_tool_that_is_not_declared_is_no_action() {
    let text = "@id(\"a\") permit (principal, action == Action::\"payments/transfr\", resource);";
    says(text, &["p.cedar:1:", "payments/transfr", "did you mean `Action::\"payments/transfer\"`?"]);
}

#[test]
fn what_is_named_far_off_suggests_nothing_and_says_where_it_would_be_declared() {
    let action = "@id(\"a\") permit (principal, action == Action::\"crm/search\", resource);";
    assert_eq!(
        fault(action),
        "p.cedar:1:39: for policy `a`, unrecognized action `Action::\"crm/search\"`; `tools/crm.json` does not declare it"
    );
    // Of an argument that is declared with a type nobody knows, and of a tool whose schema is elsewhere.
    let limit =
        "@id(\"a\") forbid (principal, action == Action::\"bank/pay\", resource) when { context.arguments.sum > 5 };";
    for (tool, help) in [
        (
            r#"{"name": "pay", "inputSchema": {"properties": {"sum": {"type": "intger"}, "to": {"type": "string"}}}}"#,
            "gives it no type",
        ),
        (
            r#"{"name": "pay", "inputschema": {"properties": {"sum": {"type": "integer"}}}}"#,
            "declares no arguments of this tool",
        ),
    ] {
        let mut tools = Tools::default();
        tools.declare("bank", Source { file: "tools/bank.json", text: &format!("{{\"tools\": [{tool}]}}") }).unwrap();
        let found = PolicySet::load(&[Source { file: "p.cedar", text: limit }], tools).unwrap_err();
        let said = found[0].to_string();
        assert!(said.contains("`tools/bank.json`") && said.contains(help) && !said.contains("did you mean"), "{said}");
    }
}

#[test]
fn a_label_that_there_is_not_is_a_warning() {
    let warned = |when: &str| -> Vec<String> {
        let text = format!("@id(\"a\") forbid (principal, action, resource) when {{ {when} }};");
        load(&text).unwrap().warnings().iter().map(ToString::to_string).collect()
    };
    for when in [
        r#"context.taint.contains("untrusted")"#,
        r#"context.taint.containsAny(["secret_seen", "untrusted"])"#,
        r#"context.delegation_depth > 1 && !context.taint.containsAll(["untrusted"])"#,
    ] {
        let warned = warned(when);
        assert!(warned.len() == 1 && warned[0].contains("`context.taint` never has `untrusted`"), "{warned:?}");
        assert!(warned[0].ends_with("did you mean `untrusted_content`?"), "{warned:?}");
    }
    assert!(warned(r#"context.taint.containsAny(["secret_seen", "untrusted_content"])"#).is_empty());
}

#[test]
fn an_argument_that_is_only_looked_for_or_clamped_and_that_no_tool_has_is_a_warning() {
    let warned = |annotation: &str, when: &str| -> Vec<String> {
        let text = format!(
            "@id(\"a\") {annotation} permit (principal, action == Action::\"payments/transfer\", resource) when {{ {when} }};"
        );
        load(&text).unwrap().warnings().iter().map(ToString::to_string).collect()
    };
    let clamp =
        |name: &str| format!("@advice({})", serde_json::json!(format!(r#"{{"clamp": {{"{name}": {{"max": 4}}}}}}"#)));
    let misspelt = warned(&clamp("amuont"), "context.arguments.amount > 0");
    assert!(misspelt.len() == 1 && misspelt[0].contains("`clamp` names `amuont`"), "{misspelt:?}");
    assert!(misspelt[0].ends_with("did you mean `amount`?"), "{misspelt:?}");
    let tested = warned("", "context.arguments.amount > 0 || context.arguments has amuont");
    assert!(tested.len() == 1 && tested[0].contains("`has amuont` is never true"), "{tested:?}");
    assert!(warned(&clamp("amount"), "context.arguments has to && context has session").is_empty());
    // Where any tool may be meant, nobody knows its arguments.
    let any = format!("@id(\"a\") {} permit (principal, action in Action::\"read\", resource);", clamp("amuont"));
    assert!(load(&any).unwrap().warnings().is_empty());
}

#[test]
fn what_is_no_answer_to_tools_list_is_told_what_one_is() {
    let declared = |text: &str| Tools::default().declare("bank", Source { file: "tools/bank.json", text });
    let said = declared(r#"{"tool": []}"#).unwrap_err().to_string();
    assert!(said.starts_with("tools/bank.json:1:1: ") && said.contains(r#"expected `{"tools": [{"name""#), "{said}");
    let said = declared("{\n  \"tools\": [,]}").unwrap_err().to_string();
    assert!(said.starts_with("tools/bank.json:2:13: "), "{said}");
}

#[test]
fn equality_with_an_effect_would_miss_declared_tools() {
    says("@id(\"a\") permit (principal, action == Action::\"read\", resource);", &["`action in Action::\"read\"`"]);
}

#[test]
fn annotations_are_checked_where_they_stand() {
    let with = |annotation: &str| format!("@id(\"a\")\n  {annotation}\nforbid (principal, action, resource);");
    says(&with("@reson(\"x\")"), &["p.cedar:2:3: ", "`@reson` is not an annotation", "did you mean `@reason`?"]);
    says(&with("@code(\"Over Budget\")"), &["p.cedar:2:3: ", "is not a denial code"]);
    says(&with("@shadow(\"yes\")"), &["`@shadow` takes no value"]);
    says(&with("@reason(\"x\") @deny(\"y\")"), &["keep one"]);
    says(&with("@reason(\" \")"), &["has no text"]);
    says(&with("@advice(\"{\")"), &["not a JSON object"]);
    says(&with("@advice(\"{}\")"), &["advises nothing"]);
    says(&with("@advice(\"{\\\"redcat\\\": [\\\"a\\\"]}\")"), &["`redcat`", "did you mean `redact`?"]);
    says(&with("@advice(\"{\\\"redact\\\": [\\\"a\\\"]}\")"), &["a forbid can only advise `notify`"]);
    assert!(
        load(&with("@advice(\"{\\\"notify\\\": [\\\"soc\\\"]}\") @deny(\"no\") @code(\"no_way\") @shadow")).is_ok()
    );
}

#[test]
fn obligations_of_a_permit_are_checked() {
    let with =
        |json: &str| format!("@id(\"a\") @advice({}) permit (principal, action, resource);", serde_json::json!(json));
    for wrong in [
        r#"{"clamp": {"limit": {}}}"#,
        r#"{"clamp": {"limit": {"min": 5, "max": 4}}}"#,
        r#"{"clamp": {"limit": {"maximum": 4}}}"#,
        r#"{"redact": []}"#,
        r#"{"notify": "soc"}"#,
        r#"{"require_approval": true}"#,
    ] {
        says(&with(wrong), &["of `@advice` is not"]);
    }
    says(&with("{\"notify\": [\"a\"]}").replace("permit", "@code(\"x\") permit"), &["on a permit"]);
    let all = r#"{"clamp": {"limit": {"max": 4}}, "redact": ["a.b"], "notify": ["soc"], "require_approval": "why"}"#;
    assert_eq!(load(&with(all)).unwrap().policies()[0].advice.len(), 4);
}

#[test]
fn every_policy_has_an_id_of_its_own() {
    says("permit (principal, action, resource);", &["p.cedar:1:1: ", "without `@id`"]);
    says("@id(\"a b\") permit (principal, action, resource);", &["`a b` is not an id"]);
    let twice = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    says(twice, &["p.cedar:2:1: ", "a second policy", "p.cedar:1"]);
}

#[test]
fn templates_and_heads_that_match_nothing_are_refused() {
    says("@id(\"a\") permit (principal == ?principal, action, resource);", &["p.cedar:1:"]);
    says("@id(\"a\") permit (principal is Tool, action, resource);", &["no request matches"]);
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_before_it_is_parsed() {
    let long = format!("@id(\"a\") permit (principal, action, resource); // {}", "x".repeat(MAX_POLICY_BYTES));
    assert!(load(&long).is_ok(), "a comment is not part of a policy");
    let when = |what: &str| format!("@id(\"a\") permit (principal, action, resource) when {{ {what} }};");
    says(&when(&format!("\"{}\" == \"\"", "x".repeat(MAX_POLICY_BYTES))), &["bytes"]);
    for deep in ["(", "[", "!", "-", "{a:"] {
        says(&when(&deep.repeat(10_000)), &["deep"]);
    }
    // What nests without brackets stops at the size.
    for wide in ["true && ", "if true then true else ", "1 == 1 || ", "{}.a."] {
        let _ = load(&when(&wide.repeat(MAX_POLICY_BYTES / wide.len() - 20)));
        // As much as is compiled.
        let _ = load(&when(&format!("{}true", wide.repeat(1000 / wide.len()))));
    }
}

#[test]
fn the_digest_follows_ids_texts_and_tools_and_nothing_else() {
    let (a, b) =
        ("@id(\"a\") permit (principal, action, resource);", "@id(\"b\") forbid (principal, action, resource);");
    let digest = |sources: &[&str], tools: Tools| {
        let sources: Vec<_> = sources.iter().map(|text| Source { file: "p.cedar", text }).collect();
        PolicySet::load(&sources, tools).unwrap().digest()
    };
    let none = Tools::default;
    let expected = format!("countersign-policies/1\na {}\n{a}\nb {}\n{b}\ntools 0\n", a.len(), b.len());
    assert_eq!(digest(&[a, b], none()), countersign_core::Digest::of(expected.as_bytes()));
    assert_eq!(digest(&[&format!("// why\n{b}\n\n{a}")], none()), digest(&[a, b], none()));
    assert_ne!(digest(&[a], none()), digest(&[a, b], none()));
    let mut tools = none();
    tools.declare("payments", Source { file: "t", text: TOOLS }).unwrap();
    assert_ne!(digest(&[a, b], tools), digest(&[a, b], none()));
}

#[test]
fn a_policy_that_can_never_hold_is_warned_of() {
    let text = "@id(\"a\")\nforbid (principal, action, resource) when { context.arguments has nothing };";
    let set = load(text).unwrap();
    assert_eq!(set.warnings().len(), 1, "{:?}", set.warnings());
    assert_eq!((set.warnings()[0].line, &*set.warnings()[0].file), (1, "p.cedar"));
}

#[test]
fn what_can_never_be_equal_and_what_may_not_be_there_is_an_error_with_its_place() {
    let when = |what: &str| {
        format!("@id(\"a\")\nforbid (principal, action == Action::\"payments/transfer\", resource)\nwhen {{ {what} }};")
    };
    for (wrong, part) in [
        ("context.trust == \"500\"", "String"),
        ("context.arguments.amount == \"5\"", "String"),
        ("context.effect == Effect::\"raed\"", "raed"),
        ("context.taint == \"secret\"", "String"),
        ("context.arguments.to == \"bob\"", "has"),
        ("context.session.calls > 5", "has"),
    ] {
        let found = faults(&when(wrong));
        assert!(found.iter().all(|fault| fault.starts_with("p.cedar:3:")), "{wrong}: {found:#?}");
        assert!(found.iter().any(|fault| fault.contains(part)), "{wrong}: {found:#?}");
    }
}

#[test]
fn a_permit_for_everybody_to_destroy_is_warned_of_where_it_stands() {
    let warned = |text: &str| load(text).unwrap().warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = "// why\n  @id(\"a\") permit (principal, action, resource);";
    let found = warned(all);
    assert!(
        found.len() == 1
            && found[0].starts_with("p.cedar:2:3: `a` permits every agent every `destructive` and `admin` call"),
        "{found:#?}"
    );
    assert!(
        warned("@id(\"a\") permit (principal, action in [Action::\"read\", Action::\"admin\"], resource);")[0]
            .contains("every `admin` call")
    );
    for meant in [
        "@id(\"a\") permit (principal, action in [Action::\"read\", Action::\"mutating\"], resource);",
        "@id(\"a\") permit (principal == Agent::\"ops\", action, resource);",
        "@id(\"a\") permit (principal, action, resource in Server::\"db\");",
        "@id(\"a\") permit (principal, action, resource) when { context.trust > 5 };",
        "@id(\"a\") forbid (principal, action, resource);",
        "@id(\"a\") @shadow permit (principal, action, resource);",
        "@id(\"a\") @advice(\"{\\\"require_approval\\\": \\\"why\\\"}\") permit (principal, action, resource);",
    ] {
        assert_eq!(warned(meant), [""; 0], "{meant}");
    }
}

#[test]
fn an_entity_of_one_type_is_never_one_of_another_and_cedar_says_nothing() {
    let warned = |what: &str| {
        let text = format!("@id(\"a\")\nforbid (principal == Agent::\"a\", action, resource)\nwhen {{ {what} }};");
        load(&text).unwrap().warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (wrong, expected) in [
        (
            "context.trust > 5 || resource == Agent::\"a\"",
            "p.cedar:3:41: `resource` is never `Agent::\"a\"`: it is of the type `Tool`",
        ),
        (
            "context.trust > 5 || Mode::\"standard\" != context.effect",
            "p.cedar:3:29: `context.effect` is never `Mode::\"standard\"`: it is of the type `Effect`",
        ),
        (
            "if principal == Tool::\"x\" then true else context.trust < 1",
            "p.cedar:3:24: `principal` is never `Tool::\"x\"`: it is of the type `Agent`",
        ),
    ] {
        assert!(warned(wrong).iter().any(|warning| warning == expected), "{wrong}: {:#?}", warned(wrong));
    }
    for right in [
        "context.trust > 5 || resource == Tool::\"a/b\"",
        "context.effect == Effect::\"read\" || principal == Agent::\"b\"",
        "context has session && context.session.mode == Mode::\"read_only\"",
        "context.arguments has to || resource in Server::\"a\"",
    ] {
        assert!(!warned(right).iter().any(|warning| warning.contains("is never")), "{right}: {:#?}", warned(right));
    }
}
