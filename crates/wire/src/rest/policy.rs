//! What policies say.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::{PolicyDefault, PolicyOutcome};

/// What the policies in force said of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyReply {
    /// The policies that decided, by id.
    pub by: Vec<String>,
    /// What all of them together say.
    pub outcome: PolicyOutcome,
    /// The code that one of them gives to the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The digest of the set that was in force.
    pub set: String,
    /// What whoever lets the action happen must do: `{"redact": …}`, `{"clamp": …}`, `{"notify": …}` or
    /// `{"require_approval": …}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub obligations: Vec<serde_json::Value>,
}

/// The policies in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyHealth {
    /// The digest of the set.
    pub set: String,
    /// How many policies it has.
    pub policies: usize,
    /// What holds where none speaks of a call.
    pub default: PolicyDefault,
    /// Why a newer set was not put in force. The last good one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::golden;

    #[test]
    fn what_policies_say_is_spelled_so() {
        let reply = PolicyReply {
            by: vec!["spend-limit".into()],
            outcome: PolicyOutcome::Forbid,
            code: Some("over_limit".into()),
            set: "00".into(),
            obligations: vec![json!({"redact": ["ssn"]})],
        };
        let expected = json!({"by": ["spend-limit"], "outcome": "forbid", "code": "over_limit", "set": "00",
            "obligations": [{"redact": ["ssn"]}]});
        golden::check(&reply, &expected);
        let bare = PolicyReply { by: vec![], outcome: PolicyOutcome::None, code: None, obligations: vec![], ..reply };
        golden::check(&bare, &json!({"by": [], "outcome": "none", "set": "00"}));
        let health = PolicyHealth { set: "00".into(), policies: 2, default: PolicyDefault::Deny, failure: None };
        golden::check(&health, &json!({"set": "00", "policies": 2, "default": "deny"}));
    }
}
