//! TRACE: records of sessions that others can read and verify.
//!
//! A [Trust Record](record) says what one session was, under which policy it
//! ran and what it did, signed with Ed25519 over its RFC 8785 form. This module
//! writes records of v0.2 and verifies them, with their [`revocation`],
//! [`delegation`], [`anchor`]s and [`link`]s. It is pure: no clock, no file, no
//! network; the time, the keys and what is cited are arguments.
//!
//! ```
//! use countersign_evidence::trace::{json, verify};
//! use countersign_core::Timestamp;
//!
//! let record = json::read(br#"{"eat_profile":"tag:agentrust-io.com,2026:trace-v0.2"}"#)?;
//! let verdict = verify::verify(&record, verify::Trust::Embedded, &verify::Demands::at(Timestamp::from_millis(0)));
//! assert_eq!(verdict.refusal().map(verify::Refusal::code), Some("signature_missing"));
//! # Ok::<(), json::Refused>(())
//! ```
//!
//! Never: a claim that hardware attested something, or that a hash is of what
//! happened. What was not checked is part of every verdict.

pub mod action;
pub mod agt;
pub mod anchor;
pub mod citation;
pub mod delegation;
pub mod digest;
pub mod json;
pub mod key;
pub mod link;
pub mod mmr;
pub mod profile;
pub mod provenance;
pub mod record;
pub mod revocation;
pub mod schema;
pub mod transcript;
pub mod verify;
