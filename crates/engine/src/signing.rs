//! What signs Trust Records, and what they say of the server.

use countersign_evidence::trace::agt::{InvalidConfig, Settings};
use countersign_evidence::trace::digest::TaggedDigest;
use countersign_evidence::trace::key::SigningKey;
use serde_json::{Map, Value};

/// Receives every record once it is kept: the session, when it was issued in
/// seconds since 1970, and the record.
pub type Sink = Box<dyn Fn(&str, u64, &Value) + Send + Sync>;

/// What records say that a session does not know.
pub struct Tracing {
    /// The key that signs them.
    pub key: SigningKey,
    /// The SPIFFE trust domain of agents that have no name of their own.
    pub trust_domain: String,
    /// The model, the class of data, the build: what the operator says.
    pub settings: Settings,
    /// The digest of the running program, where the operator names no other.
    pub build: Box<dyn Fn() -> TaggedDigest + Send + Sync>,
    /// The base URL under which anchors can be fetched; without one, a record
    /// has no `transparency`.
    pub public_url: Option<String>,
    /// Where records go besides the store.
    pub sink: Option<Sink>,
}

impl Tracing {
    /// Records signed with `key` that say what `config`, in the fields of the
    /// Agent Governance Toolkit's `TraceConfig`, says. Agents are named in the
    /// trust domain `countersign.invalid`, and `build` is the digest of `b""`
    /// until the caller chooses otherwise.
    pub fn new(key: SigningKey, config: &Map<String, Value>) -> Result<Self, InvalidConfig> {
        Ok(Self {
            key,
            trust_domain: "countersign.invalid".to_owned(),
            settings: Settings::from_trace_config(config)?,
            build: Box::new(|| TaggedDigest::sha256(b"")),
            public_url: None,
            sink: None,
        })
    }
}
