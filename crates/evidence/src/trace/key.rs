//! Keys: Ed25519, as a JWK, named by thumbprint.
//!
//! Keys are given by the caller. A record carries one too, in `cnf`, which
//! proves nothing: it was written by whoever signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::json;

/// The members of a JWK that hold a private key.
pub(super) const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "k"];

/// The public half of an Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    kid: Option<String>,
    thumbprint: String,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    /// Not an OKP key on Ed25519.
    #[error("expected a JWK with `kty` `OKP` and `crv` `Ed25519`")]
    NotEd25519,
    /// `x` is not the key, in the one spelling it has.
    #[error("`x` is not 32 bytes of a public key in unpadded base64url")]
    NotAPoint,
    /// A private key where a public one was asked for.
    #[error("member `{0}` holds a private key: give the public half")]
    Private(&'static str),
    /// A member that makes up the thumbprint is missing.
    #[error("a JWK of this `kty` has no thumbprint without `{0}`")]
    NoThumbprint(&'static str),
    /// Not a private key in a PEM file.
    #[error("not an Ed25519 private key in PKCS#8 PEM: {0}")]
    NotPem(ed25519_dalek::pkcs8::Error),
    /// Not a public key in a PEM file.
    #[error("not an Ed25519 public key in PEM (`BEGIN PUBLIC KEY`): {0}")]
    NotPublicPem(ed25519_dalek::pkcs8::spki::Error),
}

impl PublicKey {
    /// The public half of `key`, to be named `kid` beside its thumbprint.
    #[must_use]
    pub fn new(key: VerifyingKey, kid: Option<&str>) -> Self {
        let thumbprint = okp_thumbprint(&encode(key.as_bytes()));
        Self { key, kid: kid.map(str::to_owned), thumbprint }
    }

    /// Reads a JWK.
    pub fn from_jwk(jwk: &Value) -> Result<Self, InvalidKey> {
        if let Some(name) = PRIVATE_MEMBERS.iter().find(|name| jwk.get(name).is_some()) {
            return Err(InvalidKey::Private(name));
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if (text("kty"), text("crv")) != (Some("OKP"), Some("Ed25519")) {
            return Err(InvalidKey::NotEd25519);
        }
        let bytes = text("x").and_then(decode).ok_or(InvalidKey::NotAPoint)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidKey::NotAPoint)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidKey::NotAPoint)?;
        Ok(Self::new(key, text("kid").filter(|kid| !kid.is_empty())))
    }

    /// Reads a public key in PEM, as `openssl pkey -pubout` writes it.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(InvalidKey::NotPublicPem)?;
        Ok(Self::new(key, None))
    }

    /// The key as a JWK.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(self.key.as_bytes())});
        if let (Some(members), Some(kid)) = (jwk.as_object_mut(), &self.kid) {
            members.insert("kid".to_owned(), kid.as_str().into());
        }
        jwk
    }

    /// The RFC 7638 thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// What revocations may call the key: its thumbprint, its `kid`.
    pub fn identifiers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.thumbprint.as_str()).chain(self.kid.as_deref())
    }

    /// Whether the key made `signature` over `message`. Strict: weak keys and
    /// every second spelling of a signature are refused.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }

    /// Whether the key signed `object` as records and receipts are: over its
    /// RFC 8785 form without `member`, in base64url at `member`.
    #[must_use]
    pub fn signed_at(&self, object: &Value, member: &str) -> bool {
        let signature = object.get(member).and_then(Value::as_str).and_then(decode);
        signature.is_some_and(|signature| object.as_object().is_some_and(|o| self.signed(o, &signature, member)))
    }

    /// Whether `signature` is the key's over `object` without `member`.
    pub(super) fn signed(&self, object: &Map<String, Value>, signature: &[u8], member: &str) -> bool {
        json::jcs(&without(object, member)).is_ok_and(|body| self.verifies(&body, signature))
    }
}

impl From<&SigningKey> for PublicKey {
    fn from(key: &SigningKey) -> Self {
        Self::new(key.verifying_key(), None)
    }
}

/// `object` without one of its members.
pub(super) fn without(object: &Map<String, Value>, member: &str) -> Value {
    let kept = object.iter().filter(|(name, _)| *name != member);
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Reads a private key as `TRACE_PRIVATE_KEY_PEM` holds it: PKCS#8 in PEM.
pub fn signing_key_from_pem(pem: &str) -> Result<SigningKey, InvalidKey> {
    SigningKey::from_pkcs8_pem(pem.trim()).map_err(InvalidKey::NotPem)
}

/// A private key as it is kept in a file. The public half is left out: readers
/// built on OpenSSL refuse the form that holds both.
pub fn signing_key_to_pem(key: &SigningKey) -> Result<String, InvalidKey> {
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    Ok(pair.to_pkcs8_pem(LineEnding::LF).map_err(InvalidKey::NotPem)?.to_string())
}

/// The RFC 7638 thumbprint of a JWK of any public kind.
pub fn thumbprint(jwk: &Value) -> Result<String, InvalidKey> {
    let members: &[&'static str] = match jwk.get("kty").and_then(Value::as_str) {
        Some("OKP") => &["crv", "kty", "x"],
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("RSA") => &["e", "kty", "n"],
        _ => return Err(InvalidKey::NoThumbprint("kty")),
    };
    let mut kept = Map::new();
    for name in members {
        let value = jwk.get(name).filter(|v| v.as_str().is_some_and(|text| !text.is_empty()));
        kept.insert((*name).to_owned(), value.ok_or(InvalidKey::NoThumbprint(name))?.clone());
    }
    // The names and their order are ASCII, so the text is canonical as it stands.
    let bytes = json::jcs(&Value::Object(kept)).map_err(|_| InvalidKey::NoThumbprint("kty"))?;
    Ok(encode(&Sha256::digest(bytes)))
}

/// `x` is base64url, so nothing needs escaping.
fn okp_thumbprint(x: &str) -> String {
    encode(&Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}

/// Unpadded base64url.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads unpadded base64url in the one spelling its bytes have.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
