//! The vault: what agents sent, kept only where an operator chose so, sealed
//! with XChaCha20-Poly1305 and bound to its decision and organisation.

use std::time::Duration;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use countersign_core::Timestamp;
use countersign_core::id::OrgId;
use countersign_store::{Payloads, StoreError};

use crate::clock::Entropy;
use crate::error::Error;

/// The length of a nonce, in front of what is sealed.
const NONCE: usize = 24;

/// Keeps payloads.
pub struct Vault {
    payloads: Payloads,
    cipher: XChaCha20Poly1305,
    captures: bool,
    keep: Duration,
}

impl Vault {
    /// A vault that seals with `key` and deletes what is older than `keep`.
    /// Where it does not capture, payloads of before are still read.
    #[must_use]
    pub fn new(payloads: Payloads, key: [u8; 32], captures: bool, keep: Duration) -> Self {
        Self { payloads, cipher: XChaCha20Poly1305::new(&key.into()), captures, keep }
    }

    /// Whether new payloads are kept.
    pub(crate) const fn captures(&self) -> bool {
        self.captures
    }

    /// How many payloads are kept.
    pub(crate) fn count(&self) -> Result<u64, StoreError> {
        self.payloads.count()
    }

    /// Seals and keeps `content`.
    pub(crate) fn put(
        &self,
        (id, org): (&str, &OrgId),
        now: Timestamp,
        content: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<(), StoreError> {
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let body = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: content, aad: &bound(id, org) });
        let body = body.map_err(|_| StoreError::Corrupt("a payload is too long to be sealed".into()))?;
        self.payloads.put(id, now.as_millis(), &[&nonce[..], &body].concat())
    }

    /// What is kept as `id`.
    pub(crate) fn open(&self, id: &str, org: &OrgId) -> Result<Option<Vec<u8>>, Error> {
        let Some(sealed) = self.payloads.get(id)? else { return Ok(None) };
        let bound = bound(id, org);
        let opened = sealed.split_first_chunk::<NONCE>().and_then(|(nonce, body)| {
            self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: &bound }).ok()
        });
        let other =
            || Error::Conflict("the payload was sealed with another key, or altered: it cannot be opened".into());
        opened.map(Some).ok_or_else(other)
    }

    /// Whether anything is kept as `id`.
    pub(crate) fn holds(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.payloads.get(id)?.is_some())
    }

    /// Deletes what is kept as `id`.
    pub(crate) fn delete(&self, id: &str) -> Result<(), StoreError> {
        self.payloads.delete(id).map(drop)
    }

    /// Deletes what was kept too long. Returns how many went.
    pub(crate) fn sweep(&self, now: Timestamp) -> Result<usize, StoreError> {
        let keep = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        self.payloads.delete_before(now.as_millis().saturating_sub(keep))
    }
}

/// What a payload belongs to.
fn bound(id: &str, org: &OrgId) -> Vec<u8> {
    format!("{id}/{org}").into_bytes()
}
