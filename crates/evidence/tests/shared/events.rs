//! One of every kind of event, with a text of the test's choosing wherever a
//! stranger chooses the text.

use countersign_core::chain::Count;
use countersign_core::id::{ChainId, OrgId};
use countersign_core::{Digest, Effect, Timestamp};
use countersign_evidence::entry::Draft;
use countersign_evidence::event::{
    Action, Approval, Change, Content, ContentFinding, Decision, Event, Finding, Judgement, LogKey, Outcome, Points,
    Policies, Publication, Rejection, Review, Revocation, Risk, Scored, Sets, Shadow, Taken, Trace, Usage,
};

/// The kind of an event, what it adds to a tally, and its entry but for its place.
pub type Sample = (&'static str, Option<Count>, Draft);

/// Every verdict there is.
pub const VERDICTS: [&str; 3] = ["allow", "deny", "elevate"];
/// Every effect there is.
pub const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin];

/// A decision that says everything it can.
pub fn decision<'a>(text: &'a str, verdict: &'a str, judged: Effect) -> Decision<'a> {
    Decision {
        action: Action { arguments: Digest::of(b"{}"), source: "mcp", tool: text.into() },
        agent: "agent_1",
        agent_revision: 7,
        approval: Some("appr_1"),
        by: "key_1",
        code: Some("session_read_only"),
        content: Some(content(text)),
        effect: Judgement { by: "keyword", judged, raised: Some("denial_rate"), word: Some("create") },
        epoch: 3,
        gate: Some("session"),
        guard: "spot",
        id: "chk_1",
        policies: Some(Sets {
            first: Policies {
                by: vec!["no-transfers", "spend-limit"],
                code: Some("over_limit"),
                outcome: "forbid",
                set: Digest::of(b"set"),
                shadow: vec![Shadow { policy: "draft", would: "forbid" }],
                source: "operator",
                version: None,
            },
            second: Some(Policies {
                by: Vec::new(),
                code: None,
                outcome: "none",
                set: Digest::of(b"own"),
                shadow: Vec::new(),
                source: "organisation",
                version: Some(3),
            }),
        }),
        review: Some(Review {
            confidence: Some(90),
            failed: Some("malformed".into()),
            model: Some("qwen3:8b".into()),
            reasoning: Some(text.into()),
            reviewer: "openai".into(),
            verdict: Some("deny".into()),
        }),
        risk: Some(Risk {
            failed: Some("timed_out"),
            findings: vec![Finding { limit: 35, measured: 36, mode: "watch", word: "call_spike" }],
            scored: Some(Scored {
                mode: "enforce",
                reasons: vec![Points { points: 5, word: "effect" }, Points { points: 10, word: "trust_unknown" }],
                score: 15,
                would: "allow",
            }),
        }),
        session: Some(text.into()),
        trust: Some(700),
        verdict,
    }
}

/// Content of which everything is said.
fn content(text: &str) -> Content<'_> {
    let digest = Digest::of(b"found");
    Content {
        added: vec!["untrusted_content", "secret_seen"],
        findings: vec![ContentFinding { at: text.into(), digest, family: "aws_access_key", severity: "high" }],
        found: 2,
        held: vec!["unexamined"],
        mode: "enforce",
    }
}

fn sample<E: Event>(chain: &ChainId, event: &E) -> Sample {
    let org = OrgId::parse("acme").unwrap();
    let time = Timestamp::parse("2026-11-21T08:00:00Z").unwrap();
    (E::KIND, event.count(), Draft::new(chain.clone(), Some(&org), time, event).unwrap())
}

/// A key of the log that has one before it, and the first.
fn log_keys(chain: &ChainId, text: &str) -> [Sample; 2] {
    let rotated = LogKey { endorsement: Some(text.into()), previous: Some(text.into()), vkey: text.into() };
    let first = LogKey { endorsement: None, previous: None, ..rotated.clone() };
    [sample(chain, &rotated), sample(chain, &first)]
}

/// What was taken in, saying everything it can, then as little as it can.
fn taken(chain: &ChainId, text: &str) -> [Sample; 2] {
    let taken =
        Taken { agent: "agent_1", by: "key_1", content: content(text), session: Some("sess_1"), tool: text.into() };
    let nothing = Content { added: Vec::new(), findings: Vec::new(), found: 0, held: Vec::new(), mode: "watch" };
    [sample(chain, &taken), sample(chain, &Taken { content: nothing, session: None, ..taken.clone() })]
}

/// What models used, in a session and outside.
fn usage(chain: &ChainId, text: &str) -> [Sample; 2] {
    let usage = Usage { agent: "agent_1", by: "key_1", session: Some(text.into()), tokens: 1_834 };
    [sample(chain, &usage), sample(chain, &Usage { session: None, ..usage.clone() })]
}

/// Every kind of event, saying everything it can, then saying as little as it can.
pub fn every_kind(chain: &ChainId, text: &str) -> Vec<Sample> {
    let decision = decision(text, "elevate", Effect::Mutating);
    let short = Decision {
        approval: None,
        code: None,
        content: None,
        effect: Judgement { raised: None, word: None, ..decision.effect.clone() },
        gate: None,
        policies: None,
        review: None,
        risk: None,
        session: None,
        trust: None,
        verdict: "allow",
        ..decision.clone()
    };
    let outcome = Outcome {
        agent: "agent_1",
        by: "key_1",
        duration_ms: Some(12),
        error_type: Some(text.into()),
        event_type: text.into(),
        session: Some(text.into()),
        success: Some(false),
        tool: text.into(),
    };
    let silent = Outcome { duration_ms: None, error_type: None, session: None, success: None, ..outcome.clone() };
    let approval = Approval {
        agent: "agent_1",
        arguments: Digest::of(text.as_bytes()),
        by: "key_2",
        effect: Effect::Destructive,
        id: "appr_1",
        name: text.into(),
        session: Some(text.into()),
        status: "approved",
        tool: text.into(),
    };
    let outside = Approval { session: None, ..approval.clone() };
    let revocation = Revocation { by: "key_1", id: "agent_1", noun: "agent", reason: text.into(), verb: "suspend" };
    let change = Change { by: "key_1", id: "agent_1", noun: "agent", verb: "create" };
    let rejection =
        Rejection { code: "unauthenticated", credential: "api_key", peer: Some("192.0.2.1:443"), route: text.into() };
    let unseen = Rejection { peer: None, ..rejection.clone() };
    let trace = Trace {
        agent: "agent_1",
        key: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        leaf_count: 1,
        merkle_root: "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        record: "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
        session: "sess_1",
    };
    let mut samples = vec![
        sample(chain, &decision),
        sample(chain, &short),
        sample(chain, &outcome),
        sample(chain, &silent),
        sample(chain, &approval),
        sample(chain, &outside),
        sample(chain, &revocation),
        sample(chain, &change),
        sample(chain, &rejection),
        sample(chain, &unseen),
        sample(chain, &trace),
    ];
    samples.extend(log_keys(chain, text));
    samples.extend(taken(chain, text));
    samples.extend(usage(chain, text));
    samples.extend(about_policies(chain, &decision, text));
    samples
}

/// Decisions under one set of policies, and policies that were published and taken away.
fn about_policies(chain: &ChainId, decision: &Decision<'_>, text: &str) -> [Sample; 4] {
    let quiet = Decision {
        policies: decision.policies.clone().and_then(|said| Some(Sets { first: said.second?, second: None })),
        review: decision.review.clone().map(|said| Review {
            confidence: None,
            failed: None,
            model: None,
            reasoning: None,
            verdict: None,
            ..said
        }),
        risk: Some(Risk { failed: None, findings: Vec::new(), scored: None }),
        ..decision.clone()
    };
    let operators =
        Decision { policies: decision.policies.clone().map(|said| Sets { second: None, ..said }), ..decision.clone() };
    let published = Publication {
        by: "key_1",
        default: Some("deny"),
        note: Some(text.into()),
        rolled_back_from: Some(1),
        set: Some(Digest::of(b"own")),
        version: 3,
    };
    let withdrawn = Publication { default: None, note: None, rolled_back_from: None, set: None, ..published.clone() };
    [sample(chain, &quiet), sample(chain, &operators), sample(chain, &published), sample(chain, &withdrawn)]
}
