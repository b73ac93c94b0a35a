//! The record of what was decided.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::{Effect, GuardTier, Verdict};
use crate::raw::Json;
use crate::time::Time;

/// A recorded decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Its id, as answered.
    pub check_id: String,
    /// Its place in the ledger, counted from 0.
    pub position: u64,
    /// When it was made.
    pub time: Time,
    /// The agent that wanted to act.
    pub agent_id: String,
    /// The session, as the caller named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session_id: Option<String>,
    /// The tool.
    pub tool: String,
    /// What it says.
    pub verdict: Verdict,
    /// The stable code of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The effect the action was judged by.
    pub effect: Effect,
    /// The highest tier of the Guardian that was asked.
    pub guard_tier: GuardTier,
    /// The gate that decided, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gate: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Why the effect is one tier above the action's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub raised: Option<String>,
    /// The word in the tool's name that decided its effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub word: Option<String>,
    /// The approval that was used or asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub approval_id: Option<String>,
    /// The key that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub key_id: Option<String>,
    /// The entry as it is in the ledger: what a verifier hashes.
    pub entry: Json,
}

/// Recorded decisions, the latest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decisions {
    /// The decisions.
    pub decisions: Vec<Decision>,
    /// What to ask with for those that follow; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::rest::golden;

    fn decision() -> Decision {
        Decision {
            check_id: "chk_1".into(),
            position: 7,
            time: Timestamp::from_millis(0).into(),
            agent_id: "agent_1".into(),
            session_id: None,
            tool: "read_file".into(),
            verdict: Verdict::Allow,
            code: None,
            effect: Effect::Read,
            guard_tier: GuardTier::Fast,
            gate: None,
            reason: None,
            raised: None,
            word: None,
            approval_id: None,
            key_id: None,
            entry: Json::from_text(r#"{"b":1,"a":"x"}"#.into()).unwrap(),
        }
    }

    #[test]
    fn a_decision_says_no_more_than_there_is_to_say() {
        let expected = json!({
            "check_id": "chk_1",
            "position": 7,
            "time": "1970-01-01T00:00:00.000Z",
            "agent_id": "agent_1",
            "tool": "read_file",
            "verdict": "allow",
            "effect": "read",
            "guard_tier": "fast",
            "entry": {"a": "x", "b": 1},
        });
        golden::check(&decision(), &expected);
        golden::check(&Decisions { decisions: vec![decision()], next: None }, &json!({"decisions": [expected]}));
    }

    #[test]
    fn a_refusal_says_all_of_it() {
        let text = |text: &str| Some(text.to_owned());
        let refusal = Decision {
            session_id: text("sess_1"),
            verdict: Verdict::Elevate,
            code: text("session_read_only"),
            gate: text("session"),
            reason: text("session is read_only"),
            raised: text("denial_rate"),
            word: text("write"),
            approval_id: text("appr_1"),
            key_id: text("key_1"),
            ..decision()
        };
        golden::check(
            &Decisions { decisions: vec![refusal], next: text("6") },
            &json!({
                "decisions": [{
                    "check_id": "chk_1",
                    "position": 7,
                    "time": "1970-01-01T00:00:00.000Z",
                    "agent_id": "agent_1",
                    "session_id": "sess_1",
                    "tool": "read_file",
                    "verdict": "elevate",
                    "code": "session_read_only",
                    "effect": "read",
                    "guard_tier": "fast",
                    "gate": "session",
                    "reason": "session is read_only",
                    "raised": "denial_rate",
                    "word": "write",
                    "approval_id": "appr_1",
                    "key_id": "key_1",
                    "entry": {"a": "x", "b": 1},
                }],
                "next": "6",
            }),
        );
    }

    #[test]
    fn an_entry_keeps_the_bytes_that_were_hashed() {
        let text = serde_json::to_string(&decision()).unwrap();
        assert!(text.ends_with(r#""entry":{"b":1,"a":"x"}}"#), "{text}");
    }
}
