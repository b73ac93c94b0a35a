//! Prints how much of the corpus is found, and how much of it wrongly.
//!
//! `cargo run -p countersign-content --example measure`. With `--missed` it
//! lists the tuning rows that are missed or wrongly found; held-out rows are never
//! listed, so that nobody writes patterns for them.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_content::{DigestKey, Findings, Inspector, Kind, Severity};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Row {
    id: String,
    family: String,
    split: Split,
    attack: bool,
    text: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Split {
    Tuning,
    HeldOut,
}

#[derive(Default)]
struct Count {
    rows: usize,
    /// Rows with words meant for a model or something hidden, of medium severity or higher.
    suspect: usize,
    /// The same of any severity.
    any: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let list_missed = std::env::args().any(|argument| argument == "--missed");
    let inspector = Inspector::new(DigestKey::new([0; 32]))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut counts: BTreeMap<(bool, Split, String), Count> = BTreeMap::new();
    let mut families: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for file in ["bastion", "spikee", "agentdojo", "readmes"] {
        let rows = std::fs::read_to_string(folder.join(file).with_extension("jsonl"))?;
        for line in rows.lines() {
            let row: Row = serde_json::from_str(line)?;
            let found = inspector.inspect(&json!({ "text": row.text }), "");
            let count = counts.entry((row.attack, row.split, row.family.clone())).or_default();
            count.rows += 1;
            count.any += usize::from(is_suspect(&found, Severity::Low));
            let suspect = is_suspect(&found, Severity::Medium);
            count.suspect += usize::from(suspect);
            for family in
                found.list.iter().map(|finding| finding.family.as_str()).collect::<std::collections::BTreeSet<_>>()
            {
                *families.entry((row.attack, family)).or_default() += 1;
            }
            if list_missed && suspect != row.attack && row.split == Split::Tuning {
                println!("{} {:?}\n  {}", row.id, row.family, row.text.replace('\n', "\n  "));
            }
        }
    }
    println!("{:<9} {:<8} {:<24} {:>5} {:>8} {:>8}", "", "split", "family", "rows", "medium+", "any");
    for ((attack, split, family), count) in &counts {
        let split = if *split == Split::Tuning { "tuning" } else { "held out" };
        let what = if *attack { "attack" } else { "benign" };
        println!("{what:<9} {split:<8} {family:<24} {:>5} {:>8} {:>8}", count.rows, count.suspect, count.any);
    }
    println!("\nrows in which a family was found");
    for ((attack, family), rows) in &families {
        println!("{:<9} {family:<24} {rows:>5}", if *attack { "attack" } else { "benign" });
    }
    Ok(())
}

fn is_suspect(found: &Findings, from: Severity) -> bool {
    found
        .list
        .iter()
        .any(|finding| matches!(finding.family.kind(), Kind::Injection | Kind::Hidden) && finding.severity >= from)
}
