//! Stops: kill switches that were thrown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::spelling::{filled_or_none, null_as_default};
use crate::time::Time;

/// Stops one tool, or everything.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct StopCreate {
    /// The one tool to stop. Every action of the organisation stops where it is left out.
    #[serde(default, deserialize_with = "filled_or_none")]
    pub tool: Option<String>,
    /// Why.
    #[serde(default, deserialize_with = "null_as_default")]
    pub reason: String,
}

/// A stop. Nothing that it names may act until it is lifted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Stop {
    /// Its id.
    pub id: String,
    /// The organisation it holds in.
    pub org_id: String,
    /// The one tool it stops; absent where it stops everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tool: Option<String>,
    /// Why it was thrown.
    pub reason: String,
    /// When it was thrown.
    pub created_at: Time,
}

impl From<&countersign_core::agent::Stop> for Stop {
    fn from(stop: &countersign_core::agent::Stop) -> Self {
        Self {
            id: stop.id.to_string(),
            org_id: stop.org.to_string(),
            tool: stop.tool.clone(),
            reason: stop.reason.clone(),
            created_at: stop.created_at.into(),
        }
    }
}

/// The stops in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Stops {
    /// The stops.
    pub stops: Vec<Stop>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use countersign_core::id::{OrgId, StopId};
    use serde_json::json;

    use super::*;
    use crate::json::{parse, parse_or_empty};
    use crate::rest::golden;

    #[test]
    fn a_stop_names_a_tool_or_nothing() {
        let stop = |tool: Option<&str>| {
            Stop::from(&countersign_core::agent::Stop {
                id: StopId::parse("stop_1").unwrap(),
                org: OrgId::parse("org_1").unwrap(),
                tool: tool.map(str::to_owned),
                reason: "incident".into(),
                created_at: Timestamp::from_millis(0),
            })
        };
        let all = json!({
            "id": "stop_1",
            "org_id": "org_1",
            "reason": "incident",
            "created_at": "1970-01-01T00:00:00.000Z",
        });
        let mut one = all.clone();
        one["tool"] = json!("send_mail");
        golden::check(&stop(None), &all);
        golden::check(&Stops { stops: vec![stop(Some("send_mail"))] }, &json!({"stops": [one]}));
    }

    #[test]
    fn an_empty_tool_does_not_stop_everything_by_mistake() {
        assert!(parse_or_empty::<StopCreate>(b"").unwrap().tool.is_none());
        assert!(parse::<StopCreate>(br#"{"tool":null,"reason":null}"#).unwrap().tool.is_none());
        let error = parse::<StopCreate>(br#"{"tool":""}"#).unwrap_err();
        assert_eq!(error.to_string(), "`tool`: expected a string that is not empty");
    }
}
