//! What happens where a tier of the Guardian does not do as it should: the table of
//! `vectors/tiers.yaml`, and the circuits around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::decide::Guard;
use countersign_core::detect::{Figure, Finding, Findings, Outcome};
use countersign_core::id::AgentId;
use countersign_core::risk::History;
use countersign_core::router::State;
use countersign_engine::{
    Ask, Brief, DeepGuard, Heed, Known, Looking, NoAnswer, Observed, Opinion, Reviewed, Reviewing, Said, Settings,
    Sight, Spot, SpotGuard, TierHealth,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::world::{World, ask, word};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    when: When,
    then: Then,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    effect: Vec<String>,
    spot: Vec<Does>,
    deep: Vec<Does>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    verdict: String,
    code: Option<String>,
    guard: String,
    unreachable: Option<String>,
    reviewed: bool,
    spot_failed: Option<String>,
    deep_failed: Option<String>,
}

/// What a guard does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Does {
    Ok,
    Slow,
    Dead,
    Nonsense,
    Panics,
    Hostile,
}

/// A guard that does as it is told, and remembers what it was asked and told.
struct Stub {
    does: Mutex<Does>,
    known: Mutex<Known>,
    asked: Mutex<Vec<Sight>>,
    told: Mutex<Vec<Observed>>,
    briefs: Mutex<Vec<Brief>>,
    waits: Mutex<Option<oneshot::Receiver<()>>>,
}

/// An agent that did this for years, and nothing unusual.
fn usual() -> Known {
    let history = History { decisions: 1_000, denied: 0 };
    Known { findings: Findings::default(), history, tool_is_new: false, resource_is_new: None, hour_permille: Some(40) }
}

#[expect(clippy::panic, reason = "a guard that panics is what is tried")]
fn broken<T>() -> T {
    panic!("a guard that panics")
}

impl Stub {
    fn new(does: Does) -> Arc<Self> {
        Arc::new(Self {
            does: Mutex::new(does),
            known: Mutex::new(usual()),
            asked: Mutex::default(),
            told: Mutex::default(),
            briefs: Mutex::default(),
            waits: Mutex::default(),
        })
    }

    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn does(&self) -> Does {
        *self.does.lock().unwrap()
    }

    /// How often it was asked, as either guard.
    fn times(&self) -> usize {
        self.asked.lock().unwrap().len() + self.briefs.lock().unwrap().len()
    }
}

impl SpotGuard for Stub {
    fn look(&self, sight: Sight) -> Looking {
        self.asked.lock().unwrap().push(sight);
        let known = *self.known.lock().unwrap();
        if let Some(waits) = self.waits.lock().unwrap().take() {
            return Box::pin(async move { waits.await.map(|()| known).map_err(|_| NoAnswer::Broken) });
        }
        match self.does() {
            Does::Ok => Box::pin(std::future::ready(Ok(known))),
            Does::Slow => Box::pin(std::future::pending()),
            Does::Dead => Box::pin(std::future::ready(Err(NoAnswer::Unreachable))),
            Does::Nonsense | Does::Hostile => Box::pin(std::future::ready(Err(NoAnswer::Garbled))),
            Does::Panics => broken(),
        }
    }

    fn observe(&self, observed: Observed) {
        self.told.lock().unwrap().push(observed);
        if self.does() == Does::Panics {
            broken::<()>();
        }
    }
}

impl DeepGuard for Stub {
    fn review(&self, brief: Brief) -> Reviewing {
        self.briefs.lock().unwrap().push(brief);
        let said = Said { verdict: "allow", reasoning: "fine".into(), confidence: 90 };
        let cleared = Opinion {
            reviewed: Reviewed::Cleared,
            reviewer: "test".into(),
            model: None,
            said: Some(said),
            failed: None,
            is_outage: false,
        };
        let none = |why, is_outage| Opinion { is_outage, ..Opinion::unavailable("test", why) };
        match self.does() {
            Does::Ok => Box::pin(std::future::ready(cleared)),
            Does::Slow => Box::pin(std::future::pending()),
            Does::Dead => Box::pin(std::future::ready(none("unreachable", true))),
            Does::Nonsense => Box::pin(std::future::ready(none("malformed", false))),
            // Whoever speaks with a reviewer takes what is bound to another action for no answer.
            Does::Hostile => Box::pin(std::future::ready(none("unbound", false))),
            Does::Panics => broken(),
        }
    }

    fn kind(&self) -> &'static str {
        "test"
    }
}

async fn world(settings: Settings, spot: &Arc<Stub>, deep: Option<&Arc<Stub>>) -> World {
    let world = World::with(settings).await.spotted_by(spot.clone());
    match deep {
        Some(deep) => world.reviewed_by(deep.clone()),
        None => world,
    }
}

/// No rates, and nothing heeded but that somebody looked.
fn watching() -> Settings {
    Settings { agent_per_minute: 0, tool_per_minute: 0, ..Settings::default() }
}

fn tool(effect: &str) -> &'static str {
    match effect {
        "read" => "db/get",
        "mutating" => "db/update",
        "destructive" => "db/drop",
        _ => "iam/grant",
    }
}

/// What is decided about `tool`, as the answer and the entry say.
async fn decided(world: &World, agent: &AgentId, tool: &str) -> Then {
    let answer = world.check(ask(agent, tool)).await;
    let entry = world.last();
    let failed = |member: &str| entry.event[member]["failed"].as_str().map(str::to_owned);
    assert_eq!(entry.says("verdict"), answer.decision.verdict.as_str());
    assert_eq!(entry.says("guard"), answer.decision.guard.as_str());
    Then {
        verdict: entry.says("verdict").into(),
        code: answer.decision.verdict.code().map(str::to_owned),
        guard: answer.decision.guard.as_str().into(),
        unreachable: answer.unreachable.map(|tier| tier.as_str().into()),
        reviewed: entry.event["review"]["verdict"] == "allow",
        spot_failed: failed("risk"),
        deep_failed: failed("review"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_effect_is_decided_as_the_vectors_say_whatever_the_tiers_do() {
    let rows: Vec<Row> = serde_norway::from_str(include_str!("../../../../vectors/tiers.yaml")).unwrap();
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for Row { name, when, then } in &rows {
        for effect in &when.effect {
            for (spot, deep) in when.spot.iter().flat_map(|spot| when.deep.iter().map(move |deep| (*spot, *deep))) {
                assert!(seen.insert((effect.clone(), spot, deep)), "{name}: {effect} {spot:?} {deep:?} is there twice");
                let (at_spot, at_deep) = (Stub::new(spot), Stub::new(deep));
                let world = world(watching(), &at_spot, Some(&at_deep)).await;
                let agent = world.agent("any", &["*"]).await;
                let found = decided(&world, &agent, tool(effect)).await;
                if found != *then {
                    wrong.push(format!("{name}: {effect}, spot {spot:?}, deep {deep:?}: {found:?}"));
                }
                // A read is put to nobody, and a reviewer is not asked for nothing.
                let asks = (effect != "read", then.guard == "deep");
                assert_eq!((at_spot.times() == 1, at_deep.times() == 1), asks, "{name}");
                world.verified();
            }
        }
    }
    assert_eq!((seen.len(), wrong), (4 * 5 * 5, Vec::<String>::new()));
}

#[tokio::test]
async fn what_spot_elsewhere_knows_counts_as_if_it_were_known_here() {
    let spot = Stub::new(Does::Ok);
    let figure = Figure { measured: 36, limit: 35 };
    let findings = Findings::default().with(Finding::CallSpike, Some(figure));
    *spot.known.lock().unwrap() = Known { findings, ..usual() };
    let heeded = Spot { risk: Heed::Enforce, detectors: Heed::Enforce, ..Spot::default() };
    let world = world(Settings { spot: heeded, ..watching() }, &spot, None).await;
    let agent = world.agent("busy", &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "destructive_needs_approval");
    let entry = world.last();
    assert_eq!(entry.event["effect"]["raised"], "call_spike");
    let found = json!([{"limit": 35, "measured": 36, "mode": "enforce", "word": "call_spike"}]);
    assert_eq!(entry.event["risk"]["findings"], found);
    let reasons = entry.event["risk"]["scored"]["reasons"].to_string();
    assert!(!reasons.contains("history_short") && !reasons.contains("tool_new"), "{reasons}");
    // What would be found of a read stays unknown: nobody waits for it.
    assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
    assert_eq!(spot.times(), 1);
}

#[tokio::test]
async fn spot_elsewhere_is_told_of_every_decision_and_asked_about_the_agent_that_acts() {
    let spot = Stub::new(Does::Ok);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["db/*"]).await;
    for tool in ["db/get", "db/update", "db/drop", "mail/send"] {
        world.bare_verdict(&agent, tool).await;
    }
    let told: Vec<_> = spot.told.lock().unwrap().iter().map(|o| (o.sight.tool.clone(), o.outcome)).collect();
    let expected = [
        ("db/get", Outcome::Allowed),
        ("db/update", Outcome::Allowed),
        ("db/drop", Outcome::Waiting),
        ("mail/send", Outcome::Denied),
    ];
    assert_eq!(told, expected.map(|(tool, outcome)| (tool.to_owned(), outcome)));
    let asked: Vec<_> = spot.asked.lock().unwrap().iter().map(|sight| sight.tool.clone()).collect();
    assert_eq!(asked, ["db/update", "db/drop", "mail/send"]);
    world.check(Ask { input: Some("{\"path\":\"a.txt\"}"), ..ask(&agent, "db/update") }).await;
    let touched = spot.asked.lock().unwrap().last().unwrap().resource;
    assert_eq!((touched.is_some(), spot.told.lock().unwrap().last().unwrap().sight.resource), (true, touched));
    let thief = world.agent("thief", &["*"]).await;
    let key = world.key_of(&thief).await;
    assert_eq!(word(&world.engine.check(&key, ask(&agent, "db/update")).await.unwrap()), "identity_mismatch");
    assert_eq!(spot.asked.lock().unwrap().last().unwrap().agent, thief);
}

#[tokio::test]
async fn a_spot_guard_that_is_off_is_not_asked_and_not_missing() {
    let spot = Stub::new(Does::Panics);
    let off = Spot { risk: Heed::Off, detectors: Heed::Off, ..Spot::default() };
    let world = world(Settings { spot: off, ..watching() }, &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "destructive_needs_approval");
    assert!(world.last().event.get("risk").is_none());
    assert_eq!((spot.times(), spot.told.lock().unwrap().len()), (0, 0));
    assert_eq!(world.engine.tiers()[1].by, "off");
}

#[tokio::test]
async fn no_approval_stands_in_for_a_spot_guard_that_is_missing() {
    let spot = Stub::new(Does::Ok);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    let held = world.check(ask(&agent, "db/drop")).await;
    world.approve(held.approval.as_ref().unwrap()).await;
    spot.now(Does::Dead);
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "spot_unavailable");
    // The approval was not used up by what was refused.
    spot.now(Does::Ok);
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "allow");
}

#[tokio::test]
async fn the_effect_that_behaviour_raised_is_the_one_that_is_routed() {
    let spot = Stub::new(Does::Ok);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("writer", &["*"]).await;
    for _ in 0..10 {
        world.verdict(&agent, "burst", "db/update").await;
    }
    spot.now(Does::Dead);
    let asked = spot.times();
    assert_eq!(world.verdict(&agent, "burst", "db/get").await, "allow");
    let entry = world.last();
    assert_eq!((&entry.event["effect"]["final"], entry.says("guard")), (&json!("mutating"), "fast"));
    assert_eq!((&entry.event["risk"], spot.times()), (&json!({"failed": "unreachable"}), asked + 1));
    assert_eq!(world.verdict(&agent, "burst", "db/update").await, "spot_unavailable");
    assert_eq!(world.last().event["effect"]["final"], "destructive");
}

fn of(world: &World, tier: Guard) -> TierHealth {
    world.engine.tiers().into_iter().find(|health| health.tier == tier).unwrap()
}

#[tokio::test]
async fn a_spot_guard_that_fails_five_times_is_left_alone_for_a_while_and_then_tried_once() {
    let spot = Stub::new(Does::Dead);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    let failed = async || {
        assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
        world.last().event["risk"]["failed"].clone()
    };
    for _ in 0..5 {
        assert_eq!(failed().await, "unreachable");
    }
    for _ in 0..3 {
        assert_eq!(failed().await, "circuit_open");
    }
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "spot_unavailable");
    let health = of(&world, Guard::Spot);
    assert_eq!((health.circuit, health.asked, health.failed, health.passed_over), (Some(State::Open), 5, 5, 4));
    world.clock.pass(Duration::from_secs(30));
    assert_eq!(of(&world, Guard::Spot).circuit, Some(State::HalfOpen));
    // The trial fails, and nobody else is let through.
    assert_eq!((failed().await, failed().await), (json!("unreachable"), json!("circuit_open")));
    world.clock.pass(Duration::from_secs(30));
    spot.now(Does::Ok);
    assert_eq!(failed().await, Value::Null);
    assert_eq!((of(&world, Guard::Spot).circuit, spot.times()), (Some(State::Closed), 7));
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "destructive_needs_approval");
}

#[tokio::test]
async fn while_a_trial_is_under_way_others_do_not_wait_for_it() {
    let spot = Stub::new(Does::Dead);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    for _ in 0..5 {
        world.bare_verdict(&agent, "db/update").await;
    }
    world.clock.pass(Duration::from_secs(30));
    let (answer, waits) = oneshot::channel();
    *spot.waits.lock().unwrap() = Some(waits);
    let trial = world.asking(&world.org.runtime, &agent, None, "db/update").await;
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    assert_eq!(world.last().event["risk"]["failed"], "circuit_open");
    answer.send(()).unwrap();
    assert_eq!(word(&trial.await.unwrap().unwrap()), "allow");
    assert!(world.last().event["risk"].get("failed").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reviewer_that_hangs_is_left_alone_after_five_times_and_what_is_denied_is_told_at_once() {
    let (spot, deep) = (Stub::new(Does::Ok), Stub::new(Does::Slow));
    let world = world(watching(), &spot, Some(&deep)).await;
    let agent = world.agent("any", &["*"]).await;
    for _ in 0..5 {
        assert_eq!(world.bare_verdict(&agent, "db/drop").await, "review_unavailable");
        assert_eq!(world.last().event["review"], json!({"failed": "timed_out", "reviewer": "test"}));
    }
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "review_unavailable");
    assert_eq!(world.last().event["review"], json!({"failed": "circuit_open", "reviewer": "test"}));
    assert_eq!((deep.times(), of(&world, Guard::Deep).circuit), (5, Some(State::Open)));
    // Whoever hangs up nobody else: a change needs no reviewer.
    assert_eq!(world.bare_verdict(&agent, "db/update").await, "allow");
    deep.now(Does::Ok);
    world.clock.pass(Duration::from_secs(30));
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "allow");
    assert_eq!(of(&world, Guard::Deep).circuit, Some(State::Closed));
}

#[tokio::test]
async fn what_the_words_of_an_action_bring_about_stops_nobody_elses_reviews() {
    let (spot, deep) = (Stub::new(Does::Ok), Stub::new(Does::Nonsense));
    let world = world(watching(), &spot, Some(&deep)).await;
    let agent = world.agent("any", &["*"]).await;
    for does in [Does::Nonsense, Does::Hostile] {
        deep.now(does);
        for _ in 0..6 {
            assert_eq!(world.bare_verdict(&agent, "db/drop").await, "review_unavailable");
        }
    }
    deep.now(Does::Ok);
    assert_eq!(world.bare_verdict(&agent, "db/drop").await, "allow");
}

#[tokio::test]
async fn a_guard_that_panics_when_it_is_told_something_costs_no_check() {
    let spot = Stub::new(Does::Panics);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    assert_eq!(world.bare_verdict(&agent, "db/get").await, "allow");
    assert_eq!((spot.told.lock().unwrap().len(), of(&world, Guard::Spot).failed), (1, 1));
}

#[tokio::test]
async fn a_right_that_was_taken_away_during_a_look_is_gone() {
    let spot = Stub::new(Does::Ok);
    let (answer, waits) = oneshot::channel();
    *spot.waits.lock().unwrap() = Some(waits);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "db/update").await;
    world.engine.suspend_agent(&world.org.admin, agent.as_str(), "a drill").await.unwrap();
    answer.send(()).unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "agent_suspended");
    // Another version of the agent: what was said of the one before is not taken for its own.
    let revisions: BTreeMap<_, _> =
        spot.asked.lock().unwrap().iter().map(|sight| (sight.revision, sight.tool.clone())).collect();
    assert_eq!((revisions.len(), spot.times()), (2, 2));
}

#[tokio::test]
async fn nothing_is_kept_of_baselines_that_are_elsewhere() {
    let spot = Stub::new(Does::Ok);
    let world = world(watching(), &spot, None).await;
    let agent = world.agent("any", &["*"]).await;
    world.check(Ask { session: None, ..ask(&agent, "db/update") }).await;
    world.engine.stop();
    assert!(world.documents.list("baseline").unwrap().is_empty());
}
