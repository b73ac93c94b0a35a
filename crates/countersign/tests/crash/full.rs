//! A full disk: nothing is decided that cannot be recorded, the reason can be
//! read, and it is over when there is space, with nobody's help.

use std::collections::HashSet;

use countersign_store::{Ledger as _, SqliteStore};
use serde_json::{Value, json};

use crate::disk::{Disk, on_a_small_disk, under_a_limit};
use crate::load::{Answered, Load};
use crate::record::{Record, verifies};
use crate::server::{Client, Server, until};

/// What health and the log call a full disk.
fn full(disk: &Disk) -> &'static str {
    if disk.is_real() { "the disk is full" } else { "disk I/O error" }
}

fn is_refused(answer: &Answered) -> bool {
    matches!(answer, Answered::Refused)
}

/// One call that would be allowed.
fn check(client: &Client, server: &Server) -> (u16, Value) {
    let call = json!({ "agent_id": server.text("agent_id"), "session_id": "", "action_name": "web_search",
        "action_source": "api" });
    client.call("POST", "/api/v1/agenttrust/check", &call).expect("the server answers")
}

/// Fails unless the server answers that it cannot record.
fn assert_refused((status, answer): &(u16, Value)) {
    assert_eq!((*status, answer["code"].as_str()), (503, Some("ledger_unavailable")), "{answer}");
    assert_eq!(answer["allowed"], Value::Null, "{answer}");
}

/// Asks until what the server still had room for is used up.
fn use_up(client: &Client, server: &Server) -> Vec<String> {
    let mut allowed = Vec::new();
    until("a full disk refuses", || match check(client, server) {
        (200, answer) => {
            allowed.push(answer["check_id"].as_str().unwrap().to_owned());
            None
        }
        refused => {
            assert_refused(&refused);
            Some(())
        }
    });
    allowed
}

fn decisions(answered: &[Answered]) -> impl Iterator<Item = &str> {
    answered.iter().filter_map(|answer| match answer {
        Answered::Decision { id, .. } => Some(id.as_str()),
        _ => None,
    })
}

#[test]
fn a_full_disk_refuses_everything_says_why_and_is_over_by_itself() {
    let test = "full::a_full_disk_refuses_everything_says_why_and_is_over_by_itself";
    on_a_small_disk(test, 64, refuses_everything_until_there_is_space);
}

#[test]
fn a_disk_that_answers_with_errors_is_met_like_a_full_one() {
    let test = "full::a_disk_that_answers_with_errors_is_met_like_a_full_one";
    under_a_limit(test, refuses_everything_until_there_is_space);
}

fn refuses_everything_until_there_is_space(disk: &Disk) {
    let server = Server::start(disk);
    let client = Client::new(&server);
    let load = Load::on(&server);
    let mut answered = Vec::new();
    load.keep(&mut answered, 500, |_| true);
    disk.fill(1 << 20, Some(server.pid()));
    load.keep(&mut answered, 1, is_refused);
    disk.fill(0, Some(server.pid()));
    load.keep(&mut answered, 200, is_refused);
    load.end(&mut answered);
    let mut allowed: HashSet<_> = decisions(&answered).map(str::to_owned).collect();
    allowed.extend(use_up(&client, &server));

    let (status, reason) = client.health();
    assert_eq!(status, 503);
    assert!(reason.contains(full(disk)), "an operator reads: {reason}");
    let agent = server.text("agent_id");
    let refused = client.call("POST", &format!("/api/v1/agents/{agent}/suspend"), &json!({ "reason": "test" }));
    assert_refused(&refused.unwrap());
    assert_eq!(client.get(&format!("/api/v1/agents/{agent}"))["status"], "active", "a refused order did happen");
    assert_eq!(client.health().0, 503, "the disk is as full as before");

    disk.free(Some(server.pid()));
    until("a server with space is healthy, with nobody asking it to record", || {
        (client.health().0 == 200).then_some(())
    });
    let (status, answer) = check(&client, &server);
    assert_eq!(status, 200, "{answer}");
    let last = answer["check_id"].as_str().unwrap().to_owned();
    let mut record = Record::default();
    record.trust(&client.get_soon("/log/vkey"));
    let receipt = client.get_soon(&format!("/api/v1/decisions/{last}/receipt"));
    assert_eq!(record.checked(&receipt), last, "the log has caught up");
    allowed.insert(last);

    server.kill();
    verifies(&disk.data());
    record.read_on(&disk.data());
    assert_eq!(record.decisions(), allowed, "what is recorded is what was answered, and nothing that was refused");
}

#[test]
fn a_server_that_nobody_asks_finds_out_that_there_is_space_again() {
    on_a_small_disk("full::a_server_that_nobody_asks_finds_out_that_there_is_space_again", 32, |disk| {
        let server = Server::start(disk);
        let client = Client::new(&server);
        assert_eq!(check(&client, &server).0, 200);
        let store = SqliteStore::open_read_only(&disk.data().join("countersign.db")).unwrap();
        until("a server without work checkpoints", || {
            (store.checkpoint(1).unwrap().position == store.length().unwrap()).then_some(())
        });
        disk.fill(0, Some(server.pid()));
        use_up(&client, &server);
        assert_eq!(client.health().0, 503);
        disk.free(Some(server.pid()));
        until("a server with space is healthy", || (client.health().0 == 200).then_some(()));
        drop(store);
        verifies(&disk.data());
        assert_eq!(check(&client, &server).0, 200);
        server.kill();
        verifies(&disk.data());
    });
}

#[test]
fn a_stop_on_a_full_disk_ends_and_loses_nothing() {
    on_a_small_disk("full::a_stop_on_a_full_disk_ends_and_loses_nothing", 32, |disk| {
        let server = Server::start(disk);
        let client = Client::new(&server);
        let load = Load::on(&server);
        let mut answered = Vec::new();
        load.keep(&mut answered, 100, |_| true);
        disk.fill(0, Some(server.pid()));
        load.keep(&mut answered, 1, is_refused);
        load.end(&mut answered);
        let allowed = use_up(&client, &server);
        let (status, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains(full(disk)), "{log}");
        verifies(&disk.data());
        let mut record = Record::default();
        record.read_on(&disk.data());
        for id in decisions(&answered).chain(allowed.iter().map(String::as_str)) {
            assert!(record.holds(id), "decision {id} was answered and is gone");
        }
        disk.free(None);
        let server = Server::start(disk);
        assert_eq!(check(&Client::new(&server), &server).0, 200);
    });
}

#[test]
fn a_start_on_a_full_disk_says_so_and_damages_nothing() {
    on_a_small_disk("full::a_start_on_a_full_disk_says_so_and_damages_nothing", 32, |disk| {
        let server = Server::start(disk);
        let (_, answer) = check(&Client::new(&server), &server);
        let (status, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        disk.fill(0, None);
        // A server that ended in order left no files to write in.
        let said = Server::start_on(disk, &disk.data()).err().expect("there is no room to start in");
        assert!(said.contains("the disk is full"), "an operator reads: {said}");
        disk.free(None);
        let server = Server::start(disk);
        let client = Client::new(&server);
        let id = answer["check_id"].as_str().unwrap();
        assert_eq!(client.get(&format!("/api/v1/decisions/{id}"))["check_id"], id);
        assert_eq!(check(&client, &server).0, 200);
        server.kill();
        verifies(&disk.data());
    });
}

#[test]
fn a_killed_server_that_starts_on_a_full_disk_says_so_at_once_and_goes_on_with_space() {
    let test = "full::a_killed_server_that_starts_on_a_full_disk_says_so_at_once_and_goes_on_with_space";
    on_a_small_disk(test, 32, |disk| {
        let server = Server::start(disk);
        disk.fill(0, Some(server.pid()));
        let allowed = use_up(&Client::new(&server), &server);
        server.kill();
        verifies(&disk.data());
        match Server::start_on(disk, &disk.data()) {
            Ok(server) => {
                let client = Client::new(&server);
                let (status, reason) = client.health();
                assert_eq!(status, 503, "a server that cannot record says so before it is asked");
                assert!(reason.contains(full(disk)), "an operator reads: {reason}");
                assert_refused(&check(&client, &server));
                disk.free(Some(server.pid()));
                until("a server with space is healthy", || (client.health().0 == 200).then_some(()));
                assert_eq!(check(&client, &server).0, 200);
                server.kill();
            }
            Err(said) => {
                assert!(!disk.is_real(), "the files it needs are there: {said}");
                assert!(said.contains("the disk is full"), "an operator reads: {said}");
            }
        }
        let mut record = Record::default();
        record.read_on(&disk.data());
        assert!(allowed.iter().all(|id| record.holds(id)));
        verifies(&disk.data());
    });
}

#[test]
fn a_first_start_that_runs_out_of_space_anywhere_is_finished_by_the_next() {
    on_a_small_disk("full::a_first_start_that_runs_out_of_space_anywhere_is_finished_by_the_next", 32, |disk| {
        let mut refused = 0;
        for pages in 0..40 {
            let data = disk.beside(&format!("first-{pages}"));
            disk.fill(pages * 8_192, None);
            match Server::start_on(disk, &data) {
                Ok(server) => server.kill(),
                Err(said) => {
                    refused += 1;
                    let says_why = ["No space left", "File too large", "the disk is full", full(disk)]
                        .iter()
                        .any(|why| said.contains(why));
                    assert!(says_why, "with {pages} pages, an operator reads: {said}");
                }
            }
            disk.free(None);
            let server = Server::start_on(disk, &data).unwrap_or_else(|why| panic!("after {pages} pages: {why}"));
            let (status, answer) = check(&Client::new(&server), &server);
            assert_eq!((status, &answer["allowed"]), (200, &json!(true)), "after {pages} pages: {answer}");
            server.kill();
            verifies(&data);
            std::fs::remove_dir_all(data).unwrap();
        }
        println!("{refused} of 40 first starts ran out of space");
        assert!((1..40).contains(&refused), "the sizes that were tried are too small or too large");
    });
}
