//! The body of every response that is not a success.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong. A refusal of an action is not an error and never looks like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The kind of error in one word, such as `not_found`.
    #[schema(value_type = String)]
    pub error: Cow<'static, str>,
    /// What went wrong, in words.
    pub message: String,
    /// The stable code: what a program may rely on.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
}

impl ErrorBody {
    /// An error of this kind, with this code.
    #[must_use]
    pub fn new(error: &'static str, code: &'static str, message: String) -> Self {
        Self { error: Cow::Borrowed(error), message, code: Cow::Borrowed(code) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::golden;

    #[test]
    fn an_error_is_spelled_as_every_client_reads_it() {
        let error = ErrorBody::new("not_found", "agent_not_found", "there is no agent `a`".into());
        golden::check(
            &error,
            &json!({"error": "not_found", "message": "there is no agent `a`", "code": "agent_not_found"}),
        );
    }
}
