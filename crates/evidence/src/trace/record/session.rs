//! The record of a session that has ended.

use countersign_core::Timestamp;

use super::{
    Appraisal, AppraisalStatus, BuildProvenance, Model, Platform, Policy, Runtime, Subject, ToolTranscript,
    TrustRecord, Uri,
};
use crate::trace::digest::TaggedDigest;
use crate::trace::profile::Profile;

/// What a Level 0 record needs to know about a session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The agent: its SPIFFE id or DID, not the server's.
    pub subject: Subject,
    /// When the record is issued. A record from the future is refused by others
    /// after 60 seconds: never later than now.
    pub issued_at: Timestamp,
    /// The model the agent ran on.
    pub model: Model,
    /// The digest of the preimage that the producer documents.
    pub measurement: TaggedDigest,
    /// The policy that judged it.
    pub policy: Policy,
    /// The most sensitive class of data it touched.
    pub data_class: String,
    /// What it did.
    pub transcript: ToolTranscript,
    /// The program that enforced.
    pub build: BuildProvenance,
    /// Who would appraise the record.
    pub verifier: Uri,
}

impl Session {
    /// The record, with nothing optional in it: software only, not appraised,
    /// not logged. `transparency`, `delegation` and `references` are members of
    /// the answer, to be set before it is signed.
    #[must_use]
    pub fn record(self, profile: Profile) -> TrustRecord {
        TrustRecord {
            eat_profile: profile,
            iat: u64::try_from(self.issued_at.as_millis().div_euclid(1000)).unwrap_or(0),
            subject: self.subject,
            model: self.model,
            runtime: Runtime {
                platform: Platform::SoftwareOnly,
                measurement: self.measurement,
                rim_uri: None,
                nonce: None,
                firmware_version: None,
            },
            policy: self.policy,
            data_class: self.data_class,
            tool_transcript: Some(self.transcript),
            delegation: None,
            origin: None,
            references: None,
            reproducibility: None,
            build_provenance: self.build,
            appraisal: Appraisal {
                status: AppraisalStatus::None,
                verifier: self.verifier,
                policy_ref: None,
                timestamp: None,
                provenance_depth_verified: None,
                method: None,
                re_execution: None,
            },
            transparency: None,
            cnf: None,
            signature: None,
        }
    }
}
