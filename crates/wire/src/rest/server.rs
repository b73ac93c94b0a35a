//! Registered MCP servers.

use countersign_core::capability::Pattern;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::{DefaultMode, Effect, RegistryStatus};
use crate::spelling::{empty_as_default, empty_as_none, filled, null_as_default};
use crate::time::Time;

/// Registers an MCP server.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ServerCreate {
    /// Its name.
    #[serde(deserialize_with = "filled")]
    pub name: String,
    /// Where it is.
    #[serde(deserialize_with = "filled")]
    pub url: String,
    /// What its registrant says it can do. Stored and returned; no right follows from it.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<String>)]
    pub capabilities: Vec<Pattern>,
    /// What it is for.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub description: Option<String>,
    /// What the operator says about its tools.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tools: Vec<ServerTool>,
    /// The mode in which its sessions start. `read_only` where it is left out.
    #[serde(default, deserialize_with = "empty_as_default")]
    pub default_mode: DefaultMode,
}

/// What the operator says about one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerTool {
    /// The tool.
    #[serde(deserialize_with = "filled")]
    pub name: String,
    /// Its effect, whatever its name says.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "empty_as_none")]
    #[schema(nullable = false)]
    pub effect_override: Option<Effect>,
    /// Whether a human must approve every call.
    #[serde(default, deserialize_with = "null_as_default")]
    pub require_approval: bool,
}

/// A registered MCP server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// The organisation it belongs to.
    pub org_id: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The most its sessions may do; empty where there is no such bound.
    pub capabilities: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// What the operator says about its tools.
    pub tools: Vec<ServerTool>,
    /// The mode in which its sessions start.
    pub default_mode: DefaultMode,
    /// Whether it is in use.
    pub status: RegistryStatus,
    /// When it was registered.
    pub created_at: Time,
}

/// The servers of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Servers {
    /// The servers.
    pub servers: Vec<Server>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    #[test]
    fn a_server_is_spelled_as_published() {
        let tool =
            |name: &str, effect_override| ServerTool { name: name.into(), effect_override, require_approval: true };
        let server = Server {
            id: "srv_1".into(),
            org_id: "org_1".into(),
            name: "filesystem".into(),
            url: "http://localhost:9000".into(),
            capabilities: vec![],
            description: None,
            tools: vec![tool("sync", Some(Effect::Read)), tool("wipe", None)],
            default_mode: DefaultMode::ReadOnly,
            status: RegistryStatus::Active,
            created_at: Timestamp::from_millis(0).into(),
        };
        let expected = json!({
            "id": "srv_1",
            "org_id": "org_1",
            "name": "filesystem",
            "url": "http://localhost:9000",
            "capabilities": [],
            "tools": [
                {"name": "sync", "effect_override": "read", "require_approval": true},
                {"name": "wipe", "require_approval": true},
            ],
            "default_mode": "read_only",
            "status": "active",
            "created_at": "1970-01-01T00:00:00.000Z",
        });
        golden::check(&server, &expected);
        golden::check(&Servers { servers: vec![server] }, &json!({"servers": [expected]}));
    }

    #[test]
    fn a_name_and_a_url_are_enough_to_register() {
        let nothing = r#""capabilities":null,"description":"","tools":null,"default_mode":"""#;
        for body in [r#"{"name":"a","url":"u"}"#, &format!(r#"{{"name":"a","url":"u",{nothing}}}"#)] {
            let request: ServerCreate = parse(body.as_bytes()).unwrap();
            assert!(request.capabilities.is_empty() && request.tools.is_empty() && request.description.is_none());
            assert_eq!(request.default_mode, DefaultMode::ReadOnly);
        }
    }

    #[test]
    fn a_tool_that_cannot_be_understood_is_refused() {
        let refusal = |tool: &str| {
            let body = format!(r#"{{"name":"a","url":"u","tools":[{tool}]}}"#);
            parse::<ServerCreate>(body.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(refusal(r#""sync""#), "`tools[0]`: invalid type: string, expected a JSON object");
        assert_eq!(
            refusal(r#"{"name":"sync","effect_override":"harmless"}"#),
            "`tools[0].effect_override`: unknown word, expected one of `read`, `mutating`, `destructive`, `admin`"
        );
        let tool: ServerTool = parse(br#"{"name":"sync","effect_override":"","require_approval":null}"#).unwrap();
        assert_eq!(tool, ServerTool { name: "sync".into(), effect_override: None, require_approval: false });
    }
}
