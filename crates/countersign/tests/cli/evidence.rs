use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::harness::{Dev, Ran, run};

fn verify(dir: &Path) -> Ran {
    run(["-o", "json", "evidence", "verify", dir.to_str().unwrap()])
}

/// A folder with a record of some decisions, and how many entries it has.
fn recorded(dir: &Path) -> u64 {
    let dev = Dev::start(dir);
    for tool in ["web_search", "send_email", "read_file", "delete_file"] {
        dev.check(tool);
    }
    assert_eq!(dev.stop("-INT").0, Some(0));
    let found = verify(dir).exits(0).json();
    assert_eq!(found["verified"], true);
    found["entries"].as_u64().unwrap()
}

fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("countersign.db")).unwrap()
}

fn body(db: &Connection, position: u64) -> Vec<u8> {
    let position = i64::try_from(position).unwrap();
    db.query_row("SELECT body FROM entries WHERE position = ?1", [position], |row| row.get(0)).unwrap()
}

fn replace(db: &Connection, position: u64, body: &[u8]) {
    let position = i64::try_from(position).unwrap();
    db.execute("UPDATE entries SET body = ?2 WHERE position = ?1", params![position, body]).unwrap();
}

#[test]
fn one_changed_byte_anywhere_is_found_and_the_first_bad_entry_named() {
    let folder = tempfile::tempdir().unwrap();
    let entries = recorded(folder.path());
    let db = database(folder.path());
    for position in 0..entries {
        let right = body(&db, position);
        // A digit of the time of the entry: what remains is canonical JSON.
        let time = right.windows(8).position(|part| part == br#""time":""#).unwrap();
        let mut wrong = right.clone();
        let digit = &mut wrong[time + 11];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
        replace(&db, position, &wrong);
        let found = verify(folder.path()).exits(5).json();
        let named = found["position"].as_u64().unwrap();
        assert!(named >= position, "{found}");

        // A byte that makes it no JSON at all is found where it is.
        let mut wrong = right.clone();
        wrong[0] = b'x';
        replace(&db, position, &wrong);
        assert_eq!(verify(folder.path()).exits(5).json()["position"], position);
        replace(&db, position, &right);
    }
    verify(folder.path()).exits(0);
}

#[test]
fn the_last_entry_of_a_chain_is_named_when_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let last = recorded(folder.path()) - 1;
    let db = database(folder.path());
    let text = String::from_utf8(body(&db, last)).unwrap();
    replace(&db, last, text.replace("delete_file", "delete_fila").as_bytes());
    let found = verify(folder.path()).exits(5).json();
    assert_eq!(found["position"], last);
    assert!(found["fault"].as_str().unwrap().contains("published"), "{found}");
}

#[test]
fn an_entry_that_was_taken_out_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let entries = recorded(folder.path());
    let db = database(folder.path());
    db.execute("DELETE FROM entries WHERE position = ?1", [i64::try_from(entries - 1).unwrap()]).unwrap();
    assert_eq!(verify(folder.path()).exits(5).json()["position"], entries - 1);
    db.execute("DELETE FROM entries WHERE position = 2", []).unwrap();
    assert_eq!(verify(folder.path()).exits(5).json()["position"], 2);
}

#[test]
fn a_receipt_verifies_with_the_logs_key_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let dev = Dev::start(folder.path());
    let decision = dev.admin(&["decision", "list", "--limit", "1", "-o", "json"]).exits(0).json();
    let id = decision.pointer("/decisions/0/check_id").unwrap();
    let path = format!("{}/api/v1/decisions/{}/receipt", dev.says("url"), id.as_str().unwrap());
    let fetch = |url: &str| {
        let mut reply = ureq::get(url).header("X-API-Key", dev.says("admin_key")).call().unwrap();
        (reply.status().as_u16(), reply.body_mut().read_to_string().unwrap())
    };
    // The decision is from before this start: the first checkpoint covers it.
    let receipt = std::iter::repeat_with(|| fetch(&path)).find(|(status, _)| *status == 200).unwrap().1;
    let key = fetch(&format!("{}/log/vkey", dev.says("url"))).1;
    let file = folder.path().join("decision.tlog-proof");
    std::fs::write(&file, &receipt).unwrap();
    let file = file.to_str().unwrap();
    dev.admin(&["evidence", "verify", file, "--vkey", key.trim()]).exits(0);
    dev.admin(&["evidence", "verify", file]).exits(5);
    std::fs::write(file, receipt.replacen("index ", "index 1", 1)).unwrap();
    dev.admin(&["evidence", "verify", file, "--vkey", key.trim()]).exits(5);
}

#[test]
fn what_cannot_be_read_is_invalid_and_not_bad() {
    let folder = tempfile::tempdir().unwrap();
    verify(&folder.path().join("none")).refused(&["cannot read"]);
    verify(folder.path()).refused(&["is no data directory"]);
    std::fs::write(folder.path().join("countersign.db"), "not a database at all".repeat(100)).unwrap();
    verify(folder.path()).refused(&["not what Countersign wrote"]);
}

#[test]
fn it_works_beside_a_running_server_and_after_one_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    dev.check("web_search").exits(0);
    let before = verify(folder.path()).exits(0).json();
    dev.check("web_search").exits(0);
    drop(dev);
    let after = verify(folder.path()).exits(0).json();
    let entries = |found: &Value| found["entries"].as_u64().unwrap();
    assert_eq!(entries(&after), entries(&before) + 1);
}

#[test]
fn for_people_it_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let entries = recorded(folder.path());
    let said = run(["evidence", "verify", folder.path().to_str().unwrap()]).exits(0).out;
    assert!(said.starts_with(&format!("{entries} entries, ")) && said.ends_with(" chains, verified\n"), "{said}");
}
