//! What a reviewer said, and what follows from it.

use std::time::Duration;

use countersign_core::Digest;

use crate::answer::{self, Echo, Verdict};
use crate::ask::Ask;
use crate::error::ReviewError;

/// Who reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// What kind of reviewer: `anthropic`, `openai`, `external` or `human`.
    pub reviewer: String,
    /// The model, as the reviewer names it.
    pub model: Option<String>,
}

/// What a review used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens that were read, those from a cache included.
    pub input_tokens: u64,
    /// Tokens that were written.
    pub output_tokens: u64,
}

/// What a reviewer said: a well-formed answer to one question.
///
/// Nothing but an answer makes one, so there is no yes without an answer:
///
/// ```compile_fail,E0451
/// use countersign_review::{Review, Verdict};
/// fn forge(review: Review) -> Review {
///     Review { verdict: Verdict::Allow, ..review }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    verdict: Verdict,
    reasoning: String,
    confidence: u8,
    action_digest: Digest,
    by: By,
    usage: Option<Usage>,
    /// In millionths of the unit in which prices are configured.
    cost_micros: Option<u64>,
    took: Duration,
    cached: bool,
}

impl Review {
    /// Reads the answer to `ask`: a JSON object with `verdict`, `reasoning`,
    /// `confidence` and `nonce`, and nothing else.
    ///
    /// TRUST: this and [`Review::read_with_digest`] are where a reviewer's words enter.
    pub fn read(answer: &str, ask: &Ask, by: By) -> Result<Self, ReviewError> {
        Ok(Self::of_words(answer::read(answer, ask, Echo::Nonce)?, ask, by))
    }

    /// The same for an answer that also has `action_digest`.
    pub fn read_with_digest(answer: &str, ask: &Ask, by: By) -> Result<Self, ReviewError> {
        Ok(Self::of_words(answer::read(answer, ask, Echo::NonceAndDigest)?, ask, by))
    }

    fn of_words(words: answer::Words, ask: &Ask, by: By) -> Self {
        let answer::Words { verdict, reasoning, confidence } = words;
        Self {
            verdict,
            reasoning,
            confidence,
            action_digest: ask.action(),
            by,
            usage: None,
            cost_micros: None,
            took: Duration::ZERO,
            cached: false,
        }
    }

    /// "Ask a person."
    pub(crate) fn ask_a_person(action: Digest) -> Self {
        Self {
            verdict: Verdict::Escalate,
            reasoning: "no other reviewer is configured: a person decides".into(),
            confidence: 100,
            action_digest: action,
            by: By { reviewer: "human".into(), model: None },
            usage: None,
            cost_micros: None,
            took: Duration::ZERO,
            cached: false,
        }
    }

    pub(crate) fn with_usage(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }

    pub(crate) fn with_bill(mut self, cost_micros: Option<u64>, took: Duration) -> Self {
        (self.cost_micros, self.took) = (cost_micros, took);
        self
    }

    pub(crate) fn told_again(mut self) -> Self {
        (self.cost_micros, self.took, self.usage, self.cached) = (None, Duration::ZERO, None, true);
        self
    }

    /// What it says. A reader that wants to act on it needs [`conclude`].
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why, in the reviewer's words: 1 to 2,000 characters. Line feeds are the only control
    /// characters in it. A model wrote it; show it as text.
    #[must_use]
    pub fn reasoning(&self) -> &str {
        &self.reasoning
    }

    /// How sure it says it is, from 0 to 100.
    #[must_use]
    pub const fn confidence(&self) -> u8 {
        self.confidence
    }

    /// The action it is about.
    #[must_use]
    pub const fn action_digest(&self) -> Digest {
        self.action_digest
    }

    /// Who reviewed.
    #[must_use]
    pub const fn by(&self) -> &By {
        &self.by
    }

    /// What it used, where it says so.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// What it cost, in millionths of the unit of the configured prices.
    #[must_use]
    pub const fn cost_micros(&self) -> Option<u64> {
        self.cost_micros
    }

    /// How long it took, from the question to the answer.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }

    /// Whether it is the answer to an earlier question about the same action.
    #[must_use]
    pub const fn is_cached(&self) -> bool {
        self.cached
    }
}

/// An action that a reviewer let pass. Only [`conclude`] makes one:
///
/// ```compile_fail,E0423
/// fn forge(review: countersign_review::Review) -> countersign_review::Cleared {
///     countersign_review::Cleared(review)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an action that was cleared and not recorded did not happen"]
pub struct Cleared(Review);

impl Cleared {
    /// The review that let it pass.
    #[must_use]
    pub const fn review(&self) -> &Review {
        &self.0
    }
}

/// What follows from asking a reviewer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what a review says must be heeded"]
pub enum Conclusion {
    /// The action may happen.
    Allow(Cleared),
    /// A person has to decide. Until then: no.
    Escalate(Review),
    /// No.
    Deny(Grounds),
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub enum Grounds {
    /// The reviewer said no.
    Reviewed(Review),
    /// The review is about another action.
    AnotherAction(Review),
    /// There is no review.
    Failed(ReviewError),
}

/// What follows from a review of `action`. The only way to a yes.
///
/// An allow with less than `minimum_confidence` becomes a question to a person.
pub fn conclude(action: Digest, outcome: Result<Review, ReviewError>, minimum_confidence: u8) -> Conclusion {
    match outcome {
        Err(why) => Conclusion::Deny(Grounds::Failed(why)),
        Ok(review) if review.action_digest != action => Conclusion::Deny(Grounds::AnotherAction(review)),
        Ok(review) => match review.verdict {
            Verdict::Allow if review.confidence >= minimum_confidence => Conclusion::Allow(Cleared(review)),
            Verdict::Allow | Verdict::Escalate => Conclusion::Escalate(review),
            Verdict::Deny => Conclusion::Deny(Grounds::Reviewed(review)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(verdict: &str, confidence: u8) -> Review {
        let ask = Ask::new(Digest::ZERO, 7);
        let answer =
            format!(r#"{{"verdict":"{verdict}","reasoning":"r","confidence":{confidence},"nonce":"{}"}}"#, ask.nonce());
        Review::read(&answer, &ask, By { reviewer: "test".into(), model: None }).unwrap()
    }

    fn is_yes(conclusion: &Conclusion) -> bool {
        matches!(conclusion, Conclusion::Allow(_))
    }

    #[test]
    fn only_an_allow_of_this_action_with_enough_confidence_is_a_yes() {
        let other = Digest::of(b"other");
        for verdict in ["allow", "deny", "escalate"] {
            for confidence in 0..=100 {
                for minimum in [0, 70, 100, 101, 255] {
                    for action in [Digest::ZERO, other] {
                        let says = conclude(action, Ok(review(verdict, confidence)), minimum);
                        let expected = verdict == "allow" && action == Digest::ZERO && confidence >= minimum;
                        assert_eq!(is_yes(&says), expected, "{verdict} {confidence} {minimum} {action}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_error_is_a_yes() {
        let after = Duration::from_secs(1);
        for why in [
            ReviewError::Unreachable { why: String::new() },
            ReviewError::TimedOut { after },
            ReviewError::Overloaded { status: 429, retry_after: None },
            ReviewError::Refused { status: 302, kind: None },
            ReviewError::Declined,
            ReviewError::Truncated,
            ReviewError::garbled(""),
            ReviewError::malformed(""),
            ReviewError::Unbound { what: "nonce" },
            ReviewError::RequestTooLarge { bytes: 2, limit: 1 },
            ReviewError::ResponseTooLarge { limit: 1 },
            ReviewError::OverBudget,
            ReviewError::Busy,
            ReviewError::CircuitOpen { retry_after: after },
            ReviewError::Broken,
        ] {
            let code = why.code();
            assert_eq!(conclude(Digest::ZERO, Err(why.clone()), 0), Conclusion::Deny(Grounds::Failed(why)), "{code}");
        }
    }

    #[test]
    fn an_unsure_allow_asks_a_person() {
        assert!(matches!(conclude(Digest::ZERO, Ok(review("allow", 69)), 70), Conclusion::Escalate(_)));
    }
}
