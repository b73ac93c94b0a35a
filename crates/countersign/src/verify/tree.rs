//! Verifying a published log: what a server shows, or a copy in plain files.
//!
//! Every tile is checked against the checkpoint's root and every entry against
//! its tile, so the first entry that is not what was published is named. In
//! between the chains are replayed, and the log's key is followed from one to the
//! next. Memory does not grow with the log, but for where its chains stand.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use countersign_evidence::log::merkle::{TreeHead, leaf_hash};
use countersign_evidence::log::tile::{Layer, TilePath, WIDTH};
use countersign_evidence::log::witness::Views;
use countersign_evidence::verify::Verifier;
use serde_json::json;

use super::keys::{LogKeys, NO_KEY};
use crate::finding::Finding;
use crate::tlog::{Bundle, Denied, Hashes, NoHash, Shown, Source};

/// What replaying a log came to.
enum Replayed {
    /// Every entry is what was published, and every chain holds.
    Whole { chains: usize },
    /// The hashes are those of the tree, and entries were not to be had.
    Hashes { why: String },
    /// An entry or a tile is not what was published; it is the first.
    Bad { position: u64, fault: String },
}

/// Verifies the log that `source` shows; `name` is for messages, `seen` a
/// checkpoint of it that was kept from before.
pub fn tree(
    source: &dyn Source,
    name: &str,
    keys: &mut LogKeys,
    seen: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Finding> {
    let shown = Shown::of(source, name)?;
    let (origin, head) = (shown.checkpoint.origin().to_string(), shown.checkpoint.head());
    let mut found = json!({ "origin": origin, "size": head.size });
    let mut open = Vec::new();
    match replay(source, head, keys, progress)? {
        Replayed::Bad { position, fault } => return Ok(Finding::bad_entry(position, fault)),
        Replayed::Hashes { why } => open.push(format!("its entries were not checked: {why}")),
        Replayed::Whole { chains } => {
            found = json!({ "origin": origin, "size": head.size, "entries": head.size, "chains": chains });
        }
    }
    let opened = match keys.open(&shown.note) {
        Ok(opened) => opened,
        Err(why) => {
            return Ok(Finding::bad(format!("its checkpoint: {why}"), found).noting([shown.note.to_string()]));
        }
    };
    if let Some(seen) = seen
        && let Some(bad) = compare(source, &shown, seen, keys)?
    {
        return Ok(bad);
    }
    if opened.is_none() {
        open.push(format!("not who published it: {NO_KEY}"));
    }
    if !open.is_empty() {
        let what = format!("the tree of {} entries of `{origin}` holds; {}", head.size, open.join("; "));
        return Ok(Finding::unchecked(what, found));
    }
    let chains = found.get("chains").cloned().unwrap_or_default();
    let said = format!("{} entries, {chains} chains, verified as the log `{origin}`", head.size);
    let witnessed = opened.iter().flat_map(|opened| &opened.witnessed);
    Ok(Finding::holds(said, found)
        .noting(witnessed.map(|by| format!("seen by the witness `{}` at {}", by.name, by.at))))
}

fn replay(
    source: &dyn Source,
    head: TreeHead,
    keys: &mut LogKeys,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed> {
    let mut hashes = Hashes::of(source, head);
    let mut verifier = Verifier::new();
    let mut without = None;
    let bundles = head.size.div_ceil(WIDTH.into());
    for path in (0..bundles).filter_map(|index| TilePath::in_tree(Layer::Entries, index, head.size)) {
        let expected = match hashes.at(path) {
            Ok(expected) => expected,
            Err(NoHash::Unreadable(why)) => return Err(why),
            Err(NoHash::Wrong { position, fault }) => return Ok(Replayed::Bad { position, fault }),
        };
        if without.is_none() {
            match Bundle::fetch(source, path) {
                Err(why) if why.is::<Denied>() => without = Some(why.to_string()),
                Err(why) => return Err(why),
                Ok(None) if path.index() == 0 => without = Some("there are none beside the tree".to_owned()),
                Ok(None) => {
                    let fault = format!("missing: `{path}`");
                    return Ok(Replayed::Bad { position: path.range().start, fault });
                }
                Ok(Some(bundle)) => {
                    if let Err((position, fault)) = entries(&bundle, path, &expected, (&mut verifier, keys)) {
                        return Ok(Replayed::Bad { position, fault });
                    }
                }
            }
        }
        progress(path.range().end, head.size);
    }
    Ok(match without {
        Some(why) => Replayed::Hashes { why },
        None => Replayed::Whole { chains: verifier.chains().count() },
    })
}

/// Checks the entries of one bundle, or names the first that is wrong.
fn entries(
    bundle: &Bundle,
    path: TilePath,
    expected: &[countersign_core::Digest],
    (verifier, keys): (&mut Verifier, &mut LogKeys),
) -> Result<(), (u64, String)> {
    let entries = bundle.entries(path).map_err(|fault| (path.range().start, fault))?;
    for ((position, entry), expected) in path.range().zip(entries).zip(expected) {
        if leaf_hash(entry) != *expected {
            return Err((position, "it is not the entry that was published".to_owned()));
        }
        let kind = verifier.push(entry).map_err(|bad| (bad.position, bad.fault.to_string()))?;
        keys.follow(position, kind, entry);
    }
    Ok(())
}

/// Whether the log only grew since the checkpoint in the file `seen`; what is wrong, if not.
pub fn compare(source: &dyn Source, shown: &Shown, seen: &Path, keys: &LogKeys) -> Result<Option<Finding>> {
    let file = seen.display();
    let bytes = std::fs::read(seen).with_context(|| format!("cannot read `{file}`"))?;
    let before = Shown::parse(&bytes).with_context(|| format!("`{file}` is not a signed checkpoint"))?;
    if let Err(why) = keys.open(&before.note) {
        bail!("`{file}` is no evidence: {why}");
    }
    let (old, new) = (&before.checkpoint, &shown.checkpoint);
    let fault = if old.origin() == new.origin() && old.head().size > new.head().size {
        let (had, has) = (old.head().size, new.head().size);
        format!("the log was rolled back: it has shown {had} entries, and shows {has}")
    } else {
        match Hashes::of(source, new.head()).compare(old, new) {
            Ok(Views::Same | Views::Consistent) => return Ok(None),
            Ok(Views::Split) => {
                let size = old.head().size;
                format!("the log has shown two trees: its first {size} entries are not those it showed before")
            }
            Ok(Views::Unrelated) => {
                format!("a checkpoint of `{}` was seen, and this is `{}`", old.origin(), new.origin())
            }
            Ok(Views::Unproved) => "nothing shows that the log only grew".to_owned(),
            Err(NoHash::Unreadable(why)) => return Err(why),
            Err(NoHash::Wrong { fault, .. }) => fault,
        }
    };
    let (before, shown) = (before.note.to_string(), shown.note.to_string());
    let found = json!({ "seen": before, "shown": shown });
    let notes = [format!("seen before:\n{before}"), format!("shown now:\n{shown}")];
    Ok(Some(Finding::bad(fault, found).noting(notes)))
}
