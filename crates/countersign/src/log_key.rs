//! The key that signs the log: its file, and what the record says of it.
//!
//! A rotation goes in three steps, and each can be the last before a crash:
//!
//! 1. the new key is written to `<key file>.next`;
//! 2. the entry that names it, with the old key's endorsement, is recorded;
//! 3. `<key file>.next` is renamed to the key file.
//!
//! After the first, the old key goes on signing; rotating again takes the prepared
//! key. After the second, the next start or rotation does the third before
//! anything is signed. So no tree that holds the entry is ever signed by the old key.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_core::Digest;
use countersign_engine::{Engine, Entropy, RecordedKey, SystemEntropy};
use countersign_evidence::log::note::{KeyName, Signer, VerifierKey};
use countersign_evidence::log::rotation::endorse;
use countersign_evidence::trace::key::{signing_key_from_pem, signing_key_to_pem};
use ed25519_dalek::SigningKey;

use crate::data_dir::{is_open, write_private};

/// The log's key in the data directory at `dir`, where none is configured.
pub fn default_file(dir: &Path) -> PathBuf {
    dir.join("log.key")
}

/// Reads the private key in the file at `path`; `None` where there is no file.
pub fn read(path: &Path) -> Result<Option<SigningKey>> {
    Ok(read_with_form(path)?.map(|(key, _)| key))
}

#[derive(Clone, Copy)]
enum Form {
    Bytes,
    Pem,
}

fn read_with_form(path: &Path) -> Result<Option<(SigningKey, Form)>> {
    let shown = path.display();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why).with_context(|| format!("cannot read `{shown}`")),
    };
    let invalid = || {
        anyhow!(
            "`{shown}` is not the key of a log: expected an Ed25519 private key, as PEM (PKCS#8, `BEGIN PRIVATE KEY`) \
             or as its 32 bytes; `openssl genpkey -algorithm ed25519` makes one"
        )
    };
    if let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(Some((SigningKey::from_bytes(&bytes), Form::Bytes)));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid())?;
    Ok(Some((signing_key_from_pem(text).map_err(|_| invalid())?, Form::Pem)))
}

/// The file that holds the log's key, and the one beside it while a rotation is on
/// its way.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    may_make: bool,
}

/// The key that signs from here on.
pub struct Settled {
    /// The key.
    pub signer: Signer,
    /// What the record says of it.
    pub recorded: RecordedKey,
    /// Whether a rotation that had stopped half-way was finished.
    pub is_finished: bool,
}

impl Settled {
    /// What an operator should know of the key.
    pub fn warning(&self) -> Option<String> {
        let previous = self.recorded.previous.as_ref().filter(|_| self.recorded.is_unvouched())?;
        Some(format!(
            "the log's key changed from `{previous}` without its endorsement: whoever trusts that one cannot follow, \
             and must be told of `{}` by you",
            self.recorded.vkey
        ))
    }
}

/// A key that took another's place.
pub struct Rotated {
    /// The one before.
    pub previous: VerifierKey,
    /// The one that signs from here on.
    pub signer: Signer,
    /// The position of the entry that says so, where this run recorded it.
    pub entry: Option<u64>,
}

impl KeyFile {
    /// The configured file, or the one in the data directory at `dir`, which is
    /// made where there is none.
    pub fn new(dir: &Path, configured: Option<&Path>) -> Self {
        Self { path: configured.map_or_else(|| default_file(dir), Path::to_owned), may_make: configured.is_none() }
    }

    fn next(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".next");
        name.into()
    }

    /// Puts the prepared key in place of the one that signed so far.
    fn swap(&self) -> Result<()> {
        let swap = || {
            std::fs::rename(self.next(), &self.path)?;
            File::open(self.path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new(".")))?.sync_all()
        };
        swap().with_context(|| {
            format!(
                "the rotation is recorded, but `{}` cannot be renamed to `{}`; do so before the next start",
                self.next().display(),
                self.path.display()
            )
        })
    }

    fn make(&self, known: Option<&RecordedKey>) -> Result<SigningKey> {
        let shown = self.path.display();
        if let Some(known) = known {
            bail!(
                "`{shown}` is missing, and the log is signed with the key in it (`{}`); restore it from a backup, or, \
                 if it is lost, make another with `(umask 077; head -c 32 /dev/urandom > {shown})`: the log then \
                 records that nobody vouches for the new key",
                known.vkey
            );
        }
        if !self.may_make {
            bail!("`{shown}`, the configured key of the log, is missing");
        }
        let key = new_key();
        write_private(&self.path, key.as_bytes())?;
        tracing::warn!("made a new key for the transparency log, `{shown}`: keep a copy of it");
        Ok(key)
    }

    /// The next key, made where there is none yet. It is kept in the form of the one
    /// that signs now.
    fn prepare(&self) -> Result<SigningKey> {
        if let Some(key) = read(&self.next())? {
            return Ok(key);
        }
        let key = new_key();
        match read_with_form(&self.path)? {
            Some((_, Form::Pem)) => write_private(&self.next(), signing_key_to_pem(&key)?.as_bytes())?,
            _ => write_private(&self.next(), key.as_bytes())?,
        }
        Ok(key)
    }

    /// The key that signs from here on, and is recorded as such: the one in the
    /// file, or the prepared one where a rotation was recorded and not finished. A
    /// key that no other vouches for is recorded too, if it `may_be_forced`.
    pub async fn settle(
        &self,
        engine: &Engine,
        recorded: Option<RecordedKey>,
        origin: Option<&str>,
        may_be_forced: bool,
    ) -> Result<Settled> {
        let mut found = read(&self.path)?;
        let next = read(&self.next())?;
        let is_finished = recorded.as_ref().is_some_and(|known| stopped_half_way(known, found.as_ref(), next.as_ref()));
        if is_finished {
            self.swap()?;
            found = next;
            tracing::info!("finished the rotation of the log's key that had stopped half-way");
        } else if next.is_some() {
            tracing::warn!(
                "`{}` holds a key that is prepared for the log and not in use: `countersign log rotate-key` puts it in \
                 place; remove it to give it up",
                self.next().display()
            );
        }
        let key = match found {
            Some(key) => key,
            None => self.make(recorded.as_ref())?,
        };
        if is_open(&self.path) {
            let shown = self.path.display();
            tracing::warn!("others may read `{shown}`: whoever has it can sign as the log; run `chmod 600 {shown}`");
        }
        let signer = Signer::new(name(origin, recorded.as_ref(), &key)?, key);
        let recorded = match recorded {
            Some(known) if known.vkey == *signer.verifier() => known,
            Some(known) if !may_be_forced => bail!(
                "`{}` holds `{}`, and the log is signed with `{}`: only that key can endorse another; is another \
                 origin or `evidence.key_file` configured? Name the configuration with `--config`",
                self.path.display(),
                signer.verifier(),
                known.vkey
            ),
            before => record(engine, before, signer.verifier()).await?,
        };
        let settled = Settled { signer, recorded, is_finished };
        if let Some(warning) = settled.warning() {
            tracing::error!("{warning}");
        }
        Ok(settled)
    }

    /// The key that is prepared to follow, made where there is none yet.
    pub fn prepared(&self, settled: &Settled) -> Result<Signer> {
        Ok(Signer::new(settled.signer.verifier().name().clone(), self.prepare()?))
    }

    /// Replaces the key of a log that no server publishes meanwhile.
    pub async fn rotate(&self, engine: &Engine, settled: Settled) -> Result<Rotated> {
        let previous = settled.signer.verifier().clone();
        let signer = self.prepared(&settled)?;
        let vkey = signer.verifier();
        let endorsement = endorse(&settled.signer, vkey)
            .with_context(|| format!("the key prepared in `{}` cannot follow", self.next().display()))?;
        let (_, entry) = engine.record_log_key(Some(settled.recorded), vkey, Some(&endorsement)).await?;
        self.swap()?;
        Ok(Rotated { previous, signer, entry })
    }
}

/// Whether the prepared key is the recorded one already, and the file still holds
/// the one before it.
fn stopped_half_way(known: &RecordedKey, found: Option<&SigningKey>, next: Option<&SigningKey>) -> bool {
    let is_known = next.is_some_and(|next| next.verifying_key() == *known.vkey.key());
    let previous = known.previous.as_deref().and_then(|previous| VerifierKey::parse(previous).ok());
    let is_previous = |found: &SigningKey| previous.is_some_and(|previous| found.verifying_key() == *previous.key());
    is_known && found.is_none_or(is_previous)
}

/// Records a key that no other vouches for: the first, or one that was put in place
/// by force.
async fn record(engine: &Engine, before: Option<RecordedKey>, vkey: &VerifierKey) -> Result<RecordedKey> {
    let (recorded, _) = engine.record_log_key(before, vkey, None).await.context("the log's key cannot be recorded")?;
    Ok(recorded)
}

fn new_key() -> SigningKey {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    SigningKey::from_bytes(&bytes)
}

/// What the log is called: as configured, as before, or, where its operator never
/// named it, so that no two are the same.
fn name(origin: Option<&str>, recorded: Option<&RecordedKey>, key: &SigningKey) -> Result<KeyName> {
    match (origin, recorded) {
        (Some(origin), _) => {
            KeyName::parse(origin).with_context(|| format!("`evidence.origin`: `{origin}` cannot name a log"))
        }
        (None, Some(recorded)) => Ok(recorded.vkey.name().clone()),
        (None, None) => {
            let digest = Digest::of(key.verifying_key().as_bytes()).to_string();
            Ok(KeyName::parse(&format!("countersign.invalid/{}", digest.get(..16).unwrap_or_default()))?)
        }
    }
}
