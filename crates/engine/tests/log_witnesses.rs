//! What the log makes of its witnesses: those that agree, that are late, that
//! refuse, and that saw something else.

#![cfg(test)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_engine::{Cosign, Log, LogHealth, Publishing, Reply, Unreached, Witness};
use countersign_evidence::log::checkpoint::{Opened, Trust};
use countersign_evidence::log::merkle::TreeHead;
use countersign_evidence::log::note::{Cosigner, KeyName, Signer, VerifierKey};
use countersign_evidence::log::witness::Request;
use countersign_store::{Batch, Ledger, MemoryStore, MemoryTiles, Tiles};
use ed25519_dalek::SigningKey;

fn signer() -> Signer {
    Signer::new(KeyName::parse("example.com/log").unwrap(), SigningKey::from_bytes(&[1; 32]))
}

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::new(KeyName::parse(&format!("witness{seed}.example")).unwrap(), SigningKey::from_bytes(&[seed; 32]))
}

fn vkey(seed: u8) -> VerifierKey {
    cosigner(seed).verifier().clone()
}

/// A witness in memory, which outlives the logs that ask it.
#[derive(Clone)]
struct Honest {
    seed: u8,
    seen: Arc<Mutex<TreeHead>>,
    /// What it answered, by status.
    answered: Arc<Mutex<Vec<u16>>>,
}

impl Honest {
    fn new(seed: u8) -> Self {
        Self { seed, seen: Arc::new(Mutex::new(TreeHead::EMPTY)), answered: Arc::default() }
    }

    fn seen(&self) -> u64 {
        self.seen.lock().unwrap().size
    }
}

impl Cosign for Honest {
    fn add_checkpoint(&self, request: &Request) -> Result<Reply, Unreached> {
        let request = Request::parse(request.to_string().as_bytes()).unwrap();
        let mut seen = self.seen.lock().unwrap();
        let reply = match request.judge(&Trust::in_key(signer().verifier().clone()), *seen) {
            Ok(accepted) => {
                *seen = accepted.after();
                let at = Timestamp::from_millis(1_700_000_000_000);
                Reply { status: 200, body: accepted.cosign(&cosigner(self.seed), at).to_string() }
            }
            Err(refusal) => Reply { status: refusal.status(), body: refusal.body() },
        };
        self.answered.lock().unwrap().push(reply.status);
        Ok(reply)
    }
}

/// One that answers when it is let.
struct Gated {
    inner: Honest,
    gate: Mutex<Receiver<()>>,
}

impl Cosign for Gated {
    fn add_checkpoint(&self, request: &Request) -> Result<Reply, Unreached> {
        match self.gate.lock().unwrap().recv() {
            Ok(()) => self.inner.add_checkpoint(request),
            Err(_) => Err(Unreached("the test is over".into())),
        }
    }
}

fn gated(inner: Honest) -> (Gated, Sender<()>) {
    let (open, gate) = channel();
    (Gated { inner, gate: Mutex::new(gate) }, open)
}

/// One that always answers the same.
struct Says(Result<Reply, Unreached>);

impl Cosign for Says {
    fn add_checkpoint(&self, _: &Request) -> Result<Reply, Unreached> {
        self.0.clone()
    }
}

fn reply(status: u16, body: &str) -> Says {
    Says(Ok(Reply { status, body: body.into() }))
}

fn witness(seed: u8, line: impl Cosign + 'static) -> Witness {
    Witness { key: vkey(seed), line: Box::new(line) }
}

#[derive(Default)]
struct World {
    ledger: Arc<MemoryStore>,
    tiles: Arc<MemoryTiles>,
}

impl World {
    /// A ledger whose entries all begin with `history`.
    fn of(history: &str, count: u64) -> Self {
        let world = Self::default();
        world.append(history, count);
        world
    }

    fn append(&self, history: &str, count: u64) {
        let first = self.ledger.length().unwrap();
        let entries = (first..first + count).map(|number| format!("{history} {number}").into_bytes()).collect();
        self.ledger.commit(&Batch { entries, ..Batch::default() }).unwrap();
    }

    fn log(&self, witnesses: Vec<Witness>, quorum: usize, round: Duration) -> Log {
        let publishing = Publishing::from(signer()).witnessed(witnesses, quorum).waiting(round);
        Log::start(self.ledger.clone(), self.tiles.clone(), publishing).unwrap()
    }

    /// Starts a log that waits for no witness for long.
    fn start(&self, witnesses: Vec<Witness>, quorum: usize) -> Log {
        self.log(witnesses, quorum, Duration::from_millis(1))
    }

    /// Publishes what is committed, as far as the witnesses let it, and stops.
    fn publish(&self, witnesses: Vec<Witness>, quorum: usize) -> Log {
        // All of them answer, however busy the machine is.
        let log = self.log(witnesses, quorum, Duration::from_mins(1));
        log.stop();
        log
    }
}

/// The published checkpoint, as someone reads it who knows the log and both witnesses.
fn opened(log: &Log) -> Opened {
    let trust = Trust::in_key(signer().verifier().clone()).witnessed(vec![vkey(7), vkey(8)], 0).unwrap();
    trust.open(&log.published().unwrap().note).unwrap()
}

fn names(opened: &Opened) -> Vec<&str> {
    let mut names: Vec<_> = opened.witnessed.iter().map(|witness| witness.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn only(health: &LogHealth) -> (u64, &str, bool) {
    let [witness] = health.witnesses.as_slice() else { panic!("{health:?}") };
    (witness.cosigned_size, witness.failure.as_deref().unwrap_or_default(), witness.is_disputed)
}

fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_published_carries_every_witness_s_cosignature() {
    let world = World::of("a", 1);
    let (one, other) = (Honest::new(7), Honest::new(8));
    // Across the borders of tiles, whose hashes are not stored yet when the proof is made.
    for (count, total) in [(0, 1), (254, 255), (1, 256), (1, 257), (443, 700), (0, 700)] {
        world.append("a", count);
        let log = world.publish(vec![witness(7, one.clone()), witness(8, other.clone())], 2);
        assert_eq!((log.health().size, log.failure()), (total, None));
        assert_eq!(names(&opened(&log)), ["witness7.example", "witness8.example"]);
        assert!(log.health().witnesses.iter().all(|w| w.cosigned_size == total && w.failure.is_none()));
        assert_eq!((one.seen(), other.seen()), (total, total));
    }
}

#[test]
fn a_witness_is_asked_for_the_size_it_saw_once_and_never_again_for_what_it_cosigned() {
    let world = World::of("a", 5);
    let honest = Honest::new(7);
    world.publish(vec![witness(7, honest.clone())], 1);
    assert_eq!(*honest.answered.lock().unwrap(), [200]);
    world.publish(vec![witness(7, honest.clone())], 1);
    assert_eq!(*honest.answered.lock().unwrap(), [200], "its cosignature is on the checkpoint");
    world.append("a", 5);
    world.publish(vec![witness(7, honest.clone())], 1);
    assert_eq!(*honest.answered.lock().unwrap(), [200, 409, 200]);
}

#[test]
fn a_witness_that_hangs_does_not_keep_anything_from_being_published() {
    let world = World::of("a", 300);
    let (hanging, open) = gated(Honest::new(7));
    let log = world.start(vec![witness(7, hanging), witness(8, Honest::new(8))], 1);
    until(|| log.published().is_some());
    world.append("a", 10);
    until(|| log.health().size == 310);
    until(|| names(&opened(&log)) == ["witness8.example"]);
    log.stop();
    assert_eq!((log.health().size, log.failure()), (310, None));
    let health = log.health();
    assert!(health.witnesses[0].failure.as_ref().unwrap().contains("no answer"), "{health:?}");
    drop(open);
}

#[test]
fn a_cosignature_that_comes_late_is_put_onto_the_checkpoint_that_is_published() {
    let world = World::of("a", 20);
    let (late, open) = gated(Honest::new(7));
    let log = world.start(vec![witness(7, late)], 0);
    until(|| log.published().is_some());
    assert!(names(&opened(&log)).is_empty());
    open.send(()).unwrap();
    until(|| !names(&opened(&log)).is_empty());
    until(|| only(&log.health()) == (20, "", false));
    let stored = world.tiles.checkpoint().unwrap().unwrap();
    assert_eq!(stored, log.published().unwrap().note.to_string());
}

#[test]
fn with_a_quorum_nothing_is_published_until_enough_have_cosigned() {
    let world = World::of("a", 300);
    let refusing = || witness(8, reply(500, ""));
    let log = world.publish(vec![refusing(), witness(7, reply(503, ""))], 1);
    assert!(log.published().is_none() && log.receipt(3, b"a 3").unwrap().is_none());
    assert!(log.failure().unwrap().contains("0 witnesses have cosigned"), "{:?}", log.failure());

    let honest = Honest::new(7);
    let both = || vec![refusing(), witness(7, honest.clone())];
    let log = world.publish(both(), 2);
    assert!(log.published().is_none() && log.failure().unwrap().contains("1 witnesses have cosigned"));
    // What was held back, and the witness cosigned, is published after a restart.
    assert_eq!(world.publish(both(), 1).health().size, 300);

    // What was published stays so while a larger tree is held back.
    world.append("a", 400);
    let log = world.publish(vec![refusing()], 1);
    assert_eq!(log.health().size, 300);
    assert!(log.receipt(299, b"a 299").unwrap().is_some() && log.receipt(300, b"a 300").unwrap().is_none());
    let log = world.publish(both(), 1);
    assert_eq!((log.health().size, log.failure()), (700, None));
    let receipt = log.receipt(699, b"a 699").unwrap().unwrap();
    let trust = Trust::in_key(signer().verifier().clone()).witnessed(vec![vkey(7)], 1).unwrap();
    receipt.verify(b"a 699", &trust).unwrap();
}

#[test]
fn with_a_quorum_a_slow_witness_is_waited_for_while_the_ledger_grows() {
    let world = World::of("a", 10);
    let (slow, open) = gated(Honest::new(7));
    let log = world.start(vec![witness(7, slow)], 1);
    until(|| log.health().witnesses[0].failure.is_some());
    world.append("a", 10);
    open.send(()).unwrap();
    until(|| log.published().is_some());
    assert_eq!(log.published().unwrap().head.size, 10);
    open.send(()).unwrap();
    until(|| log.published().unwrap().head.size == 20);
}

#[test]
fn a_witness_that_saw_another_history_is_shown_and_publishing_goes_on() {
    let honest = Honest::new(7);
    World::of("a", 10).publish(vec![witness(7, honest.clone())], 1);
    for (size, said) in [(5, "a tree of 10 entries"), (10, "another tree of 10"), (20, "the first 10 entries")] {
        let log = World::of("b", size).publish(vec![witness(7, honest.clone())], 0);
        let health = log.health();
        let (cosigned, failure, is_disputed) = only(&health);
        assert!(cosigned == 0 && failure.contains(said) && is_disputed, "{health:?}");
        assert_eq!((health.size, health.failure), (size, None));
        assert_eq!(honest.seen(), 10);
        // What must be witnessed is not published.
        let log = World::of("b", size).publish(vec![witness(7, honest.clone())], 1);
        assert!(log.published().is_none());
    }
}

#[test]
fn a_witness_that_is_ahead_of_a_step_on_the_way_saw_no_other_history() {
    let honest = Honest::new(7);
    let world = World::of("a", 70_000);
    world.publish(vec![witness(7, honest.clone())], 1);
    let again = World { ledger: world.ledger.clone(), tiles: Arc::default() };
    let log = again.publish(vec![witness(7, honest.clone())], 0);
    assert_eq!(only(&log.health()), (70_000, "", false));
    assert_eq!(names(&opened(&log)), ["witness7.example"]);
}

#[test]
fn what_is_no_cosignature_of_the_configured_key_is_not_put_on_and_said() {
    let unreached = Says(Err(Unreached("connection refused".into())));
    let cases: [(Box<dyn Cosign>, &str); 10] = [
        (Box::new(Honest::new(8)), "no signature that verifies"),
        (Box::new(unreached), "no answer: connection refused"),
        (Box::new(reply(200, "")), "no signature that verifies"),
        (Box::new(reply(200, "<html>")), "something else than a signature"),
        (Box::new(reply(403, "")), "does not know this log's key"),
        (Box::new(reply(404, "")), "does not know this log"),
        (Box::new(reply(409, "many\n")), "without the size"),
        (Box::new(reply(409, "0\n")), "409 to the size that it says"),
        (Box::new(reply(422, "")), "answered 422"),
        (Box::new(reply(301, "")), "answered 301"),
    ];
    for (line, said) in cases {
        let log = World::of("a", 9).publish(vec![Witness { key: vkey(7), line }], 0);
        let health = log.health();
        let (cosigned, failure, is_disputed) = only(&health);
        assert!(cosigned == 0 && failure.contains(said) && !is_disputed, "{said}: {health:?}");
        let published = log.published().unwrap();
        assert_eq!((published.head.size, published.note.signatures().len()), (9, 1));
    }
}
