//! The gates: each one rule, pure, in its own file. Their order is
//! `decide::GATES`.

pub(crate) mod approval;
pub(crate) mod behaviour;
pub(crate) mod breaker;
pub(crate) mod capability;
pub(crate) mod data;
pub(crate) mod delegation;
pub(crate) mod identity;
pub(crate) mod invariants;
pub(crate) mod kill;
pub(crate) mod limits;
pub(crate) mod policy;
pub(crate) mod reach;
pub(crate) mod risk;
pub(crate) mod session;
