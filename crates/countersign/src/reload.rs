//! Policies from a folder, put in force and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_engine::{Engine, Fallback, InForce};

use crate::config::{Policy, PolicyDefault};
use crate::node;
use crate::output::visible;
use crate::policies::{Folder, Stamp};

/// How often the folder is looked at.
const BEAT: Duration = Duration::from_millis(500);
/// How many looks pass before what failed is tried again though nothing changed.
const PATIENCE: u32 = 20;

/// Puts the policies of the configured folder in force, and keeps them up to date.
/// A folder that cannot be read is an error now, and keeps the last good set later.
pub fn begin(engine: &Arc<Engine>, policy: &Policy) -> Result<()> {
    let Some(dir) = policy.dir.clone() else { return Ok(()) };
    let fallback = match policy.default {
        PolicyDefault::Deny => Fallback::Deny,
        PolicyDefault::Allow => Fallback::Allow,
    };
    let stamp = Folder::stamp(&dir)?;
    load(engine, &dir, fallback)?;
    let watched = Watched { engine: Arc::downgrade(engine), dir, fallback };
    thread::Builder::new()
        .name("policies".into())
        .spawn(move || watched.run(stamp))
        .context("the system gives no thread")?;
    Ok(())
}

/// Reads the folder, checks it as a whole, and puts it in force.
fn load(engine: &Engine, dir: &Path, fallback: Fallback) -> Result<()> {
    let folder = Folder::read(dir)?;
    let set = folder.load()?;
    let digest = set.digest();
    if engine.policies().is_some_and(|in_force| in_force.set().digest() == digest) {
        return Ok(());
    }
    for warning in set.warnings() {
        tracing::warn!("{}", visible(&warning.to_string()));
    }
    if let Some(nothing) = folder.nothing() {
        tracing::warn!("{}", visible(&nothing));
    }
    let policies = set.policies().len();
    let copies = thread::available_parallelism().map_or(1, usize::from);
    let next = InForce::new(Arc::new(set), fallback, copies).map_err(|why| anyhow!(why))?;
    node::runtime()?.block_on(engine.put_policies(Some(Arc::new(next))))?;
    tracing::info!(policies, %digest, "policies are in force");
    Ok(())
}

/// The folder, and who it is for.
struct Watched {
    engine: Weak<Engine>,
    dir: PathBuf,
    fallback: Fallback,
}

impl Watched {
    fn run(self, seen: Stamp) {
        let (mut seen, mut failed, mut idle) = (Some(seen), None, 0);
        loop {
            thread::sleep(BEAT);
            let Some(engine) = self.engine.upgrade() else { return };
            let now = Folder::stamp(&self.dir).ok();
            idle += 1;
            // What failed may have failed for another reason than what is written there.
            if now == seen && (failed.is_none() || idle < PATIENCE) {
                continue;
            }
            (seen, idle) = (now, 0);
            let why = load(&engine, &self.dir, self.fallback).err().map(|why| visible(&format!("{why:#}")));
            if let Some(why) = why.as_ref().filter(|why| failed.as_ref() != Some(*why)) {
                tracing::error!("the last good policies hold: {why}");
            }
            engine.policies_failed(why.clone());
            failed = why;
        }
    }
}
