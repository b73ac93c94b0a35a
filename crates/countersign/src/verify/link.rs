//! Whether two TRACE records speak of one session.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use countersign_core::Timestamp;
use countersign_evidence::trace::anchor::Receipt;
use countersign_evidence::trace::key::PublicKey;
use countersign_evidence::trace::link::{Answer, Side, Terms, check};
use countersign_evidence::trace::transcript::Form;
use countersign_evidence::trace::verify::{Demands, Trust};
use serde_json::{Map, Value, json};

use super::keys::{json_file, public_keys};
use super::record::duration;
use crate::finding::Finding;

/// Which records to compare, and by what.
#[derive(Debug, clap::Args)]
pub struct Linking {
    /// A record, such as an agent's runtime signed
    #[arg(value_name = "A.json")]
    first: PathBuf,
    /// Another record of the same session, such as a gateway signed
    #[arg(value_name = "B.json")]
    second: PathBuf,
    /// A public key to trust for the first, as a JWK, a JWK set or PEM
    #[arg(long = "key-a", value_name = "FILE")]
    first_keys: Vec<PathBuf>,
    /// A public key to trust for the second
    #[arg(long = "key-b", value_name = "FILE")]
    second_keys: Vec<PathBuf>,
    /// The first record's anchor receipt, as JSON
    #[arg(long = "receipt-a", value_name = "FILE")]
    first_receipt: Option<PathBuf>,
    /// The second record's anchor receipt
    #[arg(long = "receipt-b", value_name = "FILE")]
    second_receipt: Option<PathBuf>,
    /// The transcript that both name, a JSON array of entries
    #[arg(long, value_name = "FILE", requires = "form")]
    transcript: Option<PathBuf>,
    /// How the transcript becomes a digest: `countersign-chain/1`, `jcs-entries/1` or `agt-auditentry/1`
    #[arg(long, value_name = "NAME", value_parser = form, requires = "transcript")]
    form: Option<Form>,
    /// Both producers hash their policies in the same way, so these must be the same
    #[arg(long)]
    same_policy_form: bool,
    /// How far apart the two may have been issued, such as `10m`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
}

fn form(name: &str) -> Result<Form> {
    let known = "expected `countersign-chain/1`, `jcs-entries/1` or `agt-auditentry/1`";
    Form::parse(name).ok_or_else(|| anyhow!("`{name}` is no form of a transcript: {known}"))
}

/// Compares two records at the time `now`.
pub fn link(what: &Linking, now: Timestamp) -> Result<Finding> {
    let (first, second) = (json_file(&what.first)?, json_file(&what.second)?);
    let (first_keys, second_keys) = (public_keys(&what.first_keys)?, public_keys(&what.second_keys)?);
    let receipts = (receipt(what.first_receipt.as_deref())?, receipt(what.second_receipt.as_deref())?);
    let transcript = what
        .transcript
        .as_deref()
        .map(|file| std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display())));
    let transcript = transcript.transpose()?;
    let report = check(
        &Side { record: &first, trust: trust(&first_keys), receipt: receipts.0.as_ref() },
        &Side { record: &second, trust: trust(&second_keys), receipt: receipts.1.as_ref() },
        &Demands { max_age: None, ..Demands::at(now) },
        &Terms {
            transcript: transcript.as_deref().zip(what.form),
            same_bundle_form: what.same_policy_form,
            within: what.within,
        },
    );
    let mut answers = Map::new();
    let mut notes = Vec::new();
    for (question, answer) in &report.answers {
        let (word, why) = match answer {
            Answer::Holds => ("holds", None),
            Answer::Fails(why) => ("fails", Some(why.as_str())),
            Answer::NotPerformed(why) => ("not_performed", Some(*why)),
        };
        notes.push(match why {
            Some(why) => format!("{}: {word}: {why}", question.code()),
            None => format!("{}: {word}", question.code()),
        });
        answers.insert(question.code().to_owned(), json!({ "answer": word, "why": why }));
    }
    let linked = report.is_linked();
    let found = json!({
        "kind": "trace_link", "linked": linked, "supersedes": report.supersedes, "checks": answers,
    });
    let finding = if !linked {
        Finding::bad("the two records do not speak of one session, or it is not shown that they do", found)
    } else if first_keys.is_empty() || second_keys.is_empty() {
        let what = "the two records fit together, but who signed them is not known: give `--key-a` and `--key-b`";
        Finding::unchecked(what, found)
    } else {
        let also = if report.supersedes { ", and the second takes the place of the first" } else { "" };
        Finding::holds(format!("the two records speak of one session{also}"), found)
    };
    Ok(finding.noting(notes))
}

fn receipt(file: Option<&Path>) -> Result<Option<Receipt>> {
    let Some(file) = file else { return Ok(None) };
    let receipt: Value = json_file(file)?;
    Receipt::read(&receipt).with_context(|| format!("`{}`", file.display())).map(Some)
}

fn trust(keys: &[PublicKey]) -> Trust<'_> {
    if keys.is_empty() { Trust::Embedded } else { Trust::AnyOf(keys) }
}
