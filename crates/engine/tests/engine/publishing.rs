//! Policies that an organisation publishes for itself: what they take away, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::facts::PolicyWord;
use countersign_core::id::AgentId;
use countersign_engine::{
    Answer, Ask, Caller, Checked, Error, Fallback, InForce, NewVersion, Owner, PolicyVersion, Texts,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Choice, Ending, Org, World, arguments, ask, new_agent, patterns, word};

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"type": "object",
    "properties": {"amount": {"type": "integer"}}}}]}"#;
const ALL: &str = "@id(\"all\") permit (principal, action, resource);";
const NONE: &str = "@id(\"none\") @reason(\"closed\") forbid (principal, action, resource);";
const SMALL: &str = "@id(\"small\") forbid (principal, action == Action::\"pay/transfer\", resource)\n\
    when { context.arguments has amount && context.arguments.amount > 100 };";

/// Texts of `policies`, in one file, about `pay/transfer`.
fn texts(policies: &str) -> Texts {
    let file = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
    Texts { policies: file("own.cedar", policies), tools: file("tools/pay.json", TOOLS), cases: BTreeMap::new() }
}

fn checked(policies: &str, fallback: Fallback) -> Checked {
    Checked::read(&texts(policies), fallback).unwrap()
}

async fn publish(world: &World, policies: &str, fallback: Fallback) -> PolicyVersion {
    let checked = checked(policies, fallback);
    world.engine.publish_policies(&world.org.admin, Some(checked), NewVersion::default()).await.unwrap()
}

async fn by_operator(world: &World, policies: &str, fallback: Fallback) {
    let set = Arc::new(texts(policies).load().unwrap());
    let in_force = Arc::new(InForce::new(set, fallback, 1).unwrap());
    world.engine.put_policies(Some(in_force)).await.unwrap();
}

async fn transfer(world: &World, agent: &AgentId, amount: u32) -> Answer {
    let input = format!("{{\"amount\": {amount}}}");
    world.check(Ask { input: Some(&input), arguments: arguments(&input), ..ask(agent, "pay/transfer") }).await
}

async fn verdict(world: &World, agent: &AgentId, amount: u32) -> String {
    word(&transfer(world, agent, amount).await).to_owned()
}

#[tokio::test]
async fn an_organisation_narrows_what_the_operator_allows_and_the_entry_says_who_said_what() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    by_operator(&world, ALL, Fallback::Deny).await;
    let operators = world.engine.policies().unwrap().set().digest().to_string();
    let version = publish(&world, SMALL, Fallback::Allow).await;
    let own = version.set.unwrap().digest.to_string();
    let published = world.last();
    assert_eq!((published.kind.as_str(), published.chain.as_str()), ("publication", world.org.id.as_str()));
    let by = world.org.admin.name();
    assert_eq!(published.event, json!({"by": by, "default": "allow", "set": own, "version": 1}));

    assert_eq!(verdict(&world, &agent, 100).await, "allow");
    assert_eq!(verdict(&world, &agent, 101).await, "policy_forbids");
    let said = json!([
        {"by": ["all"], "outcome": "permit", "set": operators, "source": "operator"},
        {"by": ["small"], "outcome": "forbid", "set": own, "source": "organisation", "version": 1},
    ]);
    assert_eq!(world.last().event["policies"], said);
    world.verified();
}

#[tokio::test]
async fn an_organisation_cannot_allow_what_the_operator_refuses() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    publish(&world, ALL, Fallback::Allow).await;
    by_operator(&world, NONE, Fallback::Deny).await;
    let denied = transfer(&world, &agent, 1).await;
    assert_eq!((word(&denied), denied.policies.unwrap().reason()), ("policy_forbids", Some("closed")));
    // Nor what the operator only does not permit, nor what the operator wants a human to see.
    by_operator(&world, SMALL, Fallback::Deny).await;
    assert_eq!(verdict(&world, &agent, 1).await, "policy_unmatched");
    let held =
        "@id(\"held\") @advice(\"{\\\"require_approval\\\": \\\"look\\\"}\") permit (principal, action, resource);";
    by_operator(&world, held, Fallback::Deny).await;
    assert_eq!(verdict(&world, &agent, 1).await, "policy_needs_approval");
}

#[tokio::test]
async fn what_one_organisation_publishes_holds_for_no_other() {
    let world = World::new().await;
    let other = world.other_org().await;
    let mine = world.agent("payer", &["*"]).await;
    let theirs = world
        .agent_of(&other, countersign_engine::NewAgent { capabilities: patterns(&["*"]), ..new_agent("payer") })
        .await;
    publish(&world, NONE, Fallback::Deny).await;
    assert_eq!(world.bare_verdict(&mine, "pay/transfer").await, "policy_forbids");
    let answer = world.engine.check(&other.runtime, ask(&theirs, "pay/transfer")).await.unwrap();
    assert_eq!((word(&answer), answer.policies.is_none()), ("allow", true));
    assert!(world.engine.policy_versions(&other.admin).unwrap().is_empty());
    assert!(matches!(world.engine.policy_version(&other.admin, "1"), Err(Error::NotFound { .. })));
}

/// Everybody but an administrator.
async fn others(world: &World, agent: &AgentId) -> Vec<Caller> {
    let Org { approver, auditor, runtime, .. } = world.org.clone();
    let token = world.bearer(&world.token(agent, &["*"]).await);
    vec![approver, auditor, runtime, world.key_of(agent).await, token]
}

#[tokio::test]
async fn nobody_but_an_administrator_sees_or_publishes() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    publish(&world, NONE, Fallback::Deny).await;
    for caller in others(&world, &agent).await {
        let recorded = world.entries().len();
        for set in [None, Some(checked(ALL, Fallback::Allow))] {
            let refused = world.engine.publish_policies(&caller, set, NewVersion::default()).await;
            assert!(matches!(refused, Err(Error::Forbidden { .. })), "{caller:?}");
        }
        assert!(matches!(world.engine.policy_version(&caller, "1"), Err(Error::Forbidden { .. })));
        assert!(matches!(world.engine.policy_versions(&caller), Err(Error::Forbidden { .. })));
        assert!(matches!(world.engine.own_policies(&caller), Err(Error::Forbidden { .. })));
        assert_eq!(world.entries().len(), recorded);
    }
    assert_eq!(verdict(&world, &agent, 1).await, "policy_forbids");
}

#[tokio::test]
async fn who_did_not_see_the_last_version_is_told_and_changes_nothing() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    let admin = &world.org.admin;
    let seeing = |if_version| NewVersion { if_version: Some(if_version), ..NewVersion::default() };
    let engine = &world.engine;
    engine.publish_policies(admin, Some(checked(NONE, Fallback::Deny)), seeing(0)).await.unwrap();
    for stale in [0, 2] {
        let refused = engine.publish_policies(admin, Some(checked(ALL, Fallback::Allow)), seeing(stale)).await;
        let Err(Error::Conflict(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("the last version is 1"), "{why}");
    }
    assert_eq!(verdict(&world, &agent, 1).await, "policy_forbids");
    // Of two at once, one is told.
    world.hold(&agent).await;
    let set = || Some(checked(ALL, Fallback::Allow));
    let publishing = |set| {
        let (engine, admin) = (Arc::clone(&world.engine), admin.clone());
        async move { engine.publish_policies(&admin, set, NewVersion::default()).await }
    };
    let first = world.started(publishing(set())).await;
    let second = world.started(publishing(set())).await;
    world.tap.release();
    let answers = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().any(|answer| matches!(answer, Err(Error::Conflict(_)))), "{answers:?}");
    assert_eq!(engine.policy_versions(admin).unwrap().len(), 2);
}

#[tokio::test]
async fn taking_them_away_is_a_version_and_so_is_going_back() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    publish(&world, SMALL, Fallback::Allow).await;
    publish(&world, NONE, Fallback::Deny).await;
    assert_eq!(verdict(&world, &agent, 1).await, "policy_forbids");
    let first = world.engine.policy_version(&world.org.admin, "1").unwrap();
    let texts = world.engine.policy_texts(&first.value).unwrap().unwrap();
    let again = Checked::read(&texts, first.value.set.as_ref().unwrap().fallback).unwrap();
    let about = NewVersion { note: "too strict".into(), rolled_back_from: Some(1), ..NewVersion::default() };
    world.engine.publish_policies(&world.org.admin, Some(again), about).await.unwrap();
    let event = world.last().event;
    assert_eq!(
        (&event["version"], &event["rolled_back_from"], &event["note"]),
        (&3.into(), &1.into(), &"too strict".into())
    );
    assert_eq!(verdict(&world, &agent, 1).await, "allow");
    assert_eq!(verdict(&world, &agent, 101).await, "policy_forbids");
    let none = world.engine.publish_policies(&world.org.admin, None, NewVersion::default()).await.unwrap();
    assert_eq!((none.number, none.set.is_none()), (4, true));
    assert_eq!(world.last().event, json!({"by": world.org.admin.name(), "version": 4}));
    assert_eq!(verdict(&world, &agent, 101).await, "allow");
    assert!(world.last().event.get("policies").is_none());
    world.verified();
}

#[tokio::test]
async fn a_version_that_cannot_be_recorded_is_not_in_force() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    world.tap.fail(true);
    let refused =
        world.engine.publish_policies(&world.org.admin, Some(checked(NONE, Fallback::Deny)), NewVersion::default());
    refused.await.unwrap_err();
    world.tap.fail(false);
    assert_eq!(verdict(&world, &agent, 1).await, "allow");
    assert!(world.engine.policy_versions(&world.org.admin).unwrap().is_empty());
}

#[tokio::test]
async fn what_is_asked_while_policies_are_published_is_judged_by_the_new_ones() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    world.hold(&agent).await;
    let (engine, admin) = (Arc::clone(&world.engine), world.org.admin.clone());
    let closed = checked(NONE, Fallback::Deny);
    let putting =
        world.started(async move { engine.publish_policies(&admin, Some(closed), NewVersion::default()).await }).await;
    let asking = world.asking(&world.org.runtime, &agent, None, "pay/transfer").await;
    world.tap.release();
    putting.await.unwrap().unwrap();
    assert_eq!(word(&asking.await.unwrap().unwrap()), "policy_forbids");
}

#[tokio::test]
async fn a_restart_keeps_what_was_published_and_what_was_taken_away() {
    for on_disk in [false, true] {
        for ending in [Ending::Stopped, Ending::Killed] {
            let world = World::made(Choice { on_disk, ..Choice::default() }).await;
            let agent = world.agent("payer", &["*"]).await;
            for text in [NONE, SMALL] {
                publish(&world, text, Fallback::Allow).await;
            }
            let world = world.restarted(ending);
            assert_eq!(verdict(&world, &agent, 100).await, "allow");
            assert_eq!(verdict(&world, &agent, 101).await, "policy_forbids");
            assert_eq!(world.last().event["policies"][0]["version"], 2);
            // With what holds where it says nothing.
            publish(&world, SMALL, Fallback::Deny).await;
            let world = world.restarted(ending);
            assert_eq!(verdict(&world, &agent, 100).await, "policy_unmatched");
            world.engine.publish_policies(&world.org.admin, None, NewVersion::default()).await.unwrap();
            let world = world.restarted(ending);
            assert_eq!(verdict(&world, &agent, 101).await, "allow");
            assert_eq!(world.engine.policy_versions(&world.org.admin).unwrap().len(), 4);
        }
    }
}

/// What somebody does to the stored texts: how to call it, and what it is.
type Alteration = (&'static str, fn(&mut Value));

#[tokio::test]
async fn a_set_that_no_longer_loads_refuses_everything_of_its_organisation_and_of_no_other() {
    let file = |value: &mut Value| value["policies"].as_object_mut().unwrap().values_mut().next().unwrap().clone();
    let alterations: [Alteration; 4] = [
        ("is empty", |texts| texts["policies"] = json!({})),
        ("has the word of a later version", |texts| texts["policies"]["own.cedar"] = "allow everything;".into()),
        ("allows more than was published", |texts| texts["policies"]["own.cedar"] = ALL.into()),
        ("is something else", |texts| *texts = json!("no policies")),
    ];
    for (how, alter) in alterations {
        let world = World::new().await;
        let other = world.other_org().await;
        let agent = world.agent("payer", &["*"]).await;
        let theirs = world
            .agent_of(&other, countersign_engine::NewAgent { capabilities: patterns(&["*"]), ..new_agent("payer") })
            .await;
        let version = publish(&world, SMALL, Fallback::Allow).await;
        let key = format!("{}/{:010}", world.org.id, version.number);
        let world = world.altered("policy_texts", &key, |texts| {
            assert!(texts.is_object() && file(texts).is_string());
            alter(texts);
        });
        for amount in [1, 101] {
            assert_eq!(verdict(&world, &agent, amount).await, "policy_failed", "{how}");
        }
        let said = world.last().event["policies"][0].clone();
        let digest = version.set.unwrap().digest.to_string();
        assert_eq!((&said["outcome"], &said["set"], &said["version"]), (&"error".into(), &digest.into(), &1.into()));
        assert!(world.engine.own_policies(&world.org.admin).unwrap().failure.is_some());
        assert_eq!(world.engine.organisations_without_policies(), 1);
        let answer = world.engine.check(&other.runtime, ask(&theirs, "pay/transfer")).await.unwrap();
        assert_eq!(word(&answer), "allow");
        // Publishing what loads mends it.
        publish(&world, SMALL, Fallback::Allow).await;
        assert_eq!(verdict(&world, &agent, 1).await, "allow");
        assert_eq!(world.engine.organisations_without_policies(), 0);
    }
}

#[tokio::test]
async fn old_versions_keep_their_digest_and_lose_their_texts() {
    let world = World::new().await;
    for _ in 0..102 {
        publish(&world, SMALL, Fallback::Allow).await;
    }
    let versions = world.engine.policy_versions(&world.org.admin).unwrap();
    assert_eq!(versions.len(), 102);
    let kept = |number: usize| world.engine.policy_texts(&versions[102 - number].value).unwrap().is_some();
    assert_eq!([1, 2, 3, 102].map(kept), [false, false, true, true]);
    assert_eq!(versions[101].value.set.as_ref().unwrap().digest, versions[0].value.set.as_ref().unwrap().digest);
}

#[tokio::test]
async fn what_the_organisations_own_policies_said_is_read_back_from_the_record() {
    let world = World::new().await;
    let agent = world.agent("payer", &["*"]).await;
    by_operator(&world, ALL, Fallback::Deny).await;
    let mut expected = vec![PolicyWord::Silent];
    verdict(&world, &agent, 1).await;
    let failing = "@id(\"fails\") permit (principal, action == Action::\"pay/transfer\", resource)\n\
        when { context.arguments has amount && context.arguments.amount + 9223372036854775807 > 0 };";
    let silent = |fallback| (SMALL, fallback);
    for ((text, fallback), word) in [
        ((NONE, Fallback::Deny), PolicyWord::Forbid),
        ((ALL, Fallback::Deny), PolicyWord::Permit),
        ((failing, Fallback::Deny), PolicyWord::Failed),
        (silent(Fallback::Deny), PolicyWord::Unmatched),
        (silent(Fallback::Allow), PolicyWord::Silent),
    ] {
        publish(&world, text, fallback).await;
        verdict(&world, &agent, 1).await;
        expected.push(word);
    }
    let mut own = Vec::new();
    let stores = (&*world.tap as &dyn countersign_store::Ledger, &*world.documents);
    let take = &mut |call: countersign_engine::PastCall| {
        assert_eq!(call.beside_own(PolicyWord::Forbid), PolicyWord::Forbid);
        assert_eq!(call.beside_own(PolicyWord::Silent), call.own);
        own.push(call.own);
    };
    countersign_engine::replay_calls(stores, None, Timestamp::from_millis(0), take, &mut |_, _| ()).unwrap();
    assert_eq!(own, expected);
}

#[test]
fn texts_with_faults_and_cases_that_do_not_hold_are_no_set() {
    let mut texts = texts("@id(\"a\") permit (principal, action, resource) when { context.argments.amount > 1 };");
    let faults = Checked::read(&texts, Fallback::Deny).err().unwrap();
    assert_eq!((faults[0].file.as_str(), faults[0].line), ("own.cedar", 1), "{faults:?}");
    texts = self::texts(SMALL);
    let case = "- name: a little is forbidden\n  when: { tool: pay/transfer, arguments: { amount: 1 } }\n  \
        then: { decision: forbid }\n";
    texts.cases.insert("cases/small.yaml".into(), case.into());
    let faults = Checked::read(&texts, Fallback::Deny).err().unwrap();
    assert_eq!((faults.len(), faults[0].file.as_str(), faults[0].line), (1, "cases/small.yaml", 1));
    assert!(faults[0].message.contains("`a little is forbidden` does not hold: decision: expected \"forbid\""));
    texts.cases.insert("cases/small.yaml".into(), case.replace("forbid }", "none }").replace("forbidden", "nothing"));
    assert_eq!(Checked::read(&texts, Fallback::Deny).unwrap().summary().cases, 1);
    texts.policies.insert("a\nb.cedar".into(), String::new());
    assert!(Checked::read(&texts, Fallback::Deny).is_err());
}

/// Sets that permit, forbid, hold and fail, each on some amounts, or say nothing.
fn any_set() -> impl Strategy<Value = (String, Fallback)> {
    let condition = (0..8_u32, prop::sample::select(vec!["<", "==", ">"]));
    let policy = (0..4_usize, condition).prop_map(|(kind, (amount, sign))| {
        let when = format!("when {{ context.arguments.amount {sign} {amount} }}");
        let scope = "(principal, action == Action::\"pay/transfer\", resource)";
        match kind {
            0 => format!("permit {scope} {when};"),
            1 => format!("forbid {scope} {when};"),
            2 => format!("@advice(\"{{\\\"require_approval\\\": \\\"look\\\"}}\") permit {scope} {when};"),
            // What nobody sends: the policy fails.
            _ => format!("permit {scope} {when} when {{ context.arguments.missing }};"),
        }
    });
    let named = |policies: Vec<String>| {
        let named = policies.iter().enumerate().map(|(at, policy)| format!("@id(\"p{at}\") {policy}\n"));
        named.collect::<String>()
    };
    let fallback = prop::bool::ANY.prop_map(|deny| if deny { Fallback::Deny } else { Fallback::Allow });
    (prop::collection::vec(policy, 0..4).prop_map(named), fallback)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the two sets are, together they allow nothing that one alone does not, and hold for a human what
    /// one alone holds.
    #[test]
    fn two_sets_together_never_allow_what_one_refuses((one, by_default) in any_set(), (two, by_own) in any_set()) {
        let declared = TOOLS.replace("\"amount\":", "\"missing\": {\"type\": \"boolean\"}, \"amount\":");
        let set = |policies: &str| Texts { tools: BTreeMap::from([("pay.json".to_owned(), declared.clone())]), ..texts(policies) };
        // Another shape of the tool: what is required is always there, and `missing` is not sent all the same.
        let required = |mut texts: Texts| {
            let text = declared.replace("\"properties\"", "\"required\": [\"amount\", \"missing\"], \"properties\"");
            texts.tools.insert("pay.json".to_owned(), text);
            texts
        };
        let (one, two) = (required(set(&one)), required(set(&two)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let agent = world.agent("payer", &["*"]).await;
            let own = |texts: &Texts, fallback| Some(Checked::read(texts, fallback).unwrap());
            let mut alone = Vec::new();
            let publish = async |set| world.engine.publish_policies(&world.org.admin, set, NewVersion::default()).await.unwrap();
            for (texts, fallback) in [(&one, by_default), (&two, by_own)] {
                publish(own(texts, fallback)).await;
                alone.push(ask_all(&world, &agent).await);
            }
            let operators = InForce::new(Arc::new(one.load().unwrap()), by_default, 1).unwrap();
            world.engine.put_policies(Some(Arc::new(operators))).await.unwrap();
            let both = ask_all(&world, &agent).await;
            for (amount, together) in both.iter().enumerate() {
                let strictest = alone.iter().map(|said| said[amount]).max_by_key(|said| said.strictness()).unwrap();
                assert_eq!(*together, strictest, "{amount}: {alone:?}");
            }
        });
    }
}

/// What policies say of each of some transfers.
async fn ask_all(world: &World, agent: &AgentId) -> Vec<PolicyWord> {
    let mut said = Vec::new();
    for amount in 0..9 {
        let answer = transfer(world, agent, amount).await;
        let rulings = answer.policies.as_ref().unwrap();
        let refuses = matches!(rulings.word(), PolicyWord::Forbid | PolicyWord::Failed | PolicyWord::Unmatched);
        assert_eq!(refuses, word(&answer).starts_with("policy_") && word(&answer) != "policy_needs_approval");
        assert_eq!(rulings.word() == PolicyWord::Hold, word(&answer) == "policy_needs_approval");
        assert!(rulings.each().all(|judged| judged.owner == Owner::Operator || judged.owner.version().is_some()));
        said.push(rulings.word());
    }
    said
}
