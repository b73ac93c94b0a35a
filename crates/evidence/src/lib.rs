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
