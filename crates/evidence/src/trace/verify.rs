//! Whether a signed record can be believed, and what was not looked at.
//!
//! Offline and pure: the key, the time and what is known to be revoked are
//! arguments. The checks run in the order of the reference
//! (`agentrust_trace.verify_record` 0.11.0) and the first that fails is the
//! verdict, so two verifiers given the same facts name the same cause.
//!
//! Never claimed here: hardware (a platform is a word until its evidence is
//! checked), the truth of a hash's preimage, that a logged record was logged.

use std::time::Duration;

use countersign_core::Timestamp;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::citation::{self, Citations, Resolver};
use super::json;
use super::key::{self, PublicKey};
use super::profile::{AcceptedProfiles, LEGACY_PROFILE_V01, Profile};
use super::revocation::{self, Known, RevocationCheck};
use super::schema;

mod verdict;

pub use verdict::{Check, Refusal, Verdict, Verified};

/// What a verifier demands, beside a trusted key.
#[derive(Clone)]
pub struct Demands<'a> {
    /// The time of the verification.
    pub now: Timestamp,
    /// The profiles it accepts.
    pub profiles: AcceptedProfiles,
    /// How old a record may be; `None` to accept any age.
    pub max_age: Option<Duration>,
    /// How far in the future a record may be dated.
    pub max_future_skew: Duration,
    /// The challenge that the record must give back.
    pub nonce: Option<&'a str>,
    /// What is known about revoked keys.
    pub revocation: Known<'a>,
    /// Where cited objects can be had.
    pub resolver: Option<Resolver<'a>>,
}

/// Whose signature is believed.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// This key's.
    Key(&'a PublicKey),
    /// Any of these keys', picked by the thumbprint the record names.
    AnyOf(&'a [PublicKey]),
    /// Whoever the record names. It shows that the record is whole, not who
    /// wrote it, and [`Check::KeyTrust`] is reported as not performed.
    Embedded,
}

impl Demands<'_> {
    /// What the reference demands by default: v0.2, no older than a day, no
    /// more than five minutes ahead, nothing known about revocation.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            profiles: AcceptedProfiles::default(),
            max_age: Some(Duration::from_hours(24)),
            max_future_skew: Duration::from_mins(5),
            nonce: None,
            revocation: Known::default(),
            resolver: None,
        }
    }
}

/// Judges a record.
///
/// TRUST: the record may come from anyone. Read it with [`json::read`], which
/// refuses what two readers would read differently.
pub fn verify(record: &Value, trust: Trust<'_>, demands: &Demands<'_>) -> Verdict {
    match judge(record, trust, demands) {
        Ok(verified) => Verdict::Verified(Box::new(verified)),
        Err(refusal) => Verdict::Refused(refusal),
    }
}

fn judge(record: &Value, trust: Trust<'_>, demands: &Demands<'_>) -> Result<Verified, Refusal> {
    let members = record.as_object().ok_or(Refusal::NotAnObject)?;
    let profile = accepted_profile(members, &demands.profiles)?;
    let signature = signature(members)?;
    if let Some(violation) = schema::record_violations(record, profile).into_iter().next() {
        return Err(Refusal::Schema(violation));
    }
    let embedded = record.pointer("/cnf/jwk");
    let trusted = trusted_key(trust, embedded)?;
    let revocation = revocation::check(&trusted, &demands.revocation, demands.now, demands.max_future_skew)?;
    if embedded.and_then(|jwk| key::thumbprint(jwk).ok()).as_deref() != Some(trusted.thumbprint()) {
        return Err(Refusal::KeyMismatch);
    }
    fresh(members, demands)?;
    answers_challenge(record, demands.nonce)?;
    json::check(record).map_err(Refusal::NotCanonicalizable)?;
    if !trusted.signed(members, &signature, "signature") {
        return Err(Refusal::SignatureInvalid);
    }
    let citations = citation::resolve(record, demands.resolver);
    Ok(Verified {
        profile,
        accepted_profiles: demands.profiles.clone(),
        trusted_key_thumbprint: trusted.thumbprint().to_owned(),
        checks_not_performed: not_performed(record, trust, demands, &revocation, &citations),
        revocation,
        citations,
    })
}

fn accepted_profile(members: &Map<String, Value>, accepted: &AcceptedProfiles) -> Result<Profile, Refusal> {
    let uri = members.get("eat_profile").and_then(Value::as_str).filter(|uri| !uri.is_empty());
    let uri = uri.ok_or(Refusal::ProfileAbsent)?;
    accepted.find(uri).ok_or_else(|| Refusal::ProfileNotAccepted {
        profile: uri.chars().take(120).collect(),
        superseded: uri == LEGACY_PROFILE_V01,
    })
}

fn signature(members: &Map<String, Value>) -> Result<Vec<u8>, Refusal> {
    let signature = members.get("signature").ok_or(Refusal::SignatureMissing)?;
    signature.as_str().and_then(key::decode).ok_or(Refusal::SignatureEncoding)
}

fn trusted_key(trust: Trust<'_>, embedded: Option<&Value>) -> Result<PublicKey, Refusal> {
    match trust {
        Trust::Key(key) => Ok(key.clone()),
        Trust::AnyOf(keys) => {
            let named = embedded.and_then(|jwk| key::thumbprint(jwk).ok());
            let known = keys.iter().find(|key| Some(key.thumbprint()) == named.as_deref());
            known.cloned().ok_or(Refusal::KeyUntrusted(named))
        }
        Trust::Embedded => embedded.and_then(|jwk| PublicKey::from_jwk(jwk).ok()).ok_or(Refusal::KeyUntrusted(None)),
    }
}

fn fresh(members: &Map<String, Value>, demands: &Demands<'_>) -> Result<(), Refusal> {
    let now = demands.now.as_millis().div_euclid(1000);
    // The schema has found an integer of no more than 53 bits here.
    let iat = members.get("iat").and_then(Value::as_i64).unwrap_or(i64::MAX);
    let age = now.saturating_sub(iat);
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    if age < -seconds(demands.max_future_skew) {
        return Err(Refusal::FromFuture { ahead: Duration::from_secs(age.unsigned_abs()) });
    }
    if demands.max_age.is_some_and(|limit| age > seconds(limit)) {
        return Err(Refusal::Stale { age: Duration::from_secs(age.unsigned_abs()) });
    }
    Ok(())
}

fn answers_challenge(record: &Value, nonce: Option<&str>) -> Result<(), Refusal> {
    let Some(expected) = nonce else { return Ok(()) };
    let given = record.pointer("/runtime/nonce").and_then(Value::as_str).unwrap_or_default();
    // An empty challenge is one that anything would answer.
    let same = !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
    if same { Ok(()) } else { Err(Refusal::NonceMismatch) }
}

fn not_performed(
    record: &Value,
    trust: Trust<'_>,
    demands: &Demands<'_>,
    revocation: &RevocationCheck,
    citations: &Citations,
) -> Vec<Check> {
    let at = |pointer: &str| record.pointer(pointer);
    let hardware = at("/runtime/platform").is_some_and(|platform| platform != "software-only");
    let open = [
        (Check::KeyTrust, matches!(trust, Trust::Embedded)),
        (Check::Age, demands.max_age.is_none()),
        (Check::Challenge, demands.nonce.is_none()),
        (Check::Revocation, revocation.outcome != revocation::Outcome::Verified),
        (Check::Hardware, hardware),
        (Check::Measurement, true),
        (Check::PolicyBundle, true),
        (Check::Transcript, at("/tool_transcript").is_some()),
        (Check::Delegation, at("/delegation").is_some()),
        (Check::Inclusion, at("/transparency").is_some()),
        (Check::BuildProvenance, true),
        (Check::Citations, citations.any_open()),
    ];
    open.into_iter().filter_map(|(check, is_open)| is_open.then_some(check)).collect()
}
