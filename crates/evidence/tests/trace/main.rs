//! TRACE, held to the vectors and schemas its reference packages ship, and to
//! what is promised here beyond them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where what it was given is wrong"
)]

mod actions;
mod agt;
mod anchors;
mod chains;
mod citations;
mod json;
mod links;
mod oracle;
mod ranges;
mod records;
mod referents;
mod revocations;
mod suite;
mod vectors;
mod verdicts;
