//! A power loss under a running server: its files as they were on the disk, with
//! what was not synced torn away. What was answered is there. Where more is torn
//! away than a power loss can, the log that was published says so.

use std::path::Path;

use crate::disk::Disk;
use crate::load::{Answered, Load};
use crate::luck::Luck;
use crate::record::{Record, verifies, verify};
use crate::server::{Client, Server};

/// A frame of the write-ahead log: a page and what is before it.
const FRAME: usize = 24 + 8_192;
/// What is before the first frame.
const HEADER: usize = 32;

/// Copies the data directory as it is, but for what SQLite makes anew.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let name = file.unwrap().file_name();
        if !name.to_str().unwrap().ends_with("-shm") {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Where the last commit of a write-ahead log ends: the format is
/// <https://www.sqlite.org/fileformat2.html#walformat>.
fn end_of_commits(log: &[u8]) -> usize {
    let mut end = HEADER;
    for (number, frame) in (1..).zip(log.get(HEADER..).unwrap_or_default().chunks_exact(FRAME)) {
        let is_of_this_log = frame[8..16] == log[16..24];
        if !is_of_this_log {
            break;
        }
        let is_commit = frame[4..8] != [0; 4];
        if is_commit {
            end = HEADER + number * FRAME;
        }
    }
    end
}

/// The state of a server that stands still between two instructions.
fn snapshot(server: &Server, from: &Path, to: &Path, load: &Load, answered: &mut Vec<Answered>) {
    server.signal("STOP");
    load.take(answered);
    copy(from, to);
    server.signal("CONT");
}

#[test]
fn a_power_loss_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::large(folder.path());
    let server = Server::start(&disk);
    let load = Load::on(&server);
    let (mut luck, mut answered, mut entries) = (Luck::default(), Vec::new(), 0);
    for loss in 0..12 {
        load.keep(&mut answered, 50 + luck.below(200), |_| true);
        let left = disk.beside(&format!("left-{loss}"));
        snapshot(&server, &disk.data(), &left, &load, &mut answered);
        let path = left.join("countersign.db-wal");
        let mut log = std::fs::read(&path).unwrap();
        let end = end_of_commits(&log);
        // Of what comes after the last commit, a part is there, and wrong.
        log.truncate(end + usize::try_from(luck.below((log.len() - end) as u64 + 1)).unwrap());
        log.extend((0..luck.below(20_000)).map(|n| u8::try_from(n % 251).unwrap()));
        std::fs::write(&path, log).unwrap();

        let mut record = Record::default();
        record.read_on(&left);
        for answer in &answered {
            if let Answered::Decision { id, .. } = answer {
                assert!(record.holds(id), "loss {loss}: decision {id} was answered and is gone");
            }
        }
        verifies(&left);
        let restarted = Server::start_on(&disk, &left).unwrap_or_else(|why| panic!("loss {loss}: {why}"));
        assert_eq!(Client::new(&restarted).health().0, 200);
        restarted.kill();
        verifies(&left);
        entries = record.entries();
    }
    println!("12 power losses, {entries} entries there after the last");
    server.kill();
    load.end(&mut answered);
}

#[test]
fn a_record_that_lost_what_was_published_is_neither_verified_nor_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::large(folder.path());
    let server = Server::start(&disk);
    let (client, load) = (Client::new(&server), Load::on(&server));
    let mut answered = Vec::new();
    load.keep(&mut answered, 300, |_| true);
    load.end(&mut answered);
    for answer in &answered {
        if let Answered::Decision { id, .. } = answer {
            // Once there is a receipt, the entry was published.
            client.get_soon(&format!("/api/v1/decisions/{id}/receipt"));
        }
    }
    server.kill();
    let log = std::fs::read(disk.data().join("countersign.db-wal")).unwrap();
    let mut luck = Luck::default();
    let whole = end_of_commits(&log) - HEADER;
    for cut in 0..12 {
        let left = disk.beside(&format!("cut-{cut}"));
        copy(&disk.data(), &left);
        // The last commits may be a checkpoint of chains, and no entry.
        let length = usize::try_from(luck.below((whole - 8 * FRAME) as u64)).unwrap();
        std::fs::write(left.join("countersign.db-wal"), &log[..HEADER + length]).unwrap();
        let (code, said) = verify(&left);
        assert!(matches!(code, Some(5 | 3)), "cut to {length}: exit code {code:?}: {said}");
        let said = Server::start_on(&disk, &left).err().unwrap_or_else(|| panic!("cut to {length}: it starts"));
        assert!(said.contains("entries were published, and the ledger holds"), "cut to {length}: {said}");
        let again = Server::start_on(&disk, &left);
        assert!(again.is_err(), "cut to {length}: the second start goes on");
    }
    // With nothing cut off, the same copy is good.
    let left = disk.beside("uncut");
    copy(&disk.data(), &left);
    verifies(&left);
    Server::start_on(&disk, &left).unwrap_or_else(|why| panic!("{why}")).kill();
}

#[test]
fn a_record_whose_last_entries_are_gone_stops_the_start_without_the_log_too() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::large(folder.path());
    let server = Server::start(&disk);
    let load = Load::on(&server);
    let mut answered = Vec::new();
    load.keep(&mut answered, 50, |_| true);
    load.end(&mut answered);
    server.stop();
    let database = disk.data().join("countersign.db");
    rusqlite::Connection::open(database).unwrap().execute("DELETE FROM entries WHERE position > 20", []).unwrap();
    std::fs::remove_file(disk.data().join("log.db")).unwrap();
    assert_eq!(verify(&disk.data()).0, Some(5));
    let said = Server::start_on(&disk, &disk.data()).err().expect("it does not start");
    assert!(said.contains("entries were recorded, and 21 are there"), "an operator reads: {said}");
}
