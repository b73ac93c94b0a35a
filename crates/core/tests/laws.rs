//! What holds of every decision, whatever the facts.

#![expect(clippy::unwrap_used, reason = "a test stops where what it was given is wrong")]

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::agent::{Status, Stop};
use countersign_core::approval::{self, Approval};
use countersign_core::behaviour::Suspicion;
use countersign_core::budget::Overdrawn;
use countersign_core::capability::{Pattern, allows, widened};
use countersign_core::chain::Tally;
use countersign_core::classify::{By, Classification, KEYWORDS, classify};
use countersign_core::conclude::{Reviewed, conclude};
use countersign_core::decide::{GATES, Guard, Hold};
use countersign_core::delegation::{Delegation, Link, verify};
use countersign_core::detect::Finding;
use countersign_core::facts::PolicyWord;
use countersign_core::id::{AgentId, ApprovalId, ChainId, CheckId, DelegationId, KeyId, OrgId, StopId};
use countersign_core::risk::Consequence;
use countersign_core::router::Reach;
use countersign_core::session::{Mode, Session};
use countersign_core::taint::{Label, Taint};
use countersign_core::{Decision, Denial, Digest, Effect, Timestamp, Verdict};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

#[path = "shared/world.rs"]
mod world;

use world::{Lent, Named, World, clock, everything, ordinary_session};

const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin];
const REVIEWED: [Reviewed; 4] = [Reviewed::Cleared, Reviewed::Denied, Reviewed::Escalated, Reviewed::Unavailable];
const TOOLS: [&str; 8] = ["a/get", "a/put", "a/drop", "a/zap", "b/get", "b/put", "b/grant", "countersign/put"];
const PATTERNS: [&str; 8] = ["*", "a/*", "b/*", "a/g*", "a/get", "a/put", "b/grant", "c"];

fn config() -> Config {
    Config { cases: 4096, failure_persistence: None, ..Config::default() }
}

// ---- Worlds, mostly ordinary so that every gate is reached ----

fn mostly<T: std::fmt::Debug + Clone + 'static>(usual: T, odd: impl Strategy<Value = T> + 'static) -> BoxedStrategy<T> {
    prop_oneof![24 => Just(usual), 1 => odd].boxed()
}

fn time() -> impl Strategy<Value = Timestamp> {
    select(vec!["07:30:00", "07:59:59.999", "08:00:00", "08:03:59.999", "08:04:00", "08:13:00", "09:00:00"])
        .prop_map(clock)
}

fn id() -> impl Strategy<Value = AgentId> {
    select(vec!["billing-bot", "other-bot", "lender-0", "lender-1"]).prop_map(|id| AgentId::parse(id).unwrap())
}

fn org() -> impl Strategy<Value = OrgId> {
    Just(OrgId::parse("globex").unwrap())
}

fn effect() -> impl Strategy<Value = Effect> {
    select(EFFECTS.to_vec())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    select(PATTERNS.to_vec()).prop_map(Pattern::new)
}

fn patterns() -> BoxedStrategy<Vec<Pattern>> {
    prop_oneof![2 => Just(everything()), 1 => prop::collection::vec(pattern(), 0..4)].boxed()
}

fn wait() -> BoxedStrategy<Option<Duration>> {
    mostly(None, Just(Some(Duration::from_secs(1))))
}

fn overdrawn() -> BoxedStrategy<Option<Overdrawn>> {
    let (calls, tokens) = (Overdrawn::Calls(Duration::from_secs(1)), Overdrawn::Tokens(Duration::from_secs(1)));
    mostly(None, select(vec![Some(calls), Some(tokens)]))
}

fn stop() -> impl Strategy<Value = Stop> {
    prop::option::of(Just("a tool".to_owned())).prop_map(|tool| Stop {
        id: StopId::parse("stop_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        tool,
        reason: String::new(),
        created_at: clock("07:00:00"),
    })
}

fn session() -> impl Strategy<Value = Session> {
    let ordinary = ordinary_session();
    let owner = (mostly(ordinary.org.clone(), org()), mostly(ordinary.agent.clone(), id()));
    let life = (mostly(ordinary.expires_at, time()), mostly(None, time().prop_map(Some)));
    let mode = select(vec![Mode::ReadOnly, Mode::Standard]);
    (owner, life, mode, patterns()).prop_map(move |((org, agent), (expires_at, closed_at), mode, ceiling)| Session {
        org,
        agent,
        expires_at,
        closed_at,
        mode,
        ceiling,
        ..ordinary.clone()
    })
}

fn named() -> impl Strategy<Value = Named> {
    let ours = (session(), mostly(true, Just(false)))
        .prop_map(|(session, parent_lives)| Named::Ours { session: Box::new(session), parent_lives });
    prop_oneof![
        8 => Just(Named::None),
        4 => Just(Named::Tracked),
        1 => Just(Named::Unknown),
        1 => Just(Named::Altered),
        24 => ours,
    ]
}

/// A chain whose links follow from one another, but for what is odd.
fn chain() -> impl Strategy<Value = Vec<Lent>> {
    let odd = (prop::option::weighted(0.03, id()), prop::option::weighted(0.03, id()), prop::bool::weighted(0.03));
    let life = (mostly(clock("09:00:00"), time()), mostly(None, time().prop_map(Some)));
    let link = (odd, life, patterns(), mostly(true, Just(false)), mostly(false, Just(true)));
    prop::collection::vec(link, 1..=6).prop_map(|given| {
        let last = given.len();
        let mut from = AgentId::parse("lender-0").unwrap();
        let mut parent = None;
        let mut links = Vec::new();
        for (at, link) in (1..).zip(given) {
            let ((other_from, other_to, orphan), (expires_at, revoked_at), scope, lender_is_active, altered) = link;
            let to = if at == last { "billing-bot".to_owned() } else { format!("lender-{at}") };
            let delegation = Delegation {
                id: DelegationId::parse(&format!("link-{at}")).unwrap(),
                org: OrgId::parse("acme").unwrap(),
                from: other_from.unwrap_or(from),
                to: other_to.unwrap_or_else(|| AgentId::parse(&to).unwrap()),
                scope,
                parent: parent.filter(|_| !orphan),
                restrictions: "{}".to_owned(),
                created_at: clock("07:00:00"),
                expires_at,
                revoked_at,
            };
            from = delegation.to.clone();
            parent = Some(delegation.id.clone());
            links.push(Lent {
                delegation: Some(delegation).filter(|_| !altered),
                lender_is_active,
                lender_blocks: Vec::new(),
            });
        }
        links
    })
}

fn tally() -> impl Strategy<Value = Tally> {
    (0..8u64, 0..8u64, 0..4u64, 0..2u64).prop_map(|(read, write, denied, waiting)| Tally {
        total: read + write + denied + waiting,
        read,
        write,
        denied,
    })
}

fn an_approval() -> impl Strategy<Value = Approval> {
    let status = select(vec![
        approval::Status::Approved,
        approval::Status::Approved,
        approval::Status::Approved,
        approval::Status::Denied,
        approval::Status::Pending,
        approval::Status::Expired,
    ]);
    (status, effect(), mostly(clock("07:59:00"), time()), mostly(false, Just(true)))
        .prop_map(|(status, effect, decided_at, spent)| approval_of(status, effect, decided_at, spent))
}

fn approval_of(status: approval::Status, effect: Effect, decided_at: Timestamp, spent: bool) -> Approval {
    let answered = matches!(status, approval::Status::Approved | approval::Status::Denied);
    Approval {
        id: ApprovalId::parse("appr_1").unwrap(),
        org: OrgId::parse("acme").unwrap(),
        agent: AgentId::parse("billing-bot").unwrap(),
        session: None,
        chain: ChainId::parse("sess_1").unwrap(),
        tool: String::new(),
        effect,
        arguments: Digest::ZERO,
        summary: String::new(),
        shown: approval::Shown::new(CheckId::parse("chk_1").unwrap(), ""),
        status,
        created_at: clock("07:58:00"),
        expires_at: clock("08:13:00"),
        decided_by: answered.then(|| "Ada".to_owned()),
        decided_key: answered.then(|| KeyId::parse("key_1").unwrap()),
        decided_at: answered.then_some(decided_at),
        spent,
    }
}

fn policy_word() -> impl Strategy<Value = PolicyWord> {
    let other = [PolicyWord::Hold, PolicyWord::Forbid, PolicyWord::Failed, PolicyWord::Unmatched];
    mostly(PolicyWord::Permit, select([&other[..], &[PolicyWord::Silent]].concat()))
}

fn taint() -> impl Strategy<Value = Taint> {
    subsequence(Label::ALL, 0..=Label::ALL.len()).prop_map(|labels| labels.into_iter().collect())
}

fn any_world() -> impl Strategy<Value = World> {
    let who = (
        mostly(Status::Active, select(vec![Status::Suspended, Status::Revoked])),
        patterns(),
        mostly(Vec::new(), prop::collection::vec(pattern(), 1..3)),
        mostly(None, id().prop_map(Some)),
        mostly(None, patterns().prop_map(Some)),
        mostly(None, stop().prop_map(Some)),
    );
    let session = (named(), prop_oneof![3 => Just(Vec::new()), 2 => chain()], patterns(), tally());
    let spot = (
        mostly(None, select(Finding::ALL.to_vec()).prop_map(Some)),
        mostly(Consequence::Allow, select(vec![Consequence::Elevate, Consequence::Deny])),
        mostly(true, Just(false)),
    );
    let data = (mostly(Taint::NONE, taint()), mostly(false, Just(true)));
    let rest = (
        (spot, data, any::<bool>()),
        mostly(clock("08:00:00"), time()),
        (policy_word(), mostly(false, Just(true))),
        (wait(), wait(), overdrawn(), wait()),
        prop::option::weighted(0.75, an_approval()),
    );
    (who, session, rest).prop_map(|(who, session, rest)| {
        let (status, capabilities, blocked, proven, token_scopes, stop) = who;
        let (mut session, delegation, root_capabilities, tally) = session;
        if let Named::Ours { session, .. } = &mut session {
            session.delegation = delegation.last().and_then(|l| l.delegation.as_ref()).map(|leaf| leaf.id.clone());
        }
        // Only a session can rest on a delegation.
        let delegation = if matches!(session, Named::Ours { .. }) { delegation } else { Vec::new() };
        let (
            ((finding, risk, spot), (taint, secret_leaves), reviewer),
            now,
            (policy, tool_needs_approval),
            (agent_wait, tool_wait, overdrawn, circuit_wait),
            approval,
        ) = rest;
        let mut world = World::ordinary();
        world.agent.status = status;
        world.agent.capabilities = capabilities;
        world.agent.blocked = blocked;
        World {
            now,
            stop,
            proven,
            token_scopes,
            session,
            delegation,
            root_capabilities,
            policy,
            tool_needs_approval,
            agent_wait,
            tool_wait,
            overdrawn,
            circuit_wait,
            tally,
            taint,
            secret_leaves,
            finding,
            risk,
            reach: Reach { spot, ..Reach::ALL },
            reviewer,
            approval,
            ..world
        }
    })
}

/// What an agent may want to do: a tool, what an operator and what a caller say of it.
type Wish = (&'static str, Option<Effect>, Option<Effect>);

fn any_wish() -> impl Strategy<Value = Wish> {
    (select(TOOLS.to_vec()), mostly(None, effect().prop_map(Some)), mostly(None, effect().prop_map(Some)))
}

fn grant(world: &World, (tool, operator, hint): Wish) -> Decision {
    world.decide(tool, classify(tool, operator, hint))
}

/// The decision where a reviewer, if one is asked, leaves it to a person.
fn left_to_a_person(world: &World, wish: Wish) -> Decision {
    conclude(grant(world, wish), Reviewed::Escalated)
}

fn allowed(decision: Decision) -> bool {
    decision.verdict == Verdict::Allow
}

/// Takes the pattern at `at` away, if there is one.
fn without(patterns: &mut Vec<Pattern>, at: Index) {
    if !patterns.is_empty() {
        patterns.remove(at.index(patterns.len()));
    }
}

/// Puts `narrower` in the place of a pattern that covers it, if there is one.
fn narrowed(patterns: &mut [Pattern], narrower: &Pattern) {
    if let Some(wider) = patterns.iter_mut().find(|p| p.covers(narrower)) {
        *wider = narrower.clone();
    }
}

#[test]
fn the_worlds_that_laws_are_tried_in_reach_every_answer() {
    let mut runner = TestRunner::deterministic();
    let worlds = (any_world(), any_wish());
    let (mut allows, mut used, mut codes) = (0, 0, BTreeSet::new());
    for _ in 0..20_000 {
        let (world, wish) = worlds.new_tree(&mut runner).unwrap().current();
        let waiting = grant(&world, wish);
        let reviewed = select(REVIEWED.to_vec()).new_tree(&mut runner).unwrap().current();
        let decision = conclude(waiting, reviewed);
        allows += u32::from(allowed(decision));
        used += u32::from(decision.used_approval);
        codes.extend(decision.verdict.code());
    }
    assert!(allows > 2_500 && used > 250, "{allows} of 20000 are allowed, {used} with an approval");
    let known: BTreeSet<_> = Denial::CODES.iter().chain(Hold::CODES).copied().collect();
    assert_eq!(codes, known);
}

proptest! {
    #![proptest_config(config())]

    // ---- Taking away never gives ----

    #[test]
    fn blocking_one_thing_more_never_allows_more(world in any_world(), wish in any_wish(), blocked in pattern()) {
        let mut stricter = world.clone();
        stricter.agent.blocked.push(blocked);
        prop_assert!(!allowed(grant(&stricter, wish)) || allowed(grant(&world, wish)));
    }

    #[test]
    fn what_policies_refuse_is_never_allowed_and_what_they_permit_is_allowed_by_no_more_than_the_rest(
        world in any_world(), wish in any_wish(),
    ) {
        let saying = |policy| grant(&World { policy, ..world.clone() }, wish);
        for refusal in [PolicyWord::Forbid, PolicyWord::Failed, PolicyWord::Unmatched] {
            prop_assert!(!allowed(saying(refusal)));
        }
        let silent = saying(PolicyWord::Silent);
        prop_assert_eq!(saying(PolicyWord::Permit), silent);
        prop_assert!(!allowed(saying(PolicyWord::Hold)) || allowed(silent));
    }

    #[test]
    fn a_higher_risk_and_a_finding_never_turn_a_refusal_into_an_allow(
        world in any_world(), wish in any_wish(), finding in select(Finding::ALL.to_vec()),
    ) {
        let of = |finding, risk| grant(&World { finding, risk, ..world.clone() }, wish);
        let calm = of(None, Consequence::Allow);
        for risk in [Consequence::Allow, Consequence::Elevate, Consequence::Deny] {
            for finding in [None, Some(finding)] {
                prop_assert!(!allowed(of(finding, risk)) || allowed(calm));
            }
        }
        let risky = of(None, Consequence::Deny);
        prop_assert!(!allowed(risky) || risky.effect == Effect::Read);
    }

    #[test]
    fn more_taint_and_a_secret_that_leaves_never_turn_a_refusal_into_an_allow(
        world in any_world(), wish in any_wish(), more in taint(), reviewed in select(REVIEWED.to_vec()),
    ) {
        let of = |taint, secret_leaves| grant(&World { taint, secret_leaves, ..world.clone() }, wish);
        let after = |decision| allowed(conclude(decision, reviewed));
        for secret_leaves in [world.secret_leaves, true] {
            let (calm, wary) = (of(world.taint, world.secret_leaves), of(world.taint.join(more), secret_leaves));
            prop_assert!(!allowed(wary) || allowed(calm));
            prop_assert!(!matches!(calm.verdict, Verdict::Deny(_)) || !after(wary) || after(calm));
        }
    }

    #[test]
    fn what_content_from_outside_steers_destroys_nothing_whatever_anybody_approves(
        world in any_world(), wish in any_wish(), more in taint(), hidden: bool, reviewed in select(REVIEWED.to_vec()),
    ) {
        let steering = if hidden { Label::HiddenContent } else { Label::InjectionSuspected };
        let taint = more.join([Label::UntrustedContent, steering].into_iter().collect());
        let own = classify(wish.0, wish.1, wish.2).effect;
        let decision = conclude(grant(&World { taint, ..world }, wish), reviewed);
        prop_assert!(own < Effect::Destructive || !allowed(decision));
    }

    #[test]
    fn a_review_changes_nothing_but_what_waits_for_one_and_only_cleared_allows(
        world in any_world(), wish in any_wish(), reviewed in select(REVIEWED.to_vec()),
    ) {
        let decision = grant(&world, wish);
        let after = conclude(decision, reviewed);
        prop_assert!(decision.review || after == decision);
        prop_assert!(!decision.review || allowed(after) == (reviewed == Reviewed::Cleared));
        prop_assert!(!after.review && (!decision.review || !allowed(decision)));
        prop_assert!(!decision.review || after.guard == Guard::Deep);
    }

    #[test]
    fn a_reviewer_is_asked_only_where_a_human_would_be_or_nobody_could_be(
        world in any_world(), wish in any_wish(), reviewed in select(REVIEWED.to_vec()),
    ) {
        let without = grant(&World { reviewer: false, ..world.clone() }, wish);
        let with = grant(&World { reviewer: true, ..world.clone() }, wish);
        let asked = matches!(
            without.verdict,
            Verdict::Elevate(Hold::Destructive) | Verdict::Deny(Denial::AdminUnreviewed)
        );
        prop_assert!(asked || with == without);
        // Only a cleared review allows what is not allowed without a reviewer.
        let after = conclude(with, reviewed);
        prop_assert!(!allowed(after) || allowed(without) || (asked && reviewed == Reviewed::Cleared));
        prop_assert!(!world.tool_needs_approval || with == without);
    }

    #[test]
    fn an_effect_is_raised_by_one_tier_at_most_and_to_admin_by_a_session_alone(
        world in any_world(), wish in any_wish(), finding in select(Finding::ALL.to_vec()),
    ) {
        let own = classify(wish.0, wish.1, wish.2).effect;
        let decision = grant(&World { finding: Some(finding), ..world }, wish);
        prop_assert!(decision.effect == own || decision.effect == own.raised());
        let found = matches!(decision.raised, Some(Suspicion::Found(_)));
        prop_assert!(!found || decision.effect <= Effect::Destructive);
    }

    #[test]
    fn without_the_spot_guard_nothing_above_a_change_passes_and_nothing_else_that_would_not_with_it(
        world in any_world(), wish in any_wish(), reviewed in select(REVIEWED.to_vec()),
    ) {
        // Where Spot does not answer, nothing is known of findings and risk.
        let calm = World { finding: None, risk: Consequence::Allow, ..world };
        let of = |spot| grant(&World { reach: Reach { spot, ..Reach::ALL }, ..calm.clone() }, wish);
        let (without, with) = (of(false), of(true));
        prop_assert!(!allowed(without) || allowed(with));
        let after = conclude(without, reviewed);
        prop_assert!(!allowed(after) || after.effect <= Effect::Mutating);
        prop_assert!(!matches!(with.verdict, Verdict::Deny(_)) || !allowed(after));
        prop_assert!(without.effect != Effect::Read || without == with);
    }

    #[test]
    fn what_is_blocked_is_never_allowed(mut world in any_world(), wish in any_wish()) {
        world.agent.blocked.push(Pattern::new(wish.0));
        prop_assert!(!allowed(grant(&world, wish)));
    }

    #[test]
    fn taking_a_capability_away_never_allows_more(world in any_world(), wish in any_wish(), at: Index) {
        let mut stricter = world.clone();
        without(&mut stricter.agent.capabilities, at);
        without(&mut stricter.root_capabilities, at);
        prop_assert!(!allowed(grant(&stricter, wish)) || allowed(grant(&world, wish)));
    }

    #[test]
    fn narrowing_a_capability_never_allows_more(world in any_world(), wish in any_wish(), to in pattern()) {
        let mut stricter = world.clone();
        narrowed(&mut stricter.agent.capabilities, &to);
        narrowed(&mut stricter.root_capabilities, &to);
        prop_assert!(!allowed(grant(&stricter, wish)) || allowed(grant(&world, wish)));
    }

    #[test]
    fn narrowing_a_ceiling_or_a_scope_never_allows_more(
        world in any_world(), wish in any_wish(), at: Index, to in pattern(),
    ) {
        let mut stricter = world.clone();
        if let Named::Ours { session, .. } = &mut stricter.session {
            without(&mut session.ceiling, at);
            narrowed(&mut session.ceiling, &to);
        }
        let scopes = stricter.token_scopes.get_or_insert_with(everything);
        without(scopes, at);
        narrowed(scopes, &to);
        prop_assert!(!allowed(grant(&stricter, wish)) || allowed(grant(&world, wish)));
    }

    #[test]
    fn what_an_agent_without_capabilities_may_is_lent(mut world in any_world(), wish in any_wish()) {
        world.agent.capabilities.clear();
        prop_assert!(!allowed(grant(&world, wish)) || !world.delegation.is_empty());
    }

    // ---- Switches ----

    #[test]
    fn an_agent_that_is_revoked_or_suspended_is_never_allowed(mut world in any_world(), wish in any_wish()) {
        for status in [Status::Revoked, Status::Suspended] {
            world.agent.status = status;
            prop_assert!(!allowed(grant(&world, wish)));
        }
    }

    #[test]
    fn what_is_stopped_is_never_allowed(mut world in any_world(), wish in any_wish(), stop in stop()) {
        world.stop = Some(stop);
        prop_assert!(!allowed(grant(&world, wish)));
    }

    // ---- Effects ----

    #[test]
    fn a_worse_hint_never_turns_a_refusal_into_an_allow(
        world in any_world(), (tool, operator, hint) in any_wish(), worse in effect(),
    ) {
        let worse = Some(worse).max(hint);
        prop_assert!(!allowed(grant(&world, (tool, operator, worse))) || allowed(grant(&world, (tool, operator, hint))));
    }

    #[test]
    fn a_worse_effect_never_turns_a_refusal_into_an_allow(world in any_world(), (tool, ..) in any_wish()) {
        let answers = EFFECTS.map(|effect| allowed(world.decide(tool, Classification { effect, by: By::Unknown })));
        prop_assert!(answers.is_sorted_by(|better, worse| better >= worse), "{answers:?}");
    }

    #[test]
    fn an_admin_effect_is_never_allowed(world in any_world(), (tool, ..) in any_wish()) {
        let class = Classification { effect: Effect::Admin, by: By::Override };
        prop_assert!(!allowed(world.decide(tool, class)));
    }

    #[test]
    fn nothing_is_allowed_that_was_judged_an_admin_effect(world in any_world(), wish in any_wish()) {
        let decision = grant(&world, wish);
        prop_assert!(!allowed(decision) || decision.effect < Effect::Admin);
    }

    #[test]
    fn the_judged_effect_is_the_actions_own_or_one_tier_above(world in any_world(), wish in any_wish()) {
        let own = classify(wish.0, wish.1, wish.2).effect;
        let decision = grant(&world, wish);
        let expected = if decision.raised.is_some() { own.raised() } else { own };
        prop_assert_eq!(decision.effect, expected);
    }

    #[test]
    fn a_hint_raises_to_itself_and_lowers_nothing(
        tool in "([a-zA-Z0-9_/é]|get|put|drop|grant){0,6}", operator in prop::option::of(effect()), hint in effect(),
    ) {
        let without = classify(&tool, operator, None);
        let with = classify(&tool, operator, Some(hint));
        prop_assert_eq!(with.effect, without.effect.max(hint));
        prop_assert_eq!(with.by == By::Hint, hint > without.effect);
    }

    #[test]
    fn a_name_has_the_effect_of_the_word_that_decided_it(tool in "([A-Za-z0-9_/é]|get|Put|DROP|grant|.){0,8}") {
        let expected = match classify(&tool, None, None).by {
            By::Keyword(word) => KEYWORDS.iter().find(|(_, words)| words.contains(&word)).unwrap().0,
            _ => Effect::Mutating,
        };
        prop_assert_eq!(classify(&tool, None, None).effect, expected);
    }

    // ---- Sessions and delegations ----

    #[test]
    fn what_is_allowed_in_a_session_is_inside_its_ceiling(world in any_world(), wish in any_wish()) {
        if let Named::Ours { session, .. } = &world.session {
            prop_assert!(!allowed(grant(&world, wish)) || allows(&session.ceiling, wish.0));
        }
    }

    #[test]
    fn what_is_allowed_in_a_session_is_allowed_to_its_owner_while_it_lives(world in any_world(), wish in any_wish()) {
        if let Named::Ours { session, parent_lives } = &world.session
            && allowed(grant(&world, wish))
        {
            prop_assert!(session.agent == world.agent.id && session.org == world.agent.org);
            prop_assert!(world.now < session.expires_at && session.closed_at.is_none() && *parent_lives);
        }
    }

    #[test]
    fn a_read_only_session_changes_nothing_without_a_human(world in any_world(), wish in any_wish()) {
        let own = classify(wish.0, wish.1, wish.2).effect;
        if let Named::Ours { session, .. } = &world.session
            && session.mode == Mode::ReadOnly
            && own > Effect::Read
        {
            let decision = grant(&world, wish);
            prop_assert!(!allowed(decision) || decision.used_approval);
        }
    }

    #[test]
    fn a_chain_that_holds_lends_nothing_its_root_does_not_hold(chain in chain(), root in patterns(), now in time()) {
        let links: Vec<Link<'_>> = chain
            .iter()
            .map(|l| Link { delegation: l.delegation.as_ref(), lender_is_active: l.lender_is_active, lender_blocks: &l.lender_blocks })
            .collect();
        if verify(&links, &root, now).is_ok() {
            let leaf = chain.last().unwrap().delegation.as_ref().unwrap();
            prop_assert_eq!(widened(&root, &leaf.scope), None);
            prop_assert!(chain.len() <= 5);
            for link in &chain {
                let delegation = link.delegation.as_ref().unwrap();
                prop_assert!(link.lender_is_active && delegation.revoked_at.is_none() && now < delegation.expires_at);
            }
        }
    }

    #[test]
    fn a_chain_that_holds_holds_up_to_each_of_its_links(chain in chain(), root in patterns(), now in time()) {
        let links: Vec<Link<'_>> = chain
            .iter()
            .map(|l| Link { delegation: l.delegation.as_ref(), lender_is_active: l.lender_is_active, lender_blocks: &l.lender_blocks })
            .collect();
        if verify(&links, &root, now).is_ok() {
            for length in 0..links.len() {
                prop_assert_eq!(verify(&links[..length], &root, now), Ok(()));
            }
        }
    }

    // ---- Approvals ----

    #[test]
    fn the_approval_that_a_hold_asks_for_is_enough(mut world in any_world(), wish in any_wish()) {
        let decision = grant(&world, wish);
        if let Verdict::Elevate(_) = decision.verdict {
            world.approval = Some(approval_of(approval::Status::Approved, decision.effect, world.now, false));
            let after = grant(&world, wish);
            prop_assert!(allowed(after) && after.used_approval, "{after:?}");
        }
    }

    #[test]
    fn an_approval_was_used_exactly_if_the_action_would_have_waited_without_it(
        world in any_world(), wish in any_wish(),
    ) {
        let with = left_to_a_person(&world, wish);
        let without = left_to_a_person(&World { approval: None, ..world }, wish);
        let turned = allowed(with) && matches!(without.verdict, Verdict::Elevate(_));
        prop_assert_eq!(with.used_approval, turned);
        prop_assert!(!allowed(with) || turned || allowed(without));
    }

    #[test]
    fn no_yes_turns_a_refusal_into_anything_else(
        world in any_world(), wish in any_wish(), yes in effect(),
    ) {
        let approval = Some(approval_of(approval::Status::Approved, yes, world.now, false));
        let without = left_to_a_person(&World { approval: None, ..world.clone() }, wish);
        let with = left_to_a_person(&World { approval, ..world }, wish);
        if let Verdict::Deny(_) = without.verdict {
            prop_assert_eq!(with, without);
        }
    }

    // ---- The answer ----

    #[test]
    fn the_same_facts_give_the_same_decision(world in any_world(), wish in any_wish()) {
        prop_assert_eq!(grant(&world, wish), grant(&world.clone(), wish));
    }

    #[test]
    fn an_answer_names_the_gate_that_decided_and_only_then(world in any_world(), wish in any_wish()) {
        let decision = grant(&world, wish);
        prop_assert_eq!(decision.gate.is_none(), allowed(decision));
        let tier = decision.gate.map(|gate| GATES.iter().find(|(name, ..)| *name == gate).unwrap().1);
        match decision.verdict {
            Verdict::Deny(_) => prop_assert_eq!(Some(decision.guard), tier),
            Verdict::Allow | Verdict::Elevate(_) => prop_assert_eq!(decision.guard, match decision.effect {
                Effect::Read => Guard::Fast,
                Effect::Mutating if !world.reach.spot => Guard::Fast,
                Effect::Mutating => Guard::Spot,
                Effect::Destructive | Effect::Admin => Guard::Deep,
            }),
        }
    }
}
