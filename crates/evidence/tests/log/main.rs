//! What a stranger can tell from a log: its tree, its tiles, its signed texts.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where what it was given is wrong")]

mod interop;
mod merkle;
mod notes;
mod receipts;
mod rotation;
mod sumdb;
mod tiles;
mod vectors;
mod witness;
mod world;
