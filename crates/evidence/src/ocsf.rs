//! Entries as OCSF events, for those who collect events in that schema.
//!
//! The Open Cybersecurity Schema Framework (<https://schema.ocsf.io>), version
//! 1.8.0; `docs/reference/ocsf.md` has the mapping in a table. What OCSF 1.8.0
//! has no place for, such as the entry's place in its chain, is in `unmapped`.
//! `raw_data` is the entry, exactly, so an event can be led back to the log.

use countersign_core::{Digest, Timestamp};
use serde_json::{Map, Value, json};

use crate::entry::Entry;

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// Why there is no event for an entry.
#[derive(Debug, thiserror::Error)]
pub enum NoEvent {
    /// It is not an entry.
    #[error("not an entry: {0}")]
    NotAnEntry(#[from] serde_json::Error),
    /// Its time is not one.
    #[error("its time is malformed")]
    Time,
}

/// A class of events and what is done in it.
struct Class {
    category: u32,
    uid: u32,
    activity: u32,
}

impl Class {
    /// Application Activity: API Activity.
    const fn api(activity: u32) -> Self {
        Self { category: 6, uid: 6003, activity }
    }

    /// Identity and Access Management: Authentication, Authorize Session or
    /// Entity Management.
    const fn iam(uid: u32, activity: u32) -> Self {
        Self { category: 3, uid, activity }
    }
}

const OTHER: u32 = 99;

/// The event of the entry at `index` in the log; `version` is the program's.
pub fn event(entry: &[u8], index: u64, version: &str) -> Result<Value, NoEvent> {
    let read = Entry::read(entry)?;
    let said: Value = serde_json::from_str(read.event.get())?;
    let time = Timestamp::parse(read.time).map_err(|_| NoEvent::Time)?;
    let (class, own) = match read.kind {
        "decision" => decision(&said),
        "outcome" => outcome(&said),
        "approval" => approval(&said),
        "revocation" | "change" => change(read.kind, &said),
        "publication" => publication(&said),
        "rejection" => rejection(&said),
        "trace" => made("trace record", at(&said, "/record"), 1),
        "log_key" => made("log key", at(&said, "/vkey"), if said.get("previous").is_some() { 3 } else { 1 }),
        // What this mapping does not know is still an event.
        _ => (Class { category: 0, uid: 0, activity: OTHER }, json!({ "severity_id": 1 })),
    };
    let id = at(&said, "/id").filter(|_| read.kind == "decision");
    let mut event = json!({
        "activity_id": class.activity,
        "category_uid": class.category,
        "class_uid": class.uid,
        "type_uid": class.uid * 100 + class.activity,
        "time": time.as_millis(),
        "metadata": {
            "version": VERSION,
            "product": { "name": "Countersign", "vendor_name": "Countersign", "version": version },
            "profiles": ["security_control"],
            "event_code": read.kind,
            "log_format": read.format,
            "log_name": "countersign",
            "original_time": read.time,
            "sequence": index,
            "uid": id.map_or_else(|| format!("{}#{}", read.chain.id, read.chain.index), str::to_owned),
        },
        "raw_data": String::from_utf8_lossy(entry),
        "unmapped": {
            "chain": { "id": read.chain.id, "index": read.chain.index, "prev": read.chain.prev.to_string() },
            "entry_sha256": Digest::of(entry).to_string(),
            "event": said,
        },
    });
    let members = own.as_object().cloned().unwrap_or_default();
    merge(&mut event, members);
    if let Some(metadata) = event.get_mut("metadata").and_then(Value::as_object_mut) {
        let session = at(&said, "/session").or_else(|| read.chain.id.starts_with("sess_").then_some(read.chain.id));
        insert(metadata, "correlation_uid", id.or(session));
        insert(metadata, "tenant_uid", read.org);
    }
    Ok(event)
}

fn decision(said: &Value) -> (Class, Value) {
    let effect = at(said, "/effect/final").unwrap_or_default();
    let activity = match effect {
        "read" => 2,
        "mutating" => 3,
        "destructive" => 4,
        _ => OTHER,
    };
    let verdict = at(said, "/verdict").unwrap_or_default();
    // What waits for a human is neither allowed nor refused: it is delayed.
    let (action, disposition, status, severity) = match verdict {
        "allow" => (1, 1, 1, 1),
        "deny" => (2, 2, 2, 2),
        _ => (OTHER, 14, 99, 1),
    };
    let mut policy = Map::new();
    insert(&mut policy, "name", at(said, "/gate"));
    insert(&mut policy, "uid", at(said, "/code"));
    let mut own = json!({
        "severity_id": severity,
        "action_id": action,
        "disposition_id": disposition,
        "status_id": status,
        "actor": actor(said),
        "api": { "operation": at(said, "/action/tool").unwrap_or("unknown"), "service": { "name": effect } },
        "src_endpoint": {
            "uid": at(said, "/by").unwrap_or("unknown"), "svc_name": at(said, "/action/source").unwrap_or("unknown"),
        },
        "message": format!("{verdict}: {}", at(said, "/action/tool").unwrap_or("unknown")),
    });
    if let Some(members) = own.as_object_mut() {
        insert(members, "status_code", at(said, "/code"));
        let mut authorization = Map::from_iter([("decision".to_owned(), verdict.into())]);
        if !policy.is_empty() {
            members.insert("policy".to_owned(), Value::Object(policy.clone()));
            authorization.insert("policy".to_owned(), Value::Object(policy));
        }
        if let Some(actor) = members.get_mut("actor").and_then(Value::as_object_mut) {
            actor.insert("authorizations".to_owned(), json!([authorization]));
        }
    }
    (Class::api(activity), own)
}

fn outcome(said: &Value) -> (Class, Value) {
    let status = match said.get("success").and_then(Value::as_bool) {
        Some(true) => 1,
        Some(false) => 2,
        None => 0,
    };
    let tool = at(said, "/tool").unwrap_or("unknown");
    let mut own = json!({
        "severity_id": 1,
        // Nobody but the agent says that this happened.
        "action_id": 3,
        "status_id": status,
        "actor": actor(said),
        "api": { "operation": tool },
        "src_endpoint": { "uid": at(said, "/by").unwrap_or("unknown") },
        "message": format!("reported {}: {tool}", at(said, "/event_type").unwrap_or("outcome")),
    });
    if let Some(members) = own.as_object_mut() {
        insert(members, "status_detail", at(said, "/error_type"));
        if let Some(duration) = said.get("duration_ms").filter(|duration| duration.is_u64()) {
            members.insert("duration".to_owned(), duration.clone());
        }
    }
    (Class::api(OTHER), own)
}

fn approval(said: &Value) -> (Class, Value) {
    let is_approved = at(said, "/status") == Some("approved");
    let tool = at(said, "/tool").unwrap_or("unknown");
    let mut own = json!({
        "severity_id": 1,
        "action_id": if is_approved { 1 } else { 2 },
        "disposition_id": if is_approved { 8 } else { 25 },
        "status_id": if is_approved { 1 } else { 2 },
        "actor": { "user": { "uid": at(said, "/by").unwrap_or("unknown"), "name": at(said, "/name").unwrap_or("unknown") } },
        "user": { "uid": at(said, "/agent").unwrap_or("unknown"), "type_id": 4 },
        "privileges": [tool],
        "message": format!("{}: {tool}", at(said, "/status").unwrap_or("answered")),
    });
    if let (Some(members), Some(session)) = (own.as_object_mut(), at(said, "/session")) {
        members.insert("session".to_owned(), json!({ "uid": session }));
    }
    (Class::iam(3003, 1), own)
}

fn change(kind: &str, said: &Value) -> (Class, Value) {
    let verb = at(said, "/verb").unwrap_or_default();
    let noun = at(said, "/noun").unwrap_or("unknown");
    let activity = match verb {
        "create" | "issue" | "start" => 1,
        "update" => 3,
        "delete" | "revoke" => 4,
        "lift" => 8,
        "stop" => 9,
        "close" => 11,
        "suspend" => 12,
        "resume" => 13,
        _ => OTHER,
    };
    let id = at(said, "/id").filter(|id| !id.is_empty());
    let mut own = json!({
        "severity_id": if kind == "revocation" { 2 } else { 1 },
        "status_id": 1,
        "actor": { "app_uid": at(said, "/by").unwrap_or("unknown") },
        "entity": { "name": noun, "type": noun, "type_id": OTHER, "uid": id.unwrap_or(noun) },
        "message": format!("{verb} {noun}"),
    });
    if let Some(members) = own.as_object_mut() {
        insert(members, "comment", at(said, "/reason"));
    }
    (Class::iam(3004, activity), own)
}

/// Policies that an organisation published (activity 3) or took away (4).
fn publication(said: &Value) -> (Class, Value) {
    let set = at(said, "/set");
    let (verb, activity) = if set.is_some() { ("publish", 3) } else { ("withdraw", 4) };
    let mut own = json!({
        "severity_id": 1,
        "status_id": 1,
        "actor": { "app_uid": at(said, "/by").unwrap_or("unknown") },
        "entity": { "name": "policies", "type": "policies", "type_id": OTHER, "uid": set.unwrap_or("none") },
        "message": format!("{verb} policies"),
    });
    if let Some(members) = own.as_object_mut() {
        insert(members, "comment", at(said, "/note"));
    }
    (Class::iam(3004, activity), own)
}

/// What the server itself made (activity 1) or replaced (3).
fn made(what: &str, id: Option<&str>, activity: u32) -> (Class, Value) {
    let verb = if activity == 1 { "create" } else { "update" };
    let own = json!({
        "severity_id": 1,
        "status_id": 1,
        "actor": { "app_uid": "countersign" },
        "entity": { "name": what, "type": what, "type_id": OTHER, "uid": id.unwrap_or("unknown") },
        "message": format!("{verb} {what}"),
    });
    (Class::iam(3004, activity), own)
}

fn rejection(said: &Value) -> (Class, Value) {
    let code = at(said, "/code").unwrap_or("unknown");
    let mut own = json!({
        "severity_id": 3,
        "action_id": 2,
        "disposition_id": 26,
        "status_id": 2,
        "status_code": code,
        "logon_type_id": 3,
        "auth_protocol": at(said, "/credential").unwrap_or("unknown"),
        "auth_protocol_id": OTHER,
        "service": { "name": at(said, "/route").unwrap_or("unknown") },
        "user": { "name": "unknown", "type_id": 0 },
        "message": format!("credential refused: {code}"),
    });
    if let (Some(members), Some(peer)) = (own.as_object_mut(), at(said, "/peer")) {
        members.insert("src_endpoint".to_owned(), json!({ "ip": peer }));
    }
    (Class::iam(3002, 1), own)
}

/// The agent, and the session it acts in.
fn actor(said: &Value) -> Value {
    let mut actor = json!({ "app_uid": at(said, "/agent").unwrap_or("unknown"), "app_name": "agent" });
    if let (Some(members), Some(session)) = (actor.as_object_mut(), at(said, "/session")) {
        members.insert("session".to_owned(), json!({ "uid": session }));
    }
    actor
}

fn at<'a>(said: &'a Value, pointer: &str) -> Option<&'a str> {
    said.pointer(pointer).and_then(Value::as_str)
}

/// Puts a member where there is something to say; OCSF knows no null.
fn insert(members: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value.into());
    }
}

fn merge(event: &mut Value, own: Map<String, Value>) {
    if let Some(members) = event.as_object_mut() {
        members.extend(own);
    }
}
