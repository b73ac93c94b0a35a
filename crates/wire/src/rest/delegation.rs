//! Delegations: one agent lends part of its rights to another.

use countersign_core::capability::Pattern;
use countersign_core::id::{AgentId, DelegationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts;
use crate::raw::JsonObject;
use crate::spelling::{empty_as_none, null_as_default};
use crate::time::Time;

/// Lends rights.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct DelegationCreate {
    /// Who lends.
    #[schema(value_type = String)]
    pub from_agent_id: AgentId,
    /// Who may use what is lent.
    #[schema(value_type = String)]
    pub to_agent_id: AgentId,
    /// What is lent: names of tools, or prefixes that end in `*`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<String>)]
    pub scope: Vec<Pattern>,
    /// How long it lasts, in seconds. The server's default where it is left out.
    #[serde(default)]
    pub ttl_seconds: Option<i64>,
    /// Notes of the lender's own. Stored and returned unread.
    #[serde(default, deserialize_with = "null_as_default")]
    pub restrictions: JsonObject,
    /// The delegation that the lender itself borrows by.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[schema(value_type = Option<String>)]
    pub parent_delegation_id: Option<DelegationId>,
}

/// One link of a chain of delegations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Delegation {
    /// Its id.
    pub id: String,
    /// Who lends.
    pub from_agent_id: String,
    /// Who may use what is lent.
    pub to_agent_id: String,
    /// The organisation both agents belong to.
    pub org_id: String,
    /// What is lent.
    pub scope: Vec<String>,
    /// What the lender noted.
    pub restrictions: JsonObject,
    /// The ids of the links from the root to this one, itself included.
    pub delegation_chain: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Time,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revoked_at: Option<Time>,
}

impl Delegation {
    /// A delegation that the links `before` it lead to, the root first.
    #[must_use]
    pub fn new(delegation: &countersign_core::delegation::Delegation, before: &[DelegationId]) -> Self {
        let chain = before.iter().chain([&delegation.id]);
        Self {
            id: delegation.id.to_string(),
            from_agent_id: delegation.from.to_string(),
            to_agent_id: delegation.to.to_string(),
            org_id: delegation.org.to_string(),
            scope: texts(&delegation.scope),
            restrictions: JsonObject::from_stored(&delegation.restrictions),
            delegation_chain: chain.map(DelegationId::to_string).collect(),
            created_at: delegation.created_at.into(),
            expires_at: delegation.expires_at.into(),
            revoked_at: delegation.revoked_at.map(Time::from),
        }
    }
}

/// A new delegation, wrapped: a published client reads nothing else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DelegationCreated {
    /// The delegation.
    pub delegation: Delegation,
}

/// The delegations of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Delegations {
    /// The delegations.
    pub delegations: Vec<Delegation>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use countersign_core::id::OrgId;
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    #[test]
    fn a_delegation_is_spelled_as_published() {
        let root = DelegationId::parse("del_1").unwrap();
        let link = countersign_core::delegation::Delegation {
            id: DelegationId::parse("del_2").unwrap(),
            org: OrgId::parse("org_1").unwrap(),
            from: AgentId::parse("agent_1").unwrap(),
            to: AgentId::parse("agent_2").unwrap(),
            scope: vec![Pattern::new("read_file")],
            parent: Some(root.clone()),
            restrictions: r#"{"max_calls":10}"#.into(),
            created_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(3_600_000),
            revoked_at: None,
        };
        let expected = json!({
            "id": "del_2",
            "from_agent_id": "agent_1",
            "to_agent_id": "agent_2",
            "org_id": "org_1",
            "scope": ["read_file"],
            "restrictions": {"max_calls": 10},
            "delegation_chain": ["del_1", "del_2"],
            "created_at": "1970-01-01T00:00:00.000Z",
            "expires_at": "1970-01-01T01:00:00.000Z",
        });
        let delegation = Delegation::new(&link, &[root]);
        golden::check(&delegation, &expected);
        golden::check(&DelegationCreated { delegation: delegation.clone() }, &json!({"delegation": expected}));
        golden::check(&Delegations { delegations: vec![delegation] }, &json!({"delegations": [expected]}));

        let revoked = countersign_core::delegation::Delegation { revoked_at: Some(link.created_at), ..link };
        let spelled = serde_json::to_value(Delegation::new(&revoked, &[])).unwrap();
        golden::assert_rules("$", &spelled);
        assert_eq!(spelled["revoked_at"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_published_way_to_lend_is_understood() {
        let short = br#"{"from_agent_id":"a","to_agent_id":"b","scope":["x"]}"#;
        let nulls = br#"{"from_agent_id":"a","to_agent_id":"b","scope":["x"],"ttl_seconds":null,"restrictions":null,"parent_delegation_id":""}"#;
        for body in [short.as_slice(), nulls] {
            let request: DelegationCreate = parse(body).unwrap();
            assert_eq!((request.from_agent_id.as_str(), request.scope.len()), ("a", 1));
            assert!(request.ttl_seconds.is_none() && request.parent_delegation_id.is_none());
            assert_eq!(request.restrictions.as_str(), "{}");
        }
    }
}
