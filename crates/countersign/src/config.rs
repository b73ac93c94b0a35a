//! The configuration file: what may be chosen, and what was.
//!
//! Every setting but the data directory has a default that is safe. Unknown
//! keys are refused with the nearest right one, and every problem is named
//! before anything starts. Secrets are named by file or environment, never
//! written here. Relative paths begin at the file's own folder.

mod guardian;

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_engine::{Durability, Settings};
use countersign_evidence::log::note::{Algorithm, KeyName, VerifierKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data_dir::is_open;
use crate::listen::Address;
use crate::log_key;
use crate::logging::{LogFormat, LogLevel};
use crate::nearest::nearest;
use crate::policies::Folder;

pub use guardian::{Content, Deep, Guardian, Shown};

/// The environment variable that may hold the first administrator's key.
pub const ADMIN_KEY_VARIABLE: &str = "COUNTERSIGN_BOOTSTRAP_ADMIN_KEY";

/// The configuration of `countersign serve`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    #[serde(default)]
    pub server: Server,
    /// What it keeps, and where.
    pub storage: Storage,
    /// When a record counts as made.
    #[serde(default)]
    pub recording: Recording,
    /// Sessions.
    #[serde(default)]
    pub sessions: Sessions,
    /// How often agents may ask. An organisation's own choice comes first.
    #[serde(default)]
    pub limits: Limits,
    /// Policies, in Cedar.
    #[serde(default)]
    pub policy: Policy,
    /// What is looked at beyond the rules.
    #[serde(default)]
    pub guardian: Guardian,
    /// The transparency log.
    #[serde(default)]
    pub evidence: Evidence,
    /// Trust Records of closed sessions.
    #[serde(default)]
    pub trace: Trace,
    /// What is kept of what agents send.
    #[serde(default)]
    pub capture: Capture,
    /// What the first start makes.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// Logs, on standard error.
    #[serde(default)]
    pub log: Log,
}

/// Where it listens.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The addresses: `IP:PORT`, or `unix:PATH`.
    pub listen: Vec<String>,
    /// The base URLs by which clients reach it, where they differ from the addresses.
    pub public_urls: Vec<String>,
    /// How many threads answer requests. Without it, one for each core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroUsize>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: vec!["127.0.0.1:8080".into()], public_urls: Vec::new(), workers: None }
    }
}

/// What it keeps, and where.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// The folder that holds the record and the seal key. It is made on the first start.
    pub data_dir: PathBuf,
}

/// When a record counts as made.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    /// When a check with a read effect is answered. Everything above a read
    /// is always `sync`.
    pub read_durability: ReadDurability,
}

/// When a check with a read effect is answered.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadDurability {
    /// After its record is on disk.
    #[default]
    Sync,
    /// Once its record is queued; a crash within about a millisecond loses it.
    Grouped,
}

/// Sessions.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// How long a session lives, in seconds: from 1 to 2,592,000 (30 days).
    #[schemars(range(min = 1, max = 2_592_000))]
    pub lifetime_seconds: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { lifetime_seconds: Settings::default().session_lifetime.as_secs() }
    }
}

/// How often agents may ask. An organisation's own choice comes first.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How many checks a minute for one agent; 0 is without limit.
    pub agent_per_minute: u32,
    /// How many checks a minute for one tool of an organisation; 0 is without limit.
    pub tool_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let Settings { agent_per_minute, tool_per_minute, .. } = Settings::default();
        Self { agent_per_minute, tool_per_minute }
    }
}

/// What the first start makes.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// The name of the first organisation.
    pub organisation: String,
    /// A file with the first administrator's key: `sk_` and at least 21 more
    /// characters. `COUNTERSIGN_BOOTSTRAP_ADMIN_KEY` can hold it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key_file: Option<PathBuf>,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { organisation: "default".into(), admin_key_file: None }
    }
}

/// The transparency log.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// What the log is called in its checkpoints and its key, such as
    /// `example.com/countersign`: without it, a name made from its first key. It
    /// can not be changed without starting another log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// A file with the key that signs checkpoints: an Ed25519 private key, as PEM
    /// (PKCS#8) or 32 bytes. Without it, `log.key` in the data directory, which the
    /// first start makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Who is asked to cosign every checkpoint.
    pub witnesses: Vec<Witness>,
    /// How many of them must have cosigned a checkpoint before it is published;
    /// decisions never wait for it.
    pub witness_quorum: usize,
}

/// A witness of the log: <https://c2sp.org/tlog-witness>.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its base URL, to which `/add-checkpoint` is appended.
    pub url: String,
    /// Its verifier key, as it prints it: one line of text.
    pub key: String,
}

impl Evidence {
    /// What is wrong with the values.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(origin) = &self.origin {
            problems.extend(KeyName::parse(origin).err().map(|why| format!("`evidence.origin`: {why}")));
        }
        if let Some(file) = &self.key_file {
            let shown = file.display();
            match log_key::read(file) {
                Ok(Some(_)) => {}
                Ok(None) => problems.push(format!(
                    "`evidence.key_file`: `{shown}` is not there; make a key with `(umask 077; openssl genpkey \
                     -algorithm ed25519 -out {shown})`"
                )),
                Err(why) => problems.push(format!("`evidence.key_file`: {why:#}")),
            }
        }
        let mut known: Vec<VerifierKey> = Vec::new();
        for witness in &self.witnesses {
            match witness.check() {
                Ok(key) if known.iter().any(|other| other.key() == key.key() || other.name() == key.name()) => {
                    problems.push(format!("`evidence.witnesses`: `{}` is there twice, by name or by key", key.name()));
                }
                Ok(key) => known.push(key),
                Err(why) => problems.push(format!("`evidence.witnesses`: {why}")),
            }
        }
        if self.witness_quorum > self.witnesses.len() {
            problems.push(format!(
                "`evidence.witness_quorum` is {}, and {} witnesses are configured",
                self.witness_quorum,
                self.witnesses.len()
            ));
        }
        problems
    }
}

impl Witness {
    /// The key, if both it and the URL are right.
    pub fn check(&self) -> Result<VerifierKey, String> {
        let host = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' '])) {
            return Err(format!("`{}` is not a base URL such as `https://witness.example`", self.url));
        }
        let key = VerifierKey::parse(&self.key).map_err(|why| format!("`{}`: {why}", self.key))?;
        match key.algorithm() {
            Algorithm::CosignatureV1 => Ok(key),
            Algorithm::Ed25519 => {
                Err(format!("`{key}` is the key of a log: expected the key of a witness, of type 4 (cosignature)"))
            }
        }
    }
}

/// Policies, in Cedar. Without a folder there are none.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The folder they are in. It is read again when something in it changes; what
    /// is wrong never replaces what holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// What holds where none speaks of a call: `deny` refuses it, `allow` leaves it
    /// to the other gates.
    pub default: PolicyDefault,
}

/// What holds where no policy speaks of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PolicyDefault {
    /// It is refused.
    #[default]
    Deny,
    /// It goes on to the other gates.
    Allow,
}

/// What is kept of what agents send. The record holds digests in any case.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Keep the arguments of every check, sealed with `capture.key` in
    /// `payloads.db`, both in the data directory.
    pub arguments: bool,
    /// For how many days they are kept: from 1 to 3,650.
    #[schemars(range(min = 1, max = 3_650))]
    pub retention_days: u64,
}

impl Default for Capture {
    fn default() -> Self {
        Self { arguments: false, retention_days: 30 }
    }
}

/// Trust Records of closed sessions. From `output_path` on, the fields are those
/// of the Agent Governance Toolkit's `TraceConfig`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Trace {
    /// A file with the Ed25519 key that signs records, as PEM (PKCS#8).
    /// `TRACE_PRIVATE_KEY_PEM` can hold the same text instead; without either,
    /// `trace.pem` in the data directory, made on the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The SPIFFE trust domain in which records name agents that have no name
    /// of their own. Without it, `countersign.invalid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
    /// The base URL, `https://…`, at which auditors reach this server. With it,
    /// records say where they are logged (`transparency`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// A file to write each record to as well, or a folder, ending in `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_path: Option<String>,
    /// Who provides the model that agents run on. Without it, `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_provider: Option<String>,
    /// What the provider calls it. Without it, `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// How well the build of this server is attested: the SLSA level, 0 to 3.
    #[schemars(range(max = 3))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_provenance_slsa_level: Option<u8>,
    /// The digest of this server's binary or image, `sha256:…`. Without it,
    /// that of the running program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_provenance_digest: Option<String>,
    /// Who would appraise a record, as a URI. Nothing here is appraised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appraisal_verifier: Option<String>,
    /// The most sensitive class of data that agents touch. Without it, `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_class: Option<String>,
}

/// Logs, on standard error.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How they are written: `auto` is text on a terminal and JSON elsewhere.
    pub format: LogFormat,
    /// What is written.
    pub level: LogLevel,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n  "))]
pub struct Problems(Vec<String>);

/// The JSON Schema of the file.
pub fn schema() -> schemars::Schema {
    let inlined = schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    inlined.into_generator().into_root_schema_for::<Config>()
}

impl Config {
    /// What holds where nothing but the data directory was chosen.
    pub fn of(data_dir: PathBuf) -> Self {
        Self {
            server: Server::default(),
            storage: Storage { data_dir },
            recording: Recording::default(),
            sessions: Sessions::default(),
            limits: Limits::default(),
            policy: Policy::default(),
            guardian: Guardian::default(),
            evidence: Evidence::default(),
            trace: Trace::default(),
            capture: Capture::default(),
            bootstrap: Bootstrap::default(),
            log: Log::default(),
        }
    }

    /// Reads the file at `path`, and says everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|why| Problems(vec![format!("cannot read the configuration `{shown}`: {why}; the least one names a folder: `[storage]` and `data_dir = \"DIR\"`")]))?;
        let in_file = |problems: Vec<String>| {
            Problems(std::iter::once(format!("`{shown}` is not a configuration:")).chain(problems).collect())
        };
        let mut config = Self::parse(&text).map_err(in_file)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.storage.data_dir = folder.join(&config.storage.data_dir);
        config.trace.key_file = config.trace.key_file.map(|file| folder.join(file));
        // A folder is told by the slash at its end, which joining keeps.
        let output = config.trace.output_path.map(|path| folder.join(path).display().to_string());
        config.trace.output_path = output;
        config.bootstrap.admin_key_file = config.bootstrap.admin_key_file.map(|file| folder.join(file));
        config.evidence.key_file = config.evidence.key_file.map(|file| folder.join(file));
        config.guardian.tier_key_file = config.guardian.tier_key_file.map(|file| folder.join(file));
        if let Some(deep) = &mut config.guardian.deep {
            deep.folder = Some(folder.to_owned());
        }
        config.policy.dir = config.policy.dir.map(|dir| folder.join(dir));
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(in_file(problems)) }
    }

    /// Reads the text of a file.
    fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table = toml::from_str(text).map_err(|why| vec![why.to_string().trim_end().to_owned()])?;
        let right = keys();
        let mut problems = Vec::new();
        unknown(&table, "", &right, &mut problems);
        let data_dir = table.get("storage").and_then(|storage| storage.get("data_dir"));
        if data_dir.is_none() && problems.is_empty() {
            problems.push("`storage.data_dir` is missing: name the folder that is to hold the record".into());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        toml::from_str(text).map_err(|why| vec![why.to_string().trim_end().to_owned()])
    }

    /// What is wrong with the values.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.server.listen.is_empty() {
            problems.push("`server.listen` is empty: expected at least one address".into());
        }
        problems.extend(self.addresses().err().map(|why| format!("`server.listen`: {why}")));
        for url in &self.server.public_urls {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' '])) {
                problems.push(format!(
                    "`server.public_urls`: `{url}` is not a base URL such as `https://countersign.example`"
                ));
            }
        }
        if !(1..=2_592_000).contains(&self.sessions.lifetime_seconds) {
            problems.push("`sessions.lifetime_seconds` must be from 1 to 2592000 (30 days)".into());
        }
        if self.bootstrap.organisation.trim().is_empty() {
            problems.push("`bootstrap.organisation` is empty: expected a name".into());
        }
        if !(1..=3_650).contains(&self.capture.retention_days) {
            problems.push("`capture.retention_days` must be from 1 to 3650".into());
        }
        if let Some(dir) = &self.policy.dir {
            let loaded = Folder::read(dir).and_then(|folder| folder.load());
            problems.extend(loaded.err().map(|why| format!("`policy.dir`: {why:#}")));
        }
        problems.extend(self.guardian.problems());
        problems.extend(self.trace.problems());
        problems.extend(self.admin_key().err());
        problems.extend(self.evidence.problems());
        problems
    }

    /// The addresses to listen on.
    pub fn addresses(&self) -> Result<Vec<Address>, crate::listen::InvalidAddress> {
        self.server.listen.iter().map(|text| text.parse()).collect()
    }

    /// What clients on this machine call the server, where it listens on TCP.
    pub fn url(&self) -> Option<String> {
        let addresses = self.addresses().ok()?;
        let url = |address: &Address| match address {
            Address::Tcp(at) if at.ip().is_unspecified() => Some(format!("http://127.0.0.1:{}", at.port())),
            Address::Tcp(at) => Some(format!("http://{at}")),
            Address::Unix(_) => None,
        };
        addresses.iter().find_map(url)
    }

    /// What the engine needs to know.
    pub fn settings(&self) -> Settings {
        Settings {
            read_durability: match self.recording.read_durability {
                ReadDurability::Sync => Durability::Sync,
                ReadDurability::Grouped => Durability::Grouped,
            },
            session_lifetime: Duration::from_secs(self.sessions.lifetime_seconds),
            agent_per_minute: self.limits.agent_per_minute,
            tool_per_minute: self.limits.tool_per_minute,
            spot: self.guardian.spot(),
            resources: self.guardian.resources.iter().cloned().map(Cow::Owned).collect(),
            spot_deadline: self.guardian.spot_deadline(),
            review_deadline: self.guardian.review_deadline(),
        }
    }

    /// The first administrator's key, where the operator chose one.
    pub fn admin_key(&self) -> Result<Option<String>, String> {
        #[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
        let in_environment = std::env::var(ADMIN_KEY_VARIABLE).ok().map(|key| key.trim().to_owned());
        let in_environment = in_environment.filter(|key| !key.is_empty());
        let in_file = match &self.bootstrap.admin_key_file {
            Some(path) => {
                let key = std::fs::read_to_string(path)
                    .map_err(|why| format!("`bootstrap.admin_key_file`: cannot read `{}`: {why}", path.display()))?;
                Some(key.trim().to_owned())
            }
            None => None,
        };
        let key = match (in_file, in_environment) {
            (Some(file), Some(environment)) if file != environment => {
                return Err(format!(
                    "`bootstrap.admin_key_file` and {ADMIN_KEY_VARIABLE} hold different keys: keep one of them"
                ));
            }
            (file, environment) => file.or(environment),
        };
        // Before the engine is asked: an organisation must not be made for a
        // key that it will then refuse.
        match &key {
            Some(key) if !key.starts_with("sk_") || key.len() < 24 || key.contains(char::is_whitespace) => {
                Err("the first administrator's key must begin with `sk_`, have at least 24 characters and no spaces"
                    .into())
            }
            _ => Ok(key),
        }
    }

    /// What an operator should know, and is no reason not to start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(file) = self.evidence.key_file.as_deref().filter(|file| is_open(file)) {
            let file = file.display();
            warnings.push(format!("others may read the log's key in `{file}`; run `chmod 600 {file}`"));
        }
        if let Some(file) = self.bootstrap.admin_key_file.as_deref().filter(|file| is_open(file)) {
            let file = file.display();
            warnings.push(format!("others may read the administrator's key in `{file}`; run `chmod 600 {file}`"));
        }
        if let Some(file) = self.guardian.tier_key_file.as_deref().filter(|file| is_open(file)) {
            let file = file.display();
            warnings.push(format!("others may read the tiers' key in `{file}`; run `chmod 600 {file}`"));
        }
        for address in self.addresses().unwrap_or_default() {
            if !address.is_local() {
                warnings.push(format!(
                    "`{address}` can be reached from other machines, and keys travel over it unencrypted; \
                     put a proxy that speaks TLS before it"
                ));
            }
            if address.is_split_port() {
                warnings.push(format!(
                    "`{address}`: published clients that are given port 8081 send checks to 8082 and telemetry to \
                     8084; choose another port"
                ));
            }
        }
        warnings
    }
}

/// Every key there is, as dotted paths, sections too: what the schema says.
fn keys() -> Vec<String> {
    let schema = schema();
    let sections = schema.as_value().pointer("/properties").and_then(serde_json::Value::as_object);
    let mut keys = Vec::new();
    for (section, of) in sections.into_iter().flatten() {
        keys.push(section.clone());
        let inside = of.pointer("/properties").and_then(serde_json::Value::as_object);
        keys.extend(inside.into_iter().flat_map(|inside| inside.keys()).map(|key| format!("{section}.{key}")));
    }
    keys
}

/// Names every key of `table` that is none of `right`.
fn unknown(table: &toml::Table, section: &str, right: &[String], problems: &mut Vec<String>) {
    for (key, value) in table {
        let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if !right.contains(&path) {
            problems.push(match nearest(&path, right) {
                Some(meant) => format!("there is no setting `{path}`: did you mean `{meant}`?"),
                None => format!("there is no setting `{path}`; `countersign config schema` lists all there are"),
            });
        } else if let Some(inside) = value.as_table().filter(|_| section.is_empty()) {
            unknown(inside, &path, right, problems);
        }
    }
}
