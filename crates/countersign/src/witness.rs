//! Witnesses: asking them, and being one.
//!
//! A witness remembers what logs showed, and cosigns what only adds to it:
//! <https://c2sp.org/tlog-witness>. [`ask`] reaches those of our own log. For
//! whoever runs one, the decision is `evidence`'s
//! (`log::witness::Request::judge`); here are its [`memory`], on disk before a
//! cosignature goes out, and its [`routes`]. It never cosigns a tree that is not
//! known to continue the last one, and keeps as evidence what a log signed twice.

pub mod ask;
pub mod memory;
pub mod routes;
