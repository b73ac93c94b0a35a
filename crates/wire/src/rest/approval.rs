//! Requests for a human's approval.

use countersign_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::{ApprovalStatus, Effect};
use crate::spelling::empty_as_none;
use crate::time::Time;

/// Says yes or no to a request for approval. Which of the two is in the path.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ApprovalDecide {
    /// Who decides, as they call themselves. The key they use is recorded beside it.
    #[serde(default, deserialize_with = "empty_as_none")]
    pub decided_by: Option<String>,
}

/// A request for approval of exactly one action, and the answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// The session the action belongs to, as the agent named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session_id: Option<String>,
    /// The agent that wants to act.
    pub agent_id: String,
    /// The organisation it belongs to.
    pub org_id: String,
    /// The tool.
    pub action_name: String,
    /// What the action does to the world.
    pub action_effect: Effect,
    /// What the agent says it wants to do.
    pub summary: String,
    /// What is known besides, which the agent did not write.
    pub facts: ApprovalFacts,
    /// The SHA-256 digest of the arguments the approval is for: 64 lower-case hex digits.
    pub arguments_digest: String,
    /// Where the request stands.
    pub status: ApprovalStatus,
    /// When it was made.
    pub created_at: Time,
    /// When it ends if nobody speaks.
    pub expires_at: Time,
    /// Who spoke, as they call themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub decided_by: Option<String>,
    /// When a yes stops holding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub granted_until: Option<Time>,
}

impl Approval {
    /// A request as it stands at `now`.
    #[must_use]
    pub fn at(approval: &countersign_core::approval::Approval, now: Timestamp) -> Self {
        Self {
            id: approval.id.to_string(),
            session_id: approval.session.clone(),
            agent_id: approval.agent.to_string(),
            org_id: approval.org.to_string(),
            action_name: approval.tool.clone(),
            action_effect: approval.effect.into(),
            summary: approval.summary.clone(),
            facts: ApprovalFacts::of(&approval.shown),
            arguments_digest: approval.arguments.to_string(),
            status: approval.status_at(now).into(),
            created_at: approval.created_at.into(),
            expires_at: approval.expires_at.into(),
            decided_by: approval.decided_by.clone(),
            granted_until: approval.granted_until().map(Time::from),
        }
    }
}

/// What was known of an action when its approval was asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalFacts {
    /// The decision that asked.
    pub check_id: String,
    /// Why a human is asked: a code of `docs/denials`.
    pub code: String,
    /// What the policies have to say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub advice: Option<String>,
    /// What a reviewer said who left it to a human.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub review: Option<String>,
    /// The risk score, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub risk: Option<u8>,
    /// Where the points of the score come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What the detectors noticed, and the labels of what the session took in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// Decisions before, in the session or of the agent where it has none.
    pub calls: u64,
    /// Allowed calls among them that changed something.
    pub writes: u64,
    /// Denied calls among them.
    pub denied: u64,
    /// How many delegations lie between the agent and the session's owner.
    pub delegation_depth: u32,
}

impl ApprovalFacts {
    fn of(shown: &countersign_core::approval::Shown) -> Self {
        let shown = shown.clone();
        Self {
            check_id: shown.check.to_string(),
            code: shown.code,
            advice: shown.advice,
            review: shown.review,
            risk: shown.risk,
            reasons: shown.reasons,
            findings: shown.findings,
            calls: shown.tally.total,
            writes: shown.tally.write,
            denied: shown.tally.denied,
            delegation_depth: shown.delegation_depth,
        }
    }
}

/// Requests for approval.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Approvals {
    /// The requests.
    pub approvals: Vec<Approval>,
}

#[cfg(test)]
mod tests {
    use countersign_core::approval::{Answer, Approver, PENDING, Shown, Status};
    use countersign_core::chain::Tally;
    use countersign_core::id::{AgentId, ApprovalId, ChainId, CheckId, KeyId, OrgId};
    use countersign_core::{Digest, Effect as Known};
    use serde_json::json;

    use super::*;
    use crate::json::{parse, parse_or_empty};
    use crate::rest::golden;

    const MADE: Timestamp = Timestamp::from_millis(0);

    fn approval() -> countersign_core::approval::Approval {
        countersign_core::approval::Approval {
            id: ApprovalId::parse("appr_1").unwrap(),
            org: OrgId::parse("org_1").unwrap(),
            agent: AgentId::parse("agent_1").unwrap(),
            session: Some("sess_1".into()),
            chain: ChainId::parse("sess_1").unwrap(),
            tool: "write_file".into(),
            effect: Known::Mutating,
            arguments: Digest::ZERO,
            summary: "notes.txt".into(),
            shown: Shown {
                check: CheckId::parse("chk_1").unwrap(),
                code: "tool_needs_approval".into(),
                advice: Some("more than the limit".into()),
                review: None,
                risk: Some(40),
                reasons: vec!["tool_new".into()],
                findings: vec!["call_spike".into()],
                tally: Tally { total: 3, read: 1, write: 1, denied: 1 },
                delegation_depth: 1,
            },
            status: Status::Pending,
            created_at: MADE,
            expires_at: MADE.plus(PENDING),
            decided_by: None,
            decided_key: None,
            decided_at: None,
            spent: false,
        }
    }

    #[test]
    fn a_pending_approval_is_spelled_as_published() {
        let pending = Approval::at(&approval(), MADE);
        let expected = json!({
            "id": "appr_1",
            "session_id": "sess_1",
            "agent_id": "agent_1",
            "org_id": "org_1",
            "action_name": "write_file",
            "action_effect": "mutating",
            "summary": "notes.txt",
            "facts": {
                "check_id": "chk_1",
                "code": "tool_needs_approval",
                "advice": "more than the limit",
                "risk": 40,
                "reasons": ["tool_new"],
                "findings": ["call_spike"],
                "calls": 3,
                "writes": 1,
                "denied": 1,
                "delegation_depth": 1,
            },
            "arguments_digest": "0".repeat(64),
            "status": "pending",
            "created_at": "1970-01-01T00:00:00.000Z",
            "expires_at": "1970-01-01T00:15:00.000Z",
        });
        golden::check(&pending, &expected);
        golden::check(&Approvals { approvals: vec![pending] }, &json!({"approvals": [expected]}));
    }

    #[test]
    fn a_decided_approval_says_who_spoke_and_for_how_long() {
        let by = Approver { name: "alice@example.com".into(), key: KeyId::parse("key_1").unwrap() };
        let decided = approval().decide(Answer::Approve, by, MADE).unwrap();
        let spelled = serde_json::to_value(Approval::at(&decided, MADE)).unwrap();
        golden::assert_rules("$", &spelled);
        assert_eq!(spelled["status"], "approved");
        assert_eq!(spelled["decided_by"], "alice@example.com");
        assert_eq!(spelled["granted_until"], "1970-01-01T00:05:00.000Z");
    }

    #[test]
    fn an_approval_nobody_answered_is_expired_without_being_written() {
        let late = Approval::at(&approval(), MADE.plus(PENDING));
        assert_eq!(late.status, ApprovalStatus::Expired);
    }

    #[test]
    fn a_decision_need_not_say_who_decides() {
        assert!(parse_or_empty::<ApprovalDecide>(b"").unwrap().decided_by.is_none());
        assert!(parse::<ApprovalDecide>(br#"{"decided_by":null}"#).unwrap().decided_by.is_none());
        assert_eq!(parse::<ApprovalDecide>(br#"{"decided_by":"sdk"}"#).unwrap().decided_by.unwrap(), "sdk");
    }
}
