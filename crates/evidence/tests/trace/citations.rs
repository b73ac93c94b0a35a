//! Citations: the vectors, which refuse nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_evidence::trace::citation::Citation;
use countersign_evidence::trace::verify::{Demands, Trust, verify};
use serde_json::{Value, json};

use crate::vectors::{key, replay, same, seconds};

#[test]
fn the_citation_vectors_hold() {
    replay("citation-resolution", 16, |vector| {
        let trusted = key(vector, "/context/trusted_key");
        let objects = vector.pointer("/context/resolutions").and_then(Value::as_object);
        let look_up = |uri: &str| {
            let object = objects.and_then(|objects| objects.get(uri)?.get("bytes_base64")?.as_str());
            object.map(|text| STANDARD.decode(text).unwrap()).ok_or_else(|| "KeyError".to_owned())
        };
        let demands = Demands {
            resolver: objects.map(|_| &look_up as _),
            max_age: None,
            ..Demands::at(seconds(vector, "/context/now"))
        };
        let verdict = verify(vector.pointer("/records/0").unwrap(), Trust::Key(&trusted), &demands);
        let verified = verdict.verified().ok_or_else(|| format!("{verdict:?}"))?;
        for (surface, citation) in verified.citations.iter() {
            same(surface, &told(citation), &vector["expected"]["citations"][surface])?;
        }
        Ok(())
    });
}

/// A citation in the reference's words.
fn told(citation: &Citation) -> Value {
    match citation {
        Citation::Absent => json!({"outcome": "not_attempted", "cause": "field_absent", "evidence": {}}),
        Citation::NoResolver { .. } => json!({"outcome": "not_attempted", "cause": "no_resolver", "evidence": {}}),
        Citation::Unresolvable { uri, why } => {
            json!({"outcome": "unresolvable", "cause": "resolver_raised", "evidence": {"uri": uri, "exception": why}})
        }
        Citation::Resolved { uri, digest, length } => json!({
            "outcome": "resolved", "cause": null,
            "evidence": {"uri": uri, "sha256": digest.as_sha256().unwrap().to_string(), "bytes": length},
        }),
    }
}
