//! Organisations and their settings.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Shown;
use crate::spelling::filled;
use crate::time::Time;

/// Makes an organisation.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct OrgCreate {
    /// Its name.
    #[serde(deserialize_with = "filled")]
    pub name: String,
}

/// A new organisation and its first key, which nothing ever shows again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OrgCreated {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The key of its administrator.
    pub admin_key: Shown,
    /// When it was made.
    pub created_at: Time,
}

/// An organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Org {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
}

/// The organisations on this server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Orgs {
    /// The organisations.
    pub orgs: Vec<Org>,
}

/// What an organisation demands of its agents' identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct SecuritySettings {
    /// Whether an agent must prove that it holds its key before it gets an identity token.
    pub require_proof_of_possession: bool,
    /// Whether every use of an identity token must be signed with the key it is bound to.
    pub require_sender_constrained_tokens: bool,
}

/// Changes what an organisation demands. What is left out stays as it is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct SecurityUpdate {
    /// Whether an agent must prove that it holds its key before it gets an identity token.
    #[serde(default)]
    pub require_proof_of_possession: Option<bool>,
    /// Whether every use of an identity token must be signed with the key it is bound to.
    #[serde(default)]
    pub require_sender_constrained_tokens: Option<bool>,
}

/// How often an organisation lets its agents ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// How many calls one agent may make a minute. 0 is without limit.
    pub agent_per_minute: u32,
    /// How many calls of one tool all agents may make a minute. 0 is without limit.
    pub tool_per_minute: u32,
}

/// Changes how often agents may ask. What is left out stays as it is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct LimitsUpdate {
    /// How many calls one agent may make a minute. 0 is without limit.
    #[serde(default)]
    pub agent_per_minute: Option<u32>,
    /// How many calls of one tool all agents may make a minute. 0 is without limit.
    #[serde(default)]
    pub tool_per_minute: Option<u32>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::json::{parse, parse_or_empty};
    use crate::rest::golden;

    #[test]
    fn an_organisation_shows_its_first_key_once() {
        let created_at = Time::from(Timestamp::from_millis(0));
        let created = OrgCreated {
            id: "org_1".into(),
            name: "acme".into(),
            admin_key: Shown::new("sk_live_1".into()),
            created_at,
        };
        let mut expected = json!({"id": "org_1", "name": "acme", "created_at": "1970-01-01T00:00:00.000Z"});
        let org = Org { id: "org_1".into(), name: "acme".into(), created_at };
        golden::check(&Orgs { orgs: vec![org] }, &json!({"orgs": [expected]}));
        expected["admin_key"] = json!("sk_live_1");
        golden::check(&created, &expected);
        assert!(!format!("{created:?}").contains("sk_live_1"));
        assert!(parse::<OrgCreate>(br#"{"name":""}"#).is_err());
    }

    #[test]
    fn settings_are_spelled_as_published() {
        golden::check(
            &SecuritySettings::default(),
            &json!({"require_proof_of_possession": false, "require_sender_constrained_tokens": false}),
        );
        golden::check(
            &Limits { agent_per_minute: 600, tool_per_minute: 0 },
            &json!({"agent_per_minute": 600, "tool_per_minute": 0}),
        );
    }

    #[test]
    fn a_setting_that_is_left_out_stays_as_it_is() {
        let update: SecurityUpdate = parse_or_empty(b"").unwrap();
        assert_eq!((update.require_proof_of_possession, update.require_sender_constrained_tokens), (None, None));
        let update: LimitsUpdate = parse(br#"{"agent_per_minute":5,"tool_per_minute":null}"#).unwrap();
        assert_eq!((update.agent_per_minute, update.tool_per_minute), (Some(5), None));
        let error = parse::<LimitsUpdate>(br#"{"agent_per_minute":-1}"#).unwrap_err().to_string();
        assert_eq!(
            error,
            "`agent_per_minute`: invalid value: integer `-1`, expected a whole number from 0 to 4294967295"
        );
    }
}
