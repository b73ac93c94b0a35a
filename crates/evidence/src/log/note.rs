//! Signed notes: text, and lines that say who vouches for it.
//!
//! <https://c2sp.org/signed-note> and, for witnesses' timestamped signatures,
//! <https://c2sp.org/tlog-cosignature>. The text of a note must not be believed
//! before [`Note::verify`] says whose it is; signatures of unknown keys are
//! carried along and prove nothing. Signing keys are made and kept elsewhere.

use std::fmt;

use countersign_core::{Digest, Timestamp};
use ed25519_dalek::{Signature as Ed25519, Signer as _, SigningKey, VerifyingKey};

use super::{base64, line, unbase64};

/// The most signatures a note may carry; Go's `sumdb/note` draws the same line.
const MAX_SIGNATURES: usize = 100;

/// What stands before the name in a signature line: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// The name of a key: what it calls itself, such as `example.com/log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

/// The text cannot name a key.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot name a key: expected text without spaces, `+` or control characters")]
pub struct InvalidKeyName(String);

impl KeyName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyName> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(InvalidKeyName(text.chars().take(64).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Four bytes that tell keys of one name apart. Not a commitment to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// What a key's signatures are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The note's text: type `0x01`.
    Ed25519,
    /// The text and the time of signing, as witnesses do: type `0x04`.
    CosignatureV1,
}

impl Algorithm {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    /// `SHA-256(name ‖ 0x0A ‖ type ‖ public key)[..4]`.
    fn key_id(self, name: &KeyName, key: &VerifyingKey) -> KeyId {
        let bytes = [name.as_str().as_bytes(), b"\n", &[self.byte()], key.as_bytes()].concat();
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        KeyId([a, b, c, d])
    }
}

/// A key that signatures are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    algorithm: Algorithm,
    key: VerifyingKey,
}

/// The text is not a verifier key.
#[derive(Debug, thiserror::Error)]
#[error("expected a verifier key `name+hash+key` of type 1 (Ed25519) or 4 (cosignature) whose hash is right")]
pub struct InvalidVerifierKey;

impl VerifierKey {
    /// The key as one that verifies signatures of this kind.
    #[must_use]
    pub fn new(name: KeyName, algorithm: Algorithm, key: VerifyingKey) -> Self {
        Self { id: algorithm.key_id(&name, &key), name, algorithm, key }
    }

    /// Reads `<name>+<key id, 8 lower-case hex digits>+<base64(type ‖ key)>`.
    pub fn parse(text: &str) -> Result<Self, InvalidVerifierKey> {
        let parsed = Self::read(text).filter(|key| key.to_string() == text);
        parsed.ok_or(InvalidVerifierKey)
    }

    fn read(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (_, key) = rest.split_once('+')?;
        let bytes = unbase64(key)?;
        let (kind, key) = bytes.split_first()?;
        let algorithm = [Algorithm::Ed25519, Algorithm::CosignatureV1].into_iter().find(|a| a.byte() == *kind)?;
        let key = VerifyingKey::try_from(key).ok()?;
        Some(Self::new(KeyName::parse(name).ok()?, algorithm, key))
    }

    /// What the key calls itself.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// What its signatures are over.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Whether `signature` says it is of this key.
    fn claims(&self, signature: &Signature) -> bool {
        signature.id == self.id && signature.name == self.name
    }

    /// When the text was signed, where that is part of the signature; or `Err`.
    fn check(&self, text: &str, signature: &Signature) -> Result<Option<Timestamp>, ()> {
        let verify = |message: &[u8], bytes: &[u8]| {
            let signature = Ed25519::from_slice(bytes).map_err(drop)?;
            // Strict: no key of small order, no other spelling of the signature.
            self.key.verify_strict(message, &signature).map_err(drop)
        };
        match self.algorithm {
            Algorithm::Ed25519 => verify(text.as_bytes(), &signature.bytes).map(|()| None),
            Algorithm::CosignatureV1 => {
                let (seconds, bytes) = signature.bytes.split_first_chunk().ok_or(())?;
                let seconds = i64::from_be_bytes(*seconds);
                if seconds < 0 {
                    return Err(());
                }
                verify(cosigned(text, seconds).as_bytes(), bytes)?;
                Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1000))))
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.algorithm.byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, base64(&key))
    }
}

/// What a witness signs.
fn cosigned(text: &str, seconds: i64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// A key that signs notes as their author.
#[derive(Debug)]
pub struct Signer {
    verifier: VerifierKey,
    key: SigningKey,
}

impl Signer {
    /// Signs as `name` with `key`.
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        Self { verifier: VerifierKey::new(name, Algorithm::Ed25519, key.verifying_key()), key }
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, text: &NoteText) -> Signature {
        Signature::new(&self.verifier, self.key.sign(text.as_str().as_bytes()).to_vec())
    }
}

/// A key that signs notes as a witness of what their author says.
#[derive(Debug)]
pub struct Cosigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl Cosigner {
    /// Cosigns as `name` with `key`. One key must not serve two names: the
    /// signature does not say which.
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        Self { verifier: VerifierKey::new(name, Algorithm::CosignatureV1, key.verifying_key()), key }
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a note's text at a time, which is cut to whole seconds.
    pub(super) fn cosign(&self, text: &NoteText, at: Timestamp) -> Signature {
        let seconds = at.as_millis().div_euclid(1000).max(0);
        let signature = self.key.sign(cosigned(text.as_str(), seconds).as_bytes());
        Signature::new(&self.verifier, [&seconds.to_be_bytes(), signature.to_bytes().as_slice()].concat())
    }
}

/// One signature on a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: KeyName,
    id: KeyId,
    bytes: Vec<u8>,
}

impl Signature {
    fn new(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self { name: key.name.clone(), id: key.id, bytes }
    }

    /// The name of the key it says it is of.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the key it says it is of.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.id
    }

    fn read(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = unbase64(bytes)?;
        let (id, bytes) = bytes.split_first_chunk().filter(|(_, rest)| !rest.is_empty())?;
        Some(Self { name: KeyName::parse(name).ok()?, id: KeyId(*id), bytes: bytes.to_vec() })
    }
}

/// The signature's line, with its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{DASH}{} {}", self.name, base64(&[&self.id.0, self.bytes.as_slice()].concat()))
    }
}

/// Reads signature lines, such as a witness answers with.
pub fn parse_signatures(mut lines: &str) -> Result<Vec<Signature>, InvalidNote> {
    let mut found = Vec::new();
    while !lines.is_empty() {
        let signature = line(&mut lines).and_then(Signature::read).ok_or(InvalidNote::MalformedSignature)?;
        found.push(signature);
        if found.len() > MAX_SIGNATURES {
            return Err(InvalidNote::TooManySignatures);
        }
    }
    Ok(found)
}

/// Text that can be signed: it ends with a newline and has no other control
/// character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteText(String);

impl NoteText {
    /// Takes text to sign.
    pub fn new(text: String) -> Result<Self, InvalidNote> {
        if !text.ends_with('\n') {
            return Err(InvalidNote::Unfinished);
        }
        if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(InvalidNote::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// Takes text whose every line is known to be printable.
    pub(super) const fn of_lines(text: String) -> Self {
        Self(text)
    }

    /// The text, with its last newline.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text and its signatures, none of them verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: NoteText,
    signatures: Vec<Signature>,
}

/// The bytes are not a signed note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNote {
    /// They are not UTF-8.
    #[error("not a note: not UTF-8")]
    NotText,
    /// The text or the last signature does not end with a newline.
    #[error("not a note: expected a newline at the end")]
    Unfinished,
    /// The text has a control character.
    #[error("not a note: a control character other than a newline")]
    ControlCharacter,
    /// No empty line, or no signature after the last one.
    #[error("not a note: expected an empty line and signatures")]
    NoSignatures,
    /// A line after the last empty line is not a signature.
    #[error("not a note: a line after the last empty one is not a signature")]
    MalformedSignature,
    /// There are more signatures than anyone would verify.
    #[error("not a note: more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
}

/// Why a note is nobody's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// None of its signatures is of a known key.
    #[error("no signature is of a known key")]
    NoKnownKey,
    /// A signature says that it is of a known key, and is not.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(KeyName),
}

/// A signature that verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The key it verified with.
    pub key: &'k VerifierKey,
    /// When it was made, if it is a cosignature.
    pub at: Option<Timestamp>,
}

impl Note {
    /// Signs a text.
    #[must_use]
    pub fn sign(text: NoteText, signer: &Signer) -> Self {
        let signatures = vec![signer.sign(&text)];
        Self { text, signatures }
    }

    /// Signs it with one more key, as when a key follows another.
    #[must_use]
    pub fn also_signed_by(mut self, signer: &Signer) -> Self {
        self.signatures.push(signer.sign(&self.text));
        self
    }

    /// Reads a signed note. What it reads prints the same.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidNote> {
        let note = std::str::from_utf8(bytes).map_err(|_| InvalidNote::NotText)?;
        if !note.ends_with('\n') {
            return Err(InvalidNote::Unfinished);
        }
        let blank = note.rfind("\n\n").ok_or(InvalidNote::NoSignatures)?;
        let (text, signatures) = note.split_at(blank + 1);
        let signatures = parse_signatures(signatures.strip_prefix('\n').unwrap_or_default())?;
        if signatures.is_empty() {
            return Err(InvalidNote::NoSignatures);
        }
        Ok(Self { text: NoteText::new(text.to_owned())?, signatures })
    }

    /// The text, which is nobody's word before it is verified.
    #[must_use]
    pub const fn text(&self) -> &NoteText {
        &self.text
    }

    /// The signatures, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Whose word the text is: every signature of one of `keys`. One that says it
    /// is of such a key and does not verify spoils the note.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, Unverified> {
        let mut found = Vec::new();
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.claims(signature)) else { continue };
            let at = key.check(self.text.as_str(), signature);
            found.push(Verified { key, at: at.map_err(|()| Unverified::BadSignature(key.name.clone()))? });
        }
        if found.is_empty() { Err(Unverified::NoKnownKey) } else { Ok(found) }
    }

    /// Takes over those of `signatures` that are of one of `keys` and verify, and
    /// says how many; such as a witness's answer.
    pub fn accept(&mut self, signatures: Vec<Signature>, keys: &[VerifierKey]) -> usize {
        let before = self.signatures.len();
        for signature in signatures {
            let known = keys.iter().find(|key| key.claims(&signature));
            let holds = known.is_some_and(|key| key.check(self.text.as_str(), &signature).is_ok());
            if holds && !self.signatures.contains(&signature) && self.signatures.len() < MAX_SIGNATURES {
                self.signatures.push(signature);
            }
        }
        self.signatures.len() - before
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text.as_str())?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}
