//! Trust Records: what a closed session leaves for others to verify.
//!
//! Closing a session ends its chain. What the record says then follows from the
//! chain, the session and the policy in force, so whoever asks first, and after
//! whatever crash, the same record is made: signed, anchored by an entry of its
//! own on the agent's chain, and kept with that entry.

use std::collections::BTreeMap;

use countersign_core::agent::Agent;
use countersign_core::capability::Pattern;
use countersign_core::chain::Chain;
use countersign_core::decide::GATES;
use countersign_core::id::{AgentId, ChainId, OrgId};
use countersign_core::session::Session;
use countersign_core::{Digest, Timestamp};
use countersign_evidence::event::Trace;
use countersign_evidence::trace::anchor::{Batch, ProducerId, Receipt};
use countersign_evidence::trace::delegation::record_digest;
use countersign_evidence::trace::digest::{Algorithm, TaggedDigest};
use countersign_evidence::trace::json;
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::profile::Profile;
use countersign_evidence::trace::record::{
    self, Delegation, EnforcementMode, Policy, Subject, ToolTranscript, TrustRecord, Uri, sign,
};
use countersign_store::Write;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::caller::Caller;
use crate::engine::{Engine, draft_at};
use crate::error::Error;
use crate::recorder::RecordError;
use crate::recording::Recording;

/// The kind of document a record is kept in, by the session's id.
const KIND: &str = "trace";

/// The format of the policy document that `policy.bundle_hash` is the digest of.
const POLICY_FORMAT: &str = "countersign.policy/1";

/// What whoever closes a session wants its record to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closing<'a> {
    /// The session, closed before, of the agent that delegated to this one.
    pub parent: Option<&'a str>,
    /// A verifier's challenge, given back as `runtime.nonce`.
    pub nonce: Option<&'a str>,
}

/// A record and what it rests on, as kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traced {
    /// The organisation whose session it was.
    pub org: OrgId,
    /// The agent whose session it was.
    pub agent: AgentId,
    /// The signed record.
    pub record: Value,
    /// The exact bytes that `policy.bundle_hash` is the digest of.
    pub policy: String,
    /// When it was anchored.
    pub anchored_at: Timestamp,
}

impl Traced {
    /// The receipt of the record in its batch, as `trace-tests` reads it.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        self.batch()?.receipt(0)
    }

    /// The batch as a registry publishes it, as `trace-verify` reads it.
    #[must_use]
    pub fn anchor(&self) -> Option<Value> {
        let producer = ProducerId::parse(concat!("countersign/", env!("CARGO_PKG_VERSION"))).ok()?;
        Some(self.batch()?.entry(self.anchored_at, &producer))
    }

    fn batch(&self) -> Option<Batch> {
        Batch::new(std::slice::from_ref(&self.record)).ok().flatten()
    }
}

/// The policy a session ran under. Members in the order of RFC 8785.
#[derive(Serialize)]
struct PolicyDocument<'a> {
    agent_revision: u64,
    blocked: &'a [Pattern],
    capabilities: &'a [Pattern],
    ceiling: &'a [Pattern],
    format: &'static str,
    gates: Vec<&'static str>,
    limits: BTreeMap<&'static str, u32>,
    mode: &'static str,
    /// The digest of the operator's policies in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Digest>,
    /// The digest of the policies that the organisation published for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Digest>,
    version: &'static str,
}

impl Engine {
    /// The key that verifies records.
    pub fn trace_key(&self) -> PublicKey {
        PublicKey::from(&self.tracing.key)
    }

    /// The record of a closed session of the caller's organisation, made now
    /// if it was not yet. An agent sees only its own.
    pub async fn trace(&self, caller: &Caller, session: &str) -> Result<Traced, Error> {
        if let Some(kept) = self.kept_trace(caller, session)? {
            return Ok(kept);
        }
        let view = self.session(caller, session)?;
        if view.session.closed_at.is_none() {
            return Err(Error::NotYet(format!(
                "session `{session}` is open, so it has no record yet: POST /api/v1/sessions/{session}/close first"
            )));
        }
        if view.status == "altered" {
            return Err(Error::Conflict(
                "the session's integrity tag does not hold, so nothing can be said of it".into(),
            ));
        }
        self.make_trace(caller, &view.session, Closing::default()).await
    }

    /// Whether the record of a session that the caller may see is made.
    pub fn is_traced(&self, caller: &Caller, session: &str) -> Result<bool, Error> {
        Ok(self.kept_trace(caller, session)?.is_some())
    }

    /// The same record in the superseded profile v0.1, which verifiers of v0.2
    /// must refuse. It is signed anew, and not anchored. There is none of an
    /// agent that is named by a DID, which v0.1 does not know.
    pub async fn legacy_trace(&self, caller: &Caller, session: &str) -> Result<Value, Error> {
        let traced = self.trace(caller, session).await?;
        let mut record = TrustRecord::read(&traced.record).map_err(|why| unsigned(&why))?;
        let subject = record.subject.as_str();
        if !subject.starts_with("spiffe://") {
            return Err(Error::Invalid(format!(
                "v0.1 names agents by SPIFFE ids alone, and this record is about `{subject}`: ask for `v0.2`"
            )));
        }
        record.eat_profile = Profile::LegacyV01;
        if record.transparency.is_none() {
            // v0.1 demands a URI: a name of what it is, since there is no address.
            let name = format!("urn:countersign:session:{session}");
            record.transparency = Some(Uri::parse(&name).map_err(|why| unsigned(&why))?);
        }
        sign(&record, &self.tracing.key).map_err(|why| unsigned(&why))
    }

    /// The kept record, if there is one that the caller may see.
    pub(crate) fn kept_trace(&self, caller: &Caller, session: &str) -> Result<Option<Traced>, Error> {
        caller.needs(countersign_core::role::Right::Read)?;
        let Some(document) = self.documents.get(KIND, session)? else { return Ok(None) };
        let kept: Traced = serde_json::from_slice(&document.body).map_err(|why| unsigned(&why))?;
        let visible = kept.org == caller.org && caller.proof.as_ref().is_none_or(|proof| proof.agent == kept.agent);
        if visible { Ok(Some(kept)) } else { Err(Error::not_found("session", session)) }
    }

    /// Refuses what the record of `session` cannot say.
    pub(crate) fn can_say(&self, caller: &Caller, session: &Session, closing: Closing<'_>) -> Result<(), Error> {
        let is_nonce = |text: &str| (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if closing.nonce.is_some_and(|nonce| !is_nonce(nonce)) {
            return Err(Error::Invalid("`nonce` must have 1 to 256 printable ASCII characters and no spaces".into()));
        }
        closing.parent.map_or(Ok(()), |parent| self.delegated(caller, session, parent).map(drop))
    }

    /// Makes, anchors and keeps the record of a closed session.
    pub(crate) async fn make_trace(
        &self,
        caller: &Caller,
        session: &Session,
        closing: Closing<'_>,
    ) -> Result<Traced, Error> {
        let (traced, digest, iat) = self.build_trace(caller, session, closing)?;
        let id = session.id.as_str();
        let root = traced.receipt().map(|receipt| receipt.merkle_root).ok_or_else(|| unsigned(&"no anchor form"))?;
        let key = self.trace_key();
        let event = Trace {
            agent: session.agent.as_str(),
            key: key.thumbprint(),
            leaf_count: 1,
            merkle_root: root.as_str(),
            record: digest.as_str(),
            session: id,
        };
        let draft = draft_at(traced.anchored_at, ChainId::from(&session.agent), &session.org, &event)?;
        let body = serde_json::to_vec(&traced).map_err(|why| unsigned(&why))?;
        let write = Write { kind: KIND, key: id.to_owned(), revision: 0, body: Some(body) };
        match self.recorder.record(Recording::new(draft).with(vec![write], || {})).await {
            Ok(_) => {}
            // Somebody else asked at the same time, and was first.
            Err(RecordError::Conflict { .. }) => {
                let kept = self.kept_trace(caller, id)?;
                return kept.ok_or_else(|| Error::not_found("session", id));
            }
            Err(why) => return Err(why.into()),
        }
        if let Some(sink) = &self.tracing.sink {
            sink(id, iat, &traced.record);
        }
        Ok(traced)
    }

    fn build_trace(
        &self,
        caller: &Caller,
        session: &Session,
        closing: Closing<'_>,
    ) -> Result<(Traced, TaggedDigest, u64), Error> {
        let id = session.id.as_str();
        let agent = self.registry.agents.get(&session.org, session.agent.as_str());
        let agent = agent.ok_or_else(|| Error::not_found("agent", session.agent.as_str()))?;
        let chain = self.chain_of(&ChainId::from(&session.id));
        let policy = self.policy_document(session, &agent.value, agent.revision)?;
        let measurement = measurement(&chain);
        let settings = &self.tracing.settings;
        let mut build = settings.build_provenance(&measurement);
        if settings.build_digest.is_none() {
            build.digest = (self.tracing.build)();
        }
        let closed_at = session.closed_at.unwrap_or_else(|| self.now());
        let mut record = record::Session {
            subject: self.subject(&agent.value)?,
            issued_at: closed_at,
            model: settings.model.clone(),
            measurement,
            policy: Policy {
                bundle_hash: TaggedDigest::sha256(policy.as_bytes()),
                enforcement_mode: EnforcementMode::Enforce,
                version: None,
                policy_uri: None,
            },
            data_class: settings.data_class.clone(),
            transcript: ToolTranscript {
                hash: chain.head.into(),
                call_count: Some(chain.tally.total),
                transcript_uri: None,
            },
            build,
            verifier: settings.verifier.clone(),
        }
        .record(Profile::V02);
        if let Some(base) = &self.tracing.public_url {
            let uri = format!("{}/api/v1/sessions/{id}/trace/proof", base.trim_end_matches('/'));
            record.transparency = Some(Uri::parse(&uri).map_err(|why| unsigned(&why))?);
        }
        record.runtime.nonce = closing.nonce.map(str::to_owned);
        record.delegation = closing.parent.map(|parent| self.delegated(caller, session, parent)).transpose()?;
        let iat = record.iat;
        let record = sign(&record, &self.tracing.key).map_err(|why| unsigned(&why))?;
        let digest = record_digest(&record, Algorithm::Sha256).map_err(|why| unsigned(&why))?;
        let (org, agent) = (session.org.clone(), session.agent.clone());
        Ok((Traced { org, agent, record, policy, anchored_at: self.now() }, digest, iat))
    }

    /// The link to the record of the session that delegated.
    fn delegated(&self, caller: &Caller, session: &Session, parent: &str) -> Result<Delegation, Error> {
        let Some(id) = &session.delegation else {
            return Err(Error::Invalid("`parent_session`: this session was not started from a delegation".into()));
        };
        let lender = self.registry.delegations.any(id.as_str()).map(|found| found.value.unchecked().from.clone());
        let found = self.documents.get(KIND, parent)?;
        let found: Option<Traced> = found.and_then(|document| serde_json::from_slice(&document.body).ok());
        let kept = found.filter(|kept| kept.org == caller.org && Some(&kept.agent) == lender.as_ref());
        let kept = kept.ok_or_else(|| {
            Error::Invalid(
                "`parent_session` must be a session of the agent that delegated, closed before this one".into(),
            )
        })?;
        let parent_record_hash = record_digest(&kept.record, Algorithm::Sha256).map_err(|why| unsigned(&why))?;
        Ok(Delegation { parent_record_hash, credential_id: id.to_string() })
    }

    /// Who the agent is to strangers: the SPIFFE id or DID its registrant gave,
    /// or its place in the operator's trust domain.
    fn subject(&self, agent: &Agent) -> Result<Subject, Error> {
        let metadata: Value = serde_json::from_str(&agent.metadata).unwrap_or_default();
        let given = |name: &str| Subject::parse(metadata.get(name)?.as_str()?).ok();
        let made = || Subject::parse(&format!("spiffe://{}/agent/{}", self.tracing.trust_domain, agent.id));
        given("spiffe_id").or_else(|| given("did")).map_or_else(made, Ok).map_err(|why| unsigned(&why))
    }

    /// What judged the session, as the exact bytes that are hashed.
    fn policy_document(&self, session: &Session, agent: &Agent, agent_revision: u64) -> Result<String, Error> {
        let settings = self.registry.settings.any(session.org.as_str());
        let chosen = settings.as_ref().map(|stored| &stored.value);
        let per_minute = |mine: Option<u32>, default: u32| mine.unwrap_or(default);
        let document = PolicyDocument {
            agent_revision,
            blocked: &agent.blocked,
            capabilities: &agent.capabilities,
            ceiling: &session.ceiling,
            format: POLICY_FORMAT,
            gates: GATES.iter().map(|(name, _, _)| *name).collect(),
            limits: BTreeMap::from([
                (
                    "agent_per_minute",
                    per_minute(chosen.and_then(|s| s.agent_per_minute), self.settings.agent_per_minute),
                ),
                ("tool_per_minute", per_minute(chosen.and_then(|s| s.tool_per_minute), self.settings.tool_per_minute)),
            ]),
            mode: session.mode.as_str(),
            policies: self.policies().map(|in_force| in_force.set().digest()),
            published: self.policies.get().and_then(|in_force| Some(in_force.own(&session.org)?.set)),
            version: env!("CARGO_PKG_VERSION"),
        };
        let value = serde_json::to_value(&document).map_err(|why| unsigned(&why))?;
        String::from_utf8(json::jcs(&value).map_err(|why| unsigned(&why))?).map_err(|why| unsigned(&why))
    }
}

/// What stands for the software: the digest of the chain's head in hex.
fn measurement(chain: &Chain) -> TaggedDigest {
    Digest::of(&chain.head.hex()).into()
}

fn unsigned(why: &dyn std::fmt::Display) -> Error {
    tracing::error!(%why, "a trust record cannot be made");
    Error::Unavailable { code: "trace_unavailable", message: "the record cannot be made; the server's log says why" }
}
