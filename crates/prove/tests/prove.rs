//! Claims about sets of policies, put to a real solver.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_policy::cases::question;
use countersign_policy::{Fallback, PolicySet, Source, Tools};
use countersign_prove::{Claim, Proof, Shown, Solver, Subject, Verdict, built_in, prove};

/// The solver that `compat/solver/install` gets, or that of `CVC5`. CI must have one.
fn solver() -> Option<Solver> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/solver-venv/bin/cvc5");
    let program = std::env::var_os("CVC5").map_or(ours, PathBuf::from);
    if program.exists() {
        return Some(Solver { program, timeout: Duration::from_mins(1) });
    }
    let notice = format!("skipped: there is no solver at {}; `compat/solver/install` gets one", program.display());
    assert!(std::env::var_os("CI").is_none(), "{notice}");
    println!("{notice}");
    None
}

fn tools() -> Tools {
    let text = r#"{"tools": [
        {"name": "get_balance", "inputSchema": {"type": "object", "properties": {"account": {"type": "string"}}}},
        {"name": "transfer", "inputSchema": {"type": "object", "required": ["amount"],
            "properties": {"amount": {"type": "integer"}, "rate": {"type": "number"}, "to": {"type": "string"}}}}
    ]}"#;
    let mut tools = Tools::default();
    tools.declare("bank", Source { file: "tools/bank.json", text }).unwrap();
    tools
}

fn set(text: &str, tools: &Tools) -> Arc<PolicySet> {
    Arc::new(PolicySet::load(&[Source { file: "p.cedar", text }], tools.clone()).unwrap())
}

fn claim(text: &str, tools: &Tools) -> Claim {
    let mut claims = Claim::read(Source { file: "i.cedar", text }, tools).unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

fn built(name: &str, tools: &Tools) -> Claim {
    built_in(tools).unwrap().into_iter().find(|claim| claim.name == name).unwrap()
}

fn verdict(set: &Arc<PolicySet>, fallback: Fallback, claim: Claim) -> Option<Verdict> {
    let subject = Subject { set: Arc::clone(set), fallback };
    let mut proofs: Vec<Proof> = prove(&subject, &[claim], &solver()?).unwrap();
    Some(proofs.remove(0).verdict)
}

/// Asserts that `claim` holds of `set`.
fn holds(set: &Arc<PolicySet>, claim: Claim) {
    if let Some(verdict) = verdict(set, Fallback::Deny, claim) {
        assert!(matches!(verdict, Verdict::Holds(_)), "{verdict:?}");
    }
}

/// The request that breaks `claim`, which is one that a case can say.
fn broken(set: &Arc<PolicySet>, claim: Claim) -> Option<Shown> {
    let verdict = verdict(set, Fallback::Deny, claim)?;
    let Verdict::Fails { shown: Some(shown), .. } = verdict else { panic!("{verdict:?}") };
    let text = shown.request.to_string();
    let asked = question(Source { file: "shown.yaml", text: &text }).unwrap();
    assert_eq!(asked.answer(&mut set.worker().unwrap()), shown.answer);
    Some(shown)
}

#[test]
fn a_permit_that_reaches_an_elevated_session_is_shown_by_the_request_that_it_lets_through() {
    let text = r#"@id("ops") permit (principal, action, resource) when { context.trust >= 700 };"#;
    let Some(shown) = broken(&set(text, &Tools::default()), built("no-admin-in-a-session", &Tools::default())) else {
        return;
    };
    assert_eq!((shown.answer.decision, &*shown.answer.by), ("permit", &["ops".to_owned()][..]));
    assert_eq!(shown.request.pointer("/when/effect").unwrap(), "admin");
    assert!(shown.request.pointer("/given/session").is_some());
    let mended = format!("{text} @id(\"no\") forbid (principal, action in Action::\"admin\", resource);");
    holds(&set(&mended, &Tools::default()), built("no-admin-in-a-session", &Tools::default()));
}

#[test]
fn a_limit_on_an_argument_is_proved_and_one_that_is_off_by_one_is_not() {
    let tools = tools();
    let limited = |limit: u32| {
        set(
            &format!(
                "@id(\"t\") permit (principal, action == Action::\"bank/transfer\", resource)
                 when {{ context.arguments.amount <= {limit} }};"
            ),
            &tools,
        )
    };
    let over = r#"@id("over") forbid (principal, action == Action::"bank/transfer", resource)
        when { context.arguments.amount > 500 };"#;
    holds(&limited(500), claim(over, &tools));
    let Some(shown) = broken(&limited(501), claim(over, &tools)) else { return };
    assert_eq!(shown.request.pointer("/when/arguments/amount").unwrap(), 501);
}

#[test]
fn a_declared_tool_is_asked_about_with_each_effect_alone() {
    let tools = tools();
    let text = r#"@id("t") permit (principal, action == Action::"bank/transfer", resource);
        @id("a") forbid (principal, action in Action::"admin", resource);"#;
    let destroys = r#"@id("d") forbid (principal, action in Action::"destructive", resource);"#;
    let Some(shown) = broken(&set(text, &tools), claim(destroys, &tools)) else { return };
    assert_eq!(shown.request.pointer("/when/effect").unwrap(), "destructive");
    holds(&set(text, &tools), built("no-admin-in-a-session", &tools));
}

#[test]
fn a_tool_is_in_the_server_that_its_name_begins_with_and_in_no_other() {
    let nothing = |condition: &str| {
        let text = format!("@id(\"p\") permit (principal, action, resource) when {{ {condition} }};");
        verdict(&set(&text, &Tools::default()), Fallback::Deny, built("allows-something", &Tools::default()))
    };
    for impossible in [
        r#"resource in Server::"a" && !(resource.name like "a/*")"#,
        r#"resource in Server::"a" && resource in Server::"b""#,
        r#"resource == Tool::"a/b" && resource.name != "a/b""#,
        r#"resource == Tool::"a/b" && resource in Server::"b""#,
        r#"principal in Organisation::"x" && !(resource in Organisation::"x")"#,
        r#"principal in Organisation::"x" && principal in Organisation::"y""#,
        "context.time.hour > 23",
        "context.behaviour.probing && context.behaviour.bursting",
    ] {
        let Some(verdict) = nothing(impossible) else { return };
        assert!(matches!(verdict, Verdict::Fails { .. }), "{impossible}: {verdict:?}");
    }
    for possible in [
        r#"resource in Server::"a*" && principal in Organisation::"x" && context.time.weekday == 7"#,
        r#"resource == Tool::"a/b" && resource in Server::"a""#,
        r#"principal == Agent::"x" && principal.name == "y" && context.taint.contains("z")"#,
        r#"context.time.at == datetime("2026-01-05T12:00:00Z")"#,
    ] {
        let Some(verdict) = nothing(possible) else { return };
        assert!(matches!(verdict, Verdict::Holds(Some(_))), "{possible}: {verdict:?}");
    }
}

#[test]
fn what_the_policies_do_not_agree_to_is_undecided_and_never_broken() {
    // The fifth of January 2026 is a Monday, which the solver does not know.
    let text = r#"@id("p") permit (principal, action, resource)
        when { context.time.at == datetime("2026-01-05T12:00:00Z") && context.time.weekday == 2 };"#;
    let never = r#"@id("n") forbid (principal, action, resource);"#;
    let Some(verdict) = verdict(&set(text, &Tools::default()), Fallback::Deny, claim(never, &Tools::default())) else {
        return;
    };
    assert!(matches!(&verdict, Verdict::Undecided(why) if why[0].contains("do not agree")), "{verdict:?}");
}

#[test]
fn a_policy_that_can_fail_refuses_what_cedar_alone_would_allow() {
    let tools = tools();
    let text = r#"@id("all") permit (principal, action == Action::"bank/transfer", resource);
        @id("twice") forbid (principal, action == Action::"bank/transfer", resource)
        when { context.arguments.amount * 2 > 9223372036854775807 };"#;
    let always = r#"@id("always") permit (principal, action == Action::"bank/transfer", resource);"#;
    let Some(shown) = broken(&set(text, &tools), built("never-fails", &tools)) else { return };
    assert_eq!((shown.answer.decision, &*shown.answer.by), ("error", &["twice".to_owned()][..]));
    let Some(shown) = broken(&set(text, &tools), claim(always, &tools)) else { return };
    assert_eq!(shown.answer.decision, "error");
    let allowed = r#"@id("all") permit (principal, action == Action::"bank/transfer", resource);"#;
    holds(&set(allowed, &tools), claim(always, &tools));
    // The draft never fails; what holds today does, and so refuses what the draft lets through.
    let claim = Claim::no_wider_than(set(text, &tools), "today");
    assert_eq!(broken(&set(allowed, &tools), claim).unwrap().answer.decision, "permit");
}

#[test]
fn a_draft_is_no_wider_than_what_holds_or_the_difference_is_shown() {
    let today = r#"@id("p") permit (principal, action in [Action::"read", Action::"mutating"], resource);"#;
    let draft = r#"@id("p") permit (principal, action in [Action::"read", Action::"mutating"], resource)
        when { context.trust > 10 };"#;
    let (today, draft) = (set(today, &Tools::default()), set(draft, &Tools::default()));
    holds(&draft, Claim::no_wider_than(Arc::clone(&today), "today"));
    let Some(shown) = broken(&today, Claim::no_wider_than(draft, "draft")) else { return };
    assert!(shown.request.pointer("/given/trust").unwrap().as_u64().unwrap() <= 10);
    let other = Claim::no_wider_than(set("", &tools()), "other");
    let verdict = verdict(&today, Fallback::Deny, other).unwrap();
    assert!(matches!(&verdict, Verdict::Undecided(why) if why[0].contains("same tools")), "{verdict:?}");
}

#[test]
fn what_no_policy_speaks_of_counts_as_the_organisation_chose() {
    let text = r#"@id("f") forbid (principal, action in [Action::"destructive", Action::"admin"], resource);"#;
    let set = set(text, &Tools::default());
    holds(&set, built("read-only-sessions-change-nothing", &Tools::default()));
    let verdict = verdict(&set, Fallback::Allow, built("read-only-sessions-change-nothing", &Tools::default()));
    let Some(verdict) = verdict else { return };
    let Verdict::Fails { shown: Some(shown), .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(shown.answer.decision, "none");
}

#[test]
fn policies_that_decide_nothing_are_named_and_those_that_only_watch_are_left_out() {
    let text = r#"@id("read") permit (principal, action in Action::"read", resource);
        @id("beaten") permit (principal, action in Action::"read", resource) when { context.trust < 5 };
        @id("no-trust") forbid (principal, action, resource) when { context.trust < 10 };
        @id("never") forbid (principal, action, resource) when { context.trust > 5 && context.trust < 3 };
        @shadow @id("watched") permit (principal, action, resource);"#;
    let set = set(text, &Tools::default());
    holds(&set, built("no-admin-in-a-session", &Tools::default()));
    let Some(verdict) = verdict(&set, Fallback::Deny, built("every-policy-counts", &Tools::default())) else { return };
    let Verdict::Fails { policies, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(policies, ["beaten", "never"]);
}

#[test]
fn what_is_no_solver_is_said_to_be_none() {
    let subject = Subject { set: set("", &Tools::default()), fallback: Fallback::Deny };
    for (program, says) in [("/nowhere/cvc5", "No such file"), ("/bin/true", ""), ("/bin/cat", "")] {
        let solver = Solver { program: program.into(), timeout: Duration::from_secs(1) };
        let why = prove(&subject, &[], &solver).unwrap_err().to_string();
        assert!(why.contains(program) && why.contains(says), "{why}");
    }
}

#[cfg(unix)]
#[test]
fn a_solver_that_gives_up_decides_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = std::env::temp_dir().join(format!("countersign-prove-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("solver");
    // Answers the first question, and then knows nothing.
    let script = "#!/bin/sh\nsays=sat\nwhile read -r line; do\n  case $line in *check-sat*) echo $says; says=unknown;; esac\ndone\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let solver = Solver { program, timeout: Duration::from_secs(1) };
    let text = r#"@id("p") permit (principal, action, resource) when { context.trust > 5 };"#;
    let subject = Subject { set: set(text, &Tools::default()), fallback: Fallback::Deny };
    let proofs = prove(&subject, &built_in(&Tools::default()).unwrap(), &solver);
    std::fs::remove_dir_all(&folder).unwrap();
    for Proof { name, verdict, .. } in proofs.unwrap() {
        assert!(matches!(verdict, Verdict::Undecided(_)) || name == "never-fails", "{name}: {verdict:?}");
    }
}
