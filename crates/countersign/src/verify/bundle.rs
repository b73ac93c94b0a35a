//! Verifying a bundle: every byte of it, and everything it claims.
//!
//! The tar is read once, from its first byte to its last, and nothing of it is
//! kept but where its chains stand. What a file may be, and in which order files
//! come, is fixed; so is every byte of the tar around them.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};
use countersign_core::Digest;
use countersign_evidence::bundle::{Asked, Line, Manifest, Part, Replay, Summing};
use countersign_evidence::log::checkpoint::Checkpoint;
use countersign_evidence::log::note::Note;
use countersign_evidence::trace::json as trace_json;
use countersign_evidence::trace::verify::{Check, Verdict};
use serde_json::{Value, json};

use super::anchor::Anchor;
use super::keys::{LogKeys, NO_KEY};
use super::record::{Judge, anchored};
use crate::finding::Finding;
use crate::tarball::{BLOCK, END, header};

/// The longest file that is read whole, in bytes.
const LONGEST: u64 = 16 << 20;
/// The longest line of entries, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// Why a bundle does not verify.
enum Failed {
    /// It cannot be read.
    Unreadable(anyhow::Error),
    /// Something in it is wrong.
    Wrong(String),
    /// An entry in it is wrong: its index in the log, and how.
    Entry(u64, String),
}

impl From<anyhow::Error> for Failed {
    fn from(why: anyhow::Error) -> Self {
        Self::Unreadable(why)
    }
}

type Checked<T> = Result<T, Failed>;

fn wrong<T>(fault: impl Into<String>) -> Checked<T> {
    Err(Failed::Wrong(fault.into()))
}

/// Whether a file begins as a tar does.
pub fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Verifies the bundle in the file `path`.
pub fn bundle(path: &Path, keys: &LogKeys, judge: &Judge) -> Result<Finding> {
    let mut reading = Reading::new(keys, judge);
    match reading.tar(path).and_then(|()| reading.finish()) {
        Ok(finding) => Ok(finding),
        Err(Failed::Unreadable(why)) => Err(why.context(format!("`{}`", path.display()))),
        Err(Failed::Entry(index, fault)) => Ok(Finding::bad_entry(index, fault)),
        Err(Failed::Wrong(fault)) => Ok(Finding::bad(fault, json!({ "kind": "bundle" }))),
    }
}

/// What was read of a bundle so far.
struct Reading<'a> {
    keys: &'a LogKeys,
    judge: &'a Judge,
    last: Option<Part>,
    manifest: Option<Manifest>,
    seen: HashSet<String>,
    replay: Replay,
    record: Option<Record>,
    records: u64,
    policies_named: BTreeSet<Digest>,
    policies: BTreeSet<Digest>,
    is_signed: bool,
    open: Vec<String>,
    not_performed: BTreeSet<&'static str>,
    notes: Vec<String>,
}

/// The record whose other files are to come.
struct Record {
    session: String,
    signed: Value,
    root: Option<String>,
    /// Where the log says that it is, if the log's word can be taken.
    anchor: Option<Anchor>,
}

impl<'a> Reading<'a> {
    fn new(keys: &'a LogKeys, judge: &'a Judge) -> Self {
        Self {
            keys,
            judge,
            last: None,
            manifest: None,
            seen: HashSet::new(),
            replay: Replay::default(),
            record: None,
            records: 0,
            policies_named: BTreeSet::new(),
            policies: BTreeSet::new(),
            is_signed: !keys.is_empty(),
            open: Vec::new(),
            not_performed: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    /// Reads the tar, and what lies between its files.
    fn tar(&mut self, path: &Path) -> Checked<()> {
        let open = || File::open(path).context("cannot be read");
        let mut gaps = Vec::new();
        let mut at = 0;
        let mut tar = tar::Archive::new(BufReader::new(open()?));
        let damaged = |why: std::io::Error| Failed::Wrong(format!("the tar is damaged: {why}"));
        for entry in tar.entries().map_err(damaged)?.raw(true) {
            let mut entry = entry.map_err(damaged)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let size = entry.size();
            let right = header(&name, size).map_err(|why| Failed::Wrong(format!("`{name}`: {why}")))?;
            if entry.raw_header_position() != at || entry.header().as_bytes() != right.as_bytes() {
                return wrong(format!("the tar's header of `{name}` is not the one a bundle has"));
            }
            let end = entry.raw_file_position() + size;
            at = end.next_multiple_of(BLOCK);
            gaps.push((end, at));
            self.file(&name, size, &mut entry)?;
        }
        gaps.push((at, at + END));
        let mut file = open()?;
        let length = file.metadata().context("cannot be read")?.len();
        if length != at + END {
            return wrong(format!("the tar is {length} bytes long, and its files end at {at}"));
        }
        for (start, end) in gaps {
            let mut bytes = vec![0; usize::try_from(end - start).context("a gap")?];
            file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes)).map_err(damaged)?;
            if bytes.iter().any(|byte| *byte != 0) {
                return wrong(format!("there is something between the files of the tar, after byte {start}"));
            }
        }
        Ok(())
    }

    /// Reads one file and checks its digest, then what it says.
    fn file(&mut self, name: &str, size: u64, from: &mut dyn Read) -> Checked<()> {
        let Some(part) = Part::parse(name) else { return wrong(format!("`{name}` is no part of a bundle")) };
        if self.last.as_ref().is_some_and(|last| last.rank() >= part.rank()) {
            return wrong(format!("`{name}` is there twice, or not in its place"));
        }
        let expected = match (&self.manifest, &part) {
            (None, Part::Manifest) => None,
            (None, _) => return wrong("it does not begin with `manifest.json`"),
            (Some(manifest), _) => match manifest.files.get(name) {
                Some(expected) => Some(*expected),
                None => return wrong(format!("`{name}` is not in the manifest")),
            },
        };
        let mut sum = Summing::default();
        let mut bytes = Vec::new();
        if part == Part::Entries {
            self.entries(from, &mut sum)?;
        } else if size > LONGEST {
            return wrong(format!("`{name}` is longer than {LONGEST} bytes"));
        } else {
            from.read_to_end(&mut bytes).context("it broke off")?;
            sum.push(&bytes);
        }
        if expected.is_some_and(|expected| sum.finish() != expected) {
            return wrong(format!("`{name}` is not what the manifest says"));
        }
        self.seen.insert(name.to_owned());
        self.part(&part, &bytes).map_err(|failed| match failed {
            Failed::Wrong(fault) => Failed::Wrong(format!("`{name}`: {fault}")),
            other => other,
        })?;
        self.last = Some(part);
        Ok(())
    }

    fn part(&mut self, part: &Part, bytes: &[u8]) -> Checked<()> {
        match part {
            Part::Manifest => {
                self.manifest = Some(Manifest::read(bytes).map_err(|why| Failed::Wrong(why.to_string()))?);
            }
            // They are for people, and by the word of whoever made the bundle.
            Part::Readme | Part::LogKey | Part::RecordKey | Part::Entries => (),
            Part::Record(session) => {
                self.end_of_record()?;
                self.record(session, read_json(bytes)?)?;
            }
            Part::Receipt(session) => self.receipt(session, &read_json(bytes)?)?,
            Part::Anchor(session) => self.anchor(session, bytes)?,
            Part::Policy(digest) => {
                self.end_of_record()?;
                if Digest::of(bytes) != *digest {
                    return wrong("its digest is not its name");
                }
                self.policies.insert(*digest);
            }
        }
        Ok(())
    }

    /// Reads `entries.jsonl` line by line.
    fn entries(&mut self, from: &mut dyn Read, sum: &mut Summing) -> Checked<()> {
        let mut lines = BufReader::new(from);
        let mut bytes = Vec::new();
        for number in 1_u64.. {
            bytes.clear();
            let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut bytes).context("it broke off")?;
            if read == 0 {
                break;
            }
            sum.push(&bytes);
            let at = |why: String| Failed::Wrong(format!("`entries.jsonl`, line {number}: {why}"));
            let line = bytes.strip_suffix(b"\n").ok_or_else(|| at("it does not end".to_owned()))?;
            match Line::read(line).map_err(|why| at(why.to_string()))? {
                Line::Checkpoint { note, consistency } => {
                    let checkpoint = self.opened(&note).map_err(at)?;
                    self.replay.checkpoint(checkpoint, &consistency).map_err(|why| at(why.to_string()))?;
                }
                Line::Entry { entry, index, proof } => {
                    let taken = self.replay.entry(entry, index, &proof);
                    taken.map_err(|why| Failed::Entry(index, why.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// The checkpoint in a note, which the log has signed if its key is known.
    fn opened(&mut self, note: &Note) -> Result<Checkpoint, String> {
        let opened = self.keys.open(note).map_err(|why| format!("its checkpoint: {why}"))?;
        if let Some(opened) = opened {
            return Ok(opened.checkpoint);
        }
        self.is_signed = false;
        Checkpoint::parse(note.text()).map_err(|why| why.to_string())
    }

    /// A record: its transcript and the policy it names. Whether it is believed depends on where it is logged.
    fn record(&mut self, session: &str, record: Value) -> Checked<()> {
        match self.replay.chain(session).filter(|followed| followed.is_whole) {
            None => self.open.push(format!("the transcript of session `{session}`: its entries are not all here")),
            Some(followed) => {
                let at = |pointer: &str| record.pointer(pointer).cloned().unwrap_or_default();
                let chain = followed.chain;
                if at("/tool_transcript/hash") != format!("sha256:{}", chain.head) {
                    return wrong(format!("its transcript is not the session's, whose entries lead to {}", chain.head));
                }
                if at("/tool_transcript/call_count") != chain.tally.total {
                    return wrong(format!("it counts other calls than the {} that are here", chain.tally.total));
                }
            }
        }
        let policy = record.pointer("/policy/bundle_hash").and_then(Value::as_str);
        let policy = policy.and_then(|hash| Digest::parse(hash.strip_prefix("sha256:")?).ok());
        let Some(policy) = policy else { return wrong("its policy's digest is not a SHA-256 one") };
        self.policies_named.insert(policy);
        self.record = Some(Record { session: session.to_owned(), signed: record, root: None, anchor: None });
        self.records += 1;
        Ok(())
    }

    /// The record that a file of `session` goes with.
    fn record_of(&mut self, session: &str) -> Checked<&mut Record> {
        let record = self.record.as_mut().filter(|record| record.session == session);
        record.ok_or_else(|| Failed::Wrong("it goes with no record".to_owned()))
    }

    fn receipt(&mut self, session: &str, receipt: &Value) -> Checked<()> {
        let of = self.record_of(session)?;
        let receipt = anchored(receipt, &of.signed).map_err(|why| Failed::Wrong(why.to_string()))?;
        of.root = Some(receipt.merkle_root.as_str().to_owned());
        Ok(())
    }

    /// The log's receipt for the entry that anchors a record.
    fn anchor(&mut self, session: &str, bytes: &[u8]) -> Checked<()> {
        let of = self.record_of(session)?;
        let Some(root) = of.root.clone() else { return wrong("its record has no receipt") };
        let record = of.signed.clone();
        let anchor = Anchor::read(bytes, &record, |note| self.opened(note)).map_err(Failed::Wrong)?;
        if anchor.session != session || anchor.root != root {
            return wrong("the entry anchors another record");
        }
        let here = &anchor.checkpoint;
        let is_other = |other: &Checkpoint| {
            other.origin() != here.origin() || (other.head().size == here.head().size && other.head() != here.head())
        };
        if self.replay.head().is_some_and(is_other) {
            return wrong("its checkpoint is of another tree than the entries");
        }
        let is_signed = self.is_signed;
        self.record_of(session)?.anchor = Some(anchor).filter(|_| is_signed);
        Ok(())
    }

    /// A record is complete when the next file is another's.
    fn end_of_record(&mut self) -> Checked<()> {
        let Some(Record { session, signed, root, anchor }) = self.record.take() else { return Ok(()) };
        if root.is_none() {
            return wrong(format!("the record of session `{session}` has no receipt"));
        }
        let verdict = self.judge.verdict(&signed, anchor.as_ref().map(Anchor::position));
        let verified = match &verdict {
            Verdict::Verified(verified) => verified,
            Verdict::Refused(why) => {
                return wrong(format!("the record of session `{session}`: {why} ({})", why.code()));
            }
        };
        if let Some(why) = self.judge.unknown_revocation(verified) {
            self.open.push(format!("whether the key of session `{session}`'s record was revoked: {why}"));
        }
        let performed = [Check::Transcript, Check::PolicyBundle, Check::Inclusion, Check::KeyTrust];
        let left = verified.checks_not_performed.iter().filter(|check| !performed.contains(check));
        self.not_performed.extend(left.map(|check| check.code()));
        let is_anchored = anchor.is_some();
        if !is_anchored {
            self.not_performed.insert(Check::Inclusion.code());
        }
        match (self.judge.has_key(), is_anchored) {
            (true, _) => (),
            (false, true) => {
                self.notes.push(format!("the record of session `{session}` is signed by the key that the log names"));
            }
            (false, false) => {
                self.open.push(format!(
                    "who signed the record of session `{session}`: give the key with `--key`, from someone other than \
                     who gave you this"
                ));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Checked<Finding> {
        self.end_of_record()?;
        let Some(manifest) = self.manifest.take() else { return wrong("it does not begin with `manifest.json`") };
        if let Some(missing) = manifest.files.keys().find(|name| !self.seen.contains(*name)) {
            return wrong(format!("`{missing}` is missing"));
        }
        if !self.seen.contains("entries.jsonl") {
            return wrong("`entries.jsonl` is missing");
        }
        if let Some(policy) = self.policies_named.symmetric_difference(&self.policies).next() {
            return wrong(format!("the policy {policy} is named and not there, or there and not named"));
        }
        if let Some(session) = &manifest.asked.session
            && !self.replay.chain(session).is_some_and(|followed| followed.is_whole)
        {
            return wrong(format!("it does not hold session `{session}` from its first entry on"));
        }
        if !self.is_signed {
            self.open.push(format!("who published the log: the key in the bundle is only a hint; {NO_KEY}"));
        }
        Ok(self.said(&manifest))
    }

    fn said(&mut self, manifest: &Manifest) -> Finding {
        let (entries, chains, records) = (self.replay.entries(), self.replay.chains(), self.records);
        let head = self.replay.head();
        let found = json!({
            "kind": "bundle",
            "asked": manifest.asked,
            "made_at": manifest.made_at,
            "origin": head.map(|head| head.origin().as_str()),
            "size": head.map(|head| head.head().size),
            "entries": entries,
            "chains": chains,
            "records": records,
            "checks_not_performed": self.not_performed,
        });
        let mut notes = vec![asked(&manifest.asked)];
        notes.append(&mut self.notes);
        if !self.not_performed.is_empty() {
            let left: Vec<_> = self.not_performed.iter().copied().collect();
            notes.push(format!("not checked of records: {}", left.join(", ")));
        }
        let holds = format!("{entries} entries on {chains} chains and {records} records");
        if self.open.is_empty() {
            return Finding::holds(format!("bundle verified: {holds}"), found).noting(notes);
        }
        let what = format!("the bundle holds together ({holds}), and was not verified: {}", self.open.join("; "));
        Finding::unchecked(what, found).noting(notes)
    }
}

fn read_json(bytes: &[u8]) -> Checked<Value> {
    trace_json::read(bytes).map_err(|why| Failed::Wrong(why.to_string()))
}

fn asked(asked: &Asked) -> String {
    match (&asked.session, &asked.since, &asked.until) {
        (Some(session), ..) => format!("asked for: session {session}"),
        (None, since, until) => {
            let text = |at: &Option<String>| at.clone().unwrap_or_else(|| "now".to_owned());
            format!(
                "asked for: from {} until {}; it does not show that entries of that time are all here",
                text(since),
                text(until)
            )
        }
    }
}
