//! Chat completions, as OpenAI's API has them and many servers after it
//! (`POST …/chat/completions` with a JSON schema as `response_format`).
//!
//! Nothing is sent that only some of them know. A server that passes over the
//! schema gives answers that are not of the form, and those are refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::header::{AUTHORIZATION, HeaderValue};

use super::{Heard, Said, by};
use crate::answer;
use crate::ask::Ask;
use crate::brief::Brief;
use crate::config::TokenLimit;
use crate::error::ReviewError;
use crate::exchange::Post;
use crate::framing;
use crate::review::{Review, Usage};

#[derive(Debug)]
pub(crate) struct OpenAi {
    pub(super) model: String,
    pub(super) bearer: Option<HeaderValue>,
    pub(super) limit: TokenLimit,
    pub(super) max_tokens: u32,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: [Said<'a>; 2],
    response_format: Format<'a>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'a str,
    json_schema: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    strict: bool,
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Completion {
    model: Option<String>,
    usage: Option<Tokens>,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    role: Option<String>,
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(rename = "prompt_tokens")]
    prompt: u64,
    #[serde(rename = "completion_tokens")]
    completion: u64,
}

impl OpenAi {
    pub(super) fn question(&self, brief: &Brief, ask: &Ask) -> Post {
        let (system, user) = (framing::system(ask), framing::user(brief));
        let limit_as = |name| (self.limit == name).then_some(self.max_tokens);
        let body = Body {
            model: &self.model,
            messages: [Said { role: "system", content: &system }, Said { role: "user", content: &user }],
            response_format: Format {
                r#type: "json_schema",
                json_schema: Named { name: "review", strict: true, schema: answer::schema() },
            },
            stream: false,
            max_completion_tokens: limit_as(TokenLimit::MaxCompletionTokens),
            max_tokens: limit_as(TokenLimit::MaxTokens),
        };
        let headers = self.bearer.iter().map(|bearer| (AUTHORIZATION, bearer.clone())).collect();
        Post { headers, body: super::json(&body) }
    }

    pub(super) fn read(&self, body: &str, ask: &Ask) -> Heard {
        match serde_json::from_str::<Completion>(body) {
            Ok(completion) => {
                let usage = completion.usage.as_ref().map(Tokens::sum);
                let review = self.answer(completion, ask).map(|review| review.with_usage(usage));
                Heard { usage, review }
            }
            Err(_) => Heard::nothing(ReviewError::garbled("expected a chat completion")),
        }
    }

    fn answer(&self, completion: Completion, ask: &Ask) -> Result<Review, ReviewError> {
        let [choice] = completion.choices.as_slice() else {
            return Err(ReviewError::malformed("expected one choice"));
        };
        let message = &choice.message;
        if message.refusal.as_ref().is_some_and(|refusal| !refusal.is_empty()) {
            return Err(ReviewError::Declined);
        }
        match choice.finish_reason.as_deref() {
            Some("stop") => {}
            Some("length") => return Err(ReviewError::Truncated),
            Some("content_filter") => return Err(ReviewError::Declined),
            _ => return Err(ReviewError::malformed("`finish_reason` is not `stop`")),
        }
        if message.role.as_deref() != Some("assistant") {
            return Err(ReviewError::malformed("`role` is not `assistant`"));
        }
        if message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()) {
            return Err(ReviewError::malformed("it calls tools that it was not given"));
        }
        let content = message.content.as_deref().ok_or_else(|| ReviewError::malformed("`content` is missing"))?;
        Review::read(content, ask, by("openai", &self.model, completion.model))
    }
}

impl Tokens {
    const fn sum(&self) -> Usage {
        Usage { input_tokens: self.prompt, output_tokens: self.completion }
    }
}
