//! One HTTP client of a tier in another process: a POST with the key, and an
//! answer of a bounded size, on threads that may block.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_engine::NoAnswer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use ureq::tls::{RootCerts, TlsConfig};

use crate::tier::key::TierKey;

/// How many questions are on their way at once. One more is not asked.
const PLACES: usize = 64;
/// How long an answer may be, in bytes.
const LONGEST: u64 = 64 << 10;

/// An answer on its way.
pub type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, NoAnswer>> + Send>>;

/// A way to a tier. Cheap to clone.
#[derive(Clone)]
pub struct Line(Arc<Way>);

struct Way {
    agent: Agent,
    base: String,
    key: HeaderValue,
    tier: &'static str,
    places: Arc<Semaphore>,
    /// Whose threads block. `None` once the way is closed.
    threads: Option<Runtime>,
}

impl Drop for Way {
    fn drop(&mut self) {
        // What is still on its way is waited for by nobody.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// What is wrong with the base URL of a tier: it has to be one over TLS, or on this machine.
pub fn problem(url: &str) -> Option<String> {
    is_loopback(url).err()
}

fn is_loopback(url: &str) -> Result<bool, String> {
    // What it holds instead of a plain host may be a password.
    let wrong = |why: &str| format!("{why}: expected a base URL such as `https://spot.example`");
    let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
    if url.contains(['@', '?', '#']) {
        return Err(wrong("it holds a user, a query or a fragment"));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback =
        host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(is_loopback),
        Some("http") if is_loopback => Ok(true),
        _ => Err(wrong("the key would travel unencrypted; `http://` is for this machine's loopback alone")),
    }
}

impl Line {
    /// The way to the `tier` at the base URL `url`. Nothing is sent yet.
    pub fn to(tier: &'static str, url: &str, key: &TierKey) -> Result<Self> {
        let is_loopback = is_loopback(url).map_err(|why| anyhow!(why))?;
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let mut settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(PLACES)
            .max_idle_connections_per_host(PLACES)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(tls);
        // A proxy cannot reach this machine's own loopback.
        if is_loopback {
            settings = settings.proxy(None);
        }
        let threads = Builder::new_current_thread()
            .max_blocking_threads(PLACES)
            .thread_name(format!("ask-{tier}"))
            .build()
            .context("the system gives no threads")?;
        Ok(Self(Arc::new(Way {
            agent: settings.build().into(),
            base: url.trim_end_matches('/').to_owned(),
            key: key.header().context("the tier's key cannot be a header")?,
            tier,
            places: Arc::new(Semaphore::new(PLACES)),
            threads: Some(threads),
        })))
    }

    /// Posts `message` to `path`, on a thread that may block.
    pub fn ask<R>(&self, path: &'static str, message: impl Serialize + Send + 'static, within: Duration) -> Waiting<R>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let place = Arc::clone(&self.0.places).try_acquire_owned();
        let (Ok(place), Some(threads)) = (place, &self.0.threads) else {
            return Box::pin(std::future::ready(Err(NoAnswer::Busy)));
        };
        let line = self.clone();
        let call = threads.handle().spawn_blocking(move || {
            let _held = place;
            line.post(path, &message, within)?.ok_or(NoAnswer::Garbled)
        });
        Box::pin(async move { call.await.unwrap_or(Err(NoAnswer::Broken)) })
    }

    /// Posts `message` to `path` and reads what is answered, all of it `within`
    /// that time; `None` where nothing is.
    pub fn post<R>(&self, path: &str, message: &impl Serialize, within: Duration) -> Result<Option<R>, NoAnswer>
    where
        R: DeserializeOwned,
    {
        let way = &self.0;
        self.send(path, message, within).map_err(|(answer, why)| {
            tracing::warn!(tier = way.tier, %why, "the {} guard at {} gave no answer", way.tier, way.base);
            answer
        })
    }

    fn send<R>(&self, path: &str, message: &impl Serialize, within: Duration) -> Result<Option<R>, (NoAnswer, String)>
    where
        R: DeserializeOwned,
    {
        let way = &self.0;
        let body = serde_json::to_vec(message).map_err(|why| (NoAnswer::Broken, why.to_string()))?;
        let request = way.agent.post(format!("{}{path}", way.base)).config().timeout_global(Some(within)).build();
        let request = request.header(AUTHORIZATION, &way.key).header(CONTENT_TYPE, "application/json");
        let mut answer = request.send(&body[..]).map_err(|why| failed(&why))?;
        match answer.status().as_u16() {
            200 => {}
            204 => return Ok(None),
            401 => return Err((NoAnswer::Refused, "it holds another key: compare `guardian.tier_key_file`".into())),
            status => return Err((NoAnswer::Refused, format!("it answered with status {status}"))),
        }
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(|why| failed(&why))?;
        // The words of an error could repeat what was sent.
        let read = serde_json::from_slice(&body);
        read.map(Some).map_err(|_| (NoAnswer::Garbled, "what it answered is not of this protocol".into()))
    }
}

fn failed(why: &ureq::Error) -> (NoAnswer, String) {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let answer = match why {
        ureq::Error::Timeout(_) => NoAnswer::TimedOut,
        ureq::Error::Protocol(_) | ureq::Error::BodyExceedsLimit(_) => NoAnswer::Garbled,
        ureq::Error::Io(why)
            if matches!(why.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) =>
        {
            NoAnswer::Garbled
        }
        _ => NoAnswer::Unreachable,
    };
    (answer, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_travels_unencrypted_to_another_machine() {
        for good in ["https://spot.example", "https://spot.example/tiers/", "http://127.0.0.1:8081", "http://[::1]:1"] {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in [
            "",
            "spot.example",
            "http://spot.example",
            "http://10.0.0.1:1",
            "http://localhost.spot.example",
            "http://127.0.0.1@spot.example",
            "https://user:hunter2@spot.example",
            "https://spot.example?key=hunter2",
            "unix:/run/spot",
        ] {
            assert!(!problem(bad).expect(bad).contains("hunter2"));
        }
    }
}
