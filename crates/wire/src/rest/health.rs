//! How the server is. Open to everyone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::{Durability, HealthStatus};

/// How the server is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// Which service answers.
    pub service: String,
    /// Its version.
    pub version: String,
    /// When answers about reads are given: once the record is on disk (`sync`), or
    /// once it is queued, about a millisecond before (`grouped`).
    pub read_durability: Durability,
    /// Why nothing can be decided, while nothing can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::{Done, golden};

    #[test]
    fn health_is_spelled_as_published() {
        let health = Health {
            status: HealthStatus::Unhealthy,
            service: "countersign".into(),
            version: "0.1.0".into(),
            read_durability: Durability::Sync,
            reason: Some("store unavailable".into()),
        };
        golden::check(
            &health,
            &json!({"status": "unhealthy", "service": "countersign", "version": "0.1.0", "read_durability": "sync",
                "reason": "store unavailable"}),
        );
        golden::check(&Done::default(), &json!({"success": true}));
    }
}
