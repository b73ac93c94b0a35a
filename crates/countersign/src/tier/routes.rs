//! What a tier in a process of its own answers: to whoever shows the key, and
//! `/health` to everyone.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use countersign_engine::{Baselines, Brief, DeepGuard, Opinion};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::tier::key::TierKey;
use crate::tier::wire::{Answer, Knowledge, LOOK, Look, MOST_OBSERVED, OBSERVE, Observations, Question, REVIEW};

/// How long a request may be, in bytes: the arguments of a call, escaped once more, and what is around them.
const LONGEST: usize = 4 << 20;

/// What a Spot guard answers from `baselines`.
pub fn spot(baselines: Arc<Baselines>, key: &Arc<TierKey>) -> Router {
    let routes = Router::new().route(LOOK, post(look)).route(OBSERVE, post(observe)).with_state(baselines);
    keyed(routes, key).route("/health", get(async || health("spot")))
}

/// What a deep reviewer answers, within that time.
pub fn deep(guard: Arc<dyn DeepGuard>, within: Duration, key: &Arc<TierKey>) -> Router {
    let routes = Router::new().route(REVIEW, post(review)).with_state((guard, within));
    keyed(routes, key).route("/health", get(async || health("deep")))
}

/// Routes that answer nobody who does not show the key.
fn keyed(routes: Router, key: &Arc<TierKey>) -> Router {
    routes.layer(from_fn_with_state(Arc::clone(key), shows_key)).layer(DefaultBodyLimit::max(LONGEST))
}

async fn shows_key(State(key): State<Arc<TierKey>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    if shown.is_some_and(|shown| key.is_shown_by(shown.as_bytes())) {
        return next.run(request).await;
    }
    tracing::warn!("somebody asked without the key of `guardian.tier_key_file`, and was refused");
    let why = "show the key of `guardian.tier_key_file` as `Authorization: Bearer KEY`";
    refused(StatusCode::UNAUTHORIZED, "unauthenticated", why)
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn answer(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(why) => refused(StatusCode::INTERNAL_SERVER_ERROR, "unprintable", &why.to_string()),
    }
}

/// What the body says, or the refusal of what is not of this protocol.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Box<Response>> {
    let malformed = |why: serde_json::Error| {
        // Both ends are ours: another version is the likely cause.
        let message = format!("not a message of this version of the protocol: {why}");
        Box::new(refused(StatusCode::BAD_REQUEST, "malformed", &message))
    };
    serde_json::from_slice(body).map_err(malformed)
}

fn health(tier: &'static str) -> Response {
    answer(&json!({ "status": "healthy", "tier": tier, "version": env!("CARGO_PKG_VERSION") }))
}

async fn look(State(baselines): State<Arc<Baselines>>, body: Bytes) -> Response {
    match read::<Look>(&body) {
        Ok(call) => answer(&Knowledge::from(baselines.known(&call.into()))),
        Err(refusal) => *refusal,
    }
}

async fn observe(State(baselines): State<Arc<Baselines>>, body: Bytes) -> Response {
    match read::<Observations>(&body) {
        Ok(told) if told.observations.len() > MOST_OBSERVED => {
            refused(StatusCode::BAD_REQUEST, "too_many", "expected at most 256 observations")
        }
        Ok(told) => {
            for observation in told.observations {
                baselines.observe(&observation.into());
            }
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => *refusal,
    }
}

async fn review(State((guard, within)): State<(Arc<dyn DeepGuard>, Duration)>, body: Bytes) -> Response {
    let brief: Brief = match read::<Question>(&body) {
        Ok(question) => question.into(),
        Err(refusal) => return *refusal,
    };
    let (about, kind) = (brief.action_digest(), guard.kind());
    let opinion = tokio::time::timeout(within, guard.review(brief)).await;
    answer(&Answer::new(about, opinion.unwrap_or_else(|_| Opinion::unavailable(kind, "timed_out"))))
}
