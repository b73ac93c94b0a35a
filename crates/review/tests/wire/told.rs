//! What the tests tell a reviewer, and what reviewers answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::chain::Tally;
use countersign_core::id::{AgentId, OrgId};
use countersign_core::{Digest, Effect, Timestamp};
use countersign_review::{Arguments, Brief, ReviewConfig, Reviewer, Risk, Secret, World};
use serde_json::{Value, json};

use crate::stub::{Request, Stub};

pub const KEY: &str = "sk-very-secret";
pub const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A clock that a test moves, and luck that never comes twice.
#[derive(Default)]
pub struct Still {
    millis: AtomicU64,
    drawn: AtomicU64,
}

impl Still {
    pub fn advance(&self, by: Duration) {
        self.millis.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl World for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_223_326_500)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    fn luck(&self) -> u128 {
        let drawn = Digest::of(&self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        u128::from_be_bytes(*drawn.as_bytes().first_chunk().unwrap())
    }
}

pub fn brief() -> Brief {
    Brief {
        organisation: OrgId::parse("org_1").unwrap(),
        agent: AgentId::parse("agent_1").unwrap(),
        tool: "db/drop_table".into(),
        resource: Some("customers".into()),
        effect: Effect::Destructive,
        arguments: Arguments::Shown(json!({ "cascade": true })),
        action_digest: Digest::of(b"this action"),
        policy_digest: Digest::of(b"these policies"),
        session: Tally { total: 7, read: 4, write: 2, denied: 1 },
        delegation_depth: 1,
        risk: Risk { score: 40, reasons: vec!["a tool it never used".into()] },
        findings: Vec::new(),
        advice: Vec::new(),
    }
}

/// The section `[review.reviewer]` for each kind of reviewer, and its secret.
pub fn config(kind: &str, url: &str) -> (ReviewConfig, Secret) {
    let (own, secret) = match kind {
        "anthropic" | "openai" => ("model = \"a-model\"\napi_key = { env = \"K\" }", KEY),
        _ => ("secret = { env = \"K\" }", WEBHOOK),
    };
    let config = toml::from_str(&format!("[reviewer]\nkind = \"{kind}\"\nurl = \"{url}\"\n{own}")).unwrap();
    (config, Secret::new(secret).unwrap())
}

/// A reviewer of that kind at `stub`, its limits changed by `change`.
pub fn reviewer(kind: &str, stub: &Stub, change: impl FnOnce(&mut ReviewConfig)) -> (Arc<dyn Reviewer>, Arc<Still>) {
    let (mut config, secret) = config(kind, &stub.url);
    change(&mut config);
    let world = Arc::new(Still::default());
    let opened = countersign_review::open(&config, Some(&secret), Arc::clone(&world) as Arc<dyn World>);
    (Arc::from(opened.unwrap()), world)
}

/// The answer itself.
pub fn answer(verdict: &str, request: &Request) -> Value {
    json!({ "verdict": verdict, "reasoning": "it is small", "confidence": 90, "nonce": request.nonce() })
}

/// The answer as the API of `kind` wraps it.
pub fn wrapped(kind: &str, answer: &Value, request: &Request) -> Value {
    match kind {
        "anthropic" => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "a-model-20260101",
            "content": [{ "type": "tool_use", "id": "toolu_1", "name": "submit_review", "input": answer }],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {
                "input_tokens": 900, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100,
                "output_tokens": 50, "service_tier": "standard"
            }
        }),
        "openai" => json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_223_326, "model": "a-model:8b",
            "system_fingerprint": "fp",
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": { "role": "assistant", "content": answer.to_string(), "refusal": null }
            }],
            "usage": { "prompt_tokens": 1_000, "completion_tokens": 50, "total_tokens": 1_050 }
        }),
        _ => {
            let mut answer = answer.clone();
            answer["action_digest"] = request.json()["brief"]["action_digest"].clone();
            answer
        }
    }
}

/// A server that says `verdict` in the API of `kind`.
pub fn saying(kind: &'static str, verdict: &'static str) -> Stub {
    Stub::answering(move |request| wrapped(kind, &answer(verdict, request), request))
}
