//! How the server is. Open to everyone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policy::PolicyHealth;
use super::word::{Durability, GuardTier, HealthStatus};
use crate::time::Time;

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
    /// The transparency log, where one is published. Trouble with it stops no
    /// decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub log: Option<LogHealth>,
    /// The operator's policies in force, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policies: Option<PolicyHealth>,
    /// How many organisations published policies that no longer load. Every call of theirs is refused
    /// until they publish others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub organisations_without_policies: Option<usize>,
    /// The tiers of the Guardian: `fast`, `spot` and `deep`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardian: Vec<TierHealth>,
}

/// How a tier of the Guardian is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierHealth {
    /// Which.
    pub tier: GuardTier,
    /// Where it is (`here`, `elsewhere`, `off`), or who it is: `human`, or a kind of reviewer.
    pub by: String,
    /// Its circuit: `closed`, `open` while it is not asked, or `half_open`. Absent
    /// where nothing is asked that could fail to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub circuit: Option<String>,
}

/// How the transparency log is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogHealth {
    /// What it is called.
    pub origin: String,
    /// How many entries the published tree has.
    pub size: u64,
    /// When it was published, if since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub published_at: Option<Time>,
    /// Why nothing is being published, while nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<String>,
    /// What whoever verifies the log should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warning: Option<String>,
    /// The witnesses that are asked to cosign it.
    pub witnesses: Vec<WitnessHealth>,
}

/// How a witness of the log is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WitnessHealth {
    /// Its name.
    pub name: String,
    /// The size of the largest tree that it is known to have cosigned.
    pub cosigned_size: u64,
    /// Why it does not cosign, while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<String>,
    /// Whether it says that it saw another history under the log's name.
    pub disputed: bool,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
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
            log: None,
            policies: None,
            guardian: Vec::new(),
            organisations_without_policies: None,
        };
        let bare = json!({"status": "unhealthy", "service": "countersign", "version": "0.1.0",
            "read_durability": "sync", "reason": "store unavailable"});
        golden::check(&health, &bare);
        let witness = WitnessHealth {
            name: "example.org/witness".into(),
            cosigned_size: 7,
            failure: Some("no answer".into()),
            disputed: false,
        };
        let log = LogHealth {
            origin: "example.com/log".into(),
            size: 9,
            published_at: Some(Timestamp::from_millis(0).into()),
            failure: None,
            warning: None,
            witnesses: vec![witness],
        };
        golden::check(
            &log,
            &json!({"origin": "example.com/log", "size": 9, "published_at": "1970-01-01T00:00:00.000Z", "witnesses": [
                {"name": "example.org/witness", "cosigned_size": 7, "failure": "no answer", "disputed": false}]}),
        );
        let tier = TierHealth { tier: GuardTier::Spot, by: "elsewhere".into(), circuit: Some("open".into()) };
        golden::check(&tier, &json!({"tier": "spot", "by": "elsewhere", "circuit": "open"}));
        golden::check(&Done::default(), &json!({"success": true}));
    }
}
