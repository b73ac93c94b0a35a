//! The vectors of `decide`: given facts, when an agent wants to act, then this
//! is the decision. Their form is `vectors/decide.schema.json`.

#![expect(clippy::unwrap_used, reason = "a test stops where what it was given is wrong")]

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::agent::{Status, Stop};
use countersign_core::approval::{self, Approval};
use countersign_core::behaviour::Suspicion;
use countersign_core::budget::Overdrawn;
use countersign_core::capability::Pattern;
use countersign_core::chain::Tally;
use countersign_core::classify::classify;
use countersign_core::conclude::{Reviewed, conclude};
use countersign_core::decide::{GATES, Hold};
use countersign_core::delegation::Delegation;
use countersign_core::detect::Finding;
use countersign_core::facts::PolicyWord;
use countersign_core::id::{AgentId, ApprovalId, ChainId, CheckId, DelegationId, KeyId, OrgId, StopId};
use countersign_core::risk::Consequence;
use countersign_core::router::Reach;
use countersign_core::session::{Mode, Session, Source};
use countersign_core::taint::{Label, Taint};
use countersign_core::{Decision, Denial, Digest, Effect, Timestamp, Verdict};
use serde::{Deserialize, Deserializer};

#[path = "shared/world.rs"]
mod world;

use world::{Lent, Named, World, clock, everything, ordinary_session};

const FILES: [(&str, &str); 7] = [
    ("gates", include_str!("../../../vectors/gates.yaml")),
    ("sessions", include_str!("../../../vectors/sessions.yaml")),
    ("delegation", include_str!("../../../vectors/delegation.yaml")),
    ("capability", include_str!("../../../vectors/capability.yaml")),
    ("behaviour", include_str!("../../../vectors/behaviour.yaml")),
    ("data", include_str!("../../../vectors/data.yaml")),
    ("elevation", include_str!("../../../vectors/elevation.yaml")),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    given: Given,
    when: When,
    then: Then,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    agent: GivenAgent,
    stopped: Option<Stopped>,
    proven: Option<AgentId>,
    token_scopes: Option<Vec<Pattern>>,
    session: Option<GivenSession>,
    delegation: Vec<GivenLink>,
    root_capabilities: Option<Vec<Pattern>>,
    operator: Option<Effect>,
    policy: GivenPolicy,
    tool_needs_approval: bool,
    agent_wait_ms: Option<u64>,
    tool_wait_ms: Option<u64>,
    calls_wait_ms: Option<u64>,
    tokens_wait_ms: Option<u64>,
    circuit_wait_ms: Option<u64>,
    tally: GivenTally,
    taint: Taint,
    secret_leaves: bool,
    finding: Option<String>,
    risk: GivenRisk,
    spot_unreachable: bool,
    /// What the reviewer says; without it there is none.
    review: Option<GivenReview>,
    approval: Option<GivenApproval>,
}

/// What a reviewer says.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenReview {
    Cleared,
    Denied,
    Escalated,
    Unavailable,
}

/// What follows from the risk.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenRisk {
    #[default]
    Allow,
    Elevate,
    Deny,
}

/// What the policies say.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenPolicy {
    #[default]
    Silent,
    Permit,
    Hold,
    Forbid,
    Failed,
    Unmatched,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenAgent {
    status: Option<Status>,
    capabilities: Option<Vec<Pattern>>,
    blocked: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stopped {
    Organisation,
    Tool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenSession {
    is: Is,
    org: Option<OrgId>,
    agent: Option<AgentId>,
    mode: Option<Mode>,
    ceiling: Option<Vec<Pattern>>,
    expires_at: Option<Clock>,
    closed_at: Option<Clock>,
    parent_lives: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Is {
    #[default]
    Ours,
    Tracked,
    Unknown,
    Altered,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenLink {
    id: Option<DelegationId>,
    org: Option<OrgId>,
    from: Option<AgentId>,
    to: Option<AgentId>,
    scope: Option<Vec<Pattern>>,
    parent: Option<String>,
    expires_at: Option<Clock>,
    revoked_at: Option<Clock>,
    lender_is_active: Option<bool>,
    lender_blocks: Vec<Pattern>,
    altered: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenTally {
    total: u64,
    read: u64,
    write: u64,
    denied: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenApproval {
    status: Option<approval::Status>,
    effect: Effect,
    tool: Option<String>,
    arguments: Option<String>,
    chain: Option<ChainId>,
    decided_at: Option<Clock>,
    expires_at: Option<Clock>,
    #[serde(default)]
    spent: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    tool: String,
    hint: Option<Effect>,
    arguments: Option<String>,
    now: Option<Clock>,
}

/// What is decided, as a case writes it and as a decision is shown.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    #[serde(default)]
    allow: bool,
    deny: Option<String>,
    elevate: Option<String>,
    gate: Option<String>,
    effect: Effect,
    guard: String,
    raised: Option<String>,
    #[serde(default)]
    approved: bool,
}

/// A time of the day that every case lives in.
#[derive(Debug, Clone, Copy)]
struct Clock(Timestamp);

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(clock(&String::deserialize(deserializer)?)))
    }
}

fn time(given: Option<Clock>, ordinary: &str) -> Timestamp {
    given.map_or_else(|| clock(ordinary), |c| c.0)
}

impl Given {
    fn decide(self, when: &When) -> Decision {
        let class = classify(&when.tool, self.operator, when.hint);
        let mut world = World { now: time(when.now, "08:00:00"), ..World::ordinary() };
        let chain = ChainId::parse(if self.session.is_some() { "sess_1" } else { "billing-bot" }).unwrap();
        let arguments = Digest::of(when.arguments.as_deref().unwrap_or("{}").as_bytes());
        world.approval = self
            .approval
            .map(|a| a.build(&when.tool, arguments, &chain))
            .filter(|a| a.is_about(&chain, &when.tool, &arguments));
        world.stop = self.stopped.map(|stopped| stopped.build(&when.tool));
        world.agent.status = self.agent.status.unwrap_or(Status::Active);
        world.agent.capabilities = self.agent.capabilities.unwrap_or_else(everything);
        world.agent.blocked = self.agent.blocked;
        world.proven = self.proven;
        world.token_scopes = self.token_scopes;
        world.delegation = links(self.delegation);
        world.root_capabilities = self.root_capabilities.unwrap_or_else(everything);
        world.session = self.session.map_or(Named::None, |s| s.build(world.delegation.last()));
        world.policy = self.policy.into();
        world.tool_needs_approval = self.tool_needs_approval;
        world.agent_wait = self.agent_wait_ms.map(Duration::from_millis);
        world.tool_wait = self.tool_wait_ms.map(Duration::from_millis);
        let calls = self.calls_wait_ms.map(|wait| Overdrawn::Calls(Duration::from_millis(wait)));
        let tokens = self.tokens_wait_ms.map(|wait| Overdrawn::Tokens(Duration::from_millis(wait)));
        world.overdrawn = calls.or(tokens);
        world.circuit_wait = self.circuit_wait_ms.map(Duration::from_millis);
        let GivenTally { total, read, write, denied } = self.tally;
        world.tally = Tally { total, read, write, denied };
        world.taint = self.taint;
        world.secret_leaves = self.secret_leaves;
        world.finding = self.finding.map(|word| *Finding::ALL.iter().find(|f| f.as_str() == word).unwrap());
        world.risk = self.risk.into();
        world.reach = Reach { spot: !self.spot_unreachable, ..Reach::ALL };
        world.reviewer = self.review.is_some();
        let decision = world.decide(&when.tool, class);
        self.review.map_or(decision, |review| conclude(decision, review.into()))
    }
}

impl From<GivenReview> for Reviewed {
    fn from(given: GivenReview) -> Self {
        match given {
            GivenReview::Cleared => Self::Cleared,
            GivenReview::Denied => Self::Denied,
            GivenReview::Escalated => Self::Escalated,
            GivenReview::Unavailable => Self::Unavailable,
        }
    }
}

impl From<GivenRisk> for Consequence {
    fn from(given: GivenRisk) -> Self {
        match given {
            GivenRisk::Allow => Self::Allow,
            GivenRisk::Elevate => Self::Elevate,
            GivenRisk::Deny => Self::Deny,
        }
    }
}

impl From<GivenPolicy> for PolicyWord {
    fn from(given: GivenPolicy) -> Self {
        match given {
            GivenPolicy::Silent => Self::Silent,
            GivenPolicy::Permit => Self::Permit,
            GivenPolicy::Hold => Self::Hold,
            GivenPolicy::Forbid => Self::Forbid,
            GivenPolicy::Failed => Self::Failed,
            GivenPolicy::Unmatched => Self::Unmatched,
        }
    }
}

impl Stopped {
    fn build(self, tool: &str) -> Stop {
        Stop {
            id: StopId::parse("stop_1").unwrap(),
            org: OrgId::parse("acme").unwrap(),
            tool: match self {
                Self::Organisation => None,
                Self::Tool => Some(tool.to_owned()),
            },
            reason: "a drill".to_owned(),
            created_at: clock("07:00:00"),
        }
    }
}

impl GivenSession {
    fn build(self, leaf: Option<&Lent>) -> Named {
        let leaf = leaf.and_then(|l| l.delegation.as_ref());
        let ordinary = ordinary_session();
        match self.is {
            Is::Tracked => Named::Tracked,
            Is::Unknown => Named::Unknown,
            Is::Altered => Named::Altered,
            Is::Ours => Named::Ours {
                session: Box::new(Session {
                    org: self.org.unwrap_or(ordinary.org),
                    agent: self.agent.unwrap_or(ordinary.agent),
                    source: if leaf.is_some() { Source::A2a } else { Source::Mcp },
                    delegation: leaf.map(|d| d.id.clone()),
                    ceiling: self.ceiling.or_else(|| leaf.map(|d| d.scope.clone())).unwrap_or_else(everything),
                    mode: self.mode.unwrap_or(ordinary.mode),
                    expires_at: time(self.expires_at, "09:00:00"),
                    closed_at: self.closed_at.map(|c| c.0),
                    ..ordinary
                }),
                parent_lives: self.parent_lives.unwrap_or(true),
            },
        }
    }
}

/// Each link follows from the one before, unless it says otherwise.
fn links(given: Vec<GivenLink>) -> Vec<Lent> {
    let last = given.len();
    let mut from = AgentId::parse("lender-0").unwrap();
    let mut parent = None;
    let mut links = Vec::new();
    for (at, link) in (1..).zip(given) {
        let to = if at == last { "billing-bot".to_owned() } else { format!("lender-{at}") };
        let delegation = Delegation {
            id: link.id.unwrap_or_else(|| DelegationId::parse(&format!("link-{at}")).unwrap()),
            org: link.org.unwrap_or_else(|| OrgId::parse("acme").unwrap()),
            from: link.from.unwrap_or(from),
            to: link.to.unwrap_or_else(|| AgentId::parse(&to).unwrap()),
            scope: link.scope.unwrap_or_else(everything),
            parent: match link.parent.as_deref() {
                None => parent,
                Some("") => None,
                Some(id) => Some(DelegationId::parse(id).unwrap()),
            },
            restrictions: "{}".to_owned(),
            created_at: clock("07:00:00"),
            expires_at: time(link.expires_at, "09:00:00"),
            revoked_at: link.revoked_at.map(|c| c.0),
        };
        from = delegation.to.clone();
        parent = Some(delegation.id.clone());
        links.push(Lent {
            delegation: Some(delegation).filter(|_| !link.altered),
            lender_is_active: link.lender_is_active.unwrap_or(true),
            lender_blocks: link.lender_blocks,
        });
    }
    links
}

impl GivenApproval {
    fn build(self, tool: &str, arguments: Digest, chain: &ChainId) -> Approval {
        let status = self.status.unwrap_or(approval::Status::Approved);
        let answered = matches!(status, approval::Status::Approved | approval::Status::Denied);
        Approval {
            id: ApprovalId::parse("appr_1").unwrap(),
            org: OrgId::parse("acme").unwrap(),
            agent: AgentId::parse("billing-bot").unwrap(),
            session: None,
            chain: self.chain.unwrap_or_else(|| chain.clone()),
            tool: self.tool.unwrap_or_else(|| tool.to_owned()),
            effect: self.effect,
            arguments: self.arguments.map_or(arguments, |a| Digest::of(a.as_bytes())),
            summary: String::new(),
            shown: approval::Shown::new(CheckId::parse("chk_1").unwrap(), ""),
            status,
            created_at: clock("07:58:00"),
            expires_at: time(self.expires_at, "08:13:00"),
            decided_by: answered.then(|| "Ada".to_owned()),
            decided_key: answered.then(|| KeyId::parse("key_1").unwrap()),
            decided_at: answered.then(|| time(self.decided_at, "07:59:00")),
            spent: self.spent,
        }
    }
}

impl From<Decision> for Then {
    fn from(decision: Decision) -> Self {
        let code = decision.verdict.code().map(str::to_owned);
        let (deny, elevate) = match decision.verdict {
            Verdict::Allow => (None, None),
            Verdict::Deny(_) => (code, None),
            Verdict::Elevate(_) => (None, code),
        };
        Self {
            allow: decision.verdict == Verdict::Allow,
            deny,
            elevate,
            gate: decision.gate.map(str::to_owned),
            effect: decision.effect,
            guard: decision.guard.as_str().to_owned(),
            raised: decision.raised.map(|s| s.as_str().to_owned()),
            approved: decision.used_approval,
        }
    }
}

fn read(file: &str) -> Vec<Case> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == file).unwrap();
    serde_norway::from_str(text).unwrap()
}

fn every_case() -> impl Iterator<Item = Case> {
    FILES.iter().flat_map(|(file, _)| read(file))
}

/// Every case of `file` that is decided otherwise than it says, at once.
fn check(file: &str) {
    let mut wrong = Vec::new();
    for Case { name, given, when, then } in read(file) {
        let found = Then::from(given.decide(&when));
        if found != then {
            wrong.push(format!("{name}\n  expected {then:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n\n"));
}

#[test]
fn gates_decide_in_the_order_the_vectors_say() {
    check("gates");
}

#[test]
fn sessions_bound_what_the_vectors_say() {
    check("sessions");
}

#[test]
fn delegations_lend_what_the_vectors_say() {
    check("delegation");
}

#[test]
fn capabilities_allow_what_the_vectors_say() {
    check("capability");
}

#[test]
fn behaviour_raises_what_the_vectors_say() {
    check("behaviour");
}

#[test]
fn content_takes_away_what_the_vectors_say() {
    check("data");
}

#[test]
fn approvals_let_pass_what_the_vectors_say() {
    check("elevation");
}

#[test]
fn the_vectors_show_every_code_and_no_other() {
    let shown: BTreeSet<_> = every_case().filter_map(|c| c.then.deny.or(c.then.elevate)).collect();
    let known: BTreeSet<_> = Denial::CODES.iter().chain(Hold::CODES).map(|c| (*c).to_owned()).collect();
    assert_eq!(shown, known);
}

#[test]
fn every_gate_that_decides_is_shown_deciding() {
    let shown: BTreeSet<_> = every_case().filter_map(|c| c.then.gate).collect();
    // Behaviour only raises.
    let known: BTreeSet<_> = GATES.iter().map(|(name, ..)| (*name).to_owned()).filter(|g| g != "behaviour").collect();
    assert_eq!(shown, known);
}

#[test]
fn every_suspicion_is_shown() {
    let shown: BTreeSet<_> = every_case().filter_map(|c| c.then.raised).collect();
    let of_sessions = [Suspicion::DenialRate, Suspicion::WriteRatio];
    let tainted = Label::ALL.iter().filter(|label| **label != Label::PersonalDataSeen).copied();
    let known =
        of_sessions.into_iter().chain(tainted.map(Suspicion::Tainted)).chain(Finding::ALL.map(Suspicion::Found));
    let known = known.map(|s| s.as_str().to_owned());
    assert_eq!(shown, known.collect());
}

#[test]
fn no_two_cases_have_the_same_name() {
    let mut seen = BTreeSet::new();
    for case in every_case() {
        assert!(seen.insert(case.name.clone()), "`{}` is there twice", case.name);
    }
}
