//! Tiers of the Guardian in processes of their own: what they say to one another,
//! who asks and who answers. `docs/reference/guardian.md` is the protocol.

pub mod ask;
pub mod key;
pub mod line;
pub mod routes;
pub mod wire;
