//! The keys that a reader was given, from someone other than who is checked.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use countersign_evidence::log::checkpoint::{Checkpoint, Opened, Origin, Trust, Untrusted};
use countersign_evidence::log::note::{Algorithm, Note, VerifierKey};
use countersign_evidence::trace::json;
use countersign_evidence::trace::key::PublicKey;

/// What to say where there is no key.
pub const NO_KEY: &str = "give the log's verifier key with `--vkey`, from someone other than who gave you this";

/// The verifier keys of logs, and of witnesses that must have cosigned.
#[derive(Debug, Default)]
pub struct LogKeys {
    log: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
}

impl LogKeys {
    /// Takes the keys; those of type 4 are witnesses'.
    pub fn new(keys: Vec<VerifierKey>) -> Result<Self> {
        let (log, witnesses): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.algorithm() == Algorithm::Ed25519);
        if let Some(name) = witnesses.first().map(VerifierKey::name).filter(|_| log.is_empty()) {
            bail!("`{name}` is a witness's key, of type 4: give the log's own, of type 1, too");
        }
        let keys = Self { log, witnesses };
        if let Some(first) = keys.log.first() {
            keys.trust(first)?;
        }
        Ok(keys)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// With the key `own` where none was given.
    pub fn or(mut self, own: Option<VerifierKey>) -> Self {
        if self.is_empty() {
            self.log.extend(own);
        }
        self
    }

    /// Believes a checkpoint, or says why not; `Ok(None)` where there is no key.
    pub fn open(&self, note: &Note) -> Result<Option<Opened>, Untrusted> {
        let Some(first) = self.log.first() else { return Ok(None) };
        let checkpoint = Checkpoint::parse(note.text())?;
        let own = self.log.iter().find(|key| key.name().as_str() == checkpoint.origin().as_str());
        match self.trust(own.unwrap_or(first)) {
            Ok(trust) => trust.open(note).map(Some),
            // `new` has made sure that the witnesses can vouch.
            Err(_) => Ok(None),
        }
    }

    fn trust(&self, log: &VerifierKey) -> Result<Trust> {
        let own = self.log.iter().filter(|key| key.name() == log.name()).cloned().collect();
        let trust = Trust::new(Origin::from(log.name()), own);
        trust.witnessed(self.witnesses.clone(), self.witnesses.len()).context("`--vkey`")
    }
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
