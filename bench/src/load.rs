//! A load generator: keep-alive connections, each sending the next request
//! when the last was answered. One thread, so that the other core is the
//! server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long each measurement runs, after a warm-up of a quarter of it.
const RUN: Duration = Duration::from_secs(4);

/// A request, ready to be written to a socket.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: String,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Measured {
    /// From latencies in nanoseconds, taken within `elapsed`.
    pub(crate) fn new(mut nanos: Vec<u64>, elapsed: Duration) -> Self {
        nanos.sort_unstable();
        let at = |percent: usize| {
            let index = (nanos.len() * percent / 100).min(nanos.len().saturating_sub(1));
            nanos.get(index).map_or(f64::NAN, |n| Duration::from_nanos(*n).as_secs_f64() * 1e6)
        };
        let count = u32::try_from(nanos.len()).unwrap_or(u32::MAX);
        Self { per_second: f64::from(count) / elapsed.as_secs_f64(), p50_us: at(50), p99_us: at(99) }
    }
}

/// The run with the middle rate.
pub(crate) fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// Sends for the length of a run.
pub(crate) fn run(address: &str, request: &Request, connections: usize) -> anyhow::Result<Measured> {
    drive(address, request, connections, RUN / 4, u64::MAX)?;
    drive(address, request, connections, RUN, u64::MAX)
}

/// Sends exactly `count` requests.
pub(crate) fn exactly(address: &str, request: &Request, connections: usize, count: u64) -> anyhow::Result<Measured> {
    drive(address, request, connections, Duration::from_mins(10), count)
}

fn drive(
    address: &str,
    request: &Request,
    connections: usize,
    length: Duration,
    count: u64,
) -> anyhow::Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let left = Arc::new(AtomicU64::new(count));
        let began = Instant::now();
        let until = began + length;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(connection(address.to_owned(), request.bytes.clone(), until, Arc::clone(&left)));
        }
        let mut nanos = Vec::new();
        while let Some(done) = tasks.join_next().await {
            nanos.extend(done??);
        }
        Ok(Measured::new(nanos, began.elapsed()))
    })
}

async fn connection(
    address: String,
    request: Vec<u8>,
    until: Instant,
    left: Arc<AtomicU64>,
) -> anyhow::Result<Vec<u64>> {
    let mut stream = TcpStream::connect(&address).await.with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (mut nanos, mut buffer) = (Vec::new(), Vec::with_capacity(4096));
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
    while Instant::now() < until && take() {
        let began = Instant::now();
        stream.write_all(&request).await?;
        buffer.clear();
        while !complete(&buffer)? {
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
        nanos.push(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(nanos)
}

/// Whether a whole response is there; an error if it is not a 2xx.
fn complete(buffer: &[u8]) -> anyhow::Result<bool> {
    let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = buffer.split_at(head + 4);
    if !head.starts_with(b"HTTP/1.1 2") {
        bail!("not a success: {}", String::from_utf8_lossy(buffer));
    }
    let text = std::str::from_utf8(head)?;
    let length = text
        .lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
        .context("the response has no length")?;
    Ok(body.len() >= length.1.trim().parse()?)
}
