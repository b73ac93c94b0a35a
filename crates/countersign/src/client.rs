//! The HTTP client of the client commands.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use ureq::http::header::{DATE, HeaderValue};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, RequestBuilder};

use crate::output::visible;

/// The server that is asked where none is named.
pub const USUAL: &str = "http://127.0.0.1:8080";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may be, in bytes.
const LONGEST: u64 = 64 << 20;

/// Asks one server, with one key.
pub struct Client {
    agent: Agent,
    base: String,
    key: Option<HeaderValue>,
}

/// What a server answered, whatever it said.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The server's clock, as it names it.
    pub date: Option<String>,
    /// The body; `Null` where there is none.
    pub body: Value,
}

impl Client {
    /// A client of the server at `url`. Nothing is sent yet.
    pub fn new(url: &str, key: Option<String>) -> Result<Self> {
        let base = url.trim_end_matches('/');
        let host = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        let Some(host) = host.filter(|h| !h.is_empty()) else {
            bail!("`{url}` is not the URL of a server: expected a form such as `http://127.0.0.1:8080`");
        };
        let key = key.filter(|key| !key.is_empty()).map(|key| {
            let mut value = HeaderValue::try_from(key).context("the API key has characters that no key has")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let mut settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        // A proxy cannot reach this machine's own loopback.
        if ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local)) {
            settings = settings.proxy(None);
        }
        Ok(Self { agent: settings.build().into(), base: base.to_owned(), key: key.transpose()? })
    }

    /// A client of another server, with the same key.
    pub fn of(&self, url: &str) -> Self {
        Self { agent: self.agent.clone(), base: url.to_owned(), key: self.key.clone() }
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Reads what is at `path`. A query value that is `None` is not sent.
    pub fn get(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value> {
        accept(self.read(self.with_key(with_query(self.agent.get(self.uri(path)), query)).call())?)
    }

    /// Posts `body` to `path`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        accept(self.ask_to(path, body)?)
    }

    /// Replaces what is at `path`.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        accept(self.read(self.with_key(self.agent.put(self.uri(path))).send_json(body))?)
    }

    /// Posts `body` to `path`, whatever the server says to it.
    pub fn ask_to(&self, path: &str, body: &Value) -> Result<Reply> {
        self.read(self.with_key(self.agent.post(self.uri(path))).send_json(body))
    }

    /// Deletes what is at `path`.
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.delete_with(path, &[])
    }

    /// Deletes what is at `path`. A query value that is `None` is not sent.
    pub fn delete_with(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value> {
        accept(self.read(self.with_key(with_query(self.agent.delete(self.uri(path)), query)).call())?)
    }

    /// Reads what is at `path`, whatever the server says to it.
    pub fn probe(&self, path: &str) -> Result<Reply> {
        self.read(self.with_key(self.agent.get(self.uri(path))).call())
    }

    /// Reads the bytes at `path`, whatever they are and whatever the server says to it.
    pub fn fetch(&self, path: &str) -> Result<(StatusCode, Vec<u8>)> {
        let mut answer = self.answer(self.with_key(self.agent.get(self.uri(path))).call())?;
        Ok((answer.status(), body(&mut answer)?))
    }

    /// Reads the bytes at `path`; the status is a success, or 404. A query value that is `None` is not sent.
    pub fn ask(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<(StatusCode, Vec<u8>)> {
        let mut answer = self.answer(self.with_key(with_query(self.agent.get(self.uri(path)), query)).call())?;
        let (status, bytes) = (answer.status(), body(&mut answer)?);
        if status != StatusCode::NOT_FOUND && !status.is_success() {
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            accept(Reply { status, date: None, body })?;
        }
        Ok((status, bytes))
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn with_key<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.key {
            Some(key) => request.header("X-API-Key", key),
            None => request,
        }
    }

    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        answer.map_err(|why| {
            anyhow!(
                "cannot ask {}: {why}; is the server running? `countersign dev` starts one, \
                 and `--url` or COUNTERSIGN_URL names another",
                self.base
            )
        })
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Reply> {
        let mut answer = self.answer(answer)?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let bytes = body(&mut answer)?;
        let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        let status = answer.status();
        let body =
            body.with_context(|| format!("{} is no Countersign server: it answered {status} and no JSON", self.base))?;
        Ok(Reply { status, date, body })
    }
}

fn with_query<B>(request: RequestBuilder<B>, query: &[(&str, Option<String>)]) -> RequestBuilder<B> {
    let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    given.fold(request, |request, (name, value)| request.query(name, value))
}

fn body(answer: &mut Response<Body>) -> Result<Vec<u8>> {
    answer.body_mut().with_config().limit(LONGEST).read_to_vec().context("the answer broke off")
}

/// The body of an answer that is a success.
pub fn accept(reply: Reply) -> Result<Value> {
    let Reply { status, body, .. } = reply;
    if status.is_success() {
        return Ok(body);
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(visible);
    let code = text("code").map_or_else(String::new, |code| format!(", {code}"));
    let message = text("message").unwrap_or_else(|| "the server did not say why".into());
    let advice = match status {
        StatusCode::UNAUTHORIZED => "; give a key with COUNTERSIGN_API_KEY or `--api-key`",
        _ => "",
    };
    bail!("{message}{advice} (HTTP {}{code})", status.as_u16())
}
