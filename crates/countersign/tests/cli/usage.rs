use crate::harness::run;

#[test]
fn a_wrong_command_line_is_invalid_and_not_denied() {
    run(["check"]).refused(&["--agent", "--tool"]);
    run(["no-such-command"]).refused(&[]);
    run(["check", "--agent", "a/b", "--tool", "x"]).refused(&["`a/b` is not an id"]);
    run(["--url", "ftp://x", "agent", "list"]).refused(&["`ftp://x` is not the URL of a server"]);
}

#[test]
fn help_says_what_the_exit_codes_mean() {
    assert!(run(["--help"]).exits(0).out.contains("2 denied"));
}

#[test]
fn it_says_its_version_and_the_format_of_its_entries() {
    let said = run(["version"]).exits(0).out;
    assert!(said.starts_with(concat!("countersign ", env!("CARGO_PKG_VERSION"))), "{said}");
    assert_eq!(run(["version", "-o", "json"]).json()["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn it_completes_in_every_usual_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(["completions", shell]).exits(0).out.contains("approval"), "{shell}");
    }
}

#[test]
fn it_prints_the_open_api_document() {
    let document = run(["openapi"]).exits(0).json();
    assert!(document["paths"]["/api/v1/agenttrust/check"]["post"].is_object(), "{document}");
}
