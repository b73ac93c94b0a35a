//! Anthropic's Messages API (`POST /v1/messages`, version 2023-06-01).
//!
//! The model has one tool and must use it once: its input is the answer. A
//! forced tool leaves no room for other text, so any other block is a fault.
//! Forcing a tool excludes extended thinking, which is never asked for.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ureq::http::header::{HeaderName, HeaderValue};

use super::{Heard, Said, by};
use crate::answer;
use crate::ask::Ask;
use crate::brief::Brief;
use crate::error::ReviewError;
use crate::exchange::Post;
use crate::framing;
use crate::review::{Review, Usage};

/// The tool whose input is the answer.
const TOOL: &str = "submit_review";

#[derive(Debug)]
pub(crate) struct Anthropic {
    pub(super) model: String,
    pub(super) key: HeaderValue,
    pub(super) max_tokens: u32,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    system: &'a str,
    messages: [Said<'a>; 1],
    tools: [Tool<'a>; 1],
    tool_choice: Choice<'a>,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'a str,
    name: &'a str,
    disable_parallel_tool_use: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    model: Option<String>,
    stop_reason: Option<String>,
    usage: Option<Tokens>,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    r#type: String,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(rename = "input_tokens")]
    input: u64,
    #[serde(rename = "output_tokens")]
    output: u64,
    #[serde(rename = "cache_creation_input_tokens")]
    written_to_cache: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    read_from_cache: Option<u64>,
}

impl Anthropic {
    pub(super) fn question(&self, brief: &Brief, ask: &Ask) -> Post {
        let (system, user) = (framing::system(ask), framing::user(brief));
        let tool = Tool {
            name: TOOL,
            description: "Submits your review of the action. Use it exactly once.",
            input_schema: answer::schema(),
        };
        let body = Body {
            model: &self.model,
            max_tokens: self.max_tokens,
            system: &system,
            messages: [Said { role: "user", content: &user }],
            tools: [tool],
            tool_choice: Choice { r#type: "tool", name: TOOL, disable_parallel_tool_use: true },
        };
        let version = (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
        let key = (HeaderName::from_static("x-api-key"), self.key.clone());
        Post { headers: vec![version, key], body: super::json(&body) }
    }

    pub(super) fn read(&self, body: &str, ask: &Ask) -> Heard {
        match serde_json::from_str::<Message<'_>>(body) {
            Ok(message) => {
                let usage = message.usage.as_ref().map(Tokens::sum);
                let review = self.answer(message, ask).map(|review| review.with_usage(usage));
                Heard { usage, review }
            }
            Err(_) => Heard::nothing(ReviewError::garbled("expected a message of the Messages API")),
        }
    }

    fn answer(&self, message: Message<'_>, ask: &Ask) -> Result<Review, ReviewError> {
        match message.stop_reason.as_deref() {
            Some("tool_use") => {}
            Some("max_tokens" | "model_context_window_exceeded") => return Err(ReviewError::Truncated),
            Some("refusal") => return Err(ReviewError::Declined),
            _ => return Err(ReviewError::malformed("`stop_reason` is not `tool_use`")),
        }
        let [block] = message.content.as_slice() else {
            return Err(ReviewError::malformed("expected one use of the tool and nothing else"));
        };
        match (block.r#type.as_str(), block.name.as_deref(), block.input) {
            ("tool_use", Some(TOOL), Some(input)) => {
                Review::read(input.get(), ask, by("anthropic", &self.model, message.model))
            }
            _ => Err(ReviewError::malformed("expected a use of the tool `submit_review`")),
        }
    }
}

impl Tokens {
    fn sum(&self) -> Usage {
        let cached = [self.written_to_cache, self.read_from_cache];
        let input_tokens = cached.iter().flatten().fold(self.input, |sum, more| sum.saturating_add(*more));
        Usage { input_tokens, output_tokens: self.output }
    }
}
