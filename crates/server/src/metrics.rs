//! What Prometheus scrapes. Every name begins with `countersign_`.

use countersign_core::decide::{Guard, Verdict};
use countersign_core::router::State;
use countersign_engine::{Answer, Engine, Log, LogHealth, TierHealth};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    verdict: &'static str,
    effect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WitnessLabel {
    witness: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CircuitLabels {
    tier: &'static str,
    state: &'static str,
}

/// The numbers that are counted as things happen.
pub(crate) struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    refusals: Family<CodeLabel, Counter>,
    responses: Family<StatusLabel, Counter>,
    seconds: Histogram,
    pub(crate) rejections: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            decisions: Family::default(),
            refusals: Family::default(),
            responses: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            rejections: Counter::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn answered(&self, answer: &Answer) {
        let labels =
            DecisionLabels { verdict: answer.decision.verdict.as_str(), effect: answer.decision.effect.as_str() };
        self.decisions.get_or_create(&labels).inc();
        if let (Verdict::Deny(_) | Verdict::Elevate(_), Some(code)) =
            (answer.decision.verdict, answer.decision.verdict.code())
        {
            self.refusals.get_or_create(&CodeLabel { code }).inc();
        }
        self.seconds.observe(answer.took.as_secs_f64());
    }

    pub(crate) fn responded(&self, status: u16) {
        self.responses.get_or_create(&StatusLabel { status }).inc();
    }

    /// Everything, in the OpenMetrics text format.
    pub(crate) fn text(&self, engine: &Engine, log: Option<&Log>) -> Result<String, std::fmt::Error> {
        let health = engine.health();
        let mut registry = Registry::with_prefix("countersign");
        registry.register("decisions", "Decisions by verdict and effect", self.decisions.clone());
        registry.register("refusals", "Decisions that were not allows, by code", self.refusals.clone());
        registry.register("http_responses", "HTTP responses by status", self.responses.clone());
        registry.register(
            "rejected_authentications",
            "Callers that could not prove who they are",
            self.rejections.clone(),
        );
        registry.register("check_seconds", "Time to decide and record, in seconds", self.seconds.clone());
        registry.register("recorder_entries", "Entries recorded since the start", gauge(health.recorded));
        registry.register("recorder_commits", "Durable transactions since the start", gauge(health.commits));
        registry.register("recorder_waiting", "Recordings that wait", gauge(health.waiting as u64));
        registry.register("recorder_lost", "Answered reads that could not be recorded", gauge(health.lost));
        registry.register(
            "recorder_failing",
            "1 while nothing can be recorded",
            gauge(u64::from(health.failure.is_some())),
        );
        if let Some(in_force) = engine.policies() {
            registry.register("policies", "Policies in force", gauge(in_force.set().policies().len() as u64));
            let failing = u64::from(engine.policy_failure().is_some());
            registry.register("policies_failing", "1 while a newer set cannot be put in force", gauge(failing));
        }
        register_tiers(&mut registry, &engine.tiers());
        registry.register(
            "organisations_without_policies",
            "Organisations whose published policies do not load, so that every call is refused",
            gauge(engine.organisations_without_policies() as u64),
        );
        registry.register("sessions", "Sessions in memory", gauge(health.sessions as u64));
        if let Some(log) = log {
            register_log(&mut registry, &log.health());
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

fn gauge(number: u64) -> Gauge<i64> {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
    gauge
}

fn register_tiers(registry: &mut Registry, tiers: &[TierHealth]) {
    let (asked, failed, passed_over) = (Family::default(), Family::default(), Family::default());
    let circuits = Family::<CircuitLabels, Gauge>::default();
    let count = |family: &Family<TierLabel, Counter>, tier, number| {
        family.get_or_create(&TierLabel { tier }).inc_by(number);
    };
    for health in tiers {
        let tier = health.tier.as_str();
        if health.tier != Guard::Fast {
            count(&failed, tier, health.failed);
        }
        let Some(circuit) = health.circuit else { continue };
        count(&asked, tier, health.asked);
        count(&passed_over, tier, health.passed_over);
        for state in [State::Closed, State::HalfOpen, State::Open] {
            let labels = CircuitLabels { tier, state: state.as_str() };
            circuits.get_or_create(&labels).set(i64::from(state == circuit));
        }
    }
    registry.register("guardian_asked", "Questions put to a tier outside this process", asked);
    registry.register("guardian_failed", "Questions that a tier did not answer", failed);
    registry.register("guardian_passed_over", "Questions not put to a tier whose circuit was open", passed_over);
    registry.register("guardian_circuit", "1 for the state of the circuit of a tier", circuits);
}

fn register_log(registry: &mut Registry, log: &LogHealth) {
    registry.register("log_size", "Entries in the published tree", gauge(log.size));
    registry.register("log_failing", "1 while nothing can be published", gauge(u64::from(log.failure.is_some())));
    let witnesses = |number: fn(&countersign_engine::WitnessHealth) -> u64| {
        let family = Family::<WitnessLabel, Gauge>::default();
        for witness in &log.witnesses {
            let number = i64::try_from(number(witness)).unwrap_or(i64::MAX);
            family.get_or_create(&WitnessLabel { witness: witness.name.clone() }).set(number);
        }
        family
    };
    let sizes = witnesses(|witness| witness.cosigned_size);
    registry.register("log_witness_size", "Entries in the largest tree that a witness cosigned", sizes);
    let failing = witnesses(|witness| u64::from(witness.failure.is_some()));
    registry.register("log_witness_failing", "1 while a witness does not cosign", failing);
    let disputed = witnesses(|witness| u64::from(witness.is_disputed));
    registry.register("log_witness_disputes", "1 while a witness says that it saw another history", disputed);
}
