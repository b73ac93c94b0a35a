//! What the HTTP surface promises, shown by asking it: every route, every
//! refusal, and everything that must never be said. No sockets and no waiting:
//! the router is called directly, on a store in memory, a clock that a test
//! moves and luck that repeats.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where what it was given is wrong"
)]

mod bodies;
mod canary;
mod checks;
mod content;
mod credentials;
mod dev_mode;
mod document;
mod golden;
mod later;
mod observability;
mod policies;
mod records;
mod rejections;
mod roles;
mod routes;
mod shapes;
mod tenancy;
mod world;
