//! What policies say, and publishing them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::{PolicyDefault, PolicyOutcome, PolicySource};
use crate::spelling::{empty_as_default, null_as_default};
use crate::time::Time;

/// What one set of policies in force said of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyReply {
    /// The policies that decided, by id.
    pub by: Vec<String>,
    /// What all of them together say.
    pub outcome: PolicyOutcome,
    /// The code that one of them gives to the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The digest of the set that was in force.
    pub set: String,
    /// Whose set it is.
    pub source: PolicySource,
    /// The number of the version, where the set was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub version: Option<u64>,
    /// What whoever lets the action happen must do: `{"redact": …}`, `{"clamp": …}`, `{"notify": …}` or
    /// `{"require_approval": …}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub obligations: Vec<serde_json::Value>,
}

/// The operator's policies in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyHealth {
    /// The digest of the set.
    pub set: String,
    /// How many policies it has.
    pub policies: usize,
    /// What holds where none speaks of a call.
    pub default: PolicyDefault,
    /// Why a newer set was not put in force. The last good one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<String>,
}

/// A text by the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyFile {
    /// What to call it in messages, such as `payments/limits.cedar`. Of what an MCP server answers to
    /// `tools/list`, the name without folder and extension is what the server is called.
    pub file: String,
    /// The text.
    pub text: String,
}

/// Publishes policies of the organisation.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PolicyPublish {
    /// The policies, in Cedar.
    pub policies: Vec<PolicyFile>,
    /// What MCP servers answer to `tools/list`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tools: Vec<PolicyFile>,
    /// Cases, in YAML. All of them must hold.
    #[serde(default, deserialize_with = "null_as_default")]
    pub cases: Vec<PolicyFile>,
    /// What holds where no policy speaks of a call. `deny` where it is left out.
    #[serde(default, deserialize_with = "empty_as_default")]
    pub default: PolicyDefault,
    /// Why. About 500 characters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub note: String,
    /// The number of the last version you know of, 0 for none. Where another is the last, nothing is published.
    #[serde(default)]
    pub if_version: Option<u64>,
    /// Only say what is wrong: nothing is published.
    #[serde(default, deserialize_with = "null_as_default")]
    pub dry_run: bool,
}

/// Publishes what an earlier version had.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct PolicyRollback {
    /// Why. About 500 characters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub note: String,
    /// The number of the last version you know of. Where another is the last, nothing is published.
    #[serde(default)]
    pub if_version: Option<u64>,
}

/// One thing that is wrong with a text, or hardly meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyFault {
    /// The file, as it was sent.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub suggestion: Option<String>,
}

/// Why nothing was published: everything that is wrong with the texts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyRefusal {
    /// `bad_request`.
    #[schema(value_type = String)]
    pub error: Cow<'static, str>,
    /// What went wrong, in words.
    pub message: String,
    /// `policies_invalid`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// Everything that is wrong, by file.
    pub faults: Vec<PolicyFault>,
}

/// What publishing would come to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyTrial {
    /// Whether it would be published.
    pub valid: bool,
    /// Everything that is wrong.
    pub faults: Vec<PolicyFault>,
    /// What is allowed, but hardly meant.
    pub warnings: Vec<PolicyFault>,
    /// What would be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub summary: Option<PolicySummary>,
}

/// A set of policies, without its texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicySummary {
    /// Its digest.
    pub set: String,
    /// What holds where no policy speaks of a call.
    pub default: PolicyDefault,
    /// How many policies it has.
    pub policies: usize,
    /// How many tools it declares.
    pub tools: usize,
    /// How many cases it was tested with.
    pub cases: usize,
    /// How many bytes its texts have.
    pub bytes: usize,
}

/// One version of an organisation's own policies. The last one is in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyVersion {
    /// 1, and one more each time.
    pub number: u64,
    /// What it put in force; absent where it took the policies away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub summary: Option<PolicySummary>,
    /// When it was published.
    pub published_at: Time,
    /// The key that ordered it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The earlier version that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rolled_back_from: Option<u64>,
    /// What is allowed, but hardly meant; only in the answer to publishing it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<PolicyFault>,
    /// Its texts, only where it is asked for alone and they are still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub texts: Option<PolicyTexts>,
}

/// The texts of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTexts {
    /// The policies, in Cedar.
    pub policies: Vec<PolicyFile>,
    /// What MCP servers answer to `tools/list`.
    pub tools: Vec<PolicyFile>,
    /// Cases, in YAML.
    pub cases: Vec<PolicyFile>,
}

/// The versions of an organisation's own policies.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyVersions {
    /// The versions, last first.
    pub versions: Vec<PolicyVersion>,
}

/// What is in force for an organisation. Both sets judge, and the stricter word counts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PoliciesInForce {
    /// The operator's, for every organisation; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub operator: Option<PolicyHealth>,
    /// The last version of the organisation's own; absent where there never was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub published: Option<PolicyVersion>,
    /// Why the last version does not load. Every call of the organisation is refused until another is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failure: Option<String>,
}

/// A policy of one version alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyText {
    /// What it is called.
    pub policy: String,
    /// Its text.
    pub text: String,
}

/// A policy that two versions have with different texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyChange {
    /// What it is called.
    pub policy: String,
    /// Its text in the earlier version.
    pub before: String,
    /// Its text in the later version.
    pub after: String,
}

/// What a version changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyDiff {
    /// The version that is compared with; 0 is no policies.
    pub against: u64,
    /// The version.
    pub number: u64,
    /// The policies that only the version has, by id.
    pub added: Vec<PolicyText>,
    /// The policies that it no longer has, by id.
    pub removed: Vec<PolicyText>,
    /// The policies that read otherwise, by id.
    pub changed: Vec<PolicyChange>,
    /// The files about tools that were added, removed or changed.
    pub tools: Vec<String>,
    /// What holds in the other version where no policy speaks of a call; absent where it has no policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub default_before: Option<PolicyDefault>,
    /// What holds in the version; absent where it took the policies away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub default_after: Option<PolicyDefault>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::golden;

    #[test]
    fn what_policies_say_is_spelled_so() {
        let reply = PolicyReply {
            by: vec!["spend-limit".into()],
            outcome: PolicyOutcome::Forbid,
            code: Some("over_limit".into()),
            set: "00".into(),
            source: PolicySource::Organisation,
            version: Some(3),
            obligations: vec![json!({"redact": ["ssn"]})],
        };
        let expected = json!({"by": ["spend-limit"], "outcome": "forbid", "code": "over_limit", "set": "00",
            "source": "organisation", "version": 3, "obligations": [{"redact": ["ssn"]}]});
        golden::check(&reply, &expected);
        let (by, obligations, source) = (vec![], vec![], PolicySource::Operator);
        let bare =
            PolicyReply { by, outcome: PolicyOutcome::None, code: None, obligations, source, version: None, ..reply };
        golden::check(&bare, &json!({"by": [], "outcome": "none", "set": "00", "source": "operator"}));
        let health = PolicyHealth { set: "00".into(), policies: 2, default: PolicyDefault::Deny, failure: None };
        golden::check(&health, &json!({"set": "00", "policies": 2, "default": "deny"}));
    }
    fn version() -> PolicyVersion {
        let summary = PolicySummary {
            set: "00".into(),
            default: PolicyDefault::Deny,
            policies: 2,
            tools: 1,
            cases: 0,
            bytes: 300,
        };
        PolicyVersion {
            number: 3,
            summary: Some(summary),
            published_at: countersign_core::Timestamp::from_millis(0).into(),
            by: "key_1".into(),
            note: "tighter".into(),
            rolled_back_from: Some(1),
            warnings: vec![],
            texts: None,
        }
    }

    #[test]
    fn versions_are_spelled_so() {
        let published = json!({"number": 3, "published_at": "1970-01-01T00:00:00.000Z", "by": "key_1",
            "note": "tighter", "rolled_back_from": 1, "summary": {"set": "00", "default": "deny", "policies": 2,
            "tools": 1, "cases": 0, "bytes": 300}});
        golden::check(&version(), &published);
        golden::check(&PolicyVersions { versions: vec![version()] }, &json!({"versions": [published]}));
        let file = PolicyFile { file: "a.cedar".into(), text: "permit;".into() };
        let texts = PolicyTexts { policies: vec![file], tools: vec![], cases: vec![] };
        let gone = PolicyVersion { summary: None, note: String::new(), rolled_back_from: None, ..version() };
        golden::check(
            &PolicyVersion { texts: Some(texts), ..gone },
            &json!({"number": 3, "published_at": "1970-01-01T00:00:00.000Z", "by": "key_1",
                "texts": {"policies": [{"file": "a.cedar", "text": "permit;"}], "tools": [], "cases": []}}),
        );
        let nothing = PoliciesInForce { operator: None, published: None, failure: None };
        golden::check(&nothing, &json!({}));
    }

    #[test]
    fn what_is_wrong_and_what_changed_is_spelled_so() {
        let fault = PolicyFault {
            file: "a.cedar".into(),
            line: 3,
            column: 9,
            message: "no `id`".into(),
            suggestion: Some("write `@id`".into()),
        };
        let wrong =
            json!({"file": "a.cedar", "line": 3, "column": 9, "message": "no `id`", "suggestion": "write `@id`"});
        let trial = PolicyTrial { valid: false, faults: vec![fault.clone()], warnings: vec![], summary: None };
        golden::check(&trial, &json!({"valid": false, "faults": [wrong], "warnings": []}));
        let (error, code) = (Cow::Borrowed("bad_request"), Cow::Borrowed("policies_invalid"));
        let refusal = PolicyRefusal { error, message: "1 fault".into(), code, faults: vec![fault] };
        golden::check(
            &refusal,
            &json!({"error": "bad_request", "message": "1 fault", "code": "policies_invalid", "faults": [wrong]}),
        );
        let diff = PolicyDiff {
            against: 1,
            number: 2,
            added: vec![PolicyText { policy: "a".into(), text: "permit;".into() }],
            removed: vec![],
            changed: vec![PolicyChange { policy: "b".into(), before: "1".into(), after: "2".into() }],
            tools: vec!["tools/pay.json".into()],
            default_before: Some(PolicyDefault::Allow),
            default_after: None,
        };
        golden::check(
            &diff,
            &json!({"against": 1, "number": 2, "added": [{"policy": "a", "text": "permit;"}], "removed": [],
                "changed": [{"policy": "b", "before": "1", "after": "2"}], "tools": ["tools/pay.json"],
                "default_before": "allow"}),
        );
    }

    #[test]
    fn the_texts_are_enough_to_publish() {
        let nothing = r#","tools":null,"cases":null,"default":"","note":null,"if_version":null,"dry_run":null"#;
        for more in ["", nothing] {
            let body = format!(r#"{{"policies":[]{more}}}"#);
            let request: PolicyPublish = crate::json::parse(body.as_bytes()).unwrap();
            assert!(request.tools.is_empty() && request.note.is_empty() && !request.dry_run);
            assert_eq!((request.default, request.if_version), (PolicyDefault::Deny, None));
        }
        assert!(crate::json::parse::<PolicyPublish>(b"{}").is_err());
    }
}
