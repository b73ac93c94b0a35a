//! Who reviews, and within which limits.
//!
//! The default is a person. A model's name is always the operator's choice.
//! Keys are named by file or environment, never written here.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::budget::Rates;
use crate::secret::SecretSource;

/// Who reviews destructive and administrative actions, and within which limits.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewConfig {
    /// Who is asked.
    pub reviewer: ReviewerConfig,
    /// How sure a reviewer must be for its allow to count, from 0 to 100. Below it, a person is asked.
    #[schemars(range(max = 100))]
    pub minimum_confidence: u8,
    /// How long a review may take, waiting for a place included: from 1 to 120 seconds.
    #[schemars(range(min = 1, max = 120))]
    pub timeout_seconds: u64,
    /// How many reviews run at the same time: from 1 to 64.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// How many more may wait, up to 1,024. One more is refused.
    #[schemars(range(max = 1_024))]
    pub queue: usize,
    /// How long a request may be, in bytes: from 4,096 to 1,048,576. A longer action is refused, never cut.
    #[schemars(range(min = 4_096, max = 1_048_576))]
    pub max_request_bytes: usize,
    /// How long a response may be, in bytes: from 1,024 to 1,048,576.
    #[schemars(range(min = 1_024, max = 1_048_576))]
    pub max_response_bytes: usize,
    /// How many tokens a model may write: from 128 to 32,768. Models that think before they answer need more.
    #[schemars(range(min = 128, max = 32_768))]
    pub max_answer_tokens: u32,
    /// What tokens cost. Without it, costs are not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// What reviews may cost in an hour, in the unit of `prices`. Needs `prices`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_hour: Option<f64>,
    /// Lets an allow or deny answer the same action of the same agent again. Without it, every action is reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
}

impl Default for ReviewConfig {
    fn default() -> Self {
        Self {
            reviewer: ReviewerConfig::Human {},
            minimum_confidence: 70,
            timeout_seconds: 20,
            concurrency: 4,
            queue: 16,
            max_request_bytes: 64 << 10,
            max_response_bytes: 64 << 10,
            max_answer_tokens: 1_024,
            prices: None,
            cost_per_hour: None,
            cache: None,
        }
    }
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ReviewerConfig {
    /// A person, by a request for approval.
    Human {},
    /// A model behind Anthropic's Messages API.
    Anthropic {
        /// The model's id, as the provider spells it.
        model: String,
        /// Where the API key is.
        api_key: SecretSource,
        /// The base URL; `/v1/messages` is added.
        #[serde(default = "anthropic_url")]
        url: String,
    },
    /// A model behind an API of the form of OpenAI's chat completions: Ollama, llama.cpp and vLLM have one.
    OpenAi {
        /// The model's id, as the server spells it.
        model: String,
        /// The base URL, with its version; `/chat/completions` is added.
        url: String,
        /// Where the API key is. A server on this machine may need none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key: Option<SecretSource>,
        /// What the server calls the limit of the tokens that it may write.
        #[serde(default)]
        token_limit: TokenLimit,
    },
    /// A service of your own.
    External {
        /// Its URL.
        url: String,
        /// Where the secret is with which requests are signed: `whsec_` and 24 to 64 bytes in base64.
        secret: SecretSource,
    },
}

fn anthropic_url() -> String {
    "https://api.anthropic.com".into()
}

/// What a server calls the limit of the tokens that a model may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimit {
    /// The name of today.
    #[default]
    MaxCompletionTokens,
    /// The older name, which some servers know alone.
    MaxTokens,
}

/// What a million tokens cost, in any unit of money.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// A million tokens that are read.
    pub input_per_million: f64,
    /// A million tokens that are written.
    pub output_per_million: f64,
}

/// How long and how many reviews answer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// For how long: from 1 to 300 seconds.
    #[schemars(range(min = 1, max = 300))]
    pub seconds: u64,
    /// How many are kept: from 1 to 4,096.
    #[serde(default = "entries")]
    #[schemars(range(min = 1, max = 4_096))]
    pub entries: usize,
}

const fn entries() -> usize {
    1_024
}

/// The configuration of the review cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}`: {why}")]
pub struct ConfigError {
    /// Which setting.
    pub setting: &'static str,
    /// What is wrong with it, and what was expected.
    pub why: String,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, why: impl Into<String>) -> Self {
        Self { setting, why: why.into() }
    }
}

impl ReviewConfig {
    /// Names everything that is wrong.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigError> {
        let mut found = Vec::new();
        let mut within = |setting, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                found.push(ConfigError::new(setting, format!("{value} is not from {least} to {most}")));
            }
        };
        within("minimum_confidence", self.minimum_confidence.into(), 0, 100);
        within("timeout_seconds", self.timeout_seconds, 1, 120);
        within("concurrency", self.concurrency as u64, 1, 64);
        within("queue", self.queue as u64, 0, 1_024);
        within("max_request_bytes", self.max_request_bytes as u64, 4_096, 1 << 20);
        within("max_response_bytes", self.max_response_bytes as u64, 1_024, 1 << 20);
        within("max_answer_tokens", self.max_answer_tokens.into(), 128, 32_768);
        if let Some(cache) = self.cache {
            within("cache.seconds", cache.seconds, 1, 300);
            within("cache.entries", cache.entries as u64, 1, 4_096);
        }
        found.extend(self.money_problems());
        found.extend(self.reviewer.problems());
        found
    }

    fn money_problems(&self) -> Vec<ConfigError> {
        let mut found = Vec::new();
        let rated = self.prices.map(Prices::rates);
        if self.prices.is_some() && !self.reviewer.is_model() {
            found.push(ConfigError::new("prices", "only a model is paid by the token"));
        }
        if rated.is_some_and(|rates| rates.is_none()) {
            found.push(ConfigError::new("prices", "expected amounts from 0 to 1,000,000"));
        }
        if let Some(cost) = self.cost_per_hour {
            if micros(cost).is_none() {
                found.push(ConfigError::new("cost_per_hour", "expected an amount from 0 to 1,000,000"));
            }
            if self.prices.is_none() {
                found.push(ConfigError::new("cost_per_hour", "it needs `prices`: without them nothing has a cost"));
            }
        }
        found
    }

    /// What tokens cost.
    pub(crate) fn rates(&self) -> Option<Rates> {
        self.prices.and_then(Prices::rates)
    }

    /// What an hour may cost, in millionths.
    pub(crate) fn hourly_micros(&self) -> Option<u64> {
        self.cost_per_hour.and_then(micros)
    }
}

impl Prices {
    fn rates(self) -> Option<Rates> {
        Some(Rates { input: micros(self.input_per_million)?, output: micros(self.output_per_million)? })
    }
}

/// An amount in millionths.
fn micros(amount: f64) -> Option<u64> {
    // A float turns into text and back without a cast that could round silently.
    let sensible = amount.is_finite() && (0.0..=1_000_000.0).contains(&amount);
    sensible.then(|| format!("{:.0}", amount * 1e6).parse().ok()).flatten()
}

impl ReviewerConfig {
    /// Where its key is. The caller reads it and passes it to [`crate::open`].
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Human {} => None,
            Self::Anthropic { api_key, .. } => Some(api_key),
            Self::OpenAi { api_key, .. } => api_key.as_ref(),
            Self::External { secret, .. } => Some(secret),
        }
    }

    const fn is_model(&self) -> bool {
        matches!(self, Self::Anthropic { .. } | Self::OpenAi { .. })
    }

    fn problems(&self) -> Vec<ConfigError> {
        let mut found: Vec<_> = self.endpoint().err().into_iter().collect();
        if let Self::Anthropic { model, .. } | Self::OpenAi { model, .. } = self
            && (model.is_empty() || model.len() > 256 || model.contains(char::is_control))
        {
            found.push(ConfigError::new("reviewer.model", "expected the id of a model, of at most 256 characters"));
        }
        found
    }

    /// Where it is asked; `None` for a person.
    pub(crate) fn endpoint(&self) -> Result<Option<Endpoint>, ConfigError> {
        match self {
            Self::Human {} => Ok(None),
            Self::Anthropic { url, .. } => Endpoint::under(url, "/v1/messages").map(Some),
            Self::OpenAi { url, .. } => Endpoint::under(url, "/chat/completions").map(Some),
            Self::External { url, .. } => Endpoint::under(url, "").map(Some),
        }
    }
}

/// A URL that may be asked: over TLS, or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) is_loopback: bool,
}

impl Endpoint {
    fn under(base: &str, path: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| ConfigError::new("reviewer.url", format!("`{}`: {why}", without_secrets(base)));
        let uri: Uri = base.parse().map_err(|_| wrong("expected a URL such as `https://reviewer.example`"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("a URL holds no user and no password: name the key with a setting"));
        }
        if uri.query().is_some() || base.contains('#') {
            return Err(wrong("expected no query and no fragment"));
        }
        let is_loopback = is_loopback(host);
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback => {}
            _ => return Err(wrong("expected `https://`; `http://` is for this machine's loopback alone")),
        }
        Ok(Self { url: format!("{}{path}", base.trim_end_matches('/')), is_loopback })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The URL as far as it can be shown.
fn without_secrets(url: &str) -> &str {
    if url.contains('@') { "the URL" } else { url.split(['?', '#']).next().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ReviewConfig, String> {
        let config: ReviewConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(format!("{problems:?}")) }
    }

    #[test]
    fn without_a_word_a_person_reviews() {
        assert_eq!(read("").unwrap(), ReviewConfig::default());
        assert_eq!(ReviewConfig::default().reviewer, ReviewerConfig::Human {});
    }

    #[test]
    fn the_examples_of_the_reference_are_read() {
        let page = include_str!("../../../docs/reference/deep-review.md");
        let examples: Vec<_> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(examples.len() >= 4, "{}", examples.len());
        for example in examples {
            let whole: toml::Table = toml::from_str(example).unwrap();
            let section = toml::to_string(&whole["guardian"]["deep"]).unwrap();
            read(&section).unwrap();
        }
    }

    #[test]
    fn what_is_not_known_or_not_safe_is_refused() {
        let openai = |url: &str| format!("[reviewer]\nkind = \"openai\"\nmodel = \"m\"\nurl = \"{url}\"");
        assert!(read(&openai("http://127.0.0.1:11434/v1")).is_ok());
        assert!(read(&openai("http://[::1]:11434/v1")).is_ok());
        assert!(read(&openai("http://LOCALHOST:1/v1")).is_ok());
        assert!(read(&openai("https://models.example/v1")).is_ok());
        for bad in [
            "http://models.example/v1",
            "http://127.0.0.1.models.example/v1",
            "http://localhost.models.example/v1",
            "http://127.0.0.1@models.example/v1",
            "https://user:pass@models.example/v1",
            "https://models.example/v1?key=1",
            "https://models.example/v1#a",
            "ftp://127.0.0.1/v1",
            "models.example/v1",
            "/v1",
            "",
        ] {
            assert!(read(&openai(bad)).is_err(), "{bad}");
        }
        for bad in [
            "timeout_second = 3",
            "timeout_seconds = 0",
            "timeout_seconds = 121",
            "concurrency = 0",
            "minimum_confidence = 101",
            "cost_per_hour = 1.0",
            "prices = { input_per_million = 1.0, output_per_million = 1.0 }",
            "cache = { seconds = 301 }",
            "cache = { second = 3 }",
            "[reviewer]\nkind = \"robot\"",
            "[reviewer]\nkind = \"human\"\nmodel = \"m\"",
            "[reviewer]\nkind = \"anthropic\"\nmodel = \"m\"",
            "[reviewer]\nkind = \"anthropic\"\nmodel = \"\"\napi_key = { env = \"K\" }",
            "[reviewer]\nkind = \"anthropic\"\nmodel = \"m\"\napi_key = \"sk-ant-1\"",
            "[reviewer]\nkind = \"external\"\nurl = \"https://r.example\"",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let model = openai("http://127.0.0.1:1/v1");
        for bad in ["inf", "nan", "-1.0", "1e7"] {
            let prices = format!("prices = {{ input_per_million = {bad}, output_per_million = 1.0 }}\n{model}");
            assert!(read(&prices).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_shows_no_password() {
        let why = Endpoint::under("https://user:hunter2@models.example", "").unwrap_err().to_string();
        assert!(!why.contains("hunter2"), "{why}");
        let why = Endpoint::under("https://models.example?key=hunter2", "").unwrap_err().to_string();
        assert!(!why.contains("hunter2"), "{why}");
    }

    #[test]
    fn amounts_are_counted_in_millionths() {
        assert_eq!(micros(0.25), Some(250_000));
        assert_eq!(micros(3.0), Some(3_000_000));
        assert_eq!(micros(0.0), Some(0));
    }
}
