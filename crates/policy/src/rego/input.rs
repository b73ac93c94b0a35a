//! A request as Rego's `input`: the same that Cedar sees, as JSON.

use countersign_core::behaviour::Suspicion;
use countersign_core::session::Mode;
use serde_json::{Value, json};

use crate::request::{Clock, Request, SessionFacts};

/// `request` as a document. What it has not is not there: `server`, `session`.
pub(crate) fn document(request: &Request<'_>) -> Value {
    let Clock { hour, minute, weekday } = request.clock();
    let mut document = json!({
        "organisation": request.organisation,
        "agent": {"id": request.agent, "name": request.agent_name},
        "tool": request.tool,
        "effect": request.effect.as_str(),
        "arguments": request.arguments,
        "delegation_depth": request.delegation_depth,
        "trust": request.trust,
        "behaviour": {
            "probing": request.suspicion == Some(Suspicion::DenialRate),
            "bursting": request.suspicion == Some(Suspicion::WriteRatio),
        },
        "time": {"at": request.now.to_string(), "hour": hour, "minute": minute, "weekday": weekday},
        "taint": request.taint,
    });
    if let Value::Object(members) = &mut document {
        members.extend(request.server().map(|server| ("server".to_owned(), json!(server))));
        members.extend(request.session.map(|facts| ("session".to_owned(), session(&facts))));
    }
    document
}

fn session(facts: &SessionFacts<'_>) -> Value {
    let mode = match facts.mode {
        Mode::ReadOnly => "read_only",
        Mode::Standard => "standard",
    };
    let tally = &facts.tally;
    json!({
        "id": facts.id, "mode": mode,
        "calls": tally.total, "reads": tally.read, "writes": tally.write, "denied": tally.denied,
    })
}
