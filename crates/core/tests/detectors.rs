//! `vectors/detectors.yaml`, and what holds of every baseline.

#![cfg(test)]

use std::collections::BTreeMap;

use countersign_core::classify::{By, Classification};
use countersign_core::detect::{Baseline, Call, Finding, Findings, Observation, Outcome, Tool, is_egress, raise};
use countersign_core::{Digest, Effect, Timestamp, Verdict};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

#[expect(dead_code, reason = "detectors need only an ordinary world")]
#[path = "shared/world.rs"]
mod world;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_min: i64,
    #[serde(default = "one")]
    minutes: usize,
    #[serde(default = "one")]
    calls: usize,
    #[serde(default)]
    tools: Vec<String>,
    numbered_tools: Option<usize>,
    resources: Option<usize>,
    #[serde(default)]
    resources_from: usize,
    #[serde(default = "read")]
    effect: Effect,
    egress: Option<bool>,
    #[serde(default = "allowed")]
    outcome: Outcome,
    then: Option<BTreeMap<String, [u32; 2]>>,
    first: Option<usize>,
}

const fn one() -> usize {
    1
}

const fn read() -> Effect {
    Effect::Read
}

const fn allowed() -> Outcome {
    Outcome::Allowed
}

fn at(minute: i64, milli: usize) -> Timestamp {
    Timestamp::from_millis(minute * 60_000 + i64::try_from(milli).unwrap())
}

fn words(findings: &Findings) -> BTreeMap<String, [u32; 2]> {
    findings.iter().map(|(finding, figure)| (finding.as_str().to_owned(), [figure.measured, figure.limit])).collect()
}

impl Step {
    fn tool(&self, n: usize) -> String {
        match (self.numbered_tools, self.tools.len()) {
            (Some(count), _) => format!("tool{}", n % count),
            (None, 0) => "db/get_row".to_owned(),
            (None, count) => self.tools[n % count].clone(),
        }
    }

    /// The baseline after all calls, and what was noticed about each.
    fn play(&self, mut baseline: Baseline) -> (Baseline, Vec<Findings>) {
        let mut noticed = Vec::new();
        for n in 0..self.minutes * self.calls {
            let tool = self.tool(n);
            let minute = self.at_min + i64::try_from(n / self.calls).unwrap();
            let resource = |count| format!("resource{}", self.resources_from + n % count);
            let call = Call {
                at: at(minute, (n % self.calls).min(59_999)),
                tool: Tool::new(&tool),
                resource: self.resources.map(|count| Digest::of(resource(count).as_bytes())),
                effect: self.effect,
                egress: self.egress.unwrap_or_else(|| is_egress(&tool)),
            };
            let (next, findings) = baseline.observe(&Observation { call, outcome: self.outcome });
            baseline = next;
            noticed.push(findings);
        }
        (baseline, noticed)
    }
}

#[test]
fn detectors_notice_what_the_vectors_say() {
    let cases: Vec<Case> = serde_norway::from_str(include_str!("../../../vectors/detectors.yaml")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let mut baseline = Baseline::default();
        for step in &case.steps {
            let (next, noticed) = step.play(baseline);
            baseline = next;
            let first = noticed.iter().position(|findings| !findings.is_empty()).map(|n| n + 1);
            let expected = step.then.as_ref().map(|_| step.first.unwrap_or(noticed.len()));
            let last = words(noticed.last().unwrap());
            if first != expected || last != step.then.clone().unwrap_or_default() {
                wrong.push(format!("{} (minute {}): first {first:?}, last {last:?}", case.name, step.at_min));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_hundred_thousand_calls_after_ten_regular_minutes_are_noticed_at_the_thirty_sixth() {
    let regular = Step { minutes: 10, calls: 10, ..step(0) };
    let (baseline, noticed) = regular.play(Baseline::default());
    assert!(noticed.iter().all(Findings::is_empty));
    let (_, noticed) = Step { calls: 100_000, ..step(10) }.play(baseline);
    assert_eq!(noticed.iter().filter(|findings| findings.is_empty()).count(), 35);
}

fn step(at_min: i64) -> Step {
    Step {
        at_min,
        minutes: 1,
        calls: 1,
        tools: Vec::new(),
        numbered_tools: None,
        resources: None,
        resources_from: 0,
        effect: Effect::Read,
        egress: None,
        outcome: Outcome::Allowed,
        then: None,
        first: None,
    }
}

/// The minutes in which something was noticed about an agent that calls at
/// random, `per_minute` on average, in these minutes of each of `days`.
fn noticed_minutes(per_minute: u64, days: i64, minutes: std::ops::Range<i64>) -> usize {
    let mut luck = 0x2545_F491_4F6C_DD1D_u64;
    let mut baseline = Baseline::default();
    let mut noticed = 0;
    for minute in (0..days).flat_map(|day| minutes.clone().map(move |minute| day * 1_440 + minute)) {
        let mut calls = 0;
        for _ in 0..per_minute * 10 {
            luck ^= luck << 13;
            luck ^= luck >> 7;
            luck ^= luck << 17;
            calls += usize::from(luck >> 32 < (1 << 32) / 10);
        }
        if calls > 0 {
            let work = Step { calls, numbered_tools: Some(4), resources: Some(20), ..step(minute) };
            let (next, findings) = work.play(baseline);
            baseline = next;
            noticed += usize::from(findings.iter().any(|f| !f.is_empty()));
        }
    }
    noticed
}

#[test]
fn an_agent_that_calls_at_random_is_seldom_noticed() {
    let noticed = [1, 10, 100].map(|per_minute| noticed_minutes(per_minute, 1, 0..1_000));
    assert!(noticed.iter().all(|minutes| *minutes <= 3), "{noticed:?}");
}

#[test]
fn an_agent_that_works_by_day_is_not_noticed_every_morning() {
    let noticed = [1, 10, 40].map(|per_minute| noticed_minutes(per_minute, 8, 540..1_020));
    assert!(noticed.iter().all(|minutes| *minutes <= 3), "{noticed:?}");
}

/// As much as a baseline can hold.
fn full() -> Baseline {
    let mut baseline = Baseline::default();
    for hour in 0..25_u32 {
        let minute = i64::from(hour) * 60;
        let step = Step {
            calls: 300,
            numbered_tools: Some(300),
            resources: Some(1_100),
            resources_from: usize::try_from(hour).unwrap() * 300,
            ..step(minute)
        };
        baseline = step.play(baseline).0;
        // Every pair of eight that read and forty that send.
        for sender in 0..40 {
            let sends =
                Step { tools: vec![format!("mail{sender}/send")], effect: Effect::Mutating, ..self::step(minute) };
            baseline = sends.play(baseline).0;
        }
    }
    let minutes = Step { minutes: 60, calls: 300, resources: Some(18_000), resources_from: 9_000, ..step(1_500) };
    minutes.play(baseline).0
}

#[test]
fn a_full_baseline_is_stored_in_less_than_thirty_two_kibibytes() {
    let stored = serde_json::to_string(&full()).unwrap();
    assert!((20_000..32 * 1_024).contains(&stored.len()), "{} bytes", stored.len());
}

#[test]
fn another_form_of_baseline_is_refused_and_named() {
    let stored = serde_json::to_string(&full()).unwrap();
    let refused = serde_json::from_str::<Baseline>(&stored.replace("baseline/1", "baseline/2")).unwrap_err();
    assert!(refused.to_string().contains("`countersign-baseline/2`"), "{refused}");
    for without in ["form", "rates", "taught", "hours"] {
        let broken = stored.replacen(&format!("\"{without}\":"), "\"other\":", 1);
        assert!(serde_json::from_str::<Baseline>(&broken).is_err(), "{without}");
    }
}

#[test]
fn a_stored_baseline_that_holds_more_than_it_may_is_refused() {
    let mut stored = serde_json::to_value(full()).unwrap();
    let holds = [
        ("/rates/calls/recent", serde_json::json!(vec![1; 61])),
        ("/rates/distinct", serde_json::json!("0".repeat(16 * 257))),
        ("/mix/last", serde_json::json!("0".repeat(16 * 65))),
        ("/mix/last", serde_json::json!("0".repeat(15))),
        ("/mix/last", serde_json::json!("G".repeat(16))),
        ("/tools/known/recent", serde_json::json!("0".repeat(16 * 129))),
        ("/resources/known/older", serde_json::json!("0".repeat(16 * 513))),
        ("/sequence/reads", serde_json::json!(vec![("0".repeat(16), 0); 9])),
        ("/sequence/reads", serde_json::json!([["", 0], ["0".repeat(32), 1]])),
    ];
    for (place, value) in holds {
        let before = std::mem::replace(stored.pointer_mut(place).unwrap(), value);
        assert!(serde_json::from_value::<Baseline>(stored.clone()).is_err(), "{place}");
        *stored.pointer_mut(place).unwrap() = before;
    }
    assert!(serde_json::from_value::<Baseline>(stored).is_ok());
}

#[test]
fn an_empty_baseline_notices_nothing_and_knows_nothing() {
    let baseline = Baseline::default();
    assert!(baseline.is_new_tool(Tool::new("db/get_row")) && baseline.is_new_resource(&Digest::ZERO));
    assert_eq!(baseline.hour_permille(at(0, 0)), None);
}

#[test]
fn a_baseline_says_what_risk_wants_to_know() {
    let work = Step { minutes: 30, calls: 2, resources: Some(1), ..step(9 * 60) };
    let (baseline, _) = work.play(Baseline::default());
    let (baseline, _) =
        Step { outcome: Outcome::Denied, tools: vec!["db/drop".to_owned()], ..step(10 * 60) }.play(baseline);
    assert_eq!((baseline.history().decisions, baseline.history().denied), (61, 1));
    assert!(!baseline.is_new_tool(Tool::new("db/get_row")) && baseline.is_new_tool(Tool::new("db/drop")));
    assert!(!baseline.is_new_resource(&Digest::of(b"resource0")));
    let tomorrow = |hour: i64| baseline.hour_permille(at((24 + hour) * 60, 0));
    assert_eq!([9, 10, 11].map(tomorrow), [Some(983), Some(21), Some(0)]);
}

#[test]
fn words_that_carry_something_out_count_as_whole_words() {
    for tool in ["mail/send_message", "slack/postMessage", "S3Upload", "git/push"] {
        assert!(is_egress(tool), "{tool}");
    }
    for tool in ["mail/read_message", "blogposts/list", "db/get_row", "sender/list", ""] {
        assert!(!is_egress(tool), "{tool}");
    }
}

// ---- Laws ----

const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin];
const TOOLS: [&str; 6] = ["db/get_row", "db/set_row", "mail/send", "mail/read", "files/drop", "web/post"];

#[derive(Debug, Clone)]
struct Seen {
    at: Timestamp,
    tool: &'static str,
    resource: Option<Digest>,
    effect: Effect,
    outcome: Outcome,
}

impl Seen {
    fn observation(&self) -> Observation<'_> {
        let call = Call {
            at: self.at,
            tool: Tool::new(self.tool),
            resource: self.resource,
            effect: self.effect,
            egress: is_egress(self.tool),
        };
        Observation { call, outcome: self.outcome }
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![8 => Just(Outcome::Allowed), 1 => Just(Outcome::Denied), 1 => Just(Outcome::Waiting)]
}

/// Any life of an agent: mostly on and on, at times long breaks, or a clock
/// that jumps anywhere.
fn life() -> impl Strategy<Value = Vec<Seen>> {
    let gap = prop_oneof![200 => 0..5_000i64, 20 => 0..600_000i64, 3 => 0..100_000_000i64];
    let jump = prop_oneof![500 => Just(None), 1 => any::<i64>().prop_map(Some)];
    let resource = prop::option::of((0..40u8).prop_map(|n| Digest::of(&[n])));
    let one = (gap, jump, select(TOOLS.to_vec()), resource, select(EFFECTS.to_vec()), outcome());
    prop::collection::vec(one, 0..300).prop_map(|calls| {
        let mut now = 0;
        let made = calls.into_iter().map(|(gap, jump, tool, resource, effect, outcome)| {
            now = jump.unwrap_or(now).saturating_add(gap);
            Seen { at: Timestamp::from_millis(now), tool, resource, effect, outcome }
        });
        made.collect()
    })
}

fn lived(life: &[Seen]) -> Baseline {
    life.iter().fold(Baseline::default(), |baseline, seen| baseline.step(&seen.observation()))
}

fn findings() -> impl Strategy<Value = Findings> {
    prop::collection::vec(select(Finding::ALL.to_vec()), 0..4).prop_map(|found| {
        let figure = countersign_core::detect::Figure { measured: 2, limit: 1 };
        found.into_iter().fold(Findings::default(), |findings, one| findings.with(one, Some(figure)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_finding_never_lowers_an_effect_and_never_makes_it_admin(effect in select(EFFECTS.to_vec()), found in findings()) {
        let raised = raise(effect, &found);
        prop_assert!(raised >= effect && raised <= effect.raised());
        prop_assert_eq!(raised == effect, found.is_empty() || effect >= Effect::Destructive);
        prop_assert!(raised < Effect::Admin || effect == Effect::Admin);
    }

    #[test]
    fn more_findings_never_mean_less_scrutiny(effect in select(EFFECTS.to_vec()), found in findings(), one in select(Finding::ALL.to_vec())) {
        let figure = countersign_core::detect::Figure { measured: 2, limit: 1 };
        prop_assert!(raise(effect, &found.with(one, Some(figure))) >= raise(effect, &found));
        prop_assert_eq!(found.with(one, None), found);
    }

    #[test]
    fn a_finding_never_turns_a_refusal_into_an_allow(
        effect in select(EFFECTS.to_vec()), found in findings(), blocked: bool, read_only: bool,
    ) {
        let mut world = world::World::ordinary();
        if blocked {
            world.agent.blocked = world::everything();
        }
        if read_only {
            world.session = world::Named::Ours { session: Box::new(world::ordinary_session()), parent_lives: true };
        }
        let decide = |effect| world.decide("db/run", Classification { effect, by: By::Override }).verdict;
        let (before, after) = (decide(effect), decide(raise(effect, &found)));
        prop_assert!(after != Verdict::Allow || before == Verdict::Allow, "{before:?} {after:?}");
        prop_assert!(!matches!(before, Verdict::Deny(_)) || matches!(after, Verdict::Deny(_)), "{before:?} {after:?}");
    }

    #[test]
    fn a_stored_baseline_goes_on_as_if_it_had_not_been_stored(life in life(), more in life()) {
        let baseline = lived(&life);
        let read: Baseline = serde_json::from_str(&serde_json::to_string(&baseline).unwrap()).unwrap();
        prop_assert_eq!(&read, &baseline);
        let (mut kept, mut read) = (baseline, read);
        for seen in &more {
            let (a, b) = (kept.observe(&seen.observation()), read.observe(&seen.observation()));
            prop_assert_eq!((&a.0, a.1), (&b.0, b.1));
            (kept, read) = (a.0, b.0);
        }
    }

    #[test]
    fn judging_is_the_same_before_and_while_observing(life in life(), at in any::<prop::sample::Index>()) {
        if !life.is_empty() {
            let at = at.index(life.len());
            let baseline = lived(&life[..at]);
            let seen = life[at].observation();
            let judged = baseline.judge(&seen.call);
            prop_assert_eq!(baseline.observe(&seen).1, judged);
        }
    }

    #[test]
    fn what_is_noticed_does_not_depend_on_what_becomes_of_the_call(life in life(), outcome in outcome()) {
        if let Some((last, before)) = life.split_last() {
            let baseline = lived(before);
            let other = Seen { outcome, ..last.clone() };
            prop_assert_eq!(baseline.clone().observe(&last.observation()).1, baseline.observe(&other.observation()).1);
        }
    }

    #[test]
    fn every_figure_is_beyond_its_limit(life in life()) {
        let mut baseline = Baseline::default();
        for seen in &life {
            let (next, found) = baseline.observe(&seen.observation());
            baseline = next;
            for (finding, figure) in found.iter() {
                let is_beyond = match finding {
                    Finding::EntropyLow => figure.measured < figure.limit,
                    _ => figure.measured > figure.limit,
                };
                prop_assert!(is_beyond, "{finding:?} {figure:?}");
            }
        }
    }
}
