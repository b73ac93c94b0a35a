//! A recorded decision, told to whoever has to do something about it.

use std::fmt::Write as _;

use countersign_core::taint::Label;
use serde_json::Value;

use crate::output::visible;

/// A decision in plain words.
pub fn explain(decision: &Value) -> String {
    let text = |at: &str| decision.pointer(at).and_then(Value::as_str).map(visible);
    let field = |at: &str| text(at).unwrap_or_else(|| "something unnamed".into());
    let (tool, effect) = (field("/tool"), field("/effect"));
    let mut said = format!("At {}, agent {} asked to use `{tool}`", field("/time"), field("/agent_id"));
    if let Some(session) = text("/session_id") {
        let _ = write!(said, " in session {session}");
    }
    if let Some(key) = text("/key_id") {
        let _ = write!(said, ", with {key}");
    }
    let because = match (text("/word"), text("/entry/event/effect/by").as_deref()) {
        (Some(word), _) => format!("the word `{word}` in its name says so"),
        (None, Some("override")) => "an operator said so for this tool".into(),
        (None, Some("hint")) => "the caller said so, and that is worse than its name says".into(),
        (None, _) => "no word in its name is known, and what is unknown counts as mutating".into(),
    };
    let _ = write!(said, ".\n\nIts effect was judged `{effect}`: {because}");
    if let Some(raised) = text("/raised") {
        let whose = match raised.as_str() {
            "denial_rate" | "write_ratio" => "its session's",
            label if Label::parse(label).is_some() => "what it took in:",
            _ => "a",
        };
        let _ = write!(said, "; then one tier was added, because of {whose} {}", raised.replace('_', " "));
    }
    let gate = text("/gate").map_or_else(String::new, |gate| format!(" by the gate `{gate}`"));
    let verdict = match field("/verdict").as_str() {
        "allow" => "It was allowed: every gate let it pass".into(),
        "elevate" => format!("It was held back{gate} until a human approves it"),
        _ => format!("It was denied{gate}"),
    };
    let _ = write!(said, ".\n\n{verdict}");
    if let Some(reason) = text("/reason").filter(|_| field("/verdict") != "allow") {
        let _ = write!(said, ": {reason}");
    }
    said.push_str(".\n");
    if let Some(policies) = decision.pointer("/entry/event/policies") {
        policies.as_array().into_iter().flatten().for_each(|set| said.push_str(&of_policies(set)));
    }
    if let Some(risk) = decision.pointer("/entry/event/risk") {
        said.push_str(&of_risk(risk));
    }
    if let Some(content) = decision.pointer("/entry/event/content") {
        said.push_str(&of_content(content));
    }
    if let Some(review) = decision.pointer("/entry/event/review") {
        said.push_str(&of_review(review));
    }
    if let Some(approval) = text("/approval_id") {
        let _ = match field("/verdict").as_str() {
            "elevate" => writeln!(said, "\nTo approve it: countersign approval approve {approval}"),
            _ => writeln!(said, "\nThe approval {approval} covered it."),
        };
    }
    if let Some(code) = text("/code") {
        let _ = writeln!(said, "\nCode `{code}`. Who can change this, and how: docs/denials/{code}.md");
    }
    said
}

/// What was found in what the call said, and what was held against it, in plain words.
fn of_content(content: &Value) -> String {
    let list = |name: &str| content.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words = |name: &str| list(name).iter().filter_map(Value::as_str).map(visible).collect::<Vec<_>>().join(", ");
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).map(visible).unwrap_or_default();
    let mode = if text(content, "mode") == "watch" { " These are only watched." } else { "" };
    let mut said = String::new();
    for (name, what) in [("held", "It was judged with what was taken in"), ("added", "From here on it also counts")] {
        if !list(name).is_empty() {
            let _ = write!(said, "\n{what}: {}.", words(name));
        }
    }
    if !said.is_empty() {
        let _ = writeln!(said, "{mode}");
    }
    for finding in list("findings") {
        let (family, severity, at) = (text(finding, "family"), text(finding, "severity"), text(finding, "at"));
        let _ = writeln!(said, "Found: {family} ({severity}) at {at}");
    }
    said
}

/// What the deep reviewer said, in plain words.
fn of_review(review: &Value) -> String {
    let text = |name: &str| review.get(name).and_then(Value::as_str).map(visible);
    let who = text("model").or_else(|| text("reviewer")).unwrap_or_default();
    let confidence = review.get("confidence").and_then(Value::as_u64).unwrap_or_default();
    match (text("verdict"), text("failed")) {
        (Some(verdict), None) => {
            let why = text("reasoning").unwrap_or_default();
            format!("\nThe reviewer {who} said {verdict}, {confidence} % sure: {why}\n")
        }
        (_, why) => format!("\nThe reviewer {who} gave no answer that counts: {}.\n", why.unwrap_or_default()),
    }
}

/// How risky it was and what was unusual about it, in plain words.
fn of_risk(risk: &Value) -> String {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(visible).unwrap_or_default();
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
    let watched = |of: &Value| if text(of, "mode") == "watch" { " (only watched)" } else { "" };
    let list = |of: &Value, name: &str| of.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut said = String::new();
    if let Some(scored) = risk.get("scored") {
        let points = |one: &Value| format!("{} {}", text(one, "word").replace('_', " "), number(one, "points"));
        let reasons: Vec<_> = list(scored, "reasons").iter().map(points).collect();
        let (score, would) = (number(scored, "score"), text(scored, "would"));
        let _ = writeln!(
            said,
            "\nIts risk scored {score} of 100, which means {would}{}: {}.",
            watched(scored),
            reasons.join(", ")
        );
    }
    for finding in list(risk, "findings") {
        let (word, watched) = (text(&finding, "word").replace('_', " "), watched(&finding));
        let (measured, limit) = (number(&finding, "measured"), number(&finding, "limit"));
        let _ = writeln!(said, "\nUnusual for this agent{watched}: {word}, {measured} where {limit} is the limit.");
    }
    said
}

/// What one set of policies in force said, in plain words.
fn of_policies(policies: &Value) -> String {
    let text = |at: &str| policies.pointer(at).and_then(Value::as_str).map(visible).unwrap_or_default();
    let list = |at: &str| policies.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
    let names = |values: &[Value]| {
        let names = values.iter().filter_map(Value::as_str).map(|name| format!("`{}`", visible(name)));
        names.collect::<Vec<_>>().join(", ")
    };
    let by = names(&list("/by"));
    let whose = match text("/source").as_str() {
        "organisation" => "of the organisation ",
        _ => "",
    };
    let mut said = match text("/outcome").as_str() {
        "permit" => format!("\nPolicies {whose}permit it: {by}"),
        "forbid" => format!("\nPolicies {whose}forbid it: {by}"),
        "error" if by.is_empty() => format!("\nThe policies {whose}could not be asked, which refuses"),
        "error" => format!("\nPolicies {whose}that could apply failed, which refuses: {by}"),
        _ => format!("\nNo policy {whose}speaks of it"),
    };
    if policies.get("code").is_some() {
        let _ = write!(said, ", with the code `{}`", text("/code"));
    }
    let version = policies.get("version").and_then(Value::as_u64);
    let version = version.map_or_else(String::new, |version| format!("version {version}, "));
    let _ = writeln!(said, ". The set in force was {version}{}.", text("/set"));
    for watched in list("/shadow") {
        let of = |name: &str| watched.get(name).and_then(Value::as_str).map(visible).unwrap_or_default();
        let _ = writeln!(said, "The watched policy `{}` would have said: {}.", of("policy"), of("would"));
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_taken_in_is_told() {
        let said = explain(&json!({
            "check_id": "chk_1", "agent_id": "agent_1", "tool": "notes/create", "verdict": "elevate", "effect": "destructive",
            "raised": "untrusted_content", "gate": "approval",
            "entry": {"event": {"content": {
                "held": ["untrusted_content", "secret_seen"], "added": ["secret_seen"], "mode": "enforce",
                "findings": [{"at": "/arguments/key", "family": "jwt", "severity": "medium", "digest": "0"}],
            }}},
        }));
        assert!(said.contains("because of what it took in: untrusted content"), "{said}");
        assert!(said.contains("It was judged with what was taken in: untrusted_content, secret_seen."), "{said}");
        assert!(said.contains("From here on it also counts: secret_seen."), "{said}");
        assert!(said.contains("Found: jwt (medium) at /arguments/key"), "{said}");
    }

    #[test]
    fn a_raised_effect_and_an_approval_that_was_used_are_told() {
        let said = explain(&json!({
            "check_id": "chk_1", "time": "2026-11-21T08:00:00.000Z", "agent_id": "agent_1", "session_id": "mine",
            "tool": "get_x\u{1b}[2J", "verdict": "allow", "effect": "mutating", "word": "get",
            "raised": "denial_rate", "approval_id": "appr_1", "key_id": "key_1",
        }));
        assert_eq!(
            said,
            "At 2026-11-21T08:00:00.000Z, agent agent_1 asked to use `get_x\u{fffd}[2J` in session mine, with key_1.\n\n\
             Its effect was judged `mutating`: the word `get` in its name says so; then one tier was added, because of \
             its session's denial rate.\n\nIt was allowed: every gate let it pass.\n\nThe approval appr_1 covered it.\n"
        );
    }

    #[test]
    fn what_was_risky_and_unusual_is_told_with_what_it_did() {
        let said = explain(&json!({
            "time": "2026-11-21T08:00:00.000Z", "agent_id": "agent_1", "tool": "mail/send", "verdict": "elevate",
            "effect": "destructive", "raised": "tool_first_seen", "gate": "approval",
            "entry": { "event": { "effect": { "by": "unknown" }, "risk": {
                "findings": [{ "limit": 0, "measured": 1, "mode": "enforce", "word": "tool_first_seen" }],
                "scored": { "mode": "watch", "score": 55, "would": "elevate", "reasons": [
                    { "points": 15, "word": "effect" }, { "points": 40, "word": "session_denied" },
                ] },
            } } },
        }));
        let expected = "\nIts risk scored 55 of 100, which means elevate (only watched): effect 15, session denied 40.\n\n\
            Unusual for this agent: tool first seen, 1 where 0 is the limit.\n";
        assert!(said.contains(expected) && said.contains("because of a tool first seen"), "{said}");
    }

    #[test]
    fn what_the_reviewer_said_is_told_and_that_it_said_nothing() {
        let said = |review: Value| explain(&json!({ "entry": { "event": { "review": review } } }));
        let no = said(
            json!({ "reviewer": "openai", "model": "m-1", "verdict": "deny", "confidence": 9, "reasoning": "no\u{1b}" }),
        );
        assert!(no.contains("The reviewer m-1 said deny, 9 % sure: no\u{fffd}"), "{no}");
        let none = said(json!({ "reviewer": "openai", "failed": "timed_out" }));
        assert!(none.contains("The reviewer openai gave no answer that counts: timed_out."), "{none}");
    }

    #[test]
    fn the_policies_that_decided_are_named() {
        let said = explain(&json!({
            "time": "2026-11-21T08:00:00.000Z", "agent_id": "agent_1", "tool": "pay/transfer", "verdict": "deny",
            "effect": "mutating", "gate": "policy", "code": "policy_forbids", "reason": "a policy forbids this action",
            "entry": { "event": { "effect": { "by": "unknown" }, "policies": [{
                "by": ["large", "evening"], "code": "over_limit", "outcome": "forbid", "set": "00",
                "shadow": [{ "policy": "draft", "would": "permit" }], "source": "operator",
            }, { "by": [], "outcome": "none", "set": "01", "source": "organisation", "version": 4 }] } },
        }));
        let expected = "\nPolicies forbid it: `large`, `evening`, with the code `over_limit`. The set in force was 00.\n\
            The watched policy `draft` would have said: permit.\n\
            \nNo policy of the organisation speaks of it. The set in force was version 4, 01.\n";
        assert!(said.contains(expected), "{said}");
    }
}
