//! Rego among the policies: it refuses or holds, and never permits.

#![cfg(test)]

use std::sync::Arc;

use countersign_core::chain::Tally;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use countersign_policy::{
    Decision, Fallback, Fault, Obligation, Outcome, PolicySet, Request, SessionFacts, Source, Tools,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const PERMIT: &str = "@id(\"permit-all\") permit (principal, action, resource);";

const EGRESS: &str = r#"package countersign

deny contains msg if {
    input.tool == "http/get"
    url := input.arguments.url
    not startswith(url, "https://api.example.com/")
    msg := sprintf("`%s` is not the API", [url])
}

escalate contains "the amount is large" if input.arguments.amount > 100
"#;

fn load(files: &[(&str, &str)]) -> Result<PolicySet, Vec<Fault>> {
    let sources: Vec<_> = files.iter().map(|(file, text)| Source { file, text }).collect();
    PolicySet::load(&sources, Tools::default())
}

fn decide(files: &[(&str, &str)], tool: &str, arguments: Value) -> Decision {
    let set = load(files).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let Value::Object(arguments) = arguments else { panic!("not an object: {arguments}") };
    Arc::new(set).worker().unwrap().decide(&request(tool, &arguments))
}

fn request<'a>(tool: &'a str, arguments: &'a Map<String, Value>) -> Request<'a> {
    Request {
        organisation: "acme",
        agent: "agent_1",
        agent_name: "billing-bot",
        tool,
        effect: Effect::Mutating,
        arguments,
        session: None,
        delegation_depth: 0,
        trust: 500,
        suspicion: None,
        now: Timestamp::parse("2026-11-21T13:05:00Z").unwrap(),
        taint: &[],
    }
}

fn ids(decision: &Decision) -> Vec<&str> {
    decision.by.iter().map(|policy| policy.id.as_str()).collect()
}

#[test]
fn a_deny_beats_every_permit_and_its_message_is_the_reason() {
    let files = [("p.cedar", PERMIT), ("egress.rego", EGRESS)];
    let refused = decide(&files, "http/get", json!({"url": "https://api.example.com:x@evil.example/"}));
    assert_eq!((refused.outcome, ids(&refused)), (Outcome::Forbid, vec!["egress.rego:deny"]));
    assert_eq!(refused.reason(), Some("`https://api.example.com:x@evil.example/` is not the API"));
    assert_eq!(refused.code(), Some("policy_forbids"));
    let silent = decide(&files, "http/get", json!({"url": "https://api.example.com/v1"}));
    assert_eq!((silent.outcome, ids(&silent)), (Outcome::Permit, vec!["permit-all"]));
}

#[test]
fn an_escalate_holds_what_is_permitted_and_permits_nothing_itself() {
    let large = json!({"amount": 101});
    let held = decide(&[("p.cedar", PERMIT), ("egress.rego", EGRESS)], "pay/out", large.clone());
    assert_eq!((held.outcome, ids(&held)), (Outcome::Permit, vec!["egress.rego:escalate", "permit-all"]));
    let asks = Obligation::RequireApproval("the amount is large".to_owned());
    assert_eq!(held.obligations().collect::<Vec<_>>(), [&asks]);
    let alone = decide(&[("egress.rego", EGRESS)], "pay/out", large);
    assert_eq!((alone.outcome, ids(&alone)), (Outcome::Hold, vec!["egress.rego:escalate"]));
    assert!(!alone.allows(Fallback::Deny), "what nobody permits is refused, approval or not");
    assert_eq!((alone.code(), alone.obligations().count()), (Some("policy_unmatched"), 1));
}

#[test]
fn it_sees_what_cedar_sees_and_the_arguments_of_every_tool() {
    let (set, with) = ("input.arguments.to.name == \"x\"", json!({"to": {"name": "x"}, "list": [1, 2.5]}));
    let session =
        SessionFacts { id: "sess_1", mode: Mode::ReadOnly, tally: Tally { total: 7, read: 3, write: 2, denied: 1 } };
    for condition in [
        set,
        "input.arguments.list == [1, 2.5]",
        "input.organisation == \"acme\"; input.agent == {\"id\": \"agent_1\", \"name\": \"billing-bot\"}",
        "input.tool == \"github/create_issue\"; input.server == \"github\"; input.effect == \"mutating\"",
        "input.session == {\"id\": \"sess_1\", \"mode\": \"read_only\", \"calls\": 7, \"reads\": 3, \"writes\": 2, \"denied\": 1}",
        "input.delegation_depth == 2; input.trust == 500; \"web\" in input.taint",
        "input.behaviour == {\"probing\": false, \"bursting\": false}",
        "input.time == {\"at\": \"2026-11-21T13:05:00.000Z\", \"hour\": 13, \"minute\": 5, \"weekday\": 6}",
        "regex.match(`^git`, input.tool); glob.match(\"github/*\", [], input.tool)",
    ] {
        let text = format!("package countersign\ndeny contains \"no\" if {{ {condition} }}");
        let set = load(&[("a.rego", &text)]).unwrap_or_else(|faults| panic!("{condition}: {faults:#?}"));
        let (taint, Value::Object(arguments)) = (["web".to_owned()], with.clone()) else { panic!() };
        let about = Request {
            session: Some(session),
            delegation_depth: 2,
            taint: &taint,
            ..request("github/create_issue", &arguments)
        };
        let said = Arc::new(set).worker().unwrap().decide(&about);
        assert_eq!(said.outcome, Outcome::Forbid, "{condition}: {:?}", said.errors);
    }
}

#[test]
fn what_fails_refuses_and_is_never_taken_for_silence() {
    for (body, part) in [
        ("deny contains msg if { msg := to_number(input.arguments.text) }", "could not parse"),
        ("deny contains 5", "not a text"),
        (
            "deny contains msg if { some a in numbers; some b in numbers; some c in numbers; some d in numbers
            some e in numbers; a + b + c + d + e < 0; msg := \"never\" }
        numbers := [x | some i, _ in input.arguments.many; x := i]",
            "steps",
        ),
        ("escalate contains msg if { 1 / input.arguments.zero > 0; msg := \"x\" }", "divide"),
    ] {
        let (text, many) = (format!("package countersign\n{body}\n"), vec![1; 50]);
        let arguments = json!({"text": "abc", "zero": 0, "many": many});
        let decision = decide(&[("p.cedar", PERMIT), ("a.rego", &text)], "a/b", arguments);
        assert_eq!((decision.outcome, decision.errors.len()), (Outcome::Failed, 1), "{body}");
        assert!(decision.errors[0].message.contains(part), "{}", decision.errors[0].message);
        assert_eq!(decision.code(), Some("policy_failed"));
    }
}

#[test]
fn the_bound_on_work_is_the_same_on_every_machine() {
    let text = "package countersign\ndeny contains \"x\" if { some a in input.arguments.many; some b in input.arguments.many; a + b < 0 }";
    let fails = |many: usize| {
        let said = decide(&[("a.rego", text)], "a/b", json!({"many": vec![1; many]}));
        said.outcome == Outcome::Failed
    };
    let first = (1..400).find(|many| fails(*many));
    assert!(first.is_some_and(|many| fails(many) && fails(many) && !fails(many - 1)), "{first:?}");
}

fn fault(text: &str) -> String {
    let found = load(&[("a.rego", text)]).err().unwrap_or_else(|| panic!("it loads: {text}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].to_string()
}

#[test]
fn what_cannot_be_is_an_error_with_its_place() {
    let module = |rest: &str| format!("package countersign\n\n{rest}\n");
    let deny = |body: &str| module(&format!("deny contains \"x\" if {{\n    {body}\n}}"));
    for (text, at, part) in [
        (deny("input.tool >> 3"), "a.rego:4:17: ", "expecting expression"),
        (deny("input.tool == x"), "a.rego:4:19: ", "`x` is unsafe"),
        (deny("time.now_ns() > 5"), "a.rego:4:5: ", "the time is in `input.time`"),
        (deny("http.send({\"url\": \"x\"}).status_code == 200"), "a.rego:4:5: ", "`http.send`"),
        (deny("rand.intn(\"x\", 5) == 1"), "a.rego:4:5: ", "`rand.intn`"),
        (deny("opa.runtime().version"), "a.rego:4:5: ", "`opa.runtime`"),
        (deny("count(numbers.range(1, 1000000000)) > 5"), "a.rego:4:11: ", "`numbers.range`"),
        (deny("bits.lsh(1, 1000000000) > 5"), "a.rego:4:5: ", "`bits.lsh`"),
        (deny("startwith(input.tool, \"x\")"), "a.rego:4:5: ", "did you mean `startswith`?"),
        (deny("data.lists.blocked[_] == input.tool"), "a.rego:4:5: ", "`data.lists.blocked`"),
        (deny(&format!("x := {}1{}", "[".repeat(40), "]".repeat(40))), "a.rego:4:41: ", "nested"),
        (
            module("allow if input.trust > 5\ndeny contains \"x\" if not allow"),
            "a.rego:3:1: ",
            "may only refuse or escalate",
        ),
        (module("default allow := false\ndeny contains \"x\""), "a.rego:3:1: ", "may only refuse or escalate"),
        (module("deny := \"x\" if input.trust > 5"), "a.rego:3:1: ", "not a set of messages"),
        (module("deny if input.trust > 5"), "a.rego:3:1: ", "write `deny contains message if"),
        (module("dney contains \"x\""), "a.rego:1:1: ", "did you mean `deny`?"),
        (module("f(x) := f(x)\ndeny contains \"x\" if f(1)"), "a.rego:3:1: ", "reads itself"),
        (module("a := b\nb := a\ndeny contains \"x\" if a"), "a.rego:3:1: ", "reads itself"),
        ("package authz\ndeny contains \"x\"\n".to_owned(), "a.rego:1:1: ", "no policy reads the package `authz`"),
        (String::new(), "a.rego:", "package"),
    ] {
        let said = fault(&text);
        assert!(said.starts_with(at) && said.contains(part), "{text}\n{said}");
    }
}

#[test]
fn what_would_end_the_process_is_refused_before_it_is_parsed_or_asked() {
    let minus = format!("package countersign\ndeny contains \"x\" if {{ x := {} 1 }}", "- ".repeat(20_000));
    assert!(fault(&minus).contains("operators"));
    let sums = format!("package countersign\ndeny contains \"x\" if {{ x := 1{} }}", " +\n 1".repeat(900));
    assert!(fault(&sums).contains("too deep"), "{}", fault(&sums));
    let rules = (0..2000).map(|n| format!("f{n}(x) := f{}(x)\n", n + 1)).collect::<Vec<_>>().concat();
    let chain = format!("package countersign\n{rules}f2000(x) := x\ndeny contains \"x\" if f0(1)");
    assert!(fault(&chain).contains("at most 32"), "{}", fault(&chain));
    assert!(fault(&format!("package countersign\n# {}", "x".repeat(70_000))).contains("at most 65536"));
}

#[test]
fn the_deepest_that_is_let_through_fits_the_stack_of_a_thread() {
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(12), "][0]".repeat(12));
    let rules = (0..29)
        .map(|n| format!("f{n}(x) := y if {{ y := {} }}\n", nested(&format!("f{}(x)", n + 1))))
        .collect::<Vec<_>>()
        .concat();
    let text = format!("package countersign\n{rules}f29(x) := x\ndeny contains msg if {{ msg := f0(\"deep\") }}");
    let ask = move || decide(&[("a.rego", &text)], "a/b", json!({})).reason().map(str::to_owned);
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(ask).unwrap();
    assert_eq!(thread.join().unwrap().as_deref(), Some("deep"));
}

#[test]
fn the_older_form_of_the_language_is_read_too() {
    let text = "package countersign\ndeny[msg] { input.arguments.n > 3; msg := \"more than 3\" }\n";
    let said = decide(&[("p.cedar", PERMIT), ("a.rego", text)], "a/b", json!({"n": 4}));
    assert_eq!((said.outcome, said.reason()), (Outcome::Forbid, Some("more than 3")));
}

#[test]
fn a_file_of_another_package_is_what_the_others_read() {
    let lists = ("lists.rego", "package lists\nblocked := {\"a/b\"}\nis_blocked(tool) if tool in blocked\n");
    let text =
        "package countersign\nimport data.lists as known\ndeny contains \"blocked\" if known.is_blocked(input.tool)\n";
    let said = |lists| decide(&[("p.cedar", PERMIT), ("a.rego", text), lists], "a/b", json!({})).outcome;
    assert_eq!(said(lists), Outcome::Forbid);
    let other = ("lists.rego", "package lists\nblocked := {\"c/d\"}\nis_blocked(tool) if tool in blocked\n");
    assert_eq!(said(other), Outcome::Permit);
    let digest = |lists| load(&[("p.cedar", PERMIT), ("a.rego", text), lists]).unwrap().digest();
    assert_ne!(digest(lists), digest(other), "what a file reads is part of the set");
    let typo = "package countersign\nimport data.lists\ndeny contains \"x\" if lists.blokced[input.tool]\n";
    let found = load(&[("a.rego", typo), lists]).unwrap_err();
    assert!(found[0].to_string().contains("did you mean `blocked`?"), "{found:#?}");
}

#[test]
fn the_text_is_in_the_digest() {
    let digest = |text: &str| load(&[("p.cedar", PERMIT), ("a.rego", text)]).unwrap().digest();
    let one = "package countersign\ndeny contains \"x\" if input.trust > 5\n";
    assert_ne!(digest(one), digest(&one.replace('5', "6")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_rego_makes_a_call_pass_that_would_not(
        cedar in select(vec![
            "",
            PERMIT,
            "@id(\"some\") permit (principal, action, resource) when { context.trust > 300 };",
            "@id(\"no\") forbid (principal, action, resource) when { context.trust > 600 };",
            "@id(\"all\") permit (principal, action, resource); @id(\"bad\") forbid (principal, action, resource)
             when { context.trust * 9223372036854775807 > 0 };",
        ]),
        rule in select(vec!["deny", "escalate"]),
        operator in select(vec!["<", ">", "==", "!="]),
        (left, right) in (
            select(vec!["input.trust", "input.arguments.n", "to_number(input.arguments.n)", "count(input.tool)"]),
            select(vec!["500", "input.time.hour", "0", "\"x\"", "null"]),
        ),
        (message, trust) in (select(vec!["\"m\"", "5", "true", "input.arguments.n", "\"\""]), 0_u16..1000),
        n in select(vec![json!(1), json!("7"), json!("x"), json!(null), json!([1])]),
    ) {
        let rego = format!("package countersign\n{rule} contains m if {{ {left} {operator} {right}; m := {message} }}\n");
        let mut arguments = Map::new();
        arguments.insert("n".to_owned(), n);
        let about = Request { trust, ..request("a/b", &arguments) };
        let decide = |files: &[(&str, &str)]| Arc::new(load(files).unwrap()).worker().unwrap().decide(&about);
        let (without, with) = (decide(&[("p.cedar", cedar)]), decide(&[("p.cedar", cedar), ("a.rego", &rego)]));
        for fallback in [Fallback::Allow, Fallback::Deny] {
            prop_assert!(without.allows(fallback) || !with.allows(fallback), "{rego}: {with:?}");
        }
        let kept = with.obligations().count() >= without.obligations().count();
        prop_assert!(kept || !with.allows(Fallback::Allow));
    }
}
