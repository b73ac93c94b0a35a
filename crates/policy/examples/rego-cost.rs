//! Prints what one decision costs, with and without a small Rego file:
//! `cargo run --release -p countersign-policy --features rego --example rego-cost`.

use std::sync::Arc;
use std::time::Instant;

use countersign_core::{Effect, Timestamp};
use countersign_policy::{PolicySet, Request, Source, Tools};
use serde_json::json;

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);";
const REGO: &str = r#"package countersign

deny contains "that address is blocked" if endswith(input.arguments.to, "@evil.example")
"#;
const ROUNDS: u32 = 20_000;

fn main() -> Result<(), String> {
    let arguments = json!({"to": "a@b.example", "amount": 5});
    let arguments = arguments.as_object().ok_or("not an object")?;
    let request = Request {
        organisation: "acme",
        agent: "agent_1",
        agent_name: "billing-bot",
        tool: "mail/send",
        effect: Effect::Mutating,
        arguments,
        session: None,
        delegation_depth: 0,
        trust: 500,
        suspicion: None,
        now: Timestamp::from_millis(0),
        taint: &[],
    };
    let cedar = Source { file: "p.cedar", text: PERMIT };
    let rego = Source { file: "mail.rego", text: REGO };
    for (what, sources) in [("Cedar alone", &[cedar][..]), ("with one Rego file", &[cedar, rego])] {
        let set = PolicySet::load(sources, Tools::default()).map_err(|faults| format!("{faults:?}"))?;
        let mut worker = Arc::new(set).worker()?;
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let begin = Instant::now();
            for _ in 0..ROUNDS {
                std::hint::black_box(worker.decide(std::hint::black_box(&request)));
            }
            best = best.min(begin.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
        }
        println!("{what}: {best:.0} ns for a decision");
    }
    Ok(())
}
