//! Asking witnesses to cosign: <https://c2sp.org/tlog-witness>, the log's side.
//!
//! Each witness has a thread that asks it one thing at a time, so one that hangs
//! keeps nobody waiting but for the round in which it was found out. What a
//! witness last saw it says itself, with a 409; nothing of it is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use countersign_core::Digest;
use countersign_evidence::log::merkle::TreeHead;
use countersign_evidence::log::note::{Note, Signature, VerifierKey, parse_signatures};
use countersign_evidence::log::proof::prove_consistency;
use countersign_evidence::log::tile::TilePath;
use countersign_evidence::log::tile_reader::TileReader;
use countersign_evidence::log::witness::Request;
use countersign_store::{StoreError, Tiles};

use super::tree::narrowed;
use crate::clock::Clock;

/// How long publishing a checkpoint waits for witnesses.
pub(super) const ROUND: Duration = Duration::from_millis(500);
/// How long a witness that failed is left alone at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How a witness is reached: the boundary to the network.
pub trait Cosign: Send {
    /// Posts the request to the witness's `add-checkpoint`, and returns what it
    /// answered, whatever that is. Blocks; gives up by itself within some seconds.
    fn add_checkpoint(&self, request: &Request) -> Result<Reply, Unreached>;
}

/// What a witness answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// A witness did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer: {0}")]
pub struct Unreached(pub String);

/// A witness that is to cosign checkpoints.
pub struct Witness {
    /// The key that its cosignatures verify with.
    pub key: VerifierKey,
    /// How it is reached.
    pub line: Box<dyn Cosign>,
}

/// How a witness is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessHealth {
    /// Its name.
    pub name: String,
    /// The size of the largest tree that it is known to have cosigned.
    pub cosigned_size: u64,
    /// Why it does not cosign, while it does not.
    pub failure: Option<String>,
    /// Whether it says that it saw another history of this log.
    pub is_disputed: bool,
}

/// A checkpoint that witnesses are asked for, with the tree that it is over.
pub(super) struct Asked {
    pub(super) head: TreeHead,
    /// How many entries the ledger has.
    pub(super) length: u64,
    pub(super) note: Note,
    pub(super) tiles: Arc<dyn Tiles>,
    /// Tiles that are not stored yet.
    pub(super) fresh: HashMap<String, Vec<u8>>,
}

impl Asked {
    fn request(&self, old: u64) -> Result<Request, Failed> {
        let broken = |why: &dyn std::fmt::Display| Failed::trouble(format!("no request can be made: {why}"));
        let proof = self.proof(old).map_err(|why| broken(&why))?;
        Request::new(old, proof, self.note.clone()).map_err(|why| broken(&why))
    }

    fn proof(&self, old: u64) -> Result<Vec<Digest>, impl std::error::Error> {
        let source = |path: TilePath| -> Result<Option<Vec<u8>>, StoreError> {
            match self.fresh.get(&path.full().to_string()) {
                Some(bytes) => Ok(bytes.get(..usize::from(path.width()) * 32).map(<[u8]>::to_vec)),
                None => narrowed(self.tiles.as_ref(), path),
            }
        };
        prove_consistency(old, self.head.size, &mut TileReader::believing(self.head.size, source))
    }
}

/// Why a witness did not cosign.
#[derive(Debug)]
enum Failed {
    /// Something that may pass, or be mended.
    Trouble(String),
    /// It says that it saw another history.
    Disputed(String),
    /// It cosigned a larger tree of this very log already, before a restart.
    Ahead,
}

impl Failed {
    fn trouble(why: impl Into<String>) -> Self {
        Self::Trouble(why.into())
    }
}

/// Asks one witness for one cosignature; `seen` is the size it last saw, as far as
/// known.
fn consult(witness: &Witness, asked: &Asked, seen: &mut u64) -> Result<Vec<Signature>, Failed> {
    let size = asked.head.size;
    // A size that is known and wrong, and the right one.
    for _ in 0..2 {
        let old = *seen;
        let reply = witness.line.add_checkpoint(&asked.request(old)?);
        let reply = reply.map_err(|why| Failed::trouble(why.to_string()))?;
        match reply.status {
            200 => {
                let signatures = parse_signatures(&reply.body)
                    .map_err(|_| Failed::trouble("it answered 200 with something else than a signature"))?;
                if asked.note.clone().accept(signatures.clone(), std::slice::from_ref(&witness.key)) == 0 {
                    return Err(Failed::trouble("its answer holds no signature that verifies with its key"));
                }
                *seen = size;
                return Ok(signatures);
            }
            409 => {
                let Ok(other) = reply.body.trim_end().parse::<u64>() else {
                    return Err(Failed::trouble("it answered 409 without the size that it saw"));
                };
                if other == old && old == size {
                    return Err(Failed::Disputed(format!(
                        "it saw another tree of {size} entries under this log's name"
                    )));
                }
                if other == old {
                    return Err(Failed::trouble("it answered 409 to the size that it says it saw"));
                }
                if other > size {
                    return Err(beyond(other, asked));
                }
                *seen = other;
            }
            422 if old > 0 => {
                return Err(Failed::Disputed(format!(
                    "the first {old} entries that it saw are not the first {old} of this log"
                )));
            }
            403 => return Err(Failed::trouble("it does not know this log's key: give it the one at /log/vkey")),
            404 => return Err(Failed::trouble("it does not know this log: give it the key at /log/vkey")),
            status => return Err(Failed::trouble(format!("it answered {status}"))),
        }
    }
    Err(Failed::trouble("the size that it saw changes as it is asked"))
}

/// What it means that a witness saw a tree larger than the one it is asked for.
fn beyond(seen: u64, asked: &Asked) -> Failed {
    if seen <= asked.length {
        return Failed::Ahead;
    }
    Failed::Disputed(format!("it saw a tree of {seen} entries under this log's name, and there are {}", asked.length))
}

struct Answer {
    seat: usize,
    size: u64,
    found: Result<Vec<Signature>, Failed>,
}

/// One witness, seen from the publisher.
struct Seat {
    key: VerifierKey,
    jobs: SyncSender<Arc<Asked>>,
    /// The size of the tree that it is being asked about, and since when.
    asked: Option<(u64, Duration)>,
    /// Whether it last took longer than a round: it is asked, and not waited for.
    is_slow: bool,
    failures: u32,
    resume_at: Duration,
    health: WitnessHealth,
}

/// Every witness of a log.
pub(super) struct Panel {
    seats: Vec<Seat>,
    answers: Receiver<Answer>,
    clock: Arc<dyn Clock>,
    /// How long publishing waits for them.
    round: Duration,
}

impl Panel {
    /// Seats the witnesses, each with a thread that ends after the panel.
    pub(super) fn seat(witnesses: Vec<Witness>, clock: Arc<dyn Clock>, round: Duration) -> std::io::Result<Self> {
        let (answer, answers) = channel();
        let seats = witnesses.into_iter().enumerate().map(|(number, witness)| sit(number, witness, answer.clone()));
        Ok(Self { seats: seats.collect::<Result<_, _>>()?, answers, clock, round })
    }

    /// How many witnesses have cosigned `note`.
    pub(super) fn cosigned(&self, note: &Note) -> usize {
        self.seats.iter().filter(|seat| seat.has_cosigned(note)).count()
    }

    /// Whether some witness has not cosigned `note`, and may be asked now.
    pub(super) fn may_be_asked(&self, note: &Note) -> bool {
        let now = self.clock.monotonic();
        self.seats.iter().any(|seat| seat.may_be_asked(note, now))
    }

    /// Asks every witness that has not cosigned yet, and may be asked.
    pub(super) fn ask(&mut self, asked: Asked) {
        let (asked, now) = (Arc::new(asked), self.clock.monotonic());
        for seat in &mut self.seats {
            if seat.may_be_asked(&asked.note, now) && seat.jobs.try_send(Arc::clone(&asked)).is_ok() {
                seat.asked = Some((asked.head.size, now));
            }
        }
    }

    /// Waits until those that were asked have answered, for a round at most, and
    /// puts their cosignatures onto `note`, whose tree has `size` entries.
    pub(super) fn wait(&mut self, note: &mut Note, size: u64) {
        let deadline = self.clock.monotonic() + self.round;
        while self.seats.iter().any(|seat| seat.is_asked(size) && !seat.is_slow) {
            let left = deadline.saturating_sub(self.clock.monotonic());
            let Ok(answer) = self.answers.recv_timeout(left) else { break };
            self.take(answer, note, size);
        }
        for seat in self.seats.iter_mut().filter(|seat| seat.asked.is_some()) {
            seat.is_slow = true;
        }
    }

    /// Takes what came in meanwhile. Returns whether `note` has more signatures now.
    pub(super) fn gather(&mut self, note: &mut Note, size: u64) -> bool {
        let before = note.signatures().len();
        while let Ok(answer) = self.answers.try_recv() {
            self.take(answer, note, size);
        }
        note.signatures().len() > before
    }

    /// Whether some witness is still being asked about the tree of `size` entries.
    pub(super) fn is_out(&self, size: u64) -> bool {
        self.seats.iter().any(|seat| seat.is_asked(size))
    }

    /// Notes which witnesses cosigned a checkpoint before this start.
    pub(super) fn remember(&mut self, note: &Note, size: u64) {
        for seat in self.seats.iter_mut().filter(|seat| seat.has_cosigned(note)) {
            seat.health.cosigned_size = size;
        }
    }

    /// How the witnesses are.
    pub(super) fn health(&self) -> Vec<WitnessHealth> {
        let now = self.clock.monotonic();
        self.seats.iter().map(|seat| seat.health(now, self.round)).collect()
    }

    fn take(&mut self, answer: Answer, note: &mut Note, size: u64) {
        let now = self.clock.monotonic();
        let Some(seat) = self.seats.get_mut(answer.seat) else { return };
        let since = seat.asked.take().map_or(now, |(_, since)| since);
        seat.is_slow = now.saturating_sub(since) > self.round;
        match answer.found {
            Ok(signatures) => {
                if answer.size == size {
                    note.accept(signatures, std::slice::from_ref(&seat.key));
                }
                seat.cosigned(answer.size);
            }
            Err(why) => seat.failed(&why, now),
        }
    }
}

impl Seat {
    fn has_cosigned(&self, note: &Note) -> bool {
        note.verify(std::slice::from_ref(&self.key)).is_ok()
    }

    fn may_be_asked(&self, note: &Note, now: Duration) -> bool {
        self.asked.is_none() && now >= self.resume_at && !self.has_cosigned(note)
    }

    fn is_asked(&self, about: u64) -> bool {
        self.asked.is_some_and(|(size, _)| size == about)
    }

    fn health(&self, now: Duration, round: Duration) -> WitnessHealth {
        let mut health = self.health.clone();
        if let Some((_, since)) = self.asked.filter(|(_, since)| now.saturating_sub(*since) > round)
            && health.failure.is_none()
        {
            let seconds = now.saturating_sub(since).as_secs_f32();
            health.failure = Some(format!("no answer for {seconds:.1} s"));
        }
        health
    }

    fn cosigned(&mut self, size: u64) {
        if self.health.failure.take().is_some() {
            tracing::info!(witness = %self.key.name(), "witness `{}` cosigns again", self.key.name());
        }
        self.failures = 0;
        self.health.is_disputed = false;
        self.health.cosigned_size = self.health.cosigned_size.max(size);
    }

    fn failed(&mut self, why: &Failed, now: Duration) {
        let name = self.key.name();
        let (why, is_disputed) = match why {
            // It is asked again with a larger tree.
            Failed::Ahead => return,
            Failed::Trouble(why) => (why, false),
            Failed::Disputed(why) => (why, true),
        };
        if self.health.failure.as_ref() != Some(why) {
            if is_disputed {
                tracing::error!(witness = %name, "witness `{name}` does not recognise this log: {why}");
            } else {
                tracing::warn!(witness = %name, "witness `{name}` does not cosign: {why}");
            }
        }
        self.health.failure = Some(why.clone());
        self.health.is_disputed = is_disputed;
        self.resume_at = now + BACKOFF.0.saturating_mul(1 << self.failures.min(6)).min(BACKOFF.1);
        self.failures += 1;
    }
}

/// Starts the thread that asks one witness.
fn sit(number: usize, witness: Witness, answers: Sender<Answer>) -> std::io::Result<Seat> {
    let (jobs, todo) = sync_channel::<Arc<Asked>>(1);
    let key = witness.key.clone();
    let name = key.name().to_string();
    let work = move || {
        let mut seen = 0;
        for asked in todo {
            let found = consult(&witness, &asked, &mut seen);
            if answers.send(Answer { seat: number, size: asked.head.size, found }).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name(format!("witness-{number}")).spawn(work)?;
    let health = WitnessHealth { name, cosigned_size: 0, failure: None, is_disputed: false };
    Ok(Seat { key, jobs, asked: None, is_slow: false, failures: 0, resume_at: Duration::ZERO, health })
}
