//! Policies: what deciding by them costs, alone and in the engine, and next to
//! other engines that are given the same rules in the same run.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use countersign_core::chain::Tally;
use countersign_core::session::Mode;
use countersign_core::{Effect, Timestamp};
use countersign_engine::{Durability, Fallback, InForce};
use countersign_policy::{Decision, PolicySet, Request, SessionFacts, Source, Tools, Worker};
use countersign_store::{MemoryStore, SqliteStore};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::in_process;
use crate::load::Measured;
use crate::report::Report;

/// How many decisions a latency is the median of.
const ROUNDS: u64 = 100_000;
/// The tool that is asked about: a read, whose record can be in the background.
pub(crate) const TOOL: &str = "payments/get_quote";
/// What it is called with.
pub(crate) const INPUT: &str = r#"{"amount":12,"to":"carol@example.org"}"#;

pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    alone(report)?;
    threads(report)?;
    in_the_engine(report)?;
    beside_others(report)
}

/// Conditions that are asked of what a call is made with.
const CONDITIONS: [&str; 5] = [
    "context.arguments.amount > 1000",
    "context has session && context.session.calls > 1000",
    "context.arguments.to like \"*@example.com\"",
    "context.trust < 0 || context.taint.contains(\"untrusted_web\")",
    "[\"alice\", \"bob\"].contains(context.arguments.to) && context.arguments.amount > 50",
];

/// A set of which `apply` policies can apply to the call, and `others` are about other tools.
fn mixed(apply: usize, others: usize) -> anyhow::Result<Arc<PolicySet>> {
    let mut text = "@id(\"all\") permit (principal, action, resource);\n".to_owned();
    for (n, condition) in CONDITIONS.iter().cycle().enumerate().take(apply.saturating_sub(1)) {
        let head = if condition.contains("arguments") {
            "action == Action::\"payments/get_quote\", resource"
        } else {
            "action, resource in Server::\"payments\""
        };
        writeln!(text, "@id(\"can-{n}\") forbid (principal, {head}) when {{ {condition} }};")?;
    }
    for n in 0..others {
        let head = format!("principal, action, resource == Tool::\"other/{n}\"");
        writeln!(text, "@id(\"other-{n}\") forbid ({head}) when {{ context.trust < 100 }};")?;
    }
    load(&text, 1)
}

/// A set of `text`, where `tools` tools of `payments` are declared.
fn load(text: &str, tools: usize) -> anyhow::Result<Arc<PolicySet>> {
    let takes =
        json!({"properties": {"amount": {"type": "integer"}, "to": {"type": "string"}}, "required": ["amount", "to"]});
    let name = |n| if n == 0 { "get_quote".to_owned() } else { format!("tool-{n}") };
    let declared: Vec<Value> = (0..tools).map(|n| json!({"name": name(n), "inputSchema": takes})).collect();
    let declared = json!({ "tools": declared }).to_string();
    let mut tools = Tools::default();
    tools.declare("payments", Source { file: "tools", text: &declared }).map_err(|why| anyhow!("{why}"))?;
    let set = PolicySet::load(&[Source { file: "policies", text }], tools);
    set.map(Arc::new).map_err(|why| anyhow!("{:?}", why.first()))
}

fn worker(set: &Arc<PolicySet>) -> anyhow::Result<Worker> {
    set.worker().map_err(|why| anyhow!(why))
}

fn decide(worker: &mut Worker, arguments: &Map<String, Value>, calls: u64) -> Decision {
    worker.decide(&Request {
        organisation: "acme",
        agent: "agent_01a3c2b4d5e6f708192a3b4c5d6e7f80",
        agent_name: "billing-bot",
        tool: TOOL,
        effect: Effect::Mutating,
        arguments,
        session: Some(SessionFacts {
            id: "sess_01a3c2b4d5e6f708",
            mode: Mode::Standard,
            tally: Tally { total: calls, ..Tally::default() },
        }),
        delegation_depth: 0,
        trust: 0,
        suspicion: None,
        now: Timestamp::from_millis(1_800_000_000_000),
        taint: &[],
    })
}

fn arguments() -> anyhow::Result<Map<String, Value>> {
    Ok(serde_json::from_str(INPUT)?)
}

fn latency(set: &Arc<PolicySet>) -> anyhow::Result<Measured> {
    let (mut worker, arguments, mut nanos) = (worker(set)?, arguments()?, Vec::new());
    let began = Instant::now();
    for calls in 0..ROUNDS {
        let one = Instant::now();
        black_box(decide(&mut worker, black_box(&arguments), calls % 100));
        nanos.push(u64::try_from(one.elapsed().as_nanos())?);
    }
    Ok(Measured::new(nanos, began.elapsed()))
}

/// A worker by itself.
fn alone(report: &mut Report) -> anyhow::Result<()> {
    for (apply, others) in [(1, 0), (10, 90), (10, 990), (10, 9_990), (100, 0), (1_000, 0)] {
        let measured = latency(&mixed(apply, others)?)?;
        let unit = format!("µs p50, {apply} of {} policies can apply", apply + others);
        report.rate(&format!("policies_{apply}_of_{}", apply + others), measured.p50_us, &unit, &measured);
    }
    Ok(())
}

/// Whether two threads decide twice as much as one.
fn threads(report: &mut Report) -> anyhow::Result<()> {
    const EACH: u32 = 300_000;
    let set = mixed(10, 990)?;
    let arguments = arguments()?;
    let rate = |threads: u32| -> anyhow::Result<f64> {
        let workers = (0..threads).map(|_| worker(&set)).collect::<anyhow::Result<Vec<_>>>()?;
        let start = Barrier::new(workers.len());
        let slowest = std::thread::scope(|scope| {
            let running = workers.into_iter().map(|mut worker| {
                let (start, arguments) = (&start, &arguments);
                scope.spawn(move || {
                    start.wait();
                    let began = Instant::now();
                    for calls in 0..EACH {
                        black_box(decide(&mut worker, black_box(arguments), u64::from(calls % 100)));
                    }
                    began.elapsed()
                })
            });
            let running: Vec<_> = running.collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).max()
        });
        Ok(f64::from(EACH) * f64::from(threads) / slowest.context("a thread failed")?.as_secs_f64())
    };
    let (one, two) = (rate(1)?, rate(2)?);
    report.number("policies_two_threads", two / one, "× what one thread decides (aim ≥ 1.8)");
    Ok(())
}

/// Whole decisions, recorded in the background and durably.
fn in_the_engine(report: &mut Report) -> anyhow::Result<()> {
    for (apply, others) in [(1, 0), (10, 90), (10, 990), (10, 9_990), (100, 0)] {
        let bench = in_process::start(Arc::new(MemoryStore::default()), Durability::Grouped)?;
        let in_force = InForce::new(mixed(apply, others)?, Fallback::Deny, 1).map_err(|why| anyhow!(why))?;
        let measured = bench.one_by_one(in_force)?;
        let unit = format!("µs p50 in the engine, {apply} of {} policies can apply (aim ≤ 3 with 10)", apply + others);
        report.rate(&format!("decision_{apply}_of_{}", apply + others), measured.p50_us, &unit, &measured);
    }
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in("target")?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("bench.db"))?);
    let bench = in_process::start(store, Durability::Sync)?;
    bench.put(InForce::new(mixed(10, 990)?, Fallback::Deny, 1).map_err(|why| anyhow!(why))?)?;
    let measured = Arc::new(bench).saturate()?;
    let unit = "durable decisions/s at 64 waiters, 10 of 1,000 policies can apply";
    report.rate("decision_durable_10_of_1000", measured.per_second, unit, &measured);
    Ok(())
}

/// What another engine says of itself.
#[derive(Deserialize)]
struct Beside {
    many_tools_us: f64,
    one_tool_us: f64,
}

/// Engines that are given the same rules: their names here and abroad, and how they are run.
const OTHERS: [(&str, &str, &[&str]); 2] = [
    ("agt", "agent-governance-toolkit-core 5.0.0", &["bench/agt.py"]),
    ("acs", "agent-control-specification 0.3.1b1 with opa 1.4.2", &["bench/acs.py", "target/bench-venv/bin/opa"]),
];

/// A hundred rules, each about a tool and an amount: of a hundred tools, and of one.
fn beside_others(report: &mut Report) -> anyhow::Result<()> {
    let python = "target/bench-venv/bin/python";
    let rule = |n: usize, tool: &str, most: usize| {
        format!(
            "@id(\"r{n}\") forbid (principal, action == Action::\"{tool}\", resource) when {{ context.arguments.amount > {most} }};\n"
        )
    };
    let tool = |n: usize| if n == 0 { TOOL.to_owned() } else { format!("payments/tool-{n}") };
    let many: String = (0..100).map(|n| rule(n, &tool(n), 1_000)).collect();
    let one: String = (0..100).map(|n| rule(n, TOOL, 1_000 + n)).collect();
    for (short, name, run) in OTHERS {
        if let Some(missing) = [python].iter().chain(run).find(|path| !Path::new(path).is_file()) {
            println!("skipped the comparison with {name}: `{missing}` is missing");
            continue;
        }
        let ran = Command::new(python).args(["-W", "ignore"]).args(run).output()?;
        let theirs: Beside =
            serde_json::from_slice(&ran.stdout).with_context(|| String::from_utf8_lossy(&ran.stderr).into_owned())?;
        for (rules, text, theirs) in
            [("many_tools", &many, theirs.many_tools_us), ("one_tool", &one, theirs.one_tool_us)]
        {
            let ours = latency(&load(text, 100)?)?;
            report.rate(&format!("{short}_{rules}_ours"), ours.p50_us, "µs p50, the same 100 rules here", &ours);
            report.number(&format!("{short}_{rules}"), theirs, &format!("µs p50, 100 rules in {name}"));
            report.number(&format!("{short}_{rules}_ratio"), theirs / ours.p50_us, "× as fast (aim ≥ 100)");
        }
    }
    Ok(())
}
