//! Every kind of entry as an OCSF event.
//!
//! Events of every kind were also validated with the schemas of
//! the package `ocsf-json-schema`: `docs/reference/ocsf.md` says how.

#![cfg(test)]

use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::ocsf::{VERSION, event};
use serde_json::Value;

#[path = "shared/events.rs"]
mod events;

fn every_event(text: &str) -> Vec<(&'static str, Vec<u8>, Value)> {
    let chain = ChainId::parse("sess_1").unwrap();
    let kinds = events::every_kind(&chain, text).into_iter();
    kinds
        .map(|(kind, _, draft)| {
            let (entry, _) = draft.seal(Chain::GENESIS);
            let event = event(&entry, 7, "1.2.3").unwrap();
            (kind, entry, event)
        })
        .collect()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

#[test]
fn every_kind_of_entry_has_an_event_of_its_class_that_leads_back_to_it() {
    for (kind, entry, event) in every_event("größe/\"löschen\"\u{1f600}") {
        let class = match kind {
            "decision" | "outcome" => 6003,
            "approval" => 3003,
            "revocation" | "change" | "publication" | "trace" | "log_key" => 3004,
            "rejection" => 3002,
            _ => 0,
        };
        assert_eq!(event["class_uid"], class, "{kind}");
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"], class * 100 + activity);
        assert_eq!(event["category_uid"], class / 1000);
        assert_eq!(event["metadata"]["version"], VERSION);
        assert_eq!(event["metadata"]["sequence"], 7);
        assert_eq!(event["metadata"]["tenant_uid"], "acme");
        assert_eq!(event["raw_data"].as_str().unwrap().as_bytes(), entry);
        assert_eq!(event["time"], 1_795_248_000_000_i64);
        assert!(!has_null(&event), "{kind}: {event}");
    }
}

#[test]
fn verdicts_and_effects_are_told_apart() {
    let chain = ChainId::parse("sess_1").unwrap();
    let meanings = [(1, 1, 1), (2, 2, 2), (99, 14, 99)];
    for (verdict, (action, disposition, status)) in events::VERDICTS.into_iter().zip(meanings) {
        for (effect, activity) in events::EFFECTS.into_iter().zip([2, 3, 4, 99]) {
            let decision = events::decision("github/create_issue", verdict, effect);
            let time = countersign_core::Timestamp::from_millis(0);
            let draft = countersign_evidence::entry::Draft::new(chain.clone(), None, time, &decision).unwrap();
            let event = event(&draft.seal(Chain::GENESIS).0, 0, "1").unwrap();
            assert_eq!(event["activity_id"], activity);
            assert_eq!(event["action_id"], action, "{verdict}");
            assert_eq!(event["disposition_id"], disposition);
            assert_eq!(event["status_id"], status);
            assert_eq!(event["api"]["operation"], "github/create_issue");
            assert_eq!(event["actor"]["app_uid"], "agent_1");
            assert_eq!(event["actor"]["authorizations"][0]["decision"], verdict);
            assert_eq!(event["metadata"]["correlation_uid"], "chk_1");
        }
    }
}

#[test]
fn what_is_no_entry_has_no_event() {
    assert!(event(b"{}", 0, "1").is_err());
    assert!(event(b"not json", 0, "1").is_err());
}
