//! Reviewers that speak the real wire formats: right, slow, wrong, hostile and cut short.
#![cfg(test)]

mod forms;
mod hostile;
mod limits;
mod stub;
mod told;

/// The kinds of reviewers that are asked over HTTP.
const KINDS: [&str; 3] = ["anthropic", "openai", "external"];
