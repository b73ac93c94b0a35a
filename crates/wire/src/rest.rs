//! Every message of the REST API, one file per resource.
//!
//! Requests are `Deserialize`: fields nobody knows are ignored, and `null` is
//! the same as leaving an optional field out. Responses hold to rules that
//! every published client can read: a list is never `null`, what is absent is
//! left out, a time has three fractional digits, and names are in snake case.
//! The comments on fields become the OpenAPI document.

pub mod accountability;
pub mod agent;
pub mod approval;
pub mod check;
pub mod content;
pub mod decision;
pub mod delegation;
pub mod destination;
pub mod error;
pub mod health;
pub mod key;
pub mod org;
pub mod policy;
pub mod provider;
pub mod server;
pub mod session;
pub mod stop;
pub mod telemetry;
pub mod token;
pub mod word;

#[cfg(test)]
mod golden;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to an order that was carried out and leaves nothing to tell.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// Always `true`.
    pub success: bool,
}

impl Default for Done {
    fn default() -> Self {
        Self { success: true }
    }
}

/// The patterns as text, in order.
fn texts(patterns: &[countersign_core::capability::Pattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}
