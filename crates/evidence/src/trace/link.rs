//! Whether two records speak of one session.
//!
//! Two producers may each sign a record of the same session: an agent's runtime
//! in software, a gateway with more to show. They link if both verify under
//! their own keys, name one subject and hash one transcript. Every check is
//! answered by itself; equality of a hash says that the bytes were the same,
//! not that they were true.

use std::time::Duration;

use serde_json::Value;

use super::anchor::Receipt;
use super::delegation::record_digest;
use super::digest::Algorithm;
use super::transcript::{self, Form};
use super::verify::{Demands, Trust, Verdict, verify};

/// One of the two records.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The record.
    pub record: &'a Value,
    /// Whose signature on it is believed.
    pub trust: Trust<'a>,
    /// The proof that it is anchored, if there is one.
    pub receipt: Option<&'a Receipt>,
}

/// What else is compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// The transcript, and the form its producers declare.
    pub transcript: Option<(&'a [u8], Form)>,
    /// Whether both hash their policy bundles in the same way. Where they do
    /// not, their bundle hashes cannot be compared.
    pub same_bundle_form: bool,
    /// How far apart the two may have been issued.
    pub within: Option<Duration>,
}

/// A question about the two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// Does the first verify under its key?
    FirstVerifies,
    /// Does the second verify under its key?
    SecondVerifies,
    /// Do they name one subject?
    SameSubject,
    /// Do they name one transcript?
    SameTranscript,
    /// Do they count the same number of calls?
    SameCallCount,
    /// Does the transcript hash to what they say?
    TranscriptRecomputed,
    /// Do they name one policy bundle?
    SamePolicyBundle,
    /// Were they issued close together?
    IssuedTogether,
    /// Does the second point at the first, by its digest?
    ExplicitReference,
    /// Is the first in the batch its receipt is from?
    FirstAnchored,
    /// Is the second in the batch its receipt is from?
    SecondAnchored,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Holds,
    /// No, and why.
    Fails(String),
    /// It was not asked, and why.
    NotPerformed(&'static str),
}

/// Every answer, and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The questions in order, with their answers.
    pub answers: Vec<(Question, Answer)>,
    /// Whether the second takes the place of the first: they link, the second
    /// stands higher, and it is not older.
    pub supersedes: bool,
}

/// Compares `first` and `second`, both judged by `demands`.
#[must_use]
pub fn check(first: &Side<'_>, second: &Side<'_>, demands: &Demands<'_>, terms: &Terms<'_>) -> Report {
    let (a, b) = (first.record, second.record);
    let same = |pointer: &str| equal(a.pointer(pointer), b.pointer(pointer));
    let answers = vec![
        (Question::FirstVerifies, verifies(first, demands)),
        (Question::SecondVerifies, verifies(second, demands)),
        (Question::SameSubject, same("/subject")),
        (Question::SameTranscript, same("/tool_transcript/hash")),
        (Question::SameCallCount, same("/tool_transcript/call_count")),
        (Question::TranscriptRecomputed, recomputed(a, terms.transcript)),
        (
            Question::SamePolicyBundle,
            if terms.same_bundle_form {
                same("/policy/bundle_hash")
            } else {
                Answer::NotPerformed("the two producers hash their bundles in different ways")
            },
        ),
        (Question::IssuedTogether, issued_together(a, b, terms.within)),
        (Question::ExplicitReference, refers(b, a)),
        (Question::FirstAnchored, anchored(first)),
        (Question::SecondAnchored, anchored(second)),
    ];
    let mut report = Report { answers, supersedes: false };
    report.supersedes = report.is_linked() && standing(second) > standing(first) && issued(a) <= issued(b);
    report
}

impl Question {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FirstVerifies => "first_verifies",
            Self::SecondVerifies => "second_verifies",
            Self::SameSubject => "same_subject",
            Self::SameTranscript => "same_transcript",
            Self::SameCallCount => "same_call_count",
            Self::TranscriptRecomputed => "transcript_recomputed",
            Self::SamePolicyBundle => "same_policy_bundle",
            Self::IssuedTogether => "issued_together",
            Self::ExplicitReference => "explicit_reference",
            Self::FirstAnchored => "first_anchored",
            Self::SecondAnchored => "second_anchored",
        }
    }
}

impl Report {
    /// Whether the two speak of one session: both verify, the subject and the
    /// transcript are the same, and no question was answered with no.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let holds = |question: Question| self.answer(question) == Some(&Answer::Holds);
        let needed =
            [Question::FirstVerifies, Question::SecondVerifies, Question::SameSubject, Question::SameTranscript];
        needed.into_iter().all(holds) && !self.answers.iter().any(|(_, answer)| matches!(answer, Answer::Fails(_)))
    }

    /// The answer to one question.
    #[must_use]
    pub fn answer(&self, question: Question) -> Option<&Answer> {
        self.answers.iter().find(|(asked, _)| *asked == question).map(|(_, answer)| answer)
    }
}

fn verifies(side: &Side<'_>, demands: &Demands<'_>) -> Answer {
    match verify(side.record, side.trust, demands) {
        Verdict::Verified(_) => Answer::Holds,
        Verdict::Refused(refusal) => Answer::Fails(format!("{}: {refusal}", refusal.code())),
    }
}

fn equal(first: Option<&Value>, second: Option<&Value>) -> Answer {
    match (first, second) {
        (Some(a), Some(b)) if a == b => Answer::Holds,
        (Some(a), Some(b)) => Answer::Fails(format!("{a} is not {b}")),
        _ => Answer::NotPerformed("one of the records does not say"),
    }
}

fn recomputed(record: &Value, transcript: Option<(&[u8], Form)>) -> Answer {
    let Some((bytes, form)) = transcript else { return Answer::NotPerformed("no transcript was given") };
    let measured = match transcript::measure(bytes, form) {
        Ok(measured) => measured,
        Err(error) => return Answer::Fails(error.to_string()),
    };
    let hash = Some(Value::from(measured.hash.as_str()));
    let count = record.pointer("/tool_transcript/call_count").and(measured.call_count.map(Value::from));
    match equal(record.pointer("/tool_transcript/hash"), hash.as_ref()) {
        Answer::Holds if count.is_some() => equal(record.pointer("/tool_transcript/call_count"), count.as_ref()),
        answer => answer,
    }
}

fn issued(record: &Value) -> Option<u64> {
    record.get("iat").and_then(Value::as_u64)
}

fn issued_together(first: &Value, second: &Value, within: Option<Duration>) -> Answer {
    let Some(within) = within else { return Answer::NotPerformed("no window was given") };
    match (issued(first), issued(second)) {
        (Some(a), Some(b)) if a.abs_diff(b) <= within.as_secs() => Answer::Holds,
        (Some(a), Some(b)) => Answer::Fails(format!("{} s apart", a.abs_diff(b))),
        _ => Answer::NotPerformed("one of the records does not say when"),
    }
}

/// Whether one of `from`'s references is to `to`. A reference to something else
/// is no contradiction.
fn refers(from: &Value, to: &Value) -> Answer {
    let references = from.get("references").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut named = references.iter().filter_map(|reference| reference.get("digest").and_then(Value::as_str));
    let is_named = |algorithm: Algorithm, named: &str| record_digest(to, algorithm).is_ok_and(|d| d.as_str() == named);
    if named.any(|digest| [Algorithm::Sha256, Algorithm::Sha384].iter().any(|a| is_named(*a, digest))) {
        Answer::Holds
    } else {
        Answer::NotPerformed("the second record does not point at the first")
    }
}

fn anchored(side: &Side<'_>) -> Answer {
    match side.receipt.map(|receipt| receipt.verify(side.record)) {
        None => Answer::NotPerformed("no receipt was given"),
        Some(Ok(())) => Answer::Holds,
        Some(Err(error)) => Answer::Fails(error.to_string()),
    }
}

/// How much a record has to show: the level that its members make out, as the
/// conformance suite counts them, and then whether it is anchored.
fn standing(side: &Side<'_>) -> (u8, bool) {
    let is_anchored = anchored(side) == Answer::Holds;
    (structural_level(side.record, is_anchored), is_anchored)
}

/// The level that a record's members make out: 0 software, 1 a platform with an
/// affirming appraisal and a nonce, 2 anchored as well. A statement about shape:
/// no level here means that hardware attested anything.
#[must_use]
pub fn structural_level(record: &Value, is_anchored: bool) -> u8 {
    let at = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let is_hardware = !matches!(at("/runtime/platform"), "" | "software-only");
    let is_one = is_hardware && at("/appraisal/status") == "affirming" && !at("/runtime/nonce").is_empty();
    let is_logged = is_anchored && record.get("tool_transcript").is_some();
    match (is_one, is_logged && at("/transparency").starts_with("https://")) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}
