//! The keys that a reader was given, from someone other than who is checked, and
//! those that a log's entries lead to from there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use countersign_evidence::event::{Event as _, LogKey};
use countersign_evidence::log::checkpoint::{Checkpoint, Opened, Origin, Trust, Untrusted};
use countersign_evidence::log::note::{Algorithm, KeyName, Note, VerifierKey};
use countersign_evidence::log::rotation::{Break, Keys};
use countersign_evidence::trace::json;
use countersign_evidence::trace::key::PublicKey;

/// What to say where there is no key.
pub const NO_KEY: &str = "give the log's verifier key with `--vkey`, from someone other than who gave you this";

/// The verifier keys of logs, and of witnesses that must have cosigned.
#[derive(Debug, Default)]
pub struct LogKeys {
    log: Vec<Keys>,
    witnesses: Vec<VerifierKey>,
}

/// Why a checkpoint is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not what the trusted keys sign.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Its entries say that another key holds, which the trusted one does not lead to.
    #[error("its log went on with another key: {0}")]
    Lost(Break),
}

impl LogKeys {
    /// Takes the keys; those of type 4 are witnesses'.
    pub fn new(keys: Vec<VerifierKey>) -> Result<Self> {
        let (log, witnesses): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.algorithm() == Algorithm::Ed25519);
        if let Some(name) = witnesses.first().map(VerifierKey::name).filter(|_| log.is_empty()) {
            bail!("`{name}` is a witness's key, of type 4: give the log's own, of type 1, too");
        }
        if let Some(first) = log.first() {
            trust(first.name(), vec![first.clone()], &witnesses)?;
        }
        Ok(Self { log: log.into_iter().map(Keys::trusting).collect(), witnesses })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// With the key `own` where none was given.
    pub fn or(mut self, own: Option<VerifierKey>) -> Self {
        if self.is_empty() {
            self.log.extend(own.map(Keys::trusting));
        }
        self
    }

    /// Takes the log's entry of kind `kind` at `index` into account: it may name the
    /// key that signs after it. Every entry must be shown, in order.
    pub fn follow(&mut self, index: u64, kind: &str, entry: &[u8]) {
        if kind == LogKey::KIND {
            self.log.iter_mut().for_each(|keys| keys.follow(index, entry));
        }
    }

    /// Believes a checkpoint, or says why not; `Ok(None)` where there is no key.
    pub fn open(&self, note: &Note) -> Result<Option<Opened>, Refused> {
        let Some(first) = self.log.first() else { return Ok(None) };
        let checkpoint = Checkpoint::parse(note.text()).map_err(Untrusted::from)?;
        let known = self.log.iter().map(Keys::name).find(|name| name.as_str() == checkpoint.origin().as_str());
        let name = known.unwrap_or(first.name());
        let mut own: Vec<VerifierKey> = Vec::new();
        let mut lost = None;
        for keys in self.log.iter().filter(|keys| keys.name() == name) {
            match keys.of_tree(checkpoint.head().size) {
                Ok(key) if own.contains(key) => (),
                Ok(key) => own.push(key.clone()),
                Err(why) => lost = lost.or(Some(why)),
            }
        }
        match (own.is_empty(), lost) {
            (true, Some(why)) => Err(Refused::Lost(why.clone())),
            // `new` has made sure that the witnesses can vouch.
            _ => Ok(trust(name, own, &self.witnesses).ok().map(|trust| trust.open(note)).transpose()?),
        }
    }
}

fn trust(log: &KeyName, keys: Vec<VerifierKey>, witnesses: &[VerifierKey]) -> Result<Trust> {
    let trust = Trust::new(Origin::from(log), keys);
    trust.witnessed(witnesses.to_vec(), witnesses.len()).context("`--vkey`")
}

/// Reads public keys from files: a JWK, a JWK set, or PEM.
pub fn public_keys(files: &[PathBuf]) -> Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for file in files {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the key `{shown}`"))?;
        keys.extend(read_keys(&text).with_context(|| format!("`{shown}` holds no public key"))?);
    }
    Ok(keys)
}

fn read_keys(text: &str) -> Result<Vec<PublicKey>> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(vec![PublicKey::from_pem(text)?]);
    }
    let jwk = json::read(text.as_bytes()).context("expected a JWK, a JWK set, or a public key in PEM")?;
    match jwk.get("keys").and_then(serde_json::Value::as_array) {
        Some(keys) => Ok(keys.iter().map(PublicKey::from_jwk).collect::<Result<_, _>>()?),
        None => Ok(vec![PublicKey::from_jwk(&jwk)?]),
    }
}

/// Reads a file of JSON that has one meaning for every reader.
pub fn json_file(file: &Path) -> Result<serde_json::Value> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    json::read(&bytes).with_context(|| format!("`{}` is not JSON that can be verified", file.display()))
}
