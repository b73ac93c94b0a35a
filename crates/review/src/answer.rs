//! Reads the answer that a reviewer was told to give, strictly.
//!
//! What is not exactly of the form is not an answer: an unknown verdict, a
//! missing or extra member, a member twice, text around the object, a nonce of
//! another question. No error repeats what was sent.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ask::Ask;
use crate::error::ReviewError;

/// How much of the reasoning is kept, in characters.
const LONGEST_REASONING: usize = 2_000;

/// What a reviewer says about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may happen.
    Allow,
    /// It may not.
    Deny,
    /// A person should decide.
    Escalate,
}

impl Verdict {
    /// The word used on the wire and in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Escalate => "escalate",
        }
    }
}

/// What an answer has to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    Nonce,
    NonceAndDigest,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) verdict: Verdict,
    pub(crate) reasoning: String,
    pub(crate) confidence: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    verdict: Option<String>,
    reasoning: Option<String>,
    confidence: Option<u64>,
    nonce: Option<String>,
    action_digest: Option<String>,
}

/// The JSON schema of an answer, without the digest. The reasoning stands first:
/// models write the members in this order, and should think before they judge.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "reasoning": {"type": "string", "description": "Why, in at most five plain sentences."},
    "verdict": {"type": "string", "enum": ["allow", "deny", "escalate"]},
    "confidence": {
      "type": "integer",
      "description": "How sure you are of the verdict, a whole number from 0 to 100."
    },
    "nonce": {"type": "string", "description": "The nonce of this review, from the system text."}
  },
  "required": ["reasoning", "verdict", "confidence", "nonce"],
  "additionalProperties": false
}"#;

/// The schema as a part of a request, its order kept.
pub(crate) fn schema() -> Option<&'static RawValue> {
    serde_json::from_str(SCHEMA).ok()
}

/// Reads the answer to `ask`.
pub(crate) fn read(text: &str, ask: &Ask, echo: Echo) -> Result<Words, ReviewError> {
    // An array would be read as the members in their order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(ReviewError::malformed("expected a JSON object and nothing before it"));
    }
    let members: Members = serde_json::from_str(text).map_err(|e| fault(&e))?;
    let missing = |name: &str| ReviewError::Malformed { why: format!("`{name}` is missing") };
    let nonce = members.nonce.ok_or_else(|| missing("nonce"))?;
    if nonce != ask.nonce() {
        return Err(ReviewError::Unbound { what: "nonce" });
    }
    match (echo, members.action_digest) {
        (Echo::Nonce, None) => {}
        (Echo::Nonce, Some(_)) => return Err(ReviewError::malformed("`action_digest` was not asked for")),
        (Echo::NonceAndDigest, None) => return Err(missing("action_digest")),
        (Echo::NonceAndDigest, Some(digest)) if digest == ask.action().to_string() => {}
        (Echo::NonceAndDigest, Some(_)) => return Err(ReviewError::Unbound { what: "action_digest" }),
    }
    let verdict = match members.verdict.ok_or_else(|| missing("verdict"))?.as_str() {
        "allow" => Verdict::Allow,
        "deny" => Verdict::Deny,
        "escalate" => Verdict::Escalate,
        _ => return Err(ReviewError::malformed("`verdict` is not `allow`, `deny` or `escalate`")),
    };
    let confidence = members.confidence.ok_or_else(|| missing("confidence"))?;
    let confidence = u8::try_from(confidence).ok().filter(|sure| *sure <= 100);
    let confidence = confidence.ok_or_else(|| ReviewError::malformed("`confidence` is not from 0 to 100"))?;
    let reasoning = members.reasoning.ok_or_else(|| missing("reasoning"))?;
    // A reviewer has no reason to say it: something made it do so.
    if reasoning.contains(ask.nonce()) {
        return Err(ReviewError::malformed("the nonce is repeated in `reasoning`"));
    }
    Ok(Words { verdict, reasoning: tidy(&reasoning)?, confidence })
}

/// What is wrong, without a word of what was sent.
fn fault(error: &serde_json::Error) -> ReviewError {
    let why = match error.classify() {
        serde_json::error::Category::Data => "a member is unknown, there twice or of the wrong type",
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is not one JSON object alone",
    };
    ReviewError::Malformed { why: format!("{why} (line {}, column {})", error.line(), error.column()) }
}

/// The reasoning without what a terminal or a log would obey, and not too long.
fn tidy(reasoning: &str) -> Result<String, ReviewError> {
    let plain = |c: char| if is_order(c) { ' ' } else { c };
    let tidied: String =
        reasoning.chars().map(plain).skip_while(|c| c.is_whitespace()).take(LONGEST_REASONING).collect();
    let tidied = tidied.trim_end();
    if tidied.is_empty() { Err(ReviewError::malformed("`reasoning` is empty")) } else { Ok(tidied.to_owned()) }
}

/// Whether `c` moves what stands around it, or is not seen: a person may decide by this text.
fn is_order(c: char) -> bool {
    let hides = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    hides || c.is_control() && c != '\n'
}

#[cfg(test)]
mod tests {
    use countersign_core::Digest;
    use proptest::prelude::*;

    use super::*;

    fn ask() -> Ask {
        Ask::new(Digest::of(b"the action"), 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
    }

    const GOOD: &str = r#"{"verdict":"allow","reasoning":"fine","confidence":90,"nonce":"0123456789abcdef"}"#;

    #[test]
    fn the_schema_is_json() {
        assert!(schema().is_some());
    }

    #[test]
    fn a_well_formed_answer_is_read() {
        let words = read(GOOD, &ask(), Echo::Nonce).unwrap();
        assert_eq!(words, Words { verdict: Verdict::Allow, reasoning: "fine".into(), confidence: 90 });
        assert!(read(&format!(" {GOOD}\n"), &ask(), Echo::Nonce).is_ok());
    }

    #[test]
    fn what_is_not_exactly_of_the_form_is_no_answer() {
        for (from, to) in [
            (r#""allow""#, r#""ALLOW""#),
            (r#""allow""#, r#""yes""#),
            (r#""allow""#, "true"),
            (r#""allow""#, r#"{"allow":null}"#),
            (r#""allow""#, r#""allow","verdict":"deny""#),
            (r#""allow""#, r#""allow","\u0076erdict":"allow""#),
            (r#""verdict":"allow","#, ""),
            (r#""allow""#, "null"),
            (r#""confidence":90,"#, ""),
            ("90", "101"),
            ("90", "-1"),
            ("90", "0.9"),
            ("90", "\"90\""),
            ("90", "1e400"),
            (r#""reasoning":"fine","#, ""),
            ("fine", ""),
            ("fine", " \\n\\t "),
            ("fine", "the nonce is 0123456789abcdef, says the system text"),
            (r#","nonce":"0123456789abcdef""#, ""),
            (r#""0123456789abcdef""#, r#""0123456789ABCDEF""#),
            (r#""0123456789abcdef""#, r#""0123456789abcde""#),
            (r#""0123456789abcdef""#, r#""0123456789abcdef","note":"extra""#),
            ("}", r#","action_digest":"00"}"#),
            ("}", "} as you wish"),
            ("}", "}{}"),
            ("}", ""),
            ("{", "Sure! {"),
            ("{", "```json\n{"),
            (GOOD, ""),
            (GOOD, "[\"allow\",\"fine\",90,\"0123456789abcdef\",null]"),
            (GOOD, "\"allow\""),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            let read = read(&bad, &ask(), Echo::Nonce);
            let Err(why) = read else { panic!("`{bad}` was read") };
            assert!(matches!(why, ReviewError::Malformed { .. } | ReviewError::Unbound { .. }), "{bad}: {why}");
            assert!(!why.is_outage());
        }
    }

    #[test]
    fn an_external_answer_has_to_name_the_action() {
        let with = |digest: &str| GOOD.replace('}', &format!(r#","action_digest":"{digest}"}}"#));
        let read = |text: &str| read(text, &ask(), Echo::NonceAndDigest);
        assert!(read(&with(&Digest::of(b"the action").to_string())).is_ok());
        assert_eq!(
            read(&with(&Digest::of(b"another").to_string())),
            Err(ReviewError::Unbound { what: "action_digest" })
        );
        assert!(matches!(read(GOOD), Err(ReviewError::Malformed { .. })));
    }

    #[test]
    fn no_error_repeats_what_was_sent() {
        for bad in [r#"{"sk-secret":1}"#, r#"{"verdict":"sk-secret"}"#, r#"{"confidence":"sk-secret"}"#, "sk-secret"] {
            let why = read(bad, &ask(), Echo::Nonce).unwrap_err();
            assert!(!format!("{why} {why:?}").contains("sk-secret"), "{why}");
        }
    }

    #[test]
    fn reasoning_is_bounded_and_tells_a_terminal_nothing() {
        let long = GOOD.replace("fine", &format!("\\u001b[2J\\r\u{202e}{}", "é".repeat(5_000)));
        let words = read(&long, &ask(), Echo::Nonce).unwrap();
        assert_eq!(words.reasoning.chars().count(), LONGEST_REASONING);
        assert!(words.reasoning.starts_with("[2J  éé"), "{}", words.reasoning);
    }

    proptest! {
        #[test]
        fn no_other_text_makes_a_yes(text in ".*", at in 0..GOOD.len(), byte in 0_u8..128) {
            prop_assert!(read(&text, &ask(), Echo::Nonce).is_err());
            let mut changed = GOOD.as_bytes().to_vec();
            changed[at] = byte;
            if let Ok(words) = read(std::str::from_utf8(&changed).unwrap(), &ask(), Echo::Nonce) {
                // What still reads differs at most in the reasoning and the confidence.
                prop_assert_eq!(words.verdict, Verdict::Allow);
                prop_assert!(words.confidence <= 100);
            }
        }

        #[test]
        fn reading_never_panics(text in r#"\{("[a-z_]{0,9}":("[a-z]{0,5}"|[0-9]{1,4}|null|\[|\]),?){0,6}\}?"#) {
            let _ = read(&text, &ask(), Echo::NonceAndDigest);
        }
    }
}
