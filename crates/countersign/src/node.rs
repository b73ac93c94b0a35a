//! A running server: the concrete store, clock and luck, wired together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_engine::{
    DeepGuard, Engine, Log, Parts, Publishing, RecordedKey, SpotGuard, SystemClock, SystemEntropy,
};
use countersign_evidence::log::note::Signer;
use countersign_server::Surface;
use countersign_store::{MemoryLive, SqliteStore, SqliteTiles, StoreError};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Config, Evidence, Guardian, Shown};
use crate::data_dir::{DataDir, database};
use crate::listen::Bound;
use crate::log_key::{KeyFile, Settled};
use crate::tier::ask;
use crate::witness;
use crate::{content, deep, records, reload, vault};

/// What a shell says of a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// A running engine, and the log it is published in.
pub struct Node {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The log.
    pub log: Arc<Log>,
}

/// An engine, and the store it is on.
pub struct Opened {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The store.
    pub store: Arc<SqliteStore>,
    /// What was published of it.
    tiles: Arc<SqliteTiles>,
}

/// Starts an engine on the data directory as `config` says.
pub fn open(data: &DataDir, config: &Config) -> Result<Opened> {
    open_guarded(data, config, Guards::default())
}

/// Who is asked beside the engine, if anybody.
#[derive(Default)]
struct Guards {
    spot: Option<Arc<dyn SpotGuard>>,
    deep: Option<Arc<dyn DeepGuard>>,
}

impl Guards {
    fn of(config: &Guardian) -> Result<Self> {
        let key = || config.tier_key().map_err(|why| anyhow!(why))?.context("`guardian.tier_key_file` is missing");
        let spot = config.spot.as_ref().filter(|_| !config.spot().is_off());
        let spot = spot.map(|spot| ask::spot(&spot.url, &key()?, config.spot_deadline())).transpose()?;
        let deep = match config.deep.as_ref().and_then(|deep| Some((deep, deep.url.as_deref()?))) {
            Some((deep, url)) => {
                let within = Duration::from_secs(deep.review.timeout_seconds);
                Some(ask::deep(url, &key()?, (within, deep.arguments == Shown::Shown))?)
            }
            None => deep::guard(config.deep.as_ref())?,
        };
        Ok(Self { spot, deep })
    }
}

/// The same with somebody to ask.
fn open_guarded(data: &DataDir, config: &Config, guards: Guards) -> Result<Opened> {
    let entropy = Arc::new(SystemEntropy);
    let seal_key = data.seal_key(entropy.as_ref())?;
    let explain = |why| explain(&why, data.path());
    let store = Arc::new(SqliteStore::open(&database(data.path())).map_err(explain)?);
    let tiles = Arc::new(SqliteTiles::open(&data.path().join("log.db")).map_err(explain)?);
    Log::check(store.as_ref(), tiles.as_ref()).with_context(|| cannot_go_on(data))?;
    let parts = Parts {
        ledger: store.clone(),
        documents: store.clone(),
        live: Arc::new(MemoryLive::default()),
        clock: Arc::new(SystemClock::default()),
        entropy,
        seal_key,
        settings: config.settings(),
        tracing: records::signing(data, &config.trace)?,
        vault: vault::vault(data, &config.capture)?,
    };
    let engine = Engine::start(parts).map_err(explain)?;
    let engine = match content::guard(data, &config.guardian.content)? {
        Some(guard) => engine.inspected_by(guard),
        None => engine,
    };
    let engine = match guards.spot {
        Some(guard) => engine.spotted_by(guard),
        None => engine,
    };
    let engine = match guards.deep {
        Some(guard) => engine.reviewed_by(guard),
        None => engine,
    };
    Ok(Opened { engine: Arc::new(engine), store, tiles })
}

/// Starts an engine on the data directory as `config` says, and publishes its
/// record as a log.
pub fn start(data: &DataDir, config: &Config) -> Result<Node> {
    let opened = open_guarded(data, config, Guards::of(&config.guardian)?)?;
    let evidence = &config.evidence;
    let recorded = RecordedKey::read(opened.store.as_ref()).map_err(|why| explain(&why, data.path()))?;
    let file = KeyFile::new(data.path(), evidence.key_file.as_deref());
    let settled = runtime()?.block_on(file.settle(&opened.engine, recorded, evidence.origin.as_deref(), true))?;
    reload::begin(&opened.engine, &config.policy)?;
    let log = publish(data, &opened, settled, evidence)?;
    Ok(Node { engine: opened.engine, log })
}

/// Starts publishing the record as a transparency log.
fn publish(data: &DataDir, opened: &Opened, settled: Settled, evidence: &Evidence) -> Result<Arc<Log>> {
    let witnesses = witness::ask::reach(&evidence.witnesses).map_err(|why| anyhow!(why))?;
    let warning = settled.warning();
    let publishing = Publishing::from(settled.signer).witnessed(witnesses, evidence.witness_quorum).warning(warning);
    let log = Log::start(opened.store.clone(), opened.tiles.clone(), publishing).with_context(|| cannot_go_on(data))?;
    Ok(Arc::new(log))
}

fn cannot_go_on(data: &DataDir) -> String {
    format!("the log in `{}` cannot go on; run `countersign evidence verify` on it", data.path().display())
}

/// Publishes what is recorded, as `signer` and witnessed by nobody.
pub fn publish_once(opened: &Opened, signer: Signer) -> Result<()> {
    let log = Log::start(opened.store.clone(), opened.tiles.clone(), signer)?;
    log.stop();
    log.failure().map_or(Ok(()), |why| Err(anyhow!(why)))
}

/// What a store's failure means for whoever runs it.
pub fn explain(why: &StoreError, dir: &Path) -> anyhow::Error {
    let dir = dir.display();
    match why {
        StoreError::Unavailable(cause) => anyhow!(
            "the database in `{dir}` cannot be used: {cause}; \
             `countersign doctor --data {dir}` looks at permissions and the disk"
        ),
        StoreError::Corrupt(what) => anyhow!(
            "the database in `{dir}` is not what Countersign wrote: {what}; keep it as it is, run \
             `countersign evidence verify {dir}` to see how far it holds, and restore a backup"
        ),
        StoreError::Conflict { key } => anyhow!("`{key}` in `{dir}` changed while it was read; start again"),
    }
}

/// A runtime for what the engine does before it serves.
pub fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_io().build().context("the system gives no event queue")
}

/// Serves until SIGINT or SIGTERM, then lets the engine finish. `ready` runs
/// once clients can connect.
pub fn serve(
    node: &Node,
    surface: Surface,
    bound: &Bound,
    workers: Option<usize>,
    ready: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stop = stop_signal()?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    ready()?;
    let surface = surface.with_log(Arc::clone(&node.log));
    let served = countersign_server::serve(surface, &bound.listeners, workers.unwrap_or_else(cores), &stop);
    node.engine.stop();
    node.log.stop();
    served.context("the server stopped by itself")?;
    tracing::info!("stopped");
    Ok(())
}

/// Turns true at SIGINT or SIGTERM. A second one ends the process at once,
/// which loses nothing that was answered.
pub fn stop_signal() -> Result<watch::Receiver<bool>> {
    let (order, stop) = watch::channel(false);
    let runtime = runtime()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watch = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if order.send_replace(true) {
                    tracing::warn!("stopping at once, without waiting for connections to finish");
                    std::process::exit(INTERRUPTED);
                }
                tracing::info!("stopping: connections may finish");
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).context("the system gives no thread")?;
    Ok(stop)
}
