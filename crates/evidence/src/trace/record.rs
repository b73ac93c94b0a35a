//! A Trust Record: one JSON object that says what one session was and did.
//!
//! What is absent is left out, never null and never empty: the schema is
//! closed, and a verifier of an older v0.2 refuses members it does not know.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest::TaggedDigest;
use super::profile::Profile;
use super::schema::{self, Violation};

mod names;
mod session;
mod sign;

pub use names::{InvalidSubject, InvalidUri, Subject, Uri};
pub use session::Session;
pub use sign::{SignError, sign, sign_as};

/// A Trust Record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRecord {
    /// What the record means.
    pub eat_profile: Profile,
    /// When it was issued, in seconds since 1970.
    pub iat: u64,
    /// The workload.
    pub subject: Subject,
    /// The model it ran on.
    pub model: Model,
    /// Where it ran.
    pub runtime: Runtime,
    /// The policy it ran under.
    pub policy: Policy,
    /// The most sensitive class of data it touched.
    pub data_class: String,
    /// What it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_transcript: Option<ToolTranscript>,
    /// Who delegated to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
    /// Where the evidence came from, if not from this runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it points at. A pointer is never evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<Reference>>,
    /// The claim that the run can be repeated, as read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reproducibility: Option<Value>,
    /// What was running.
    pub build_provenance: BuildProvenance,
    /// What a verifier thought of it.
    pub appraisal: Appraisal,
    /// Where the record is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transparency: Option<Uri>,
    /// The key that signed it. Set by [`sign`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The signature. Set by [`sign`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Who provides it.
    pub provider: String,
    /// What the provider calls it.
    pub model_id: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_digest: Option<TaggedDigest>,
    /// Its bill of materials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aibom_uri: Option<Uri>,
}

/// Where a session ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// The platform, which by itself attests nothing.
    pub platform: Platform,
    /// What was measured; on `software-only`, a digest of what the producer's
    /// documentation says.
    pub measurement: TaggedDigest,
    /// Reference values for the measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rim_uri: Option<Uri>,
    /// A verifier's challenge, given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The firmware that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<String>,
}

/// A platform TRACE has registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the registry's")]
pub enum Platform {
    IntelTdx,
    AmdSevSnp,
    AzureCvmSevSnp,
    #[serde(rename = "nvidia-h100")]
    NvidiaH100,
    NvidiaBlackwell,
    AwsNitro,
    ArmCca,
    GoogleConfidentialSpace,
    Tpm2,
    SoftwareOnly,
}

/// The policy of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The digest of the bundle's exact bytes.
    pub bundle_hash: TaggedDigest,
    /// What the policy did.
    pub enforcement_mode: EnforcementMode,
    /// The bundle's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the bundle is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<Uri>,
}

/// What a policy did to what it judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnforcementMode {
    /// It was evaluated, and a denial blocked.
    Enforce,
    /// It was evaluated and logged, and everything allowed.
    Advisory,
    /// It was evaluated; operational logs were suppressed, the record was not.
    Silent,
    /// It was named, and nothing evaluated it: never ours to say.
    Declared,
}

/// What a session did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolTranscript {
    /// The digest of the transcript, in the form its producer documents.
    pub hash: TaggedDigest,
    /// How many entries it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_count: Option<u64>,
    /// Where the transcript is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript_uri: Option<Uri>,
}

/// The record of the session that delegated to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The digest of the parent's whole signed record.
    pub parent_record_hash: TaggedDigest,
    /// The credential this session acted under.
    pub credential_id: String,
}

/// Where evidence came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What kind of source.
    pub kind: OriginKind,
    /// Who produced it.
    pub producer: String,
    /// What the producer calls the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_event_id: Option<String>,
    /// When it was taken in, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingested_at: Option<u64>,
}

/// A kind of source of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OriginKind {
    /// This runtime.
    #[serde(rename = "self")]
    Own,
    /// Another vendor's control plane.
    ThirdPartyControlPlane,
    /// A log or an export.
    LogImport,
}

/// A pointer to a fact outside the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// How the record stands to it, e.g. `behavior-trace`.
    pub rel: String,
    /// What the resolver calls it.
    pub id: String,
    /// Who can resolve it.
    pub resolver: String,
    /// How long the resolver keeps it, as an ISO 8601 duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<TaggedDigest>,
}

/// What was running, and how well its build is attested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildProvenance {
    /// The SLSA build level, 0 to 3.
    pub slsa_level: u8,
    /// Who built it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// The digest of the running binary or image.
    pub digest: TaggedDigest,
    /// Where its provenance is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance_uri: Option<Uri>,
    /// How far the provenance reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance_depth: Option<ProvenanceDepth>,
}

/// How far provenance was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProvenanceDepth {
    /// The digest is the artifact's and the builder is trusted.
    Surface,
    /// The attestation names that digest and that builder.
    Builder,
    /// Every build input is attested by its publisher.
    Transitive,
}

/// What a verifier thought of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appraisal {
    /// The verdict. Building a record is not appraising it.
    pub status: AppraisalStatus,
    /// The verifier.
    pub verifier: Uri,
    /// What it appraised by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_ref: Option<Uri>,
    /// When, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// How far it followed the build's provenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance_depth_verified: Option<ProvenanceDepth>,
    /// How it appraised, as read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What repeating the run showed, as read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re_execution: Option<Value>,
}

/// A verdict on evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are those of EAR")]
pub enum AppraisalStatus {
    Affirming,
    Warning,
    Contraindicated,
    None,
}

/// The key that signed a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The public half, as a JWK that may hold other members.
    pub jwk: Map<String, Value>,
}

impl TrustRecord {
    /// Reads a record of v0.2 or v0.1, whichever it says it is. The shape is
    /// checked; the signature is not: ask [`verify`](super::verify).
    pub fn read(record: &Value) -> Result<Self, Violation> {
        let legacy = record.get("eat_profile").is_some_and(|uri| uri == Profile::LegacyV01.uri());
        let profile = if legacy { Profile::LegacyV01 } else { Profile::V02 };
        match schema::record_violations(record, profile).into_iter().next() {
            Some(violation) => Err(violation),
            None => serde_json::from_value(record.clone()).map_err(|_| Violation {
                pointer: String::new(),
                problem: schema::Problem::Expected("a Trust Record"),
            }),
        }
    }
}
