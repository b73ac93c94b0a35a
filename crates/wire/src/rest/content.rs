//! Content that agents took in, as their callers report it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::raw::Json;

/// What a tool returned.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ContentReport {
    /// The tool.
    pub source: String,
    /// What it returned: a text or any other JSON. It is looked at and not kept.
    pub content: Json,
}

/// What came of a report.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ContentReply {
    /// The labels that the session has now.
    pub labels: Vec<String>,
    /// Those that it did not have before.
    pub added: Vec<String>,
    /// Whether all of it was looked at, and all that was found is listed.
    pub complete: bool,
    /// What was found.
    pub findings: Vec<ContentFinding>,
}

/// Something that was found in content.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ContentFinding {
    /// What it is: a stable name.
    pub family: String,
    /// `low`, `medium` or `high`.
    pub severity: String,
    /// The text it is in: a JSON pointer that begins with `/content`.
    pub at: String,
    /// A digest of what was found, under a key of the installation.
    pub digest: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::parse;
    use crate::rest::golden;

    #[test]
    fn a_report_has_any_content_and_shows_none_of_it() {
        let report: ContentReport = parse(br#"{"source":"web/get","content":{"a":["secret"]}}"#).unwrap();
        assert_eq!((report.source.as_str(), report.content.as_str()), ("web/get", r#"{"a":["secret"]}"#));
        assert!(!format!("{report:?}").contains("secret"));
        assert_eq!(
            parse::<ContentReport>(br#"{"source":"web/get","content":"text"}"#).unwrap().content.as_str(),
            "\"text\""
        );
        assert!(parse::<ContentReport>(br#"{"source":"web/get"}"#).is_err());
    }

    #[test]
    fn a_reply_tells_labels_and_findings() {
        let finding = ContentFinding {
            family: "jwt".into(),
            severity: "medium".into(),
            at: "/content".into(),
            digest: "0".repeat(64),
        };
        let reply = ContentReply {
            labels: vec!["untrusted_content".into(), "secret_seen".into()],
            added: vec!["secret_seen".into()],
            complete: true,
            findings: vec![finding],
        };
        let expected = json!({
            "labels": ["untrusted_content", "secret_seen"],
            "added": ["secret_seen"],
            "complete": true,
            "findings": [{"family": "jwt", "severity": "medium", "at": "/content", "digest": "0".repeat(64)}],
        });
        golden::check(&reply, &expected);
    }
}
