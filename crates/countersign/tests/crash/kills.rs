//! SIGKILL at any moment loses nothing that was answered.
//!
//! A real server is killed under load again and again on one data directory,
//! at times while its disk is full or filling. After each kill the record must
//! verify offline, hold every decision that was answered, and be under every
//! checkpoint and receipt that was handed out; after the restart every token
//! and session that was answered is there, no session has fewer calls than
//! were answered in it, and every Trust Record is spelled as it was.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::json;

use crate::disk::{Disk, on_a_small_disk};
use crate::load::{Answered, Load};
use crate::luck::Luck;
use crate::record::{Record, verifies};
use crate::server::{Client, Server};

/// Kills in an ordinary run; `COUNTERSIGN_KILLS` sets another number.
const KILLS: u64 = 50;

/// In what state the disk is when the server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// There is space.
    Space,
    /// There is a little, so that it may run out at any write.
    Filling,
    /// There is none, and the server has refused for want of it.
    Full,
}

/// Lets clients ask, and kills the server at `moment`.
fn load_and_kill(disk: &Disk, server: Server, moment: Moment, luck: &mut Luck) -> Vec<Answered> {
    let load = Load::on(&server);
    let mut kept = Vec::new();
    let refused = |answer: &Answered| matches!(answer, Answered::Refused);
    load.keep(&mut kept, 20 + luck.below(300), |_| true);
    match moment {
        Moment::Space => {}
        Moment::Filling => {
            disk.fill(luck.below(1 << 18), Some(server.pid()));
            load.keep(&mut kept, luck.below(500), |_| true);
        }
        Moment::Full => {
            disk.fill(0, Some(server.pid()));
            load.keep(&mut kept, 1 + luck.below(100), refused);
        }
    }
    server.kill();
    load.end(&mut kept);
    assert!(moment != Moment::Space || !kept.iter().any(refused), "a server with space refused to record");
    if moment == Moment::Full && luck.below(2) == 0 {
        start_and_kill(disk);
    }
    kept
}

/// A start on a full disk may fail, and is killed where it does not.
fn start_and_kill(disk: &Disk) {
    match Server::start_on(disk, &disk.data()) {
        Ok(server) => server.kill(),
        Err(said) => assert!(said.contains("the disk is full"), "an operator reads: {said}"),
    }
}

/// Everything that was answered so far, and is to be there for ever.
#[derive(Default)]
struct Kept {
    record: Record,
    decisions: u64,
    receipts: u64,
    refused: u64,
    calls: HashMap<String, u64>,
    closing: HashSet<String>,
    tokens: Vec<String>,
    traces: Vec<(String, String)>,
}

/// What one round adds to look for.
#[derive(Default)]
struct Fresh {
    sessions: HashSet<String>,
    decisions: Vec<String>,
}

impl Kept {
    /// What was answered must be in the record.
    fn check(&mut self, data: &Path, answered: Vec<Answered>) -> Fresh {
        // What was handed out is noted first: reading must come past it.
        for answer in &answered {
            match answer {
                Answered::Receipt(receipt) => drop(self.record.checked(receipt)),
                Answered::Checkpoint(checkpoint) => drop(self.record.saw(checkpoint)),
                _ => {}
            }
        }
        self.record.read_on(data);
        let mut fresh = Fresh::default();
        let mut tokens = Vec::new();
        for answer in answered {
            match answer {
                Answered::Decision { id, session } => {
                    assert!(self.record.holds(&id), "decision {id} was answered and is gone");
                    self.decisions += 1;
                    if let Some(session) = session {
                        *self.calls.entry(session.clone()).or_default() += 1;
                        fresh.sessions.insert(session);
                    }
                    fresh.decisions.push(id);
                }
                Answered::Session(id) => drop(fresh.sessions.insert(id)),
                Answered::Closing(id) => drop(self.closing.insert(id)),
                Answered::Trace { session, record } => self.traces.push((session, record)),
                Answered::Token(token) => tokens.push(token),
                Answered::Receipt(_) => self.receipts += 1,
                Answered::Refused => self.refused += 1,
                Answered::Checkpoint(_) => {}
            }
        }
        self.tokens.extend(tokens.into_iter().take(2));
        fresh
    }

    /// A server that starts again says the same as the one that was killed.
    fn check_restarted(&mut self, client: &Client, fresh: &Fresh) {
        for id in &fresh.sessions {
            let session = client.get(&format!("/mcp/sessions/{id}"));
            let (total, least) = (session["total_calls"].as_u64().unwrap(), self.calls.get(id).copied().unwrap_or(0));
            assert!(total >= least, "session {id} has {total} calls and {least} were answered");
            let may_be_closed = self.closing.contains(id);
            let status = session["status"].as_str().unwrap();
            assert!(status == "active" || may_be_closed && status == "closed", "session {id} is {status}");
        }
        let recent = self.tokens.len().saturating_sub(40);
        for token in self.tokens.iter().skip(recent) {
            let state = client.post("/api/v1/agent-tokens/introspect", &json!({ "token": token }));
            assert_eq!(state["active"], true, "a token that was issued is gone: {state}");
        }
        let recent = self.traces.len().saturating_sub(40);
        for (session, record) in self.traces.iter().skip(recent) {
            let now = client.get_soon(&format!("/api/v1/sessions/{session}/trace"));
            assert_eq!(now, *record, "the Trust Record of session {session} is another one");
        }
        for id in fresh.decisions.iter().rev().take(3).chain(fresh.decisions.first()) {
            let receipt = client.get_soon(&format!("/api/v1/decisions/{id}/receipt"));
            assert_eq!(self.record.checked(&receipt), *id);
        }
        self.record.saw(&client.get_soon("/log/checkpoint"));
    }
}

#[test]
fn whatever_was_answered_survives_being_killed_at_any_moment() {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is chosen where it runs")]
    let kills = std::env::var("COUNTERSIGN_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let test = "kills::whatever_was_answered_survives_being_killed_at_any_moment";
    on_a_small_disk(test, 192 + 4 * kills, |disk| kill_again_and_again(disk, kills));
}

fn kill_again_and_again(disk: &Disk, kills: u64) {
    let (mut luck, mut kept, mut full, mut filling) = (Luck::default(), Kept::default(), 0, 0);
    for kill in 1..=kills {
        let server = Server::start(disk);
        let key = Client::new(&server).get_soon("/log/vkey");
        kept.record.trust(&key);
        let moment = match kill % 4 {
            0 => Moment::Full,
            2 => Moment::Filling,
            _ => Moment::Space,
        };
        full += u64::from(moment == Moment::Full);
        filling += u64::from(moment == Moment::Filling);
        let answered = load_and_kill(disk, server, moment, &mut luck);
        verifies(&disk.data());
        let fresh = kept.check(&disk.data(), answered);
        disk.free(None);
        let server = Server::start(disk);
        kept.check_restarted(&Client::new(&server), &fresh);
        server.kill();
        if kill % 10 == 0 || kill == kills {
            println!(
                "{kill} kills, {full} of them on a full disk and {filling} as it filled: {} entries verified, \
                 {} decisions and {} Trust Records answered and found, {} receipts verified, {} calls refused",
                kept.record.entries(),
                kept.decisions,
                kept.traces.len(),
                kept.receipts,
                kept.refused,
            );
        }
    }
}
