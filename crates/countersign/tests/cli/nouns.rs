use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Dev, countersign};

/// What `args` finds, as the administrator.
fn found(dev: &Dev, args: &[&str]) -> Value {
    let args: Vec<&str> = ["-o", "json"].iter().chain(args).copied().collect();
    dev.admin(&args).exits(0).json()
}

fn id(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

#[test]
fn an_agent_is_registered_suspended_resumed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let register = ["agent", "register", "--name", "clerk", "--capability", "read_*", "--block", "read_mail"];
    let new = found(&dev, &register);
    let agent = id(new.get("agent").unwrap_or(&new).get("id").unwrap());
    let check = |tool: &str| dev.admin(&["check", "--agent", &agent, "--tool", tool]);
    check("read_file").exits(0);
    check("read_mail").exits(2);
    assert_eq!(found(&dev, &["agent", "get", &agent])["name"], "clerk");
    dev.admin(&["agent", "suspend", &agent, "--reason", "odd"]).exits(0);
    assert!(check("read_file").exits(2).out.contains("suspended"));
    dev.admin(&["agent", "resume", &agent]).exits(0);
    check("read_file").exits(0);
    dev.admin(&["agent", "revoke", &agent]).exits(0);
    check("read_file").exits(2);
    let agents = found(&dev, &["agent", "list"]);
    let clerk = agents["agents"].as_array().unwrap().iter().find(|a| a["id"] == agent.as_str()).unwrap();
    assert_eq!(clerk["status"], "revoked");
    assert!(dev.admin(&["agent", "list"]).exits(0).out.contains("demo-agent"));
    dev.admin(&register).refused(&["HTTP 409", "clerk"]);
}

#[test]
fn an_agent_has_a_budget_that_is_spent_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let new = found(&dev, &["agent", "register", "--name", "clerk", "--capability", "*", "--calls-per-day", "2"]);
    let agent = id(&new["id"]);
    let check = || dev.admin(&["check", "--agent", &agent, "--tool", "read_file"]);
    let budget = || found(&dev, &["agent", "budget", &agent]);
    check().exits(0);
    assert_eq!((&budget()["calls"], &budget()["calls_per_day"]), (&1.into(), &2.into()));
    check().exits(0);
    let refused = check().exits(2).out;
    assert!(refused.contains("call_budget_spent") && refused.contains("try again in"), "{refused}");

    dev.admin(&["agent", "update", &agent, "--calls-per-day", "unlimited", "--tokens-per-day", "1000"]).exits(0);
    check().exits(0);
    let said = dev.admin(&["agent", "usage", &agent, "--tokens", "1834"]).exits(0).out;
    assert!(said.contains("1834") && said.contains("1000"), "{said}");
    assert!(check().exits(2).out.contains("token_budget_spent"));
    let shown = dev.admin(&["agent", "get", &agent]).exits(0).out;
    assert!(shown.contains("tokens per day") && !shown.contains("calls per day"), "{shown}");
    let unknown = dev.admin(&["agent", "update", &agent, "--calls-per-day", "none"]);
    unknown.refused(&["expected a number, or `unlimited`"]);
}

#[test]
fn decisions_are_listed_page_by_page_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    dev.check("web_search").exits(0);
    let denied = id(&dev.check("send_email").exits(2).json()["check_id"]);
    let held = id(&dev.check("delete_file").exits(4).json()["check_id"]);

    let page = found(&dev, &["decision", "list", "--limit", "1"]);
    assert_eq!(page["decisions"][0]["check_id"], held.as_str());
    let next = page["next"].as_str().unwrap().to_owned();
    let page = found(&dev, &["decision", "list", "--limit", "1", "--before", &next]);
    assert_eq!(page["decisions"][0]["check_id"], denied.as_str());
    let refused = found(&dev, &["decision", "list", "--verdict", "deny", "--agent", dev.says("agent_id")]);
    assert_eq!(refused["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(found(&dev, &["decision", "list", "--tool", "web_search"])["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(found(&dev, &["decision", "get", &denied])["code"], "capability_missing");

    let said = dev.admin(&["decision", "explain", &denied]).exits(0).out;
    for part in [dev.says("agent_id"), "send_email", "`mutating`", "the word `send`", "denied", "`capability`"] {
        assert!(said.contains(part), "`{part}` is not said: {said}");
    }
    assert!(said.contains("docs/denials/capability_missing.md"), "{said}");
    let said = dev.admin(&["decision", "explain", &held]).exits(0).out;
    assert!(said.contains("countersign approval approve appr_"), "{said}");
    dev.admin(&["decision", "get", "chk_none"]).refused(&["HTTP 404"]);
}

#[test]
fn an_approval_is_listed_and_approved_or_denied_by_a_human_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let approval = id(&dev.check("delete_file").exits(4).json()["approval_id"]);
    let pending = found(&dev, &["approval", "list", "--status", "pending"]);
    assert_eq!(pending["approvals"][0]["id"], approval.as_str());
    let shown = dev.admin(&["approval", "show", &approval]).exits(0).out;
    for part in ["delete_file", "destructive_needs_approval", "tool_new", "calls before", "chk_"] {
        assert!(shown.contains(part), "`{part}` is not shown: {shown}");
    }
    dev.run_as("agent_key", &["approval", "approve", &approval]).refused(&["HTTP 403"]);
    dev.admin(&["approval", "deny", &approval, "--as", "ann"]).exits(0);
    dev.check("delete_file").exits(2);
    dev.admin(&["approval", "approve", &approval]).refused(&["HTTP 409", "already denied"]);
}

#[test]
fn a_token_is_issued_examined_and_revoked_without_naming_it_to_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let issue = ["token", "issue", "--agent", dev.says("agent_id"), "--scope", "read_file", "--ttl", "120"];
    let token = id(&found(&dev, &issue)["token"]);
    let with_token = |verb: &str| {
        let mut command = countersign();
        command.env("COUNTERSIGN_URL", dev.says("url")).env("COUNTERSIGN_API_KEY", dev.says("admin_key"));
        let mut child = command.args(["token", verb, "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{token}\n").as_bytes()).unwrap();
        child.wait().unwrap().code()
    };
    assert_eq!(with_token("introspect"), Some(0));
    dev.admin(&["token", "introspect", &token, "--scope", "delete_file"]).exits(2);
    assert_eq!(with_token("revoke"), Some(0));
    assert_eq!(with_token("introspect"), Some(2));
}

#[test]
fn a_session_is_listed_shown_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let issue = ["token", "issue", "--agent", dev.says("agent_id"), "--scope", "read_file"];
    let token = id(&found(&dev, &issue)["token"]);
    let url = format!("{}/api/v1/agenttrust/api-sessions/init", dev.says("url"));
    let body = serde_json::json!({ "token": token });
    let mut answer = ureq::post(url).header("X-API-Key", dev.says("agent_key")).send_json(&body).unwrap();
    let session = id(&answer.body_mut().read_json::<Value>().unwrap()["session_id"]);

    let sessions = found(&dev, &["session", "list", "--agent", dev.says("agent_id")]);
    assert_eq!(sessions["sessions"][0]["session_id"], session.as_str());
    assert_eq!(found(&dev, &["session", "get", &session])["mode"], "read_only");
    let check = ["check", "--agent", dev.says("agent_id"), "--tool", "read_file", "--session", &session];
    dev.run_as("agent_key", &check).exits(0);
    assert_eq!(found(&dev, &["session", "verify", &session])["verified"], true);
    dev.admin(&["trace", "get", &session]).refused(&["is open", "/close"]);
    dev.admin(&["session", "close", &session, "--nonce", "n-1"]).exits(0);
    let record = dev.admin(&["trace", "get", &session]).exits(0).json();
    assert_eq!(
        (&record["runtime"]["nonce"], record["tool_transcript"]["call_count"].as_u64()),
        (&"n-1".into(), Some(1))
    );
    let legacy = dev.admin(&["trace", "get", &session, "--profile", "v0.1"]).exits(0).json();
    assert_eq!(legacy["eat_profile"], "tag:agentrust.io,2026:trace-v0.1");
    let denied = dev.run_as("agent_key", &check).exits(2);
    assert!(denied.out.contains("closed"), "{denied:?}");
}

#[test]
fn a_key_is_made_for_a_role_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let made = dev.admin(&["key", "create", "--name", "watcher", "--role", "auditor"]).exits(0).out;
    let word = |prefix: &str| made.split_whitespace().find(|word| word.starts_with(prefix)).unwrap().to_owned();
    let (secret, key) = (word("sk_"), word("key_"));
    let list = || {
        let mut command = countersign();
        command.env("COUNTERSIGN_URL", dev.says("url")).env("COUNTERSIGN_API_KEY", &secret);
        crate::harness::ran(command.args(["decision", "list"]))
    };
    list().exits(0);
    assert!(dev.admin(&["key", "list"]).exits(0).out.contains("watcher"));
    dev.admin(&["key", "revoke", &key]).exits(0);
    list().refused(&["HTTP 401"]);
}

#[test]
fn an_organisation_is_created_with_its_first_key() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let made = dev.admin(&["org", "create", "acme"]).exits(0).out;
    assert!(made.contains("acme") && made.contains("sk_live_"), "{made}");
    let orgs = dev.admin(&["org", "list"]).exits(0).out;
    assert!(orgs.contains("acme") && orgs.contains("demo"), "{orgs}");
}

#[test]
fn a_stop_holds_until_it_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let stop = id(&found(&dev, &["stop", "add", "--tool", "web_*", "--reason", "odd answers"])["id"]);
    dev.check("web_search").exits(2);
    dev.check("read_file").exits(0);
    assert!(dev.admin(&["stop", "list"]).exits(0).out.contains("odd answers"));
    dev.admin(&["stop", "lift", &stop]).exits(0);
    dev.check("web_search").exits(0);
    assert!(dev.admin(&["stop", "list"]).exits(0).out.contains("none"));
}
