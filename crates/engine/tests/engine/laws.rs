//! Whatever happens, in whatever order: the record verifies, what it adds up to
//! is what the engine says, and a restart changes nothing.

use std::time::Duration;

use countersign_core::approval::Answer;
use countersign_core::id::{AgentId, ApprovalId};
use countersign_engine::{Ask, Closing, NewDelegation, NewToken};
use proptest::prelude::*;

use crate::world::{Ending, World, arguments, ask, failure, lending, new_token, patterns};

/// One thing that somebody does. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Deed {
    Check { agent: usize, session: usize, tool: usize, arguments: u8 },
    CheckTogether { agent: usize, session: usize, times: usize },
    StartSession { agent: usize, writes: bool },
    CloseSession(usize),
    Decide { approval: usize, yes: bool },
    Issue { agent: usize },
    StartApiSession(usize),
    RevokeToken(usize),
    Lend { from: usize, to: usize },
    StartDelegatedSession(usize),
    RevokeDelegation(usize),
    Suspend(usize),
    Resume(usize),
    Stop { everything: bool },
    Lift,
    Report { agent: usize, session: usize },
    Pass(u64),
    Fail,
    Restart { killed: bool },
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let at = || 0..6_usize;
    prop_oneof![
        8 => (at(), at(), at(), 0..2_u8)
            .prop_map(|(agent, session, tool, arguments)| Deed::Check { agent, session, tool, arguments }),
        2 => (at(), at(), 2..9_usize).prop_map(|(agent, session, times)| Deed::CheckTogether { agent, session, times }),
        3 => (at(), any::<bool>()).prop_map(|(agent, writes)| Deed::StartSession { agent, writes }),
        1 => at().prop_map(Deed::CloseSession),
        4 => (at(), any::<bool>()).prop_map(|(approval, yes)| Deed::Decide { approval, yes }),
        2 => at().prop_map(|agent| Deed::Issue { agent }),
        2 => at().prop_map(Deed::StartApiSession),
        1 => at().prop_map(Deed::RevokeToken),
        2 => (at(), at()).prop_map(|(from, to)| Deed::Lend { from, to }),
        2 => at().prop_map(Deed::StartDelegatedSession),
        1 => at().prop_map(Deed::RevokeDelegation),
        1 => at().prop_map(Deed::Suspend),
        1 => at().prop_map(Deed::Resume),
        1 => any::<bool>().prop_map(|everything| Deed::Stop { everything }),
        2 => Just(Deed::Lift),
        1 => (at(), at()).prop_map(|(agent, session)| Deed::Report { agent, session }),
        2 => (0..400_000_u64).prop_map(Deed::Pass),
        1 => Just(Deed::Fail),
        1 => any::<bool>().prop_map(|killed| Deed::Restart { killed }),
    ]
}

/// What there is to choose from.
struct Town {
    world: World,
    agents: Vec<AgentId>,
    sessions: Vec<String>,
    approvals: Vec<ApprovalId>,
    tokens: Vec<String>,
    delegations: Vec<String>,
}

fn choose<T>(from: &[T], at: usize) -> Option<&T> {
    from.get(at % from.len().max(1))
}

const TOOLS: [&str; 6] = ["get_mail", "list_mail", "update_mail", "delete_mail", "grant_mail", "frobnicate"];

impl Town {
    async fn new() -> Self {
        let world = World::new().await;
        let agents = vec![
            world.agent("one", &["*"]).await,
            world.agent("two", &["get_*", "update_*", "delete_*"]).await,
            world.agent("three", &[]).await,
        ];
        let sessions = vec!["made-up".to_owned(), "sess_never".to_owned()];
        let (approvals, tokens, delegations) = (Vec::new(), Vec::new(), Vec::new());
        Self { world, agents, sessions, approvals, tokens, delegations }
    }

    /// Does it. Refusals are answers too: only the record counts here.
    async fn does(mut self, deed: Deed) -> Self {
        match deed {
            Deed::Suspend(_) | Deed::Resume(_) | Deed::Stop { .. } | Deed::Lift | Deed::Fail => self.orders(deed).await,
            Deed::Pass(millis) => self.world.clock.pass(Duration::from_millis(millis)),
            Deed::Restart { killed } => {
                let ending = if killed { Ending::Killed } else { Ending::Stopped };
                self.world = self.world.restarted(ending);
            }
            Deed::Check { .. } | Deed::CheckTogether { .. } | Deed::Report { .. } => self.asks(deed).await,
            _ => self.lends_and_borrows(deed).await,
        }
        self
    }

    async fn orders(&mut self, deed: Deed) {
        let (engine, admin) = (&self.world.engine, &self.world.org.admin);
        match deed {
            Deed::Suspend(at) => {
                let agent = choose(&self.agents, at).unwrap();
                engine.suspend_agent(admin, agent.as_str(), "").await.unwrap();
            }
            Deed::Resume(at) => {
                let agent = choose(&self.agents, at).unwrap();
                engine.resume_agent(admin, agent.as_str()).await.unwrap();
            }
            Deed::Stop { everything } => {
                let tool = (!everything).then(|| "get_*".to_owned());
                engine.stop_tool(admin, tool, "").await.unwrap();
            }
            Deed::Lift => {
                for stop in engine.list_stops(admin).unwrap() {
                    engine.lift_stop(admin, stop.value.id.as_str()).await.unwrap();
                }
            }
            _ => {
                self.world.tap.fail(true);
                for tool in TOOLS {
                    let asked = ask(&self.agents[0], tool);
                    engine.check(&self.world.org.runtime, asked).await.unwrap_err();
                }
                self.world.tap.fail(false);
            }
        }
    }

    async fn asks(&mut self, deed: Deed) {
        match deed {
            Deed::Check { agent, session, tool, arguments: with } => {
                let named = choose(&self.sessions, session).map(String::as_str);
                let asked = ask(choose(&self.agents, agent).unwrap(), TOOLS[tool]);
                let asked = Ask { session: named, arguments: arguments(&with.to_string()), ..asked };
                self.approvals.extend(self.world.check(asked).await.approval);
            }
            Deed::CheckTogether { agent, session, times } => {
                let agent = choose(&self.agents, agent).unwrap();
                let named = choose(&self.sessions, session).map(String::as_str);
                let mut asked = Vec::new();
                for at in 0..times {
                    asked.push(self.world.asking(&self.world.org.runtime, agent, named, TOOLS[at % TOOLS.len()]).await);
                }
                for asking in asked {
                    self.approvals.extend(asking.await.unwrap().unwrap().approval);
                }
            }
            Deed::Report { agent, session } => {
                let agent = choose(&self.agents, agent).unwrap();
                let named = choose(&self.sessions, session).map(String::as_str);
                let reports = vec![failure("get_mail"), failure("list_mail")];
                self.world.engine.report(&self.world.org.runtime, agent, named, reports).await.unwrap();
            }
            _ => {}
        }
    }

    async fn lends_and_borrows(&mut self, deed: Deed) {
        let (engine, runtime) = (&self.world.engine, &self.world.org.runtime);
        match deed {
            Deed::StartSession { agent, writes } => {
                let mode = if writes {
                    countersign_core::session::Mode::Standard
                } else {
                    countersign_core::session::Mode::ReadOnly
                };
                let new = countersign_engine::NewServer { default_mode: mode, ..crate::world::new_server(&[]) };
                let server = engine.register_server(&self.world.org.admin, new).await.unwrap().id;
                let agent = choose(&self.agents, agent).unwrap();
                let started = engine.start_mcp_session(runtime, agent, server.as_str()).await;
                self.sessions.extend(started.map(|view| view.session.id.to_string()));
            }
            Deed::CloseSession(at) => {
                let session = choose(&self.sessions, at).unwrap();
                _ = engine.close_session(runtime, session, Closing::default()).await;
            }
            Deed::Decide { approval, yes } => {
                if let Some(id) = choose(&self.approvals, approval) {
                    _ = self.world.answer(id, if yes { Answer::Approve } else { Answer::Deny }).await;
                }
            }
            Deed::Issue { agent } => {
                let session = choose(&self.sessions, agent).cloned();
                let new = NewToken {
                    scopes: patterns(&["get_*"]),
                    session,
                    ..new_token(choose(&self.agents, agent).unwrap())
                };
                self.tokens.extend(engine.issue_token(runtime, new).await.map(|issued| issued.secret));
            }
            Deed::StartApiSession(at) => {
                if let Some(secret) = choose(&self.tokens, at) {
                    let started = engine.start_api_session(runtime, secret).await;
                    self.sessions.extend(started.map(|view| view.session.id.to_string()));
                }
            }
            Deed::RevokeToken(at) => {
                if let Some(secret) = choose(&self.tokens, at) {
                    engine.revoke_token(runtime, secret, "").await.unwrap();
                }
            }
            Deed::Lend { from, to } => {
                let (from, to) = (choose(&self.agents, from).unwrap(), choose(&self.agents, to).unwrap());
                let new = NewDelegation { scope: patterns(&["get_*"]), ..lending(from, to) };
                self.delegations.extend(self.world.lend(new).await.map(|lent| lent.id.to_string()));
            }
            Deed::StartDelegatedSession(at) => {
                if let Some(id) = choose(&self.delegations, at) {
                    let started = engine.start_delegated_session(runtime, id).await;
                    self.sessions.extend(started.map(|view| view.session.id.to_string()));
                }
            }
            Deed::RevokeDelegation(at) => {
                if let Some(id) = choose(&self.delegations, at) {
                    engine.revoke_delegation(runtime, id).await.unwrap();
                }
            }
            _ => {}
        }
    }
}

/// What every sequence of deeds must leave behind.
fn assert_lawful(world: &World) {
    let chains = world.verified();
    assert_eq!(world.live_chains(), chains);
    for view in world.engine.list_sessions(&world.org.admin, None, usize::MAX).unwrap() {
        assert_eq!(view.chain, chains[view.session.id.as_str()]);
        let tally = view.chain.tally;
        assert!(tally.read + tally.write + tally.denied <= tally.total);
    }
    // An approval of something destructive lets one action pass, or none.
    let mut used = std::collections::BTreeSet::new();
    for entry in world.entries() {
        if entry.is_allow() && entry.event["effect"]["final"] == "destructive" {
            assert!(used.insert(entry.says("approval").to_owned()), "{entry:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_deeds_leaves_a_record_that_verifies_and_adds_up(deeds in prop::collection::vec(any_deed(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut town = Town::new().await;
            for deed in deeds {
                town = town.does(deed).await;
            }
            assert_lawful(&town.world);
            let world = town.world.restarted(Ending::Killed);
            assert_lawful(&world);
        });
    }
}
