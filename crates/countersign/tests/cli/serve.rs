use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Ran, countersign, ran, run, send};

pub const KEY: &str = "sk_live_0123456789abcdef0123456789abcdef";

/// A configuration in `dir`, with the sections of `more`.
pub fn config(dir: &Path, more: &str) -> String {
    let file = dir.join("countersign.toml");
    let text = format!("[server]\nlisten = ['127.0.0.1:0']\n[storage]\ndata_dir = 'data'\n{more}");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A `countersign serve` that is ready.
pub struct Serving {
    child: Child,
    pub url: String,
    pub logs: Vec<String>,
}

impl Serving {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut serving = Self { child, url: String::new(), logs: Vec::new() };
        // What reads the logs goes away with this function: it must not mind.
        let mut lines = BufReader::new(serving.child.stderr.take().unwrap()).lines();
        while serving.url.is_empty() {
            let line = lines.next().unwrap_or_else(|| panic!("it did not start: {:?}", serving.logs)).unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            serving.url.extend(event["message"].as_str().unwrap().strip_prefix("listening on "));
            serving.logs.push(line);
        }
        serving
    }

    pub fn run(&self, key: &str, args: &[&str]) -> Ran {
        ran(countersign().args(["-o", "json", "--url", &self.url]).args(args).env("COUNTERSIGN_API_KEY", key))
    }

    pub fn stop(mut self) {
        send("-TERM", self.child.id());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // After a clean stop there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_an_organisation_or_a_key_it_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "");
    run(["serve", "--config", &file]).refused(&["bootstrap.admin_key_file", "COUNTERSIGN_BOOTSTRAP_ADMIN_KEY"]);
}

#[test]
fn the_key_from_the_file_lets_its_holder_in_and_nobody_holds_another() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "[bootstrap]\norganisation = 'acme'\nadmin_key_file = 'admin.key'\n");
    std::fs::write(dir.path().join("admin.key"), format!("{KEY}\n")).unwrap();
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    let orgs = serving.run(KEY, &["org", "list"]).exits(0).json();
    assert_eq!(orgs["orgs"][0]["name"], "acme");
    let keys = serving.run(KEY, &["key", "list"]).exits(0).json();
    let live = keys["keys"].as_array().unwrap().iter().filter(|key| key.get("revoked_at").is_none_or(Value::is_null));
    assert_eq!(live.count(), 1, "{keys}");
    assert!(!serving.logs.concat().contains(KEY));
    serving.stop();

    let file = config(dir.path(), "");
    let again = Serving::start(countersign().args(["serve", "--config", &file]));
    again.run(KEY, &["org", "list"]).exits(0);
    // No key, no developer: that is for dev mode.
    again.run("", &["agent", "list"]).refused(&["HTTP 401"]);
    again.stop();
}

#[test]
fn the_key_from_the_environment_lets_its_holder_in() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "");
    let mut command = countersign();
    command.args(["serve", "--config", &file]).env("COUNTERSIGN_BOOTSTRAP_ADMIN_KEY", KEY);
    let serving = Serving::start(&mut command);
    serving.run(KEY, &["agent", "list"]).exits(0);
    serving.stop();
}

#[test]
fn a_bad_configuration_stops_the_start_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), "[limits]\nagent_per_minut = 1\n");
    run(["serve", "--config", &file]).refused(&["did you mean `limits.agent_per_minute`"]);
    assert!(!dir.path().join("data").exists());
}

#[test]
fn a_taken_port_is_said_with_a_free_one_and_where_to_change_it() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = dir.path().join("c.toml");
    let address = taken.local_addr().unwrap();
    std::fs::write(&file, format!("[server]\nlisten = ['{address}']\n[storage]\ndata_dir = 'd'\n")).unwrap();
    run(["serve", "--config", file.to_str().unwrap()]).refused(&["is taken", "is free", "server.listen"]);
}
