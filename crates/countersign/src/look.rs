//! What `countersign doctor` looks at: each look says what was found, and what
//! to do where it is not as it should be.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Result;
use countersign_engine::{Clock as _, SystemClock};
use serde::Serialize;
use serde_json::Value;

use crate::client::{Client, Reply};
use crate::config::{Config, Problems};
use crate::data_dir::{database, is_open, seal_key};
use crate::output::visible;

/// How far the server's clock may be from this machine's, in seconds.
const DRIFT: i64 = 30;
/// 2026-01-01: no clock that is right says an earlier time.
const BUILT: i64 = 1_767_225_600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Look {
    verdict: Verdict,
    what: &'static str,
    found: String,
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn ok(what: &'static str, found: impl Into<String>) -> Look {
    Look { verdict: Verdict::Ok, what, found: found.into(), advice: None }
}

fn warn(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Look {
    Look { verdict: Verdict::Warn, what, found: found.into(), advice: Some(advice.into()) }
}

fn fail(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Look {
    Look { verdict: Verdict::Fail, what, found: found.into(), advice: Some(advice.into()) }
}

impl Look {
    /// Whether it is not as it must be.
    pub fn has_failed(&self) -> bool {
        self.verdict == Verdict::Fail
    }
}

/// Whether the server answers, and what it says of itself.
pub fn server(client: &Client, health: &Result<Reply>) -> Look {
    let url = client.url();
    match health {
        Err(why) => fail("server", format!("{url} does not answer"), format!("{why:#}")),
        Ok(reply) => match reply.body.get("status").and_then(Value::as_str) {
            Some("healthy") => ok("server", format!("{url} is healthy")),
            Some(status) => fail("server", format!("{url} is {status}"), "read the server's logs for the reason"),
            None => fail("server", format!("{url} is no Countersign server"), "name one with `--url`"),
        },
    }
}

/// Whether the server takes the key.
pub fn key(client: &Client) -> Look {
    match client.get("/api/v1/agents", &[]) {
        Ok(_) => ok("key", "accepted"),
        Err(why) => fail("key", "not accepted", format!("{why:#}")),
    }
}

/// Whether the policies of the server's folder are those in force; `None` where it has no folder.
pub fn policies(reply: &Reply) -> Option<Look> {
    let policies = reply.body.get("policies")?;
    Some(match policies.get("failure").and_then(Value::as_str) {
        Some(why) => fail("policies", "the last good ones hold", format!("correct the folder: {}", visible(why))),
        None => ok("policies", "as in the folder"),
    })
}

/// Whether this machine's clock and the server's are right, as far as they can tell.
pub fn clock(reply: Option<&Reply>) -> Look {
    let mine = SystemClock::default().now().as_millis() / 1000;
    let advice = "let the machines keep their time by NTP";
    let theirs = reply.and_then(|reply| jiff::fmt::rfc2822::parse(reply.date.as_deref()?).ok());
    match theirs.map(|date| date.timestamp().as_second() - mine) {
        _ if mine < BUILT => fail("clock", "this machine's clock is years behind", advice),
        Some(drift) if drift.abs() > DRIFT => {
            fail("clock", format!("the server's is {drift} s from this machine's"), advice)
        }
        Some(_) => ok("clock", "the server's and this machine's agree"),
        None => ok("clock", "plausible"),
    }
}

/// Whether a configuration is valid, and what an operator should know of it.
pub fn config(config: Result<&Config, &Problems>) -> Vec<Look> {
    match config {
        Ok(config) => {
            let warnings = config.warnings().into_iter().map(|why| {
                let (found, advice) = why.split_once("; ").unwrap_or((&why, "see the documentation"));
                warn("configuration", found, advice)
            });
            std::iter::once(ok("configuration", "valid")).chain(warnings).collect()
        }
        Err(why) => vec![fail("configuration", why.to_string(), "correct the file")],
    }
}

/// Whether a data directory is its owner's alone and takes writes.
pub fn data_dir(dir: &Path) -> Vec<Look> {
    let shown = dir.display();
    if !dir.is_dir() {
        return vec![fail(
            "data directory",
            format!("`{shown}` is not there"),
            "a first start makes it; check the name",
        )];
    }
    let key = seal_key(dir);
    vec![
        if is_open(dir) {
            warn("data directory", "others may look into it", format!("chmod 700 {shown}"))
        } else {
            ok("data directory", "its owner's alone")
        },
        match std::fs::read(&key) {
            Ok(bytes) if bytes.len() != 32 => fail("seal key", "of the wrong length", "restore it from a backup"),
            Ok(_) if is_open(&key) => fail("seal key", "others may read it", format!("chmod 600 {}", key.display())),
            Ok(_) => ok("seal key", "its owner's alone"),
            Err(_) if !database(dir).exists() => ok("seal key", "not made yet"),
            Err(why) => fail("seal key", why.to_string(), "restore it from a backup"),
        },
        match write_through(dir) {
            Ok(()) => ok("disk", "writes reach it"),
            Err(why) => fail("disk", why.to_string(), "check free space, permissions and mount options"),
        },
    ]
}

/// Writes a file to the disk and removes it.
fn write_through(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!("doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let written = file.write_all(b"doctor").and_then(|()| file.sync_all());
    std::fs::remove_file(&path)?;
    written
}
