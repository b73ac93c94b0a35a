//! The wire formats: a brief becomes a request, a response becomes a review.
//!
//! Pure: nothing here opens anything.

mod anthropic;
mod external;
mod openai;

use countersign_core::Timestamp;
use serde::Serialize;
use ureq::http::header::HeaderValue;

use crate::ask::Ask;
use crate::brief::Brief;
use crate::config::{ConfigError, ReviewConfig, ReviewerConfig};
use crate::error::ReviewError;
use crate::exchange::Post;
use crate::review::{By, Review, Usage};
use crate::secret::Secret;

/// What a response says.
#[derive(Debug)]
pub(crate) struct Heard {
    /// What it used, whatever it answered.
    pub(crate) usage: Option<Usage>,
    /// The answer.
    pub(crate) review: Result<Review, ReviewError>,
}

impl Heard {
    fn nothing(why: ReviewError) -> Self {
        Self { usage: None, review: Err(why) }
    }
}

/// One wire format, with what it needs to be spoken.
#[derive(Debug)]
pub(crate) enum Backend {
    Anthropic(anthropic::Anthropic),
    OpenAi(openai::OpenAi),
    External(external::External),
}

impl Backend {
    /// The wire format that is configured; `None` for a person.
    pub(crate) fn of(config: &ReviewConfig, secret: Option<&Secret>) -> Result<Option<Self>, ConfigError> {
        let missing = |setting| ConfigError::new(setting, "the key that it names was not read");
        let max_tokens = config.max_answer_tokens;
        Ok(Some(match &config.reviewer {
            ReviewerConfig::Human {} => return Ok(None),
            ReviewerConfig::Anthropic { model, .. } => {
                let key = hidden(secret.ok_or_else(|| missing("reviewer.api_key"))?.expose())?;
                Self::Anthropic(anthropic::Anthropic { model: model.clone(), key, max_tokens })
            }
            ReviewerConfig::OpenAi { model, api_key, token_limit, .. } => {
                if api_key.is_some() && secret.is_none() {
                    return Err(missing("reviewer.api_key"));
                }
                let bearer = secret.map(|key| hidden(&format!("Bearer {}", key.expose()))).transpose()?;
                let limit = *token_limit;
                Self::OpenAi(openai::OpenAi { model: model.clone(), bearer, limit, max_tokens })
            }
            ReviewerConfig::External { .. } => {
                let secret = secret.ok_or_else(|| missing("reviewer.secret"))?;
                let signer = external::External::new(secret);
                Self::External(signer.map_err(|why| ConfigError::new("reviewer.secret", why.to_string()))?)
            }
        }))
    }

    /// What to send.
    pub(crate) fn question(&self, brief: &Brief, ask: &Ask, now: Timestamp) -> Post {
        match self {
            Self::Anthropic(backend) => backend.question(brief, ask),
            Self::OpenAi(backend) => backend.question(brief, ask),
            Self::External(backend) => backend.question(brief, ask, now),
        }
    }

    /// What the body of a 200 says.
    pub(crate) fn read(&self, body: &str, ask: &Ask) -> Heard {
        match self {
            Self::Anthropic(backend) => backend.read(body, ask),
            Self::OpenAi(backend) => backend.read(body, ask),
            Self::External(_) => external::read(body, ask),
        }
    }
}

/// One message to a model.
#[derive(Serialize)]
struct Said<'a> {
    role: &'a str,
    content: &'a str,
}

/// A request as JSON. Text, numbers and a schema: nothing in it can fail to be JSON.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// A header that is never printed.
fn hidden(text: &str) -> Result<HeaderValue, ConfigError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| ConfigError::new("reviewer.api_key", "the key has characters that no key has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Who answered: the model that the response names, where it is a name.
fn by(reviewer: &str, configured: &str, named: Option<String>) -> By {
    let is_name = |name: &String| (1..=256).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    By { reviewer: reviewer.into(), model: Some(named.filter(is_name).unwrap_or_else(|| configured.into())) }
}
