//! Policies in force: from a folder, judged, replaced, and kept where the next are wrong.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Dev, Ran, countersign, ran, run};
use crate::serve::{KEY, Serving, config};

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"type": "object",
    "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}}]}"#;

/// A folder of policies that allow transfers of at most `most`.
fn write(dir: &Path, most: &str) {
    std::fs::create_dir_all(dir.join("tools")).unwrap();
    std::fs::write(dir.join("tools/pay.json"), TOOLS).unwrap();
    let text = format!(
        "@id(\"rest\") permit (principal, action, resource);\n\
         @id(\"limit\") @code(\"over_limit\") @reason(\"at most {most}\")\n\
         forbid (principal, action == Action::\"pay/transfer\", resource) when {{ context.arguments.amount > {most} }};\n"
    );
    // In place at once, as editors do it.
    std::fs::write(dir.join(".new"), text).unwrap();
    std::fs::rename(dir.join(".new"), dir.join("pay.cedar")).unwrap();
}

fn start(data: &Path, policies: &Path) -> Dev {
    let mut command = countersign();
    let dev =
        Dev::started_with(&mut command, data, &["--listen", "127.0.0.1:0", "--policies", policies.to_str().unwrap()]);
    let agent = ["agent", "register", "--name", "payer", "--capability", "pay/*"];
    dev.admin(&[&["-o", "json"], &agent[..]].concat()).exits(0);
    dev
}

fn health(dev: &Dev) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let text = agent.get(format!("{}/health", dev.says("url"))).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Waits until health says what `holds` asks for.
fn until(dev: &Dev, holds: impl Fn(&Value) -> bool) -> Value {
    std::iter::repeat_with(|| health(dev)).map(|health| health["policies"].clone()).find(holds).unwrap()
}

fn transfer(dev: &Dev, amount: &str) -> Ran {
    let agents = dev.admin(&["-o", "json", "agent", "list"]).exits(0).json();
    let all = agents["agents"].as_array().unwrap().iter();
    let payer = all.clone().find(|agent| agent["name"] == "payer").unwrap()["id"].as_str().unwrap().to_owned();
    let input = format!("{{\"amount\": {amount}}}");
    dev.admin(&["-o", "json", "check", "--agent", &payer, "--tool", "pay/transfer", "--arguments", &input])
}

#[test]
fn a_folder_of_policies_is_in_force_and_replaced_when_it_changes_and_kept_where_the_next_is_wrong() {
    let (data, policies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(policies.path(), "500");
    let dev = start(data.path(), policies.path());
    transfer(&dev, "500").exits(0);
    let denied = transfer(&dev, "501").exits(2).json();
    assert_eq!(denied["code"], "policy_forbids");
    assert_eq!(denied["policies"][0]["by"], serde_json::json!(["limit"]));
    assert_eq!(denied["policies"][0]["code"], "over_limit");
    let reason = "a policy forbids this action: at most 500; an administrator can change this";
    assert_eq!(denied["reason"], reason);
    let explained = dev.admin(&["decision", "explain", denied["check_id"].as_str().unwrap()]).exits(0);
    assert!(explained.out.contains("Policies forbid it: `limit`, with the code `over_limit`."), "{}", explained.out);

    let first = health(&dev)["policies"].clone();
    assert_eq!((&first["policies"], &first["default"]), (&2.into(), &"deny".into()));
    write(policies.path(), "600");
    let second = until(&dev, |now| now["set"] != first["set"]);
    transfer(&dev, "501").exits(0);

    write(policies.path(), "six hundred");
    let failing = until(&dev, |now| now.get("failure").is_some());
    assert_eq!(failing["set"], second["set"]);
    assert!(failing["failure"].as_str().unwrap().contains("pay.cedar:3"), "{failing}");
    let looked = dev.admin(&["doctor"]).exits(2).out;
    assert!(looked.contains("the last good ones hold") && looked.contains("pay.cedar:3"), "{looked}");
    transfer(&dev, "501").exits(0);

    write(policies.path(), "500");
    let mended = until(&dev, |now| now.get("failure").is_none());
    assert_eq!(mended["set"], first["set"]);
    transfer(&dev, "501").exits(2);
    run(["evidence", "verify", data.path().to_str().unwrap()]).exits(0);
}

#[test]
fn a_start_on_policies_that_are_wrong_is_refused_and_says_where() {
    let (data, policies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(policies.path(), "five");
    let (data, policies) = (data.path().join("d"), policies.path().to_str().unwrap());
    let dev = ["dev", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap(), "--policies", policies];
    run(dev).refused(&["pay.cedar:3"]);
    let none = data.join("none");
    run([&dev[..6], &[none.to_str().unwrap()]].concat()).refused(&["cannot read the folder"]);
}

#[test]
fn a_folder_is_published_looked_at_and_rolled_back_and_a_restart_keeps_what_holds() {
    let (data, policies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dev = Dev::start(data.path());
    dev.admin(&["agent", "register", "--name", "payer", "--capability", "pay/*"]).exits(0);
    let folder = policies.path().to_str().unwrap();
    let policy = |dev: &Dev, args: &[&str]| dev.admin(&[&["policy"], args].concat());
    assert_eq!(policy(&dev, &["versions"]).exits(0).out, "none\n");

    // It would refuse every call.
    policy(&dev, &["publish", folder]).refused(&["has no policies", "policy withdraw"]);
    write(policies.path(), "five");
    policy(&dev, &["publish", folder, "--dry-run"]).refused(&["error: pay.cedar:3:"]);
    policy(&dev, &["publish", folder]).refused(&["error: pay.cedar:3:"]);
    write(policies.path(), "500");
    let said = policy(&dev, &["publish", folder, "--dry-run"]).exits(0).out;
    assert!(said.starts_with("valid, and not published: 2 policies, 1 tools and 0 cases, where none speaks: deny"));
    transfer(&dev, "501").exits(0);
    let said = policy(&dev, &["publish", folder, "--note", "the board's limit"]).exits(0).out;
    assert!(said.starts_with("version 1 is in force: 2 policies"), "{said}");
    let denied = transfer(&dev, "501").exits(2).json();
    assert_eq!(
        (&denied["policies"][0]["source"], &denied["policies"][0]["version"]),
        (&"organisation".into(), &1.into())
    );
    let explained = dev.admin(&["decision", "explain", denied["check_id"].as_str().unwrap()]).exits(0);
    assert!(explained.out.contains("Policies of the organisation forbid it: `limit`"), "{}", explained.out);

    write(policies.path(), "50");
    policy(&dev, &["publish", folder, "--if-version", "0"]).refused(&["the last version is 1, not 0"]);
    policy(&dev, &["publish", folder, "--if-version", "1", "--default", "allow"]).exits(0);
    transfer(&dev, "51").exits(2);
    let changed = policy(&dev, &["show", "2", "--against", "1"]).exits(0).out;
    for part in
        ["~ limit\n", "  - @id(\"limit\") @code(\"over_limit\") @reason(\"at most 500\")\n", "deny became allow\n"]
    {
        assert!(changed.contains(part), "{changed}");
    }
    let shown = policy(&dev, &["show", "1"]).exits(0).out;
    assert!(shown.contains("the board's limit") && shown.contains("// pay.cedar\n@id(\"rest\")"), "{shown}");
    policy(&dev, &["show", "9"]).refused(&["no version of the policies `9`"]);
    policy(&dev, &["rollback", "1", "--note", "too strict"]).exits(0);
    let versions = policy(&dev, &["versions"]).exits(0).out;
    assert!(versions.lines().nth(1).is_some_and(|line| line.starts_with('3') && line.ends_with("too strict")));
    // An agent cannot, whatever it is told to.
    dev.run_as("agent_key", &["policy", "withdraw"]).refused(&["role_insufficient"]);

    assert_eq!(dev.stop("-TERM").0, Some(0));
    let dev = Dev::start(data.path());
    transfer(&dev, "500").exits(0);
    transfer(&dev, "501").exits(2);
    policy(&dev, &["withdraw", "--if-version", "2"]).refused(&["the last version is 3, not 2"]);
    policy(&dev, &["withdraw"]).exits(0);
    transfer(&dev, "501").exits(0);
    drop(dev);
    run(["evidence", "verify", data.path().to_str().unwrap()]).exits(0);
}

#[test]
fn what_must_be_done_is_said_and_an_approver_reads_the_arguments_that_were_kept() {
    let (folder, policies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "@id(\"look\") @advice(\"{\\\"clamp\\\": {\\\"limit\\\": {\\\"max\\\": 100}}}\")\n\
        permit (principal, action in Action::\"read\", resource);\n\
        @id(\"pay\") @advice(\"{\\\"require_approval\\\": \\\"money\\\"}\") permit (principal, action, resource);";
    std::fs::write(policies.path().join("p.cedar"), text).unwrap();
    let more = format!(
        "[bootstrap]\nadmin_key_file = 'admin.key'\n[capture]\narguments = true\n[policy]\ndir = '{}'\n",
        policies.path().display()
    );
    let file = config(folder.path(), &more);
    std::fs::write(folder.path().join("admin.key"), KEY).unwrap();
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    let agent = serving.run(KEY, &["agent", "register", "--name", "payer", "--capability", "pay/*"]).exits(0).json();
    let table =
        |args: &[&str]| ran(countersign().args(["--url", &serving.url]).args(args).env("COUNTERSIGN_API_KEY", KEY));
    let ask = ["check", "--agent", agent["id"].as_str().unwrap(), "--arguments", r#"{"amount": 900}"#, "--tool"];
    let read = table(&[&ask[..], &["pay/get_balance"]].concat()).exits(4).out;
    assert!(read.contains(r#"must do   clamp {"limit":{"max":100}}"#), "{read}");
    let held = table(&[&ask[..], &["pay/transfer"]].concat()).exits(4).out;
    assert!(!held.contains("must do"), "{held}");
    let approval = held.split_whitespace().find(|word| word.starts_with("appr_")).unwrap();
    let shown = table(&["approval", "show", approval]).exits(0).out;
    assert!(shown.contains("their digest") && !shown.contains("900"), "{shown}");
    let shown = table(&["approval", "show", approval, "--arguments"]).exits(0).out;
    assert!(shown.contains(r#"{"amount":900}"#), "{shown}");
}

/// Asks for two transfers and a balance without policies, on a server that captures or not; the data directory.
fn recorded(folder: &Path, captures: bool) -> std::path::PathBuf {
    let more = format!("[bootstrap]\nadmin_key_file = 'admin.key'\n[capture]\narguments = {captures}\n");
    let file = config(folder, &more);
    std::fs::write(folder.join("admin.key"), KEY).unwrap();
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    let agent = serving.run(KEY, &["agent", "register", "--name", "payer", "--capability", "pay/*"]).exits(0).json();
    let id = agent["id"].as_str().unwrap();
    for (tool, amount) in [("pay/transfer", "50"), ("pay/transfer", "600"), ("pay/get_balance", "0")] {
        let input = format!("{{\"amount\": {amount}}}");
        serving.run(KEY, &["check", "--agent", id, "--tool", tool, "--arguments", &input]).exits(0);
    }
    serving.run(KEY, &["check", "--agent", id, "--tool", "other"]).exits(2);
    serving.stop();
    folder.join("data")
}

#[test]
fn a_draft_is_tried_on_what_was_really_asked() {
    let (folder, draft) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = recorded(folder.path(), true);
    write(draft.path(), "500");
    let simulate = |more: &[&str]| {
        let command = ["policy", "simulate", draft.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
        run([&command[..], more].concat())
    };
    let said = simulate(&[]).exits(2);
    assert!(
        said.out.contains("payer `pay/transfer`\n  - allow\n  + deny (policy_forbids), by limit: at most 500\n"),
        "{said:?}"
    );
    assert!(said.out.ends_with("1 of 4 decisions would be others\n"), "{said:?}");
    let found = simulate(&["-o", "json"]).exits(2).json();
    assert_eq!(found["changes"].as_array().unwrap().len(), 1);
    assert_eq!(found["changes"][0]["after"]["by"], serde_json::json!(["limit"]));
    assert_eq!(found["unknown"], serde_json::json!({"arguments": 0, "session": 0}));

    write(draft.path(), "600");
    simulate(&[]).exits(0);
    // A time that is to come has no decisions.
    assert!(simulate(&["--since", "2100-01-01T00:00:00Z"]).exits(0).out.starts_with("0 of 0"));
    simulate(&["--since", "yesterday"]).exits(3);
    // Nothing permits reads any more.
    std::fs::write(
        draft.path().join("pay.cedar"),
        "@id(\"w\") permit (principal, action in Action::\"mutating\", resource);",
    )
    .unwrap();
    let said = simulate(&[]).exits(2);
    assert!(said.out.contains("`pay/get_balance`\n  - allow\n  + deny (policy_unmatched)\n"), "{said:?}");
    simulate(&["--default", "allow"]).exits(0);
}

#[test]
fn what_was_not_captured_is_not_guessed() {
    let (folder, draft) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = recorded(folder.path(), false);
    write(draft.path(), "500");
    let said = run(["policy", "simulate", draft.path().to_str().unwrap(), "--data", data.to_str().unwrap()]).exits(0);
    assert!(said.out.contains("2 could not be asked again: their arguments were not captured"), "{said:?}");
}

#[test]
fn two_folders_are_compared_by_what_was_really_asked() {
    let (folder, a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = recorded(folder.path(), true);
    write(a.path(), "700");
    write(b.path(), "500");
    let [a, b] = [a.path(), b.path()].map(|path| path.to_str().unwrap());
    let diff = |a: &str, b: &str, more: &[&str]| {
        run([&["policy", "diff", a, b, "--data", data.to_str().unwrap()][..], more].concat())
    };
    let said = diff(a, b, &[]).exits(2);
    assert!(said.out.starts_with("`pay/transfer` by payer: 1, first chk_"), "{said:?}");
    assert!(said.out.contains("  + forbid, by limit\n1 of 4 calls are answered differently\n"), "{said:?}");
    let found = diff(a, b, &["-o", "json"]).exits(2).json();
    assert_eq!((&found["calls"], &found["changed"], &found["changes"][0]["calls"]), (&4.into(), &1.into(), &1.into()));
    diff(a, a, &[]).exits(0);
    assert!(diff(a, b, &["--since", "2100-01-01T00:00:00Z"]).exits(0).out.starts_with("0 of 0"));
    diff(a, b, &["--cases", a]).exits(3);
    run(["policy", "diff", a, b, "--since", "1h"]).exits(3);
}
