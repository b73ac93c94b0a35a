//! The golden rules for answers (G1 to G24 of the published clients), held
//! against every answer that any test gets.

use std::collections::HashSet;

use serde_json::Value;

use crate::world::Reply;

/// What the caller wrote and gets back as it was.
const THE_CALLERS_OWN: [&str; 2] = ["metadata", "restrictions"];

/// Members that are whole numbers in every published client.
const WHOLE_NUMBERS: [&str; 17] = [
    "latency_ms",
    "duration_ms",
    "expires_in",
    "batch_size",
    "flush_interval_seconds",
    "status_code",
    "total",
    "total_calls",
    "read_calls",
    "write_calls",
    "denied_calls",
    "events_processed",
    "agent_per_minute",
    "tool_per_minute",
    "position",
    "length",
    "index",
];

/// Members that hold a list and so are never anything else.
const LISTS: [&str; 19] = [
    "agents",
    "allowed_actions",
    "approvals",
    "audience",
    "blocked",
    "capabilities",
    "decisions",
    "delegation_chain",
    "delegations",
    "destinations",
    "filter_event_types",
    "keys",
    "logs",
    "orgs",
    "providers",
    "scope",
    "scopes",
    "scope_ceiling",
    "servers",
];

/// Stops the test if an answer breaks a rule.
pub fn hold(reply: &Reply) {
    let asked = &reply.asked;
    if asked.starts_with("HEAD ") {
        return;
    }
    let kind = reply.header("content-type");
    if reply.status.is_success() && asked.starts_with("GET /metrics") {
        return;
    }
    // G18, G22: every answer is a JSON object, the refusals too.
    assert_eq!(kind, "application/json", "{asked}: {}", reply.text());
    if asked == "GET /api/v1/openapi.json" && reply.status.is_success() {
        return;
    }
    // Read as strictly as a request: no key appears twice in its object.
    let strict: Result<Value, _> = countersign_wire::json::parse(&reply.body);
    let body = strict.unwrap_or_else(|why| panic!("{asked}: {why}: {}", reply.text()));
    let say = |what: &str, path: &str| format!("{asked}: `{path}` {what}: {body}");
    walk("", &body, &say);
    if reply.status.is_success() {
        check_is_consistent(&body, &say);
    } else if !asked.starts_with("GET /health") {
        refusal(&body, &say);
    }
}

type Say<'a> = dyn Fn(&str, &str) -> String + 'a;

fn walk(path: &str, value: &Value, say: &Say<'_>) {
    match value {
        // G1, G2, G6: what is absent is left out.
        Value::Null => panic!("{}", say("is null", path)),
        Value::Array(items) => items.iter().for_each(|item| walk(&format!("{path}[]"), item, say)),
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                member_holds(&path, name, member, say);
                if !THE_CALLERS_OWN.contains(&name.as_str()) {
                    walk(&path, member, say);
                }
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn member_holds(path: &str, name: &str, member: &Value, say: &Say<'_>) {
    // G3.
    let snake = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    assert!(snake, "{}", say("is not in snake case", path));
    // G4.
    if WHOLE_NUMBERS.contains(&name) {
        assert!(member.is_u64(), "{}", say("is not a whole number", path));
    }
    // G5.
    if name.ends_with("_at") || name == "time" || name == "granted_until" {
        let text = member.as_str().unwrap_or_default();
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{}", say("is no time in milliseconds", path));
    }
    // G1, G16. A chain is an object in a session, and an entry names it too.
    if LISTS.contains(&name) {
        assert!(member.is_array(), "{}", say("is not a list", path));
    }
    if THE_CALLERS_OWN.contains(&name) {
        assert!(member.is_object(), "{}", say("is not an object", path));
    }
    if name == "confidence" {
        let sure = member.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share));
        assert!(sure, "{}", say("is no share", path));
    }
    if name == "id" || name.ends_with("_id") {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let id = member.as_str().is_some_and(|id| !id.is_empty() && id.bytes().all(plain));
        assert!(id || name == "session_id", "{}", say("would have to be encoded in a path", path));
    }
}

/// G18: a refusal has `error`, `message` and `code`, all of them text, and nothing else, but for policies that are
/// wrong, which no published client sends.
fn refusal(body: &Value, say: &Say<'_>) {
    let mut members: HashSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    if body["code"] == "policies_invalid" {
        assert!(members.remove("faults") && body["faults"].is_array(), "{}", say("does not say what is wrong", "."));
    }
    assert_eq!(members, HashSet::from(["error", "message", "code"]), "{}", say("is no refusal", "."));
    for name in ["error", "message", "code"] {
        let text = body[name].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{}", say("is no text", name));
    }
    let code = body["code"].as_str().unwrap();
    let stable = code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    assert!(stable, "{}", say("is no stable code", "code"));
}

/// G20: whoever is allowed waits for nobody, and who waits knows for what.
fn check_is_consistent(body: &Value, say: &Say<'_>) {
    let Some(allowed) = body.get("allowed").and_then(Value::as_bool) else { return };
    let waits = body["elevation_required"] == true;
    assert!(!(allowed && waits), "{}", say("asks for an approval although it allows", "elevation_required"));
    assert_eq!(waits, body.get("approval_id").is_some(), "{}", say("is there only with an elevation", "approval_id"));
    assert_eq!(allowed, body.get("code").is_none(), "{}", say("is there only with a refusal", "code"));
}
