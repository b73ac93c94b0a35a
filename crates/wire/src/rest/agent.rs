//! Agents.

use countersign_core::capability::Pattern;
use countersign_core::id::OrgId;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::texts;
use super::word::AgentStatus;
use crate::raw::JsonObject;
use crate::spelling::{empty_as_none, filled, given, manual_revocation, null_as_default, reason};
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
    /// What it may spend in a day. Without limit where it is left out.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Option<Budget>)]
    pub budget: Budget,
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
    /// What it may spend in a day from now on.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Option<BudgetChange>)]
    pub budget: BudgetChange,
    /// How far it is trusted from now on, 0 to 1000. `null`: nobody says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u16>)]
    pub trust: Option<Option<u16>>,
}

/// What an agent may spend in a day of UTC. What is left out is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    /// How many calls may be allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub calls_per_day: Option<u64>,
    /// How many tokens its models may use, as they are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tokens_per_day: Option<u64>,
}

impl From<countersign_core::budget::Budget> for Budget {
    fn from(budget: countersign_core::budget::Budget) -> Self {
        let countersign_core::budget::Budget { calls_per_day, tokens_per_day } = budget;
        Self { calls_per_day, tokens_per_day }
    }
}

impl From<Budget> for countersign_core::budget::Budget {
    fn from(budget: Budget) -> Self {
        let Budget { calls_per_day, tokens_per_day } = budget;
        Self { calls_per_day, tokens_per_day }
    }
}

/// Changes a budget. What is left out stays; `null` is without limit.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
pub struct BudgetChange {
    /// How many calls may be allowed.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    pub calls_per_day: Option<Option<u64>>,
    /// How many tokens its models may use, as they are reported.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    pub tokens_per_day: Option<Option<u64>>,
}

/// Reports what an agent's models used.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct UsageReport {
    /// How many tokens, since the last report.
    pub tokens: u64,
    /// The session they were used in.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub session_id: Option<String>,
}

/// What an agent may spend today, and what it has spent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// The agent.
    pub agent_id: String,
    /// How many calls may be allowed in a day; absent where they are without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub calls_per_day: Option<u64>,
    /// How many were allowed today. Counted while the agent has a budget.
    pub calls: u64,
    /// How many tokens may be used in a day; absent where they are without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tokens_per_day: Option<u64>,
    /// How many were reported today.
    pub tokens: u64,
    /// When the day ends, and all of it may be spent again.
    pub resets_at: Time,
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
    /// What it may spend in a day; absent where it is without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub budget: Option<Budget>,
    /// How far it is trusted, 0 to 1000; absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub trust: Option<u16>,
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
            budget: (!agent.budget.is_unlimited()).then(|| agent.budget.into()),
            trust: agent.trust,
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
            budget: countersign_core::budget::Budget::default(),
            trust: None,
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
    fn a_budget_and_trust_are_there_where_there_are_any() {
        let mut agent = agent(r#"{"team":"billing"}"#);
        agent.budget.tokens_per_day = Some(1_000);
        agent.trust = Some(0);
        let mut expected = spelled();
        expected["budget"] = json!({"tokens_per_day": 1_000});
        expected["trust"] = json!(0);
        golden::check(&Agent::from(&agent), &expected);
        let resets_at = Timestamp::from_millis(0).into();
        let spent = Spent {
            agent_id: "agent_1".into(),
            calls_per_day: Some(10),
            calls: 3,
            tokens_per_day: None,
            tokens: 0,
            resets_at,
        };
        let expected = json!({"agent_id": "agent_1", "calls_per_day": 10, "calls": 3, "tokens": 0,
            "resets_at": "1970-01-01T00:00:00.000Z"});
        golden::check(&spent, &expected);
    }

    #[test]
    fn what_is_left_out_of_a_budget_stays_and_null_is_without_limit() {
        let change = |body: &str| parse::<AgentRights>(body.as_bytes()).map(|rights| rights.budget);
        let nothing = change("{}").unwrap();
        assert_eq!((nothing.calls_per_day, nothing.tokens_per_day), (None, None));
        let lifted = change(r#"{"budget":{"calls_per_day":null,"tokens_per_day":5}}"#).unwrap();
        assert_eq!((lifted.calls_per_day, lifted.tokens_per_day), (Some(None), Some(Some(5))));
        for wrong in ["-1", "1.5", "\"5\""] {
            let why = change(&format!(r#"{{"budget":{{"calls_per_day":{wrong}}}}}"#)).unwrap_err().to_string();
            assert!(why.starts_with("`budget.calls_per_day`: "), "{why}");
        }
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
