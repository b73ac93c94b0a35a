//! Reaching the witnesses of the log: one HTTP client for each.

use std::time::Duration;

use countersign_engine::{Cosign, Reply, Unreached, Witness};
use countersign_evidence::log::witness::Request;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::config;

/// How long a witness may take to answer. Publishing waits for less.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may be, in bytes.
const LONGEST: u64 = 16 << 10;

/// The configured witnesses, ready to be asked.
pub fn reach(witnesses: &[config::Witness]) -> Result<Vec<Witness>, String> {
    witnesses
        .iter()
        .map(|witness| Ok(Witness { key: witness.check()?, line: Box::new(Line::to(&witness.url)) }))
        .collect()
}

struct Line {
    agent: Agent,
    url: String,
}

impl Line {
    fn to(url: &str) -> Self {
        let base = url.trim_end_matches('/');
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let mut settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        // A proxy cannot reach this machine's own loopback.
        let host = base.split_once("://").map_or("", |(_, host)| host);
        if ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local)) {
            settings = settings.proxy(None);
        }
        Self { agent: settings.build().into(), url: format!("{base}/add-checkpoint") }
    }
}

impl Cosign for Line {
    fn add_checkpoint(&self, request: &Request) -> Result<Reply, Unreached> {
        let unreached = |why: ureq::Error| Unreached(why.to_string());
        let mut answer = self.agent.post(&self.url).send(request.to_string()).map_err(unreached)?;
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_string().map_err(unreached)?;
        Ok(Reply { status: answer.status().as_u16(), body })
    }
}
