//! The published `agenttrustid` crate, unmodified, against a live Countersign server.

mod agents;
mod delegations;
mod errors;
mod federation;
mod guard;
mod mcp_servers;
mod quick_start;
mod revocation;
mod sessions_and_approvals;
mod siem;
mod tokens;
