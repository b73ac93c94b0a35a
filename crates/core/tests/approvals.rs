//! How a request for approval is answered, once, in time.

#![expect(clippy::unwrap_used, reason = "a test stops where what it was given is wrong")]

use countersign_core::approval::{AlreadyDecided, Answer, Approval, Approver, PENDING, Shown, Status};
use countersign_core::id::{AgentId, ApprovalId, ChainId, CheckId, KeyId, OrgId};
use countersign_core::{Digest, Effect, Timestamp};

const MADE: Timestamp = Timestamp::from_millis(1_000_000);
const LAST: Timestamp = Timestamp::from_millis(1_000_000 + 15 * 60 * 1000 - 1);
const OVER: Timestamp = Timestamp::from_millis(1_000_000 + 15 * 60 * 1000);

fn request() -> Approval {
    Approval {
        id: ApprovalId::parse("appr_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("bot").unwrap(),
        session: Some("sess_1".to_owned()),
        chain: ChainId::parse("sess_1").unwrap(),
        tool: "db/drop".to_owned(),
        effect: Effect::Destructive,
        arguments: Digest::ZERO,
        summary: "drops".to_owned(),
        shown: Shown::new(CheckId::parse("chk_1").unwrap(), "tool_needs_approval"),
        status: Status::Pending,
        created_at: MADE,
        expires_at: MADE.plus(PENDING),
        decided_by: None,
        decided_key: None,
        decided_at: None,
        spent: false,
    }
}

fn ada() -> Approver {
    Approver { name: "Ada".to_owned(), key: KeyId::parse("key_1").unwrap() }
}

#[test]
fn a_request_waits_fifteen_minutes_and_not_a_millisecond_longer() {
    assert_eq!(request().status_at(LAST), Status::Pending);
    assert_eq!(request().status_at(OVER), Status::Expired);
    assert!(request().decide(Answer::Approve, ada(), LAST).is_ok());
    assert_eq!(request().decide(Answer::Approve, ada(), OVER).unwrap_err(), AlreadyDecided(Status::Expired));
}

#[test]
fn an_answer_remembers_who_spoke_with_which_key_and_when() {
    let yes = request().decide(Answer::Approve, ada(), LAST).unwrap();
    assert_eq!(yes.status, Status::Approved);
    assert_eq!(
        (yes.decided_by.as_deref(), yes.decided_key, yes.decided_at),
        (Some("Ada"), Some(ada().key), Some(LAST))
    );
    assert_eq!(request().decide(Answer::Deny, ada(), MADE).unwrap().status, Status::Denied);
}

#[test]
fn nobody_answers_twice() {
    for (first, status) in [(Answer::Approve, Status::Approved), (Answer::Deny, Status::Denied)] {
        for second in [Answer::Approve, Answer::Deny] {
            let answered = request().decide(first, ada(), MADE).unwrap();
            assert_eq!(answered.decide(second, ada(), MADE).unwrap_err(), AlreadyDecided(status));
        }
    }
}

#[test]
fn an_answer_stands_though_the_request_has_run_out_since() {
    let yes = request().decide(Answer::Approve, ada(), LAST).unwrap();
    assert_eq!(yes.status_at(OVER), Status::Approved);
    assert!(yes.grants(Effect::Destructive, OVER));
}

#[test]
fn only_an_answer_grants_or_refuses() {
    for status in [Status::Pending, Status::Expired] {
        // A store could hold a time of decision without a decision.
        let odd = Approval { status, decided_at: Some(MADE), ..request() };
        assert!(!odd.grants(Effect::Read, MADE) && !odd.refuses(MADE) && odd.granted_until().is_none(), "{status:?}");
    }
    let odd = Approval { status: Status::Approved, decided_at: None, ..request() };
    assert!(!odd.grants(Effect::Read, MADE));
}

#[test]
fn the_session_of_a_request_is_named_only_where_the_server_issued_it() {
    assert_eq!(request().server_session().unwrap().as_str(), "sess_1");
    for other in [None, Some("run-7".to_owned()), Some("sess_ 1".to_owned())] {
        assert!(Approval { session: other, ..request() }.server_session().is_none());
    }
}
