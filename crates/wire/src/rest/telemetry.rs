//! What agents report after they acted.

use countersign_core::id::AgentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::spelling::{empty_as_none, filled, null_as_default};
use crate::time::Time;

/// Reports what happened.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct TelemetryReport {
    /// The agent that acted.
    #[schema(value_type = String)]
    pub agent_id: AgentId,
    /// The session it acted in, as it names it.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub session_id: Option<String>,
    /// What happened, in order.
    #[serde(default, deserialize_with = "null_as_default")]
    pub events: Vec<TelemetryEvent>,
}

/// One thing that happened.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct TelemetryEvent {
    /// What kind of thing: `tool_start`, `tool_end`, `tool_error`, or a word of the reporter's own.
    #[serde(deserialize_with = "filled")]
    pub event_type: String,
    /// The tool, or the task or step.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tool_name: String,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// Whether it succeeded.
    #[serde(default)]
    pub success: Option<bool>,
    /// The name of the error, where it failed.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub error_type: Option<String>,
    /// When it happened.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub timestamp: Option<Time>,
}

/// The answer to a report.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TelemetryAccepted {
    /// Whether it was recorded.
    pub accepted: bool,
    /// How many of its events were.
    pub events_processed: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    #[test]
    fn the_answer_is_spelled_as_published() {
        let accepted = TelemetryAccepted { accepted: true, events_processed: 3 };
        golden::check(&accepted, &json!({"accepted": true, "events_processed": 3}));
    }

    #[test]
    fn an_event_may_say_little_or_much() {
        let report: TelemetryReport = parse(
            br#"{"agent_id":"a","session_id":"","events":[
                {"event_type":"tool_start","tool_name":"web_search"},
                {"event_type":"task_end","tool_name":null,"duration_ms":null,"success":null,"error_type":null,"timestamp":""},
                {"event_type":"tool_error","tool_name":"web_search","duration_ms":3,"success":false,
                 "error_type":"TimeoutError","timestamp":"2026-01-02T03:04:05.123456789+00:00"}]}"#,
        )
        .unwrap();
        let [start, task, error] = report.events.try_into().unwrap();
        assert!(report.session_id.is_none() && start.success.is_none() && task.timestamp.is_none());
        assert_eq!((error.duration_ms, error.success), (Some(3), Some(false)));
        assert_eq!(error.timestamp.unwrap().0.as_millis() % 1000, 123);
    }

    #[test]
    fn an_error_names_the_event() {
        let body = br#"{"agent_id":"a","events":[{"event_type":"x"},{"event_type":"x","timestamp":"now"}]}"#;
        assert_eq!(
            parse::<TelemetryReport>(body).unwrap_err().to_string(),
            "`events[1].timestamp`: not an RFC 3339 timestamp: expected a form such as `2026-11-21T08:00:00Z`"
        );
    }
}
