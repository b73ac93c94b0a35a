//! TRACE, held to the vectors and schemas its reference packages ship, and to
//! what is promised here beyond them.

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
mod revocations;
mod suite;
mod vectors;
mod verdicts;
mod tmp_uri;
