//! What looking at content costs: `cargo run -p countersign-content --example cost`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that a person runs and reads")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use countersign_content::{DigestKey, Inspector};
use serde_json::{Value, json};

/// The middle of `runs` looks, in time.
fn middle(inspector: &Inspector, (arguments, summary): (&Value, &str), runs: usize) -> Duration {
    let look = || {
        let began = Instant::now();
        black_box(inspector.inspect(black_box(arguments), black_box(summary)));
        began.elapsed()
    };
    let mut took: Vec<Duration> = (0..runs).map(|_| look()).collect();
    took.sort_unstable();
    took.get(runs / 2).copied().unwrap_or_default()
}

fn main() {
    let inspector = Inspector::new(DigestKey::new([1; 32])).unwrap();
    let prose = "Please send the quarterly figures to the team and remind everybody of Thursday's meeting at ten. ";
    let text = |bytes: usize| prose.repeat(bytes / prose.len() + 1).get(..bytes).unwrap_or_default().to_owned();
    let summary = text(200);
    let small = json!({ "to": "team", "subject": "figures", "body": text(400) });
    println!("nothing:                        {:?}", middle(&inspector, (&Value::Null, ""), 10_001));
    println!("a summary of 200 bytes:         {:?}", middle(&inspector, (&Value::Null, &summary), 10_001));
    println!("and arguments of 500 bytes:     {:?}", middle(&inspector, (&small, &summary), 10_001));
    println!("a text of 10 KB:                {:?}", middle(&inspector, (&json!(text(10_000)), ""), 301));
    println!("a text of 1 MB:                 {:?}", middle(&inspector, (&json!(text(1_000_000)), ""), 5));
}
