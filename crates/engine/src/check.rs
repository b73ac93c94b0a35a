//! The check: may this agent do this, now?

use std::sync::Arc;
use std::time::Duration;

use countersign_core::agent::Agent;
use countersign_core::approval::Approval;
use countersign_core::capability::Pattern;
use countersign_core::chain::Tally;
use countersign_core::classify::{By, classify};
use countersign_core::decide::{Decision, Guard, Verdict, decide};
use countersign_core::denial::Denial;
use countersign_core::effect::Effect;
use countersign_core::facts::{Action, Facts, PolicyWord, SessionFacts};
use countersign_core::id::{AgentId, ApprovalId, ChainId, CheckId, OrgId, SessionId};
use countersign_core::limits::Rate;
use countersign_core::risk::Consequence;
use countersign_core::role::Right;
use countersign_core::router::Reach;
use countersign_core::seal::Sealed;
use countersign_core::session::{Session, Token};
use countersign_core::taint::Taint;
use countersign_core::{Timestamp, agent};
use countersign_evidence::event;

use crate::approvals::Wanted;
use crate::ask::{Answer, Ask, TRIES};
use crate::budgets::price;
use crate::caller::{Caller, Proof};
use crate::case::Case;
use crate::changes::Changes;
use crate::collection::Stored;
use crate::content::{Looked, Standing};
use crate::deep::Brief;
use crate::engine::{Durability, Engine, check_name, draft_at};
use crate::error::Error;
use crate::judged::Rulings;
use crate::lent::{Lent, LentLink};
use crate::recorder::{Receipt, RecordError};
use crate::recording::Recording;
use crate::reviewing;
use crate::sight::{Seen, Sight};
use crate::spot::Spotted;
use crate::spotter::Sighted;
use crate::tainting::Heard;

/// What was looked up for one decision. Owns what [`Facts`] borrow.
struct Gathered {
    epoch: u64,
    agent: Arc<Stored<Agent>>,
    session: Option<Arc<Stored<Sealed<Session>>>>,
    chain: ChainId,
    /// Whether the chain is a session's: closing it ends it.
    chain_ends: bool,
    /// The chain that bears the labels of what is taken in: the session's, or the agent's.
    bearer: ChainId,
    standing: Standing,
    lent: Lent,
    token: Option<Arc<Stored<Sealed<Token>>>>,
    stop: Option<Arc<Stored<agent::Stop>>>,
    approval: Option<Arc<Stored<Sealed<Approval>>>>,
    parent_lives: bool,
}

impl Gathered {
    /// The recording, turned away where something that the decision rests on no longer holds.
    fn resting(&self, mut recording: Recording, allows: bool, (heeds_taint, now): (bool, Timestamp)) -> Recording {
        if allows || self.chain_ends {
            recording = recording.decided_in(self.epoch);
        }
        if allows {
            recording = recording.paid_by(price(&self.agent.value, &self.lent, now));
        }
        if allows && heeds_taint {
            let bearer = (self.bearer != self.chain).then(|| self.bearer.clone());
            let lenders = self.lent.links.iter().filter_map(LentLink::from).map(ChainId::from);
            let taint = self.standing.own.join(self.standing.lent);
            recording = recording.decided_under(taint, bearer.into_iter().chain(lenders).collect());
        }
        recording
    }
}

/// What a decision needs that was not looked up: the call, what is configured about
/// it, what makes it wait, and what the content checks and a Spot guard elsewhere said of it.
struct Told<'a> {
    seen: &'a Seen<'a>,
    action: Action<'a>,
    tool_needs_approval: bool,
    waits: Waits,
    heard: Option<Heard<'a>>,
    sighted: Option<&'a Sighted>,
}

/// A decision, and what the guards said that led to it.
struct Decided {
    decision: Decision,
    judged: Option<Rulings>,
    spotted: Option<Spotted>,
    tally: Tally,
    /// What the session took in.
    taint: Taint,
}

/// What the entry says of the effect.
fn judgement(by: By, decision: Decision) -> event::Judgement<'static> {
    event::Judgement {
        by: by.as_str(),
        judged: decision.effect,
        raised: decision.raised.map(countersign_core::behaviour::Suspicion::as_str),
        word: match by {
            By::Keyword(word) => Some(word),
            _ => None,
        },
    }
}

/// The tier that should have been met and gave no answer.
fn unreachable(decision: Decision, spotted: Option<&Spotted>) -> Option<Guard> {
    let is_spot = spotted.is_some_and(|spotted| spotted.failed.is_some());
    let is_deep = decision.verdict == Verdict::Deny(Denial::ReviewUnavailable);
    is_spot.then_some(Guard::Spot).or(is_deep.then_some(Guard::Deep))
}

impl Engine {
    /// Decides, records, and answers.
    pub async fn check(&self, caller: &Caller, ask: Ask<'_>) -> Result<Answer, Error> {
        caller.needs(Right::Ask)?;
        check_name("action_name", ask.tool)?;
        check_name("action_source", ask.source)?;
        if ask.session.is_some_and(|id| id.len() > 256) {
            return Err(Error::Invalid("`session_id` must have at most 256 bytes".into()));
        }
        let began = self.clock.monotonic();
        // Nobody uses up the share of an agent that they cannot act for.
        if self.registry.agents.get(&caller.org, ask.agent.as_str()).is_none() {
            return Err(Error::not_found("agent", ask.agent.as_str()));
        }
        let waits = self.take_rates(&caller.org, caller.acting(ask.agent), (ask.tool, began));
        // Of what is asked in another's name, nothing is held against anybody.
        // Nor is what is refused unread: whoever asks too often makes nobody look.
        let counts = caller.acting(ask.agent) == ask.agent && waits.agent.is_none() && waits.tool.is_none();
        let guard = self.content.as_ref().filter(|_| counts);
        let mut answers = Answers::default();
        if let Some(guard) = guard {
            answers.looked = Some(guard.look(ask.input, ask.summary).await);
        }
        // A look elsewhere and a review take one each, at most.
        for _ in 0..TRIES + 1 + usize::from(self.deep.is_some()) {
            match self.try_check(caller, ask, (waits, &answers)).await {
                // What holds after somebody was asked is decided from what is true then.
                Err(Failed::Unsighted(sight)) => answers.sighted = Some(self.sight(*sight).await),
                Err(Failed::Unreviewed(brief)) => answers.reviewed = Some(self.review(*brief).await),
                Ok(mut answer) => {
                    answer.took = self.clock.monotonic().saturating_sub(began);
                    return Ok(answer);
                }
                // Something this decision rests on changed on the way: decide again.
                Err(Failed::Record(RecordError::Superseded | RecordError::Conflict { .. })) => {}
                Err(Failed::Record(why)) => return Err(why.into()),
                Err(Failed::Refused(Error::Unauthenticated { code, message })) => {
                    return Err(self.turned_away(caller, code, message).await);
                }
                Err(Failed::Refused(why)) => return Err(why),
            }
        }
        Err(RecordError::Superseded.into())
    }

    /// Where an organisation demands tokens that are bound to their holder,
    /// whatever this version accepts is not enough, and is refused.
    fn needs_constrained_token(&self, caller: &Caller) -> Result<(), Error> {
        let settings = self.registry.settings.any(caller.org.as_str());
        if !settings.is_some_and(|s| s.value.require_sender_constrained_tokens) {
            return Ok(());
        }
        let code = "sender_constrained_token_required";
        let message = "this organisation demands sender-constrained tokens, which this version cannot verify yet; \
                       an administrator can turn `require_sender_constrained_tokens` off";
        Err(Error::Unauthenticated { code, message })
    }

    async fn try_check(
        &self,
        caller: &Caller,
        ask: Ask<'_>,
        (waits, answers): (Waits, &Answers),
    ) -> Result<Answer, Failed> {
        let now = self.clock.now();
        let gathered = self.gather(caller, ask)?;
        let (operator, tool_needs_approval) = self.tool_rules(&caller.org, gathered.session.as_deref(), ask.tool);
        let action = Action { tool: ask.tool, class: classify(ask.tool, operator, ask.hint) };
        let seen = self.seen(caller, &gathered.agent, (&action, ask.input), now);
        let heard = self.heard(answers.looked.as_ref(), gathered.standing);
        let sighted = answers.sighted.as_ref();
        let told = Told { seen: &seen, action, tool_needs_approval, waits, heard, sighted };
        let Decided { decision, judged, spotted, tally, taint } = self.decide(caller, ask, &gathered, told)?;
        let case = |decision| Case {
            ask,
            org: &gathered.agent.value.org,
            links: gathered.lent.links.len(),
            decision,
            judged: judged.as_ref(),
            spotted: spotted.as_ref(),
            tally,
            taint,
        };
        let reviewed = answers.reviewed.as_ref();
        let decision = if decision.review {
            let brief = case(decision).brief();
            let Some(reviewed) = reviewed else { return Err(Failed::Unreviewed(Box::new(brief))) };
            reviewed.conclude(decision, &brief)
        } else {
            decision
        };

        let id = CheckId::from_entropy(timed(now, self.bits()));
        let mut changes = Changes::default();
        let asked = (&id, now, reviewed);
        let approval = self.approval_of(&case(decision), &gathered, asked, &mut changes)?;
        let added = heard.map_or(Taint::NONE, |heard| heard.added(ask.tool, decision.verdict));
        let event = event::Decision {
            action: event::Action { arguments: ask.arguments, source: ask.source, tool: ask.tool.into() },
            agent: ask.agent.as_str(),
            agent_revision: gathered.agent.revision,
            approval: approval.as_ref().map(ApprovalId::as_str),
            by: caller.name(),
            code: decision.verdict.code(),
            content: heard.and_then(|heard| heard.event(added)),
            effect: judgement(action.class.by, decision),
            epoch: gathered.epoch,
            gate: decision.gate,
            guard: decision.guard.as_str(),
            id: id.as_str(),
            policies: judged.as_ref().map(Rulings::event),
            review: reviewed.map(|asked| asked.opinion.event()),
            risk: spotted.as_ref().map(Spotted::event),
            session: ask.session.map(Into::into),
            trust: gathered.agent.value.trust,
            verdict: decision.verdict.as_str(),
        };
        let draft = draft_at(now, gathered.chain.clone(), &caller.org, &event)?;
        // A request for approval is a write, whatever the action is; and who is answered
        // must not ask again before its new label holds.
        let reads = decision.effect == Effect::Read && changes.len() == 0 && added.is_none();
        let grouped = self.settings.read_durability == Durability::Grouped && reads;
        let recording = changes.onto(Recording::new(draft), &self.registry);
        let recording = gathered.resting(recording, decision.verdict == Verdict::Allow, (heard.is_some(), now));
        let receipt = self.put_down(caller, ask, &id, (recording, grouped)).await?;
        if let Some(heard) = heard.filter(|_| !added.is_none() && gathered.bearer != gathered.chain) {
            self.bear(caller, &gathered.bearer, (ask.agent, ask.tool), (&heard, added)).await?;
        }
        self.observe(&seen, decision.verdict);
        let durability = if receipt.position.is_some() { Durability::Sync } else { Durability::Grouped };
        Ok(Answer {
            id,
            decision,
            policies: judged,
            review: reviewed.map(|asked| asked.opinion.clone()),
            unreachable: unreachable(decision, spotted.as_ref()),
            approval,
            durability,
            permit: receipt.permit,
            took: Duration::ZERO,
        })
    }

    /// The approval that a call waits for, or that it used.
    fn approval_of(
        &self,
        case: &Case<'_>,
        gathered: &Gathered,
        (id, now, reviewed): (&CheckId, Timestamp, Option<&reviewing::Asked>),
        changes: &mut Changes,
    ) -> Result<Option<ApprovalId>, Error> {
        let (effect, used) = (case.decision.effect, case.decision.used_approval);
        match case.decision.verdict {
            Verdict::Elevate(hold) => {
                let shown = case.shown((id, hold), reviewed);
                let wanted = Wanted { ask: case.ask, org: case.org, chain: &gathered.chain, effect, shown };
                self.ask_for_approval(wanted, now, changes).map(Some)
            }
            Verdict::Allow if used => self.use_approval(gathered.approval.as_ref(), effect, changes),
            _ => Ok(None),
        }
    }

    /// Records a decision, and keeps what it is about where that is wanted.
    async fn put_down(
        &self,
        caller: &Caller,
        ask: Ask<'_>,
        id: &CheckId,
        (recording, grouped): (Recording, bool),
    ) -> Result<Receipt, Failed> {
        self.capture(id, &caller.org, ask.content)?;
        let recorded =
            if grouped { self.recorder.record_grouped(recording).await } else { self.recorder.record(recording).await };
        recorded.map_err(|why| {
            self.uncapture(id);
            Failed::Record(why)
        })
    }

    fn gather(&self, caller: &Caller, ask: Ask<'_>) -> Result<Gathered, Error> {
        // The epoch is read first: whatever is taken away after this line
        // turns the allow away when it reaches the recorder.
        let epoch = self.live.epoch();
        self.still_good(caller)?;
        self.needs_constrained_token(caller)?;
        let registry = &self.registry;
        let agent = registry
            .agents
            .get(&caller.org, ask.agent.as_str())
            .ok_or_else(|| Error::not_found("agent", ask.agent.as_str()))?;
        let token = match &caller.proof {
            Some(Proof { token: Some(id), .. }) => registry.tokens.any(id.as_str()),
            _ => None,
        };
        let session = ask.session.and_then(|id| registry.sessions.get(&caller.org, id));
        // What an agent tries in another's name, or in another's session, is
        // recorded with the agent that tried: it must not move the other's
        // chain or counts.
        let trier = caller.acting(ask.agent);
        // So is what it tries after its session was closed, whose chain has ended.
        let is_mine = |s: &Session| s.agent == *ask.agent && trier == ask.agent && s.closed_at.is_none();
        let mine = session.as_ref().filter(|s| is_mine(s.value.unchecked()));
        let chain_ends = mine.is_some();
        let chain = match (mine, ask.session) {
            (Some(session), _) => ChainId::from(&session.value.unchecked().id),
            (None, Some(id)) if !id.starts_with(SessionId::PREFIX) => ChainId::tracking(&caller.org, trier, id),
            _ => ChainId::from(trier),
        };
        // Ids that a client makes up bear nothing: it could shed what they bear with another one.
        let bearer = if chain_ends { chain.clone() } else { ChainId::from(trier) };
        let leaf = session.as_ref().and_then(|s| s.value.unchecked().delegation.clone());
        let lent = self.lent(leaf);
        Ok(Gathered {
            epoch,
            stop: self.stop_for(&caller.org, ask.tool),
            approval: self.approval_for(&chain, ask.tool, &ask.arguments),
            parent_lives: session.as_ref().is_none_or(|s| self.parent_lives(s.value.unchecked())),
            agent,
            session,
            standing: self.standing(&bearer, lent.links.iter().filter_map(LentLink::from))?,
            chain,
            chain_ends,
            bearer,
            lent,
            token,
        })
    }

    fn decide(
        &self,
        caller: &Caller,
        ask: Ask<'_>,
        gathered: &Gathered,
        Told { seen, action, tool_needs_approval, waits, heard, sighted }: Told<'_>,
    ) -> Result<Decided, Failed> {
        let key = &self.seal_key;
        let links = gathered.lent.links(key);
        let session = match (ask.session, &gathered.session) {
            (None, _) => SessionFacts::None,
            (Some(id), None) if id.starts_with(SessionId::PREFIX) => SessionFacts::Unknown,
            (Some(_), None) => SessionFacts::Tracked,
            (Some(_), Some(sealed)) => match sealed.value.open(key) {
                Some(session) => SessionFacts::Ours { session, parent_lives: gathered.parent_lives },
                None => SessionFacts::Altered,
            },
        };
        // A token whose seal does not hold reaches nothing.
        let token_scopes = gathered.token.as_ref().map(|t| t.value.open(key).map_or(&[][..], |t| &t.scopes));
        let mut facts = Facts {
            now: seen.call.at,
            stop: gathered.stop.as_ref().map(|s| &s.value),
            agent: &gathered.agent.value,
            proven: caller.proof.as_ref().map(|p| &p.agent),
            token_scopes,
            session,
            delegation: &links,
            root_capabilities: gathered.lent.root_capabilities(),
            policy: PolicyWord::Silent,
            tool_needs_approval,
            agent_wait: waits.agent,
            tool_wait: waits.tool,
            overdrawn: self.overdrawn(&gathered.agent.value, &gathered.lent, seen.call.at),
            circuit_wait: waits.circuit,
            tally: self.live.chain(&gathered.chain).unwrap_or(countersign_core::chain::Chain::GENESIS).tally,
            taint: Taint::NONE,
            secret_leaves: false,
            finding: None,
            risk: Consequence::Allow,
            reach: Reach::ALL,
            reviewer: self.deep.is_some(),
            approval: gathered.approval.as_ref().and_then(|a| a.value.open(key)),
        };
        if let Some(heard) = heard {
            heard.tell(ask.tool, &mut facts);
        }
        let spotted = self.spot(caller, seen, &mut facts, sighted).map_err(Failed::Unsighted)?;
        let taint = heard.map_or(Taint::NONE, |heard| heard.held());
        let judged = self.judge(&action, ask.input, &facts, taint);
        facts.policy = judged.as_ref().map_or(PolicyWord::Silent, Rulings::word);
        Ok(Decided { decision: decide(action, &facts), judged, spotted, tally: facts.tally, taint })
    }

    fn stop_for(&self, org: &OrgId, tool: &str) -> Option<Arc<Stored<agent::Stop>>> {
        if self.registry.stops.len() == 0 {
            return None;
        }
        let names = |stop: &agent::Stop| stop.tool.as_deref().is_none_or(|stopped| Pattern::new(stopped).matches(tool));
        let mut stops = self.registry.stops.list(org, names);
        // A stop of everything is the more telling reason.
        stops.sort_by_key(|stop| stop.value.tool.is_some());
        stops.into_iter().next()
    }

    fn take_rates(&self, org: &OrgId, agent: &AgentId, (tool, now): (&str, Duration)) -> Waits {
        let settings = self.registry.settings.any(org.as_str());
        let chosen = |mine: Option<u32>, default: u32| Rate { per_minute: mine.unwrap_or(default) };
        let mine = settings.as_ref().map(|s| &s.value);
        let agent_rate = chosen(mine.and_then(|s| s.agent_per_minute), self.settings.agent_per_minute);
        let tool_rate = chosen(mine.and_then(|s| s.tool_per_minute), self.settings.tool_per_minute);
        let take = |rate: Rate, key: &dyn Fn() -> String| match rate.per_minute {
            0 => None,
            _ => self.live.take(&key(), rate, now).err(),
        };
        // Asked for outright: whether there are any at all, every shard would have to say.
        let circuit = self.registry.circuits.get(&circuit_key(agent, tool));
        Waits {
            agent: take(agent_rate, &|| ["a/", agent.as_str()].concat()),
            tool: take(tool_rate, &|| ["t/", org.as_str(), "/", tool].concat()),
            circuit: circuit.and_then(|breaker| breaker.wait(now)),
        }
    }
}

/// How long a call must wait, by what makes it wait.
#[derive(Clone, Copy)]
struct Waits {
    agent: Option<Duration>,
    tool: Option<Duration>,
    circuit: Option<Duration>,
}

/// What was found out for a check while it waited.
#[derive(Default)]
struct Answers {
    looked: Option<Looked>,
    sighted: Option<Sighted>,
    reviewed: Option<reviewing::Asked>,
}

enum Failed {
    /// The Spot guard elsewhere must be asked first.
    Unsighted(Box<Sight>),
    /// The Deep guard must be asked first.
    Unreviewed(Box<Brief>),
    Record(RecordError),
    Refused(Error),
}

impl From<Error> for Failed {
    fn from(why: Error) -> Self {
        Self::Refused(why)
    }
}

pub(crate) fn circuit_key(agent: &AgentId, tool: &str) -> String {
    [agent.as_str(), "/", tool].concat()
}

/// An id's bits with the time in front, in milliseconds: what lets a decision
/// be found in a ledger that is in the order of time.
fn timed(now: Timestamp, bits: u128) -> u128 {
    let millis = u128::from(u64::try_from(now.as_millis()).unwrap_or(0));
    (millis << 80) | (bits & ((1 << 80) - 1))
}

impl Engine {
    /// Whether what a session was started from still lives.
    pub(crate) fn parent_lives(&self, session: &Session) -> bool {
        session
            .token
            .as_ref()
            .is_none_or(|id| self.registry.tokens.any(id.as_str()).is_some_and(|t| self.token_state(&t).is_ok()))
    }
}
