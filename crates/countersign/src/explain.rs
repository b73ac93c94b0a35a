//! A recorded decision, told to whoever has to do something about it.

use std::fmt::Write as _;

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
        let _ = write!(said, "; then one tier was added, because of its session's {}", raised.replace('_', " "));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
