//! Trust Records: what a closed session leaves, and who cannot change it.

use std::collections::BTreeMap;

use countersign_core::chain::Chain;
use countersign_core::id::{AgentId, ChainId};
use countersign_core::session::Session;
use countersign_core::{Digest, Timestamp};
use countersign_engine::{Ask, Closing, NewAgent, Stretch};
use countersign_evidence::trace::delegation::{Classification, Context, Credential, follow, record_digest};
use countersign_evidence::trace::digest::{Algorithm, TaggedDigest};
use countersign_evidence::trace::transcript::{self, Form};
use countersign_evidence::trace::verify::{Demands, Trust, verify};
use serde_json::{Value, json};

use crate::world::{Ending, World, ask, lending, new_agent, refusal};

/// A session that was used and closed, and its record.
async fn closed(world: &World, agent: &AgentId) -> (Session, Value) {
    let session = world.session(agent).await;
    for tool in ["get_mail", "get_mail", "update_mail"] {
        world.verdict(agent, session.id.as_str(), tool).await;
    }
    close(world, &session, Closing::default()).await;
    let record = record(world, &session).await;
    (session, record)
}

async fn close(world: &World, session: &Session, closing: Closing<'_>) {
    world.engine.close_session(&world.org.runtime, session.id.as_str(), closing).await.unwrap();
}

async fn record(world: &World, session: &Session) -> Value {
    world.engine.trace(&world.org.auditor, session.id.as_str()).await.unwrap().record
}

/// The entries of a session's chain, as one JSON array.
fn transcript_of(world: &World, session: &Session) -> String {
    let on_chain = |bytes: &Vec<u8>| {
        let entry: Value = serde_json::from_slice(bytes).unwrap();
        entry["chain"]["id"] == session.id.as_str()
    };
    let bodies = world.bodies().into_iter().filter(on_chain).map(|bytes| String::from_utf8(bytes).unwrap());
    format!("[{}]", bodies.collect::<Vec<_>>().join(","))
}

fn verifies(world: &World, record: &Value) -> bool {
    let key = world.engine.trace_key();
    verify(record, Trust::Key(&key), &Demands::at(world.engine.now())).refusal().is_none()
}

#[tokio::test]
async fn a_record_is_signed_and_says_what_the_entries_say() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let (session, record) = closed(&world, &agent).await;
    assert!(verifies(&world, &record));
    let measured = transcript::measure(transcript_of(&world, &session).as_bytes(), Form::Chain).unwrap();
    assert_eq!(record["tool_transcript"]["hash"], measured.hash.as_str());
    assert_eq!(record["tool_transcript"]["call_count"], 3);
    assert_eq!(measured.call_count, Some(3));
    let head = record["tool_transcript"]["hash"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    assert_eq!(record["runtime"]["measurement"], TaggedDigest::sha256(head.as_bytes()).as_str());
    assert_eq!(record["subject"], format!("spiffe://countersign.invalid/agent/{agent}"));
    let kept = world.engine.trace(&world.org.auditor, session.id.as_str()).await.unwrap();
    assert_eq!(record["policy"]["bundle_hash"], TaggedDigest::sha256(kept.policy.as_bytes()).as_str());
    assert!(record.get("transparency").is_none());
    kept.receipt().unwrap().verify(&record).unwrap();
}

#[tokio::test]
async fn a_record_is_anchored_by_an_entry_of_its_own() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let (session, record) = closed(&world, &agent).await;
    let anchor = world.last();
    assert_eq!((anchor.kind.as_str(), anchor.chain.as_str()), ("trace", agent.as_str()));
    assert_eq!(anchor.says("session"), session.id.as_str());
    assert_eq!(anchor.says("record"), record_digest(&record, Algorithm::Sha256).unwrap().as_str());
    assert_eq!(anchor.says("key"), world.engine.trace_key().thumbprint());
    let kept = world.engine.trace(&world.org.auditor, session.id.as_str()).await.unwrap();
    assert_eq!(anchor.says("merkle_root"), kept.receipt().unwrap().merkle_root.as_str());
    let found = world.engine.anchor(&kept, session.id.as_str()).unwrap();
    assert_eq!(found.entry, *world.bodies().last().unwrap());
    world.verified();
}

#[tokio::test]
async fn an_open_session_has_no_record_and_a_strangers_is_not_there() {
    let world = World::new().await;
    let owner = world.agent("owner", &["*"]).await;
    let other = world.key_of(&world.agent("other", &["*"]).await).await;
    let session = world.session(&owner).await;
    let id = session.id.as_str();
    assert_eq!(refusal(world.engine.trace(&world.org.auditor, id).await), "not_yet");
    close(&world, &session, Closing::default()).await;
    let globex = world.other_org().await;
    assert_eq!(refusal(world.engine.trace(&globex.auditor, id).await), "not_found");
    assert_eq!(refusal(world.engine.trace(&other, id).await), "not_found");
    world.engine.trace(&world.key_of(&owner).await, id).await.unwrap();
}

#[tokio::test]
async fn nothing_that_comes_after_the_close_is_on_the_sessions_chain() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let (session, record) = closed(&world, &agent).await;
    let ended = world.chain(&session);
    assert_eq!(world.verdict(&agent, session.id.as_str(), "get_mail").await, "session_closed");
    assert_eq!(world.last().chain, agent.as_str());
    let report = countersign_engine::Report {
        event_type: "tool_end".into(),
        tool: "get_mail".into(),
        duration_ms: None,
        success: Some(true),
        error_type: None,
    };
    world.engine.report(&world.org.runtime, &agent, Some(session.id.as_str()), vec![report]).await.unwrap();
    assert_eq!(world.last().chain, agent.as_str());
    assert_eq!(world.chain(&session), ended);
    assert_eq!(record["tool_transcript"]["hash"], TaggedDigest::from(ended.head).as_str());
}

#[tokio::test]
async fn an_approval_that_is_answered_after_the_close_is_on_the_agents_chain() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    let approval = world.elevation(&agent, session.id.as_str(), "update_mail").await;
    close(&world, &session, Closing::default()).await;
    let ended = world.chain(&session);
    world.approve(&approval).await;
    assert_eq!((world.last().kind.as_str(), world.last().chain.as_str()), ("approval", agent.as_str()));
    assert_eq!(world.chain(&session), ended);
}

/// Whatever is on its way to the recorder when the close gets there ends up
/// before the close, or elsewhere: refusals and requests for approval too.
#[tokio::test]
async fn what_races_a_close_is_before_it_or_on_another_chain() {
    let world = World::new().await;
    let agent = world.agent("reader", &["get_*", "update_*"]).await;
    let session = world.session(&agent).await;
    let id = session.id.to_string();
    let noting = world.hold(&agent).await;
    let mut asking = Vec::new();
    for tool in ["get_mail", "drop_table", "update_mail"] {
        asking.push(world.asking(&world.org.runtime, &agent, Some(&id), tool).await);
    }
    let (engine, caller, to_close) = (world.engine.clone(), world.org.runtime.clone(), id.clone());
    let closing =
        world.started(async move { engine.close_session(&caller, &to_close, Closing::default()).await }).await;
    for tool in ["get_mail", "drop_table", "update_mail"] {
        asking.push(world.asking(&world.org.runtime, &agent, Some(&id), tool).await);
    }
    world.tap.release();
    noting.await.unwrap();
    closing.await.unwrap().unwrap();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    let on_chain: Vec<_> = world.entries().into_iter().filter(|entry| entry.chain == id).collect();
    assert_eq!(on_chain.len(), 1 + 3 + 1, "{on_chain:?}");
    assert_eq!(on_chain.last().unwrap().says("verb"), "close");
    let record = record(&world, &session).await;
    assert_eq!(record["tool_transcript"]["call_count"], 3);
    let measured = transcript::measure(transcript_of(&world, &session).as_bytes(), Form::Chain).unwrap();
    assert_eq!(record["tool_transcript"]["hash"], measured.hash.as_str());
}

#[tokio::test]
async fn whoever_asks_first_gets_the_record_that_everybody_gets() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let (session, record) = closed(&world, &agent).await;
    // As after a crash between the close and the record.
    let id = session.id.to_string();
    let world = forgotten(world, &id);
    world.clock.pass(std::time::Duration::from_mins(1));
    let asked = (0..4).map(|_| {
        let (engine, caller, id) = (world.engine.clone(), world.org.auditor.clone(), id.clone());
        tokio::spawn(async move { engine.trace(&caller, &id).await.unwrap() })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap().record, record);
    }
    let anchors = world.entries().iter().filter(|entry| entry.kind == "trace").count();
    assert_eq!(anchors, 2, "the one that was lost with its document, and one more");
    drop(world.restarted(Ending::Stopped));
}

/// The world after its store lost the record of a session.
fn forgotten(world: World, session: &str) -> World {
    use countersign_store::{Batch, Ledger as _, Write};
    let revision = world.documents.get("trace", session).unwrap().unwrap().revision;
    world.engine.stop();
    let write = Write { kind: "trace", key: session.to_owned(), revision, body: None };
    world.tap.commit(&Batch { writes: vec![write], ..Batch::default() }).unwrap();
    world.restarted(Ending::Stopped)
}

#[tokio::test]
async fn a_record_that_could_not_be_kept_is_made_when_the_close_is_repeated() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    world.tap.fail(true);
    let refused = world.engine.close_session(&world.org.runtime, session.id.as_str(), Closing::default()).await;
    assert_eq!(refusal(refused), "ledger_unavailable");
    world.tap.fail(false);
    assert_eq!(refusal(world.engine.trace(&world.org.auditor, session.id.as_str()).await), "not_yet");
    close(&world, &session, Closing { nonce: Some("n-1"), ..Closing::default() }).await;
    assert_eq!(record(&world, &session).await["runtime"]["nonce"], "n-1");
}

#[tokio::test]
async fn the_name_that_a_registrant_gave_is_the_subject() {
    let world = World::new().await;
    let named = |name: &str, metadata: Value| NewAgent {
        metadata: metadata.to_string(),
        capabilities: vec![countersign_core::capability::Pattern::new("*")],
        ..new_agent(name)
    };
    for (name, metadata, subject) in [
        ("a", json!({"did": "did:web:agents.example:a"}), Some("did:web:agents.example:a")),
        ("b", json!({"spiffe_id": "spiffe://agents.example/b", "did": "did:web:b"}), Some("spiffe://agents.example/b")),
        ("c", json!({"did": "not a did"}), None),
    ] {
        let agent = world.agent_of(&world.org, named(name, metadata)).await;
        let (_, record) = closed(&world, &agent).await;
        let made = format!("spiffe://countersign.invalid/agent/{agent}");
        assert_eq!(record["subject"], subject.unwrap_or(&made));
    }
}

#[tokio::test]
async fn the_superseded_profile_is_only_for_who_asks_for_it() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let (session, record) = closed(&world, &agent).await;
    let legacy = world.engine.legacy_trace(&world.org.auditor, session.id.as_str()).await.unwrap();
    assert_eq!(legacy["eat_profile"], "tag:agentrust.io,2026:trace-v0.1");
    assert_eq!(legacy["tool_transcript"], record["tool_transcript"]);
    assert!(!verifies(&world, &legacy), "a verifier of v0.2 must refuse it");
}

#[tokio::test]
async fn the_superseded_profile_has_no_form_for_an_agent_named_by_a_did() {
    let world = World::new().await;
    let metadata = json!({ "did": "did:web:agents.example:a" }).to_string();
    let agent = world.agent_of(&world.org, NewAgent { metadata, ..new_agent("named") }).await;
    let (session, record) = closed(&world, &agent).await;
    assert_eq!(record["subject"], "did:web:agents.example:a");
    let legacy = world.engine.legacy_trace(&world.org.auditor, session.id.as_str()).await;
    assert_eq!(refusal(legacy), "invalid");
}

#[tokio::test]
async fn a_record_names_the_record_of_the_session_that_delegated() {
    let world = World::new().await;
    let (lender, borrower) = (world.agent("lender", &["*"]).await, world.agent("borrower", &[]).await);
    let lent = world.lend(lending(&lender, &borrower)).await.unwrap();
    let (parent, parent_record) = closed(&world, &lender).await;
    let started = world.engine.start_delegated_session(&world.org.runtime, lent.id.as_str()).await.unwrap();
    let session = started.session;
    close(&world, &session, Closing { parent: Some(parent.id.as_str()), nonce: None }).await;
    let record = record(&world, &session).await;
    let subject = |agent: &AgentId| format!("spiffe://countersign.invalid/agent/{agent}");
    let credential =
        Credential { issuer: subject(&lender), holder: subject(&borrower), not_before: 0, not_after: i64::MAX };
    let keys = [world.engine.trace_key()];
    let credentials = BTreeMap::from([(lent.id.to_string(), credential)]);
    let context = Context {
        trusted_root_keys: &keys,
        credentials: &credentials,
        data_classes: &[],
        max_depth: 4,
        algorithms: &[Algorithm::Sha256],
    };
    let leaf = record_digest(&record, Algorithm::Sha256).unwrap();
    let chain = follow(&leaf, &[parent_record, record], &context).unwrap();
    assert_eq!((chain.classification, chain.depth), (Classification::Verified, 1), "{:?}", chain.findings);
}

#[tokio::test]
async fn a_record_names_no_parent_that_did_not_delegate() {
    let world = World::new().await;
    let (lender, borrower) = (world.agent("lender", &["*"]).await, world.agent("borrower", &[]).await);
    let stranger = world.agent("stranger", &["*"]).await;
    let lent = world.lend(lending(&lender, &borrower)).await.unwrap();
    let started = world.engine.start_delegated_session(&world.org.runtime, lent.id.as_str()).await.unwrap();
    let (not_lent, _) = closed(&world, &stranger).await;
    let open = world.session(&lender).await;
    let id = started.session.id.as_str();
    for parent in [not_lent.id.as_str(), open.id.as_str(), "sess_none", id] {
        let closing = Closing { parent: Some(parent), nonce: None };
        let refused = world.engine.close_session(&world.org.runtime, id, closing).await;
        assert_eq!(refusal(refused), "invalid", "{parent}");
    }
    let closing = Closing { parent: Some(not_lent.id.as_str()), nonce: None };
    let refused = world.engine.close_session(&world.org.runtime, open.id.as_str(), closing).await;
    assert_eq!(refusal(refused), "invalid", "a session of its own right has no parent");
    assert_eq!(world.status(&started.session), "active", "what is refused closes nothing");
    for nonce in ["", "two words", "ü", &"n".repeat(257)] {
        let closing = Closing { nonce: Some(nonce), parent: None };
        assert_eq!(refusal(world.engine.close_session(&world.org.runtime, id, closing).await), "invalid", "{nonce}");
    }
}

#[tokio::test]
async fn a_session_replays_to_where_its_chain_stands() {
    let world = World::new().await;
    let (agent, other) = (world.agent("reader", &["*"]).await, world.agent("other", &["*"]).await);
    let session = world.session(&agent).await;
    for tool in ["get_mail", "update_mail", "get_mail"] {
        world.verdict(&agent, session.id.as_str(), tool).await;
        world.bare_verdict(&other, tool).await;
    }
    let replayed = world.engine.replay_session(&world.org.auditor, session.id.as_str()).unwrap();
    assert!(replayed.fault.is_none(), "{:?}", replayed.fault);
    assert_eq!((replayed.chain, replayed.entries.len()), (world.chain(&session), 4));
    assert_eq!(refusal(world.engine.replay_session(&world.org.runtime, session.id.as_str())), "role_insufficient");
    let globex = world.other_org().await;
    assert_eq!(refusal(world.engine.replay_session(&globex.auditor, session.id.as_str())), "not_found");
}

#[tokio::test]
async fn a_session_whose_entries_were_rewritten_does_not_replay() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let session = world.session(&agent).await;
    world.verdict(&agent, session.id.as_str(), "get_mail").await;
    // Memory says what was recorded; the ledger is what somebody else made of it.
    let forged = Chain { head: Digest::of(b"forged"), ..world.chain(&session) };
    countersign_store::Live::advance(world.live.as_ref(), &ChainId::from(&session.id), forged);
    let replayed = world.engine.replay_session(&world.org.auditor, session.id.as_str()).unwrap();
    assert!(replayed.fault.is_some());
}

#[tokio::test]
async fn a_stretch_of_time_replays_page_by_page_and_only_ones_own() {
    let world = World::new().await;
    let agent = world.agent("reader", &["*"]).await;
    let globex = world.other_org().await;
    let stranger = world.agent_of(&globex, new_agent("stranger")).await;
    world.clock.pass(std::time::Duration::from_secs(100));
    let since = world.engine.now();
    for _ in 0..5 {
        world.bare_verdict(&agent, "get_mail").await;
        world.engine.check(&globex.runtime, ask(&stranger, "get_mail")).await.unwrap();
    }
    world.clock.pass(std::time::Duration::from_secs(100));
    let until: Timestamp = world.engine.now();
    world.check(Ask { session: None, ..ask(&agent, "get_mail") }).await;
    let mut stretch = Stretch { since: Some(since), until: Some(until), limit: 2, ..Stretch::default() };
    let mut found = Vec::new();
    loop {
        let page = world.engine.replay(&world.org.auditor, &stretch).unwrap();
        assert!(page.entries.len() <= 2);
        found.extend(page.entries);
        if page.next.is_none() {
            break;
        }
        stretch.from = page.next;
    }
    let bodies = world.bodies();
    assert_eq!(found.len(), 5);
    for entry in found {
        assert_eq!(bodies[usize::try_from(entry.position).unwrap()], entry.entry);
        let read: Value = serde_json::from_slice(&entry.entry).unwrap();
        assert_eq!(read["org"], world.org.id.as_str());
    }
}
