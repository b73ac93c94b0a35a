//! `vectors/router.yaml`: the table of effects and tiers, in full, and the
//! circuits of tiers.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::Effect;
use countersign_core::decide::Guard;
use countersign_core::router::{Circuit, Reach, Route, State, TRIAL, route, tiers};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    routes: Vec<Routed>,
    circuits: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Routed {
    effect: Effect,
    down: Vec<String>,
    then: String,
    tiers: Vec<String>,
    missing: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_ms: u64,
    #[serde(default)]
    failed: u32,
    #[serde(default)]
    succeeded: u32,
    asked: Option<String>,
    state: Option<String>,
}

const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin];

#[test]
fn every_effect_takes_the_route_of_the_vectors_whatever_is_down() {
    let vectors: Vectors = serde_norway::from_str(include_str!("../../../vectors/router.yaml")).unwrap();
    let mut seen = BTreeSet::new();
    for case in &vectors.routes {
        let up = |tier: &str| !case.down.iter().any(|down| down == tier);
        let reach = Reach { fast: up("fast"), spot: up("spot"), deep: up("deep") };
        let found = route(case.effect, reach);
        let asked: Vec<_> = found.tiers().iter().map(|tier| tier.as_str()).collect();
        let missing = found.missing().map(Guard::as_str);
        assert_eq!((found.as_str(), asked), (&*case.then, case.tiers.iter().map(String::as_str).collect()), "{case:?}");
        assert_eq!(missing, case.missing.as_deref(), "{case:?}");
        seen.insert((case.effect, reach.fast, reach.spot, reach.deep));
    }
    assert_eq!(seen.len(), 32, "every effect with every state of the tiers");
}

#[test]
fn circuits_are_as_the_vectors_say() {
    let vectors: Vectors = serde_norway::from_str(include_str!("../../../vectors/router.yaml")).unwrap();
    for case in vectors.circuits {
        let mut circuit = Circuit::default();
        for step in &case.steps {
            let now = Duration::from_millis(step.at_ms);
            for _ in 0..step.failed {
                circuit = circuit.step(false, now);
            }
            for _ in 0..step.succeeded {
                circuit = circuit.step(true, now);
            }
            if let Some(expected) = &step.asked {
                let state = circuit.state(now).as_str();
                let (next, admitted) = circuit.admit(now);
                circuit = next;
                let answer = if admitted { "admitted" } else { "kept_out" };
                assert_eq!((answer, Some(state)), (&**expected, step.state.as_deref()), "{}: {step:?}", case.name);
            }
        }
    }
}

fn reach() -> impl Strategy<Value = Reach> {
    any::<[bool; 3]>().prop_map(|[fast, spot, deep]| Reach { fast, spot, deep })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_denied_meets_every_tier_it_should_or_names_the_one_it_did_not(reach in reach()) {
        for effect in EFFECTS {
            let found = route(effect, reach);
            match found {
                Route::Ask(asked) => prop_assert_eq!(asked, tiers(effect)),
                Route::FallBack { missing } => prop_assert_eq!((effect, missing), (Effect::Mutating, Guard::Spot)),
                Route::Deny { missing } => prop_assert!(tiers(effect).contains(&missing)),
            }
        }
    }

    #[test]
    fn a_worse_effect_is_never_routed_more_kindly(reach in reach()) {
        let strictness = |effect| match route(effect, reach) {
            Route::Deny { .. } => 4,
            found => found.tiers().len() + usize::from(found.missing().is_some()),
        };
        prop_assert!(EFFECTS.map(strictness).is_sorted());
    }

    #[test]
    fn between_outcomes_an_opened_circuit_admits_one_call_per_trial(gaps in prop::collection::vec(0u64..20_000, 1..60)) {
        let mut now = Duration::ZERO;
        let mut circuit = (0..5).fold(Circuit::default(), |circuit, _| circuit.step(false, now));
        let mut last: Option<Duration> = None;
        for gap in gaps {
            now += Duration::from_millis(gap);
            let state = circuit.state(now);
            let (next, admitted) = circuit.admit(now);
            circuit = next;
            prop_assert!(!admitted || state == State::HalfOpen);
            if admitted {
                prop_assert!(last.is_none_or(|last| now.saturating_sub(last) >= TRIAL));
                last = Some(now);
            }
        }
    }
}
