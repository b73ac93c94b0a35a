//! What the engine promises to whoever calls it, shown from outside: with a
//! clock that stands still, luck that repeats, and a ledger that can be held
//! and cut off. Nothing here sleeps.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where what it was given is wrong"
)]

mod agents;
mod budgets;
mod checks;
mod content;
mod counters;
mod decisions;
mod deep;
mod delegations;
mod durability;
mod elevation;
mod guardian;
mod keys;
mod laws;
mod limits;
mod luck;
mod organisations;
mod payloads;
mod policies;
mod publishing;
mod records;
mod restarts;
mod revocation;
mod servers;
mod sessions;
mod sweeping;
mod tap;
mod tiers;
mod tokens;
mod traces;
mod world;
