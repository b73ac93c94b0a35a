//! How the world spells it: bytes become types, and types become bytes.
//!
//! [`json`] reads a request body strictly, [`rest`] names every message of the
//! REST API, and [`credential`] reads what a caller presents. It promises that
//! every byte either becomes a type or a named error, and that no error, debug
//! text or response repeats a secret it was given. It does no I/O and holds no
//! rule about who may do what.

pub mod credential;
pub mod json;
pub mod raw;
pub mod rest;
pub mod secret;
mod spelling;
pub mod time;
