//! One live Countersign server for a test process, and the callers that speak to it.
//!
//! Promises: a server that is handed out answers requests, and it ends when the test
//! process does, however that ends. Never looks for a binary anywhere but in the three
//! places it names, and never touches the SDK under test.

mod server;

pub use server::{Server, server};
