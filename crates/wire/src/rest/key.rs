//! API keys.

use countersign_core::id::AgentId;
use countersign_core::role::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::KeyRole;
use crate::secret::Shown;
use crate::spelling::{empty_as_none, filled, word};
use crate::time::Time;

/// Makes a key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct KeyCreate {
    /// What it is called.
    #[serde(deserialize_with = "filled")]
    pub name: String,
    /// What it is for.
    #[serde(deserialize_with = "word")]
    pub role: KeyRole,
    /// The one agent it speaks for, where it is an agent's.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[schema(value_type = Option<String>)]
    pub agent_id: Option<AgentId>,
}

/// A new key. Nothing ever shows its text again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyCreated {
    /// Its public name.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[schema(value_type = KeyRole)]
    pub role: Role,
    /// The one agent it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent_id: Option<String>,
    /// The key.
    pub key: Shown,
    /// When it was made.
    pub created_at: Time,
}

/// A key, without its text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its public name.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[schema(value_type = KeyRole)]
    pub role: Role,
    /// The one agent it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent_id: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revoked_at: Option<Time>,
}

/// The keys of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// The keys.
    pub keys: Vec<Key>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    #[test]
    fn a_new_key_shows_its_text_and_a_listed_one_does_not() {
        let created_at = Time::from(Timestamp::from_millis(0));
        let created = KeyCreated {
            id: "key_1".into(),
            name: "alice".into(),
            role: Role::Approver,
            agent_id: None,
            key: Shown::new("sk_live_1".into()),
            created_at,
        };
        golden::check(
            &created,
            &json!({
                "id": "key_1",
                "name": "alice",
                "role": "approver",
                "key": "sk_live_1",
                "created_at": "1970-01-01T00:00:00.000Z",
            }),
        );
        assert!(!format!("{created:?}").contains("sk_live_1"));

        let key = Key {
            id: "key_2".into(),
            name: "bot".into(),
            role: Role::Agent,
            agent_id: Some("agent_1".into()),
            created_at,
            revoked_at: None,
        };
        golden::check(
            &Keys { keys: vec![key] },
            &json!({"keys": [{
                "id": "key_2",
                "name": "bot",
                "role": "agent",
                "agent_id": "agent_1",
                "created_at": "1970-01-01T00:00:00.000Z",
            }]}),
        );
    }

    #[test]
    fn a_key_has_one_of_four_roles() {
        let request: KeyCreate = parse(br#"{"name":"a","role":"admin","agent_id":""}"#).unwrap();
        assert_eq!((request.role, request.agent_id), (KeyRole::Admin, None));
        let refusal = |role: &str| {
            parse::<KeyCreate>(format!(r#"{{"name":"a","role":{role}}}"#).as_bytes()).unwrap_err().to_string()
        };
        let expected = "`role`: unknown word, expected one of `admin`, `approver`, `agent`, `auditor`";
        assert_eq!(refusal("\"developer\""), expected);
        assert_eq!(refusal("\"\""), expected);
        assert_eq!(refusal("5"), "`role`: invalid type: integer `5`, expected a string");
    }
}
