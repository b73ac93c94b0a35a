//! What a decision costs, and whether two threads share the work.
//!
//! `cargo run --release -p countersign-policy --example speed`

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use countersign_core::chain::Tally;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use countersign_policy::{Decision, PolicySet, Request, SessionFacts, Source, Tools, Worker};
use serde_json::{Map, Value};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"properties": {"amount": {"type": "integer"},
    "to": {"type": "string"}}, "required": ["amount", "to"]}}]}"#;

fn main() -> Result<(), Failure> {
    println!("one decision, p50 and p99 of 100,000, in nanoseconds");
    for (what, apply, others, ours) in [
        ("nothing can apply, 100 policies", 0, 100, true),
        ("1 candidate", 1, 0, true),
        ("10 candidates", 10, 0, true),
        ("10 candidates, 100 others", 10, 100, true),
        ("10 candidates, 10,000 others", 10, 10_000, true),
        ("100 candidates", 100, 0, true),
        ("10 candidates, left to Cedar", 10, 0, false),
        ("100 candidates, left to Cedar", 100, 0, false),
    ] {
        let set = Arc::new(set(apply, others, ours)?);
        let mut worker = set.worker()?;
        let [p50, p99] = percentiles(&mut worker);
        println!("  {what:32} {p50:>7} {p99:>7}");
    }
    let set = Arc::new(set(10, 1000, true)?);
    let one = rate(&set, 1)?;
    let two = rate(&set, 2)?;
    println!("decisions a second: one thread {one:.0}, two threads {two:.0}: {:.2} times", two / one);
    Ok(())
}

/// A set of which `apply` policies can apply to the request, half of them
/// bound to the tool, and `others` to other tools. Not `ours`: with conditions
/// that only Cedar evaluates.
fn set(apply: usize, others: usize, ours: bool) -> Result<PolicySet, Failure> {
    let conditions = [
        "context.arguments.amount > 1000",
        "context has session && context.session.calls > 1000",
        "context.arguments.to like \"*@example.com\"",
        "context.trust < 100 || context.taint.contains(\"untrusted_web\")",
        "[\"alice\", \"bob\"].contains(context.arguments.to) && context.arguments.amount > 50",
    ];
    let asks = if ours { "" } else { " && context.trust + 1 > 0" };
    let conditions = conditions.iter().cycle().enumerate();
    let mut text = "@id(\"all\") permit (principal, action, resource);\n".to_owned();
    for (n, condition) in conditions.take(apply.saturating_sub(1)) {
        let head = if n % 2 == 0 || condition.contains("arguments") {
            "action == Action::\"payments/transfer\", resource"
        } else {
            "action, resource in Server::\"payments\""
        };
        writeln!(text, "@id(\"can-{n}\") forbid (principal, {head}) when {{ {condition}{asks} }};")?;
    }
    if apply == 0 {
        text.clear();
    }
    for n in 0..others {
        let head = format!("principal, action, resource == Tool::\"other/{n}\"");
        writeln!(text, "@id(\"other-{n}\") forbid ({head}) when {{ context.trust < 100 }};")?;
    }
    let mut tools = Tools::default();
    tools.declare("payments", Source { file: "tools", text: TOOLS }).map_err(|why| why.to_string())?;
    PolicySet::load(&[Source { file: "policies", text: &text }], tools).map_err(|why| format!("{why:?}").into())
}

fn decide(worker: &mut Worker, arguments: &Map<String, Value>, calls: u64) -> Decision {
    worker.decide(&Request {
        organisation: "acme",
        agent: "01a3c2b4d5e6f708192a3b4c5d6e7f80",
        agent_name: "billing-bot",
        tool: "payments/transfer",
        effect: Effect::Mutating,
        arguments,
        session: Some(SessionFacts {
            id: "sess_01a3c2b4d5e6f708",
            mode: Mode::Standard,
            tally: Tally { total: calls, ..Tally::default() },
        }),
        delegation_depth: 0,
        trust: 500,
        suspicion: None,
        now: Timestamp::from_millis(1_800_000_000_000),
        taint: &[],
    })
}

fn arguments() -> Map<String, Value> {
    Map::from_iter([("amount".to_owned(), 12.into()), ("to".to_owned(), "carol@example.org".into())])
}

fn percentiles(worker: &mut Worker) -> [u128; 2] {
    let arguments = arguments();
    let mut took: Vec<u128> = (0..100_000)
        .map(|calls| {
            let begin = Instant::now();
            black_box(decide(worker, black_box(&arguments), calls % 100));
            begin.elapsed().as_nanos()
        })
        .collect();
    took.sort_unstable();
    [50, 99].map(|percent| took.get(took.len() * percent / 100).copied().unwrap_or_default())
}

/// Decisions a second that `threads` threads make together, each with a worker of its own.
fn rate(set: &Arc<PolicySet>, threads: u32) -> Result<f64, Failure> {
    const EACH: u32 = 300_000;
    let workers = (0..threads).map(|_| set.worker()).collect::<Result<Vec<_>, _>>()?;
    let start = Barrier::new(workers.len());
    let slowest = thread::scope(|scope| {
        let running: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                let start = &start;
                scope.spawn(move || {
                    let arguments = arguments();
                    start.wait();
                    let begin = Instant::now();
                    for calls in 0..EACH {
                        black_box(decide(&mut worker, black_box(&arguments), u64::from(calls % 100)));
                    }
                    begin.elapsed()
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).max()
    });
    let slowest = slowest.ok_or("a thread failed")?;
    Ok(f64::from(EACH) * f64::from(threads) / slowest.as_secs_f64())
}
