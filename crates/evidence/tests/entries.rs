//! What is written is canonical as it stands, and reads back as it was meant.

#![expect(clippy::unwrap_used, reason = "a test stops where what it was given is wrong")]

use countersign_core::chain::{Chain, Count};
use countersign_core::digest::Digest;
use countersign_core::id::{ChainId, OrgId};
use countersign_core::taint::Label;
use countersign_core::{Effect, Timestamp};
use countersign_evidence::canonical;
use countersign_evidence::entry::{Draft, Entry};
use countersign_evidence::event::{Decision, Event, Outcome};
use proptest::prelude::*;

#[path = "shared/events.rs"]
mod events;

use events::{EFFECTS, VERDICTS, decision, every_kind};

const NASTY: [&str; 12] = [
    "",
    "\"\\/",
    "\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{80}\u{9f}",
    "\u{2028}\u{2029}\u{feff}\u{200b}",
    "🗑️👩‍👩‍👧‍👦",
    "\u{ffff}\u{10000}\u{10ffff}\u{d7ff}\u{e000}",
    "e\u{301} is not é",
    "\\u0041 \\n \\\\",
    "{\"verdict\":\"allow\"}",
    "</script><!--",
    "\u{202e}txet",
    "null",
];

fn chain() -> ChainId {
    ChainId::parse("sess_0f-1.2").unwrap()
}

fn recanonicalised(bytes: &[u8]) -> Vec<u8> {
    canonical(&serde_json::from_slice::<serde_json::Value>(bytes).unwrap()).unwrap()
}

/// Every sample with `text`, sealed one after another.
fn is_canonical(text: &str) -> Result<(), TestCaseError> {
    let mut before = Chain::GENESIS;
    for (kind, _, draft) in every_kind(&chain(), text) {
        let (bytes, after) = draft.seal(before);
        let general = recanonicalised(&bytes);
        prop_assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&general), "{}", kind);
        before = after;
    }
    Ok(())
}

#[test]
fn every_event_is_canonical_as_it_is_written_whatever_strangers_call_things() {
    for text in NASTY {
        is_canonical(text).unwrap();
    }
}

proptest! {
    #[test]
    fn every_event_is_canonical_as_it_is_written_whatever_the_text(text in any::<String>()) {
        is_canonical(&text)?;
    }

    #[test]
    fn numbers_up_to_two_to_the_fifty_third_are_canonical_as_they_are_written(number in 0..=1u64 << 53) {
        let mut event = decision("a/get", "allow", Effect::Read);
        (event.epoch, event.agent_revision) = (number, number);
        let draft = Draft::new(chain(), None, Timestamp::from_millis(0), &event).unwrap();
        let (bytes, _) = draft.seal(Chain { length: number, ..Chain::GENESIS });
        prop_assert_eq!(recanonicalised(&bytes), bytes);
    }
}

#[test]
fn an_entry_without_an_organisation_is_canonical_too() {
    let event = decision("a/get", "deny", Effect::Read);
    let draft = Draft::new(ChainId::server(), None, Timestamp::from_millis(0), &event).unwrap();
    let (bytes, _) = draft.seal(Chain::GENESIS);
    assert_eq!(recanonicalised(&bytes), bytes);
    assert_eq!(Entry::read(&bytes).unwrap().org, None);
}

#[test]
fn an_entry_is_exactly_these_bytes() {
    let org = OrgId::parse("acme").unwrap();
    let event = Outcome {
        agent: "agent_1",
        by: "key_1",
        duration_ms: Some(12),
        error_type: None,
        event_type: "tool_result".into(),
        session: None,
        success: Some(true),
        tool: "a/\"get\"\n".into(),
    };
    let time = Timestamp::parse("2026-11-21T08:00:00Z").unwrap();
    let (bytes, after) = Draft::new(chain(), Some(&org), time, &event).unwrap().seal(Chain::GENESIS);
    let expected = [
        r#"{"chain":{"id":"sess_0f-1.2","index":0,"prev":""#,
        "0000000000000000000000000000000000000000000000000000000000000000",
        r#""},"event":{"agent":"agent_1","by":"key_1","duration_ms":12,"event_type":"tool_result","success":true,"#,
        r#""tool":"a/\"get\"\n"},"format":"countersign.entry/1","kind":"outcome","org":"acme","#,
        r#""time":"2026-11-21T08:00:00.000Z"}"#,
    ]
    .concat();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    assert_eq!(after.head, Digest::of(format!("{}{expected}", "0".repeat(64)).as_bytes()));
    assert_eq!(after.length, 1);
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    for text in NASTY {
        let event = decision(text, "deny", Effect::Destructive);
        let draft = Draft::new(chain(), None, Timestamp::from_millis(0), &event).unwrap();
        let (bytes, _) = draft.seal(Chain::GENESIS);
        let entry = Entry::read(&bytes).unwrap();
        let read: Decision<'_> = serde_json::from_str(entry.event.get()).unwrap();
        assert_eq!((&*read.action.tool, read.session.as_deref()), (text, Some(text)));
        assert_eq!((entry.kind, entry.time), ("decision", "1970-01-01T00:00:00.000Z"));
    }
}

#[test]
fn an_entry_counts_and_taints_as_its_event_does() {
    for text in NASTY {
        let mut before = Chain::GENESIS;
        for (kind, count, draft) in every_kind(&chain(), text) {
            let (bytes, after) = draft.seal(before);
            let entry = Entry::read(&bytes).unwrap();
            assert_eq!(entry.count(), count, "{kind}");
            assert_eq!(entry.onto(before, &bytes), after, "{kind}");
            assert_eq!(entry.taint().is_none(), !bytes.windows(9).any(|word| word == b"\"added\":["), "{kind}");
            before = after;
        }
        let labels: Vec<_> = before.taint.labels().map(Label::as_str).collect();
        assert_eq!(labels, ["untrusted_content", "secret_seen"]);
    }
}

#[test]
fn nothing_but_a_decision_and_what_was_taken_in_taints_and_what_is_not_known_counts_as_not_looked_at() {
    let taint = |kind: &str, added: &str| {
        let event = format!(r#"{{"content":{{"added":{added}}},"effect":{{"final":"read"}},"verdict":"allow"}}"#);
        let entry = format!(
            r#"{{"chain":{{"id":"c","index":0,"prev":"{}"}},"event":{event},"format":"f","kind":"{kind}","time":"t"}}"#,
            Digest::ZERO
        );
        Entry::read(entry.as_bytes()).unwrap().taint().labels().map(Label::as_str).collect::<Vec<_>>()
    };
    for kind in ["decision", "content"] {
        assert_eq!(taint(kind, r#"["secret_seen","of_tomorrow"]"#), ["secret_seen", "unexamined"]);
        assert_eq!(taint(kind, "[]"), [""; 0]);
    }
    assert_eq!(taint("outcome", r#"["secret_seen"]"#), [""; 0]);
}

#[test]
fn a_decision_counts_by_its_verdict_and_its_judged_effect() {
    for verdict in VERDICTS {
        for judged in EFFECTS {
            let event = decision("a/get", verdict, judged);
            let draft = Draft::new(chain(), None, Timestamp::from_millis(0), &event).unwrap();
            let (bytes, after) = draft.seal(Chain::GENESIS);
            let expected = match verdict {
                "allow" => Count::Allowed(judged),
                "deny" => Count::Denied,
                _ => Count::Waiting,
            };
            assert_eq!(event.count(), Some(expected));
            assert_eq!(Entry::read(&bytes).unwrap().count(), Some(expected));
            assert_eq!(after.tally, Chain::GENESIS.tally.step(expected));
        }
    }
}

#[test]
fn nothing_but_a_decision_counts() {
    for (kind, count, _) in every_kind(&chain(), "{\"effect\":{\"final\":\"read\"},\"verdict\":\"allow\"}") {
        assert_eq!(count.is_some(), kind == "decision", "{kind}");
    }
}
