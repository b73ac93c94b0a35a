//! The recorder: the one place where things become durable, and the only one
//! that makes a [`Permit`].
//!
//! Callers queue what they want recorded and wait. One thread takes everything
//! that waits, puts each entry at the end of its chain, commits the lot in one
//! durable transaction, makes it visible, and only then answers. If the commit
//! fails nothing happened: no chain moved, nobody is answered yes.
//!
//! What is recorded has one order. An allow that was decided before a
//! revocation, and reaches the recorder after it, is turned away
//! ([`RecordError::Superseded`]) and must be decided again: in the ledger, no
//! allow follows the order that took its right away, nor content that its
//! session took in and that it was decided without.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ahash::RandomState;
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_core::taint::Taint;
use countersign_evidence::entry::Entry;
use countersign_store::{Batch, Ledger, Live, StoreError};
use tokio::sync::oneshot;

use crate::accounts::{Accounts, Dues};
use crate::clock::Clock;
use crate::queue::{Queue, Refused, Taken};
use crate::recording::{Recording, Under};

/// How many recordings may wait before callers are turned away.
const CAPACITY: usize = 16_384;
/// How many entries one transaction holds at most.
const BATCH: usize = 1_024;
/// How many entries may go by between checkpoints; a restart replays as many.
const CHECKPOINT_EVERY: u64 = 20_000;
/// How many chains may move between checkpoints: writing one of a thousand
/// chains takes about a millisecond, during which everyone waits.
const CHECKPOINT_CHAINS: usize = 1_000;
/// How long the writer waits for work before it checkpoints what moved.
const IDLE: Duration = Duration::from_secs(1);
/// How many entries may go by before what long did not move is forgotten.
const TIDY_EVERY: u64 = 1_000_000;
/// How many chains stay in memory.
const KEEP_CHAINS: usize = 1_000_000;

/// The right to make one call. Only recording an allow makes one, and spending
/// it consumes it.
///
/// ```compile_fail
/// // A permit cannot be made by hand:
/// let permit = countersign_engine::Permit { position: None };
/// ```
///
/// ```compile_fail
/// // and one permit cannot be spent twice:
/// fn forward(_: countersign_engine::Permit) {}
/// fn twice(permit: countersign_engine::Permit) {
///     forward(permit);
///     forward(permit);
/// }
/// ```
///
/// ```compile_fail
/// // nor copied:
/// fn copy(permit: &countersign_engine::Permit) -> countersign_engine::Permit {
///     permit.clone()
/// }
/// ```
#[must_use = "a permit that is not spent means the upstream was never called"]
#[derive(Debug)]
pub struct Permit {
    position: Option<u64>,
}

impl Permit {
    /// Where in the ledger the allow stands, once it is on disk.
    #[must_use]
    pub const fn position(&self) -> Option<u64> {
        self.position
    }
}

/// What recording returns.
#[derive(Debug)]
pub struct Receipt {
    /// Where in the ledger the entry stands; `None` while it is only queued.
    pub position: Option<u64>,
    /// The right to act, where the entry is an allow.
    pub permit: Option<Permit>,
}

/// Why something was not recorded. It did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Too much is waiting already.
    #[error("the recorder's queue is full")]
    Busy,
    /// The ledger cannot be written.
    #[error("the ledger cannot be written")]
    Unavailable,
    /// A document changed since it was read.
    #[error("`{key}` changed since it was read")]
    Conflict {
        /// The document.
        key: String,
    },
    /// A right was taken away since the facts were read: decide again.
    #[error("rights changed since the facts were read")]
    Superseded,
}

struct Waiting {
    recording: Recording,
    reply: Option<oneshot::Sender<Result<Receipt, RecordError>>>,
    #[expect(dead_code, reason = "dropping it says that the order is through")]
    order: Option<Order>,
}

/// While one lives, an order that takes a right away, or content that could, is on its
/// way: from before it is queued until after it holds, or it failed.
struct Order(Arc<State>);

impl Order {
    fn new(state: &Arc<State>) -> Self {
        state.orders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.0.orders.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What an operator should know of the recorder, and what it should do aside.
#[derive(Default)]
struct State {
    failing: AtomicBool,
    why: Mutex<String>,
    recorded: AtomicU64,
    commits: AtomicU64,
    lost: AtomicU64,
    orders: AtomicU64,
    forgets: AtomicBool,
    aside: Mutex<Option<Aside>>,
}

/// Something that is written without an entry, when there is a moment.
type Aside = Box<dyn FnOnce(&dyn Ledger) + Send>;

/// Records. Cheap to share; the last one dropped lets the writer finish.
pub struct Recorder {
    queue: Arc<Queue<Waiting>>,
    live: Arc<dyn Live>,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Starts the writer. `ledger` must not be written by anyone else.
    pub(crate) fn start(
        ledger: Arc<dyn Ledger>,
        live: Arc<dyn Live>,
        clock: Arc<dyn Clock>,
        accounts: Arc<Accounts>,
    ) -> Result<Self, StoreError> {
        let Recovered { moved, is_whole } = recover(ledger.as_ref(), live.as_ref())?;
        let queue = Arc::new(Queue::new(CAPACITY));
        let state = Arc::new(State { forgets: AtomicBool::new(!is_whole), ..State::default() });
        let mut writer = Writer {
            ledger,
            live: Arc::clone(&live),
            clock,
            state: Arc::clone(&state),
            accounts,
            moved,
            since_checkpoint: 0,
            until_tidy: TIDY_EVERY,
        };
        // A server that cannot write says so before it is asked.
        writer.try_out();
        let source = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || writer.run(&source))
            .map_err(|why| StoreError::Unavailable(Box::new(why)))?;
        Ok(Self { queue, live, state, thread: Mutex::new(Some(thread)) })
    }

    /// Records and waits until it is durable and visible.
    pub async fn record(&self, recording: Recording) -> Result<Receipt, RecordError> {
        let (reply, answer) = oneshot::channel();
        let order = recording.takes_away().then(|| Order::new(&self.state));
        let waiting = Waiting { recording, reply: Some(reply), order };
        self.queue.push_if(waiting, |_| true).map_err(|_| RecordError::Busy)?;
        answer.await.unwrap_or(Err(RecordError::Unavailable))
    }

    /// Queues a recording that will be durable within about a millisecond, and
    /// answers at once. Waits like [`Self::record`] while the ledger is failing, where
    /// it spends something, and where an order that may take the right away came first: what is
    /// answered early is never turned away later.
    pub async fn record_grouped(&self, recording: Recording) -> Result<Receipt, RecordError> {
        if self.failure().is_some() || recording.spending.is_some() {
            return self.record(recording).await;
        }
        let permit = recording.draft.is_allow().then_some(Permit { position: None });
        let waiting = Waiting { recording, reply: None, order: None };
        let stands = |w: &Waiting| self.stands(&w.recording);
        match self.queue.push_if(waiting, stands) {
            Ok(()) => Ok(Receipt { position: None, permit }),
            Err(Refused::Unfit(waiting)) => self.record(waiting.recording).await,
            Err(Refused::Full) => Err(RecordError::Busy),
        }
    }

    /// Whether what was decided still stands, and nothing queued so far can change
    /// that. Orders count themselves before they are queued.
    fn stands(&self, recording: &Recording) -> bool {
        let taint = |chain: &ChainId| match self.live.chain(chain) {
            Some(chain) => Some(chain.taint),
            None => (!self.forgets()).then_some(Taint::NONE),
        };
        let covers = |under: &Under, chain: &ChainId| taint(chain).is_some_and(|taint| under.covers(taint));
        self.state.orders.load(Ordering::SeqCst) == 0
            && recording.epoch.is_none_or(|epoch| self.live.epoch() == epoch)
            && recording.under.as_ref().is_none_or(|under| {
                covers(under, recording.draft.chain()) && under.elsewhere.iter().all(|chain| covers(under, chain))
            })
    }

    /// Why nothing can be recorded, while nothing can.
    pub fn failure(&self) -> Option<String> {
        let failing = self.state.failing.load(Ordering::Acquire);
        failing.then(|| self.state.why.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// How many entries were recorded, in how many transactions, and how many
    /// answered recordings were lost afterwards (grouped durability only).
    pub fn counts(&self) -> (u64, u64, u64) {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (read(&self.state.recorded), read(&self.state.commits), read(&self.state.lost))
    }

    /// Has `work` done between two batches, or before the writer stops. What was
    /// left before and is not done yet is dropped.
    pub(crate) fn aside(&self, work: impl FnOnce(&dyn Ledger) + Send + 'static) {
        *self.state.aside.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(work));
    }

    /// Whether a chain that is not in memory may yet be in the ledger.
    pub(crate) fn forgets(&self) -> bool {
        self.state.forgets.load(Ordering::Acquire)
    }

    /// How many recordings wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Lets the writer finish what waits, checkpoint and stop.
    pub fn stop(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the recorder's thread panicked");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}

type Chains = HashMap<ChainId, Chain, RandomState>;

/// Where a start found things.
struct Recovered {
    /// The chains that moved after the checkpoint.
    moved: Chains,
    /// Whether every chain there is is in memory.
    is_whole: bool,
}

/// Brings `live` to where the ledger stands: the last checkpoint, and the
/// entries after it.
fn recover(ledger: &dyn Ledger, live: &dyn Live) -> Result<Recovered, StoreError> {
    let checkpoint = ledger.checkpoint(KEEP_CHAINS)?;
    let length = ledger.length()?;
    if length < checkpoint.position {
        let recorded = checkpoint.position;
        return Err(StoreError::Corrupt(format!("{recorded} entries were recorded, and {length} are there")));
    }
    for (id, chain) in checkpoint.chains.iter().rev() {
        live.advance(id, *chain);
    }
    let is_whole = checkpoint.chains.len() < KEEP_CHAINS;
    let mut moved = Chains::default();
    let mut position = checkpoint.position;
    loop {
        let entries = ledger.read(position, BATCH)?;
        if entries.is_empty() {
            return Ok(Recovered { moved, is_whole });
        }
        for bytes in entries {
            let corrupt = |what: &str| StoreError::Corrupt(format!("entry {position}: {what}"));
            let entry = Entry::read(&bytes).map_err(|why| corrupt(&why.to_string()))?;
            let id = ChainId::parse(entry.chain.id).map_err(|why| corrupt(&why.to_string()))?;
            let before = match live.chain(&id) {
                Some(chain) => chain,
                None => ledger.chain(&id)?.unwrap_or(Chain::GENESIS),
            };
            if before.head != entry.chain.prev || before.length != entry.chain.index {
                return Err(corrupt(
                    "its chain does not continue; run `countersign evidence verify` on the data directory",
                ));
            }
            let after = entry.onto(before, &bytes);
            live.advance(&id, after);
            moved.insert(id, after);
            position += 1;
        }
    }
}

/// What a batch comes to so far.
struct Sealed {
    /// The revocation epoch before it.
    epoch: u64,
    /// Whether something in it takes a right away.
    revoked: bool,
    batch: Batch,
    /// Where the chains that it moves stand.
    heads: Chains,
    /// What it costs.
    dues: Dues,
}

struct Writer {
    ledger: Arc<dyn Ledger>,
    live: Arc<dyn Live>,
    state: Arc<State>,
    accounts: Arc<Accounts>,
    /// Chains that moved since the last checkpoint.
    moved: Chains,
    since_checkpoint: u64,
    until_tidy: u64,
    clock: Arc<dyn Clock>,
}

impl Writer {
    fn run(&mut self, queue: &Queue<Waiting>) {
        let mut taken = Vec::new();
        loop {
            match queue.take(&mut taken, IDLE) {
                Taken::Some => {
                    let mut rest = std::mem::take(&mut taken);
                    while !rest.is_empty() {
                        let later = rest.split_off(rest.len().min(BATCH));
                        self.commit(&mut rest);
                        rest = later;
                    }
                    taken = rest;
                    self.do_aside();
                }
                Taken::Idle => {
                    self.do_aside();
                    self.checkpoint();
                    self.tidy();
                }
                Taken::Closed => {
                    self.do_aside();
                    return self.checkpoint();
                }
            }
        }
    }

    fn do_aside(&self) {
        let work = self.state.aside.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            work(self.ledger.as_ref());
        }
    }

    /// Commits a batch, or, where a document conflict spoils it, each alone.
    fn commit(&mut self, batch: &mut Vec<Waiting>) {
        match self.try_commit(batch) {
            Err(StoreError::Conflict { .. }) if batch.len() > 1 => {
                for waiting in batch.drain(..) {
                    self.commit(&mut vec![waiting]);
                }
            }
            Ok(()) => {}
            Err(why) => self.refuse(batch, &why),
        }
    }

    /// Seals and commits. On success everyone is answered and the batch empty.
    fn try_commit(&mut self, waiting: &mut Vec<Waiting>) -> Result<(), StoreError> {
        let Sealed { mut batch, heads, dues, .. } = self.seal(waiting)?;
        if batch.entries.is_empty() {
            return Ok(());
        }
        let count = batch.entries.len() as u64;
        let checkpoints = self.since_checkpoint + count >= CHECKPOINT_EVERY || self.moved.len() >= CHECKPOINT_CHAINS;
        if checkpoints {
            // A copy: should the commit fail, `moved` must hold nothing of it.
            let mut all = self.moved.clone();
            all.extend(heads.iter().map(|(id, chain)| (id.clone(), *chain)));
            batch.chains = all.into_iter().collect();
        }
        batch.writes.extend(dues.writes(&self.accounts));
        let first = self.ledger.commit(&batch)?;
        dues.settle(&self.accounts);
        self.since_checkpoint = if checkpoints { 0 } else { self.since_checkpoint + count };
        self.until_tidy = self.until_tidy.saturating_sub(count);
        if self.until_tidy == 0 {
            self.tidy();
        }
        self.publish(waiting, heads, first);
        if !checkpoints {
            return Ok(());
        }
        self.moved.clear();
        Ok(())
    }

    /// Puts each at the end of its chain, but those that must be decided again: they are
    /// answered, and leave `waiting`.
    fn seal(&self, waiting: &mut Vec<Waiting>) -> Result<Sealed, StoreError> {
        let batch = Batch { entries: Vec::with_capacity(waiting.len()), ..Batch::default() };
        let mut sealed =
            Sealed { epoch: self.live.epoch(), revoked: false, batch, heads: Chains::default(), dues: Dues::default() };
        let mut failed = None;
        waiting.retain_mut(|w| {
            let stays = failed.is_some()
                || self.seal_one(&w.recording, &mut sealed).unwrap_or_else(|why| {
                    failed = Some(why);
                    true
                });
            if !stays {
                answer(w, Err(RecordError::Superseded));
            }
            stays
        });
        failed.map_or(Ok(sealed), Err)
    }

    /// Whether the recording stands: nothing before it, here or earlier in the same
    /// batch, took its right away, used up what it costs, or was taken in that it was
    /// decided without.
    fn seal_one(&self, recording: &Recording, sealed: &mut Sealed) -> Result<bool, StoreError> {
        let id = recording.draft.chain();
        let before = self.standing(id, &sealed.heads)?;
        if recording.epoch.is_some_and(|epoch| sealed.revoked || epoch != sealed.epoch) {
            return Ok(false);
        }
        if let Some(under) = &recording.under {
            let mut covered = under.covers(before.taint);
            for chain in &under.elsewhere {
                covered &= under.covers(self.standing(chain, &sealed.heads)?.taint);
            }
            if !covered {
                return Ok(false);
            }
        }
        if recording.spending.as_ref().is_some_and(|spending| !sealed.dues.pay(&self.accounts, spending)) {
            return Ok(false);
        }
        sealed.revoked |= recording.revokes;
        let (bytes, after) = recording.draft.seal(before);
        sealed.batch.entries.push(bytes);
        sealed.heads.insert(id.clone(), after);
        sealed.batch.writes.extend(recording.writes.iter().cloned());
        Ok(true)
    }

    fn publish(&mut self, waiting: &mut Vec<Waiting>, heads: Chains, first: u64) {
        for (id, chain) in heads {
            self.live.advance(&id, chain);
            self.moved.insert(id, chain);
        }
        self.state.recorded.fetch_add(waiting.len() as u64, Ordering::Relaxed);
        self.state.commits.fetch_add(1, Ordering::Relaxed);
        self.state.failing.store(false, Ordering::Release);
        for w in waiting.iter_mut() {
            if let Some(apply) = w.recording.apply.take() {
                apply();
            }
            if w.recording.revokes {
                self.live.bump();
            }
        }
        for (position, mut w) in (first..).zip(waiting.drain(..)) {
            let position = Some(position);
            let permit = w.recording.draft.is_allow().then_some(Permit { position });
            answer(&mut w, Ok(Receipt { position, permit }));
        }
    }

    fn refuse(&self, waiting: &mut Vec<Waiting>, why: &StoreError) {
        let error = match why {
            StoreError::Conflict { key } => RecordError::Conflict { key: key.clone() },
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => {
                self.fail(why);
                RecordError::Unavailable
            }
        };
        for mut w in waiting.drain(..) {
            if w.reply.is_none() {
                self.state.lost.fetch_add(1, Ordering::Relaxed);
            }
            answer(&mut w, Err(error.clone()));
        }
    }

    fn fail(&self, why: &StoreError) {
        let cause = std::error::Error::source(why).map_or_else(|| why.to_string(), ToString::to_string);
        let text = format!("the ledger cannot be written: {cause}; every decision is refused until it can");
        text.clone_into(&mut self.state.why.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.state.failing.swap(true, Ordering::AcqRel) {
            tracing::error!("{text}");
        }
    }

    /// Forgets what long did not move.
    fn tidy(&mut self) {
        // Before anything is forgotten: who misses a chain meanwhile looks in the ledger.
        let before = self.state.forgets.swap(true, Ordering::AcqRel);
        let gone = self.live.forget(KEEP_CHAINS, self.clock.monotonic());
        self.state.forgets.store(before || gone > 0, Ordering::Release);
        self.until_tidy = TIDY_EVERY;
    }

    /// Where a chain stands: as `heads` says, or as committed.
    fn standing(&self, id: &ChainId, heads: &Chains) -> Result<Chain, StoreError> {
        match heads.get(id).copied().or_else(|| self.live.chain(id)) {
            Some(chain) => Ok(chain),
            None => Ok(self.ledger.chain(id)?.unwrap_or(Chain::GENESIS)),
        }
    }

    /// Notes where the chains that moved stand.
    fn checkpoint(&mut self) {
        // Whoever sees that the ledger fails may ask nothing more, so the writer
        // tries by itself.
        if !self.moved.is_empty() || self.state.failing.load(Ordering::Acquire) {
            self.try_out();
        }
    }

    /// The same; where no chain moved, notes again where the last one stands: a
    /// write like any, which shows whether one works.
    fn try_out(&mut self) {
        let noted = if self.moved.is_empty() {
            self.ledger.checkpoint(1).map(|last| last.chains)
        } else {
            Ok(self.moved.iter().map(|(id, chain)| (id.clone(), *chain)).collect())
        };
        match noted.and_then(|chains| self.ledger.commit(&Batch { chains, ..Batch::default() })) {
            Ok(_) => {
                self.moved.clear();
                self.since_checkpoint = 0;
                self.state.failing.store(false, Ordering::Release);
            }
            Err(why) => self.fail(&why),
        }
    }
}

fn answer(waiting: &mut Waiting, result: Result<Receipt, RecordError>) {
    if let Some(reply) = waiting.reply.take() {
        // A caller that stopped waiting is not told; the entry stands.
        drop(reply.send(result));
    }
}
