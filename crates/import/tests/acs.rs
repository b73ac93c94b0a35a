//! Manifests of the Agent Control Specification: what is carried, and its own test data.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::Timestamp;
use countersign_core::classify::classify;
use countersign_import::{Beside, Imported, Kind, Options, Severity, Strategy, Unreadable, import_acs, resolve};
use countersign_policy::{Decision, Obligation, Outcome, PolicySet, Request, Source, Tools};
use serde_json::{Map, Value, json};

const MANIFEST: &str = "agent_control_specification_version: 0.3.1-beta
policies:
  p:
    type: rego
    bundle: ./policy
    query: data.acs.verdict
intervention_points:
  pre_tool_call:
    tool_name_from: $snap.tool_call.name
    policy:
      id: p
    policy_target: $snap.tool_call.args
    policy_target_kind: tool_args
tools:
  search: {type: Tool, clearance: internal}
  wire_transfer: {type: Tool, clearance: banking}
";

const REGO: &str = r#"package acs
import rego.v1

default verdict := {"decision": "allow"}

verdict := {"decision": "deny", "reason": "blocked", "message": "that text is blocked"} if {
    contains(input.policy_target.value.q, "secret")
}

verdict := {"decision": "escalate", "reason": "large"} if {
    input.tool.clearance == "banking"
    input.snapshot.tool_call.args.amount > 500
}
"#;

fn options() -> Options<'static> {
    let (kind, file, server, strategy) = (Kind::AgtV4, "manifest.yaml", "crm", Strategy::DenyOverrides);
    Options { kind, file, server, tools: None, strategy, prove: 3000 }
}

fn beside_rego<T>(rego: &str, then: impl FnOnce(&Beside<'_>) -> T) -> T {
    let text = |path: &str| Err(format!("no `{path}`"));
    let files = |_: &str| Ok(vec![("policy/acs.rego".to_owned(), rego.to_owned())]);
    then(&Beside { text: &text, rego: &files })
}

fn import(manifest: &str, rego: &str) -> Result<Imported, Unreadable> {
    beside_rego(rego, |beside| import_acs(manifest, &options(), beside))
}

fn imported(manifest: &str, rego: &str) -> Imported {
    let imported = import(manifest, rego).unwrap_or_else(|why| panic!("{why}"));
    assert!(imported.proof.difference.is_none(), "{:?}\n{:#?}", imported.proof, imported.rego);
    imported
}

fn decide(imported: &Imported, tool: &str, arguments: &Value) -> Decision {
    let cedar = Source { file: "imported.cedar", text: &imported.policies };
    let rego = imported.rego.iter().map(|(file, text)| Source { file, text });
    let sources: Vec<_> = std::iter::once(cedar).chain(rego).collect();
    let set = PolicySet::load(&sources, Tools::default()).unwrap();
    Arc::new(set).worker().unwrap().decide(&Request {
        organisation: "acme",
        agent: "agent_1",
        agent_name: "agent",
        tool,
        effect: classify(tool, None, None).effect,
        arguments: arguments.as_object().unwrap_or(&Map::new()),
        session: None,
        delegation_depth: 0,
        trust: 500,
        suspicion: None,
        now: Timestamp::from_millis(0),
        taint: &[],
    })
}

/// `allow`, `deny` or `escalate`, and what the caller or the human is told.
fn word(decision: &Decision) -> (&'static str, Option<String>) {
    let asks = decision.obligations().find_map(|one| match one {
        Obligation::RequireApproval(why) => Some(why.clone()),
        _ => None,
    });
    match (decision.outcome, asks) {
        (Outcome::Permit, Some(why)) => ("escalate", Some(why)),
        (Outcome::Permit, None) => ("allow", None),
        _ => ("deny", decision.reason().map(str::to_owned)),
    }
}

#[test]
fn rego_at_a_call_is_carried_as_it_is_and_answers_alike() {
    let imported = imported(MANIFEST, REGO);
    assert_eq!((imported.rules, imported.missing().count()), ((1, 1), 0), "{:#?}", imported.findings);
    assert!(imported.proof.asked > 100 && imported.proof.odd > 0, "{:?}", imported.proof);
    assert_eq!(imported.rego[0], ("policy/acs.rego".to_owned(), REGO.to_owned()));
    let said = |tool: &str, arguments: Value| word(&decide(&imported, tool, &arguments));
    assert_eq!(said("crm/search", json!({"q": "x"})), ("allow", None));
    assert_eq!(said("crm/search", json!({"q": "a secret"})), ("deny", Some("that text is blocked".to_owned())));
    assert_eq!(said("crm/wire_transfer", json!({"amount": 501})), ("escalate", Some("large".to_owned())));
    assert_eq!(said("crm/wire_transfer", json!({"amount": 500})), ("allow", None));
    assert_eq!(said("crm/other", json!({})).0, "deny", "a tool that the manifest does not name");
    assert_eq!(said("mail/search", json!({"q": "x"})).0, "deny", "a tool of another server");
}

#[test]
fn what_is_not_known_at_a_call_is_lost_and_nothing_is_carried() {
    for path in [
        "input.snapshot.budgets.cost_usd",
        "input.snapshot.ifc.source_labels",
        "input.annotations.tool_risk.score",
        "input.snapshot",
        "input.snapshot[input.policy_target.value.q]",
        "input",
    ] {
        let rego = format!("package acs\nverdict := {{\"decision\": \"deny\"}} if {path}\n");
        let imported = imported(MANIFEST, &rego);
        assert_eq!((imported.rules, imported.rego.len()), ((1, 0), 0), "{path}");
        let missing: Vec<_> = imported.missing().map(ToString::to_string).collect();
        assert!(
            missing.iter().any(|said| said.contains("policy/acs.rego:2") && said.contains("lost")),
            "{path}: {missing:?}"
        );
    }
}

#[test]
fn a_policy_at_another_point_is_lost_since_without_it_more_would_pass() {
    let more = "  output:\n    policy: {id: p}\n    policy_target: $snap.output\n";
    let manifest = MANIFEST.replace("tools:\n", &format!("{more}tools:\n"));
    let imported = imported(&manifest, REGO);
    let missing: Vec<_> = imported.missing().map(|finding| (finding.line, finding.severity)).collect();
    assert_eq!((missing, imported.rules), (vec![(14, Severity::Lost)], (2, 1)), "{:#?}", imported.findings);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    for (from, to, line, part) in [
        ("type: rego", "type: test", 3, "type `test`"),
        ("bundle: ./policy", "bundle: ./policy.tar.gz", 3, "archive"),
        ("bundle: ./policy", "bundle: ../policy", 3, "not below"),
        ("query: data.acs.verdict", "query: data.acs.other", 8, "`data.acs.other`"),
        ("$snap.tool_call.args", "$snap.tool_call", 8, "policy_target"),
        ("pre_tool_call:", "output:", 1, "binds nothing"),
        ("      id: p", "      id: q", 8, "`q`"),
        ("tools:", "tool:", 14, "`tool` is no key"),
    ] {
        let why = import(&MANIFEST.replace(from, to), REGO).unwrap_err();
        assert!(why.line == line && why.message.contains(part), "{to}: {why}");
    }
    let clock = "package acs\nverdict := {\"decision\": \"deny\"} if time.now_ns() > 5\n";
    assert!(import(MANIFEST, clock).unwrap_err().message.contains("time.now_ns"));
}

/// AGT's own data, beside the checkout. It is not part of the repository.
fn shared() -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let found = ["../shared/data/agt", "../../shared/data/agt"].iter().map(|folder| root.join(folder));
    let found = found.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "`../shared/data/agt` is not there, and this is CI");
        eprintln!("skipped: the conformance data of ACS, because `../shared/data/agt` is not there");
    }
    found
}

fn files(folder: &Path) -> Vec<(String, Value)> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// Runs a manifest with a stub in place of its policy, as a conformance case does: the stub is Rego
/// that always gives this verdict.
fn with_stub(manifest: &str, verdict: &Value) -> Imported {
    let manifest = manifest.replace("query: data.acs.verdict", "query: data.acs.verdict\n    bundle: p");
    let manifest = manifest.replace("type: test\n", "type: rego\n    query: data.acs.verdict\n    bundle: p\n");
    imported(&manifest, &format!("package acs\nverdict := {verdict}\n"))
}

/// What became of the cases, by a word each.
#[derive(Default)]
struct Table(BTreeMap<&'static str, Vec<String>>);

impl Table {
    fn add(&mut self, what: &'static str, name: &str) {
        self.0.entry(what).or_default().push(name.to_owned());
    }

    fn print(&self, of: &str) {
        println!("{of}:");
        for (what, names) in &self.0 {
            println!("  {:3}  {what}: {}", names.len(), names.join(", "));
        }
    }
}

const RAN: &str = "ran as they are";
const VERDICT: &str = "ran for their verdict alone, asked at a call of a tool";

#[test]
fn the_conformance_cases_that_are_calls_or_verdicts_are_answered_as_they_say() {
    let Some(shared) = shared() else { return };
    let mut table = Table::default();
    for (name, case) in files(&shared.join("cases")) {
        let (expected, verdict) = (&case["expected"], &case["policy_response"]);
        let is_call = case["intervention_point"] == "pre_tool_call";
        let what = match case["operation"].as_str() {
            _ if !case["limits"].is_null() => "about limits of a host",
            _ if !case["annotator_outputs"].is_null() => "about annotators",
            _ if case["policy_behavior"] == "error" => "about a policy that fails in the host",
            Some("evaluate") if expected["decision"] == "transform" => {
                "about changing the arguments, which nobody here does"
            }
            Some("evaluate") if expected["reason"] == "runtime_error:intervention_point_unknown" => {
                "about a point that is not bound"
            }
            Some("evaluate") if is_call => RAN,
            Some("evaluate") if case["intervention_point"] == "post_tool_call" => "about the result of a call",
            Some("evaluate") if !verdict.is_null() => VERDICT,
            _ => "about what a host does with an approval",
        };
        table.add(what, &name);
        if what != RAN && what != VERDICT {
            continue;
        }
        let manifest = if is_call { case["manifest_yaml"].as_str().unwrap() } else { MANIFEST };
        let manifest = manifest.replace("bundle: ./policy", "");
        let imported = with_stub(&manifest, verdict);
        let tool = case.pointer("/snapshot/tool_call/name").and_then(Value::as_str).unwrap_or("search");
        let arguments = case.pointer("/snapshot/tool_call/args").cloned().unwrap_or_default();
        let (said, told) = word(&decide(&imported, &format!("crm/{tool}"), &arguments));
        let wanted = if expected["decision"] == "warn" { "allow" } else { expected["decision"].as_str().unwrap() };
        assert_eq!(said, wanted, "{name}");
        let own = expected["reason"].as_str().filter(|why| !why.starts_with("runtime_error:transform"));
        if let (Some(own), true) = (own, said != "allow") {
            assert_eq!(told.as_deref(), Some(own), "{name}");
        }
    }
    table.print("conformance cases of ACS");
    let ran = |what| table.0.get(what).map_or(0, Vec::len);
    assert!(ran(RAN) >= 5 && ran(VERDICT) >= 10, "{} and {}", ran(RAN), ran(VERDICT));
}

#[test]
fn the_core_fixtures_that_are_calls_or_manifests_are_answered_as_they_say() {
    let Some(shared) = shared() else { return };
    let mut table = Table::default();
    for (name, case) in files(&shared.join("core_fixtures/cases")) {
        let manifest = case["manifest_yaml"].as_str().unwrap();
        if case["case_kind"] == "manifest" {
            table.add(RAN, &name);
            let read = beside_rego("", |beside| resolve(manifest, "m.yaml", beside));
            assert_eq!(read.is_ok(), case["expect_valid"] == true, "{name}: {read:?}");
            if let Some(points) = case["expected_intervention_point_names"].as_array() {
                let read = read.unwrap();
                assert_eq!(read.names().map(|name| json!(name)).collect::<Vec<_>>(), *points, "{name}");
            }
            continue;
        }
        for evaluation in case["evaluations"].as_array().unwrap() {
            let name = format!("{name}/{}", evaluation["name"].as_str().unwrap());
            let is_call = evaluation["intervention_point"] == "pre_tool_call";
            let stub = evaluation.pointer("/policy_response/ok");
            let has_annotations = manifest.contains("annotations:");
            let what = match (is_call, stub) {
                (true, _) if evaluation["expected"]["policy_invoked"] == false || stub.is_some() => RAN,
                (false, Some(verdict)) if verdict["decision"] == "transform" => "about changing what is looked at",
                (false, Some(_)) if !has_annotations && name.starts_with("verdict") || name.starts_with("reserved") => {
                    VERDICT
                }
                _ => "about other points, their snapshots and annotators",
            };
            table.add(what, &name);
            if what != RAN && what != VERDICT {
                continue;
            }
            let manifest = if is_call { manifest.to_owned() } else { MANIFEST.replace("bundle: ./policy", "") };
            let imported = with_stub(&manifest, stub.unwrap_or(&json!({"decision": "allow"})));
            let tool = evaluation.pointer("/snapshot/tool_call/name").and_then(Value::as_str).unwrap_or("search");
            let arguments = evaluation.pointer("/snapshot/tool_call/args").cloned().unwrap_or_default();
            let (said, told) = word(&decide(&imported, &format!("crm/{tool}"), &arguments));
            let expected = &evaluation["expected"]["verdict"];
            let wanted = if expected["decision"] == "warn" { "allow" } else { expected["decision"].as_str().unwrap() };
            assert_eq!(said, wanted, "{name}: {expected} {told:?}");
        }
    }
    table.print("core fixtures of ACS");
    assert!(table.0.get(RAN).is_some_and(|ran| ran.len() >= 6));
}

#[test]
fn manifests_extend_each_other_as_the_fixtures_say_and_never_from_outside_their_folder() {
    let Some(shared) = shared() else { return };
    let root = shared.join("core_fixtures/extends");
    let read = |folder: &str, file: &str| {
        let below = root.join(folder);
        let text = |path: &str| std::fs::read_to_string(below.join(path)).map_err(|_| format!("cannot read `{path}`"));
        let rego = |_: &str| Ok(Vec::new());
        resolve(&text(file).unwrap(), file, &Beside { text: &text, rego: &rego })
    };
    let ordered = read("ordered", "child.yaml").unwrap();
    assert_eq!(ordered.names().collect::<Vec<_>>(), ["input", "output", "pre_tool_call"]);
    assert_eq!(read("confinement/root", "inside.yaml").unwrap().names().collect::<Vec<_>>(), ["input"]);
    for (folder, file, part) in [
        ("conflict", "intervention-point-conflict.yaml", "`intervention_points.input.policy_target` is said twice"),
        ("conflict", "policy-conflict.yaml", "`policies.shared_policy.type` is said twice"),
        ("cycle", "a.yaml", "extends itself"),
        ("missing", "child.yaml", "cannot read `does-not-exist.yaml`"),
        ("confinement/root", "escape.yaml", "leads out of the manifest's folder"),
        ("confinement/root", "url.yaml", "nothing is fetched"),
    ] {
        let why = read(folder, file).unwrap_err().to_string();
        assert!(why.contains(part), "{folder}/{file}: {why}");
    }
}
