//! The Agent Governance Toolkit's `TraceConfig`, in our terms.
//!
//! The names are the toolkit's, so that its configuration works unchanged; the
//! meaning is ours where the two differ: an appraisal is `none` whoever is named
//! as the verifier, and a record that is not logged has no `transparency`.

use serde_json::{Map, Value};

use super::digest::TaggedDigest;
use super::record::{BuildProvenance, Model, Uri};

/// The fields of `TraceConfig`.
const FIELDS: [&str; 8] = [
    "output_path",
    "model_provider",
    "model_id",
    "model_version",
    "build_provenance_slsa_level",
    "build_provenance_digest",
    "appraisal_verifier",
    "data_class",
];

/// Below this likeness a suggestion would mislead more than it helps.
const LIKE: f64 = 0.75;

/// What a session's record takes from configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A file, or a folder where it ends in `/`, to write records to.
    pub output_path: Option<String>,
    /// The model agents run on.
    pub model: Model,
    /// How well the build is attested: the SLSA level, 0 to 3.
    pub slsa_level: u8,
    /// The digest of the running binary; the record's measurement if not given.
    pub build_digest: Option<TaggedDigest>,
    /// Who would appraise a record.
    pub verifier: Uri,
    /// The class of data, unless a session knows better.
    pub data_class: String,
}

/// Why a configuration is not one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// A field that `TraceConfig` does not have.
    #[error("`{field}` is not a field of TraceConfig{}", meant.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default())]
    UnknownField {
        /// The field.
        field: String,
        /// The right name it is most like.
        meant: Option<&'static str>,
    },
    /// A field that holds something else.
    #[error("`{field}`: expected {expected}")]
    WrongValue {
        /// The field.
        field: &'static str,
        /// What it holds otherwise.
        expected: &'static str,
    },
}

impl Settings {
    /// Reads a `TraceConfig`. What it leaves out has the toolkit's default; null
    /// leaves out too.
    pub fn from_trace_config(config: &Map<String, Value>) -> Result<Self, InvalidConfig> {
        if let Some(field) = config.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(InvalidConfig::UnknownField { field: field.chars().take(80).collect(), meant: nearest(field) });
        }
        let get = |field: &str| config.get(field).filter(|value| !value.is_null());
        let text = |field: &'static str| match get(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(InvalidConfig::WrongValue { field, expected: "a string that is not empty" }),
        };
        let (level, digest) = ("build_provenance_slsa_level", "build_provenance_digest");
        let level_is_wrong = InvalidConfig::WrongValue { field: level, expected: "an integer from 0 to 3" };
        let slsa_level = get(level).map_or(Some(0), Value::as_u64).filter(|level| *level <= 3);
        let build_digest = text(digest)?.map(TaggedDigest::try_from).transpose();
        let digest_is_wrong =
            |_| InvalidConfig::WrongValue { field: digest, expected: "`sha256:` and 64 lower-case hex digits" };
        let verifier = text("appraisal_verifier")?.unwrap_or_else(|| "https://agt.local/verifier".to_owned());
        let verifier_is_wrong =
            |_| InvalidConfig::WrongValue { field: "appraisal_verifier", expected: "an absolute URI" };
        let unknown = || "unknown".to_owned();
        Ok(Self {
            output_path: text("output_path")?,
            model: Model {
                provider: text("model_provider")?.unwrap_or_else(unknown),
                model_id: text("model_id")?.unwrap_or_else(unknown),
                version: text("model_version")?,
                weights_digest: None,
                aibom_uri: None,
            },
            slsa_level: slsa_level.and_then(|level| u8::try_from(level).ok()).ok_or(level_is_wrong)?,
            build_digest: build_digest.map_err(digest_is_wrong)?,
            verifier: Uri::parse(&verifier).map_err(verifier_is_wrong)?,
            data_class: text("data_class")?.unwrap_or_else(|| "internal".to_owned()),
        })
    }

    /// The build's provenance, with `measurement` where no digest is configured.
    #[must_use]
    pub fn build_provenance(&self, measurement: &TaggedDigest) -> BuildProvenance {
        BuildProvenance {
            slsa_level: self.slsa_level,
            builder: None,
            digest: self.build_digest.clone().unwrap_or_else(|| measurement.clone()),
            provenance_uri: None,
            provenance_depth: None,
        }
    }

    /// The file a record goes to, as the toolkit names it; `None` if nothing is
    /// configured.
    #[must_use]
    pub fn file_for(&self, iat: u64, session_id: Option<&str>) -> Option<String> {
        let path = self.output_path.as_deref()?;
        let session: String = session_id.unwrap_or("session").chars().take(16).collect();
        let safe = session.replace(['/', '\\', '\0'], "_");
        Some(if path.ends_with('/') { format!("{path}trace-{iat}-{safe}.json") } else { path.to_owned() })
    }
}

fn nearest(field: &str) -> Option<&'static str> {
    let scored = FIELDS.into_iter().map(|name| (strsim::jaro_winkler(field, name), name));
    let (likeness, name) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (likeness >= LIKE).then_some(name)
}
