//! What a witness remembers: of each log the last tree it cosigned, and what the
//! log showed besides.
//!
//! In the data directory: `witness.key` (32 bytes), `witness.vkey` (the name it is
//! known by), `logs/` (of each log the last checkpoint, as the log signed it) and
//! `splits/` (two checkpoints that cannot both be the log's own).

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use countersign_core::{Digest, Timestamp};
use countersign_engine::{Entropy as _, SystemEntropy};
use countersign_evidence::log::checkpoint::{Checkpoint, Origin, Trust};
use countersign_evidence::log::merkle::TreeHead;
use countersign_evidence::log::note::{Algorithm, Cosigner, KeyName, Note, Signature, VerifierKey};
use countersign_evidence::log::witness::{Refusal, Request, Views, split_view};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::data_dir::{DataDir, database, write_private};

/// How many split views are kept: the evidence of one is enough, and a log must not
/// fill the disk of its witness.
const MOST_SPLITS: usize = 1_000;

/// What a witness remembers, and the key it cosigns with.
pub struct Memory {
    cosigner: Cosigner,
    logs: HashMap<Origin, Known>,
    splits: Mutex<Vec<Split>>,
    dir: PathBuf,
    _data: DataDir,
}

/// One log.
struct Known {
    trust: Trust,
    file: PathBuf,
    seen: Mutex<Seen>,
}

/// The last tree of a log that was cosigned, and the checkpoint that the log signed
/// over it; none before the first.
struct Seen {
    head: TreeHead,
    note: Option<Note>,
}

/// Two checkpoints of one log that cannot both be its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Split {
    /// The log.
    pub origin: String,
    /// The size of both trees.
    pub size: u64,
    /// When the second one was shown.
    pub found_at: String,
    /// The checkpoint that was cosigned, as the log signed it.
    pub first: String,
    /// The other, as the log signed it.
    pub second: String,
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum Declined {
    /// The request is not one to cosign.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What would be cosigned could not be remembered.
    #[error("{0:#}")]
    Forgetful(anyhow::Error),
}

impl Memory {
    /// Opens the memory in the directory at `dir`, of a witness of `logs` that is
    /// called `name`, or as before.
    pub fn open(dir: &Path, name: Option<&str>, logs: Vec<VerifierKey>) -> Result<Self> {
        if database(dir).exists() {
            bail!("`{}` is the data directory of a server: a witness needs one of its own", dir.display());
        }
        let data = DataDir::open(dir)?;
        for folder in ["logs", "splits"] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir.join(folder))?;
        }
        let cosigner = cosigner(dir, name)?;
        let mut keys: HashMap<Origin, Vec<VerifierKey>> = HashMap::new();
        for key in logs {
            if key.algorithm() != Algorithm::Ed25519 {
                bail!("`{key}` is the key of a witness: expected the key of a log, of type 1 (Ed25519)");
            }
            keys.entry(Origin::from(key.name())).or_default().push(key);
        }
        let logs = keys.into_iter().map(|(origin, keys)| {
            let file = dir.join("logs").join(format!("{}.checkpoint", Digest::of(origin.as_str().as_bytes())));
            let seen = Mutex::new(remembered(&file, &origin)?);
            Ok((origin.clone(), Known { trust: Trust::new(origin, keys), file, seen }))
        });
        let logs = logs.collect::<Result<_>>()?;
        Ok(Self { cosigner, logs, splits: Mutex::new(splits(dir)?), dir: dir.to_owned(), _data: data })
    }

    /// The key that its cosignatures verify with.
    pub fn vkey(&self) -> &VerifierKey {
        self.cosigner.verifier()
    }

    /// Cosigns the checkpoint of `request`, if its tree continues the last one, and
    /// remembers it before.
    pub fn cosign(&self, request: &Request, at: Timestamp) -> Result<Signature, Declined> {
        let known = self.logs.get(request.origin()).ok_or(Refusal::UnknownLog)?;
        let mut seen = locked(&known.seen);
        let accepted = match request.judge(&known.trust, seen.head) {
            Ok(accepted) => accepted,
            Err(why) => {
                self.keep_split(known, &seen, request, at).map_err(Declined::Forgetful)?;
                return Err(why.into());
            }
        };
        if accepted.after() != seen.head || seen.note.is_none() {
            let note = as_signed(request.checkpoint(), &known.trust).ok_or(Refusal::NotSigned)?;
            write_private(&known.file, note.to_string().as_bytes()).map_err(Declined::Forgetful)?;
            *seen = Seen { head: accepted.after(), note: Some(note) };
        }
        Ok(accepted.cosign(&self.cosigner, at))
    }

    /// Every split view that was shown.
    pub fn splits(&self) -> Vec<Split> {
        locked(&self.splits).clone()
    }

    /// Keeps what a log signed besides what it had signed before.
    fn keep_split(&self, known: &Known, seen: &Seen, request: &Request, at: Timestamp) -> Result<()> {
        let Ok(opened) = known.trust.open(request.checkpoint()) else { return Ok(()) };
        let Some((first, before)) =
            seen.note.as_ref().and_then(|note| Some((note, Checkpoint::parse(note.text()).ok()?)))
        else {
            return Ok(());
        };
        if split_view(&before, &opened.checkpoint, None) != Views::Split {
            return Ok(());
        }
        let Some(second) = as_signed(request.checkpoint(), &known.trust) else { return Ok(()) };
        let split = Split {
            origin: before.origin().to_string(),
            size: before.head().size,
            found_at: at.to_string(),
            first: first.to_string(),
            second: second.to_string(),
        };
        let mut splits = locked(&self.splits);
        let is_known = |other: &Split| (&other.first, &other.second) == (&split.first, &split.second);
        if splits.iter().any(is_known) || splits.len() >= MOST_SPLITS {
            return Ok(());
        }
        let name = format!("{}.json", Digest::of(format!("{}{}", split.first, split.second).as_bytes()));
        let file = self.dir.join("splits").join(name);
        write_private(&file, &serde_json::to_vec_pretty(&split)?)?;
        tracing::error!(
            log.origin = %split.origin,
            "the log `{}` signed two different trees of {} entries; both are in `{}`",
            split.origin,
            split.size,
            file.display()
        );
        splits.push(split);
        Ok(())
    }
}

/// What a panic leaves behind is whole: it is replaced as one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A checkpoint with the log's signature, and without what anyone may have added.
fn as_signed(note: &Note, trust: &Trust) -> Option<Note> {
    let alone = |signature| Note::parse(format!("{}\n{signature}", note.text().as_str()).as_bytes()).ok();
    note.signatures().iter().filter_map(alone).find(|note| trust.open(note).is_ok())
}

/// The key of the witness in `dir`, which is made on the first start, and its name,
/// which stays: one key must not serve two names.
fn cosigner(dir: &Path, name: Option<&str>) -> Result<Cosigner> {
    let (key_file, vkey_file) = (dir.join("witness.key"), dir.join("witness.vkey"));
    let known = match std::fs::read_to_string(&vkey_file) {
        Ok(text) => Some(VerifierKey::parse(text.trim()).with_context(|| format!("`{}`", vkey_file.display()))?),
        Err(why) if why.kind() == ErrorKind::NotFound => None,
        Err(why) => return Err(why).with_context(|| format!("cannot read `{}`", vkey_file.display())),
    };
    let shown = key_file.display();
    let key = match std::fs::read(&key_file) {
        Ok(bytes) => {
            let bytes = <[u8; 32]>::try_from(bytes).ok();
            SigningKey::from_bytes(&bytes.with_context(|| format!("`{shown}` is not the 32 bytes of a witness's key"))?)
        }
        Err(why) if why.kind() == ErrorKind::NotFound && known.is_none() => {
            let mut bytes = [0; 32];
            SystemEntropy.fill(&mut bytes);
            write_private(&key_file, &bytes)?;
            tracing::warn!("made a new key for the witness, `{shown}`: keep a copy of it");
            SigningKey::from_bytes(&bytes)
        }
        Err(why) => return Err(why).with_context(|| format!("cannot read `{shown}`; restore it from a backup")),
    };
    let name = match (name, &known) {
        (Some(name), _) => KeyName::parse(name)?,
        (None, Some(known)) => known.name().clone(),
        (None, None) => {
            let digest = Digest::of(key.verifying_key().as_bytes()).to_string();
            KeyName::parse(&format!("countersign.invalid/witness/{}", digest.get(..16).unwrap_or_default()))?
        }
    };
    let cosigner = Cosigner::new(name, key);
    match known {
        Some(known) if known != *cosigner.verifier() => bail!(
            "this witness is `{known}`, and would now be `{}`: a key serves one name, so another needs a directory of \
             its own",
            cosigner.verifier()
        ),
        Some(_) => {}
        None => write_private(&vkey_file, format!("{}\n", cosigner.verifier()).as_bytes())?,
    }
    Ok(cosigner)
}

/// The last checkpoint of a log that was cosigned.
fn remembered(file: &Path, origin: &Origin) -> Result<Seen> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Seen { head: TreeHead::EMPTY, note: None }),
        Err(why) => return Err(why).with_context(|| format!("cannot read `{}`", file.display())),
    };
    let note = Note::parse(&bytes).ok();
    let checkpoint = note.as_ref().and_then(|note| Checkpoint::parse(note.text()).ok());
    match checkpoint.filter(|checkpoint| checkpoint.origin() == origin) {
        Some(checkpoint) => Ok(Seen { head: checkpoint.head(), note }),
        None => bail!(
            "`{}` is not a checkpoint of `{origin}`: what this witness cosigned is lost, and going on without it could \
             vouch for another history; restore it from a backup",
            file.display()
        ),
    }
}

/// The split views that were kept, oldest first.
fn splits(dir: &Path) -> Result<Vec<Split>> {
    let mut found: Vec<Split> = Vec::new();
    for file in std::fs::read_dir(dir.join("splits"))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = std::fs::read(&path)?;
            found.push(serde_json::from_slice(&bytes).with_context(|| format!("`{}`", path.display()))?);
        }
    }
    found.sort_by(|a, b| a.found_at.cmp(&b.found_at));
    Ok(found)
}
