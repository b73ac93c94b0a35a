//! Agents.

use countersign_core::capability::Pattern;
use countersign_core::id::OrgId;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::texts;
use super::word::AgentStatus;
use crate::raw::JsonObject;
use crate::spelling::{empty_as_none, filled, manual_revocation, null_as_default, reason};
use crate::time::Time;

/// Registers an agent.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AgentCreate {
    /// Its name, unique within the organisation.
    #[serde(deserialize_with = "filled")]
    pub name: String,
    /// What it is built with, such as `langchain`. `custom` where it is left out.
    #[serde(default = "custom", deserialize_with = "framework")]
    pub framework: String,
    /// What it may do: names of tools, or prefixes that end in `*`. Nothing where it is left out.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<String>)]
    pub capabilities: Vec<Pattern>,
    /// What it may not do, whatever its capabilities say.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<String>)]
    pub blocked: Vec<Pattern>,
    /// Notes of the registrant's own. Stored and returned unread.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: JsonObject,
    /// The organisation. The caller's own where it is left out.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[schema(value_type = Option<String>)]
    pub org_id: Option<OrgId>,
    /// Its Ed25519 public key as SPKI PEM.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub public_key: Option<String>,
}

fn custom() -> String {
    "custom".to_owned()
}

fn framework<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    empty_as_none(deserializer).map(|word| word.unwrap_or_else(custom))
}

/// Which agents to list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AgentQuery {
    /// The organisation. The caller's own where it is left out.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(value_type = Option<String>)]
    pub org_id: Option<OrgId>,
}

/// Revokes an agent.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AgentRevoke {
    /// Why. `manual_revocation` where it is left out.
    #[serde(default = "manual_revocation", deserialize_with = "reason")]
    pub reason: String,
}

/// Changes what an agent may and may not do. What is left out stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AgentRights {
    /// What it may do from now on.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub capabilities: Option<Vec<Pattern>>,
    /// What it may not do from now on, whatever its capabilities say.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub blocked: Option<Vec<Pattern>>,
}

/// A registered agent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// The organisation it belongs to.
    pub org_id: String,
    /// Its name, unique within the organisation.
    pub name: String,
    /// What it is built with, as its registrant says.
    pub framework: String,
    /// Its Ed25519 public key as SPKI PEM; empty where it has none.
    pub public_key: String,
    /// Whether it may act.
    pub status: AgentStatus,
    /// What it may do.
    pub capabilities: Vec<String>,
    /// What it may not do, whatever its capabilities say.
    pub blocked: Vec<String>,
    /// What its registrant noted.
    pub metadata: JsonObject,
    /// When it was registered.
    pub created_at: Time,
}

impl From<&countersign_core::agent::Agent> for Agent {
    fn from(agent: &countersign_core::agent::Agent) -> Self {
        Self {
            id: agent.id.to_string(),
            org_id: agent.org.to_string(),
            name: agent.name.clone(),
            framework: agent.framework.clone(),
            public_key: agent.public_key.clone(),
            status: agent.status.into(),
            capabilities: texts(&agent.capabilities),
            blocked: texts(&agent.blocked),
            metadata: JsonObject::from_stored(&agent.metadata),
            created_at: agent.created_at.into(),
        }
    }
}

/// A newly registered agent, twice: some published clients unwrap it and some do not.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgentCreated {
    /// The agent.
    pub agent: Agent,
    /// The agent's fields once more. Not read back.
    #[serde(flatten, skip_deserializing)]
    #[schema(nullable = false)]
    pub flat: Option<Agent>,
}

impl From<&countersign_core::agent::Agent> for AgentCreated {
    fn from(agent: &countersign_core::agent::Agent) -> Self {
        let agent = Agent::from(agent);
        Self { flat: Some(agent.clone()), agent }
    }
}

/// The agents of an organisation, the revoked ones included.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Agents {
    /// The agents.
    pub agents: Vec<Agent>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use countersign_core::agent::Status;
    use countersign_core::id::AgentId;
    use serde_json::{Value, json};

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    fn agent(metadata: &str) -> countersign_core::agent::Agent {
        countersign_core::agent::Agent {
            id: AgentId::parse("agent_1").unwrap(),
            org: OrgId::parse("org_1").unwrap(),
            name: "billing-bot".into(),
            framework: "custom".into(),
            public_key: String::new(),
            status: Status::Active,
            capabilities: vec![Pattern::new("files:*"), Pattern::new("read_file")],
            blocked: Vec::new(),
            metadata: metadata.into(),
            created_at: Timestamp::from_millis(0),
        }
    }

    fn spelled() -> Value {
        json!({
            "id": "agent_1",
            "org_id": "org_1",
            "name": "billing-bot",
            "framework": "custom",
            "public_key": "",
            "status": "active",
            "capabilities": ["files:*", "read_file"],
            "blocked": [],
            "metadata": {"team": "billing"},
            "created_at": "1970-01-01T00:00:00.000Z",
        })
    }

    #[test]
    fn an_agent_is_spelled_as_published() {
        let agent = Agent::from(&agent(r#"{"team":"billing"}"#));
        golden::check(&agent, &spelled());
        golden::check(&Agents { agents: vec![agent] }, &json!({"agents": [spelled()]}));
        golden::check(&Agents { agents: vec![] }, &json!({"agents": []}));
    }

    #[test]
    fn a_new_agent_is_there_both_wrapped_and_flat() {
        let created = AgentCreated::from(&agent(r#"{"team":"billing"}"#));
        let text = serde_json::to_string(&created).unwrap();
        let mut expected = spelled();
        expected["agent"] = spelled();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        golden::assert_rules("$", &expected);
        assert_eq!(serde_json::from_str::<AgentCreated>(&text).unwrap().agent.id, "agent_1");
    }

    #[test]
    fn metadata_that_is_no_object_becomes_the_empty_one() {
        assert_eq!(Agent::from(&agent("")).metadata.as_str(), "{}");
        assert_eq!(Agent::from(&agent("null")).metadata.as_str(), "{}");
    }

    #[test]
    fn nothing_but_a_name_is_needed_to_register() {
        let nothing =
            r#""framework":null,"capabilities":null,"blocked":null,"metadata":null,"org_id":null,"public_key":null"#;
        let empty = r#""framework":"","capabilities":[],"metadata":{},"org_id":"","public_key":"","private_key":5"#;
        for body in [r#"{"name":"a"}"#, &format!(r#"{{"name":"a",{nothing}}}"#), &format!(r#"{{"name":"a",{empty}}}"#)]
        {
            let request: AgentCreate = parse(body.as_bytes()).unwrap();
            assert_eq!((request.name.as_str(), request.framework.as_str()), ("a", "custom"));
            assert!(request.capabilities.is_empty() && request.blocked.is_empty());
            assert_eq!(request.metadata.as_str(), "{}");
            assert!(request.org_id.is_none() && request.public_key.is_none());
        }
    }

    #[test]
    fn what_cannot_be_an_agent_is_refused() {
        let refusal = |body: &str| parse::<AgentCreate>(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(refusal("{}"), "missing field `name`");
        assert_eq!(refusal(r#"{"name":" "}"#), "`name`: expected a string that is not empty");
        assert_eq!(refusal(r#"{"name":"a","metadata":[]}"#), "`metadata`: expected a JSON object");
        assert_eq!(
            refusal(r#"{"name":"a","capabilities":["b",5]}"#),
            "`capabilities[1]`: invalid type: integer `5`, expected a string"
        );
    }

    #[test]
    fn a_revocation_has_a_reason_even_without_one() {
        for body in ["{}", r#"{"reason":null}"#, r#"{"reason":""}"#] {
            assert_eq!(parse::<AgentRevoke>(body.as_bytes()).unwrap().reason, "manual_revocation");
        }
        assert_eq!(parse::<AgentRevoke>(br#"{"reason":"stolen"}"#).unwrap().reason, "stolen");
    }
}
