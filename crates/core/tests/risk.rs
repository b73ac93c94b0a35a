//! `vectors/risk.yaml`, and what holds of every risk.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::Effect;
use countersign_core::risk::{Consequence, Cumulative, History, Risk, RiskFacts, RiskWeights, risk};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    given: Given,
    #[serde(default)]
    weights: RiskWeights,
    then: Then,
}

/// What a case leaves out is settled; what it says is `null` is not known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    effect: Effect,
    credential_age_s: Option<u64>,
    history: Option<History>,
    session: Option<Cumulative>,
    trust: Option<u16>,
    tool_is_new: Option<bool>,
    resource_is_new: Option<bool>,
    hour_permille: Option<u16>,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            effect: Effect::Read,
            credential_age_s: Some(30 * 86_400),
            history: Some(History { decisions: 1_000, denied: 0 }),
            session: Some(Cumulative::default()),
            trust: Some(1_000),
            tool_is_new: Some(false),
            resource_is_new: Some(false),
            hour_permille: Some(100),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    score: u8,
    holds: String,
    reasons: BTreeMap<String, u16>,
}

#[test]
fn risks_are_as_the_vectors_say() {
    let cases: Vec<Case> = serde_norway::from_str(include_str!("../../../vectors/risk.yaml")).unwrap();
    for Case { name, given, weights, then } in cases {
        let facts = RiskFacts {
            effect: given.effect,
            credential_age: given.credential_age_s.map(Duration::from_secs),
            history: given.history,
            session: given.session,
            trust: given.trust,
            tool_is_new: given.tool_is_new,
            resource_is_new: given.resource_is_new,
            hour_permille: given.hour_permille,
        };
        let found = risk(&facts, &weights);
        let reasons: BTreeMap<String, u16> =
            found.reasons().map(|(r, points)| (r.as_str().to_owned(), points)).collect();
        assert_eq!((found.score, found.holds.as_str(), reasons), (then.score, &*then.holds, then.reasons), "{name}");
    }
}

#[test]
fn a_weight_that_does_not_exist_is_refused() {
    let read: Result<RiskWeights, _> = serde_json::from_str(r#"{"trusst": 3}"#);
    assert!(read.unwrap_err().to_string().contains("trusst"));
}

#[test]
fn the_published_maxima_add_up_to_a_hundred() {
    let w = RiskWeights::default();
    let maxima = [
        w.effect_admin,
        w.credential,
        w.history_short,
        w.history_denied,
        w.session_long,
        w.session_denied,
        w.session_changes,
        w.trust,
        w.tool_new,
        w.resource_new,
        w.hour_unusual,
    ];
    assert_eq!(maxima.iter().sum::<u8>(), 100);
}

// ---- Laws ----

fn effect() -> impl Strategy<Value = Effect> {
    select(vec![Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin])
}

/// Mostly small, at times anything.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..700u64, 1 => any::<u64>()]
}

fn history() -> impl Strategy<Value = History> {
    (count(), count()).prop_map(|(decisions, denied)| History { decisions, denied })
}

fn session() -> impl Strategy<Value = Cumulative> {
    (count(), count(), count(), count(), count()).prop_map(|(calls, denied, mutating, destructive, admin)| Cumulative {
        calls,
        denied,
        mutating,
        destructive,
        admin,
    })
}

fn age() -> impl Strategy<Value = Duration> {
    prop_oneof![0..200_000u64, 7_000_000..16_000_000u64, any::<u64>()].prop_map(Duration::from_secs)
}

fn facts() -> impl Strategy<Value = RiskFacts> {
    let hour = prop::option::of(prop_oneof![0..60u16, any::<u16>()]);
    let trust = prop::option::of(prop_oneof![0..1_100u16, any::<u16>()]);
    let known = (prop::option::of(any::<bool>()), prop::option::of(any::<bool>()), hour);
    (effect(), prop::option::of(age()), prop::option::of(history()), prop::option::of(session()), trust, known)
        .prop_map(|(effect, credential_age, history, session, trust, (tool_is_new, resource_is_new, hour_permille))| {
            RiskFacts { effect, credential_age, history, session, trust, tool_is_new, resource_is_new, hour_permille }
        })
}

/// The published weights, or any others.
fn weights() -> impl Strategy<Value = RiskWeights> {
    let any_weights =
        (prop::array::uniform19(any::<u8>()), prop::array::uniform6(0..2_000u32)).prop_map(|(b, n)| RiskWeights {
            effect_read: b[0],
            effect_mutating: b[1],
            effect_destructive: b[2],
            effect_admin: b[3],
            credential: b[4],
            credential_new_hours: n[0],
            credential_old_days: n[1],
            history_short: b[5],
            history_long_enough: n[2],
            history_denied: b[6],
            history_denied_percent: b[7],
            session_long: b[8],
            session_long_calls: n[3],
            session_denied: b[9],
            session_denied_calls: n[4],
            session_changes: b[10],
            session_changes_calls: n[5],
            trust: b[11],
            tool_new: b[12],
            resource_new: b[13],
            hour_unusual: b[14],
            hour_usual_permille: u16::from(b[15]),
            elevate_from: b[16],
            deny_from: b[17],
        });
    prop_oneof![Just(RiskWeights::default()), any_weights]
}

/// One fact made worse, by at most `by`.
fn worsened(facts: RiskFacts, which: usize, by: u64) -> RiskFacts {
    let less = u16::try_from(by).unwrap_or(u16::MAX);
    let history = |change: fn(&mut History, u64)| {
        facts.history.map(|mut history| {
            change(&mut history, by);
            history
        })
    };
    let session = |change: fn(&mut Cumulative, u64)| {
        facts.session.map(|mut session| {
            change(&mut session, by);
            session
        })
    };
    match which {
        0 => RiskFacts { effect: facts.effect.raised(), ..facts },
        1 => RiskFacts { history: history(|h, by| h.denied = h.denied.saturating_add(by)), ..facts },
        2 => RiskFacts { history: history(|h, by| h.decisions = h.decisions.saturating_sub(by)), ..facts },
        // One more denial is a decision, too.
        3 => RiskFacts {
            history: history(|h, by| {
                let by = by.min(u64::MAX - h.denied.max(h.decisions));
                (h.decisions, h.denied) = (h.decisions + by, h.denied + by);
            }),
            ..facts
        },
        4 => RiskFacts { session: session(|s, by| s.calls = s.calls.saturating_add(by)), ..facts },
        5 => RiskFacts { session: session(|s, by| s.denied = s.denied.saturating_add(by)), ..facts },
        6 => RiskFacts { session: session(|s, by| s.mutating = s.mutating.saturating_add(by)), ..facts },
        7 => RiskFacts { session: session(|s, by| s.destructive = s.destructive.saturating_add(by)), ..facts },
        8 => RiskFacts { session: session(|s, by| s.admin = s.admin.saturating_add(by)), ..facts },
        9 => RiskFacts { trust: facts.trust.map(|t| t.saturating_sub(less)), ..facts },
        10 => RiskFacts { tool_is_new: Some(true), ..facts },
        11 => RiskFacts { resource_is_new: Some(true), ..facts },
        12 => RiskFacts { hour_permille: facts.hour_permille.map(|h| h.saturating_sub(less)), ..facts },
        _ => unknown(facts, which - 13),
    }
}

/// One fact no longer known.
fn unknown(facts: RiskFacts, which: usize) -> RiskFacts {
    match which {
        0 => RiskFacts { credential_age: None, ..facts },
        1 => RiskFacts { history: None, ..facts },
        2 => RiskFacts { session: None, ..facts },
        3 => RiskFacts { trust: None, ..facts },
        4 => RiskFacts { tool_is_new: None, ..facts },
        5 => RiskFacts { resource_is_new: None, ..facts },
        _ => RiskFacts { hour_permille: None, ..facts },
    }
}

fn no_milder(worse: Risk, better: Risk) -> bool {
    worse.score >= better.score && worse.holds >= better.holds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn making_one_fact_worse_never_lowers_the_score(
        facts in facts(), weights in weights(), which in 0usize..20, by in count(),
    ) {
        let (before, after) = (risk(&facts, &weights), risk(&worsened(facts, which, by), &weights));
        prop_assert!(no_milder(after, before), "{before:?} {after:?}");
    }

    #[test]
    fn away_from_its_settled_age_a_credential_never_gets_better(
        facts in facts(), weights in weights(), from in age(), by in age(),
    ) {
        let settled = u64::from(weights.credential_new_hours) * 3_600;
        let old = u64::from(weights.credential_old_days) * 86_400;
        let at = |age| risk(&RiskFacts { credential_age: Some(age), ..facts }, &weights);
        if settled <= old {
            if from.as_secs() <= settled {
                prop_assert!(no_milder(at(from.saturating_sub(by)), at(from)));
            }
            if from.as_secs() >= old {
                prop_assert!(no_milder(at(from.saturating_add(by)), at(from)));
            }
        }
    }

    #[test]
    fn the_score_is_the_sum_of_its_reasons_up_to_a_hundred(facts in facts(), weights in weights()) {
        let found = risk(&facts, &weights);
        let sum: u16 = found.reasons().map(|(_, points)| points).sum();
        prop_assert_eq!(u16::from(found.score), sum.min(100));
        prop_assert_eq!(found, risk(&facts, &weights));
    }

    #[test]
    fn a_denial_follows_from_its_threshold_alone(facts in facts(), weights in weights()) {
        let found = risk(&facts, &weights);
        prop_assert_eq!(found.holds == Consequence::Deny, found.score >= weights.deny_from);
    }
}
