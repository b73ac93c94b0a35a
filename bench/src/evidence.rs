//! The record: how fast it verifies, what its tree costs the recorder, and how
//! long a receipt takes.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use countersign_core::chain::Chain;
use countersign_core::digest::Digest;
use countersign_core::id::{ChainId, OrgId};
use countersign_core::{Effect, Timestamp};
use countersign_engine::{Durability, Log};
use countersign_evidence::entry::Draft;
use countersign_evidence::event::{Action, Decision, Judgement};
use countersign_evidence::log::merkle::{Frontier, leaf_hash};
use countersign_evidence::log::note::{KeyName, Signer};
use countersign_evidence::verify::Verifier;
use countersign_store::{Batch, Ledger, SqliteStore, SqliteTiles};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::in_process;
use crate::load::{self, Measured};
use crate::process::memory_mb;
use crate::report::Report;

/// How many entries the large and the small record have, and in how many chains.
const LARGE: u32 = 1_000_000;
const SMALL: u32 = 100_000;
const CHAINS: u32 = 1_000;
/// How many entries go into the store at once, and are read at once.
const BATCH: u32 = 16_384;
const CHUNK: usize = 1_024;
/// How many receipts are made.
const RECEIPTS: u32 = 20_000;

pub(crate) fn measure(binary: &str, report: &mut Report) -> anyhow::Result<()> {
    let large = verification(binary, report)?;
    receipts(large.path(), report)?;
    drop(large);
    tree(report)
}

fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("bench").tempdir_in("target")?)
}

/// Verifies a large record and a small one, each in a process of its own.
fn verification(binary: &str, report: &mut Report) -> anyhow::Result<TempDir> {
    let (small, large) = (folder()?, folder()?);
    record(small.path(), SMALL)?;
    record(large.path(), LARGE)?;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(verify_apart(large.path())?);
    }
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let found = runs.get(1).context("no runs")?;
    report.number("verify_1m_s", found.seconds, "s to verify 1,000,000 entries and their tree (aim ≤ 2)");
    report.number("verify_rate", f64::from(LARGE) / found.seconds, "entries/s verified, one core");
    report.number("verify_floor_s", found.floor, "s for SHA-256 over the same bytes, twice");
    report.number("verify_ratio", found.seconds / found.floor, "verify ÷ floor");
    let said = verify_apart(small.path())?;
    report.number("verify_peak_100k_mb", said.peak_mb, "MB at most, 100,000 entries in 1,000 chains");
    report.number("verify_peak_1m_mb", found.peak_mb, "MB at most, 1,000,000 entries in 1,000 chains");

    let began = Instant::now();
    let done = Command::new(binary).args(["evidence", "verify"]).arg(large.path()).output()?;
    ensure!(done.status.success(), "it does not verify: {}", String::from_utf8_lossy(&done.stderr));
    let seconds = began.elapsed().as_secs_f64();
    report.number("verify_command_1m_s", seconds, "s for `countersign evidence verify` of the same");
    Ok(large)
}

/// Makes a data directory with a record of `count` decisions.
fn record(dir: &Path, count: u32) -> anyhow::Result<()> {
    let store = SqliteStore::open(&dir.join("countersign.db"))?;
    let mut chains = Vec::new();
    for number in 0..CHAINS {
        chains.push((ChainId::parse(&format!("sess_{number:032x}"))?, Chain::GENESIS));
    }
    let mut batch = Batch::default();
    for number in 0..count {
        // A prime: neighbours are on different chains.
        let at = usize::try_from(u64::from(number) * 7_919 % u64::from(CHAINS))?;
        let (id, chain) = chains.get_mut(at).context("no chain")?;
        let (bytes, after) = draft(number, id.clone())?.seal(*chain);
        *chain = after;
        batch.entries.push(bytes);
        if batch.entries.len() == usize::try_from(BATCH)? || number + 1 == count {
            batch.chains.clone_from(&chains);
            store.commit(&batch)?;
            batch.entries.clear();
        }
    }
    Ok(())
}

/// A decision as the server records most of them.
fn draft(number: u32, chain: ChainId) -> anyhow::Result<Draft> {
    let id = format!("chk_{number:032x}");
    let session = chain.as_str().to_owned();
    let event = Decision {
        action: Action { arguments: Digest::of(id.as_bytes()), source: "api", tool: "web_search".into() },
        agent: "agent_a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
        agent_revision: 1,
        approval: None,
        by: "key_5feceb66ffc86f38d952786c",
        code: None,
        content: None,
        effect: Judgement { by: "keyword", judged: Effect::Read, raised: None, word: Some("search") },
        epoch: 0,
        gate: None,
        guard: "fast",
        id: &id,
        policies: None,
        review: None,
        risk: None,
        session: Some(session.into()),
        trust: None,
        verdict: "allow",
    };
    let org = OrgId::parse("org_00112233445566778899aabbccddeeff")?;
    let time = Timestamp::from_millis(1_795_248_000_000 + i64::from(number));
    Ok(Draft::new(chain, Some(&org), time, &event)?)
}

/// What a process of its own found.
#[derive(Serialize, Deserialize)]
struct Verified {
    seconds: f64,
    floor: f64,
    peak_mb: f64,
}

fn verify_apart(dir: &Path) -> anyhow::Result<Verified> {
    let done = Command::new(std::env::current_exe()?).arg("verify").arg(dir).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// Verifies the record in `dir`, tree and all, on one thread, and prints how
/// long that took, what hashing alone takes, and how much memory it took.
pub(crate) fn verify(dir: &str) -> anyhow::Result<()> {
    let store = SqliteStore::open_read_only(&Path::new(dir).join("countersign.db"))?;
    let began = Instant::now();
    let (mut verifier, mut tree) = (Verifier::new(), Frontier::new());
    each_chunk(&store, |entries| {
        for entry in entries {
            verifier.push(entry)?;
            tree.append(leaf_hash(entry));
        }
        Ok(())
    })?;
    black_box(tree.head());
    let seconds = began.elapsed().as_secs_f64();
    let peak_mb = memory_mb("self", "VmHWM:")?;

    let mut floor = Duration::ZERO;
    each_chunk(&store, |entries| {
        let began = Instant::now();
        for entry in entries {
            black_box(Digest::of(entry));
            black_box(Digest::of(entry));
        }
        floor += began.elapsed();
        Ok(())
    })?;
    println!("{}", serde_json::to_string(&Verified { seconds, floor: floor.as_secs_f64(), peak_mb })?);
    Ok(())
}

fn each_chunk(ledger: &dyn Ledger, mut read: impl FnMut(&[Vec<u8>]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut position = 0;
    loop {
        let entries = ledger.read(position, CHUNK)?;
        if entries.is_empty() {
            return Ok(());
        }
        read(&entries)?;
        position += u64::try_from(entries.len())?;
    }
}

/// Publishes the large record, and makes receipts for entries all over it.
fn receipts(dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let ledger = Arc::new(SqliteStore::open_read_only(&dir.join("countersign.db"))?);
    let began = Instant::now();
    let log = publisher(Arc::clone(&ledger) as Arc<dyn Ledger>, dir)?;
    while log.published().is_none_or(|published| published.head.size < LARGE.into()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let rate = f64::from(LARGE) / began.elapsed().as_secs_f64();
    report.number("publish_rate", rate, "entries/s into the tree, from a record that has none");

    let (mut nanos, all) = (Vec::new(), Instant::now());
    for number in 0..RECEIPTS {
        // A prime: the positions are all over the record.
        let position = u64::from(number) * 611_953 % u64::from(LARGE);
        let one = Instant::now();
        let entry = ledger.read(position, 1)?.pop().context("no entry")?;
        let receipt = log.receipt(position, &entry)?.context("no receipt")?;
        black_box(receipt.to_string());
        nanos.push(u64::try_from(one.elapsed().as_nanos())?);
    }
    let measured = Measured::new(nanos, all.elapsed());
    report.rate("receipt", measured.p50_us, "µs p50 to make a receipt, 1,000,000 entries", &measured);
    Ok(())
}

fn publisher(ledger: Arc<dyn Ledger>, dir: &Path) -> anyhow::Result<Log> {
    let tiles = Arc::new(SqliteTiles::open(&dir.join("log.db"))?);
    let signer = Signer::new(KeyName::parse("bench")?, SigningKey::from_bytes(&[7; 32]));
    Ok(Log::start(ledger, tiles, signer)?)
}

/// Durable decisions with nobody publishing and with the log's publisher at
/// work, in turn.
fn tree(report: &mut Report) -> anyhow::Result<()> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        without.push(append(false)?);
        with.push(append(true)?);
    }
    let (without, with) = (load::median(without), load::median(with));
    report.rate("append_no_tree", without.per_second, "durable decisions/s, nobody publishing", &without);
    report.rate("append_tree", with.per_second, "durable decisions/s, the log being published", &with);
    let slower = (1.0 - with.per_second / without.per_second) * 100.0;
    report.number("append_tree_cost", slower, "% slower with the tree (aim ≤ 10)");
    Ok(())
}

fn append(publishing: bool) -> anyhow::Result<Measured> {
    let folder = folder()?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("countersign.db"))?);
    let log = publishing.then(|| publisher(Arc::clone(&store) as Arc<dyn Ledger>, folder.path())).transpose()?;
    let bench = Arc::new(in_process::start(store, Durability::Sync)?);
    let measured = bench.saturate();
    drop(log);
    measured
}
