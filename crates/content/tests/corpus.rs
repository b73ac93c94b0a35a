//! The part of the corpus that patterns are written from. The held-out part is
//! measured only, by `examples/measure.rs`: a test of it would be a reason to look.

#![cfg(test)]

use countersign_content::{DigestKey, Inspector, Kind, Severity};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Row {
    id: String,
    split: String,
    attack: bool,
    text: String,
}

/// The ids of the tuning rows that are suspected, and how many rows there are.
fn suspected(file: &str, attack: bool) -> (Vec<String>, usize) {
    let inspector = Inspector::new(DigestKey::new([1; 32])).unwrap();
    let rows = file.lines().map(|line| serde_json::from_str::<Row>(line).unwrap());
    let rows: Vec<Row> = rows.filter(|row| row.split == "tuning" && row.attack == attack).collect();
    let suspect = rows.iter().filter(|row| {
        let found = inspector.inspect(&json!(row.text), "");
        found.list.iter().any(|finding| {
            matches!(finding.family.kind(), Kind::Injection | Kind::Hidden) && finding.severity > Severity::Low
        })
    });
    (suspect.map(|row| row.id.clone()).collect(), rows.len())
}

#[test]
fn no_honest_text_is_suspected() {
    for file in [include_str!("../corpus/bastion.jsonl"), include_str!("../corpus/readmes.jsonl")] {
        let (wrongly, rows) = suspected(file, false);
        assert!(rows > 40 && wrongly.is_empty(), "{wrongly:?}");
    }
}

#[test]
fn as_many_attacks_are_found_as_the_reference_says() {
    let (bastion, of) = suspected(include_str!("../corpus/bastion.jsonl"), true);
    assert_eq!((bastion.len(), of), (52, 60));
    let (spikee, of) = suspected(include_str!("../corpus/spikee.jsonl"), true);
    assert_eq!((spikee.len(), of), (8, 39));
}
