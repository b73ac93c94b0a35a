//! Destinations: collectors (a SIEM) that audit events are sent to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::DeliveryStatus;
use crate::secret::Secret;
use crate::spelling::{empty_as_none, filled, filled_or_none, null_as_default};
use crate::time::Time;

/// Registers a destination.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct DestinationCreate {
    /// Its name.
    #[serde(deserialize_with = "filled")]
    pub name: String,
    /// What kind of collector it is, such as `splunk_hec`, `datadog` or `webhook`.
    #[serde(deserialize_with = "filled")]
    pub destination_type: String,
    /// Where events are posted to.
    #[serde(deserialize_with = "filled")]
    pub endpoint_url: String,
    /// What the collector wants to see in `Authorization`. Never returned.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[schema(write_only)]
    pub auth_token: Option<Secret>,
    /// The most events in one delivery. The server's default where it is left out.
    #[serde(default)]
    pub batch_size: Option<u32>,
    /// The longest an event waits for others, in seconds. The server's default where it is left out.
    #[serde(default)]
    pub flush_interval_seconds: Option<u32>,
    /// The kinds of event to send. All where it is left out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub filter_event_types: Vec<String>,
}

/// Changes a destination. What is left out stays as it is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct DestinationUpdate {
    /// Its name.
    #[serde(default, deserialize_with = "filled_or_none")]
    pub name: Option<String>,
    /// Where events are posted to.
    #[serde(default, deserialize_with = "filled_or_none")]
    pub endpoint_url: Option<String>,
    /// What the collector wants to see in `Authorization`. An empty string takes it away. Never returned.
    #[serde(default)]
    #[schema(write_only)]
    pub auth_token: Option<Secret>,
    /// Whether events are sent.
    #[serde(default)]
    pub is_active: Option<bool>,
    /// The most events in one delivery.
    #[serde(default)]
    pub batch_size: Option<u32>,
    /// The longest an event waits for others, in seconds.
    #[serde(default)]
    pub flush_interval_seconds: Option<u32>,
    /// The kinds of event to send; the empty list is all.
    #[serde(default)]
    pub filter_event_types: Option<Vec<String>>,
}

/// A registered destination, without its token.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// Its id.
    pub id: String,
    /// The organisation it belongs to.
    pub org_id: String,
    /// Its name.
    pub name: String,
    /// What kind of collector it is.
    pub destination_type: String,
    /// Where events are posted to.
    pub endpoint_url: String,
    /// Whether events are sent.
    pub is_active: bool,
    /// The most events in one delivery.
    pub batch_size: u32,
    /// The longest an event waits for others, in seconds.
    pub flush_interval_seconds: u32,
    /// The kinds of event to send; empty is all.
    pub filter_event_types: Vec<String>,
    /// When it was registered.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// The destinations of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Destinations {
    /// The destinations.
    pub destinations: Vec<Destination>,
    /// How many there are.
    pub total: u64,
}

impl From<Vec<Destination>> for Destinations {
    fn from(destinations: Vec<Destination>) -> Self {
        Self { total: destinations.len() as u64, destinations }
    }
}

/// One attempt to deliver events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its id, stable and unique.
    pub id: String,
    /// The destination.
    pub destination_id: String,
    /// How many events it held.
    pub batch_size: u32,
    /// How it ended.
    pub status: DeliveryStatus,
    /// The collector's HTTP status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status_code: Option<u16>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error_message: Option<String>,
    /// When it ended.
    pub delivered_at: Time,
}

/// The attempts to deliver to a destination, the latest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Deliveries {
    /// The attempts.
    pub logs: Vec<Delivery>,
    /// How many there are.
    pub total: u64,
}

impl From<Vec<Delivery>> for Deliveries {
    fn from(logs: Vec<Delivery>) -> Self {
        Self { total: logs.len() as u64, logs }
    }
}

/// How a test of a destination ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationTested {
    /// Whether the collector took the event.
    pub success: bool,
    /// The collector's HTTP status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status_code: Option<u16>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error_message: Option<String>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::json::{parse, parse_or_empty};
    use crate::rest::golden;

    #[test]
    fn a_destination_is_spelled_as_published_and_without_its_token() {
        let destination = Destination {
            id: "siem_1".into(),
            org_id: "org_1".into(),
            name: "splunk".into(),
            destination_type: "splunk_hec".into(),
            endpoint_url: "https://siem.example/collect".into(),
            is_active: true,
            batch_size: 100,
            flush_interval_seconds: 30,
            filter_event_types: vec![],
            created_at: Timestamp::from_millis(0).into(),
            updated_at: Timestamp::from_millis(0).into(),
        };
        let expected = json!({
            "id": "siem_1",
            "org_id": "org_1",
            "name": "splunk",
            "destination_type": "splunk_hec",
            "endpoint_url": "https://siem.example/collect",
            "is_active": true,
            "batch_size": 100,
            "flush_interval_seconds": 30,
            "filter_event_types": [],
            "created_at": "1970-01-01T00:00:00.000Z",
            "updated_at": "1970-01-01T00:00:00.000Z",
        });
        golden::check(&destination, &expected);
        golden::check(&Destinations::from(vec![destination]), &json!({"destinations": [expected], "total": 1}));
    }

    #[test]
    fn a_delivery_is_spelled_as_published() {
        let delivery = Delivery {
            id: "1".into(),
            destination_id: "siem_1".into(),
            batch_size: 3,
            status: DeliveryStatus::Failed,
            status_code: Some(503),
            error_message: None,
            delivered_at: Timestamp::from_millis(0).into(),
        };
        let expected = json!({
            "id": "1",
            "destination_id": "siem_1",
            "batch_size": 3,
            "status": "failed",
            "status_code": 503,
            "delivered_at": "1970-01-01T00:00:00.000Z",
        });
        golden::check(&Deliveries::from(vec![delivery]), &json!({"logs": [expected], "total": 1}));
        golden::check(&Deliveries::from(vec![]), &json!({"logs": [], "total": 0}));
        let tested = DestinationTested { success: true, status_code: None, error_message: None };
        golden::check(&tested, &json!({"success": true}));
    }

    #[test]
    fn the_token_is_read_and_never_printed() {
        let body = br#"{"name":"n","destination_type":"webhook","endpoint_url":"u","auth_token":"hunter2"}"#;
        let request: DestinationCreate = parse(body).unwrap();
        assert_eq!(request.auth_token.as_ref().unwrap().expose(), "hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
        assert!(request.batch_size.is_none() && request.filter_event_types.is_empty());
    }

    #[test]
    fn an_update_that_names_nothing_changes_nothing() {
        let nulls = br#"{"name":null,"auth_token":null,"is_active":null,"batch_size":null,"filter_event_types":null}"#;
        for body in [b"".as_slice(), b"{}", nulls] {
            let update: DestinationUpdate = parse_or_empty(body).unwrap();
            assert!(update.name.is_none() && update.endpoint_url.is_none() && update.auth_token.is_none());
            assert!(update.is_active.is_none() && update.batch_size.is_none() && update.filter_event_types.is_none());
        }
    }

    #[test]
    fn a_token_can_be_taken_away_and_a_name_cannot() {
        let update: DestinationUpdate = parse(br#"{"auth_token":""}"#).unwrap();
        assert_eq!(update.auth_token.unwrap().expose(), "");
        assert!(parse::<DestinationUpdate>(br#"{"name":""}"#).is_err());
    }
}
