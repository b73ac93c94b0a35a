//! What the policies really answer, asked as a server asks them.

use std::sync::Arc;

use countersign_policy::cases::{Answer, Question, question};
use countersign_policy::{Fallback, PolicySet, Source, Worker};
use serde_json::Value;

/// A request that was put to the policies, and what they answer.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The request: a case without `name` and `then`.
    pub request: Value,
    /// What the policies answer, in the words of cases.
    pub answer: Answer,
}

/// A set that answers requests written as cases.
pub(crate) struct Judge {
    worker: Worker,
    fallback: Fallback,
}

impl Judge {
    /// The error is what Cedar says of a text that it read before; it does not happen.
    pub(crate) fn new(set: &Arc<PolicySet>, fallback: Fallback) -> Result<Self, String> {
        Ok(Self { worker: set.worker()?, fallback })
    }

    /// What is answered to `request`, and whether that allows it; `None` where it is not a request.
    pub(crate) fn answer(&mut self, request: &Value) -> Option<(Answer, bool)> {
        let question = read(request)?;
        let allows = self.worker.decide(&question.request()).allows(self.fallback);
        Some((question.answer(&mut self.worker), allows))
    }
}

fn read(request: &Value) -> Option<Question> {
    let text = request.to_string();
    question(Source { file: "the request found", text: &text }).ok()
}
