//! What was recorded, to be taken away: from a server, or from a data directory
//! beside a server that may be running.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use countersign_core::Timestamp;
use countersign_core::id::ChainId;
use countersign_evidence::entry::Entry;
use countersign_evidence::log::note::VerifierKey;
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::trace::anchor::Batch;
use countersign_store::{Documents as _, Ledger as _};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::StatusCode;

use crate::client::Client;
use crate::node::explain;
use crate::tlog::{Hashes, NoHash, Recorded, Remote, Shown, Source};

/// How many entries are asked for at once: the most that a server answers.
const PAGE: usize = 1_000;
/// How often something that the server is about to publish is asked for again.
const BEAT: Duration = Duration::from_millis(250);
/// How often at most: the log follows the record within about a second.
const PATIENCE: usize = 40;

/// What is asked for: a session's entries, or those of a time.
#[derive(Debug, Clone, clap::Args)]
// A group of its own: clap would take `until` into that of the struct.
#[group(skip)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["session", "since"]))]
pub struct Asked {
    /// Only this session's
    #[arg(long, value_name = "ID", value_parser = session_id)]
    pub session: Option<String>,
    /// From this moment on, such as `2026-11-21T08:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub since: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse, requires = "since")]
    pub until: Option<Timestamp>,
}

fn session_id(text: &str) -> Result<String> {
    Ok(ChainId::parse(text)?.to_string())
}

impl Asked {
    /// The entries of one session.
    pub fn of_session(id: &str) -> Self {
        Self { session: Some(id.to_owned()), since: None, until: None }
    }
}

/// An entry and its place in the log.
#[derive(Debug)]
pub struct Kept {
    /// How many entries come before it.
    pub index: u64,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// A session's record and what it rests on.
#[derive(Debug)]
pub struct Traced {
    /// The signed record, as JSON.
    pub record: Value,
    /// Its receipt in the batch that it was anchored in.
    pub receipt: Value,
    /// The exact bytes that its policy's digest is of.
    pub policy: Vec<u8>,
    /// The log's receipt for the entry that anchors it, where there is one.
    pub proof: Option<Vec<u8>>,
}

/// Where the record is read from.
pub trait Archive {
    /// Entries in the order of the record, from the index `from` on; and where the next page begins.
    fn page(&self, asked: &Asked, from: Option<u64>) -> Result<(Vec<Kept>, Option<u64>)>;

    /// The record of a session, if it was closed.
    fn traced(&self, session: &str) -> Result<Option<Traced>>;

    /// The log that the entries are published in.
    fn log(&self) -> &dyn Source;

    /// What the log's verifier key is, in this archive's own word.
    fn log_key(&self) -> Result<Option<String>>;
}

/// Hands every entry that is asked for to `take`.
pub fn each(archive: &dyn Archive, asked: &Asked, take: &mut dyn FnMut(Kept) -> Result<()>) -> Result<()> {
    let mut from = None;
    loop {
        let (page, next) = archive.page(asked, from)?;
        page.into_iter().try_for_each(&mut *take)?;
        match next {
            None => return Ok(()),
            Some(next) if from.is_some_and(|from| next <= from) => {
                bail!("the server's pages do not go on after {next}")
            }
            Some(next) => from = Some(next),
        }
    }
}

/// Asks again until there is an answer, for as long as the log may need to follow.
pub fn wait<T>(mut ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    for _ in 0..PATIENCE {
        if let Some(found) = ask()? {
            return Ok(Some(found));
        }
        std::thread::sleep(BEAT);
    }
    ask()
}

/// The session that was asked for, or those that were closed at the time, in that order.
pub fn sessions(asked: &Asked, archive: &dyn Archive) -> Result<Vec<String>> {
    if let Some(session) = &asked.session {
        return Ok(vec![session.clone()]);
    }
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    each(archive, asked, &mut |entry| {
        found.extend(closed_session(&entry.bytes).filter(|session| seen.insert(session.clone())));
        Ok(())
    })?;
    Ok(found)
}

/// The session that an entry says was closed.
fn closed_session(entry: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Closed<'a> {
        id: &'a str,
        noun: &'a str,
        verb: &'a str,
    }
    let entry = Entry::read(entry).ok().filter(|entry| entry.kind == "revocation")?;
    let event: Closed<'_> = serde_json::from_str(entry.event.get()).ok()?;
    (event.noun == "session" && event.verb == "close").then(|| event.id.to_owned())
}

/// The session whose record an entry anchors.
fn anchored_session(entry: &Entry<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Anchored<'a> {
        session: &'a str,
    }
    let event = (entry.kind == "trace").then(|| serde_json::from_str::<Anchored<'_>>(entry.event.get()).ok());
    event.flatten().map(|event| event.session.to_owned())
}

/// The record as a server shows it.
pub struct Online {
    client: Client,
    log: Remote,
}

impl Online {
    /// The server at `url`.
    pub fn new(url: &str, api_key: Option<String>) -> Result<Self> {
        let log = Remote::new(&format!("{}/log", url.trim_end_matches('/')), None)?;
        Ok(Self { client: Client::new(url, api_key)?, log })
    }

    fn of_session(&self, session: &str, what: &str) -> Result<Option<Vec<u8>>> {
        let (status, bytes) = self.client.ask(&format!("/api/v1/sessions/{session}/trace{what}"), &[])?;
        Ok((status == StatusCode::OK).then_some(bytes))
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    entries: Vec<Line<'a>>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    entry: &'a RawValue,
    index: u64,
}

impl Archive for Online {
    fn page(&self, asked: &Asked, from: Option<u64>) -> Result<(Vec<Kept>, Option<u64>)> {
        let query = [
            ("session", asked.session.clone()),
            ("since", asked.since.map(|at| at.to_string())),
            ("until", asked.until.map(|at| at.to_string())),
            ("from", from.map(|from| from.to_string())),
            ("limit", Some(PAGE.to_string())),
        ];
        let (status, bytes) = self.client.ask("/api/v1/accountability/entries", &query)?;
        if status == StatusCode::NOT_FOUND {
            if asked.session.is_some() && asked.since.is_none() {
                // The record outlives the session: whoever says when still finds it.
                let since = Some(Timestamp::from_millis(0));
                return self.page(&Asked { since, ..asked.clone() }, from);
            }
            bail!("{} shows no entries: its version is older than this program's", self.client.url());
        }
        let answer: Answer<'_> =
            serde_json::from_slice(&bytes).with_context(|| format!("what {} answered", self.client.url()))?;
        let mut kept = Vec::with_capacity(answer.entries.len());
        for Line { entry, index } in answer.entries {
            let bytes = entry.get().as_bytes();
            // TRUST: a line of a file is to hold it.
            if bytes.contains(&b'\n') {
                bail!("what {} answered: entry {index} is not one line", self.client.url());
            }
            kept.push(Kept { index, bytes: bytes.to_vec() });
        }
        Ok((kept, answer.next))
    }

    fn traced(&self, session: &str) -> Result<Option<Traced>> {
        let Some(record) = self.of_session(session, "")? else { return Ok(None) };
        let missing = |what: &str| format!("session `{session}` has a record and no {what}");
        let receipt = self.of_session(session, "/receipt")?.with_context(|| missing("receipt"))?;
        let policy = self.of_session(session, "/policy")?.with_context(|| missing("policy"))?;
        Ok(Some(Traced {
            record: serde_json::from_slice(&record)?,
            receipt: serde_json::from_slice(&receipt)?,
            policy,
            proof: wait(|| self.of_session(session, "/proof"))?,
        }))
    }

    fn log(&self) -> &dyn Source {
        &self.log
    }

    fn log_key(&self) -> Result<Option<String>> {
        let (status, bytes) = self.client.ask("/log/vkey", &[])?;
        Ok((status == StatusCode::OK).then(|| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }
}

/// The record in a data directory.
pub struct Offline {
    dir: PathBuf,
    recorded: Recorded,
    key: Option<VerifierKey>,
    spans: OnceCell<HashMap<String, Span>>,
}

/// Where a session is in the record, by indexes in the log.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: u64,
    last: u64,
    /// The entry that anchors its record.
    anchor: Option<u64>,
}

impl Offline {
    /// The data directory `dir`, whose log has the key `key` where that is known.
    pub fn open(dir: &Path, key: Option<VerifierKey>) -> Result<Self> {
        Ok(Self { dir: dir.to_owned(), recorded: Recorded::open(dir)?, key, spans: OnceCell::new() })
    }

    fn read(&self, start: u64, limit: usize) -> Result<Vec<Vec<u8>>> {
        self.recorded.ledger().read(start, limit).map_err(|why| explain(&why, &self.dir))
    }

    /// Where a session is, found by reading the record once.
    fn span(&self, session: &str) -> Result<Option<Span>> {
        if let Some(spans) = self.spans.get() {
            return Ok(spans.get(session).copied());
        }
        let (mut spans, mut index) = (HashMap::<String, Span>::new(), 0);
        loop {
            let read = self.read(index, PAGE)?;
            if read.is_empty() {
                break;
            }
            for bytes in read {
                let entry = Entry::read(&bytes).with_context(|| format!("entry {index} cannot be read"))?;
                if entry.chain.id.starts_with("sess_") || entry.chain.id.starts_with("track_") {
                    let new = Span { first: index, last: index, anchor: None };
                    spans.entry(entry.chain.id.to_owned()).or_insert(new).last = index;
                }
                if let Some(span) = anchored_session(&entry).and_then(|session| spans.get_mut(&session)) {
                    span.anchor = Some(index);
                }
                index += 1;
            }
        }
        Ok(self.spans.get_or_init(|| spans).get(session).copied())
    }

    /// The log's receipt for the entry that anchors a session's record.
    fn anchor(&self, session: &str) -> Result<Option<Vec<u8>>> {
        let Some(index) = self.span(session)?.and_then(|span| span.anchor) else { return Ok(None) };
        let covering = || -> Result<Option<Shown>> {
            let Some(bytes) = self.recorded.checkpoint()? else { return Ok(None) };
            Ok(Some(Shown::parse(&bytes)?).filter(|shown| shown.checkpoint.head().size > index))
        };
        let Some(shown) = wait(covering)? else { return Ok(None) };
        let head = shown.checkpoint.head();
        let proof = Hashes::of(&self.recorded, head).prove(index, head.size).map_err(NoHash::into_error)?;
        let extra = self.read(index, 1)?.pop().unwrap_or_default();
        Ok(Some(Receipt { index, proof, checkpoint: shown.note, extra }.to_string().into_bytes()))
    }
}

/// What a data directory keeps of a session's record.
#[derive(Deserialize)]
struct Document {
    record: Value,
    policy: String,
}

impl Archive for Offline {
    fn page(&self, asked: &Asked, from: Option<u64>) -> Result<(Vec<Kept>, Option<u64>)> {
        let mut start = from.unwrap_or(0);
        let mut end = u64::MAX;
        if let Some(session) = &asked.session {
            let Some(span) = self.span(session)? else { return Ok((Vec::new(), None)) };
            start = start.max(span.first);
            end = span.last;
        }
        let read = self.read(start, PAGE)?;
        let next = start + u64::try_from(read.len())?;
        let is_last = read.len() < PAGE || next > end;
        let mut kept = Vec::new();
        for (index, bytes) in (start..).zip(read) {
            let entry = Entry::read(&bytes).with_context(|| format!("entry {index} cannot be read"))?;
            let time = Timestamp::parse(entry.time).with_context(|| format!("entry {index}"))?;
            let wanted = asked.session.as_deref().is_none_or(|session| entry.chain.id == session)
                && asked.since.is_none_or(|since| time >= since)
                && asked.until.is_none_or(|until| time < until);
            if wanted {
                kept.push(Kept { index, bytes });
            }
        }
        Ok((kept, (!is_last).then_some(next)))
    }

    fn traced(&self, session: &str) -> Result<Option<Traced>> {
        let found = self.recorded.ledger().get("trace", session).map_err(|why| explain(&why, &self.dir))?;
        let Some(found) = found else { return Ok(None) };
        let kept: Document = serde_json::from_slice(&found.body)
            .with_context(|| format!("what is kept of session `{session}` is no record"))?;
        let batch = Batch::new(std::slice::from_ref(&kept.record))?;
        let receipt = serde_json::to_value(batch.and_then(|batch| batch.receipt(0)))?;
        Ok(Some(Traced {
            record: kept.record,
            receipt,
            policy: kept.policy.into_bytes(),
            proof: self.anchor(session)?,
        }))
    }

    fn log(&self) -> &dyn Source {
        &self.recorded
    }

    fn log_key(&self) -> Result<Option<String>> {
        Ok(self.key.as_ref().map(VerifierKey::to_string))
    }
}
