//! `countersign trace`: Trust Records, and the keys that sign them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Subcommand;
use countersign_core::id::SessionId;
use countersign_engine::{Clock as _, SystemClock};
use countersign_evidence::trace::key::signing_key_from_pem;
use countersign_evidence::trace::revocation::{Statement, sign_bundle};

use crate::client::Client;
use crate::exit::Exit;
use crate::output;

/// Fetch Trust Records, and revoke the keys that sign them
#[derive(Debug, Subcommand)]
pub enum Trace {
    /// Print the Trust Record of a closed session
    Get {
        #[arg(value_parser = SessionId::parse)]
        session: SessionId,
        /// `v0.2`, or `v0.1` for readers that know no other
        #[arg(long, value_name = "PROFILE")]
        profile: Option<String>,
    },
    /// Print a bundle that revokes a key from a position of the log on
    ///
    /// Records of the key stand if their anchor is in the log at or before that position, whenever they say they were
    /// made. The bundle is signed by a key that stands above the revoked one, and kept apart from it.
    RevokeKey(RevokeKey),
}

#[derive(Debug, clap::Args)]
pub struct RevokeKey {
    /// The key to revoke: its RFC 7638 thumbprint, as `trace` entries name it
    #[arg(long, value_name = "THUMBPRINT")]
    key_id: String,
    /// The index of the last entry of the log at which its records stand
    #[arg(long, value_name = "INDEX")]
    last_valid_entry: u64,
    /// The log: the origin in its checkpoints
    #[arg(long, value_name = "ORIGIN")]
    log: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The file with the key that signs the bundle: Ed25519, PEM (PKCS#8)
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,
    /// For how many days the bundle may be relied on
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    valid_days: u64,
}

impl Trace {
    pub fn run(self, client: &Client) -> Result<Exit> {
        match self {
            Self::Get { session, profile } => {
                let record = client.get(&format!("/api/v1/sessions/{session}/trace"), &[("profile", profile)])?;
                output::json(&record)?;
            }
            Self::RevokeKey(order) => output::json(&order.bundle()?)?,
        }
        Ok(Exit::Done)
    }
}

impl RevokeKey {
    fn bundle(&self) -> Result<serde_json::Value> {
        let path = self.signing_key.display();
        let pem = std::fs::read_to_string(&self.signing_key).with_context(|| format!("cannot read `{path}`"))?;
        let key = signing_key_from_pem(&pem).map_err(|_| anyhow!("`{path}` is not an Ed25519 key as PEM (PKCS#8)"))?;
        let now = SystemClock::default().now();
        let (last, next) = (self.last_valid_entry.to_string(), self.last_valid_entry.saturating_add(1).to_string());
        let statement = Statement {
            compromised_key_id: &self.key_id,
            last_valid_entry_id: &last,
            revoked_after_entry: Some(&next),
            log_id: &self.log,
            reason: self.reason.as_deref(),
            revoked_at: u64::try_from(now.as_millis() / 1_000).ok(),
        };
        let statement = statement.sign(&key).context("the statement cannot be signed")?;
        let until = now.plus(Duration::from_hours(24 * self.valid_days));
        sign_bundle(&self.log, now, until, &[statement], &key).context("the bundle cannot be signed")
    }
}
