//! Why there is no review.

use std::time::Duration;

/// There is no review. Each of these is a no.
///
/// Nothing in it repeats what a reviewer sent, but for a status, a word of the
/// form `overloaded_error` and the names of a wrong certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// No answer came: no address, no connection, no TLS, or it broke off.
    #[error("the reviewer cannot be reached: {why}")]
    Unreachable {
        /// What the HTTP client says.
        why: String,
    },
    /// The time was up, waiting for a place included.
    #[error("the review took longer than {} seconds", .after.as_secs())]
    TimedOut {
        /// How long a review may take.
        after: Duration,
    },
    /// It has too much to do: status 429, 503 or 529.
    #[error("the reviewer answered with status {status}: it has too much to do")]
    Overloaded {
        /// The status.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It answered with another status than 200. A redirect is not followed.
    #[error("the reviewer answered with status {status}{}: expected 200", .kind.as_ref().map(|k| format!(" (`{k}`)")).unwrap_or_default())]
    Refused {
        /// The status.
        status: u16,
        /// What kind of error it calls this, such as `authentication_error`.
        kind: Option<String>,
    },
    /// The model would not review this.
    #[error("the model declined to review the action")]
    Declined,
    /// The answer ended before its end.
    #[error("the answer was cut off: it reached the limit of its tokens")]
    Truncated,
    /// The response is not of the wire format.
    #[error("the response is not what the protocol says: {why}")]
    Garbled {
        /// What was expected.
        why: String,
    },
    /// The reviewer's answer is not of the form that was asked for.
    #[error("the answer is not of the form that was asked for: {why}")]
    Malformed {
        /// What was expected.
        why: String,
    },
    /// The answer does not show that it belongs to this question.
    #[error("the answer does not belong to the question: `{what}` is not the one that was sent")]
    Unbound {
        /// `nonce` or `action_digest`.
        what: &'static str,
    },
    /// What would have to be sent is too long.
    #[error("the action is too long to be reviewed: {bytes} bytes, at most {limit}")]
    RequestTooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// What came back is too long.
    #[error("the response is longer than {limit} bytes")]
    ResponseTooLarge {
        /// How long it may be.
        limit: usize,
    },
    /// This hour's money is spent, or would be.
    #[error("the reviews of this hour have cost what they may")]
    OverBudget,
    /// All places are taken, in the queue too.
    #[error("too many reviews are waiting")]
    Busy,
    /// It failed too often, or asked to be left alone.
    #[error("the reviewer is not asked for another {} seconds", .retry_after.as_secs())]
    CircuitOpen {
        /// How long that lasts.
        retry_after: Duration,
    },
    /// The review broke off on this side.
    #[error("the review broke off")]
    Broken,
}

impl ReviewError {
    /// The stable word for entries, metrics and documentation.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Overloaded { .. } => "overloaded",
            Self::Refused { .. } => "refused",
            Self::Declined => "declined",
            Self::Truncated => "truncated",
            Self::Garbled { .. } => "garbled",
            Self::Malformed { .. } => "malformed",
            Self::Unbound { .. } => "unbound",
            Self::RequestTooLarge { .. } => "request_too_large",
            Self::ResponseTooLarge { .. } => "response_too_large",
            Self::OverBudget => "over_budget",
            Self::Busy => "busy",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Broken => "broken",
        }
    }

    /// Whether it says that the reviewer itself is not well.
    ///
    /// What the words of an action can bring about does not count: else one
    /// agent could stop the reviews of all others.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Overloaded { .. }
            | Self::Refused { .. }
            | Self::Garbled { .. }
            | Self::ResponseTooLarge { .. }
            | Self::Broken => true,
            Self::Declined
            | Self::Truncated
            | Self::Malformed { .. }
            | Self::Unbound { .. }
            | Self::RequestTooLarge { .. }
            | Self::OverBudget
            | Self::Busy
            | Self::CircuitOpen { .. } => false,
        }
    }

    pub(crate) fn garbled(why: &str) -> Self {
        Self::Garbled { why: why.to_owned() }
    }

    pub(crate) fn malformed(why: &str) -> Self {
        Self::Malformed { why: why.to_owned() }
    }
}
