//! Taking the record away in a form that others read.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use countersign_evidence::ocsf;
use serde_json::json;

use crate::archive::{Archive, Asked, Kept, each, sessions};
use crate::finding::Finding;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The TRACE record of the session, or of each session that was closed then, one to a line
    Trace,
    /// An OCSF event for each entry, one to a line
    Ocsf,
    /// The entries, exactly as they were recorded, one to a line
    Jsonl,
}

/// What to write, and where to.
#[derive(Debug, clap::Args)]
pub struct Exporting {
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    #[command(flatten)]
    asked: Asked,
    /// The file to write; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes what was asked for. `None` where it went to standard output, which
/// has room for nothing else.
pub fn export(what: &Exporting, archive: &dyn Archive) -> Result<Option<Finding>> {
    let Some(path) = &what.out else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        return match write(what, archive, &mut out).and_then(|_| Ok(out.flush()?)) {
            // A reader that has seen enough is no failure.
            Err(why) if is_broken_pipe(&why) => Ok(None),
            done => done.map(|()| None),
        };
    };
    let shown = path.display();
    let mut out = BufWriter::new(File::create(path).with_context(|| format!("cannot write `{shown}`"))?);
    let Written { lines, without } = write(what, archive, &mut out)?;
    out.flush().with_context(|| format!("cannot write `{shown}`"))?;
    let found = json!({ "out": path, "lines": lines, "without_record": without });
    let notes = without.iter().map(|session| format!("session `{session}` has no record"));
    Ok(Some(Finding::done(format!("wrote {lines} lines to {shown}"), found).noting(notes)))
}

fn is_broken_pipe(why: &anyhow::Error) -> bool {
    why.downcast_ref::<std::io::Error>().is_some_and(|why| why.kind() == std::io::ErrorKind::BrokenPipe)
}

#[derive(Default)]
struct Written {
    lines: u64,
    without: Vec<String>,
}

fn write(what: &Exporting, archive: &dyn Archive, out: &mut dyn Write) -> Result<Written> {
    let mut written = Written::default();
    if what.format == Format::Trace {
        for session in sessions(&what.asked, archive)? {
            let Some(traced) = archive.traced(&session)? else {
                written.without.push(session);
                continue;
            };
            writeln!(out, "{}", traced.record)?;
            written.lines += 1;
        }
        return Ok(written);
    }
    each(archive, &what.asked, &mut |Kept { index, bytes }| {
        if what.format == Format::Ocsf {
            let event = ocsf::event(&bytes, index, env!("CARGO_PKG_VERSION"));
            writeln!(out, "{}", event.with_context(|| format!("entry {index}"))?)?;
        } else {
            out.write_all(&bytes)?;
            out.write_all(b"\n")?;
        }
        written.lines += 1;
        Ok(())
    })?;
    // A session's first entry says that it began.
    if let (Some(session), 0) = (&what.asked.session, written.lines) {
        bail!("nothing is recorded of session `{session}`");
    }
    Ok(written)
}
