//! Versions of policies as the API spells them.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use countersign_engine::{Checked, Difference, Error, Fallback, Fault, Files, PublishedSet, Texts};
use countersign_wire::rest::policy::{
    PolicyChange, PolicyDiff, PolicyFault, PolicyFile, PolicyPublish, PolicyRefusal, PolicySummary, PolicyText,
    PolicyTexts, PolicyTrial, PolicyVersion,
};
use countersign_wire::rest::word::PolicyDefault;

/// How many faults are told.
const MOST_FAULTS: usize = 1_000;

/// The texts that were sent. A file that is there twice is refused: one of the two would not be checked.
pub(super) fn texts(asked: &PolicyPublish) -> Result<Texts, Error> {
    let files = |sent: &[PolicyFile]| {
        let mut files = Files::new();
        for PolicyFile { file, text } in sent {
            if files.insert(file.clone(), text.clone()).is_some() {
                let shown: String = file.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(Error::Invalid(format!("the file `{shown}` is there twice; send each once")));
            }
        }
        Ok(files)
    };
    Ok(Texts { policies: files(&asked.policies)?, tools: files(&asked.tools)?, cases: files(&asked.cases)? })
}

pub(super) fn files(texts: Texts) -> PolicyTexts {
    let all = |files: Files| files.into_iter().map(|(file, text)| PolicyFile { file, text }).collect();
    PolicyTexts { policies: all(texts.policies), tools: all(texts.tools), cases: all(texts.cases) }
}

pub(super) fn version(version: &countersign_engine::PolicyVersion) -> PolicyVersion {
    PolicyVersion {
        number: version.number,
        summary: version.set.as_ref().map(summary),
        published_at: version.published_at.into(),
        by: version.by.clone(),
        note: version.note.clone(),
        rolled_back_from: version.rolled_back_from,
        warnings: Vec::new(),
        texts: None,
    }
}

fn summary(set: &PublishedSet) -> PolicySummary {
    PolicySummary {
        set: set.digest.to_string(),
        default: default(set.fallback),
        policies: set.policies,
        tools: set.tools,
        cases: set.cases,
        bytes: set.bytes,
    }
}

pub(super) fn fault(fault: &Fault) -> PolicyFault {
    PolicyFault {
        file: fault.file.clone(),
        line: fault.line,
        column: fault.column,
        message: fault.message.clone(),
        suggestion: fault.help.clone(),
    }
}

fn faults(all: &[Fault]) -> Vec<PolicyFault> {
    all.iter().take(MOST_FAULTS).map(fault).collect()
}

/// The answer to policies that do not check.
pub(super) fn refused(all: &[Fault]) -> Response {
    let body = PolicyRefusal {
        error: Cow::Borrowed("bad_request"),
        message: format!("the policies have faults ({}), so nothing was published", all.len()),
        code: Cow::Borrowed("policies_invalid"),
        faults: faults(all),
    };
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

pub(super) fn trial(checked: Result<&Checked, &Vec<Fault>>) -> PolicyTrial {
    PolicyTrial {
        valid: checked.is_ok(),
        faults: checked.err().map_or_else(Vec::new, |all| faults(all)),
        warnings: checked.map_or_else(|_| Vec::new(), |checked| faults(checked.warnings())),
        summary: checked.ok().map(|checked| summary(checked.summary())),
    }
}

pub(super) fn difference(
    found: Difference,
    (against, number): (u64, u64),
    (before, after): (Option<Fallback>, Option<Fallback>),
) -> PolicyDiff {
    let texts = |all: Vec<_>| all.into_iter().map(|(policy, text)| PolicyText { policy, text }).collect();
    let changed = found.changed.into_iter().map(|(policy, before, after)| PolicyChange { policy, before, after });
    PolicyDiff {
        against,
        number,
        added: texts(found.added),
        removed: texts(found.removed),
        changed: changed.collect(),
        tools: found.tools,
        default_before: before.map(default),
        default_after: after.map(default),
    }
}

pub(super) fn default(fallback: Fallback) -> PolicyDefault {
    match fallback {
        Fallback::Deny => PolicyDefault::Deny,
        Fallback::Allow => PolicyDefault::Allow,
    }
}
