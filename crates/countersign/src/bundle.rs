//! Making a bundle: what an auditor needs of a session or a stretch of time, in one file.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use countersign_core::{Digest, Timestamp};
use countersign_evidence::bundle::{self, FileDigest, Line, Manifest, Part, Summing};
use countersign_evidence::entry::Entry;
use countersign_evidence::trace::json as trace_json;
use serde_json::{Value, json};

use crate::archive::{Archive, Asked, Kept, Traced, each, sessions, wait};
use crate::finding::Finding;
use crate::tarball::header;
use crate::tlog::{Hashes, NoHash, Shown, Source};

/// What to put into a bundle, and where to write it.
#[derive(Debug, clap::Args)]
pub struct Bundling {
    #[command(flatten)]
    asked: Asked,
    /// The file to write, a tar
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Makes a bundle at the time `now`.
pub fn bundle(what: &Bundling, archive: &dyn Archive, now: Timestamp) -> Result<Finding> {
    let (mut parts, mut without, mut records) = (BTreeMap::new(), Vec::new(), Vec::new());
    let asked_for = sessions(&what.asked, archive)?;
    // Asking for a record may make it, so that comes before the entries.
    for session in &asked_for {
        match archive.traced(session)? {
            Some(traced) => records.push((session.as_str(), traced)),
            None => without.push(session.clone()),
        }
    }
    let mut keys = BTreeSet::new();
    for (session, traced) in &records {
        keys.extend(traced.record.pointer("/cnf/jwk").map(Value::to_string));
        add(&mut parts, session, traced)?;
    }
    if let Some(bytes) = key_file(&keys)? {
        parts.insert(Part::RecordKey.rank(), (Part::RecordKey, bytes));
    }
    if let Some(key) = archive.log_key()? {
        parts.insert(Part::LogKey.rank(), (Part::LogKey, format!("{key}\n").into_bytes()));
    }
    parts.insert(Part::Readme.rank(), (Part::Readme, README.as_bytes().to_vec()));

    let done = write(what, archive, &asked_for, parts, now);
    let _ = std::fs::remove_file(spool(&what.out));
    let entries = done?;
    let shown = what.out.display();
    let found = json!({
        "out": what.out, "entries": entries, "records": records.len(), "without_record": without,
    });
    let notes = without.iter().map(|session| format!("session `{session}` has no record: it is not closed"));
    let said = format!("wrote {entries} entries and {} records to {shown}", records.len());
    Ok(Finding::done(said, found).noting(notes))
}

type Parts = BTreeMap<(u8, String, u8), (Part, Vec<u8>)>;

/// Adds the files of a session's record.
fn add(parts: &mut Parts, session: &str, traced: &Traced) -> Result<()> {
    let policy = Digest::of(&traced.policy);
    let declared = traced.record.pointer("/policy/bundle_hash").and_then(Value::as_str).unwrap_or_default();
    ensure!(declared == format!("sha256:{policy}"), "session `{session}`: its policy is not the one its record names");
    let name = session.to_owned();
    let mut files = vec![
        (Part::Record(name.clone()), trace_json::jcs(&traced.record)?),
        (Part::Receipt(name.clone()), trace_json::jcs(&traced.receipt)?),
        (Part::Policy(policy), traced.policy.clone()),
    ];
    if let Some(proof) = &traced.proof {
        files.push((Part::Anchor(name), proof.clone()));
    }
    parts.extend(files.into_iter().map(|(part, bytes)| (part.rank(), (part, bytes))));
    Ok(())
}

/// The keys that the records name, as a JWK, or as a JWK set where there are more.
fn key_file(keys: &BTreeSet<String>) -> Result<Option<Vec<u8>>> {
    let keys: Vec<Value> = keys.iter().map(|key| serde_json::from_str(key)).collect::<Result<_, _>>()?;
    let file = match keys.as_slice() {
        [] => return Ok(None),
        [key] => key.clone(),
        keys => json!({ "keys": keys }),
    };
    Ok(Some(trace_json::jcs(&file)?))
}

/// Writes the bundle whole or not at all, and says how many entries it has.
fn write(what: &Bundling, archive: &dyn Archive, sessions: &[String], mut parts: Parts, now: Timestamp) -> Result<u64> {
    let spool = spool(&what.out);
    let mut entries = Entries::begin(archive.log(), &spool)?;
    if what.asked.session.is_none() {
        // The chains of sessions that were closed then are shown whole, and first.
        for session in sessions {
            each(archive, &Asked::of_session(session), &mut |kept| entries.push(&kept))?;
        }
    }
    let whole: HashSet<&str> = sessions.iter().map(String::as_str).filter(|_| what.asked.session.is_none()).collect();
    let is_there = |kept: &Kept| Entry::read(&kept.bytes).is_ok_and(|entry| whole.contains(entry.chain.id));
    each(archive, &what.asked, &mut |kept| if is_there(&kept) { Ok(()) } else { entries.push(&kept) })?;
    let count = entries.count;
    if let Some(session) = what.asked.session.as_ref().filter(|_| count == 0) {
        bail!("nothing is recorded of session `{session}`");
    }
    let sum = entries.finish()?;
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let asked = bundle::Asked {
        session: what.asked.session.clone(),
        since: text(what.asked.since),
        until: text(what.asked.until),
    };
    let files = parts.values().map(|(part, bytes)| (part.name(), summed(bytes)));
    let files = files.chain([(Part::Entries.name(), sum)]).collect();
    let made_by = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    let manifest = Manifest::new(asked, files, now, made_by)?;
    parts.insert(Part::Manifest.rank(), (Part::Manifest, manifest.to_bytes()?));
    parts.insert(Part::Entries.rank(), (Part::Entries, Vec::new()));

    let unfinished = beside(&what.out, ".new");
    let cannot = || format!("cannot write `{}`", unfinished.display());
    let mut tar = tar::Builder::new(BufWriter::new(File::create(&unfinished).with_context(cannot)?));
    for (part, bytes) in parts.values() {
        let mut append = |size: u64, from: &mut dyn Read| -> Result<()> {
            tar.append(&header(&part.name(), size)?, from).with_context(cannot)
        };
        if *part == Part::Entries {
            append(sum.size, &mut BufReader::new(File::open(&spool)?))?;
        } else {
            append(u64::try_from(bytes.len())?, &mut bytes.as_slice())?;
        }
    }
    let file = tar.into_inner().and_then(|out| out.into_inner().map_err(std::io::IntoInnerError::into_error));
    file.and_then(|file| file.sync_all()).with_context(cannot)?;
    std::fs::rename(&unfinished, &what.out).with_context(|| format!("cannot write `{}`", what.out.display()))?;
    Ok(count)
}

fn summed(bytes: &[u8]) -> FileDigest {
    let mut sum = Summing::default();
    sum.push(bytes);
    sum.finish()
}

/// Where the entries are kept until the tar is written.
fn spool(out: &Path) -> PathBuf {
    beside(out, ".entries")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// `entries.jsonl`, as it is written.
struct Entries<'s> {
    log: &'s dyn Source,
    under: Option<(Shown, Hashes<'s>)>,
    out: BufWriter<File>,
    sum: Summing,
    count: u64,
}

impl<'s> Entries<'s> {
    fn begin(log: &'s dyn Source, spool: &Path) -> Result<Self> {
        let file = File::create(spool).with_context(|| format!("cannot write `{}`", spool.display()))?;
        Ok(Self { log, under: None, out: BufWriter::new(file), sum: Summing::default(), count: 0 })
    }

    fn push(&mut self, kept: &Kept) -> Result<()> {
        let covers = |shown: &Shown| shown.checkpoint.head().size > kept.index;
        if !self.under.as_ref().is_some_and(|(shown, _)| covers(shown)) {
            self.advance(kept.index)?;
        }
        let (shown, hashes) = self.under.as_mut().context("no checkpoint")?;
        let size = shown.checkpoint.head().size;
        let proof = hashes.prove(kept.index, size).map_err(NoHash::into_error)?;
        self.count += 1;
        self.line(&Line::Entry { entry: &kept.bytes, index: kept.index, proof })
    }

    /// Goes on under a checkpoint whose tree has the entry at `index`.
    fn advance(&mut self, index: u64) -> Result<()> {
        let newer = || -> Result<Option<Shown>> {
            let Some(bytes) = self.log.checkpoint()? else { return Ok(None) };
            let shown = Shown::parse(&bytes).context("the log's checkpoint cannot be read")?;
            Ok((shown.checkpoint.head().size > index).then_some(shown))
        };
        let next = wait(newer)?;
        let next = next.with_context(|| format!("the log has no checkpoint with entry {index} yet; try again"))?;
        let head = next.checkpoint.head();
        let mut hashes = Hashes::of(self.log, head);
        let consistency = match &self.under {
            Some((before, _)) => {
                let old = before.checkpoint.head().size;
                hashes.prove_grown(old, head.size).map_err(NoHash::into_error)?
            }
            None => Vec::new(),
        };
        let note = next.note.clone();
        self.under = Some((next, hashes));
        self.line(&Line::Checkpoint { note, consistency })
    }

    fn line(&mut self, line: &Line<'_>) -> Result<()> {
        let mut bytes = line.to_bytes()?;
        bytes.push(b'\n');
        self.sum.push(&bytes);
        Ok(self.out.write_all(&bytes)?)
    }

    fn finish(mut self) -> Result<FileDigest> {
        self.out.flush()?;
        Ok(self.sum.finish())
    }
}

const README: &str = "\
This is a bundle of evidence, in the format countersign.bundle/1: what a
Countersign server decided and recorded, for someone who has no account on it.

To verify it, with no server and no network:

    countersign evidence verify THIS.tar --vkey LOG-KEY --key RECORD-KEY

LOG-KEY is the verifier key of the server's log, one line of text; RECORD-KEY is a
file with the public key that signs its records. Get both from someone other than
who gave you this file: the copies in here (log.vkey, trace.jwk.json) are only as
good as whoever gave it to you.

What is in it:

    manifest.json      what was asked for, and the SHA-256 of every other file
    entries.jsonl      the entries, each with the proof that it is in the log,
                       below the signed checkpoint that the proofs are for
    trace/             the signed TRACE record of each closed session, the receipt
                       of the batch it was anchored in, and the log's receipt
    policies/          the policy documents that the records name, by digest

What verifying shows: every entry was in the log when its checkpoint was signed;
the log only grew between the checkpoints; nothing was changed, left out or put in
within a session whose chain is shown whole; each record is signed, and names the
transcript and the policy that are here.

What it does not show: that what an agent did is what it asked for; that nothing
happened outside of the server; that entries of other sessions are all here; that
the log has shown everyone the same tree, unless witnesses have cosigned it. The
manifest's own digest finds damage and is no signature.
";
