//! How often a decision asks for memory, counted on the thread that decides. It is
//! the same on every machine, and tells earlier than a clock that the way got longer.

#![cfg(test)]

use std::sync::Arc;

use countersign_core::budget::Budget;
use countersign_core::capability::Pattern;
use countersign_core::digest::Digest;
use countersign_core::seal::SealKey;
use countersign_engine::{
    Ask, Caller, ContentGuard, Durability, Engine, Heed, NewAgent, Parts, Settings, Sources, SystemClock,
    SystemEntropy, Tracing,
};
use countersign_evidence::trace::key::SigningKey;
use countersign_store::{MemoryLive, MemoryStore};
use serde_json::Map;

/// How many decisions are counted, after as many that are not.
const DECISIONS: u64 = 500;

async fn engine() -> (Engine, Caller) {
    let store = Arc::new(MemoryStore::default());
    let engine = Engine::start(Parts {
        ledger: store.clone(),
        documents: store,
        live: Arc::new(MemoryLive::default()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy),
        seal_key: SealKey::new([7; 32]),
        settings: Settings { read_durability: Durability::Grouped, ..Settings::default() },
        tracing: Tracing::new(SigningKey::from_bytes(&[7; 32]), &Map::new()).unwrap(),
        vault: None,
    })
    .unwrap();
    let (_, minted) = engine.bootstrap("somebody").await.unwrap();
    let caller = engine.authenticate_key(&minted.unwrap().secret).unwrap();
    (engine, caller)
}

/// How many allocations one decision about reading takes in `engine`, on average.
async fn allocations((engine, caller): (Engine, Caller), summary: &str) -> u64 {
    let new = NewAgent {
        name: "reader".into(),
        framework: "custom".into(),
        public_key: None,
        capabilities: vec![Pattern::new("web_search")],
        budget: Budget::default(),
        blocked: Vec::new(),
        metadata: "{}".into(),
    };
    let agent = engine.register_agent(&caller, new).await.unwrap().id;
    let ask = Ask {
        agent: &agent,
        session: None,
        tool: "web_search",
        source: "api",
        hint: None,
        summary,
        arguments: Digest::ZERO,
        input: None,
        content: None,
    };
    let decide = || {
        for _ in 0..DECISIONS {
            let mut check = std::pin::pin!(engine.check(&caller, ask));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            // What is answered once it is queued never waits.
            assert!(matches!(check.as_mut().poll(&mut context), std::task::Poll::Ready(Ok(_))));
        }
    };
    decide();
    allocation_counter::measure(decide).count_total / DECISIONS
}

#[tokio::test]
async fn a_decision_asks_for_memory_a_few_times() {
    let counted = allocations(engine().await, "").await;
    assert!(counted <= 8, "{counted}");
}

#[tokio::test]
async fn what_a_call_says_is_looked_at_without_a_text_for_each_word() {
    let (engine, caller) = engine().await;
    let engine = engine.inspected_by(ContentGuard::new([1; 32], Heed::Enforce, Sources::default()).unwrap());
    let few = allocations((engine, caller), "quarterly revenue of the northern region").await;
    assert!(few <= 15, "{few}");
}
