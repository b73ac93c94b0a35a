//! The vault's file and its key.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_engine::{Entropy as _, SystemEntropy, Vault};
use countersign_store::Payloads;

use crate::config::Capture;
use crate::data_dir::{DataDir, is_open, write_private};
use crate::node::explain;

/// The vault in the data directory at `dir`, also beside a running server, to read
/// what was captured; `None` where nothing was.
pub fn look(dir: &Path) -> Result<Option<Vault>> {
    let (file, key) = (dir.join("payloads.db"), dir.join("capture.key"));
    if !file.is_file() || !key.is_file() {
        return Ok(None);
    }
    let payloads = Payloads::open(&file).map_err(|why| explain(&why, dir))?;
    Ok(Some(Vault::new(payloads, read_key(&key)?, false, Duration::MAX)))
}

/// The vault, where payloads are captured or were once.
pub fn vault(data: &DataDir, capture: &Capture) -> Result<Option<Vault>> {
    let file = data.path().join("payloads.db");
    if !capture.arguments && !file.exists() {
        return Ok(None);
    }
    let payloads = Payloads::open(&file).map_err(|why| explain(&why, data.path()))?;
    let keep = Duration::from_hours(24 * capture.retention_days);
    Ok(Some(Vault::new(payloads, key(data)?, capture.arguments, keep)))
}

/// The key that payloads are sealed with. Whoever deletes the file makes every
/// payload unreadable, which is a way to delete them all, copies too.
fn key(data: &DataDir) -> Result<[u8; 32]> {
    let path = data.path().join("capture.key");
    let shown = path.display();
    if path.exists() {
        if is_open(&path) {
            tracing::warn!("others may read `{shown}`: whoever has it can read payloads; run `chmod 600 {shown}`");
        }
        return read_key(&path);
    }
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    write_private(&path, &bytes)?;
    tracing::warn!("made a new key for captured payloads, `{shown}`: payloads sealed with another stay closed");
    Ok(bytes)
}

fn read_key(path: &Path) -> Result<[u8; 32]> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
    <[u8; 32]>::try_from(bytes).ok().with_context(|| {
        format!(
            "`{shown}` is not the 32 bytes of a key; restore it from a backup, or delete it and with it every captured \
             payload"
        )
    })
}
