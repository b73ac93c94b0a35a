//! Federation providers: issuers outside the organisation that it trusts.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::word::RegistryStatus;
use crate::spelling::{empty_as_none, filled};
use crate::time::Time;

/// Registers a provider.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ProviderCreate {
    /// The issuer, as its tokens name it.
    #[serde(deserialize_with = "filled")]
    pub issuer: String,
    /// Its name.
    #[serde(deserialize_with = "filled")]
    pub name: String,
    /// How far it is trusted. `standard` where it is left out.
    #[serde(default = "standard", deserialize_with = "trust_level")]
    pub trust_level: String,
}

fn standard() -> String {
    "standard".to_owned()
}

fn trust_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    empty_as_none(deserializer).map(|word| word.unwrap_or_else(standard))
}

/// A registered provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// Its id.
    pub id: String,
    /// The organisation that trusts it.
    pub org_id: String,
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// Its name.
    pub name: String,
    /// Where its keys are; empty while nobody has looked.
    pub jwks_uri: String,
    /// How far it is trusted.
    pub trust_level: String,
    /// Whether it is in use.
    pub status: RegistryStatus,
    /// When it was registered.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A new provider, wrapped: a published client reads nothing else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProviderCreated {
    /// The provider.
    pub provider: Provider,
}

/// The providers an organisation trusts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Providers {
    /// The providers.
    pub providers: Vec<Provider>,
}

#[cfg(test)]
mod tests {
    use countersign_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    #[test]
    fn a_provider_is_spelled_as_published() {
        let provider = Provider {
            id: "fedp_1".into(),
            org_id: "org_1".into(),
            issuer: "https://issuer.example".into(),
            name: "issuer".into(),
            jwks_uri: String::new(),
            trust_level: "standard".into(),
            status: RegistryStatus::Active,
            created_at: Timestamp::from_millis(0).into(),
            updated_at: Timestamp::from_millis(0).into(),
        };
        let expected = json!({
            "id": "fedp_1",
            "org_id": "org_1",
            "issuer": "https://issuer.example",
            "name": "issuer",
            "jwks_uri": "",
            "trust_level": "standard",
            "status": "active",
            "created_at": "1970-01-01T00:00:00.000Z",
            "updated_at": "1970-01-01T00:00:00.000Z",
        });
        golden::check(&provider, &expected);
        golden::check(&ProviderCreated { provider: provider.clone() }, &json!({"provider": expected}));
        golden::check(&Providers { providers: vec![provider] }, &json!({"providers": [expected]}));
    }

    #[test]
    fn a_provider_is_trusted_as_standard_unless_told_otherwise() {
        for level in ["", r#","trust_level":null"#, r#","trust_level":"""#] {
            let request: ProviderCreate = parse(format!(r#"{{"issuer":"i","name":"n"{level}}}"#).as_bytes()).unwrap();
            assert_eq!(request.trust_level, "standard");
        }
        let request: ProviderCreate = parse(br#"{"issuer":"i","name":"n","trust_level":"high"}"#).unwrap();
        assert_eq!(request.trust_level, "high");
    }
}
