use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Ran, run};

/// The solver that `compat/solver/install` gets, or that of `CVC5`. CI must have one.
fn solver() -> Option<PathBuf> {
    let ours = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/solver-venv/bin/cvc5"));
    let program = std::env::var_os("CVC5").map_or(ours, PathBuf::from);
    if program.exists() {
        return Some(program);
    }
    let notice = format!("skipped: there is no solver at {}; `compat/solver/install` gets one", program.display());
    assert!(std::env::var_os("CI").is_none(), "{notice}");
    println!("{notice}");
    None
}

fn prove(dir: &Path, solver: &Path, more: &[&str]) -> Ran {
    let command = ["policy", "prove", dir.to_str().unwrap(), "--solver", solver.to_str().unwrap()];
    run([&command[..], more].concat())
}

fn folder(policy: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.cedar"), policy).unwrap();
    dir
}

#[test]
fn every_starter_pack_is_what_it_says_for_every_request() {
    let Some(solver) = solver() else { return };
    let packs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"));
    for (pack, default, own) in [
        ("read-only", "deny", &["reads-go-on", "nothing-is-changed", "no-admin-in-a-session"][..]),
        ("read-only", "allow", &["reads-go-on", "nothing-is-changed", "read-only-sessions-change-nothing"]),
        ("spend-limit", "deny", &["small-transfers-go", "no-large-transfer"]),
        ("spend-limit", "allow", &["small-transfers-go", "no-large-transfer"]),
        ("working-hours", "allow", &["nobody-there", "allows-something"]),
        (
            "no-egress-after-sensitive-read",
            "allow",
            &["nothing-sensitive-leaves", "nothing-sensitive-is-asked-of-the-web"],
        ),
    ] {
        let names = own.iter().chain(&["never-fails", "every-policy-counts"]);
        let more: Vec<&str> = names.flat_map(|name| ["--invariant", name]).chain(["--default", default]).collect();
        let said = prove(&packs.join(pack), &solver, &more).exits(0);
        assert!(said.out.ends_with(&format!("{0} of {0} hold\n", own.len() + 2)), "{pack}: {said:?}");
    }
}

#[test]
fn what_does_not_hold_is_shown_as_a_case_that_the_other_commands_read() {
    let Some(solver) = solver() else { return };
    let dir = folder("@id(\"ops\") permit (principal, action, resource) when { context.trust >= 700 };");
    let said = prove(dir.path(), &solver, &["--invariant", "no-admin-in-a-session"]).exits(2);
    assert!(said.out.starts_with("FAILS") && said.out.ends_with("0 of 1 hold\n"), "{said:?}");
    let case: Vec<&str> = said.out.lines().filter(|line| line.starts_with(['-', ' '])).collect();
    fs::create_dir(dir.path().join("cases")).unwrap();
    let file = dir.path().join("cases/shown.yaml");
    fs::write(&file, case.join("\n")).unwrap();
    let dir_name = dir.path().to_str().unwrap();
    run(["policy", "test", dir_name]).exits(0);
    let explained = run(["policy", "explain", dir_name, "--request", file.to_str().unwrap()]).exits(0);
    assert!(explained.out.starts_with("permit: `ops`"), "{explained:?}");

    let found = prove(dir.path(), &solver, &["-o", "json"]).exits(2).json();
    let proof = &found["proofs"][0];
    assert_eq!((&proof["name"], &proof["verdict"]), (&json!("no-admin-in-a-session"), &json!("fails")));
    assert_eq!((&proof["request"]["when"]["effect"], &proof["answer"]["by"]), (&json!("admin"), &json!(["ops"])));
}

#[test]
fn a_draft_is_held_to_a_file_and_to_what_holds_today() {
    let Some(solver) = solver() else { return };
    let permit = |trust: u32| {
        folder(&format!(
            "@id(\"p\") permit (principal, action in Action::\"read\", resource) when {{ context.trust > {trust} }};"
        ))
    };
    let (today, draft) = (permit(100), permit(200));
    let today_name = today.path().to_str().unwrap();
    prove(draft.path(), &solver, &["--implies", today_name, "--invariant", "no-wider"]).exits(0);
    let wider = prove(today.path(), &solver, &["--implies", draft.path().to_str().unwrap(), "--invariant", "no-wider"]);
    assert!(wider.exits(2).out.contains("\"by\":[\"p\"]"));
    let file = today.path().join("invariants");
    fs::create_dir(&file).unwrap();
    let more = file.join("more.cedar");
    fs::write(&more, "@id(\"no-trust\") forbid (principal, action, resource) when { context.trust <= 150 };").unwrap();
    prove(today.path(), &solver, &["--invariant", "no-trust"]).exits(2);
    prove(draft.path(), &solver, &["--invariants", more.to_str().unwrap(), "--invariant", "no-trust"]).exits(0);
    // What is claimed decides nothing.
    assert!(run(["policy", "check", today_name]).exits(0).out.starts_with("1 policies"));
}

#[test]
fn without_a_solver_nothing_is_said_to_hold() {
    let dir = folder("@id(\"p\") permit (principal, action in Action::\"read\", resource);");
    let said = prove(dir.path(), Path::new("/nowhere/cvc5"), &[]).exits(6);
    assert!(said.out.is_empty() && said.err.contains("install cvc5") && said.err.contains("/nowhere/cvc5"), "{said:?}");
}

#[test]
fn a_wrong_name_and_a_wrong_invariant_are_refused_with_what_would_be_right() {
    let dir = folder("@id(\"p\") permit (principal, action in Action::\"read\", resource);");
    let none = Path::new("/nowhere/cvc5");
    prove(dir.path(), none, &["--invariant", "never-fial"]).refused(&["`never-fial`", "did you mean `never-fails`?"]);
    let file = dir.path().join("i.txt");
    fs::write(&file, "@id(\"never-fails\") forbid (principal, action, resource);").unwrap();
    let file = file.to_str().unwrap();
    prove(dir.path(), none, &["--invariants", file]).refused(&["two invariants", "`never-fails`"]);
    fs::write(file, "@id(\"a\") @shadow forbid (principal, action, resource);").unwrap();
    prove(dir.path(), none, &["--invariants", file]).refused(&["i.txt:1", "`@shadow`"]);
    fs::write(file, "@id(\"a\") forbid (principal, action, resource) when { context.trsut > 1 };").unwrap();
    prove(dir.path(), none, &["--invariants", file]).refused(&["i.txt:1", "did you mean"]);
}
