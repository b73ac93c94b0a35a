//! Around every request: an id, a count, a line in the log, and in dev mode a
//! guard against web pages.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::refuse::Refusal;
use crate::surface::Surface;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Requests since the start: what makes ids different.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

pub(crate) async fn observe(State(surface): State<Surface>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    // The pattern and not the path: a path may hold what should not be logged.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = if surface.dev_mode && !is_local(request.headers()) {
        let message = "dev mode answers only requests to localhost, and none that a web page of another origin sends";
        Refusal::new(StatusCode::FORBIDDEN, "not_local", message).into_response()
    } else {
        next.run(request).await
    };
    let status = response.status().as_u16();
    surface.metrics.responded(status);
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    tracing::debug!(request.id = id.to_str().unwrap_or_default(), %method, route, status, "answered {method} {route} with {status}");
    response.headers_mut().insert(&REQUEST_ID, id);
    response
}

/// The caller's id for the request if it sent a plain one, or one of our own.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=64).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    if let Some(sent) = headers.get(&REQUEST_ID).filter(plain) {
        return sent.clone();
    }
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("req-{number:x}")).unwrap_or_else(|_| HeaderValue::from_static("req"))
}

/// Whether a request was meant for this machine: its `Host` is a loopback name,
/// and if a browser sent it, so is its `Origin`. Anyone may call a server in dev
/// mode without a key, so a web page must not be able to.
fn is_local(headers: &HeaderMap) -> bool {
    let loopback = |authority: &str| {
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin_is_local = text(header::ORIGIN)
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, authority)| loopback(authority)));
    text(header::HOST).is_none_or(loopback) && origin_is_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(host: &'static str, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        is_local(&headers)
    }

    #[test]
    fn a_web_page_and_a_rebound_name_are_not_local() {
        assert!(local("127.0.0.1:8080", None) && local("localhost", None) && local("[::1]:8080", None));
        assert!(local("localhost:8080", Some("http://localhost:3000")));
        assert!(!local("evil.example:8080", None));
        assert!(!local("127.0.0.1.evil.example", None));
        assert!(!local("127.0.0.1:8080", Some("https://evil.example")));
        assert!(!local("127.0.0.1:8080", Some("null")));
    }

    #[test]
    fn a_request_id_with_odd_characters_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(&REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(request_id(&headers), "abc-1");
        headers.insert(&REQUEST_ID, HeaderValue::from_static("a b"));
        assert_ne!(request_id(&headers), "a b");
    }
}
