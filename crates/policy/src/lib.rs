//! Policies that people can write and test: Cedar, and Rego that may only refuse, checked
//! when it is loaded.
//!
//! [`PolicySet::load`] makes a set of texts, or says everything that is wrong
//! with them by file, line and column. A [`Worker`] is one thread's copy of a
//! set and answers a [`Request`] with a [`Decision`]: a forbid beats a permit,
//! and a policy that fails while it is evaluated is never skipped.
//! [`cases`] tests a set. Nothing here reads a clock, a file or a socket.

mod annotations;
pub mod cases;
mod compiled;
mod condition;
mod decision;
mod difference;
mod fault;
mod full;
mod index;
mod obligation;
mod policy;
#[cfg(feature = "rego")]
mod rego;
mod related;
mod request;
mod schema;
mod set;
mod source;
mod texts;
mod tokens;
mod tools;
mod values;
mod warnings;
mod worker;

pub use decision::{Decision, Fallback, Outcome, PolicyError, Shadowed};
pub use difference::Difference;
pub use fault::{Fault, Severity};
pub use obligation::Obligation;
pub use policy::{Head, Kind, Policy};
#[cfg(feature = "rego")]
pub use rego::{Reading, read_rego};
pub use request::{Request, SessionFacts};
pub use schema::{text as schema, text_at as schema_at};
pub use set::{MAX_BYTES, MAX_POLICIES, MAX_POLICY_BYTES, PolicySet, split};
pub use source::{Source, format};
pub use texts::{Files, MAX_FILES, Texts};
pub use tools::{Tool, Tools};
pub use worker::{Trace, Worker};
