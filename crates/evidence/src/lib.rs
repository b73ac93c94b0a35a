//! What can be proved.
//!
//! The record is a sequence of [entries](entry): canonical byte strings
//! (RFC 8785) that say what happened, each naming the digest of everything
//! recorded before it in its chain. [`verify`] replays them with nothing but
//! the entries themselves. Nothing here knows a protocol, a socket or a store;
//! an auditor builds only this.

pub mod entry;
pub mod event;
pub mod verify;

/// The canonical form (RFC 8785) of a JSON value.
pub fn canonical(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

/// The digest that stands for an action's arguments in entries and approvals:
/// SHA-256 over the canonical form of `{"input":…,"summary":…}`, where `input`
/// (given as JSON text) is left out if the surface knows none.
pub fn arguments_digest(
    summary: &str,
    input: Option<&str>,
) -> Result<countersign_core::Digest, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct Arguments<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<serde_json::Value>,
        summary: &'a str,
    }
    let input = input.map(serde_json::from_str).transpose()?;
    let arguments = Arguments { input, summary };
    // Without an input the members are in order and the only value is a string:
    // what serde_json prints is canonical already.
    let bytes = if arguments.input.is_none() { serde_json::to_vec(&arguments) } else { canonical(&arguments) };
    Ok(countersign_core::Digest::of(&bytes?))
}
