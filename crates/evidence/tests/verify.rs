//! What a stranger can tell from the entries alone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where what it was given is wrong")]

use std::collections::BTreeMap;

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::canonical;
use countersign_evidence::verify::{Bad, Fault, Verifier};
use serde_json::{Value, json};

#[path = "shared/events.rs"]
mod events;

use events::{EFFECTS, VERDICTS, every_kind};

const CHAINS: [&str; 3] = ["sess_1", "track_2", "acme"];

type Ledger = Vec<Vec<u8>>;

/// Every kind of event on each of three chains, side by side, and where each chain ends.
fn ledger() -> (Ledger, BTreeMap<ChainId, Chain>) {
    let ids = CHAINS.map(|id| ChainId::parse(id).unwrap());
    let mut heads: BTreeMap<_, _> = ids.iter().map(|id| (id.clone(), Chain::GENESIS)).collect();
    let samples: Vec<_> = ids.iter().map(|id| every_kind(id, "Grüße \"\u{2028}\n🗑")).collect();
    let mut entries = Vec::new();
    for at in 0..samples[0].len() {
        for of_chain in &samples {
            let (.., draft) = &of_chain[at];
            let head = heads.get_mut(draft.chain()).unwrap();
            let (bytes, after) = draft.seal(*head);
            *head = after;
            entries.push(bytes);
        }
    }
    (entries, heads)
}

fn verify(entries: &[Vec<u8>]) -> Result<BTreeMap<ChainId, Chain>, Bad> {
    let mut verifier = Verifier::new();
    for bytes in entries {
        verifier.push(bytes)?;
    }
    assert_eq!(verifier.entries(), entries.len() as u64);
    Ok(verifier.chains().map(|(id, chain)| (id.clone(), *chain)).collect())
}

/// The position of the next entry on the chain of the one at `position`.
fn next(position: usize) -> usize {
    position + CHAINS.len()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn at(bad: &Bad) -> usize {
    usize::try_from(bad.position).unwrap()
}

/// A fault's name.
fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Unreadable(_) => "unreadable",
        Fault::NotCanonical => "not canonical",
        Fault::UnknownFormat(_) => "unknown format",
        Fault::Malformed => "malformed",
        Fault::WrongIndex { .. } => "wrong index",
        Fault::WrongHead { .. } => "wrong head",
    }
}

/// Every path to something that is not an object.
fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, v)| leaves(v, &format!("{path}/{key}"), into)),
        _ => into.push(path.to_owned()),
    }
}

/// What a forger might write there instead.
fn forgeries(path: &str, was: &Value) -> Vec<Value> {
    match was {
        Value::String(_) if path.ends_with("/verdict") => VERDICTS.map(|v| json!(v)).to_vec(),
        Value::String(_) if path.ends_with("/effect/final") => EFFECTS.map(|e| json!(e)).to_vec(),
        Value::String(_) if path == "/chain/id" => vec![json!("sess_new")],
        Value::String(_) if path == "/time" => vec![json!("2026-11-21T08:00:00.001Z")],
        Value::String(text) if path == "/chain/prev" => vec![json!("0".repeat(64)), json!(text.replace('a', "b"))],
        Value::String(text) => vec![json!(format!("{text}x")), json!("")],
        Value::Number(number) => vec![json!(number.as_u64().unwrap() + 1), json!(0)],
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Null | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

/// Where a change is noticed: in the entry itself, or in the next of its chain.
fn noticed(path: &str, position: usize) -> (usize, &'static str) {
    match path {
        "/format" => (position, "unknown format"),
        "/chain/prev" => (position, "wrong head"),
        // The first entry of a chain begins whatever chain it names; then the next one has nothing before it.
        "/chain/id" if position < CHAINS.len() => (next(position), "wrong index"),
        "/chain/id" | "/chain/index" => (position, "wrong index"),
        _ => (next(position), "wrong head"),
    }
}

#[test]
fn many_entries_on_several_chains_verify_and_end_where_they_were_written_to() {
    let (entries, heads) = ledger();
    assert_eq!(verify(&entries).unwrap(), heads);
    assert_eq!(heads.len(), 3);
    let each = (entries.len() / CHAINS.len()) as u64;
    for chain in heads.values() {
        assert_eq!((chain.length, chain.tally.total, chain.tally.write), (each, 4, 1));
    }
}

#[test]
fn nothing_at_all_verifies_and_proves_nothing() {
    assert!(verify(&[]).unwrap().is_empty());
}

#[test]
fn any_change_to_any_field_is_noticed_no_later_than_in_the_next_entry_of_the_chain() {
    let (entries, _) = ledger();
    let mut tried = 0;
    for position in 0..entries.len() - CHAINS.len() {
        let mut paths = Vec::new();
        leaves(&value(&entries[position]), "", &mut paths);
        for path in paths {
            let was = value(&entries[position]).pointer(&path).unwrap().clone();
            for forged in forgeries(&path, &was).into_iter().filter(|f| *f != was) {
                let mut changed = value(&entries[position]);
                *changed.pointer_mut(&path).unwrap() = forged.clone();
                let mut altered = entries.clone();
                altered[position] = canonical(&changed).unwrap();
                let bad = verify(&altered).unwrap_err();
                let found = (at(&bad), name(&bad.fault));
                assert_eq!(found, noticed(&path, position), "entry {position}: `{path}` from {was} to {forged}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn a_field_that_is_taken_away_or_added_is_noticed() {
    let (entries, _) = ledger();
    for position in 0..entries.len() - CHAINS.len() {
        let mut paths = vec!["/more".to_owned(), "/chain/more".to_owned(), "/event/more".to_owned()];
        leaves(&value(&entries[position]), "", &mut paths);
        for path in paths {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let mut changed = value(&entries[position]);
            let members = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            if members.remove(key).is_none() {
                members.insert(key.to_owned(), json!(1));
            }
            let mut altered = entries.clone();
            altered[position] = canonical(&changed).unwrap();
            let bad = verify(&altered).unwrap_err();
            // An organisation may be absent, and what an event says is its own affair: both only break the chain.
            let optional = parent.starts_with("/event") || path == "/org";
            let expected = if optional { (next(position), "wrong head") } else { (position, "unreadable") };
            assert_eq!((at(&bad), name(&bad.fault)), expected, "entry {position}: `{path}`");
        }
    }
}

#[test]
fn an_entry_that_is_removed_is_missed_by_the_next_of_its_chain() {
    let (entries, _) = ledger();
    for position in 0..entries.len() - CHAINS.len() {
        let mut altered = entries.clone();
        altered.remove(position);
        let bad = verify(&altered).unwrap_err();
        assert_eq!((at(&bad), name(&bad.fault)), (next(position) - 1, "wrong index"));
    }
}

#[test]
fn an_entry_that_is_repeated_is_refused_wherever_it_is_repeated() {
    let (entries, _) = ledger();
    for position in 0..entries.len() {
        for again in position + 1..=entries.len() {
            let mut altered = entries.clone();
            altered.insert(again, entries[position].clone());
            let bad = verify(&altered).unwrap_err();
            assert_eq!((at(&bad), name(&bad.fault)), (again, "wrong index"));
        }
    }
}

#[test]
fn two_entries_of_a_chain_that_are_swapped_are_noticed_at_the_first() {
    let (entries, _) = ledger();
    for first in 0..entries.len() {
        for second in (first + CHAINS.len()..entries.len()).step_by(CHAINS.len()) {
            let mut altered = entries.clone();
            altered.swap(first, second);
            let bad = verify(&altered).unwrap_err();
            assert_eq!((at(&bad), name(&bad.fault)), (first, "wrong index"));
        }
    }
}

#[test]
fn entries_of_different_chains_may_stand_in_any_order() {
    let (entries, heads) = ledger();
    let mut apart = Vec::new();
    for chain in 0..CHAINS.len() {
        apart.extend(entries.iter().skip(chain).step_by(CHAINS.len()).cloned());
    }
    assert_eq!(verify(&apart).unwrap(), heads);
}

#[test]
fn an_entry_that_names_another_chain_of_the_ledger_fits_nowhere() {
    let (entries, _) = ledger();
    for position in 0..entries.len() - CHAINS.len() {
        for other in CHAINS.iter().filter(|id| value(&entries[position])["chain"]["id"] != **id) {
            let mut moved = value(&entries[position]);
            moved["chain"]["id"] = json!(other);
            let mut altered = entries.clone();
            altered[position] = canonical(&moved).unwrap();
            let bad = verify(&altered).unwrap_err();
            assert!((position..=next(position)).contains(&at(&bad)), "entry {position} on `{other}`: {bad}");
        }
    }
}

#[test]
fn an_entry_moved_to_another_chain_with_its_place_made_to_fit_breaks_the_chain_it_left() {
    let (entries, _) = ledger();
    let mut moved = value(&entries[3]);
    moved["chain"] = json!({ "id": "sess_new", "index": 0, "prev": "0".repeat(64) });
    let mut altered = entries.clone();
    altered[3] = canonical(&moved).unwrap();
    let bad = verify(&altered).unwrap_err();
    assert_eq!((at(&bad), name(&bad.fault)), (6, "wrong index"));
}

// What only the head can tell: the end of a chain is proved by where it stands, not by what follows.

#[test]
fn a_change_to_the_last_entry_shows_in_where_its_chain_stands() {
    let (mut entries, heads) = ledger();
    let mut changed = value(entries.last().unwrap());
    changed["event"]["code"] = json!("another");
    *entries.last_mut().unwrap() = canonical(&changed).unwrap();
    let found = verify(&entries).unwrap();
    let acme = ChainId::parse("acme").unwrap();
    assert_ne!(found[&acme].head, heads[&acme].head);
    assert_eq!(found[&acme].length, heads[&acme].length);
}

#[test]
fn an_end_that_is_cut_off_shows_in_where_its_chain_stands() {
    let (mut entries, heads) = ledger();
    entries.pop();
    let found = verify(&entries).unwrap();
    let acme = ChainId::parse("acme").unwrap();
    assert_eq!(found[&acme].length, heads[&acme].length - 1);
    assert_ne!(found[&acme].head, heads[&acme].head);
}

#[test]
fn a_past_that_is_rewritten_with_all_that_follows_shows_in_where_its_chain_stands() {
    let (mut entries, heads) = ledger();
    let mut chain = Chain::GENESIS;
    for position in (0..entries.len()).step_by(CHAINS.len()) {
        let mut changed = value(&entries[position]);
        changed["time"] = json!("2026-11-22T08:00:00.000Z");
        changed["chain"]["prev"] = json!(chain.head.to_string());
        entries[position] = canonical(&changed).unwrap();
        chain = chain.step(&entries[position], None);
    }
    let found = verify(&entries).unwrap();
    let rewritten = ChainId::parse(CHAINS[0]).unwrap();
    for (id, chain) in &found {
        assert_eq!(chain.head == heads[id].head, *id != rewritten);
    }
}

// The same content in other bytes is another entry.

/// Refuses `bytes` in the place of the ledger's fourth entry, for this fault.
fn is_refused(bytes: impl Into<Vec<u8>>, fault: &str) {
    let (mut entries, _) = ledger();
    let bytes = bytes.into();
    assert_ne!(bytes, entries[3], "the rewrite changed nothing");
    entries[3].clone_from(&bytes);
    let bad = verify(&entries).unwrap_err();
    assert_eq!((at(&bad), name(&bad.fault)), (3, fault), "{}", String::from_utf8_lossy(&bytes));
}

/// The ledger's fourth entry: a short decision on the first chain.
fn fourth() -> String {
    String::from_utf8(ledger().0[3].clone()).unwrap()
}

#[test]
fn a_space_anywhere_between_is_refused() {
    let text = fourth();
    is_refused(format!(" {text}"), "not canonical");
    is_refused(format!("{text} "), "not canonical");
    is_refused(format!("{text}\n"), "not canonical");
    is_refused(text.replacen("\":", "\": ", 1), "not canonical");
    is_refused(text.replacen(",\"", ",\t\"", 1), "not canonical");
    is_refused(text.replacen("\"verdict\":", "\"verdict\" :", 1), "not canonical");
}

#[test]
fn another_order_of_members_is_refused() {
    let text = fourth();
    let (event, rest) = text.split_once("\"format\"").unwrap();
    let (chain, event) = event.split_once("\"event\"").unwrap();
    let chain = chain.strip_prefix('{').unwrap();
    is_refused(format!("{{\"event\"{event}{chain}\"format\"{rest}"), "not canonical");
    is_refused(text.replacen("\"epoch\":3,\"guard\":\"spot\"", "\"guard\":\"spot\",\"epoch\":3", 1), "not canonical");
}

#[test]
fn another_escape_of_the_same_text_is_refused() {
    let text = fourth();
    is_refused(text.replace("\\n", "\\u000a"), "not canonical");
    is_refused(text.replace("\\\"", "\\u0022"), "not canonical");
    is_refused(text.replace('\u{2028}', "\\u2028"), "not canonical");
    is_refused(text.replace('ü', "\\u00fc"), "not canonical");
    is_refused(text.replace('🗑', "\\ud83d\\uddd1"), "not canonical");
    is_refused(text.replacen("verdict", "v\\u0065rdict", 1), "not canonical");
    is_refused(text.replacen("\"guard\":\"spot\"", "\"guard\":\"\\u0073pot\"", 1), "not canonical");
}

#[test]
fn another_spelling_of_the_same_number_is_refused() {
    let text = fourth();
    is_refused(text.replace("\"epoch\":3", "\"epoch\":3.0"), "not canonical");
    is_refused(text.replace("\"epoch\":3", "\"epoch\":30e-1"), "not canonical");
    is_refused(text.replace("\"index\":1", "\"index\":1.0"), "unreadable");
    is_refused(text.replace("\"index\":1", "\"index\":\"1\""), "unreadable");
    is_refused(text.replace("\"index\":1", "\"index\":-1"), "unreadable");
    is_refused(text.replace("\"epoch\":3", "\"epoch\":03"), "unreadable");
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let text = fourth();
    is_refused(text.replace("\"epoch\":3", "\"epoch\":4,\"epoch\":3"), "not canonical");
    is_refused(text.replace("\"verdict\":\"allow\"", "\"verdict\":\"deny\",\"verdict\":\"allow\""), "not canonical");
    is_refused(text.replacen("{\"chain\"", "{\"kind\":\"change\",\"chain\"", 1), "unreadable");
}

#[test]
fn upper_case_digits_of_a_digest_are_refused() {
    let text = fourth();
    let (before, prev) = text.split_once("\"prev\":\"").unwrap();
    let (prev, after) = prev.split_at(64);
    is_refused(format!("{before}\"prev\":\"{}{after}", prev.to_uppercase()), "unreadable");
}

#[test]
fn what_is_no_entry_at_all_is_refused() {
    let text = fourth();
    for bad in ["", "null", "[]", "{}", "not json", "{\"chain\":", "\u{feff}{}"] {
        is_refused(bad, "unreadable");
    }
    is_refused(&text.as_bytes()[..text.len() - 1], "unreadable");
    is_refused(format!("{text}{text}"), "unreadable");
    is_refused([text.as_bytes(), b"\xff"].concat(), "unreadable");
    is_refused(text.replace("allow", "\u{0}"), "unreadable");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    is_refused(text.replace("\"epoch\":3", &format!("\"epoch\":{deep}")), "unreadable");
}

#[test]
fn a_malformed_chain_id_or_time_is_refused() {
    let text = fourth();
    is_refused(text.replacen("\"id\":\"sess_1\"", "\"id\":\"sess 1\"", 1), "malformed");
    is_refused(text.replacen("\"id\":\"sess_1\"", "\"id\":\"\"", 1), "malformed");
    is_refused(text.replace("2026-11-21T08:00:00.000Z", "yesterday"), "malformed");
}

#[test]
fn a_refused_entry_moves_nothing() {
    let (entries, heads) = ledger();
    let mut verifier = Verifier::new();
    for bytes in &entries {
        assert!(verifier.push(b"{}").is_err());
        assert!(verifier.push(&[bytes.as_slice(), b" "].concat()).is_err());
        verifier.push(bytes).unwrap();
        assert!(verifier.push(bytes).is_err());
    }
    assert_eq!(verifier.chains().map(|(id, chain)| (id.clone(), *chain)).collect::<BTreeMap<_, _>>(), heads);
}
