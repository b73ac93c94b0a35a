//! What is taken away from a server, and what an auditor finds in it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use countersign_core::Digest;
use countersign_evidence::bundle::{FileDigest, Manifest, Part};
use countersign_evidence::trace::key::{PublicKey, SigningKey};
use serde_json::{Value, json};

use crate::harness::{Dev, Ran, run};

/// The files of a bundle, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// A server with a closed session, and the keys that were got from elsewhere.
struct Desk {
    folder: tempfile::TempDir,
    dev: Dev,
    vkey: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dev = Dev::start(&folder.path().join("data"));
        let vkey = fetch(&dev, "/log/vkey").trim().to_owned();
        std::fs::write(folder.path().join("trusted.jwk.json"), fetch(&dev, "/trace/jwk")).unwrap();
        Self { folder, dev, vkey }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A session with these checks in it.
    fn session(&self, tools: &[&str]) -> String {
        let agent = self.dev.says("agent_id");
        let issue = ["-o", "json", "token", "issue", "--agent", agent, "--scope", "read_file"];
        let token = self.dev.admin(&issue).exits(0).json()["token"].clone();
        let url = format!("{}/api/v1/agenttrust/api-sessions/init", self.dev.says("url"));
        let request = ureq::post(url).header("X-API-Key", self.dev.says("agent_key"));
        let answer: Value = request.send_json(json!({ "token": token })).unwrap().body_mut().read_json().unwrap();
        let id = answer["session_id"].as_str().unwrap().to_owned();
        for tool in tools {
            self.dev.run_as("agent_key", &["check", "--agent", agent, "--tool", tool, "--session", &id]);
        }
        id
    }

    fn closed(&self, tools: &[&str]) -> String {
        let id = self.session(tools);
        self.dev.admin(&["session", "close", &id]).exits(0);
        id
    }

    fn bundle(&self, asked: &[&str]) -> String {
        let out = self.file("bundle.tar");
        self.dev.admin(&[&["evidence", "bundle", "--out", &out], asked].concat()).exits(0);
        out
    }

    fn verify(&self, bundle: &str, more: &[&str]) -> Ran {
        run([&["-o", "json", "evidence", "verify", bundle, "--vkey", &self.vkey], more].concat())
    }
}

fn fetch(dev: &Dev, path: &str) -> String {
    let request = ureq::get(format!("{}{path}", dev.says("url"))).header("X-API-Key", dev.says("admin_key"));
    request.call().unwrap().body_mut().read_to_string().unwrap()
}

fn unpack(path: &str) -> Files {
    let mut tar = tar::Archive::new(std::fs::File::open(path).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, std::fs::File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    tar.entries().unwrap().map(read).collect()
}

/// Packs files as a forger who knows the format would: with a manifest that fits.
fn repack(files: &Files, path: &str) {
    let old = Manifest::read(&files["manifest.json"]).unwrap();
    let others = files.iter().filter(|(name, _)| *name != "manifest.json");
    let sum = |bytes: &[u8]| FileDigest { sha256: Digest::of(bytes), size: bytes.len() as u64 };
    let sums = others.map(|(name, bytes)| (name.clone(), sum(bytes))).collect();
    let made_at = countersign_core::Timestamp::parse(&old.made_at).unwrap();
    let manifest = Manifest::new(old.asked, sums, made_at, &old.made_by).unwrap().to_bytes().unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    let mut names: Vec<_> = files.keys().collect();
    names.sort_by_key(|name| Part::parse(name).map(|part| part.rank()));
    for name in names {
        let bytes = if name == "manifest.json" { &manifest } else { &files[name] };
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap();
}

#[test]
fn a_sessions_bundle_verifies_with_no_server_and_nobody_vouches_without_the_logs_key() {
    let desk = Desk::new();
    let session = desk.closed(&["read_file", "delete_file", "web_search"]);
    let bundle = desk.bundle(&["--session", &session]);
    let found = desk.verify(&bundle, &["--key", &desk.file("trusted.jwk.json")]).exits(0).json();
    assert_eq!((&found["records"], &found["chains"]), (&1.into(), &1.into()), "{found}");
    assert_eq!(found["asked"]["session"], session.as_str());
    assert!(found["entries"].as_u64().unwrap() >= 5, "{found}");
    // The log names the key that signed the record.
    desk.verify(&bundle, &[]).exits(0);
    let found = run(["-o", "json", "evidence", "verify", &bundle]).exits(5).json();
    assert!(found["unchecked"].as_str().unwrap().contains("only a hint"), "{found}");
    let stranger = PublicKey::from(&SigningKey::from_bytes(&[6; 32])).jwk();
    std::fs::write(desk.path("stranger.json"), stranger.to_string()).unwrap();
    let found = desk.verify(&bundle, &["--key", &desk.file("stranger.json")]).exits(5).json();
    assert!(found["fault"].as_str().unwrap().contains("key_untrusted"), "{found}");
    // It can be read with what every system has.
    let names: Vec<_> = unpack(&bundle).into_keys().collect();
    for name in ["README.txt", "entries.jsonl", "log.vkey", "manifest.json", "trace.jwk.json"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
    assert!(names.contains(&format!("trace/{session}.tlog-proof")), "{names:?}");
}

#[test]
fn a_changed_byte_anywhere_in_a_bundle_is_found() {
    let desk = Desk::new();
    let session = desk.closed(&["read_file", "delete_file"]);
    let bundle = desk.bundle(&["--session", &session]);
    let right = std::fs::read(&bundle).unwrap();
    let mut places = Vec::new();
    let mut tar = tar::Archive::new(right.as_slice());
    for entry in tar.entries().unwrap().map(Result::unwrap) {
        let (header, start) = (entry.raw_header_position(), entry.raw_file_position());
        let end = start + entry.size();
        // Name, mode, owner, size, time, checksum, type, magic, names of owners, device, the rest.
        places.extend([0, 101, 110, 130, 140, 150, 156, 258, 270, 330, 400, 511].map(|at| header + at));
        places.extend([start, start + entry.size() / 3, start + entry.size() / 2, end - 1]);
        places.extend((end % 512 != 0).then_some(end));
        places.push(end.next_multiple_of(512) - 1);
    }
    places.extend([right.len() - 1, right.len() - 700].map(|at| at as u64));
    let damaged = desk.file("damaged.tar");
    for at in places {
        let mut wrong = right.clone();
        wrong[usize::try_from(at).unwrap()] ^= 1;
        std::fs::write(&damaged, &wrong).unwrap();
        let ran = desk.verify(&damaged, &[]);
        // What no longer begins as a tar is nothing that can be verified.
        assert!(ran.code == Some(5) || (at == 258 && ran.code == Some(3)), "byte {at}: {ran:?}");
    }
    for wrong in [&right[..right.len() - 1], &right[..right.len() - 512], &[&right[..], &[0; 512]].concat()] {
        std::fs::write(&damaged, wrong).unwrap();
        desk.verify(&damaged, &[]).exits(5);
    }
}

#[test]
fn a_forger_who_writes_a_manifest_that_fits_is_found_by_what_is_signed() {
    let desk = Desk::new();
    let session = desk.closed(&["read_file", "delete_file", "web_search"]);
    let other = desk.closed(&["send_email"]);
    let bundle = desk.bundle(&["--session", &session]);
    let right = unpack(&bundle);
    let second = unpack(&desk.bundle(&["--session", &other]));
    let forged = desk.file("forged.tar");
    let fault = |change: &dyn Fn(&mut Files)| -> String {
        let mut files = right.clone();
        change(&mut files);
        repack(&files, &forged);
        let found = desk.verify(&forged, &["--key", &desk.file("trusted.jwk.json")]).exits(5).json();
        found["fault"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned()
    };
    repack(&right, &forged);
    desk.verify(&forged, &[]).exits(0);

    let lines =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let edit = |files: &mut Files, change: &dyn Fn(&mut Vec<String>)| {
        let mut all = lines(&files["entries.jsonl"]);
        change(&mut all);
        files.insert("entries.jsonl".into(), format!("{}\n", all.join("\n")).into_bytes());
    };
    let name = |ending: &str| format!("trace/{session}{ending}");
    // An entry changed, left out in the middle, at the beginning, at the end, twice, or in another order.
    assert!(fault(&|f| edit(f, &|l| l[2] = l[2].replace("read_file", "list_file"))).contains("not in the tree"));
    assert!(fault(&|f| edit(f, &|l| drop(l.remove(2)))).contains("from its first entry on"));
    assert!(fault(&|f| edit(f, &|l| drop(l.remove(1)))).contains("from its first entry on"));
    assert!(fault(&|f| edit(f, &|l| drop(l.pop()))).contains("its transcript is not the session's"));
    assert!(fault(&|f| edit(f, &|l| l.insert(2, l[1].clone()))).contains("twice"));
    assert!(fault(&|f| edit(f, &|l| l.swap(2, 3))).contains("out of order"));
    assert!(fault(&|f| edit(f, &|l| drop(l.remove(0)))).contains("no checkpoint"));
    assert!(fault(&|f| edit(f, &|l| l[2].insert(1, ' '))).contains("line 3"));
    assert!(fault(&|f| edit(f, &|l| l[0] = l[0].replacen("\\n", "1\\n", 1))).contains("line 1"));
    // A record, receipt or policy of another session, or none.
    for ending in [".json", ".receipt.json", ".tlog-proof"] {
        fault(&|f| drop(f.insert(name(ending), second[&format!("trace/{other}{ending}")].clone())));
    }
    assert!(fault(&|f| drop(f.remove(&name(".receipt.json")))).contains("no receipt"));
    assert!(fault(&|f| drop(f.remove(&name(".json")))).contains("goes with no record"));
    let policy = right.keys().find(|name| name.starts_with("policies/")).unwrap().clone();
    assert!(fault(&|f| drop(f.remove(&policy))).contains("named and not there"));
    assert!(fault(&|f| f.get_mut(&policy).unwrap().push(b' ')).contains("its digest is not its name"));
    let extra = format!("policies/{}.json", Digest::of(b"{}"));
    assert!(fault(&|f| drop(f.insert(extra.clone(), b"{}".to_vec()))).contains("named"));
    // A record that somebody else has signed, with a receipt that fits.
    let re_signed = |files: &mut Files| {
        let record: Value = serde_json::from_slice(&files[&name(".json")]).unwrap();
        let record = countersign_evidence::trace::record::TrustRecord::read(&record).unwrap();
        let key = SigningKey::from_bytes(&[6; 32]);
        let signed = countersign_evidence::trace::record::sign(&record, &key).unwrap();
        let batch = countersign_evidence::trace::anchor::Batch::new(std::slice::from_ref(&signed)).unwrap().unwrap();
        files.insert(name(".json"), serde_json::to_vec(&signed).unwrap());
        files.insert(name(".receipt.json"), serde_json::to_vec(&batch.receipt(0)).unwrap());
    };
    assert!(fault(&re_signed).contains("anchors another record"));
    let unanchored = |files: &mut Files| {
        re_signed(files);
        files.remove(&name(".tlog-proof"));
    };
    assert!(fault(&unanchored).contains("key_untrusted"));
}

#[test]
fn what_no_bundle_holds_is_a_fault() {
    let desk = Desk::new();
    let session = desk.closed(&["read_file"]);
    let bundle = desk.bundle(&["--session", &session]);
    let right = std::fs::read(&bundle).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path("notes.txt").unwrap();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, std::io::empty()).unwrap();
    let extra = tar.into_inner().unwrap();
    let with = [&right[..right.len() - 1024], &extra].concat();
    std::fs::write(&bundle, with).unwrap();
    let found = desk.verify(&bundle, &[]).exits(5).json();
    assert!(found["fault"].as_str().unwrap().contains("notes.txt"), "{found}");
}

#[test]
fn a_stretch_of_time_is_bundled_with_the_whole_of_the_sessions_that_were_closed_in_it() {
    let desk = Desk::new();
    let early = desk.session(&["read_file"]);
    // The time of the close is after this one.
    let since = desk.dev.admin(&["-o", "json", "session", "get", &early]).exits(0).json();
    let since = since["created_at"].as_str().unwrap().to_owned();
    let open = desk.session(&["web_search"]);
    desk.dev.admin(&["session", "close", &early]).exits(0);
    let late = desk.closed(&["send_email"]);
    let bundle = desk.bundle(&["--since", &since]);
    let found = desk.verify(&bundle, &[]).exits(0).json();
    assert_eq!(found["records"], 2, "{found}");
    let names: Vec<_> = unpack(&bundle).into_keys().collect();
    assert!(names.contains(&format!("trace/{early}.json")) && names.contains(&format!("trace/{late}.json")));
    assert!(!names.contains(&format!("trace/{open}.json")));
    // The same from the files of the running server.
    let data = desk.file("data");
    let out = desk.file("offline.tar");
    let until = ["--until", "2100-01-01T00:00:00Z"];
    run([&["evidence", "bundle", "--data", &data, "--since", &since, "--out", &out][..], &until].concat()).exits(0);
    let offline = desk.verify(&out, &["--key", &desk.file("trusted.jwk.json")]).exits(0).json();
    assert_eq!(offline["records"], 2, "{offline}");
    desk.verify(&out, &[]).exits(0);
    // Where the log's receipts were taken out, the records' key must be known.
    let mut files = unpack(&out);
    files.retain(|name, _| !name.ends_with(".tlog-proof"));
    repack(&files, &out);
    let found = desk.verify(&out, &[]).exits(5).json();
    assert!(found["unchecked"].as_str().unwrap().contains("who signed the record"), "{found}");
    desk.verify(&out, &["--key", &desk.file("trusted.jwk.json")]).exits(0);
}

#[test]
fn an_open_session_is_bundled_without_a_record_and_an_unknown_one_is_not() {
    let desk = Desk::new();
    let open = desk.session(&["read_file"]);
    let bundle = desk.bundle(&["--session", &open]);
    assert_eq!(desk.verify(&bundle, &[]).exits(0).json()["records"], 0);
    let out = desk.file("none.tar");
    let unknown = "sess_00000000000000000000000000000000";
    desk.dev.admin(&["evidence", "bundle", "--session", unknown, "--out", &out]).refused(&["nothing is recorded"]);
    assert!(!Path::new(&out).exists() && !Path::new(&format!("{out}.entries")).exists());
    desk.dev.run_as("agent_key", &["evidence", "bundle", "--session", &open, "--out", &out]).exits(3);
    for wrong in
        [&["--until", "2100-01-01T00:00:00Z"][..], &["--session", &open, "--since", "2020-01-01T00:00:00Z"], &[]]
    {
        run([&["evidence", "bundle", "--out", &out][..], wrong].concat())
            .refused(&["--session <ID>", "--since <TIME>"]);
    }
}

#[test]
fn entries_are_exported_exactly_from_a_server_and_from_its_files() {
    let desk = Desk::new();
    let session = desk.closed(&["read_file", "delete_file"]);
    let since = ["--since", "2020-01-01T00:00:00Z"];
    let export = |format: &str, asked: &[&str]| {
        desk.dev.admin(&[&["evidence", "export", "--format", format], asked].concat()).exits(0).out
    };
    let online = export("jsonl", &since);
    let data = desk.file("data");
    let offline = export("jsonl", &[&since[..], &["--data", &data]].concat());
    let db = rusqlite::Connection::open(desk.path("data/countersign.db")).unwrap();
    let mut all = db.prepare("SELECT body FROM entries ORDER BY position").unwrap();
    let bodies: Vec<Vec<u8>> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let stored: Vec<String> = bodies.into_iter().map(|body| String::from_utf8(body).unwrap() + "\n").collect();
    assert_eq!(offline, stored.concat());
    // A server shows what is its caller's organisation's.
    let own: Vec<_> = stored.iter().filter(|entry| entry.contains(r#""org":"#)).cloned().collect();
    assert_eq!(online, own.concat());

    let before = ["--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z"];
    assert_eq!(export("jsonl", &before), "");
    let nobody = ["evidence", "export", "--format", "jsonl", "--session", "nobody"];
    desk.dev.admin(&nobody).refused(&["nothing is recorded of session `nobody`"]);

    let of_session = export("jsonl", &["--session", &session]);
    assert!(of_session.lines().all(|line| line.contains(&format!(r#""id":"{session}""#))));
    assert_eq!(of_session, export("jsonl", &["--session", &session, "--data", &data]));
    let events = export("ocsf", &["--session", &session]);
    let classes: Vec<_> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["class_uid"].as_u64().unwrap())
        .collect();
    assert_eq!(classes.len(), of_session.lines().count());
    assert!(classes.contains(&6003) && classes.contains(&3004), "{classes:?}");
}

#[test]
fn a_record_is_exported_and_verifies_by_itself() {
    let desk = Desk::new();
    let session = desk.closed(&["read_file"]);
    let out = desk.file("record.json");
    desk.dev.admin(&["evidence", "export", "--format", "trace", "--session", &session, "--out", &out]).exits(0);
    let receipt = fetch(&desk.dev, &format!("/api/v1/sessions/{session}/trace/receipt"));
    std::fs::write(desk.path("receipt.json"), receipt).unwrap();
    let verify = ["-o", "json", "evidence", "verify", &out, "--key", &desk.file("trusted.jwk.json")];
    let found = run([&verify[..], &["--receipt", &desk.file("receipt.json")]].concat()).exits(0).json();
    assert_eq!(found["code"], "verified");
    // The log's own receipt vouches for the key, and is for this record alone.
    std::fs::write(desk.path("anchor"), fetch(&desk.dev, &format!("/api/v1/sessions/{session}/trace/proof"))).unwrap();
    let logged = ["-o", "json", "evidence", "verify", &out, "--receipt", &desk.file("anchor")];
    let found = run([&logged[..], &["--vkey", &desk.vkey]].concat()).exits(0).json();
    assert_eq!(found["logged"]["session"], session.as_str());
    assert_eq!(run(logged).exits(5).json()["code"], "no_trusted_key");
    revoked_from_a_position_on(&desk, &logged, found["logged"]["entry"].as_str().unwrap().parse().unwrap());
    let data = desk.file("data");
    let offline = run(["evidence", "export", "--format", "trace", "--session", &session, "--data", &data]).exits(0).out;
    assert_eq!(offline, std::fs::read_to_string(&out).unwrap());
    let open = desk.session(&[]);
    let since = ["evidence", "export", "--format", "trace", "--since", "2020-01-01T00:00:00Z"];
    assert_eq!(desk.dev.admin(&since).exits(0).out.lines().count(), 1, "the open session `{open}` has none");
}

/// A record of a revoked key stands if the log shows that it was there before.
fn revoked_from_a_position_on(desk: &Desk, verify: &[&str], entry: u64) {
    let recovery = SigningKey::from_bytes(&[8; 32]);
    let pem = countersign_evidence::trace::key::signing_key_to_pem(&recovery).unwrap();
    std::fs::write(desk.path("recovery.pem"), pem).unwrap();
    std::fs::write(desk.path("recovery.json"), PublicKey::from(&recovery).jwk().to_string()).unwrap();
    let jwk: Value = serde_json::from_slice(&std::fs::read(desk.path("trusted.jwk.json")).unwrap()).unwrap();
    let key_id = PublicKey::from_jwk(&jwk).unwrap().thumbprint().to_owned();
    let (origin, _) = desk.vkey.split_once('+').unwrap();
    let revoke = |last: u64| {
        let last = last.to_string();
        let order = ["trace", "revoke-key", "--key-id", &key_id, "--last-valid-entry", &last, "--log", origin];
        let bundle = run([&order[..], &["--signing-key", &desk.file("recovery.pem")]].concat()).exits(0).out;
        std::fs::write(desk.path("revocations.json"), bundle).unwrap();
        let by = ["--revocations", &desk.file("revocations.json"), "--revocation-key", &desk.file("recovery.json")];
        run([verify, &["--vkey", &desk.vkey], &by].concat())
    };
    revoke(entry).exits(0);
    assert_eq!(revoke(entry - 1).exits(5).json()["code"], "key_revoked");
}
