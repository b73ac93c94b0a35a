//! The deep reviewer that the configuration names, for the engine to ask.
//!
//! Reviews run on a thread of their own: a slow reviewer takes none from those
//! that answer requests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_core::Timestamp;
use countersign_engine::{
    Brief, Clock as _, DeepGuard, Entropy as _, Opinion, Reviewed, Reviewing, Said, SystemClock, SystemEntropy,
};
use countersign_review::{
    Arguments, Conclusion, Grounds, Review, Reviewer, ReviewerConfig, Risk, World, conclude, open,
};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use crate::config::{Deep, Shown};

/// A question and where its answer goes.
type Question = (Brief, oneshot::Sender<Opinion>);

/// The machine's time and luck.
#[derive(Default)]
struct Machine(SystemClock);

impl World for Machine {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn luck(&self) -> u128 {
        let mut bytes = [0; 16];
        SystemEntropy.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }
}

/// Hands questions to the thread of the reviewer. Dropping it ends the thread.
struct Desk {
    questions: mpsc::UnboundedSender<Question>,
    reviewer: &'static str,
}

/// Who is configured in this process; `None` where that is a human. Nothing is sent yet.
pub fn guard(deep: Option<&Deep>) -> Result<Option<Arc<dyn DeepGuard>>> {
    let Some(deep) = deep.filter(|deep| !matches!(deep.review.reviewer, ReviewerConfig::Human {})) else {
        return Ok(None);
    };
    let secret = deep.secret().context("`guardian.deep`")?;
    let reviewer = open(&deep.review, secret.as_ref(), Arc::new(Machine::default())).context("`guardian.deep`")?;
    let asking = Asking {
        reviewer: Arc::from(reviewer),
        shown: deep.arguments,
        minimum: deep.review.minimum_confidence,
        kind: deep.kind(),
    };
    let (questions, mut waiting) = mpsc::unbounded_channel::<Question>();
    let runtime = Builder::new_current_thread().enable_time().build().context("the system gives no timer")?;
    // The reviewer bounds what it takes at once and turns the rest away, so nothing piles up here.
    let work = move || {
        runtime.block_on(async {
            while let Some((brief, answer)) = waiting.recv().await {
                let asking = asking.clone();
                // A caller that is gone is not told.
                tokio::spawn(async move { answer.send(asking.ask(&brief).await) });
            }
        });
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("reviews".into()).spawn(work).context("the system gives no thread")?;
    Ok(Some(Arc::new(Desk { questions, reviewer: deep.kind() })))
}

impl DeepGuard for Desk {
    fn review(&self, brief: Brief) -> Reviewing {
        let (reply, answer) = oneshot::channel();
        let reviewer = self.reviewer;
        let sent = self.questions.send((brief, reply)).is_ok();
        Box::pin(async move {
            match answer.await {
                Ok(opinion) if sent => opinion,
                _ => Opinion::unavailable(reviewer, "broken"),
            }
        })
    }

    fn kind(&self) -> &'static str {
        self.reviewer
    }
}

/// How a question is put.
#[derive(Clone)]
struct Asking {
    reviewer: Arc<dyn Reviewer>,
    shown: Shown,
    minimum: u8,
    kind: &'static str,
}

impl Asking {
    async fn ask(&self, brief: &Brief) -> Opinion {
        let told = self.told(brief);
        let outcome = self.reviewer.review(&told).await;
        match conclude(told.action_digest, outcome, self.minimum) {
            Conclusion::Allow(cleared) => of(Reviewed::Cleared, cleared.review()),
            Conclusion::Escalate(review) => of(Reviewed::Escalated, &review),
            Conclusion::Deny(Grounds::Reviewed(review)) => of(Reviewed::Denied, &review),
            Conclusion::Deny(Grounds::AnotherAction(review)) => {
                Opinion { failed: Some("unbound"), ..of(Reviewed::Unavailable, &review) }
            }
            Conclusion::Deny(Grounds::Failed(why)) => {
                tracing::warn!(%why, code = why.code(), "the deep reviewer gave no answer that counts");
                Opinion { is_outage: why.is_outage(), ..Opinion::unavailable(self.kind, why.code()) }
            }
        }
    }

    fn told(&self, brief: &Brief) -> countersign_review::Brief {
        let input = brief.input.as_deref().filter(|_| self.shown == Shown::Shown);
        let shown = input.and_then(|text| serde_json::from_str(text).ok());
        countersign_review::Brief {
            organisation: brief.organisation.clone(),
            agent: brief.agent.clone(),
            tool: brief.tool.clone(),
            resource: None,
            effect: brief.effect,
            arguments: shown.map_or(Arguments::Digest(brief.arguments), Arguments::Shown),
            action_digest: brief.action_digest(),
            policy_digest: brief.policies,
            session: brief.session,
            delegation_depth: brief.delegation_depth,
            risk: Risk { score: brief.risk.into(), reasons: brief.reasons.clone() },
            findings: brief.findings.clone(),
            advice: brief.advice.clone(),
        }
    }
}

fn of(reviewed: Reviewed, review: &Review) -> Opinion {
    let said = Said {
        verdict: review.verdict().as_str(),
        reasoning: review.reasoning().to_owned(),
        confidence: review.confidence(),
    };
    let by = review.by();
    Opinion {
        reviewed,
        reviewer: by.reviewer.clone().into(),
        model: by.model.clone(),
        said: Some(said),
        failed: None,
        is_outage: false,
    }
}

impl Deep {
    /// The reviewer's key, where it has one.
    fn secret(&self) -> Result<Option<countersign_review::Secret>, countersign_review::SecretError> {
        #[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
        let variable = |name: &str| std::env::var(name).ok();
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        self.review.reviewer.secret().map(|source| source.read(folder, variable)).transpose()
    }

    fn kind(&self) -> &'static str {
        match self.review.reviewer {
            ReviewerConfig::Human {} => "human",
            ReviewerConfig::Anthropic { .. } => "anthropic",
            ReviewerConfig::OpenAi { .. } => "openai",
            ReviewerConfig::External { .. } => "external",
        }
    }
}
