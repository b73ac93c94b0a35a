//! What is true and what is allowed.
//!
//! Everything here is a value or a pure function of values: the decision
//! ([`decide`]), the rules it reads, and the folds that change state. It
//! promises the same answer for the same arguments, on any machine. It never
//! reads a clock, draws a random number, opens a file or a socket, or logs.

pub mod agent;
pub mod approval;
pub mod behaviour;
pub mod breaker;
pub mod budget;
pub mod capability;
pub mod chain;
pub mod classify;
pub mod conclude;
pub mod decide;
pub mod delegation;
pub mod denial;
pub mod detect;
pub mod digest;
pub mod effect;
pub mod facts;
mod gates;
pub mod id;
pub mod limits;
pub mod risk;
pub mod role;
pub mod router;
pub mod seal;
pub mod session;
pub mod step;
pub mod taint;
pub mod time;

pub use decide::{Decision, Verdict, decide};
pub use denial::Denial;
pub use digest::Digest;
pub use effect::Effect;
pub use facts::{Action, Facts};
pub use time::Timestamp;
