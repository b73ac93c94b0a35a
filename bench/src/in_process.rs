//! The engine in this process: how long a decision takes, and how many can be
//! made durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::capability::Pattern;
use countersign_core::digest::Digest;
use countersign_core::id::AgentId;
use countersign_core::seal::SealKey;
use countersign_engine::{
    Ask, Caller, Durability, Engine, InForce, NewAgent, Parts, Settings, SystemClock, SystemEntropy, Tracing,
};
use countersign_evidence::trace::key::SigningKey;
use countersign_store::{Ledger, MemoryLive, MemoryStore, SqliteStore};

use crate::load::Measured;
use crate::policies::{INPUT, TOOL};
use crate::report::Report;

/// How many callers wait at once.
const WAITERS: usize = 64;
/// How long the durable measurement runs.
const RUN: Duration = Duration::from_secs(4);

pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    decisions(report)?;
    durable(report)
}

pub(crate) struct Bench {
    engine: Engine,
    caller: Caller,
    agent: AgentId,
}

impl Bench {
    fn ask(&self) -> Ask<'_> {
        let is_paying = self.engine.policies().is_some();
        Ask {
            agent: &self.agent,
            session: None,
            tool: if is_paying { TOOL } else { "web_search" },
            source: "api",
            hint: None,
            summary: "",
            arguments: Digest::ZERO,
            input: is_paying.then_some(INPUT),
            content: None,
        }
    }

    /// Puts policies in force: from then on `payments/get_quote` is asked about.
    pub(crate) fn put(&self, policies: InForce) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(runtime.block_on(self.engine.put_policies(Some(Arc::new(policies))))?)
    }

    /// One caller under these policies, the record handed to the background writer.
    pub(crate) fn one_by_one(&self, policies: InForce) -> anyhow::Result<Measured> {
        self.put(policies)?;
        one_by_one(self)
    }

    /// As many decisions as go, for the length of a run.
    pub(crate) fn saturate(self: &Arc<Self>) -> anyhow::Result<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let began = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..WAITERS {
                let bench = Arc::clone(self);
                tasks.spawn(async move {
                    let mut nanos = Vec::new();
                    while began.elapsed() < RUN {
                        let one = Instant::now();
                        bench.engine.check(&bench.caller, bench.ask()).await?;
                        nanos.push(u64::try_from(one.elapsed().as_nanos())?);
                    }
                    anyhow::Ok(nanos)
                });
            }
            let mut nanos = Vec::new();
            while let Some(done) = tasks.join_next().await {
                nanos.extend(done??);
            }
            anyhow::Ok(Measured::new(nanos, began.elapsed()))
        })
    }
}

/// An engine on `store`, with one agent that may do one thing.
pub(crate) fn start(
    store: Arc<impl Ledger + countersign_store::Documents + 'static>,
    read: Durability,
) -> anyhow::Result<Bench> {
    let settings = Settings { read_durability: read, agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() };
    let engine = Engine::start(Parts {
        ledger: store.clone(),
        documents: store,
        live: Arc::new(MemoryLive::default()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy),
        seal_key: SealKey::new([7; 32]),
        settings,
        tracing: Tracing::new(SigningKey::from_bytes(&[7; 32]), &serde_json::Map::new())?,
        vault: None,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (caller, agent) = runtime.block_on(async {
        let (_, minted) = engine.bootstrap("bench").await?;
        let secret = minted.map(|m| m.secret).unwrap_or_default();
        let caller = engine.authenticate_key(&secret).ok_or_else(|| anyhow::anyhow!("no key"))?;
        let new = NewAgent {
            name: "bench".into(),
            framework: "custom".into(),
            public_key: None,
            capabilities: vec![Pattern::new("web_search"), Pattern::new(TOOL)],
            budget: countersign_core::budget::Budget::default(),
            blocked: Vec::new(),
            metadata: "{}".into(),
        };
        let agent = engine.register_agent(&caller, new).await?;
        anyhow::Ok((caller, agent.id))
    })?;
    Ok(Bench { engine, caller, agent })
}

/// One caller, the record handed to the background writer.
fn decisions(report: &mut Report) -> anyhow::Result<()> {
    let measured = one_by_one(&start(Arc::new(MemoryStore::default()), Durability::Grouped)?)?;
    report.rate("in_process_decision", measured.p50_us, "µs p50, record in the background (aim ≤ 3)", &measured);
    Ok(())
}

fn one_by_one(bench: &Bench) -> anyhow::Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let mut nanos = Vec::new();
        let began = Instant::now();
        while nanos.len() < 200_000 {
            let one = Instant::now();
            match bench.engine.check(&bench.caller, bench.ask()).await {
                Ok(_) => nanos.push(u64::try_from(one.elapsed().as_nanos())?),
                // The background writer is behind: let it catch up.
                Err(_) => tokio::time::sleep(Duration::ZERO).await,
            }
        }
        anyhow::Ok(Measured::new(nanos, began.elapsed()))
    })
}

/// Many callers, each answered after its record is on disk.
fn durable(report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in("target")?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("bench.db"))?);
    let bench = Arc::new(start(store, Durability::Sync)?);
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(bench.saturate()?);
    }
    let measured = crate::load::median(runs);
    let what = "durable decisions/s at 64 waiters (aim ≥ 150,000)";
    report.rate("in_process_durable_64", measured.per_second, what, &measured);
    Ok(())
}
