//! `countersign serve --only spot` and `--only deep`: one tier, in a process of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use countersign_engine::Baselines;
use countersign_store::SqliteStore;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::deep;
use crate::listen::{Bound, bind};
use crate::node;
use crate::tier::key::TierKey;
use crate::tier::routes;

/// How often baselines are written, and how many at most.
const WRITE_EVERY: Duration = Duration::from_mins(1);
const WRITTEN: usize = 1_024;

/// Keeps baselines and answers what they say. Opens the addresses, and `spot.db` in the data directory.
pub fn spot(config: &Config) -> Result<()> {
    let key = key(config)?;
    let data = DataDir::open(&config.storage.data_dir)?;
    let bound = bind(&config.addresses()?).map_err(|why| anyhow!(why))?;
    let explain = |why| node::explain(&why, data.path());
    let store = SqliteStore::open(&data.path().join("spot.db")).map_err(explain)?;
    let baselines = Arc::new(Baselines::load(&store).map_err(explain)?);
    let (stop, stopped) = channel::<()>();
    let kept = Arc::clone(&baselines);
    let writing = std::thread::Builder::new()
        .name("baselines".into())
        .spawn(move || {
            while stopped.recv_timeout(WRITE_EVERY) == Err(RecvTimeoutError::Timeout) {
                kept.keep(&store, &store, WRITTEN);
            }
            kept.keep(&store, &store, usize::MAX);
        })
        .context("the system gives no thread")?;
    let served = answer(config, &routes::spot(baselines, &key), &bound);
    drop(stop);
    writing.join().map_err(|_| anyhow!("the baselines could not be written"))?;
    served
}

/// Asks the configured reviewer for others. Opens the addresses, and nothing in the data directory.
pub fn deep(config: &Config) -> Result<()> {
    let key = key(config)?;
    let guard = deep::guard(config.guardian.deep.as_ref())?.context(
        "`serve --only deep` has nobody to ask: name a reviewer in `[guardian.deep]`; where a human reviews, no \
         process of its own is needed",
    )?;
    let bound = bind(&config.addresses()?).map_err(|why| anyhow!(why))?;
    answer(config, &routes::deep(guard, config.guardian.review_deadline(), &key), &bound)
}

fn key(config: &Config) -> Result<Arc<TierKey>> {
    let key = config.guardian.tier_key().map_err(|why| anyhow!(why))?;
    let key = key.context(
        "a tier answers nobody who does not show its key: make one with `(umask 077; openssl rand -hex 32 > tier.key)`, \
         and name the file as `guardian.tier_key_file` here and where this tier is asked",
    )?;
    Ok(Arc::new(key))
}

fn answer(config: &Config, routes: &Router, bound: &Bound) -> Result<()> {
    let stop = node::stop_signal()?;
    tracing::info!("listening on {}", bound.urls.join(", "));
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = config.server.workers.map_or_else(cores, NonZeroUsize::get);
    countersign_server::serve_routes(routes, &bound.listeners, workers, &stop).context("the tier stopped by itself")?;
    tracing::info!("stopped");
    Ok(())
}
