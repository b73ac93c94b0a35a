//! `make bench`: what Countersign costs, next to floors measured in the same
//! run on the same machine. Prints a table and writes `target/bench.json`.
//!
//! Nothing here passes or fails: it measures.

mod echo;
mod evidence;
mod in_process;
mod load;
mod policies;
mod process;
mod report;

use anyhow::Context as _;
use report::Report;

/// The program's own allocator, so that what runs in this process costs what it costs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("echo") => echo::serve(),
        Some("verify") => evidence::verify(&arguments.next().context("which data directory?")?),
        Some(binary) => measure(binary, arguments.next().as_deref()),
        None => {
            anyhow::bail!("usage: countersign-bench PATH-TO-COUNTERSIGN [in-process|policies|http|footprint|evidence]")
        }
    }
}

fn measure(binary: &str, only: Option<&str>) -> anyhow::Result<()> {
    let mut report = Report::default();
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    if wanted("in-process") {
        in_process::measure(&mut report).context("in-process measurements")?;
    }
    if wanted("policies") {
        policies::measure(&mut report).context("measurements of policies")?;
    }
    if wanted("http") {
        http(binary, &mut report).context("HTTP measurements")?;
    }
    if wanted("footprint") {
        footprint(binary, &mut report).context("start-up and memory")?;
    }
    if wanted("evidence") {
        evidence::measure(binary, &mut report).context("measurements of the record")?;
    }
    report.write("target/bench.json")
}

/// HTTP: a durable check next to a bare axum JSON echo, in turn, three times.
fn http(binary: &str, report: &mut Report) -> anyhow::Result<()> {
    let echo = process::Server::echo()?;
    let server = process::Server::countersign(binary, &process::Limits::Off)?;
    let check = server.check_request("web_search");
    let same = echo.request("POST", "/", &check.body, None);
    for connections in [1, 50] {
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            floor.push(load::run(&echo.address, &same, connections)?);
            ours.push(load::run(&server.address, &check, connections)?);
        }
        let (floor, ours) = (load::median(floor), load::median(ours));
        let name = |what: &str| format!("http_{what}_{connections}");
        report.rate(&name("echo"), floor.per_second, "requests/s, bare axum JSON echo", &floor);
        report.rate(&name("check"), ours.per_second, "requests/s, durable check", &ours);
        report.number(&name("ratio"), ours.per_second / floor.per_second, "check ÷ echo (aim at 50: ≥ 0.50)");
    }
    Ok(())
}

/// From start to ready, and memory without and with 100,000 sessions.
fn footprint(binary: &str, report: &mut Report) -> anyhow::Result<()> {
    let mut starts = Vec::new();
    for _ in 0..9 {
        let began = std::time::Instant::now();
        let server = process::Server::countersign(binary, &process::Limits::Default)?;
        starts.push(began.elapsed().as_secs_f64() * 1e3);
        drop(server);
    }
    starts.sort_by(f64::total_cmp);
    let median = starts.get(starts.len() / 2).copied().unwrap_or_default();
    report.number("start_ms", median, "ms from exec to ready, seeding a new folder (aim ≤ 200)");

    let server = process::Server::countersign(binary, &process::Limits::Off)?;
    report.number("rss_empty_mb", server.resident_mb()?, "MB resident, empty (aim ≤ 60)");
    let init = server.session_request()?;
    load::exactly(&server.address, &init, 50, 100_000)?;
    report.number("rss_100k_sessions_mb", server.resident_mb()?, "MB resident, 100,000 sessions (aim ≤ 250)");
    let restarted = server.restart()?;
    report.number("restart_100k_sessions_ms", restarted.ready_after_ms, "ms from exec to ready with 100,000 sessions");
    report.number("rss_100k_restarted_mb", restarted.resident_mb()?, "MB resident after that restart");
    Ok(())
}
