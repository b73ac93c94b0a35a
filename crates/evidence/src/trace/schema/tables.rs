//! The tables, in the order of the published schemas.

use serde_json::{Map, Value};

use super::{Member, Object, Problem, Shape, Text, Violation, report};
use crate::trace::json::MAX_SAFE_INTEGER;
use crate::trace::profile::{LEGACY_PROFILE_V01, PROFILE_V02};

/// The earliest time a record may carry, in seconds since 1970.
pub(super) const EARLIEST: i64 = 1_700_000_000;

const MAX: i64 = MAX_SAFE_INTEGER.cast_signed();
const TIME: Shape = Shape::Integer(EARLIEST, MAX);
const COUNT: Shape = Shape::Integer(0, MAX);
const ANY: Shape = Shape::Text(Text::Any);
const NON_EMPTY: Shape = Shape::Text(Text::NonEmpty);
const DIGEST: Shape = Shape::Text(Text::Digest);
const URI: Shape = Shape::Text(Text::Uri);
const DEPTHS: Shape = Shape::OneOf(&["surface", "builder", "transitive"]);
const SIGNATURE: Shape = Shape::Text(Text::Base64Url);
const SOFTWARE_ONLY: &[&str] = &["software-only"];

/// A Trust Record of v0.2.
pub(super) static RECORD_V02: Object = Object {
    members: &[
        Member("eat_profile", true, Shape::OneOf(&[PROFILE_V02])),
        Member("iat", true, TIME),
        Member("subject", true, Shape::Text(Text::Subject)),
        Member("model", true, Shape::Object(&MODEL)),
        Member("runtime", true, Shape::Object(&RUNTIME)),
        Member("policy", true, Shape::Object(&POLICY_V02)),
        Member("data_class", true, ANY),
        Member("tool_transcript", false, Shape::Object(&TRANSCRIPT)),
        Member("delegation", false, Shape::Object(&DELEGATION)),
        Member("origin", false, Shape::Object(&ORIGIN)),
        Member("references", false, Shape::List(&REFERENCE)),
        Member("reproducibility", false, Shape::Object(&REPRODUCIBILITY)),
        Member("build_provenance", true, Shape::Object(&BUILD_V02)),
        Member("appraisal", true, Shape::Object(&APPRAISAL_V02)),
        Member("transparency", false, URI),
        Member("cnf", true, Shape::Object(&CONFIRMATION)),
        Member("signature", false, SIGNATURE),
    ],
    rule: Some(imported_evidence_has_no_hardware),
};

/// A Trust Record of v0.1, superseded.
pub(super) static RECORD_V01: Object = Object {
    members: &[
        Member("eat_profile", true, Shape::OneOf(&[LEGACY_PROFILE_V01])),
        Member("iat", true, TIME),
        Member("subject", true, Shape::Text(Text::Spiffe)),
        Member("model", true, Shape::Object(&MODEL)),
        Member("runtime", true, Shape::Object(&RUNTIME)),
        Member("policy", true, Shape::Object(&POLICY_V01)),
        Member("data_class", true, ANY),
        Member("tool_transcript", false, Shape::Object(&TRANSCRIPT)),
        Member("delegation", false, Shape::Object(&DELEGATION)),
        Member("build_provenance", true, Shape::Object(&BUILD_V01)),
        Member("appraisal", true, Shape::Object(&APPRAISAL_V01)),
        Member("transparency", true, URI),
        Member("cnf", true, Shape::Object(&CONFIRMATION)),
        Member("signature", false, SIGNATURE),
    ],
    rule: None,
};

static MODEL: Object = Object {
    members: &[
        Member("provider", true, ANY),
        Member("model_id", true, ANY),
        Member("version", false, ANY),
        Member("weights_digest", false, DIGEST),
        Member("aibom_uri", false, URI),
    ],
    rule: None,
};

static RUNTIME: Object = Object {
    members: &[
        Member(
            "platform",
            true,
            Shape::OneOf(&[
                "intel-tdx",
                "amd-sev-snp",
                "azure-cvm-sev-snp",
                "nvidia-h100",
                "nvidia-blackwell",
                "aws-nitro",
                "arm-cca",
                "google-confidential-space",
                "tpm2",
                "software-only",
            ]),
        ),
        Member("measurement", true, DIGEST),
        Member("rim_uri", false, URI),
        Member("nonce", false, ANY),
        Member("firmware_version", false, ANY),
    ],
    rule: None,
};

static POLICY_V02: Object = Object {
    members: &[
        Member("bundle_hash", true, DIGEST),
        Member("enforcement_mode", true, Shape::OneOf(&["enforce", "advisory", "silent", "declared"])),
        Member("version", false, ANY),
        Member("policy_uri", false, URI),
    ],
    rule: None,
};

static POLICY_V01: Object = Object {
    members: &[
        Member("bundle_hash", true, DIGEST),
        Member("enforcement_mode", true, Shape::OneOf(&["enforce", "advisory", "silent"])),
        Member("version", false, ANY),
        Member("policy_uri", false, URI),
    ],
    rule: None,
};

static TRANSCRIPT: Object = Object {
    members: &[Member("hash", true, DIGEST), Member("call_count", false, COUNT), Member("transcript_uri", false, URI)],
    rule: None,
};

static DELEGATION: Object = Object {
    members: &[Member("parent_record_hash", true, DIGEST), Member("credential_id", true, NON_EMPTY)],
    rule: None,
};

static ORIGIN: Object = Object {
    members: &[
        Member("kind", true, Shape::OneOf(&["self", "third-party-control-plane", "log-import"])),
        Member("producer", true, NON_EMPTY),
        Member("source_event_id", false, NON_EMPTY),
        Member("ingested_at", false, TIME),
    ],
    rule: None,
};

static REFERENCE: Object = Object {
    members: &[
        Member("rel", true, NON_EMPTY),
        Member("id", true, NON_EMPTY),
        Member("resolver", true, NON_EMPTY),
        Member("retention", false, Shape::Text(Text::Duration)),
        Member("digest", false, DIGEST),
    ],
    rule: None,
};

static REPRODUCIBILITY: Object = Object {
    members: &[
        Member("function", true, NON_EMPTY),
        Member("code_identity", true, DIGEST),
        Member("code_resolver", false, NON_EMPTY),
        Member("input_closure", true, Shape::List(&CLOSURE_ENTRY)),
        Member("transcript_digest", true, DIGEST),
    ],
    rule: None,
};

static CLOSURE_ENTRY: Object = Object {
    members: &[Member("id", true, NON_EMPTY), Member("digest", true, DIGEST), Member("resolver", true, NON_EMPTY)],
    rule: None,
};

static BUILD_V02: Object = Object {
    members: &[
        Member("slsa_level", true, Shape::Integer(0, 3)),
        Member("builder", false, ANY),
        Member("digest", true, DIGEST),
        Member("provenance_uri", false, URI),
        Member("provenance_depth", false, DEPTHS),
    ],
    rule: None,
};

static BUILD_V01: Object = Object {
    members: &[
        Member("slsa_level", true, Shape::Integer(0, 3)),
        Member("builder", false, ANY),
        Member("digest", true, DIGEST),
        Member("provenance_uri", false, URI),
    ],
    rule: None,
};

const APPRAISALS: Shape = Shape::OneOf(&["affirming", "warning", "contraindicated", "none"]);

static APPRAISAL_V02: Object = Object {
    members: &[
        Member("status", true, APPRAISALS),
        Member("verifier", true, URI),
        Member("policy_ref", false, URI),
        Member("timestamp", false, Shape::Integer(-MAX, MAX)),
        Member("provenance_depth_verified", false, DEPTHS),
        Member("method", false, Shape::OneOf(&["re-execution"])),
        Member("re_execution", false, Shape::Object(&RE_EXECUTION)),
    ],
    rule: Some(a_result_belongs_to_its_method),
};

static APPRAISAL_V01: Object = Object {
    members: &[
        Member("status", true, APPRAISALS),
        Member("verifier", true, URI),
        Member("policy_ref", false, URI),
        Member("timestamp", false, Shape::Integer(i64::MIN, i64::MAX)),
    ],
    rule: None,
};

static RE_EXECUTION: Object = Object {
    members: &[
        Member("outcome", true, Shape::OneOf(&["reproduced", "diverged", "not-attempted"])),
        Member("observed_digest", false, DIGEST),
        Member("reason", false, NON_EMPTY),
        Member("verifier_code_identity", false, DIGEST),
    ],
    rule: Some(an_outcome_says_what_it_saw),
};

static CONFIRMATION: Object = Object { members: &[Member("jwk", true, Shape::Jwk)], rule: None };

/// A `TraceRevocation/1.0` statement.
pub(super) static STATEMENT: Object = Object {
    members: &[
        Member("type", true, Shape::OneOf(&["TraceRevocation/1.0"])),
        Member("compromised_key_id", true, NON_EMPTY),
        Member("last_valid_entry_id", true, NON_EMPTY),
        Member("revoked_after_entry", false, NON_EMPTY),
        Member("log_id", true, NON_EMPTY),
        Member("reason", false, ANY),
        Member("revoked_at", false, TIME),
        Member("revocation_key_id", true, NON_EMPTY),
        Member("sig", true, Shape::Object(&DETACHED)),
    ],
    rule: None,
};

/// A `TraceRevocationBundle/1.0`.
pub(super) static BUNDLE: Object = Object {
    members: &[
        Member("type", true, Shape::OneOf(&["TraceRevocationBundle/1.0"])),
        Member("log_id", true, NON_EMPTY),
        Member("issued_at", true, TIME),
        Member("valid_until", true, TIME),
        Member("statements", true, Shape::List(&STATEMENT)),
        Member("bundle_key_id", true, NON_EMPTY),
        Member("sig", true, Shape::Object(&DETACHED)),
    ],
    rule: None,
};

static DETACHED: Object = Object {
    members: &[Member("alg", true, Shape::OneOf(&["ed25519", "ES256", "ES384"])), Member("value", true, SIGNATURE)],
    rule: None,
};

/// Evidence that something else measured has no hardware root here.
fn imported_evidence_has_no_hardware(map: &Map<String, Value>, pointer: &str, found: &mut Vec<Violation>) {
    let kind = map.get("origin").and_then(|origin| origin.get("kind")).and_then(Value::as_str);
    let platform = map.get("runtime").and_then(|runtime| runtime.get("platform"));
    if matches!(kind, Some("third-party-control-plane" | "log-import"))
        && platform.is_some_and(|platform| platform != "software-only")
    {
        report(found, &format!("{pointer}/runtime/platform"), Problem::NotOneOf(SOFTWARE_ONLY));
    }
}

fn a_result_belongs_to_its_method(map: &Map<String, Value>, pointer: &str, found: &mut Vec<Violation>) {
    let by_re_execution = map.get("method").is_some_and(|method| method == "re-execution");
    match (by_re_execution, map.contains_key("re_execution")) {
        (true, false) => report(found, pointer, Problem::Missing("re_execution")),
        (false, true) => {
            report(found, pointer, Problem::Forbidden("re_execution", "`method` is not `re-execution`"));
        }
        _ => {}
    }
}

fn an_outcome_says_what_it_saw(map: &Map<String, Value>, pointer: &str, found: &mut Vec<Violation>) {
    let needed = match map.get("outcome").and_then(Value::as_str) {
        Some("diverged") => "observed_digest",
        Some("not-attempted") => "reason",
        _ => return,
    };
    if !map.contains_key(needed) {
        report(found, pointer, Problem::Missing(needed));
    }
}
