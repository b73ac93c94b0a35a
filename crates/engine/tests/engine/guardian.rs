//! The Spot guard as the engine asks it: what is risky or unusual is recorded,
//! and counts where an operator says so.

use std::time::Duration;

use countersign_core::id::AgentId;
use countersign_core::risk::RiskWeights;
use countersign_engine::{Ask, Heed, Settings, Spot};
use serde_json::{Value, json};

use crate::world::{Choice, Ending, World, ask, word};

/// A world without rates, whose Spot guard does `spot`.
async fn world(spot: Spot) -> World {
    World::with(settings(spot)).await
}

fn settings(spot: Spot) -> Settings {
    Settings { spot, agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() }
}

/// Nothing is scored; what detectors notice is heeded as `detectors` says.
fn detecting(detectors: Heed) -> Spot {
    Spot { risk: Heed::Off, detectors, ..Spot::default() }
}

/// Every part counts nothing but the effect: what that makes is heeded as `risk` says.
fn scoring(risk: Heed, elevate_from: u8, deny_from: u8) -> Spot {
    let weights = RiskWeights { elevate_from, deny_from, ..RiskWeights::default() };
    Spot { risk, detectors: Heed::Off, weights }
}

/// An agent that read `db/get` ten times a minute for ten minutes.
async fn regular(world: &World) -> AgentId {
    let agent = world.agent("regular", &["*"]).await;
    for _ in 0..10 {
        for _ in 0..10 {
            assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
        }
        world.clock.pass(Duration::from_mins(1));
    }
    agent
}

/// What the last entry says of risk.
fn said(world: &World) -> Value {
    world.last().event["risk"].clone()
}

#[tokio::test]
async fn the_entry_says_how_risky_a_change_is_and_nothing_of_an_ordinary_read() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    world.bare_verdict(&agent, "db/get").await;
    assert!(world.last().event.get("risk").is_none());
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    let risk = said(&world);
    let reasons: Vec<_> = risk["scored"]["reasons"].as_array().unwrap().iter().map(|r| r["word"].clone()).collect();
    let expected = [
        "effect",
        "credential_new",
        "history_short",
        "session_long",
        "trust_unknown",
        "tool_new",
        "resource_unknown",
        "hour_unknown",
    ];
    assert_eq!(json!(reasons), json!(expected));
    assert_eq!(risk["scored"]["mode"], "watch");
    // The read before is one call of the agent's chain, and one decision of its history.
    assert_eq!((&risk["scored"]["score"], &risk["scored"]["would"]), (&json!(44), &json!("allow")));
    assert!(risk.get("findings").is_none());
    world.verified();
}

#[tokio::test]
async fn a_risk_that_is_only_watched_is_recorded_and_decides_nothing() {
    let world = world(scoring(Heed::Watch, 0, 1)).await;
    let agent = world.agent("payer", &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    assert_eq!(
        (said(&world)["scored"]["would"].clone(), world.last().says("verdict").to_owned()),
        (json!("deny"), "allow".into())
    );
}

#[tokio::test]
async fn a_risk_that_counts_refuses_and_no_approval_helps() {
    let world = world(scoring(Heed::Enforce, 0, 1)).await;
    let agent = world.agent("payer", &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "risk_too_high");
    assert_eq!((world.last().says("gate"), world.last().says("guard")), ("risk", "spot"));
    assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "risk_too_high");
}

#[tokio::test]
async fn a_risk_that_waits_for_a_human_passes_for_exactly_what_was_approved() {
    let world = world(scoring(Heed::Enforce, 1, 101)).await;
    let agent = world.agent("payer", &["*"]).await;
    let held = world.check(ask(&agent, "db/update")).await;
    assert_eq!(word(&held), "risk_needs_approval");
    world.approve(held.approval.as_ref().unwrap()).await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    assert_eq!(world.bare_verdict(&agent, "db/create").await, "risk_needs_approval");
}

#[tokio::test]
async fn denials_in_the_history_and_the_session_raise_the_score() {
    let world = world(scoring(Heed::Watch, 50, 80)).await;
    let agent = world.agent("payer", &["db/*"]).await;
    world.bare_verdict(&agent, "db/update").await;
    let before = said(&world)["scored"]["score"].as_u64().unwrap();
    for _ in 0..5 {
        assert_eq!(world.bare_verdict(&agent, "mail/send").await, "capability_missing");
    }
    world.bare_verdict(&agent, "db/update").await;
    let risk = said(&world)["scored"].clone();
    let points = |word: &str| {
        risk["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["word"] == word)
            .map_or(0, |r| r["points"].as_u64().unwrap())
    };
    assert_eq!((points("session_denied"), points("history_denied")), (14, 9));
    assert!(risk["score"].as_u64().unwrap() > before);
}

#[tokio::test]
async fn what_is_unusual_is_raised_by_one_tier_and_never_refused_for_that() {
    let world = world(detecting(Heed::Enforce)).await;
    let agent = regular(&world).await;
    assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
    assert_eq!((world.last().event["effect"]["final"].clone(), said(&world)), (json!("read"), Value::Null));

    assert_eq!(world.bare_verdict(&agent, "db/update").await, "destructive_needs_approval");
    let entry = world.last();
    assert_eq!(
        (entry.event["effect"]["final"].clone(), entry.event["effect"]["raised"].clone()),
        (json!("destructive"), json!("tool_first_seen"))
    );
    assert_eq!(
        said(&world)["findings"],
        json!([{"limit": 0, "measured": 1, "mode": "enforce", "word": "tool_first_seen"}])
    );
    assert!(said(&world).get("scored").is_none());
    assert_eq!(world.bare_verdict(&agent, "db/list").await, "allow");
    assert_eq!(world.last().event["effect"]["final"], "mutating");
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "destructive_needs_approval");
    assert_eq!(world.last().event["effect"]["final"], "destructive");
    world.verified();
}

#[tokio::test]
async fn a_spike_on_a_perfectly_regular_past_is_noticed() {
    let world = world(detecting(Heed::Watch)).await;
    let agent = regular(&world).await;
    for _ in 0..35 {
        world.bare_verdict(&agent, "db/get").await;
        assert_eq!(said(&world), Value::Null);
    }
    assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
    let found = json!([{"limit": 35, "measured": 36, "mode": "watch", "word": "call_spike"}]);
    assert_eq!(said(&world), json!({"findings": found}));
    assert_eq!(world.last().event["effect"], json!({"by": "keyword", "final": "read", "word": "get"}));
}

#[tokio::test]
async fn what_an_agent_tries_in_anothers_name_moves_its_own_baseline() {
    let world = world(detecting(Heed::Watch)).await;
    let agent = regular(&world).await;
    let thief = world.agent("thief", &["*"]).await;
    let key = world.key_of(&thief).await;
    for _ in 0..100 {
        assert_eq!(word(&world.engine.check(&key, ask(&agent, "db/get")).await.unwrap()), "identity_mismatch");
    }
    assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
    assert_eq!(said(&world), Value::Null);
}

#[tokio::test]
async fn a_new_version_of_an_agent_begins_with_nothing() {
    let world = world(detecting(Heed::Enforce)).await;
    let agent = regular(&world).await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "destructive_needs_approval");
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "a drill").await.unwrap();
    world.engine.resume_agent(&world.org.admin, agent.as_str()).await.unwrap();
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
}

#[tokio::test]
async fn a_baseline_outlives_a_stop() {
    let settings = settings(detecting(Heed::Enforce));
    let world = World::made(Choice { on_disk: true, settings, ..Choice::default() }).await;
    let agent = regular(&world).await;
    let world = world.restarted(Ending::Stopped);
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "destructive_needs_approval");
    // Written again over what is there.
    let world = world.restarted(Ending::Stopped).restarted(Ending::Stopped);
    assert_eq!(world.bare_verdict(&agent, "db/list").await, "allow");
    assert_eq!(world.last().event["effect"]["raised"], "tool_first_seen");
    world.verified();
}

#[tokio::test]
async fn a_crash_costs_what_changed_since_the_last_sweep() {
    let settings = settings(detecting(Heed::Enforce));
    let world = World::made(Choice { on_disk: true, settings, ..Choice::default() }).await;
    let agent = regular(&world).await;
    let tries = world.tap.tries();
    world.engine.sweep().await.unwrap();
    world.note(&agent).await;
    world.tap.tried_more_than(tries + 1);
    let world = world.restarted(Ending::Killed);
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "destructive_needs_approval");
}

#[tokio::test]
async fn a_baseline_of_another_form_begins_anew_and_stops_no_start() {
    let world = world(detecting(Heed::Enforce)).await;
    let agent = regular(&world).await;
    let world = world.restarted(Ending::Stopped);
    assert_eq!(world.documents.list("baseline").unwrap().len(), 1);
    let world = world.altered("baseline", agent.as_str(), |kept| kept["baseline"]["form"] = json!("another/1"));
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    let world = world.restarted(Ending::Stopped);
    let kept = world.documents.get("baseline", agent.as_str()).unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept.body).unwrap()["baseline"]["decisions"], 1);
}

#[tokio::test]
async fn a_guard_that_is_off_keeps_nothing() {
    let world = world(Spot { risk: Heed::Off, ..detecting(Heed::Off) }).await;
    let agent = regular(&world).await;
    world.bare_verdict(&agent, "db/update").await;
    assert_eq!(said(&world), Value::Null);
    let world = world.restarted(Ending::Stopped);
    assert!(world.documents.list("baseline").unwrap().is_empty());
}

#[tokio::test]
async fn what_a_call_touches_is_told_by_its_arguments() {
    let world = world(detecting(Heed::Watch)).await;
    let agent = world.agent("reader", &["*"]).await;
    let read = async |path: String| {
        let input = json!({"depth": 1, "path": path}).to_string();
        let answer = world.check(Ask { input: Some(&input), ..ask(&agent, "files/get") }).await;
        assert_eq!(word(&answer), "allow");
    };
    for minute in 0..11 {
        for file in 0..5 {
            read(format!("/home/{file}")).await;
        }
        assert!(world.last().event.get("risk").is_none(), "minute {minute}");
        world.clock.pass(Duration::from_mins(1));
    }
    read("/etc/shadow".into()).await;
    let words = |risk: &Value| -> Vec<String> {
        let findings = risk["findings"].as_array().into_iter().flatten();
        findings.map(|finding| finding["word"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words(&said(&world)), ["resource_first_seen"]);
    for file in 0..40 {
        read(format!("/etc/{file}")).await;
    }
    assert!(words(&said(&world)).contains(&"resource_fan_out".to_owned()));
    world.verified();
}
