//! A log as an auditor meets it: by its URL, or as plain files.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Dev, Ran, countersign, ran, run};
use crate::log_world::{Files, ORIGIN, World, flip, put};

fn verify(what: &str, more: &[&str]) -> Ran {
    run([&["-o", "json", "evidence", "verify", what], more].concat())
}

fn mirror(from: &str, to: &Path, more: &[&str]) -> Ran {
    run([&["-o", "json", "evidence", "mirror", from, "--to", to.to_str().unwrap()], more].concat())
}

#[test]
fn plain_files_of_a_log_verify_with_its_key_and_are_nobodys_without() {
    let (folder, world) = (tempfile::tempdir().unwrap(), World::of(600));
    world.write(folder.path());
    let path = folder.path().to_str().unwrap();
    let key = world.vkey().to_string();
    let found = verify(path, &["--vkey", &key]).exits(0).json();
    assert_eq!((&found["verified"], &found["entries"], &found["chains"]), (&true.into(), &600.into(), &3.into()));
    let found = verify(path, &[]).exits(5).json();
    assert_eq!(found["verified"], false);
    assert!(found["unchecked"].as_str().unwrap().contains("--vkey"), "{found}");
    let mut other = World::of(600);
    other.entries.clear();
    let stranger = key.replace(ORIGIN, "log.example/other");
    assert_ne!(stranger, key);
    verify(path, &["--vkey", &stranger]).exits(3);
}

#[test]
fn the_first_changed_entry_is_named_wherever_the_change_is() {
    let (folder, world) = (tempfile::tempdir().unwrap(), World::of(600));
    let (path, key) = (folder.path().to_str().unwrap(), world.vkey().to_string());
    for (file, at, position) in [
        ("tile/entries/000", 40, 0),
        ("tile/entries/001", 2, 256),
        ("tile/entries/002.p/88", 30, 512),
        ("tile/0/000", 32 * 7, 0),
        ("tile/0/002.p/88", 0, 0),
        ("tile/1/000.p/2", 33, 0),
    ] {
        world.write(folder.path());
        flip(&folder.path().join(file), at);
        let found = verify(path, &["--vkey", &key]).exits(5).json();
        assert_eq!(found["position"], position, "{file}: {found}");
    }
    world.write(folder.path());
    let bundle = folder.path().join("tile/entries/001");
    std::fs::remove_file(&bundle).unwrap();
    let found = verify(path, &["--vkey", &key]).exits(5).json();
    assert_eq!(found["position"], 256, "{found}");
    world.write(folder.path());
    flip(&folder.path().join("checkpoint"), ORIGIN.len() + 1);
    verify(path, &["--vkey", &key]).exits(5);
}

#[test]
fn entries_that_were_published_broken_are_found_though_the_tree_holds() {
    let (folder, mut world) = (tempfile::tempdir().unwrap(), World::of(300));
    // The operator publishes a ledger that it has changed: the tree is right, the chain is not.
    let changed = String::from_utf8(world.entries[271].clone()).unwrap().replace("update", "create");
    world.entries[271] = changed.into_bytes();
    world.write(folder.path());
    let key = world.vkey().to_string();
    let found = verify(folder.path().to_str().unwrap(), &["--vkey", &key]).exits(5).json();
    assert_eq!(found["position"], 274, "the next of its chain: {found}");
}

#[test]
fn a_url_verifies_like_files_and_says_so_where_entries_are_not_for_who_asks() {
    let (folder, world) = (tempfile::tempdir().unwrap(), World::of(300));
    world.write(folder.path());
    let files = Files::serve(folder.path(), Some("the-key"));
    let key = world.vkey().to_string();
    let found = verify(&files.url, &["--vkey", &key, "--api-key", "the-key"]).exits(0).json();
    assert_eq!(found["entries"], 300);
    let found = verify(&files.url, &["--vkey", &key]).exits(5).json();
    assert!(found["unchecked"].as_str().unwrap().contains("entries were not checked"), "{found}");
    assert!(files.asked().contains(&"tile/0/001.p/44".to_owned()), "the hashes are checked all the same");
    flip(&folder.path().join("tile/0/000"), 0);
    assert_eq!(verify(&files.url, &["--vkey", &key]).exits(5).json()["position"], 0);
    verify("http://127.0.0.1:9/log", &["--vkey", &key]).refused(&["cannot ask"]);
    verify(&format!("{}/elsewhere", files.url), &["--vkey", &key]).refused(&["shows no checkpoint", "/log"]);
}

#[test]
fn a_rollback_and_a_split_view_are_shown_with_both_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::of(300);
    world.write(folder.path());
    let (path, key) = (folder.path().to_str().unwrap(), world.vkey().to_string());
    let kept = folder.path().join("kept");
    let seen = |note: &str| -> Ran {
        put(&kept, note.as_bytes());
        verify(path, &["--vkey", &key, "--seen", kept.to_str().unwrap()])
    };
    for size in [0, 1, 256, 299, 300] {
        seen(&world.checkpoint(size).to_string()).exits(0);
    }
    let mut longer = World::of(300);
    longer.grow(5);
    let found = seen(&longer.checkpoint(305).to_string()).exits(5).json();
    assert!(found["fault"].as_str().unwrap().contains("rolled back"), "{found}");
    for size in [100, 300] {
        let mut other = World::of(300);
        other.entries.swap(3, 4);
        let note = other.checkpoint(size).to_string();
        let found = seen(&note).exits(5).json();
        assert!(found["fault"].as_str().unwrap().contains("two trees"), "{found}");
        assert_eq!(found["seen"], note);
        assert_eq!(found["shown"], world.checkpoint(300).to_string());
    }
    // A checkpoint that the log did not sign accuses nobody.
    let forged = world.checkpoint(100).to_string().replacen("100", "101", 1);
    seen(&forged).refused(&["is no evidence"]);
}

#[test]
fn a_copy_is_kept_up_to_date_without_fetching_what_is_full_again() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut world = World::of(300);
    world.write(from.path());
    let files = Files::serve(from.path(), None);
    let key = world.vkey().to_string();
    mirror(&files.url, to.path(), &["--vkey", &key]).exits(0);
    verify(to.path().to_str().unwrap(), &["--vkey", &key]).exits(0);
    files.asked();

    world.grow(500);
    world.write(from.path());
    let found = mirror(&files.url, to.path(), &["--vkey", &key]).exits(0).json();
    assert_eq!((&found["size"], &found["had"]), (&800.into(), &300.into()));
    assert_eq!(verify(to.path().to_str().unwrap(), &["--vkey", &key]).exits(0).json()["entries"], 800);
    let asked = files.asked();
    assert!(asked.contains(&"tile/0/001".to_owned()), "{asked:?}");
    assert!(!asked.iter().any(|path| path.ends_with("/000") || path.contains("001.p")), "{asked:?}");
    assert!(!to.path().join("tile/0/001.p").exists(), "the full tile took its place");

    // The same once more asks for the checkpoint and the right edge alone.
    let found = mirror(&files.url, to.path(), &["--vkey", &key]).exits(0).json();
    assert_eq!(found["files_written"], 0);
}

#[test]
fn a_copy_is_not_overwritten_by_a_log_that_does_not_continue_it() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::of(300);
    world.write(from.path());
    let files = Files::serve(from.path(), None);
    let key = world.vkey().to_string();
    mirror(&files.url, to.path(), &["--vkey", &key]).exits(0);
    let before = std::fs::read(to.path().join("checkpoint")).unwrap();
    let mut other = World::of(300);
    other.entries.swap(3, 4);
    other.grow(20);
    std::fs::remove_dir_all(from.path().join("tile")).unwrap();
    other.write(from.path());
    let found = mirror(&files.url, to.path(), &["--vkey", &key]).exits(5).json();
    assert!(found["fault"].as_str().unwrap().contains("two trees"), "{found}");
    World::of(100).write(from.path());
    mirror(&files.url, to.path(), &["--vkey", &key]).exits(5);
    assert_eq!(std::fs::read(to.path().join("checkpoint")).unwrap(), before);
    verify(to.path().to_str().unwrap(), &["--vkey", &key]).exits(0);
}

#[test]
fn nothing_wrong_is_written_into_a_copy() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::of(600);
    world.write(from.path());
    flip(&from.path().join("tile/entries/001"), 30);
    let files = Files::serve(from.path(), None);
    let found = mirror(&files.url, to.path(), &[]).exits(5).json();
    assert_eq!(found["position"], 256, "{found}");
    assert!(!to.path().join("tile/entries/001").exists() && !to.path().join("checkpoint").exists());
    // What was broken off goes on, and what is there is not fetched again.
    world.write(from.path());
    files.asked();
    mirror(&files.url, to.path(), &[]).exits(0);
    assert!(!files.asked().contains(&"tile/entries/000".to_owned()));
    verify(to.path().to_str().unwrap(), &["--vkey", &world.vkey().to_string()]).exits(0);
}

#[test]
fn entries_that_may_not_be_copied_can_be_left_out() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::of(300);
    world.write(from.path());
    let files = Files::serve(from.path(), Some("the-key"));
    let key = world.vkey().to_string();
    mirror(&files.url, to.path(), &[]).refused(&["--without-entries", "COUNTERSIGN_API_KEY"]);
    mirror(&files.url, to.path(), &["--without-entries"]).exits(0);
    let found = verify(to.path().to_str().unwrap(), &["--vkey", &key]).exits(5).json();
    assert!(found["unchecked"].as_str().unwrap().contains("entries were not checked"), "{found}");
    mirror(&files.url, to.path(), &["--api-key", "the-key"]).exits(0);
    verify(to.path().to_str().unwrap(), &["--vkey", &key]).exits(0);
}

#[test]
fn a_running_server_verifies_and_its_data_directory_is_copied_beside_it() {
    let (folder, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dev = Dev::start(folder.path());
    dev.check("web_search").exits(0);
    let url = format!("{}/log", dev.says("url"));
    let fetch = |path: &str| -> (u16, String) {
        let mut reply = ureq::get(format!("{url}/{path}")).config().http_status_as_error(false).build().call().unwrap();
        (reply.status().as_u16(), reply.body_mut().read_to_string().unwrap())
    };
    // The first checkpoint is on its way.
    let kept = std::iter::repeat_with(|| fetch("checkpoint")).find(|(status, _)| *status == 200).unwrap().1;
    let key = fetch("vkey").1.trim().to_owned();
    let seen = to.path().join("seen");
    put(&seen, kept.as_bytes());
    let seen = seen.to_str().unwrap();
    let found = dev.admin(&["-o", "json", "evidence", "verify", &url, "--vkey", &key, "--seen", seen]).exits(0).json();
    assert!(found["entries"].as_u64().unwrap() > 0, "{found}");
    dev.run_as("agent_key", &["evidence", "verify", &url, "--vkey", &key]).exits(5);
    let copy = to.path().join("copy");
    mirror(folder.path().to_str().unwrap(), &copy, &["--vkey", &key]).exits(0);
    let copied: Value = verify(copy.to_str().unwrap(), &["--vkey", &key]).exits(0).json();
    assert!(copied["entries"].as_u64() >= found["entries"].as_u64());
    let data = folder.path().to_str().unwrap();
    verify(data, &["--seen", seen]).exits(0);
    dev.check("web_search").exits(0);
    mirror(&url, &copy, &["--api-key", dev.says("admin_key")]).exits(0);
}

#[test]
fn a_folder_that_is_nothing_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    verify(folder.path().to_str().unwrap(), &[]).refused(&["is no data directory", "checkpoint"]);
    let file = folder.path().join("file");
    put(&file, b"hello");
    verify(file.to_str().unwrap(), &[]).refused(&["nothing that can be verified"]);
    mirror(folder.path().to_str().unwrap(), &file, &[]).refused(&["no URL of a log"]);
    ran(countersign().args(["evidence", "verify"])).exits(3);
}
