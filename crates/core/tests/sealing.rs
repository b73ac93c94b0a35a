//! A value whose seal holds is the value that was sealed: changing any field,
//! as one who can write to the store could, breaks the tag.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where what it was given is wrong")]

use countersign_core::approval::{self, Approval, Shown};
use countersign_core::capability::Pattern;
use countersign_core::chain::Tally;
use countersign_core::delegation::Delegation;
use countersign_core::id::{
    AgentId, ApprovalId, ChainId, CheckId, DelegationId, KeyId, OrgId, ServerId, SessionId, TokenId,
};
use countersign_core::seal::{Fields, Seal, SealKey, Sealed};
use countersign_core::session::{Mode, Session, Source, Token};
use countersign_core::{Digest, Effect, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn key() -> SealKey {
    SealKey::new([7; 32])
}

fn patterns() -> Vec<Pattern> {
    vec![Pattern::new("a/get"), Pattern::new("b/*")]
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn session() -> Session {
    Session {
        id: SessionId::parse("sess_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("bot").unwrap(),
        source: Source::Mcp,
        server: Some(ServerId::parse("srv_1").unwrap()),
        token: Some(TokenId::parse("tok_1").unwrap()),
        delegation: Some(DelegationId::parse("del_1").unwrap()),
        ceiling: patterns(),
        mode: Mode::ReadOnly,
        created_at: at(1000),
        expires_at: at(2000),
        closed_at: Some(at(1500)),
    }
}

fn token() -> Token {
    Token {
        id: TokenId::parse("tok_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("bot").unwrap(),
        scopes: patterns(),
        session: Some(SessionId::parse("sess_1").unwrap()),
        issued_at: at(1000),
        expires_at: at(2000),
        revoked_at: Some(at(1500)),
    }
}

fn delegation() -> Delegation {
    Delegation {
        id: DelegationId::parse("del_2").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        from: AgentId::parse("lender").unwrap(),
        to: AgentId::parse("bot").unwrap(),
        scope: patterns(),
        parent: Some(DelegationId::parse("del_1").unwrap()),
        restrictions: "{}".to_owned(),
        created_at: at(1000),
        expires_at: at(2000),
        revoked_at: Some(at(1500)),
    }
}

fn approval() -> Approval {
    Approval {
        id: ApprovalId::parse("appr_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("bot").unwrap(),
        session: Some("run 7".to_owned()),
        chain: ChainId::parse("sess_1").unwrap(),
        tool: "a/get".to_owned(),
        effect: Effect::Mutating,
        arguments: Digest::ZERO,
        summary: "reads a".to_owned(),
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
        status: approval::Status::Denied,
        created_at: at(1000),
        expires_at: at(2000),
        decided_by: Some("Ada".to_owned()),
        decided_key: Some(KeyId::parse("key_1").unwrap()),
        decided_at: Some(at(1500)),
        spent: true,
    }
}

/// Every word that some enumeration in a sealed value knows.
const WORDS: &str = "mcp api a2a read_only standard read mutating destructive admin pending approved denied expired";

/// What one who can write to the store might put in the place of `value`.
fn forgeries(value: &Value) -> Vec<Value> {
    let mut forged = vec![json!(null), json!(""), json!("x"), json!(0), json!(1), json!(true), json!(false), json!([])];
    forged.extend(WORDS.split(' ').map(|word| json!(word)));
    match value {
        Value::String(text) => {
            forged.extend([json!(format!("{text}x")), json!(format!("x{text}")), json!(text.to_uppercase())]);
            forged.push(json!(Digest::of(text.as_bytes())));
        }
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            forged.extend([json!(number + 1), json!(number - 1), json!(-number), json!(i64::MAX)]);
        }
        Value::Array(items) => {
            let reversed: Vec<_> = items.iter().rev().collect();
            let longer: Vec<_> = items.iter().cloned().chain([json!("*")]).collect();
            let joined: String = items.iter().filter_map(Value::as_str).collect();
            forged.extend([json!(reversed), json!(longer), json!(items[1..]), json!([joined]), json!(["*"])]);
            forged.push(json!(items.iter().cloned().chain([json!("")]).collect::<Vec<_>>()));
        }
        Value::Object(members) => {
            for (member, was) in members {
                for new in forgeries(was) {
                    let mut other = members.clone();
                    other.insert(member.clone(), new);
                    forged.push(Value::Object(other));
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    forged.retain(|f| f != value);
    forged
}

/// Tries every forgery of every field of `value`, read back as the store reads it.
fn every_field_is_sealed<T: Seal + Serialize + DeserializeOwned>(value: T) {
    let sealed = serde_json::to_value(Sealed::new(value, &key())).unwrap();
    let honest: Sealed<T> = serde_json::from_value(sealed.clone()).unwrap();
    assert!(honest.open(&key()).is_some());
    for (field, was) in sealed["value"].as_object().unwrap() {
        let mut tried = 0;
        for forged in forgeries(was) {
            let mut stored = sealed.clone();
            stored["value"][field] = forged.clone();
            // Most forgeries are of another type and do not even read.
            if let Ok(read) = serde_json::from_value::<Sealed<T>>(stored) {
                tried += 1;
                assert!(read.open(&key()).is_none(), "`{field}` can be changed from {was} to {forged}");
            }
        }
        assert!(tried > 0, "nothing was tried in the place of `{field}`");
    }
}

/// Swaps the values of every two fields of `value`, where the result reads.
fn no_two_fields_can_be_swapped<T: Seal + Serialize + DeserializeOwned>(value: T) {
    let sealed = serde_json::to_value(Sealed::new(value, &key())).unwrap();
    let fields: Vec<_> = sealed["value"].as_object().unwrap().iter().collect();
    let mut tried = 0;
    for (one, a) in &fields {
        for (two, b) in fields.iter().filter(|(_, b)| a != b) {
            let mut stored = sealed.clone();
            stored["value"][one] = (*b).clone();
            stored["value"][two] = (*a).clone();
            if let Ok(read) = serde_json::from_value::<Sealed<T>>(stored) {
                tried += 1;
                assert!(read.open(&key()).is_none(), "`{one}` and `{two}` can be swapped");
            }
        }
    }
    assert!(tried > 0);
}

#[test]
fn changing_any_field_of_a_session_breaks_its_tag() {
    every_field_is_sealed(session());
    every_field_is_sealed(Session { server: None, token: None, delegation: None, closed_at: None, ..session() });
}

#[test]
fn changing_any_field_of_a_token_breaks_its_tag() {
    every_field_is_sealed(token());
    every_field_is_sealed(Token { session: None, revoked_at: None, ..token() });
}

#[test]
fn changing_any_field_of_a_delegation_breaks_its_tag() {
    every_field_is_sealed(delegation());
    every_field_is_sealed(Delegation { parent: None, revoked_at: None, ..delegation() });
}

#[test]
fn changing_any_field_of_an_approval_breaks_its_tag() {
    every_field_is_sealed(approval());
    let pending = Approval {
        session: None,
        status: approval::Status::Pending,
        decided_by: None,
        decided_key: None,
        decided_at: None,
        spent: false,
        ..approval()
    };
    every_field_is_sealed(pending);
}

#[test]
fn no_two_fields_of_a_sealed_value_can_be_swapped() {
    no_two_fields_can_be_swapped(session());
    no_two_fields_can_be_swapped(token());
    no_two_fields_can_be_swapped(delegation());
    no_two_fields_can_be_swapped(approval());
}

#[test]
fn no_part_of_a_text_can_move_into_the_field_beside_it() {
    let mut stored = serde_json::to_value(Sealed::new(approval(), &key())).unwrap();
    (stored["value"]["org"], stored["value"]["agent"]) = (json!("acm"), json!("ebot"));
    let read: Sealed<Approval> = serde_json::from_value(stored).unwrap();
    assert!(read.open(&key()).is_none());
}

#[test]
fn the_tag_of_one_value_does_not_open_another() {
    let one = serde_json::to_value(Sealed::new(session(), &key())).unwrap();
    let mut two =
        serde_json::to_value(Sealed::new(Session { ceiling: vec![Pattern::new("*")], ..session() }, &key())).unwrap();
    two["tag"] = one["tag"].clone();
    let read: Sealed<Session> = serde_json::from_value(two).unwrap();
    assert!(read.open(&key()).is_none());
}

#[test]
fn a_tag_made_with_another_key_opens_nothing() {
    let sealed = Sealed::new(session(), &key());
    let mut other = [7; 32];
    other[31] = 8;
    assert!(sealed.open(&SealKey::new(other)).is_none());
    assert!(sealed.open(&SealKey::new([0; 32])).is_none());
}

#[test]
fn a_key_does_not_print_itself() {
    assert_eq!(format!("{:?}", key()), "SealKey(…)");
}

#[derive(Serialize)]
struct Letter(&'static str);

impl Seal for Letter {
    fn feed(&self, fields: &mut Fields) {
        fields.text(self.0);
    }
}

#[test]
fn a_tag_is_hmac_sha_256_over_fields_that_carry_their_length() {
    let sealed = serde_json::to_value(Sealed::new(Letter("a"), &key())).unwrap();
    // Python: hmac.new(b"\x07" * 32, (1).to_bytes(8, "big") + b"a", "sha256").hexdigest()
    assert_eq!(sealed["tag"], "0eff5865c6601ac7c16849c20a20547c55637abc83d589476c630c8fb6394be6");
}
