//! A world to decide in: the facts of a decision, owned by a test so that it
//! can change one thing.

use std::time::Duration;

use countersign_core::agent::{Agent, Status, Stop};
use countersign_core::approval::Approval;
use countersign_core::budget::{Budget, Overdrawn};
use countersign_core::capability::Pattern;
use countersign_core::chain::Tally;
use countersign_core::classify::Classification;
use countersign_core::delegation::{Delegation, Link};
use countersign_core::detect::Finding;
use countersign_core::facts::{PolicyWord, SessionFacts};
use countersign_core::id::{AgentId, OrgId, SessionId};
use countersign_core::risk::Consequence;
use countersign_core::router::Reach;
use countersign_core::session::{Mode, Session, Source};
use countersign_core::taint::Taint;
use countersign_core::{Action, Decision, Facts, Timestamp, decide};

/// Everything a decision needs to know, owned.
#[derive(Debug, Clone)]
pub struct World {
    pub now: Timestamp,
    pub stop: Option<Stop>,
    pub agent: Agent,
    pub proven: Option<AgentId>,
    pub token_scopes: Option<Vec<Pattern>>,
    pub session: Named,
    pub delegation: Vec<Lent>,
    pub root_capabilities: Vec<Pattern>,
    pub policy: PolicyWord,
    pub tool_needs_approval: bool,
    pub agent_wait: Option<Duration>,
    pub tool_wait: Option<Duration>,
    pub overdrawn: Option<Overdrawn>,
    pub circuit_wait: Option<Duration>,
    pub tally: Tally,
    pub taint: Taint,
    pub secret_leaves: bool,
    pub finding: Option<Finding>,
    pub risk: Consequence,
    pub reach: Reach,
    pub reviewer: bool,
    pub approval: Option<Approval>,
}

/// The session a call names.
#[derive(Debug, Clone)]
pub enum Named {
    None,
    Tracked,
    Unknown,
    Altered,
    Ours { session: Box<Session>, parent_lives: bool },
}

/// A link of a delegation; `None` where its tag does not hold.
#[derive(Debug, Clone)]
pub struct Lent {
    pub delegation: Option<Delegation>,
    pub lender_is_active: bool,
    pub lender_blocks: Vec<Pattern>,
}

/// A time of the day that every test lives in.
pub fn clock(time: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-21T{time}Z")).unwrap()
}

/// The pattern for everything.
pub fn everything() -> Vec<Pattern> {
    vec![Pattern::new("*")]
}

/// A read-only session of `billing-bot`, for everything, from seven to nine.
pub fn ordinary_session() -> Session {
    Session {
        id: SessionId::parse("sess_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("billing-bot").unwrap(),
        source: Source::Mcp,
        server: None,
        token: None,
        delegation: None,
        ceiling: everything(),
        mode: Mode::ReadOnly,
        created_at: clock("07:00:00"),
        expires_at: clock("09:00:00"),
        closed_at: None,
    }
}

impl World {
    /// `billing-bot` of `acme` is active, holds every capability and names no
    /// session, and it is eight o'clock.
    pub fn ordinary() -> Self {
        Self {
            now: clock("08:00:00"),
            stop: None,
            agent: Agent {
                id: AgentId::parse("billing-bot").unwrap(),
                org: OrgId::parse("acme").unwrap(),
                name: "Billing bot".to_owned(),
                framework: "none".to_owned(),
                public_key: String::new(),
                status: Status::Active,
                capabilities: everything(),
                blocked: Vec::new(),
                budget: Budget::default(),
                trust: None,
                metadata: "{}".to_owned(),
                created_at: clock("00:00:00"),
            },
            proven: None,
            token_scopes: None,
            session: Named::None,
            delegation: Vec::new(),
            root_capabilities: everything(),
            policy: PolicyWord::Silent,
            tool_needs_approval: false,
            agent_wait: None,
            tool_wait: None,
            overdrawn: None,
            circuit_wait: None,
            tally: Tally::default(),
            taint: Taint::NONE,
            secret_leaves: false,
            finding: None,
            risk: Consequence::Allow,
            reach: Reach::ALL,
            reviewer: false,
            approval: None,
        }
    }

    /// What is decided about `tool` in this world.
    pub fn decide(&self, tool: &str, class: Classification) -> Decision {
        let delegation: Vec<Link<'_>> = self
            .delegation
            .iter()
            .map(|l| Link {
                delegation: l.delegation.as_ref(),
                lender_is_active: l.lender_is_active,
                lender_blocks: &l.lender_blocks,
            })
            .collect();
        let session = match &self.session {
            Named::None => SessionFacts::None,
            Named::Tracked => SessionFacts::Tracked,
            Named::Unknown => SessionFacts::Unknown,
            Named::Altered => SessionFacts::Altered,
            Named::Ours { session, parent_lives } => SessionFacts::Ours { session, parent_lives: *parent_lives },
        };
        let facts = Facts {
            now: self.now,
            stop: self.stop.as_ref(),
            agent: &self.agent,
            proven: self.proven.as_ref(),
            token_scopes: self.token_scopes.as_deref(),
            session,
            delegation: &delegation,
            root_capabilities: &self.root_capabilities,
            policy: self.policy,
            tool_needs_approval: self.tool_needs_approval,
            agent_wait: self.agent_wait,
            tool_wait: self.tool_wait,
            overdrawn: self.overdrawn,
            circuit_wait: self.circuit_wait,
            tally: self.tally,
            taint: self.taint,
            secret_leaves: self.secret_leaves,
            finding: self.finding,
            risk: self.risk,
            reach: self.reach,
            reviewer: self.reviewer,
            approval: self.approval.as_ref(),
        };
        decide(Action { tool, class }, &facts)
    }
}
