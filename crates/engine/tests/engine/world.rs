//! A world to work in: an engine with a clock that a test sets, luck that
//! repeats, a ledger that a test can hold or cut, and people to ask it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::approval;
use countersign_core::budget::Budget;
use countersign_core::capability::Pattern;
use countersign_core::chain::{Chain, Tally};
use countersign_core::id::{AgentId, ApprovalId, ChainId, OrgId};
use countersign_core::role::Role;
use countersign_core::seal::SealKey;
use countersign_core::session::{Mode, Session};
use countersign_core::{Digest, Verdict};
use countersign_engine::{
    Answer, Ask, Caller, ContentGuard, DeepGuard, Engine, Error, Heed, NewAgent, NewDelegation, NewKey, NewServer,
    NewToken, Parts, Report, Settings, Sources, SpotGuard, Tool, Tracing, Vault,
};
use countersign_evidence::entry::Entry;
use countersign_evidence::trace::key::SigningKey;
use countersign_evidence::verify::Verifier;
use countersign_store::{
    Batch, Document, Documents, Ledger, Live, MemoryLive, MemoryStore, Payloads, SqliteStore, Write,
};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use crate::luck::{Seeded, TestClock};
use crate::tap::Tap;

/// A check on its way.
pub type Asking = JoinHandle<Result<Answer, Error>>;

/// Where the store is kept.
enum Kept {
    Memory(Arc<MemoryStore>),
    Sqlite(tempfile::TempDir),
}

/// The callers of one organisation.
#[derive(Clone)]
pub struct Org {
    pub id: OrgId,
    pub admin: Caller,
    pub admin_secret: String,
    pub approver: Caller,
    pub auditor: Caller,
    /// A key of an agent runtime, bound to no agent in particular.
    pub runtime: Caller,
}

/// An entry, read.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub chain: String,
    pub kind: String,
    pub org: Option<String>,
    pub event: Value,
}

impl Recorded {
    /// A string member of the event; empty where there is none.
    pub fn says(&self, name: &str) -> &str {
        self.event[name].as_str().unwrap_or_default()
    }

    pub fn is_allow(&self) -> bool {
        self.kind == "decision" && self.says("verdict") == "allow"
    }
}

/// How an engine ends.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    /// It is told to stop.
    Stopped,
    /// It is cut off: nothing more is written.
    Killed,
}

/// What a world is made with.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub on_disk: bool,
    pub loses_checkpoints: bool,
    pub settings: Settings,
    pub captures: bool,
    /// How far what calls say is heeded; nobody looks where nothing is chosen.
    pub content: Option<Heed>,
}

/// A vault that ends with the world, and keeps payloads for an hour.
fn vault() -> Vault {
    Vault::new(Payloads::in_memory().unwrap(), [3; 32], true, Duration::from_hours(1))
}

/// A guard that knows that the web is outside, and the operator's own wiki is not.
fn inspecting(heed: Heed) -> ContentGuard {
    let sources = Sources { untrusted: patterns(&["web/*"]), trusted: patterns(&["wiki/*"]) };
    ContentGuard::new([5; 32], heed, sources).unwrap()
}

/// An engine, what it is made of, and the people of its first organisation.
pub struct World {
    pub clock: Arc<TestClock>,
    pub luck: Arc<Seeded>,
    pub tap: Arc<Tap>,
    pub live: Arc<MemoryLive>,
    pub documents: Arc<dyn Documents>,
    pub engine: Arc<Engine>,
    pub org: Org,
    kept: Kept,
    choice: Choice,
}

impl World {
    /// A world in memory.
    pub async fn new() -> Self {
        Self::made(Choice::default()).await
    }

    /// A world in memory whose operator chose `settings`.
    pub async fn with(settings: Settings) -> Self {
        Self::made(Choice { settings, ..Choice::default() }).await
    }

    pub async fn made(choice: Choice) -> Self {
        let kept =
            if choice.on_disk { Kept::Sqlite(tempfile::tempdir().unwrap()) } else { Kept::Memory(Arc::default()) };
        let clock = Arc::new(TestClock::at("2026-11-21T08:00:00Z"));
        let luck = Arc::new(Seeded::new(42));
        let (tap, documents) = open(&kept, &choice);
        let (engine, live) = start(&tap, &documents, (&clock, &luck), &choice);
        let (_, minted) = engine.bootstrap("acme").await.unwrap();
        let org = people(&engine, minted.unwrap().secret).await;
        Self { clock, luck, tap, live, documents, engine, org, kept, choice }
    }

    /// The same world with somebody to ask about what would else wait for a human.
    pub fn reviewed_by(self, guard: Arc<dyn DeepGuard>) -> Self {
        let engine = Arc::into_inner(self.engine).expect("somebody still holds the engine");
        Self { engine: Arc::new(engine.reviewed_by(guard)), ..self }
    }

    /// The same world with baselines that somebody else keeps.
    pub fn spotted_by(self, guard: Arc<dyn SpotGuard>) -> Self {
        let engine = Arc::into_inner(self.engine).expect("somebody still holds the engine");
        Self { engine: Arc::new(engine.spotted_by(guard)), ..self }
    }

    /// The same world after its engine ended and another one started.
    pub fn restarted(self, ending: Ending) -> Self {
        let Self { clock, luck, tap, live, documents, engine, org, kept, choice } = self;
        match ending {
            Ending::Stopped => engine.stop(),
            Ending::Killed => tap.fail(true),
        }
        drop(Arc::into_inner(engine).expect("somebody still holds the engine"));
        drop((tap, documents, live));
        let (tap, documents) = open(&kept, &choice);
        let (engine, live) = start(&tap, &documents, (&clock, &luck), &choice);
        Self { clock, luck, tap, live, documents, engine, org, kept, choice }
    }

    /// The same world after its engine was stopped and `alter` changed what is
    /// stored of one document, behind its back.
    pub fn altered(self, kind: &'static str, key: &str, alter: impl FnOnce(&mut Value)) -> Self {
        self.engine.stop();
        let Document { key, revision, body } = self.documents.get(kind, key).unwrap().unwrap();
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        alter(&mut value);
        let write = Write { kind, key, revision, body: Some(serde_json::to_vec(&value).unwrap()) };
        self.tap.commit(&Batch { writes: vec![write], ..Batch::default() }).unwrap();
        self.restarted(Ending::Stopped)
    }

    /// Another organisation with people of its own.
    pub async fn other_org(&self) -> Org {
        let (_, minted) = self.engine.create_organisation(&self.org.admin, "globex").await.unwrap();
        people(&self.engine, minted.secret).await
    }

    /// An agent of the first organisation that holds `capabilities`.
    pub async fn agent(&self, name: &str, capabilities: &[&str]) -> AgentId {
        self.agent_of(&self.org, NewAgent { capabilities: patterns(capabilities), ..new_agent(name) }).await
    }

    pub async fn agent_of(&self, org: &Org, new: NewAgent) -> AgentId {
        self.engine.register_agent(&org.admin, new).await.unwrap().id
    }

    /// A caller with a key that is bound to `agent`.
    pub async fn key_of(&self, agent: &AgentId) -> Caller {
        let new = NewKey { name: "bound".into(), role: Role::Agent, agent: Some(agent.clone()) };
        let minted = self.engine.create_key(&self.org.admin, new).await.unwrap();
        self.engine.authenticate_key(&minted.secret).unwrap()
    }

    /// The secret of a new token of `agent`, with every scope it can have.
    pub async fn token(&self, agent: &AgentId, scopes: &[&str]) -> String {
        let new = NewToken { scopes: patterns(scopes), ..new_token(agent) };
        self.engine.issue_token(&self.org.runtime, new).await.unwrap().secret
    }

    /// Who shows the token `secret` and nothing else.
    pub fn bearer(&self, secret: &str) -> Caller {
        self.engine.authenticate_token(secret, None).unwrap()
    }

    /// A session that may only read, of `agent`, for a server of its own.
    pub async fn session(&self, agent: &AgentId) -> Session {
        self.session_in(agent, Mode::ReadOnly).await
    }

    /// A session that may write, of `agent`, for a server of its own.
    pub async fn writing_session(&self, agent: &AgentId) -> Session {
        self.session_in(agent, Mode::Standard).await
    }

    async fn session_in(&self, agent: &AgentId, default_mode: Mode) -> Session {
        self.session_for(agent, NewServer { default_mode, ..new_server(&[]) }).await
    }

    pub async fn session_for(&self, agent: &AgentId, server: NewServer) -> Session {
        let server = self.engine.register_server(&self.org.admin, server).await.unwrap().id;
        let view = self.engine.start_mcp_session(&self.org.runtime, agent, server.as_str()).await.unwrap();
        view.session
    }

    /// What the runtime is answered when it asks for `agent`.
    pub async fn check(&self, ask: Ask<'_>) -> Answer {
        self.engine.check(&self.org.runtime, ask).await.unwrap()
    }

    /// Asks in the background; what it decides waits for the recorder when this
    /// returns, if it got that far.
    pub async fn asking(&self, caller: &Caller, agent: &AgentId, session: Option<&str>, tool: &str) -> Asking {
        let (engine, caller, agent) = (self.engine.clone(), caller.clone(), agent.clone());
        let (session, tool) = (session.map(str::to_owned), tool.to_owned());
        self.started(
            async move { engine.check(&caller, Ask { session: session.as_deref(), ..ask(&agent, &tool) }).await },
        )
        .await
    }

    /// Waits until every chain is checkpointed, as happens when nobody asks anything.
    pub fn rest(&self) {
        loop {
            let tries = self.tap.tries();
            if self.tap.checkpoint(0).unwrap().position == self.tap.length().unwrap() {
                return;
            }
            self.tap.tried_more_than(tries);
        }
    }

    /// Runs something until it first waits.
    pub async fn started<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let handle = tokio::spawn(work);
        tokio::task::yield_now().await;
        handle
    }

    /// Makes everything that is recorded from now on wait, behind a commit that
    /// waits itself. Let it go on with `tap.release()`.
    pub async fn hold(&self, agent: &AgentId) -> JoinHandle<()> {
        self.tap.hold();
        let (engine, caller, agent) = (self.engine.clone(), self.org.runtime.clone(), agent.clone());
        let noting = self.started(async move { note(&engine, &caller, &agent).await }).await;
        self.tap.arrived();
        noting
    }

    /// Every byte in the files of a world on disk.
    pub fn files(&self) -> Vec<Vec<u8>> {
        let Kept::Sqlite(dir) = &self.kept else { return Vec::new() };
        let files = std::fs::read_dir(dir.path()).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// The verdict on `tool` for `agent` in `session`, in one word.
    pub async fn verdict(&self, agent: &AgentId, session: &str, tool: &str) -> &'static str {
        word(&self.check(Ask { session: Some(session), ..ask(agent, tool) }).await)
    }

    /// The same without a session.
    pub async fn bare_verdict(&self, agent: &AgentId, tool: &str) -> &'static str {
        word(&self.check(ask(agent, tool)).await)
    }

    /// The approval that `tool` must wait for.
    pub async fn elevation(&self, agent: &AgentId, session: &str, tool: &str) -> ApprovalId {
        let answer = self.check(Ask { session: Some(session), ..ask(agent, tool) }).await;
        assert!(matches!(answer.decision.verdict, Verdict::Elevate(_)), "{tool}: {:?}", answer.decision);
        answer.approval.unwrap()
    }

    pub async fn approve(&self, id: &ApprovalId) -> approval::Approval {
        self.answer(id, approval::Answer::Approve).await.unwrap()
    }

    pub async fn answer(&self, id: &ApprovalId, answer: approval::Answer) -> Result<approval::Approval, Error> {
        self.engine.decide_approval(&self.org.approver, id.as_str(), answer, "Ada").await
    }

    /// A delegation of the first organisation.
    pub async fn lend(&self, new: NewDelegation) -> Result<countersign_core::delegation::Delegation, Error> {
        self.engine.create_delegation(&self.org.runtime, new).await
    }

    /// Fills one place in the ledger with something that decides nothing.
    pub async fn note(&self, agent: &AgentId) {
        note(&self.engine, &self.org.runtime, agent).await;
    }

    /// Every entry, read.
    pub fn entries(&self) -> Vec<Recorded> {
        self.bodies().iter().map(|bytes| recorded(bytes)).collect()
    }

    /// Every entry, as recorded.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.tap.read(0, usize::MAX).unwrap()
    }

    pub fn last(&self) -> Recorded {
        self.entries().pop().unwrap()
    }

    /// Where every chain stands, from nothing but the entries, which must verify.
    pub fn verified(&self) -> HashMap<ChainId, Chain> {
        let mut verifier = Verifier::new();
        for bytes in self.bodies() {
            verifier.push(&bytes).unwrap();
        }
        verifier.chains().map(|(id, chain)| (id.clone(), *chain)).collect()
    }

    /// Where every chain that the ledger knows stands in memory.
    pub fn live_chains(&self) -> HashMap<ChainId, Chain> {
        self.verified().into_keys().filter_map(|id| self.live.chain(&id).map(|chain| (id, chain))).collect()
    }

    /// Why no second engine starts on this world's store.
    pub fn refused_start(&self) -> String {
        let parts = parts(&self.tap, &self.documents, (&self.clock, &self.luck), &self.choice);
        Engine::start(parts).err().unwrap().to_string()
    }

    /// Where the session's chain stands, as the engine says.
    pub fn chain(&self, session: &Session) -> Chain {
        self.engine.session(&self.org.admin, session.id.as_str()).unwrap().chain
    }

    pub fn tally(&self, session: &Session) -> Tally {
        self.chain(session).tally
    }

    pub fn status(&self, session: &Session) -> &'static str {
        self.engine.session(&self.org.admin, session.id.as_str()).unwrap().status
    }
}

fn open(kept: &Kept, choice: &Choice) -> (Arc<Tap>, Arc<dyn Documents>) {
    let (ledger, documents): (Arc<dyn Ledger>, Arc<dyn Documents>) = match kept {
        Kept::Memory(store) => (store.clone(), store.clone()),
        Kept::Sqlite(dir) => {
            let store = Arc::new(SqliteStore::open(&dir.path().join("store")).unwrap());
            (store.clone(), store)
        }
    };
    (Arc::new(Tap::new(ledger, choice.loses_checkpoints)), documents)
}

fn start(
    tap: &Arc<Tap>,
    documents: &Arc<dyn Documents>,
    given: (&Arc<TestClock>, &Arc<Seeded>),
    choice: &Choice,
) -> (Arc<Engine>, Arc<MemoryLive>) {
    let live = Arc::new(MemoryLive::default());
    let parts = Parts { live: live.clone(), ..parts(tap, documents, given, choice) };
    let engine = Engine::start(parts).unwrap();
    let engine = match choice.content {
        Some(heed) => engine.inspected_by(inspecting(heed)),
        None => engine,
    };
    (Arc::new(engine), live)
}

fn parts(
    tap: &Arc<Tap>,
    documents: &Arc<dyn Documents>,
    (clock, luck): (&Arc<TestClock>, &Arc<Seeded>),
    choice: &Choice,
) -> Parts {
    Parts {
        ledger: tap.clone(),
        documents: documents.clone(),
        live: Arc::new(MemoryLive::default()),
        clock: clock.clone(),
        entropy: luck.clone(),
        seal_key: SealKey::new([7; 32]),
        settings: choice.settings.clone(),
        tracing: Tracing::new(SigningKey::from_bytes(&[9; 32]), &Map::new()).unwrap(),
        vault: choice.captures.then(vault),
    }
}

async fn people(engine: &Engine, admin_secret: String) -> Org {
    let admin = engine.authenticate_key(&admin_secret).unwrap();
    let key = async |role: Role| {
        let new = NewKey { name: role.as_str().into(), role, agent: None };
        let minted = engine.create_key(&admin, new).await.unwrap();
        engine.authenticate_key(&minted.secret).unwrap()
    };
    Org {
        id: admin.org.clone(),
        approver: key(Role::Approver).await,
        auditor: key(Role::Auditor).await,
        runtime: key(Role::Agent).await,
        admin,
        admin_secret,
    }
}

async fn note(engine: &Engine, caller: &Caller, agent: &AgentId) {
    let note = Report { event_type: "note".into(), ..failure("noted") };
    engine.report(caller, agent, None, vec![note]).await.unwrap();
}

pub fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

/// An agent that may do everything.
pub fn new_agent(name: &str) -> NewAgent {
    NewAgent {
        name: name.into(),
        framework: "none".into(),
        public_key: None,
        capabilities: patterns(&["*"]),
        budget: Budget::default(),
        blocked: Vec::new(),
        metadata: "{}".into(),
    }
}

/// A token of `agent` for everything, for five minutes.
pub fn new_token(agent: &AgentId) -> NewToken {
    NewToken { agent: agent.clone(), scopes: patterns(&["*"]), ttl: None, session: None }
}

/// A server whose sessions begin read-only.
pub fn new_server(tools: &[Tool]) -> NewServer {
    NewServer {
        name: "server".into(),
        url: "https://mcp.example".into(),
        description: String::new(),
        capabilities: Vec::new(),
        tools: tools.to_vec(),
        default_mode: Mode::ReadOnly,
    }
}

/// Everything, lent by `from` to `to` for an hour.
pub fn lending(from: &AgentId, to: &AgentId) -> NewDelegation {
    NewDelegation {
        from: from.clone(),
        to: to.clone(),
        scope: patterns(&["*"]),
        ttl_seconds: None,
        restrictions: "{}".into(),
        parent: None,
    }
}

/// A report that `tool` failed.
pub fn failure(tool: &str) -> Report {
    Report {
        event_type: "tool_end".into(),
        tool: tool.into(),
        duration_ms: None,
        success: Some(false),
        error_type: None,
    }
}

/// `agent` asks for `tool`, without arguments and outside any session.
pub fn ask<'a>(agent: &'a AgentId, tool: &'a str) -> Ask<'a> {
    Ask {
        agent,
        session: None,
        tool,
        source: "test",
        hint: None,
        summary: "",
        arguments: Digest::of(b""),
        input: None,
        content: None,
    }
}

/// The digest of some arguments.
pub fn arguments(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An answer in one word: `allow`, or the code of the refusal.
pub fn word(answer: &Answer) -> &'static str {
    answer.decision.verdict.code().unwrap_or("allow")
}

pub fn recorded(bytes: &[u8]) -> Recorded {
    let entry = Entry::read(bytes).unwrap();
    Recorded {
        chain: entry.chain.id.to_owned(),
        kind: entry.kind.to_owned(),
        org: entry.org.map(str::to_owned),
        event: serde_json::from_str(entry.event.get()).unwrap(),
    }
}

/// The code of a refusal that is not a decision.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result.unwrap_err() {
        Error::Invalid(_) => "invalid",
        Error::Unauthenticated { code, .. } | Error::Forbidden { code, .. } | Error::Unavailable { code, .. } => code,
        Error::NotFound { .. } => "not_found",
        Error::NotYet(_) => "not_yet",
        Error::Conflict(_) => "conflict",
        Error::TooMany(_) => "too_many",
    }
}
