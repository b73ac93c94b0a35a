//! Asking the Spot guard, wherever it is, and saying how the tiers are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use countersign_core::decide::Guard;
use countersign_core::detect::{Observation, Outcome};

use crate::baselines::Baselines;
use crate::engine::Engine;
use crate::sight::{Known, NoAnswer, Observed, Seen, Sight, SpotGuard};
use crate::spotter::{Sighted, Spotter};
use crate::tier::TierHealth;

impl Engine {
    /// The engine with baselines that somebody else keeps. A check then needs a
    /// Tokio runtime with its timer.
    #[must_use]
    pub fn spotted_by(self, guard: Arc<dyn SpotGuard>) -> Self {
        Self { spotter: Spotter::Elsewhere(guard), ..self }
    }

    /// Asks the Spot guard elsewhere. Whatever it does, there is an answer or a
    /// reason why there is none.
    pub(crate) async fn sight(&self, sight: Sight) -> Sighted {
        let Spotter::Elsewhere(guard) = &self.spotter else {
            return Sighted { sight, known: Err(NoAnswer::Broken) };
        };
        let asked = sight.clone();
        // Made inside, where a panic is caught.
        let look = async { guard.look(asked).await };
        let within = self.settings.spot_deadline;
        let said = self.tiers.spot.ask(self.clock.as_ref(), within, look, Result::is_ok).await;
        Sighted { sight, known: said.and_then(|known| known) }
    }

    /// What the baselines in this process say of a call.
    pub(crate) fn look_here(&self, baselines: &Baselines, seen: &Seen<'_>) -> Result<Known, NoAnswer> {
        // What breaks here must not take the check with it: it counts as a tier that is missing.
        catch_unwind(AssertUnwindSafe(|| baselines.look(seen.by, &seen.call))).map_err(|_| {
            self.tiers.spot.broke();
            NoAnswer::Broken
        })
    }

    /// Tells the baselines, wherever they are, what became of a call.
    pub(crate) fn tell_spot(&self, seen: &Seen<'_>, outcome: Outcome) {
        let told = catch_unwind(AssertUnwindSafe(|| match &self.spotter {
            Spotter::Here(baselines) => baselines.step(seen.by, &Observation { call: seen.call, outcome }),
            Spotter::Elsewhere(guard) => guard.observe(Observed { sight: Sight::of(seen), outcome }),
        }));
        if told.is_err() {
            self.tiers.spot.broke();
        }
    }

    /// How each tier of the Guardian is.
    #[must_use]
    pub fn tiers(&self) -> [TierHealth; 3] {
        let now = self.clock.monotonic();
        let unasked = |tier, by| TierHealth { tier, by, circuit: None, asked: 0, failed: 0, passed_over: 0 };
        let spot = match &self.spotter {
            _ if self.settings.spot.is_off() => unasked(Guard::Spot, "off"),
            // Nothing is counted of what is asked in this process but what broke off.
            Spotter::Here(_) => TierHealth { circuit: None, ..self.tiers.spot.health("here", now) },
            Spotter::Elsewhere(_) => self.tiers.spot.health("elsewhere", now),
        };
        let deep = match &self.deep {
            Some(guard) => self.tiers.deep.health(guard.kind(), now),
            None => unasked(Guard::Deep, "human"),
        };
        [unasked(Guard::Fast, "here"), spot, deep]
    }

    /// Has baselines written that changed, `most` of them; the recorder does it
    /// when it has a moment.
    pub(crate) fn keep_baselines(&self, most: usize) {
        let Spotter::Here(baselines) = &self.spotter else { return };
        let (baselines, documents) = (Arc::clone(baselines), Arc::clone(&self.documents));
        self.recorder.aside(move |ledger| baselines.keep(ledger, documents.as_ref(), most));
    }
}
