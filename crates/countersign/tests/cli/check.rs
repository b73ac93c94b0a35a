use std::net::TcpListener;

use crate::harness::{Dev, run};

#[test]
fn its_exit_code_says_allowed_denied_needs_approval_or_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let agent = dev.says("agent_id");
    let ask = |key, more: &[&str]| {
        let mut args = vec!["check", "--agent", agent];
        args.extend_from_slice(more);
        dev.run_as(key, &args)
    };
    let allowed = ask("agent_key", &["--tool", "web_search"]).exits(0);
    assert!(allowed.out.contains("allowed"), "{allowed:?}");
    let denied = ask("agent_key", &["--tool", "send_email"]).exits(2);
    assert!(denied.out.contains("denied") && denied.out.contains("capability not registered"), "{denied:?}");
    let held = ask("agent_key", &["--tool", "delete_file", "--summary", "old logs", "--session", "mine"]).exits(4);
    assert!(held.out.contains("needs approval") && held.out.contains("appr_"), "{held:?}");
    // What the caller says may only make it worse.
    ask("agent_key", &["--tool", "web_search", "--effect", "destructive"]).exits(4);

    ask("url", &["--tool", "web_search"]).refused(&["HTTP 401", "COUNTERSIGN_API_KEY"]);
    dev.admin(&["check", "--agent", "agent_none", "--tool", "x"]).refused(&["HTTP 404", "agent_none"]);
    ask("agent_key", &["--tool", "x\ny"]).refused(&["HTTP 400"]);
}

#[test]
fn json_is_what_the_server_answered() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let denied = dev.check("send_email").exits(2).json();
    assert_eq!(denied["allowed"], false);
    assert!(denied["check_id"].as_str().unwrap().starts_with("chk_"));
    assert!(denied.get("decision").is_none());
}

#[test]
fn in_dev_mode_a_call_without_a_key_may_ask_and_not_approve() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let url = dev.says("url");
    run(["--url", url, "check", "--agent", dev.says("agent_id"), "--tool", "web_search"]).exits(0);
    let approval = dev.check("delete_file").exits(4).json()["approval_id"].as_str().unwrap().to_owned();
    run(["--url", url, "approval", "approve", &approval]).refused(&["HTTP 403"]);
}

#[test]
fn a_server_that_is_not_there_is_invalid_with_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(["--url", &format!("http://{free}"), "check", "--agent", "a", "--tool", "t"])
        .refused(&["cannot ask", "countersign dev"]);
}
