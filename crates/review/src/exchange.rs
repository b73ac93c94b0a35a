//! One HTTP exchange with a reviewer: a POST, and a response of a bounded size.
//!
//! Redirects are not followed, compression is not asked for and not accepted,
//! and no header that holds a secret is ever printed.

use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;
use ureq::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use ureq::tls::{RootCerts, TlsConfig};

use crate::config::Endpoint;
use crate::error::ReviewError;

/// How much of an answer that is an error is read, in bytes.
const LONGEST_ERROR: u64 = 16 << 10;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: String,
}

/// One reviewer's address, ready to be asked.
#[derive(Debug)]
pub(crate) struct Line {
    agent: Agent,
    url: String,
    longest: usize,
}

impl Line {
    /// The line to `endpoint`, on which responses have at most `longest` bytes.
    pub(crate) fn to(endpoint: &Endpoint, longest: usize) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let mut settings = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!endpoint.is_loopback)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .accept_encoding("identity")
            .tls_config(tls);
        // A proxy cannot reach this machine's own loopback.
        if endpoint.is_loopback {
            settings = settings.proxy(None);
        }
        Self { agent: settings.build().into(), url: endpoint.url.clone(), longest }
    }

    /// Sends `post` and reads the body of a 200, all of it within `within`.
    pub(crate) fn send(&self, post: Post, within: Duration) -> Result<String, ReviewError> {
        let mut request = self.agent.post(&self.url).config().timeout_global(Some(within)).build();
        request = request.header(CONTENT_TYPE, "application/json");
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let failed = |why: ureq::Error| self.failed(&why, within);
        let mut response = request.send(post.body).map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status != 200 {
            let body = response.body_mut().with_config().limit(LONGEST_ERROR).read_to_vec().unwrap_or_default();
            return Err(refusal(status, &headers, &body));
        }
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes() != b"identity") {
            return Err(ReviewError::garbled("it is compressed, which was not asked for"));
        }
        let limit = u64::try_from(self.longest).unwrap_or(u64::MAX);
        let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(failed)?;
        String::from_utf8(body).map_err(|_| ReviewError::garbled("it is not UTF-8"))
    }

    fn failed(&self, why: &ureq::Error, within: Duration) -> ReviewError {
        match why {
            ureq::Error::Timeout(_) => ReviewError::TimedOut { after: within },
            ureq::Error::BodyExceedsLimit(_) => ReviewError::ResponseTooLarge { limit: self.longest },
            ureq::Error::Protocol(_) => ReviewError::garbled("it is not HTTP/1.1"),
            ureq::Error::Io(why) if broke_off(why) => ReviewError::garbled("it breaks off"),
            other => ReviewError::Unreachable { why: brief(&other.to_string()) },
        }
    }
}

/// The client's own words, bounded: of a certificate they may repeat the names.
fn brief(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether there was a connection: the reviewer may have read what was sent.
fn broke_off(why: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(why.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// What another status than 200 says.
fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> ReviewError {
    if matches!(status, 429 | 503 | 529) {
        return ReviewError::Overloaded { status, retry_after: retry_after(headers) };
    }
    ReviewError::Refused { status, kind: kind(body) }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); its form as a date is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The word for the error that both Anthropic's and OpenAI's API have as `error.type`.
fn kind(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        r#type: String,
    }
    let word = serde_json::from_slice::<Body>(body).ok()?.error.r#type;
    let plain = word.len() <= 64 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_kind_and_never_what_was_sent() {
        let body = br#"{"type":"error","error":{"type":"authentication_error","message":"sk-secret"}}"#;
        let why = refusal(401, &HeaderMap::new(), body);
        assert_eq!(why, ReviewError::Refused { status: 401, kind: Some("authentication_error".into()) });
        assert!(!why.to_string().contains("sk-secret"));
        assert_eq!(kind(br#"{"error":{"type":"Bearer sk-secret"}}"#), None);
    }
}
