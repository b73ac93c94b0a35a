//! The engine: what everything else hangs on.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::digest::Digest;
use countersign_core::id::{ChainId, OrgId};
use countersign_core::limits::Rate;
use countersign_core::seal::SealKey;
use countersign_evidence::entry::Draft;
use countersign_evidence::event::{Change, Event, Rejection, Revocation};
use countersign_store::{Documents, Ledger, Live, StoreError};

use crate::accounts::Accounts;
use crate::baselines::Baselines;
use crate::caller::Caller;
use crate::changes::Changes;
use crate::clock::{Clock, Entropy};
use crate::content::ContentGuard;
use crate::deep::DeepGuard;
use crate::error::Error;
use crate::policies::Policies;
use crate::published;
use crate::recorder::{Receipt, Recorder};
use crate::recording::Recording;
use crate::registry::Registry;
use crate::resource::RESOURCES;
use crate::signing::Tracing;
use crate::spot::Spot;
use crate::spotter::Spotter;
use crate::tier::Tiers;
use crate::vault::Vault;
use crate::workshop::Workshop;

/// How many rejected authentications are recorded a minute.
const REJECTIONS: Rate = Rate { per_minute: 6_000 };

/// When an answer about a read may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After its record is on disk.
    Sync,
    /// Once its record is queued; it is on disk about a millisecond later.
    /// Everything above a read waits for the disk all the same.
    Grouped,
}

impl Durability {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Grouped => "grouped",
        }
    }
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When an answer about a read may be given.
    pub read_durability: Durability,
    /// How long a session lives.
    pub session_lifetime: std::time::Duration,
    /// How many calls a minute an agent may make, unless its organisation says
    /// otherwise. Zero is without limit.
    pub agent_per_minute: u32,
    /// The same for one tool of an organisation.
    pub tool_per_minute: u32,
    /// What the Spot guard does.
    pub spot: Spot,
    /// The arguments that name what a call touches, the most telling first.
    pub resources: Vec<Cow<'static, str>>,
    /// How long a Spot guard elsewhere may take.
    pub spot_deadline: std::time::Duration,
    /// How long a deep review may take, whatever the reviewer's own limit is.
    pub review_deadline: std::time::Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_durability: Durability::Sync,
            session_lifetime: std::time::Duration::from_hours(1),
            agent_per_minute: 6_000,
            tool_per_minute: 60_000,
            spot: Spot::default(),
            resources: RESOURCES.iter().copied().map(Cow::Borrowed).collect(),
            spot_deadline: std::time::Duration::from_millis(250),
            review_deadline: std::time::Duration::from_secs(25),
        }
    }
}

/// What the engine is made of.
pub struct Parts {
    /// The record.
    pub ledger: Arc<dyn Ledger>,
    /// The documents.
    pub documents: Arc<dyn Documents>,
    /// What every call touches.
    pub live: Arc<dyn Live>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Luck.
    pub entropy: Arc<dyn Entropy>,
    /// The key that seals what grants rights.
    pub seal_key: SealKey,
    /// What the operator chose.
    pub settings: Settings,
    /// How records of closed sessions are made.
    pub tracing: Tracing,
    /// Where payloads are kept, if anywhere.
    pub vault: Option<Vault>,
}

/// Decides, records and answers.
pub struct Engine {
    pub(crate) registry: Arc<Registry>,
    pub(crate) recorder: Recorder,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) live: Arc<dyn Live>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) seal_key: SealKey,
    pub(crate) settings: Settings,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) tracing: Tracing,
    pub(crate) vault: Option<Vault>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) spotter: Spotter,
    pub(crate) deep: Option<Arc<dyn DeepGuard>>,
    pub(crate) content: Option<Arc<ContentGuard>>,
    pub(crate) tiers: Tiers,
}

/// How the engine is.
#[derive(Debug)]
pub struct Health {
    /// Why nothing can be decided, while nothing can.
    pub failure: Option<String>,
    /// When answers about reads are given.
    pub read_durability: Durability,
    /// How many recordings wait.
    pub waiting: usize,
    /// How many entries were recorded since the start.
    pub recorded: u64,
    /// In how many transactions.
    pub commits: u64,
    /// How many reads were answered and then could not be recorded.
    pub lost: u64,
    /// How many sessions are in memory.
    pub sessions: usize,
}

impl Engine {
    /// Loads what the store holds and starts the recorder.
    pub fn start(parts: Parts) -> Result<Self, StoreError> {
        let registry = Arc::new(Registry::load(parts.documents.as_ref())?);
        let baselines = Arc::new(Baselines::load(parts.documents.as_ref())?);
        let policies = Arc::new(published::load(&registry, parts.documents.as_ref())?);
        let accounts = Arc::new(Accounts::load(parts.documents.as_ref())?);
        let shared = (Arc::clone(&parts.ledger), Arc::clone(&parts.live), Arc::clone(&parts.clock));
        let recorder = Recorder::start(shared.0, shared.1, shared.2, Arc::clone(&accounts))?;
        Ok(Self {
            registry,
            recorder,
            accounts,
            ledger: parts.ledger,
            live: parts.live,
            clock: parts.clock,
            entropy: parts.entropy,
            seal_key: parts.seal_key,
            settings: parts.settings,
            documents: parts.documents,
            tracing: parts.tracing,
            vault: parts.vault,
            policies,
            workshop: Arc::default(),
            spotter: Spotter::Here(baselines),
            deep: None,
            content: None,
            tiers: Tiers::default(),
        })
    }

    /// Finishes what waits and stops recording.
    pub fn stop(&self) {
        self.keep_baselines(usize::MAX);
        self.recorder.stop();
    }

    /// How the engine is.
    pub fn health(&self) -> Health {
        let (recorded, commits, lost) = self.recorder.counts();
        Health {
            failure: self.recorder.failure(),
            read_durability: self.settings.read_durability,
            waiting: self.recorder.waiting(),
            recorded,
            commits,
            lost,
            sessions: self.registry.sessions.len(),
        }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// 128 random bits, for an id.
    pub(crate) fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }

    /// A new secret with 256 random bits, and its digest.
    pub(crate) fn secret(&self, prefix: &str) -> (String, Digest) {
        use base64::Engine as _;
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        let secret = format!("{prefix}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes));
        let digest = Digest::of(secret.as_bytes());
        (secret, digest)
    }

    pub(crate) fn draft<E: Event>(&self, chain: ChainId, org: &OrgId, event: &E) -> Result<Draft, Error> {
        draft_at(self.clock.now(), chain, org, event)
    }

    /// Records something that was added or changed, with the change itself.
    pub(crate) async fn change(
        &self,
        caller: &Caller,
        chain: ChainId,
        event: (&'static str, &'static str, &str),
        changes: Changes,
    ) -> Result<Receipt, Error> {
        self.still(caller).await?;
        let (verb, noun, id) = event;
        let event = Change { by: caller.name(), id, noun, verb };
        let recording = Recording::new(self.draft(chain, &caller.org, &event)?);
        Ok(self.recorder.record(changes.onto(recording, &self.registry)).await?)
    }

    /// Records a change that may turn an allow into a refusal: what is being
    /// decided meanwhile is decided again.
    pub(crate) async fn tighten(
        &self,
        caller: &Caller,
        event: (&'static str, &'static str, &str),
        changes: Changes,
    ) -> Result<Receipt, Error> {
        self.still(caller).await?;
        let (verb, noun, id) = event;
        let event = Change { by: caller.name(), id, noun, verb };
        let recording = Recording::new(self.draft(ChainId::from(&caller.org), &caller.org, &event)?).revoking();
        Ok(self.recorder.record(changes.onto(recording, &self.registry)).await?)
    }

    /// Records that a right was taken away, with the change that takes it. When
    /// this returns, no check sees the right any more.
    pub(crate) async fn revocation(
        &self,
        caller: &Caller,
        chain: ChainId,
        event: (&'static str, &'static str, &str, &str),
        changes: Changes,
    ) -> Result<Receipt, Error> {
        self.still(caller).await?;
        let (verb, noun, id, reason) = event;
        let event = Revocation { by: caller.name(), id, noun, reason: clip(reason, 500).into(), verb };
        let recording = Recording::new(self.draft(chain, &caller.org, &event)?).revoking();
        Ok(self.recorder.record(changes.onto(recording, &self.registry)).await?)
    }

    /// Refuses a caller whose credential was taken away since it was checked,
    /// and records that it tried.
    pub(crate) async fn still(&self, caller: &Caller) -> Result<(), Error> {
        match self.still_good(caller) {
            Err(Error::Unauthenticated { code, message }) => Err(self.turned_away(caller, code, message).await),
            other => other,
        }
    }

    /// Records that a caller showed a credential that is not good, and returns
    /// what to answer.
    pub(crate) async fn turned_away(&self, caller: &Caller, code: &'static str, message: &'static str) -> Error {
        let rejection = Rejection { code, credential: "revoked_or_unknown", peer: None, route: "engine".into() };
        match self.reject(Some(&caller.org), &rejection).await {
            Ok(()) => Error::Unauthenticated { code, message },
            Err(why) => why,
        }
    }

    /// Records that a caller could not prove who it is. Whoever guesses faster
    /// than a hundred times a second, all guessers together, is turned away
    /// before the guess counts, so that guessing cannot fill the disk.
    pub async fn reject(&self, org: Option<&OrgId>, rejection: &Rejection<'_>) -> Result<(), Error> {
        if self.live.take("rejections", REJECTIONS, self.clock.monotonic()).is_err() {
            return Err(Error::TooMany("too many callers showed bad credentials; try again in a minute"));
        }
        let chain = org.map_or_else(ChainId::server, ChainId::from);
        let draft =
            Draft::new(chain, org, self.clock.now(), rejection).map_err(|why| Error::Invalid(why.to_string()))?;
        self.recorder.record(Recording::new(draft)).await?;
        Ok(())
    }
}

/// The entry for `event` of `org`, drafted at `time`.
pub(crate) fn draft_at<E: Event>(time: Timestamp, chain: ChainId, org: &OrgId, event: &E) -> Result<Draft, Error> {
    Draft::new(chain, Some(org), time, event).map_err(|why| Error::Invalid(why.to_string()))
}

/// At most `limit` characters of `text`.
pub(crate) fn clip(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

/// Refuses text that cannot be a name: empty, too long, or with control characters.
pub(crate) fn check_name(what: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("`{what}` must have 1 to 256 bytes and no control characters")));
    }
    Ok(())
}
