//! Guards whose work is done in another process, as the engine asks them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_engine::{Brief, DeepGuard, Looking, NoAnswer, Observed, Opinion, Reviewing, Sight, SpotGuard};

use crate::tier::key::TierKey;
use crate::tier::line::Line;
use crate::tier::wire::{Answer, Knowledge, LOOK, Look, MOST_OBSERVED, OBSERVE, Observations, Question, REVIEW};

/// How many observations wait to be told. One more is forgotten.
const WAITING: usize = 16_384;
/// How long telling some may take.
const TELLING: Duration = Duration::from_secs(5);

/// What a reviewer in another process is called where it gave no answer.
const ELSEWHERE: &str = "elsewhere";

/// A Spot guard in another process. Dropping it ends its thread.
struct Spot {
    line: Line,
    within: Duration,
    observed: SyncSender<Observed>,
}

/// The Spot guard at the base URL `url`, which may take `within` that time to answer.
pub fn spot(url: &str, key: &TierKey, within: Duration) -> Result<Arc<dyn SpotGuard>> {
    let line = Line::to("spot", url, key)?;
    let (observed, waiting) = sync_channel(WAITING);
    let telling = line.clone();
    std::thread::Builder::new()
        .name("tell-spot".into())
        .spawn(move || tell(&telling, &waiting))
        .context("the system gives no thread")?;
    Ok(Arc::new(Spot { line, within, observed }))
}

impl SpotGuard for Spot {
    fn look(&self, sight: Sight) -> Looking {
        let known = self.line.ask::<Knowledge>(LOOK, Look::from(sight), self.within);
        Box::pin(async move { known.await?.read().ok_or(NoAnswer::Garbled) })
    }

    fn observe(&self, observed: Observed) {
        if let Err(TrySendError::Full(_)) = self.observed.try_send(observed) {
            tracing::debug!("the spot guard is not told of a call: too many wait");
        }
    }
}

/// Tells what waits, in order. What cannot be told is forgotten: a baseline is no record.
fn tell(line: &Line, waiting: &Receiver<Observed>) {
    while let Ok(first) = waiting.recv() {
        let observations = std::iter::once(first).chain(waiting.try_iter().take(MOST_OBSERVED - 1));
        let observations = Observations { observations: observations.map(Into::into).collect() };
        let lost = observations.observations.len();
        if line.post::<()>(OBSERVE, &observations, TELLING).is_err() {
            tracing::warn!(lost, "the spot guard was not told of {lost} calls: baselines do not have them");
        }
    }
}

/// A reviewer in another process.
struct Deep {
    line: Line,
    within: Duration,
    shows_input: bool,
}

/// The reviewer at the base URL `url`, which may take `within` that time to answer,
/// and sees arguments where `shows_input`.
pub fn deep(url: &str, key: &TierKey, (within, shows_input): (Duration, bool)) -> Result<Arc<dyn DeepGuard>> {
    Ok(Arc::new(Deep { line: Line::to("deep", url, key)?, within, shows_input }))
}

impl DeepGuard for Deep {
    fn review(&self, brief: Brief) -> Reviewing {
        let about = brief.action_digest();
        let input = brief.input.clone().filter(|_| self.shows_input);
        let question = Question::from(Brief { input, ..brief });
        let answer = self.line.ask::<Answer>(REVIEW, question, self.within);
        Box::pin(async move {
            match answer.await.map(|answer| answer.read(about)) {
                Ok(Ok(opinion)) => opinion,
                // Not of this protocol: the process is not well, whatever the action says.
                Ok(Err(why)) => Opinion::unavailable(ELSEWHERE, why),
                Err(why) => Opinion::unavailable(ELSEWHERE, why.as_str()),
            }
        })
    }

    fn kind(&self) -> &'static str {
        ELSEWHERE
    }
}

#[cfg(test)]
mod tests;
