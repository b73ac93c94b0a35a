//! Keeping a copy of a log: plain files that any web server can serve and
//! anyone can verify.
//!
//! <https://c2sp.org/tlog-tiles>. Nothing is written that was not checked
//! against the checkpoint's root, and the checkpoint is written last: a copy
//! that was broken off is the one before, with some files more. What is full
//! never changes and is not fetched again.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use countersign_evidence::log::merkle::leaf_hash;
use countersign_evidence::log::note::VerifierKey;
use countersign_evidence::log::tile::{Layer, TilePath, grown, push_entry, tile_bytes};
use serde_json::json;

use crate::data_dir::database;
use crate::finding::Finding;
use crate::tlog::{Bundle, Denied, Folder, Hashes, NoHash, Recorded, Remote, Shown, Source};
use crate::verify::keys::{LogKeys, NO_KEY};
use crate::verify::{compare, is_url};

/// What to copy, and where to.
#[derive(Debug, clap::Args)]
pub struct Copying {
    /// The URL of a log such as `https://host/log`, or a data directory, also beside a running server
    #[arg(value_name = "URL|DIR")]
    from: String,
    /// The folder to write to; what is there already is not fetched again
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The log's verifier key, one line of text; or that of a witness that must have cosigned
    #[arg(long = "vkey", value_name = "KEY", value_parser = VerifierKey::parse)]
    vkeys: Vec<VerifierKey>,
    /// Copy the hashes alone, without entries
    #[arg(long)]
    without_entries: bool,
}

/// What came of a file.
enum Copied {
    /// It was written.
    New,
    /// It was there.
    Kept,
}

/// Why a file could not be copied.
enum Failed {
    /// The log or the folder cannot be used.
    Unusable(anyhow::Error),
    /// The log is not what its checkpoint says.
    Wrong { position: u64, fault: String },
}

impl From<anyhow::Error> for Failed {
    fn from(why: anyhow::Error) -> Self {
        Self::Unusable(why)
    }
}

impl From<NoHash> for Failed {
    fn from(why: NoHash) -> Self {
        match why {
            NoHash::Unreadable(why) => Self::Unusable(why),
            NoHash::Wrong { position, fault } => Self::Wrong { position, fault },
        }
    }
}

/// Copies a log, or brings the copy up to date.
pub fn mirror(what: Copying, api_key: Option<String>, progress: &mut dyn FnMut(u64, u64)) -> Result<Finding> {
    let keys = LogKeys::new(what.vkeys)?;
    let source: Box<dyn Source> = if is_url(&what.from) {
        Box::new(Remote::new(&what.from, api_key)?)
    } else if database(Path::new(&what.from)).is_file() {
        Box::new(Recorded::open(Path::new(&what.from))?)
    } else {
        bail!("`{}` is no URL of a log, and no data directory", what.from);
    };
    let shown = Shown::of(source.as_ref(), &what.from)?;
    let (origin, head) = (shown.checkpoint.origin().to_string(), shown.checkpoint.head());
    let is_signed = match keys.open(&shown.note) {
        Ok(opened) => opened.is_some(),
        Err(why) => return Ok(Finding::bad(format!("its checkpoint: {why}"), json!({ "origin": origin }))),
    };
    let before = what.to.join("checkpoint");
    let mut old = 0;
    if before.is_file() {
        if let Some(bad) = compare(source.as_ref(), &shown, &before, &LogKeys::default())? {
            return Ok(bad.noting([format!("the copy in `{}` was left as it is", what.to.display())]));
        }
        old = Shown::parse(&std::fs::read(&before)?)?.checkpoint.head().size;
    }
    let copy = Copy { source: source.as_ref(), to: &what.to, folder: Folder::new(&what.to), old };
    let written = match copy.tiles(&shown, what.without_entries, progress) {
        Ok(written) => written,
        Err(Failed::Wrong { position, fault }) => {
            let note = "the last good copy is still there; if a file of it was changed, delete that file".to_owned();
            return Ok(Finding::bad_entry(position, fault).noting([note]));
        }
        Err(Failed::Unusable(why)) if why.is::<Denied>() => {
            return Err(why.context("the log's entries cannot be copied; `--without-entries` copies the hashes alone"));
        }
        Err(Failed::Unusable(why)) => return Err(why),
    };
    write(&before, shown.note.to_string().as_bytes())?;
    copy.clear(head.size);
    let found = json!({
        "origin": origin, "size": head.size, "had": old, "files_written": written, "signature_checked": is_signed,
    });
    let said = format!("copied {} entries of `{origin}`, {written} new files", head.size);
    // Without a key the copy is whole all the same: what is not known is whose it is.
    let open = (!is_signed).then(|| format!("not checked: who published it; {NO_KEY}"));
    Ok(Finding::done(said, found).noting(open))
}

struct Copy<'a> {
    source: &'a dyn Source,
    to: &'a Path,
    folder: Folder,
    /// How many entries the copy has under its checkpoint.
    old: u64,
}

impl Copy<'_> {
    /// Copies what the tree under `shown` consists of, and says how many files are new.
    fn tiles(&self, shown: &Shown, without_entries: bool, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, Failed> {
        let head = shown.checkpoint.head();
        let mut hashes = Hashes::of(self, head);
        let mut written = 0;
        for path in grown(0, head.size) {
            if without_entries && path.layer() == Layer::Entries {
                continue;
            }
            match self.copy(path, &mut hashes)? {
                Copied::New => written += 1,
                Copied::Kept => (),
            }
            if path.layer() == Layer::Entries || (without_entries && path.layer() == Layer::Hashes(0)) {
                progress(path.range().end, head.size);
            }
        }
        Ok(written)
    }

    fn copy(&self, path: TilePath, hashes: &mut Hashes<'_>) -> Result<Copied, Failed> {
        let file = self.to.join(path.to_string());
        let is_there = file.is_file();
        let level = match path.layer() {
            Layer::Hashes(level) => level,
            Layer::Entries => 0,
        };
        // What the copy's own checkpoint covers was checked when that was written.
        let covered = path.range().end.checked_shl(u32::from(level) * 8).is_some_and(|end| end <= self.old);
        if is_there && path.is_full() && covered {
            return Ok(Copied::Kept);
        }
        let right = hashes.at(path)?;
        let bytes = match path.layer() {
            Layer::Hashes(_) => tile_bytes(&right),
            Layer::Entries => self.entries(path, &right)?,
        };
        if is_there && std::fs::read(&file).is_ok_and(|there| there == bytes) {
            return Ok(Copied::Kept);
        }
        write(&file, &bytes)?;
        Ok(Copied::New)
    }

    /// A bundle whose every entry is the one that was published.
    fn entries(&self, path: TilePath, right: &[countersign_core::Digest]) -> Result<Vec<u8>, Failed> {
        let position = path.range().start;
        let bundle = Bundle::fetch(self, path)?;
        let bundle = bundle.ok_or_else(|| Failed::Wrong { position, fault: format!("missing: `{path}`") })?;
        let entries = bundle.entries(path).map_err(|fault| Failed::Wrong { position, fault })?;
        let mut bytes = Vec::new();
        for ((position, entry), right) in path.range().zip(entries).zip(right) {
            if leaf_hash(entry) != *right {
                let fault = "it is not the entry that was published".to_owned();
                return Err(Failed::Wrong { position, fault });
            }
            push_entry(&mut bytes, entry).map_err(anyhow::Error::from)?;
        }
        Ok(bytes)
    }

    /// Takes away narrow tiles that a full one has taken the place of. Best effort: they harm nobody.
    fn clear(&self, size: u64) {
        for path in grown(self.old.saturating_sub(1), size).filter(TilePath::is_full) {
            let narrow = self.to.join(format!("{path}.p"));
            let _ = std::fs::remove_dir_all(narrow);
        }
    }
}

/// The log, of which what is full is taken from the copy where it is there.
impl Source for Copy<'_> {
    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.source.checkpoint()
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>> {
        let copied = if path.is_full() { self.folder.tile(path)? } else { None };
        copied.map_or_else(|| self.source.tile(path), |bytes| Ok(Some(bytes)))
    }
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    let done = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let mut file = File::create(&name)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&name, path)
    };
    done().with_context(|| format!("cannot write `{shown}`"))
}
