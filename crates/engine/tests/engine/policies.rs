//! Policies as the engine asks them: what is refused, recorded and replaced.

use std::sync::Arc;

use countersign_engine::{Answer, Ask, Fallback, InForce, Outcome, PolicySet, Source, Tools};

use countersign_core::Timestamp;
use countersign_core::id::AgentId;
use serde_json::{Map, Value};

use crate::world::{World, arguments, ask, word};

const TRANSFERS: &str = r#"
@id("small") permit (principal, action, resource)
when { context.arguments has amount && context.arguments.amount <= 100 };

@id("ask") @advice("{\"require_approval\": \"more than 100\"}") permit (principal, action, resource)
when { context.arguments has amount && context.arguments.amount > 100 };

@id("large") @code("over_limit") @reason("at most 500") forbid (principal, action, resource)
when { context.arguments has amount && context.arguments.amount > 500 };

@id("draft") @shadow forbid (principal, action, resource);
"#;

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"type": "object",
    "properties": {"amount": {"type": "integer"}}}}]}"#;

/// A set of `text` about `pay/transfer`.
fn set(text: &str, fallback: Fallback) -> Arc<InForce> {
    let mut tools = Tools::default();
    tools.declare("pay", Source { file: "tools/pay.json", text: TOOLS }).unwrap();
    // What has arguments is declared, so it is asked about by its own action.
    let text = text.replace("action, resource", "action == Action::\"pay/transfer\", resource");
    let set = PolicySet::load(&[Source { file: "test.cedar", text: &text }], tools).unwrap();
    Arc::new(InForce::new(Arc::new(set), fallback, 1).unwrap())
}

async fn transfer(world: &World, agent: &countersign_core::id::AgentId, input: &str) -> Answer {
    world.check(Ask { input: Some(input), arguments: arguments(input), ..ask(agent, "pay/transfer") }).await
}

#[tokio::test]
async fn policies_read_the_arguments_and_the_entry_says_which_decided() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    let policies = set(TRANSFERS, Fallback::Deny);
    let digest = policies.set().digest().to_string();
    world.engine.put_policies(Some(policies)).await.unwrap();
    let put = world.last();
    assert_eq!((put.kind.as_str(), put.chain.as_str(), put.org.clone()), ("change", "server", None));
    assert_eq!((put.says("verb"), put.says("noun"), put.says("id")), ("load", "policies", digest.as_str()));

    let small = transfer(&world, &agent, r#"{"amount": 100}"#).await;
    assert_eq!(word(&small), "allow");
    let said = world.last().event["policies"].clone();
    let shadow = serde_json::json!([{"policy": "draft", "would": "forbid"}]);
    let expected = serde_json::json!([
        {"by": ["small"], "outcome": "permit", "set": digest, "shadow": shadow, "source": "operator"}]);
    assert_eq!(said, expected);

    let large = transfer(&world, &agent, r#"{"amount": 501}"#).await;
    assert_eq!(word(&large), "policy_forbids");
    let rulings = large.policies.unwrap();
    let judged = rulings.each().next().unwrap();
    assert_eq!(
        (judged.reason(), judged.code(), judged.outcome()),
        (Some("at most 500"), Some("over_limit"), Outcome::Forbid)
    );
    assert_eq!(world.last().event["policies"][0]["by"], serde_json::json!(["large"]));
    assert_eq!(world.last().event["policies"][0]["code"], "over_limit");
    assert_eq!(world.last().says("gate"), "policy");

    // What a policy compares with a number and is none refuses; what is not there is not seen by `has`.
    assert_eq!(word(&transfer(&world, &agent, r#"{"amount": "1"}"#).await), "policy_failed");
    assert_eq!(word(&transfer(&world, &agent, "{}").await), "policy_unmatched");
    assert_eq!(world.bare_verdict(&agent, "pay/get_balance").await, "policy_unmatched");
    world.verified();
}

#[tokio::test]
async fn an_approval_covers_what_a_policy_holds_for_exactly_these_arguments() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    world.engine.put_policies(Some(set(TRANSFERS, Fallback::Deny))).await.unwrap();
    let held = transfer(&world, &agent, r#"{"amount": 200}"#).await;
    assert_eq!(word(&held), "policy_needs_approval");
    assert_eq!(held.policies.as_ref().unwrap().reason(), Some("more than 100"));
    let asked = world.approve(held.approval.as_ref().unwrap()).await;
    let shown = asked.shown;
    assert_eq!((shown.check, shown.code.as_str()), (held.id, "policy_needs_approval"));
    assert_eq!((shown.advice.as_deref(), shown.risk, shown.tally.total), (Some("more than 100"), Some(43), 0));
    assert!(shown.reasons.contains(&"tool_new".to_owned()), "{:?}", shown.reasons);
    assert_eq!(word(&transfer(&world, &agent, r#"{"amount": 201}"#).await), "policy_needs_approval");
    assert_eq!(word(&transfer(&world, &agent, r#"{"amount": 501}"#).await), "policy_forbids");
}

#[tokio::test]
async fn what_is_approved_passes_and_what_another_gate_refuses_is_refused() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    let bound = world.agent("reader", &["pay/get_*"]).await;
    world.engine.put_policies(Some(set(TRANSFERS, Fallback::Deny))).await.unwrap();
    let held = transfer(&world, &agent, r#"{"amount": 200}"#).await;
    world.approve(held.approval.as_ref().unwrap()).await;
    assert_eq!(word(&transfer(&world, &agent, r#"{"amount": 200}"#).await), "allow");
    assert_eq!(word(&transfer(&world, &bound, r#"{"amount": 1}"#).await), "capability_missing");
}

#[tokio::test]
async fn where_silence_allows_policies_only_take_away() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    world.engine.put_policies(Some(set(TRANSFERS, Fallback::Allow))).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "pay/get_balance").await, "allow");
    assert_eq!(world.last().event["policies"][0]["outcome"], "none");
    assert_eq!(word(&transfer(&world, &agent, r#"{"amount": 501}"#).await), "policy_forbids");
    // Taken away as a whole, they say nothing, and the entry does not speak of them.
    world.engine.put_policies(None).await.unwrap();
    assert_eq!(word(&transfer(&world, &agent, r#"{"amount": 501}"#).await), "allow");
    assert!(world.last().event.get("policies").is_none());
}

#[tokio::test]
async fn what_is_asked_while_policies_are_being_replaced_is_judged_by_the_new_ones() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    let open = "@id(\"open\") permit (principal, action, resource);";
    world.engine.put_policies(Some(set(open, Fallback::Deny))).await.unwrap();
    world.hold(&agent).await;
    let engine = Arc::clone(&world.engine);
    let closed = set("@id(\"closed\") forbid (principal, action, resource);", Fallback::Deny);
    let putting = world.started(async move { engine.put_policies(Some(closed)).await }).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "pay/transfer").await;
    world.tap.release();
    putting.await.unwrap().unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "policy_forbids");
}

#[tokio::test]
async fn a_set_that_cannot_be_recorded_is_not_put_in_force() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    let open = set("@id(\"open\") permit (principal, action, resource);", Fallback::Deny);
    world.engine.put_policies(Some(open)).await.unwrap();
    world.tap.fail(true);
    let closed = set("@id(\"closed\") forbid (principal, action, resource);", Fallback::Deny);
    world.engine.put_policies(Some(closed)).await.unwrap_err();
    world.tap.fail(false);
    assert_eq!(world.bare_verdict(&agent, "pay/transfer").await, "allow");
}

const COUNTING: &str = r#"
@id("calm") permit (principal, action, resource) unless { context.behaviour.probing || context.behaviour.bursting };
@id("few") forbid (principal, action, resource) when { context has session && context.session.calls >= 9 };
@id("new") permit (principal, action in Action::"read", resource) when { !(context has session) };
@id("early") @shadow forbid (principal, action, resource)
when { context has session && context.session.denied > context.session.writes && context.session.mode == Mode::"read_only" };
"#;

/// Asks all sorts of things, in sessions and outside.
async fn ask_a_lot(world: &World, agent: &AgentId) {
    let (reading, writing) = (world.session(agent).await, world.writing_session(agent).await);
    for tool in ["get_mail", "delete_mail", "send_mail", "unheard", "get_mail", "unheard"].repeat(2) {
        for session in [None, Some(reading.id.as_str()), Some(writing.id.as_str()), Some("my own"), Some("sess_0")] {
            world.check(Ask { session, ..ask(agent, tool) }).await;
        }
    }
}

#[tokio::test]
async fn what_was_decided_under_policies_is_read_back_from_the_record_alike() {
    let world = World::new().await;
    let agent = world.agent("reader", &["get_*", "delete_*", "send_*"]).await;
    let source = Source { file: "test.cedar", text: COUNTING };
    let set = Arc::new(PolicySet::load(&[source], Tools::default()).unwrap());
    let policies = Arc::new(InForce::new(set, Fallback::Allow, 0).unwrap());
    world.engine.put_policies(Some(Arc::clone(&policies))).await.unwrap();
    ask_a_lot(&world, &agent).await;

    let recorded: Vec<Value> = world.entries().into_iter().filter(|e| e.kind == "decision").map(|e| e.event).collect();
    let (mut replayed, none) = (Vec::new(), Map::new());
    let stores = (&*world.tap as &dyn countersign_store::Ledger, &*world.documents);
    let take = &mut |call| replayed.push(call);
    countersign_engine::replay_calls(stores, None, Timestamp::from_millis(0), take, &mut |_, _| ()).unwrap();
    assert_eq!(replayed.len(), recorded.len());
    let mut outcomes = std::collections::BTreeSet::new();
    for (call, event) in replayed.iter().zip(&recorded) {
        assert!(call.is_known && call.id == event["id"].as_str().unwrap());
        let judged = policies.judge(&call.request(&none));
        let (by, said) = (judged.by().collect::<Vec<_>>(), judged.said.as_ref().unwrap());
        let shadow: Vec<&str> = said.shadow.iter().map(|one| one.policy.id.as_str()).collect();
        let was = &event["policies"][0];
        let watched: Vec<&str> =
            was["shadow"].as_array().into_iter().flatten().map(|one| one["policy"].as_str().unwrap()).collect();
        let decided = serde_json::json!({"by": by, "outcome": judged.outcome().as_str()});
        assert_eq!(decided, serde_json::json!({"by": was["by"], "outcome": was["outcome"]}), "{event}");
        assert_eq!(shadow, watched, "{event}");
        outcomes.insert((by.join(" "), shadow.len()));
    }
    assert!(outcomes.len() >= 5, "{outcomes:?}");
}

const REGO: &str = r#"package countersign

deny contains "that address is blocked" if input.arguments.to == "x@evil.example"

escalate contains sprintf("%v leaves", [input.arguments.amount]) if input.arguments.amount > 100
"#;

#[tokio::test]
async fn rego_refuses_and_holds_and_reads_the_arguments_of_a_tool_that_nobody_declared() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    let put = async |cedar: &str, fallback| {
        let sources = [Source { file: "p.cedar", text: cedar }, Source { file: "limits.rego", text: REGO }];
        let set = PolicySet::load(&sources, Tools::default()).unwrap();
        world.engine.put_policies(Some(Arc::new(InForce::new(Arc::new(set), fallback, 1).unwrap()))).await.unwrap();
    };
    let small = r#"{"amount": 100, "to": "a@b.example"}"#;
    let large = r#"{"amount": 101, "to": "a@b.example"}"#;
    let blocked = r#"{"amount": 1, "to": "x@evil.example"}"#;
    let permit = "@id(\"all\") permit (principal, action, resource);";
    for (cedar, fallback) in [(permit, Fallback::Deny), (permit, Fallback::Allow), ("", Fallback::Allow)] {
        put(cedar, fallback).await;
        assert_eq!(word(&transfer(&world, &agent, small).await), "allow", "{cedar} {fallback:?}");
        let held = transfer(&world, &agent, large).await;
        assert_eq!(word(&held), "policy_needs_approval", "{held:?}");
        assert_eq!(held.policies.unwrap().reason(), Some("101 leaves"));
        let by = &world.last().event["policies"][0]["by"];
        assert!(by.as_array().unwrap().contains(&"limits.rego:escalate".into()), "{by}");
        let refused = transfer(&world, &agent, blocked).await;
        assert_eq!(word(&refused), "policy_forbids");
        assert_eq!(refused.policies.unwrap().reason(), Some("that address is blocked"));
        assert_eq!(world.last().event["policies"][0]["by"], serde_json::json!(["limits.rego:deny"]));
    }
    // What nobody permits is refused, whatever a human would say.
    put("", Fallback::Deny).await;
    for input in [small, large] {
        assert_eq!(word(&transfer(&world, &agent, input).await), "policy_unmatched", "{input}");
    }
    assert_eq!(world.last().event["policies"][0]["outcome"], "hold");
}
