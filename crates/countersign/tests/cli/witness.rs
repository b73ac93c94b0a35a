//! A witness beside a server, and a witness by itself, as a log meets it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use countersign_core::Digest;
use countersign_evidence::log::checkpoint::{Checkpoint, Opened, Origin, Trust, Untrusted};
use countersign_evidence::log::merkle::{Node, TreeHead, leaf_hash, root_of};
use countersign_evidence::log::note::{KeyName, Note, Signer, VerifierKey, parse_signatures};
use countersign_evidence::log::proof::prove_consistency;
use countersign_evidence::log::witness::Request;
use ed25519_dalek::SigningKey;
use serde_json::Value;

use crate::harness::{countersign, run, send};
use crate::serve::{KEY, Serving, config};

const ORIGIN: &str = "example.com/log";

fn signer(seed: u8) -> Signer {
    Signer::new(KeyName::parse(ORIGIN).unwrap(), SigningKey::from_bytes(&[seed; 32]))
}

fn vkey(seed: u8) -> String {
    signer(seed).verifier().to_string()
}

/// A `countersign witness` that is ready.
struct Witness {
    child: Child,
    url: String,
    vkey: VerifierKey,
}

impl Witness {
    /// Starts one on `dir` that knows the logs with `keys`.
    fn start(dir: &Path, keys: &[&str]) -> Self {
        let mut command = countersign();
        command.args(["witness", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(dir);
        let child = command.arg("--log").args(keys).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        let ready = BufReader::new(child.stdout.take().unwrap()).lines().next().expect("it did not start").unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let vkey = VerifierKey::parse(ready["vkey"].as_str().unwrap()).unwrap();
        Self { child, url: ready["url"].as_str().unwrap().to_owned(), vkey }
    }

    fn add(&self, body: &str) -> (u16, String, String) {
        let mut answer = agent().post(format!("{}/add-checkpoint", self.url)).send(body).unwrap();
        let kind = answer.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
    }

    fn ask(&self, request: &Request) -> (u16, String) {
        let (status, kind, body) = self.add(&request.to_string());
        assert_eq!(kind == "text/x.tlog.size", status == 409, "{status} {kind}");
        (status, body)
    }

    fn splits(&self) -> Vec<Value> {
        serde_json::from_str(&fetch(&self.url, "/splits").1).unwrap()
    }

    /// Ends it without warning.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn stop(mut self) {
        send("-TERM", self.child.id());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // After a clean stop there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
}

fn fetch(url: &str, path: &str) -> (u16, String) {
    let mut answer = agent().get(format!("{url}{path}")).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// A log in memory, whose entries begin with its name.
struct Tree(&'static str);

impl Tree {
    fn head(&self, size: u64) -> TreeHead {
        TreeHead { size, root: self.hash(0, size) }
    }

    fn hash(&self, from: u64, to: u64) -> Digest {
        root_of((from..to).map(|number| leaf_hash(format!("{} {number}", self.0).as_bytes())))
    }

    /// A request that is signed with the key of `seed`.
    fn request(&self, old: u64, new: u64, seed: u8) -> Request {
        let mut hashes = |node: Node| -> Result<_, std::convert::Infallible> {
            Ok(Some(self.hash(node.index << node.level, (node.index + 1) << node.level)))
        };
        let proof = prove_consistency(old, new, &mut hashes).unwrap();
        Request::new(old, proof, signed(self.head(new), seed)).unwrap()
    }
}

fn signed(head: TreeHead, seed: u8) -> Note {
    Checkpoint::new(Origin::parse(ORIGIN).unwrap(), head).sign(&signer(seed))
}

/// A configuration in `dir` of a log that is signed with the key of seed 1.
fn witnessed(dir: &Path, witnesses: &[(&str, &VerifierKey)], quorum: usize) -> String {
    std::fs::write(dir.join("log.key"), [1; 32]).unwrap();
    std::fs::write(dir.join("admin.key"), KEY).unwrap();
    let mut more = format!(
        "[bootstrap]\nadmin_key_file = 'admin.key'\n[evidence]\norigin = '{ORIGIN}'\nkey_file = 'log.key'\n\
         witness_quorum = {quorum}\n"
    );
    for (url, key) in witnesses {
        writeln!(more, "[[evidence.witnesses]]\nurl = '{url}'\nkey = '{key}'").unwrap();
    }
    config(dir, &more)
}

fn serve(file: &str) -> Serving {
    Serving::start(countersign().args(["serve", "--config", file]))
}

/// The last checkpoint that the server shows, as one reads it who asks for a witness.
fn opened(serving: &Serving, witness: &VerifierKey) -> Option<Result<Opened, Untrusted>> {
    let (status, text) = fetch(&serving.url, "/log/checkpoint");
    let trust = Trust::in_key(signer(1).verifier().clone()).witnessed(vec![witness.clone()], 1).unwrap();
    (status == 200).then(|| trust.open(&Note::parse(text.as_bytes()).unwrap()))
}

/// The server's word on its log, as soon as `what` holds for it.
fn health(serving: &Serving, what: impl Fn(&Value) -> bool) -> Value {
    let look = || {
        let (status, text) = fetch(&serving.url, "/health");
        let health: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, health["status"].as_str()), (200, Some("healthy")));
        health["log"].clone()
    };
    std::iter::repeat_with(look).find(what).unwrap()
}

#[test]
fn a_checkpoint_that_is_served_carries_the_cosignature_of_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start(&folder.path().join("witness"), &[&vkey(1)]);
    assert_eq!(fetch(&witness.url, "/vkey"), (200, format!("{}\n", witness.vkey)));
    let serving = serve(&witnessed(folder.path(), &[(&witness.url, &witness.vkey)], 1));
    serving.run(KEY, &["agent", "register", "--name", "worker"]);
    let found = health(&serving, |log| log["size"].as_u64() > Some(1));
    let size = found["size"].as_u64().unwrap();
    // With a quorum there is no other checkpoint than one that is cosigned.
    let opened = opened(&serving, &witness.vkey).unwrap().unwrap();
    assert!(opened.checkpoint.head().size >= size && opened.witnessed[0].name == *witness.vkey.name());
    let found = health(&serving, |log| log["witnesses"][0]["cosigned_size"].as_u64() >= Some(size));
    assert_eq!((found["origin"].as_str(), found.get("failure")), (Some(ORIGIN), None));
    assert!(found["witnesses"][0].get("failure").is_none() && found["published_at"].is_string(), "{found}");
    let metrics = fetch(&serving.url, "/metrics").1;
    assert!(metrics.contains("countersign_log_witness_size{witness="), "{metrics}");
    serving.stop();
    witness.stop();
}

#[test]
fn a_server_whose_history_was_replaced_is_refused_and_says_so_and_goes_on_deciding() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start(&folder.path().join("witness"), &[&vkey(1)]);
    let file = witnessed(folder.path(), &[(&witness.url, &witness.vkey)], 1);
    let serving = serve(&file);
    for name in ["one", "two", "three"] {
        serving.run(KEY, &["agent", "register", "--name", name]);
    }
    let before = health(&serving, |log| log["size"].as_u64() > Some(3))["size"].as_u64().unwrap();
    serving.stop();

    std::fs::rename(folder.path().join("data"), folder.path().join("real")).unwrap();
    let serving = serve(&file);
    let found = health(&serving, |log| log["witnesses"][0]["disputed"] == true && log.get("failure").is_some());
    assert_eq!(found["size"], 0, "nothing that lacks the quorum is published");
    assert!(opened(&serving, &witness.vkey).is_none());
    assert!(found["witnesses"][0]["failure"].as_str().unwrap().contains("saw"), "{found}");
    assert!(fetch(&serving.url, "/metrics").1.contains("countersign_log_witness_disputes{witness="));
    serving.run(KEY, &["agent", "list"]).exits(0);
    serving.stop();

    // The real one goes on where it was.
    std::fs::rename(folder.path().join("data"), folder.path().join("other")).unwrap();
    std::fs::rename(folder.path().join("real"), folder.path().join("data")).unwrap();
    let serving = serve(&file);
    serving.run(KEY, &["agent", "register", "--name", "four"]);
    health(&serving, |log| log["size"].as_u64() > Some(before));
    assert!(opened(&serving, &witness.vkey).unwrap().is_ok());
}

#[test]
fn a_witness_that_hangs_or_is_not_there_keeps_nothing_from_being_published() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start(&folder.path().join("witness"), &[&vkey(1)]);
    // It takes connections, since the system does, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let strangers = [8, 9].map(|seed| {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let name = KeyName::parse(&format!("witness{seed}.example")).unwrap();
        countersign_evidence::log::note::Cosigner::new(name, key).verifier().clone()
    });
    let urls = [format!("http://{}", silent.local_addr().unwrap()), format!("http://{nobody}")];
    let all = [(&*urls[0], &strangers[0]), (&*urls[1], &strangers[1]), (&*witness.url, &witness.vkey)];
    let serving = serve(&witnessed(folder.path(), &all, 1));
    let is_said = |log: &Value| (0..2).all(|at| log["witnesses"][at].get("failure").is_some());
    let found = health(&serving, |log| log["size"].as_u64() > Some(1) && is_said(log));
    assert_eq!(found["witnesses"][0]["disputed"], false);
    assert!(opened(&serving, &witness.vkey).unwrap().is_ok());
    serving.stop();
}

#[test]
fn a_witness_remembers_what_it_cosigned_when_it_is_killed_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (Tree("a"), Tree("b"));
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    let (status, line) = witness.ask(&log.request(0, 5, 1));
    let mut note = signed(log.head(5), 1);
    let known = [witness.vkey.clone()];
    assert_eq!((status, note.accept(parse_signatures(&line).unwrap(), &known)), (200, 1));
    witness.kill();

    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    assert_eq!(witness.vkey, known[0]);
    assert_eq!(witness.ask(&log.request(0, 9, 1)), (409, "5\n".into()));
    assert_eq!(witness.ask(&other.request(0, 9, 1)), (409, "5\n".into()));
    assert_eq!(witness.ask(&other.request(5, 9, 1)).0, 422);
    assert_eq!(witness.ask(&log.request(5, 9, 1)).0, 200);
    assert_eq!(witness.ask(&log.request(5, 9, 1)), (409, "9\n".into()));
    assert_eq!(witness.ask(&log.request(9, 9, 1)).0, 200);
    assert!(witness.splits().is_empty(), "sizes that differ are no evidence");
}

#[test]
fn two_trees_of_one_size_are_kept_as_evidence_once_and_listed_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (Tree("a"), Tree("b"));
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    assert_eq!(witness.ask(&log.request(0, 5, 1)).0, 200);
    // Whoever is not the log cannot accuse it.
    assert_eq!(witness.ask(&Request::new(5, vec![], signed(other.head(5), 2)).unwrap()).0, 403);
    assert!(witness.splits().is_empty());

    // What anyone may add to a note does not make another split view of it.
    let note = signed(other.head(5), 1);
    let padded = note.clone().also_signed_by(&signer(3));
    for note in [note.clone(), padded, note.clone()] {
        assert_eq!(witness.ask(&Request::new(5, vec![], note).unwrap()), (409, "5\n".into()));
    }
    assert_eq!(witness.ask(&Request::new(0, vec![], note.clone()).unwrap()), (409, "5\n".into()));
    witness.kill();
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    let splits = witness.splits();
    let [split] = splits.as_slice() else { panic!("{splits:?}") };
    assert_eq!((split["origin"].as_str(), split["size"].as_u64()), (Some(ORIGIN), Some(5)));
    for (member, head) in [("first", log.head(5)), ("second", other.head(5))] {
        let note = Note::parse(split[member].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(Trust::in_key(signer(1).verifier().clone()).open(&note).unwrap().checkpoint.head(), head);
    }
    assert_eq!(witness.ask(&log.request(5, 6, 1)).0, 200, "the history that it knows goes on");
}

#[test]
fn of_many_at_once_one_history_is_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let witness = &witness;
        let ask = |name| scope.spawn(move || witness.ask(&Tree(name).request(0, 8, 1)).0);
        let asked: Vec<_> = names.into_iter().map(ask).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), names.len() - 1);
    assert_eq!(witness.splits().len(), names.len() - 1);
}

#[test]
fn killed_while_it_cosigns_it_has_forgotten_nothing_that_it_gave_out() {
    let folder = tempfile::tempdir().unwrap();
    let log = Tree("a");
    let mut size = 0;
    for round in 1..=5 {
        let witness = Witness::start(folder.path(), &[&vkey(1)]);
        let (status, body) = witness.ask(&log.request(5_000, 5_000, 1));
        let seen: u64 = body.trim().parse().unwrap();
        assert_eq!(status, 409);
        assert!(seen >= size, "it gave out {size} and remembers {seen}");
        size = seen;
        let process = witness.child.id();
        let (given, answers) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // It is killed after some answers, and while it works on another.
                answers.iter().take(round * 3).for_each(drop);
                send("-KILL", process);
            });
            loop {
                let body = log.request(size, size + 1, 1).to_string();
                match agent().post(format!("{}/add-checkpoint", witness.url)).send(body) {
                    Ok(answer) if answer.status() == 200 => size += 1,
                    Ok(answer) => panic!("{answer:?}"),
                    Err(_) => return,
                }
                // Nobody listens any more once it is being killed.
                let _ = given.send(());
            }
        });
    }
    assert!(size > 0);
}

#[test]
fn every_refusal_has_the_status_of_the_specification() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    let log = Tree("a");
    assert_eq!(witness.ask(&log.request(0, 5, 2)).0, 403);
    let elsewhere = Signer::new(KeyName::parse("example.com/other").unwrap(), SigningKey::from_bytes(&[1; 32]));
    let note = Checkpoint::new(Origin::parse("example.com/other").unwrap(), log.head(5)).sign(&elsewhere);
    assert_eq!(witness.ask(&Request::new(0, vec![], note).unwrap()).0, 404);
    assert_eq!(witness.ask(&log.request(5, 5, 1)), (409, "0\n".into()));
    assert_eq!(witness.ask(&Request::new(7, vec![], signed(log.head(5), 1)).unwrap()).0, 400);
    assert_eq!(witness.ask(&Request::new(0, vec![log.hash(0, 1)], signed(log.head(5), 1)).unwrap()).0, 422);
    for body in ["", "old 0\n\n", "old zero\n\nx\n"] {
        assert_eq!(witness.add(body).0, 400, "{body}");
    }
    assert_eq!(witness.add(&"x".repeat(70_000)).0, 413);
    assert_eq!(fetch(&witness.url, "/add-checkpoint").0, 405);
    assert_eq!(fetch(&witness.url, "/").0, 404);
    assert_eq!(witness.ask(&log.request(0, 5, 1)).0, 200, "nothing of that was remembered");
}

#[test]
fn the_next_key_of_a_log_continues_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let log = Tree("a");
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    assert_eq!(witness.ask(&log.request(0, 5, 1)).0, 200);
    assert_eq!(witness.ask(&log.request(5, 6, 2)).0, 403);
    witness.stop();
    let witness = Witness::start(folder.path(), &[&vkey(1), &vkey(2)]);
    assert_eq!(witness.ask(&log.request(5, 6, 2)).0, 200);
    witness.stop();
    let witness = Witness::start(folder.path(), &[&vkey(2)]);
    assert_eq!(witness.ask(&Tree("b").request(0, 9, 2)), (409, "6\n".into()));
    assert_eq!(witness.ask(&log.request(6, 9, 1)).0, 403);
}

#[test]
fn a_witness_does_not_start_on_what_would_make_it_forget_or_change_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("witness");
    let start = |more: &[&str], key: &str| {
        let mut command = countersign();
        command.args(["witness", "--listen", "127.0.0.1:0", "--data"]).arg(&dir).args(["--log", key]).args(more);
        crate::harness::ran(&mut command)
    };
    let witness = Witness::start(&dir, &[&vkey(1)]);
    let own = witness.vkey.to_string();
    assert_eq!(witness.ask(&Tree("a").request(0, 5, 1)).0, 200);
    start(&[], &vkey(1)).refused(&["in use by another countersign process"]);
    witness.stop();
    start(&["--name", "example.org/other"], &vkey(1)).refused(&["a key serves one name"]);
    start(&[], &own).refused(&["is the key of a witness"]);
    start(&[], "nonsense").exits(3);
    std::fs::rename(dir.join("witness.key"), dir.join("away")).unwrap();
    start(&[], &vkey(1)).refused(&["witness.key", "restore"]);
    std::fs::rename(dir.join("away"), dir.join("witness.key")).unwrap();
    let memory = std::fs::read_dir(dir.join("logs")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&memory, "").unwrap();
    start(&[], &vkey(1)).refused(&["what this witness cosigned is lost"]);

    let data = folder.path().join("server");
    crate::harness::Dev::start(&data).stop("-INT");
    run(["witness", "--data", data.to_str().unwrap(), "--log", &vkey(1)]).refused(&["data directory of a server"]);
}

#[test]
#[ignore = "needs Go and its module proxy"]
fn go_is_a_log_that_our_witness_cosigns() {
    use base64::Engine as _;
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::start(folder.path(), &[&vkey(1)]);
    // The private key as Go's libraries read it: `PRIVATE+KEY+name+id+base64(type || seed)`.
    let seed = base64::prelude::BASE64_STANDARD.encode([&[1_u8][..], &[1; 32]].concat());
    let id = vkey(1).split('+').nth(1).unwrap().to_owned();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let mut go = std::process::Command::new("go");
    go.args(["run", ".", &witness.url, &format!("PRIVATE+KEY+{ORIGIN}+{id}+{seed}"), &witness.vkey.to_string()]);
    let ran = crate::harness::ran(go.current_dir(program)).exits(0);
    print!("{}", ran.out);
    assert_eq!(witness.splits().len(), 1);
}
