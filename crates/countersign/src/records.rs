//! Trust Records: the key that signs them, and what they say of this server.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_core::Digest;
use countersign_engine::{Entropy, SystemEntropy, Tracing};
use countersign_evidence::trace::agt::Settings;
use countersign_evidence::trace::digest::TaggedDigest;
use countersign_evidence::trace::key::{SigningKey, signing_key_from_pem, signing_key_to_pem};
use countersign_evidence::trace::record::Subject;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::config::Trace;
use crate::data_dir::{DataDir, is_open, write_private};

/// The environment variable that may hold the key, as PEM.
pub const KEY_VARIABLE: &str = "TRACE_PRIVATE_KEY_PEM";

/// Who would appraise records, where the operator names nobody.
const NOBODY: &str = "https://countersign.invalid/not-appraised";

impl Trace {
    /// What is wrong with the values.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(why) = Settings::from_trace_config(&self.trace_config()) {
            problems.push(format!("`trace`: {why}"));
        }
        if let Some(domain) = &self.trust_domain {
            let is_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
            if domain.is_empty() || !domain.chars().all(is_domain) {
                problems.push(format!(
                    "`trace.trust_domain`: `{domain}` is no SPIFFE trust domain such as `agents.example`"
                ));
            }
        }
        if let Some(url) = &self.public_url {
            let host = url.strip_prefix("https://");
            if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' '])) {
                problems
                    .push(format!("`trace.public_url`: `{url}` is no base URL such as `https://countersign.example`"));
            }
        }
        problems.extend(self.given_key().err().map(|why| why.to_string()));
        problems
    }

    /// The fields that are those of `TraceConfig`.
    fn trace_config(&self) -> Map<String, Value> {
        let ours = ["key_file", "trust_domain", "public_url"];
        let mut fields = match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        fields.retain(|name, _| !ours.contains(&name.as_str()));
        fields.entry("appraisal_verifier").or_insert_with(|| NOBODY.into());
        fields
    }

    /// The key that the operator gave, if any.
    fn given_key(&self) -> Result<Option<SigningKey>> {
        #[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
        let in_environment = std::env::var(KEY_VARIABLE).ok().filter(|pem| !pem.trim().is_empty());
        let not_a_key = "expected an Ed25519 key as PEM (PKCS#8), such as `openssl genpkey -algorithm ed25519` makes";
        let in_environment = in_environment
            .map(|pem| signing_key_from_pem(&pem).map_err(|_| anyhow!("{KEY_VARIABLE}: {not_a_key}")))
            .transpose()?;
        let in_file = match &self.key_file {
            Some(path) => {
                let shown = path.display();
                let pem = std::fs::read_to_string(path)
                    .map_err(|why| anyhow!("`trace.key_file`: cannot read `{shown}`: {why}"))?;
                Some(signing_key_from_pem(&pem).map_err(|_| anyhow!("`trace.key_file`: `{shown}`: {not_a_key}"))?)
            }
            None => None,
        };
        match (in_file, in_environment) {
            (Some(file), Some(environment)) if file != environment => {
                bail!("`trace.key_file` and {KEY_VARIABLE} hold different keys: keep one of them")
            }
            (file, environment) => Ok(file.or(environment)),
        }
    }
}

/// How this server makes records.
pub fn signing(data: &DataDir, config: &Trace) -> Result<Tracing> {
    let key = match config.given_key()? {
        Some(key) => key,
        None => kept_key(data.path())?,
    };
    let fields = config.trace_config();
    let mut made = Tracing::new(key, &fields).map_err(|why| anyhow!("`trace`: {why}"))?;
    if let Some(domain) = &config.trust_domain {
        Subject::parse(&format!("spiffe://{domain}/agent/a")).context("`trace.trust_domain`")?;
        made.trust_domain.clone_from(domain);
    }
    made.public_url.clone_from(&config.public_url);
    made.build = running_program();
    if config.output_path.is_some() {
        let settings = made.settings.clone();
        made.sink = Some(Box::new(move |session, iat, record| write(&settings, session, iat, record)));
    }
    Ok(made)
}

/// The key in the data directory; made on the first start.
fn kept_key(dir: &Path) -> Result<SigningKey> {
    let path = dir.join("trace.pem");
    let shown = path.display();
    if path.exists() {
        if is_open(&path) {
            tracing::warn!("others may read `{shown}`: whoever has it can sign records; run `chmod 600 {shown}`");
        }
        let pem = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{shown}`"))?;
        return signing_key_from_pem(&pem)
            .map_err(|_| anyhow!("`{shown}` is not an Ed25519 key as PEM; restore it from a backup"));
    }
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    let key = SigningKey::from_bytes(&bytes);
    let pem = signing_key_to_pem(&key).map_err(|why| anyhow!("the new key cannot be written: {why}"))?;
    write_private(&path, pem.as_bytes())?;
    tracing::warn!("made a new key for Trust Records, `{shown}`: keep a copy of it");
    Ok(key)
}

/// The digest of the running program, computed beside everything else: it is
/// wanted only once a session is closed.
fn running_program() -> Box<dyn Fn() -> TaggedDigest + Send + Sync> {
    fn digest() -> TaggedDigest {
        let program = std::env::current_exe().and_then(File::open).and_then(sha256);
        let program = program.inspect_err(|why| tracing::warn!(%why, "the running program cannot be read"));
        program.unwrap_or_else(|_| Digest::of(b"")).into()
    }
    let lazy: Arc<LazyLock<TaggedDigest>> = Arc::new(LazyLock::new(digest));
    let early = Arc::clone(&lazy);
    let started = std::thread::Builder::new().name("digest".into()).spawn(move || LazyLock::force(&early).clone());
    // Without the thread, the first close computes it.
    drop(started);
    Box::new(move || LazyLock::force(&lazy).clone())
}

/// The digest of all there is to read, of which it holds one piece at a time: a
/// program with what debuggers want can be larger than all that the server keeps.
fn sha256(mut from: impl Read) -> std::io::Result<Digest> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            read => hash.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// Writes a record where the operator wants a copy. The store has it already.
fn write(settings: &Settings, session: &str, iat: u64, record: &Value) {
    let Some(path) = settings.file_for(iat, Some(session)) else { return };
    let path = Path::new(&path);
    let written = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, format!("{record:#}\n"))
    };
    if let Err(why) = written() {
        tracing::warn!(%why, path = %path.display(), "a record could not be written there; the server has it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_that_is_read_in_pieces_is_that_of_the_whole() {
        for length in [0, 1, 64 * 1024, 200_000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            assert_eq!(sha256(bytes.as_slice()).unwrap(), Digest::of(&bytes), "{length}");
        }
    }
}
