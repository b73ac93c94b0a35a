//! The log's key: where it comes from, and how it gives way to another.

use std::path::Path;

use countersign_evidence::entry::Entry;
use countersign_evidence::event::LogKey;
use countersign_evidence::log::checkpoint::{Checkpoint, Trust};
use countersign_evidence::log::note::{Note, VerifierKey};
use countersign_evidence::log::rotation::{Fault, Keys};
use countersign_evidence::trace::key::{signing_key_from_pem, signing_key_to_pem};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Dev, Ran, countersign, run};
use crate::serve::{KEY, Serving, config};

/// Every entry in the data directory.
fn entries(dir: &Path) -> Vec<Vec<u8>> {
    let db = Connection::open(dir.join("countersign.db")).unwrap();
    let mut all = db.prepare("SELECT body FROM entries ORDER BY position").unwrap();
    all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The keys that the entries name, with the position of each: the key, the one
/// before it, and whether that one endorses it.
fn named(dir: &Path) -> Vec<(usize, String, Option<String>, bool)> {
    let entries = entries(dir);
    let all = entries.iter().enumerate().map(|(at, bytes)| (at, Entry::read(bytes).unwrap()));
    let named = all.filter(|(_, entry)| entry.kind == "log_key").map(|(at, entry)| {
        assert_eq!((entry.chain.id, entry.org), ("server", None));
        let event: LogKey<'_> = serde_json::from_str(entry.event.get()).unwrap();
        (at, event.vkey.into_owned(), event.previous.map(Into::into), event.endorsement.is_some())
    });
    named.collect()
}

fn followed(dir: &Path, trusted: &str) -> Keys {
    let mut keys = Keys::trusting(VerifierKey::parse(trusted).unwrap());
    (0..).zip(entries(dir)).for_each(|(index, entry)| keys.follow(index, &entry));
    keys
}

fn fetch(url: &str, path: &str) -> Option<String> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut answer = agent.get(format!("{url}{path}")).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status() == 200).then_some(text)
}

/// The key that the server says is its log's, and a checkpoint that it signs and
/// that covers at least `size` entries.
fn served(url: &str, size: u64) -> (String, Note) {
    let key = fetch(url, "/log/vkey").unwrap().trim().to_owned();
    let notes = std::iter::repeat_with(|| fetch(url, "/log/checkpoint")).flatten();
    let mut notes = notes.map(|text| Note::parse(text.as_bytes()).unwrap());
    let covers = |note: &Note| Checkpoint::parse(note.text()).unwrap().head().size >= size;
    let note = notes.find(covers).unwrap();
    Trust::in_key(VerifierKey::parse(&key).unwrap()).open(&note).unwrap();
    (key, note)
}

/// A data directory whose server is stopped, and the key of its log.
fn stopped(dir: &Path) -> String {
    let dev = Dev::start(dir);
    let (key, _) = served(dev.says("url"), 1);
    assert_eq!(dev.stop("-INT").0, Some(0));
    key
}

fn rotate(dir: &Path) -> Ran {
    run(["-o", "json", "log", "rotate-key", "--data", dir.to_str().unwrap()])
}

fn says(found: &Value, name: &str) -> String {
    found[name].as_str().unwrap().to_owned()
}

#[test]
fn the_first_start_records_the_key_before_anything_else_and_later_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let key = stopped(folder.path());
    stopped(folder.path());
    assert_eq!(named(folder.path()), [(0, key.clone(), None, false)]);
    assert!(key.starts_with("countersign.invalid/"));
}

#[test]
fn whoever_trusts_the_old_key_follows_to_the_new_one_with_the_entries_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let first = stopped(dir);
    let before = std::fs::read(dir.join("log.key")).unwrap();
    let found = rotate(dir).exits(0).json();
    assert_eq!(says(&found, "previous"), first);
    assert!(!dir.join("log.key.next").exists());
    assert_ne!(std::fs::read(dir.join("log.key")).unwrap(), before);
    run(["evidence", "verify", dir.to_str().unwrap(), "--vkey", &says(&found, "vkey")]).exits(0);

    let dev = Dev::start(dir);
    let entry = found["entry"].as_u64().unwrap();
    let (second, note) = served(dev.says("url"), entry + 1);
    assert_eq!(second, says(&found, "vkey"));
    // The log keeps its name, though it was made from the first key.
    assert_eq!(second.split('+').next(), first.split('+').next());
    let keys = followed(dir, &first);
    let size = Checkpoint::parse(note.text()).unwrap().head().size;
    Trust::in_key(keys.of_tree(size).unwrap().clone()).open(&note).unwrap();
    assert_eq!(keys.of_tree(entry).unwrap().to_string(), first);
    drop(dev);

    let third = says(&rotate(dir).exits(0).json(), "vkey");
    assert_eq!(followed(dir, &first).current().unwrap().to_string(), third);
    run(["evidence", "verify", dir.to_str().unwrap(), "--vkey", &third]).exits(0);
}

fn verify(what: &Path, key: &str) -> Ran {
    run(["-o", "json", "evidence", "verify", what.to_str().unwrap(), "--vkey", key])
}

#[test]
fn evidence_verify_follows_from_the_key_it_was_given_and_says_where_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let first = stopped(dir);
    let seen = dir.join("seen");
    let copies = tempfile::tempdir().unwrap();
    let mirror = |to: &Path| {
        run(["evidence", "mirror", dir.to_str().unwrap(), "--to", to.to_str().unwrap()]).exits(0);
    };
    mirror(&copies.path().join("before"));
    std::fs::copy(copies.path().join("before/checkpoint"), &seen).unwrap();

    let second = says(&rotate(dir).exits(0).json(), "vkey");
    let copy = copies.path().join("endorsed");
    mirror(&copy);
    for key in [&first, &second] {
        verify(dir, key).exits(0);
        verify(&copy, key).exits(0);
    }
    let since = ["--seen", seen.to_str().unwrap()];
    let of_the_first = ["evidence", "verify", dir.to_str().unwrap(), "--vkey", &first];
    run([&of_the_first[..], &since].concat()).exits(0);

    // By force: nobody vouches for the third.
    std::fs::write(dir.join("log.key"), [9; 32]).unwrap();
    let third = stopped(dir);
    let entry = named(dir).last().unwrap().0;
    let copy = copies.path().join("forced");
    mirror(&copy);
    for what in [dir, &copy] {
        verify(what, &third).exits(0);
        for key in [&first, &second] {
            let ran = verify(what, key).exits(5);
            for said in [&format!("entry {entry} names"), "does not endorse it", &third] {
                assert!(ran.out.contains(said) || ran.err.contains(said), "`{said}` is not said: {ran:?}");
            }
        }
    }
}

#[test]
fn a_key_in_pem_in_the_directory_verifies_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    stopped(dir);
    let key = SigningKey::from_bytes(&std::fs::read(dir.join("log.key")).unwrap().try_into().unwrap());
    std::fs::write(dir.join("log.key"), signing_key_to_pem(&key).unwrap()).unwrap();
    run(["evidence", "verify", dir.to_str().unwrap()]).exits(0);
}

#[test]
fn a_start_that_is_refused_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    stopped(dir);
    let db = Connection::open(dir.join("countersign.db")).unwrap();
    db.execute("DELETE FROM entries WHERE position = (SELECT MAX(position) FROM entries)", []).unwrap();
    // Another key would be recorded first.
    std::fs::write(dir.join("log.key"), [9; 32]).unwrap();
    let before = entries(dir);
    run(["dev", "--listen", "127.0.0.1:0", "--data", dir.to_str().unwrap()]).refused(&["cannot go on", "are lost"]);
    assert_eq!(entries(dir), before);
}

#[test]
fn a_rotation_that_stopped_before_its_entry_changed_nothing_and_goes_on_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let first = stopped(dir);
    // What a crash after the first step leaves.
    std::fs::write(dir.join("log.key.next"), [7; 32]).unwrap();
    assert_eq!(stopped(dir), first);
    assert_eq!(named(dir).len(), 1);

    let vkey = VerifierKey::parse(&says(&rotate(dir).exits(0).json(), "vkey")).unwrap();
    assert_eq!(*vkey.key(), SigningKey::from_bytes(&[7; 32]).verifying_key());
    assert_eq!(stopped(dir), vkey.to_string());
}

#[test]
fn a_rotation_that_stopped_after_its_entry_is_finished_before_anything_is_signed() {
    for finish in [|dir: &Path| stopped(dir), |dir: &Path| says(&rotate(dir).exits(0).json(), "vkey")] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let first = stopped(dir);
        let old = std::fs::read(dir.join("log.key")).unwrap();
        let second = says(&rotate(dir).exits(0).json(), "vkey");
        // What a crash after the second step leaves: also without the old key.
        std::fs::rename(dir.join("log.key"), dir.join("log.key.next")).unwrap();
        std::fs::write(dir.join("log.key"), old).unwrap();
        assert_eq!(finish(dir), second);
        assert!(!dir.join("log.key.next").exists());
        std::fs::rename(dir.join("log.key"), dir.join("log.key.next")).unwrap();
        assert_eq!(finish(dir), second);
        assert_eq!(named(dir).len(), 2, "no rotation but the one that was begun");
        assert_eq!(followed(dir, &first).current().unwrap().to_string(), second);
    }
}

#[test]
fn a_prepared_key_is_the_one_that_follows() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let first = stopped(dir);
    let prepare = || run(["-o", "json", "log", "rotate-key", "--prepare", "--data", dir.to_str().unwrap()]);
    let next = says(&prepare().exits(0).json(), "prepared");
    assert_eq!(says(&prepare().exits(0).json(), "prepared"), next);
    assert_eq!(stopped(dir), first);
    assert_eq!(says(&rotate(dir).exits(0).json(), "vkey"), next);
}

#[test]
fn a_key_that_was_put_in_place_by_force_is_recorded_and_nobody_vouches_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), "[bootstrap]\nadmin_key_file = 'admin.key'\n");
    std::fs::write(folder.path().join("admin.key"), KEY).unwrap();
    let dir = folder.path().join("data");
    let start = || Serving::start(countersign().args(["serve", "--config", &file]));
    let serving = start();
    let (first, _) = served(&serving.url, 1);
    serving.stop();

    std::fs::write(dir.join("log.key"), [9; 32]).unwrap();
    for _ in 0..2 {
        let serving = start();
        let (second, _) = served(&serving.url, 1);
        assert_eq!(named(&dir).last().unwrap(), &(named(&dir).last().unwrap().0, second, Some(first.clone()), false));
        let logs = serving.logs.concat();
        assert!(logs.contains("without its endorsement") && logs.contains("ERROR"), "{logs}");
        let health: Value = serde_json::from_str(&fetch(&serving.url, "/health").unwrap()).unwrap();
        assert!(health["log"]["warning"].as_str().unwrap().contains(&first), "{health}");
        serving.stop();
    }
    assert_eq!(named(&dir).len(), 2);
    assert_eq!(followed(&dir, &first).current().unwrap_err().fault, Fault::NotEndorsed);

    // A key that is prepared is not mistaken for one that was recorded.
    std::fs::write(dir.join("log.key.next"), [9; 32]).unwrap();
    std::fs::write(dir.join("log.key"), [10; 32]).unwrap();
    start().stop();
    assert_eq!(std::fs::read(dir.join("log.key")).unwrap(), [10; 32]);
    assert_eq!(named(&dir).len(), 3);
}

#[test]
fn a_key_that_is_lost_is_not_replaced_silently() {
    let folder = tempfile::tempdir().unwrap();
    stopped(folder.path());
    std::fs::remove_file(folder.path().join("log.key")).unwrap();
    let dir = folder.path().to_str().unwrap();
    run(["dev", "--listen", "127.0.0.1:0", "--data", dir]).refused(&["log.key", "is missing", "restore"]);
    rotate(folder.path()).refused(&["log.key", "is missing"]);
    assert!(!folder.path().join("log.key").exists());
}

#[test]
fn a_rotation_beside_a_running_server_or_on_no_data_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    rotate(folder.path()).refused(&["in use by another countersign process"]);
    drop(dev);
    rotate(&folder.path().join("none")).refused(&["is no data directory"]);
    assert!(!folder.path().join("none").exists());
    run(["log", "rotate-key"]).exits(3);
}

#[test]
fn origin_and_key_come_from_the_configuration_and_a_pem_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = "[evidence]\norigin = 'example.com/log'\nkey_file = 'keys/log.pem'\n";
    let file = config(folder.path(), &format!("{evidence}[bootstrap]\nadmin_key_file = 'admin.key'\n"));
    std::fs::write(folder.path().join("admin.key"), KEY).unwrap();
    let check = || run(["config", "check", "--config", &file]);
    check().refused(&["`evidence.key_file`", "log.pem", "is not there", "openssl genpkey"]);

    let pem = folder.path().join("keys/log.pem");
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    for wrong in ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &"x".repeat(33)] {
        std::fs::write(&pem, wrong).unwrap();
        check().refused(&["`evidence.key_file`", "log.pem", "expected an Ed25519 private key"]);
    }
    let key = SigningKey::from_bytes(&[3; 32]);
    std::fs::write(&pem, signing_key_to_pem(&key).unwrap()).unwrap();
    let serving = Serving::start(countersign().args(["serve", "--config", &file]));
    let (first, _) = served(&serving.url, 1);
    let first = VerifierKey::parse(&first).unwrap();
    assert_eq!((first.name().as_str(), *first.key()), ("example.com/log", key.verifying_key()));
    serving.stop();
    assert!(!folder.path().join("data/log.key").exists());

    let found = run(["-o", "json", "log", "rotate-key", "--config", &file]).exits(0).json();
    let key = signing_key_from_pem(&std::fs::read_to_string(&pem).unwrap()).unwrap();
    assert_eq!(*VerifierKey::parse(&says(&found, "vkey")).unwrap().key(), key.verifying_key());

    // A key that is not the log's, such as one from before it was configured, endorses nothing.
    let data = folder.path().join("data");
    std::fs::write(data.join("log.key"), [4; 32]).unwrap();
    rotate(&data).refused(&["only that key can endorse another", "--config"]);
    assert_eq!(named(&data).len(), 2);
}
