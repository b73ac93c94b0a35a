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
    beside(&[("policy/acs.rego", rego)], then)
}

/// With these files beside the manifest.
fn beside<T>(files: &[(&str, &str)], then: impl FnOnce(&Beside<'_>) -> T) -> T {
    let read = |path: &str| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| format!("no `{path}`"))
    };
    let list = |path: &str| {
        let below = |name: &str| name == path || path.is_empty() || name.starts_with(&format!("{path}/"));
        let found: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).filter(|name| below(name)).collect();
        if found.is_empty() { Err(format!("no `{path}`")) } else { Ok(found) }
    };
    then(&Beside { read: &read, list: &list })
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
fn what_a_manifest_leaves_out_is_null_and_the_agent_is_where_both_kinds_of_snapshot_have_it() {
    let manifest =
        MANIFEST.replace("    policy_target_kind: tool_args\n", "    annotations: {a: {from: $snap.tool_call.name}}\n");
    let rego = "package acs\nverdict := {\"decision\": \"allow\"} if {\n    input.policy_target.kind == null\n    \
                input.snapshot.envelope.agent.id == \"agent_1\"\n    input.snapshot.agent.id == \"agent_1\"\n}\n";
    let imported = imported(&manifest, rego);
    assert_eq!(word(&decide(&imported, "crm/search", &json!({}))).0, "allow");
    let said = |one: &countersign_import::Finding| one.line == 13 && one.message.contains("annotators");
    assert!(imported.findings.iter().any(said), "{:#?}", imported.findings);
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
        ("bundle: ./policy", "bundle: ./policy.tar.gz", 3, "no `policy.tar.gz`"),
        ("bundle: ./policy", "bundle: ./policy/acs.rego", 3, "the source takes it for an archive"),
        ("bundle: ./policy", "bundle: ../policy", 3, "leads out of"),
        ("bundle: ./policy", "bundle_url: {url: 'https://x.example/b', sha256: 00}", 3, "nothing is fetched"),
        ("bundle: ./policy", "policies: []", 3, "name a folder"),
        ("bundle: ./policy", "data: {limits: {max: 1}}", 3, "refuses every call"),
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

/// Runs a manifest with a stub in place of its policy, as a conformance case does.
fn with_stub(manifest: &str, stub: &str) -> Imported {
    let manifest = manifest.replace("query: data.acs.verdict", "query: data.acs.verdict\n    bundle: policy");
    let manifest = manifest.replace("type: test\n", "type: rego\n    query: data.acs.verdict\n    bundle: policy\n");
    imported(&manifest, stub)
}

/// Rego that always gives this verdict.
fn always(verdict: &Value) -> String {
    format!("package acs\nverdict := {verdict}\n")
}

/// Rego that fails on every call: one value of two.
const FAILING: &str = "package acs\nverdict := {\"decision\": \"allow\"} if input.tool\n\
                       verdict := {\"decision\": \"warn\"} if input.tool\n";

/// What a call of the snapshot of a case is answered.
fn called(imported: &Imported, case: &Value) -> (&'static str, Option<String>) {
    let tool = case.pointer("/snapshot/tool_call/name").and_then(Value::as_str).unwrap_or("search");
    let arguments = case.pointer("/snapshot/tool_call/args").cloned().unwrap_or_default();
    word(&decide(imported, &format!("crm/{tool}"), &arguments))
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
const CHANGE: &str = "asked at a call, and refused on purpose: nobody here changes what an agent asks for";

#[test]
fn the_conformance_cases_that_are_calls_or_verdicts_are_answered_as_they_say() {
    let Some(shared) = shared() else { return };
    let mut table = Table::default();
    for (name, case) in files(&shared.join("cases")) {
        let (expected, verdict) = (&case["expected"], &case["policy_response"]);
        let is_call = case["intervention_point"] == "pre_tool_call";
        let is_failing = case["policy_behavior"] == "error";
        let what = match case["operation"].as_str() {
            _ if !case["limits"].is_null() => "not run: a limit of a host on its snapshot, which nobody makes here",
            _ if !case["annotator_outputs"].is_null() => "not run: what annotators say, and nobody asks them here",
            Some("evaluate") if expected["decision"] == "transform" => CHANGE,
            Some("evaluate") if expected["reason"] == "runtime_error:intervention_point_unknown" => {
                "not run: a point that is no call and has no policy; a manifest without one for calls is refused"
            }
            Some("evaluate") if is_call => RAN,
            Some("evaluate") if !verdict.is_null() => VERDICT,
            _ => "not run: an approval for another action, which the engine's own tests are about",
        };
        table.add(what, &name);
        if !matches!(what, RAN | VERDICT | CHANGE) {
            continue;
        }
        let manifest = if is_call { case["manifest_yaml"].as_str().unwrap() } else { MANIFEST };
        let manifest = manifest.replace("bundle: ./policy", "");
        let imported = with_stub(&manifest, &if is_failing { FAILING.to_owned() } else { always(verdict) });
        let (said, told) = called(&imported, &case);
        let wanted = match expected["decision"].as_str().unwrap() {
            "warn" => "allow",
            "transform" => "deny",
            other => other,
        };
        assert_eq!(said, wanted, "{name}");
        let own = expected["reason"].as_str().filter(|why| !why.starts_with("runtime_error:transform"));
        if let (Some(own), true) = (own, said != "allow" && what != CHANGE && !is_failing) {
            assert_eq!(told.as_deref(), Some(own), "{name}");
        }
    }
    table.print("conformance cases of ACS");
    let ran = [RAN, VERDICT, CHANGE].map(|what| table.0.get(what).map_or(0, Vec::len));
    assert_eq!(ran, [5, 14, 2]);
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
            let what = core_fixture(manifest, evaluation);
            table.add(what, &format!("{name}/{}", evaluation["name"].as_str().unwrap()));
        }
    }
    table.print("core fixtures of ACS");
    let ran = [RAN, VERDICT, CHANGE].map(|what| table.0.get(what).map_or(0, Vec::len));
    assert_eq!(ran, [8, 9, 2]);
}

/// Asks what `evaluation` asks, where that can be asked here, and says how.
fn core_fixture(manifest: &str, evaluation: &Value) -> &'static str {
    let name = &evaluation["name"];
    let (expected, response) = (&evaluation["expected"]["verdict"], &evaluation["policy_response"]);
    let is_call = evaluation["intervention_point"] == "pre_tool_call";
    let asks_for = response.pointer("/ok/decision").and_then(Value::as_str);
    let what = match expected["decision"].as_str() {
        _ if is_call => RAN,
        // Alone, `allow` says nothing of these: they are about what the policy is given.
        Some("allow") if !name.as_str().unwrap().starts_with("normalizes") => {
            "not run: what a policy is given at a point that is no call"
        }
        Some("transform") => CHANGE,
        _ if response.is_null() => "not run: a path or an annotator that fails at a point that is no call",
        _ => VERDICT,
    };
    if !matches!(what, RAN | VERDICT | CHANGE) {
        return what;
    }
    let manifest = if is_call { manifest.to_owned() } else { MANIFEST.replace("bundle: ./policy", "") };
    let stub = match response.get("ok") {
        Some(verdict) => always(verdict),
        None if response.is_null() => always(&json!({"decision": "allow"})),
        None => FAILING.to_owned(),
    };
    let (said, told) = called(&with_stub(&manifest, &stub), evaluation);
    let wanted = match expected["decision"].as_str().unwrap() {
        "warn" => "allow",
        "transform" => "deny",
        other => other,
    };
    assert_eq!(said, wanted, "{name}: {asks_for:?} {expected} {told:?}");
    let given = &evaluation["expected"]["policy_input"];
    if is_call && given.is_object() {
        // All but the annotations, and the snapshot, of which only the call and the agent are known here.
        let same = |member: &str| format!("    input.{member} == {}\n", given[member]);
        let same: String = ["intervention_point", "policy_target", "tool"].map(same).concat();
        let stub = format!("package acs\nverdict := {{\"decision\": \"allow\"}} if {{\n{same}}}\n");
        assert_eq!(
            called(&with_stub(&manifest, &stub), evaluation).0,
            "allow",
            "{name}: {given} {:#?}",
            with_stub(&manifest, &stub).rego
        );
    }
    what
}

#[test]
fn manifests_extend_each_other_as_the_fixtures_say_and_never_from_outside_their_folder() {
    let Some(shared) = shared() else { return };
    let root = shared.join("core_fixtures/extends");
    let read = |folder: &str, file: &str| {
        let below = root.join(folder);
        let read = |path: &str| std::fs::read(below.join(path)).map_err(|_| format!("cannot read `{path}`"));
        let list = |_: &str| Ok(Vec::new());
        let text = String::from_utf8(read(file).unwrap()).unwrap();
        resolve(&text, file, &Beside { read: &read, list: &list })
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

const CEDAR: &str = "agent_control_specification_version: 0.3.1-beta
policies:
  p:
    type: cedar
    policy_path: policies.cedar
intervention_points:
  pre_tool_call:
    tool_name_from: $snap.tool_call.name
    policy:
      id: p
    policy_target: $snap.tool_call.args
    policy_target_kind: tool_args
tools:
  search: {type: Tool}
  wire_transfer: {type: Tool}
  drop_table: {type: Tool}
";

fn cedar(manifest: &str, policies: &str, more: &[(&str, &str)]) -> Result<Imported, Unreadable> {
    let files: Vec<_> = [("policies.cedar", policies)].into_iter().chain(more.iter().copied()).collect();
    let imported = beside(&files, |beside| import_acs(manifest, &options(), beside))?;
    assert!(imported.proof.difference.is_none(), "{:?}\n{}", imported.proof, imported.policies);
    Ok(imported)
}

/// Who may call what, as `agent tool` of those that are permitted.
fn permitted(imported: &Imported, agents: &[&str], tools: &[&str]) -> Vec<String> {
    let source = Source { file: "imported.cedar", text: &imported.policies };
    let mut worker = Arc::new(PolicySet::load(&[source], Tools::default()).unwrap()).worker().unwrap();
    let mut found = Vec::new();
    for agent in agents {
        for tool in tools {
            let (name, arguments) = (format!("crm/{tool}"), Map::new());
            let decision = worker.decide(&Request {
                organisation: "acme",
                agent,
                agent_name: "agent",
                tool: &name,
                effect: classify(&name, None, None).effect,
                arguments: &arguments,
                session: None,
                delegation_depth: 0,
                trust: 500,
                suspicion: None,
                now: Timestamp::from_millis(0),
                taint: &[],
            });
            if decision.outcome == Outcome::Permit {
                found.push(format!("{agent} {tool}"));
            }
        }
    }
    found
}

const ALL: [&str; 4] = ["search", "wire_transfer", "drop_table", "other"];

#[test]
fn cedar_at_a_call_holds_for_the_same_agents_and_tools() {
    let policies = "permit (principal, action == Action::\"pre_tool_call\", resource == Tool::\"search\");\n\
                    @id(\"ops\")\npermit (principal == Agent::\"ops\", action, resource);\n\
                    @id(\"no-drop\")\n@reason(\"tables stay\")\nforbid (principal, action, resource == Tool::\"drop_table\");\n";
    let imported = cedar(CEDAR, policies, &[]).unwrap();
    assert_eq!((imported.rules, imported.missing().count()), ((1, 1), 0), "{:#?}", imported.findings);
    assert!(imported.proof.asked > 50 && imported.proof.complete && imported.proof.odd == 0, "{:?}", imported.proof);
    assert_eq!(permitted(&imported, &["ops", "eve"], &ALL), ["ops search", "ops wire_transfer", "eve search"]);
    assert_eq!(word(&decide(&imported, "crm/drop_table", &json!({}))), ("deny", Some("tables stay".to_owned())));
    assert_eq!(word(&decide(&imported, "mail/search", &json!({}))).0, "deny", "a tool of another server");
}

#[test]
fn cedar_that_the_source_never_matches_is_listed_by_line_and_left_out() {
    for (policy, part) in [
        ("forbid (principal, action, resource) when { context has tool_call };", "reads `context`"),
        ("forbid (principal, action == Action::\"output\", resource);", "not about `pre_tool_call`"),
        ("forbid (principal, action, resource == Tool::\"shell\");", "matches no agent and tool"),
        ("forbid (principal == ?principal, action, resource);", "template"),
        ("forbid (principal, action, resource in Kind::\"money\");", "matches no agent and tool"),
        ("permit (principal, action, resource) unless { context has danger };", "never holds"),
        ("@advice(\"{}\")\npermit (principal, action, resource);", "`@advice`"),
    ] {
        let imported = cedar(CEDAR, &format!("permit (principal, action, resource);\n\n{policy}\n"), &[]).unwrap();
        let missing: Vec<_> = imported.missing().map(ToString::to_string).collect();
        assert_eq!(missing.len(), 1, "{policy}: {missing:?}");
        assert!(missing[0].contains(part) && missing[0].contains("silent: policies.cedar:3: policy 2"), "{missing:?}");
        assert_eq!(permitted(&imported, &["eve"], &ALL).len(), 3, "{policy}");
    }
    let inline = CEDAR.replace(
        "policy_path: policies.cedar",
        "policy_set: |\n      permit (principal, action, resource);\n      forbid (principal, action, resource) when { context.x };\n    query: {}",
    );
    let imported = cedar(&inline, "", &[]).unwrap();
    let lines: Vec<_> = imported.missing().map(|finding| finding.line).collect();
    assert_eq!(lines, [7, 8], "{:#?}", imported.findings);
    assert!(permitted(&imported, &["eve"], &ALL).is_empty(), "a policy that fails refuses, as there");
}

#[test]
fn cedar_with_entities_is_carried_by_what_they_say_and_fails_where_it_fails() {
    let entities = r#"[
        {"uid": {"type": "Agent", "id": "ops"}, "attrs": {"level": 3}, "parents": [{"type": "Team", "id": "a"}]},
        {"uid": {"type": "Agent", "id": "new"}, "attrs": {"level": 1}, "parents": [{"type": "Team", "id": "a"}]},
        {"uid": {"type": "Tool", "id": "wire_transfer"}, "attrs": {}, "parents": [{"type": "Kind", "id": "money"}]}
    ]"#;
    let manifest = CEDAR.replace("policies.cedar", "policies.cedar\n    entities_path: entities.json");
    let more = [("entities.json", entities)];
    let policies = "permit (principal, action, resource);\n\
                    forbid (principal, action, resource in Kind::\"money\") unless { principal in Team::\"a\" };\n";
    let imported = cedar(&manifest, policies, &more).unwrap();
    assert_eq!(imported.missing().count(), 0, "{:#?}", imported.findings);
    assert_eq!(permitted(&imported, &["ops", "eve"], &["wire_transfer"]), ["ops wire_transfer"]);
    let policies = "permit (principal, action, resource) when { principal.level > 2 };\n";
    let imported = cedar(&manifest, policies, &more).unwrap();
    assert_eq!(permitted(&imported, &["ops", "new", "eve"], &["search"]), ["ops search"]);
    let changed = |imported: &Imported| {
        imported.findings.iter().any(|one| one.severity == Severity::Changed && one.message.contains("fails on calls"))
    };
    assert!(changed(&imported) && imported.policies.contains("acs-fails"), "{}", imported.policies);
}

#[test]
fn cedar_that_the_source_would_refuse_every_call_for_is_refused_with_its_line() {
    let schema = r#"{"": {"entityTypes": {"Agent": {}, "Tool": {}}, "actions": {"pre_tool_call": {"appliesTo": {
        "principalTypes": ["Agent"], "resourceTypes": ["Tool"]}}}}}"#;
    let with_schema = CEDAR.replace("policies.cedar", "policies.cedar\n    schema_path: schema.json");
    for (manifest, policies, part) in [
        (CEDAR, "permit (principal, action, resource", "policies.cedar:1: "),
        (CEDAR, "permit (principal, action, resource) when { ((((", "policies.cedar:1: "),
        (&with_schema, "permit (principal, action == Action::\"output\", resource);", "do not fit its schema"),
        (
            &CEDAR.replace("policies.cedar", "policies.cedar\n    policy_set: 'permit (principal, action, resource);'"),
            "",
            "one of",
        ),
        (&CEDAR.replace("policies.cedar", "policies.cedar\n    bundle: x"), "", "`bundle` is no key"),
        (&CEDAR.replace("policies.cedar", "../policies.cedar"), "", "leads out"),
        (&CEDAR.replace("policies.cedar", "other.cedar"), "", "no `other.cedar`"),
    ] {
        let why = cedar(manifest, policies, &[("schema.json", schema)]).unwrap_err().to_string();
        assert!(why.contains(part) && why.starts_with("manifest.yaml:"), "{policies}: {why}");
    }
    let fits = cedar(&with_schema, "permit (principal, action, resource);", &[("schema.json", schema)]).unwrap();
    assert_eq!(permitted(&fits, &["eve"], &ALL).len(), 3);
    let other = schema.replace("[\"Tool\"]", "[\"Agent\"]");
    let never = cedar(&with_schema, "permit (principal, action, resource);", &[("schema.json", &other)]).unwrap();
    assert!(permitted(&never, &["eve"], &ALL).is_empty(), "{}", never.policies);
}

#[test]
fn cedar_without_names_of_tools_holds_for_every_tool_of_the_server() {
    let manifest = CEDAR.replace("    tool_name_from: $snap.tool_call.name\n", "");
    let policies = "permit (principal == Agent::\"ops\", action, resource is PolicyTarget);\n\
                    permit (principal == Agent::\"eve\", action, resource == Tool::\"search\");\n";
    let imported = cedar(&manifest, policies, &[]).unwrap();
    assert_eq!(permitted(&imported, &["ops", "eve"], &["search", "other"]), ["ops search", "ops other"]);
    assert_eq!(imported.missing().count(), 1, "{:#?}", imported.findings);
}

#[test]
fn a_text_of_a_manifest_cannot_write_policies() {
    let evil = "x\\\"); permit (principal, action, resource); //";
    let manifest = CEDAR.replace("  search: {type: Tool}", &format!("  \"{evil}\": {{type: Tool}}"));
    let policies = format!(
        "@id(\"a\\\") permit (principal, action, resource); //\")\npermit (principal == Agent::\"ops\", action, resource);\n\
         @reason(\"\\\")\\npermit (principal, action, resource);\")\nforbid (principal == Agent::\"{evil}\", action, resource);"
    );
    let imported = cedar(&manifest, &policies, &[]).unwrap();
    let said = permitted(&imported, &["ops", "eve", "x"], &ALL);
    assert_eq!(said, ["ops wire_transfer", "ops drop_table"], "{}", imported.policies);
    assert_eq!(imported.policies.matches("@id").count(), 2 + 1, "{}", imported.policies);
    assert!(imported.findings.iter().any(|one| one.message.contains("no agent here can have that id")));
}

/// Rego that reads data.
const LIMITS: &str = "package acs\nimport data.lists\n\n\
    default verdict := {\"decision\": \"allow\"}\n\n\
    verdict := {\"decision\": \"deny\"} if input.policy_target.value.amount > data.limits.amount.most\n\n\
    verdict := {\"decision\": \"escalate\"} if input.policy_target.value.to in lists.watched\n";
const DATA: &str =
    r#"{"limits": {"amount": {"most": 10}, "unread": "a\nb"}, "lists": {"watched": ["eve"]}, "plain": 5}"#;

fn with_files(manifest: &str, files: &[(&str, &str)]) -> Result<Imported, Unreadable> {
    let imported = beside(files, |beside| import_acs(manifest, &options(), beside))?;
    assert!(imported.proof.difference.is_none(), "{:?}\n{:#?}", imported.proof, imported.rego);
    Ok(imported)
}

fn limited(imported: &Imported) {
    let said = |arguments: Value| word(&decide(imported, "crm/search", &arguments)).0;
    let said = [json!({"amount": 10}), json!({"amount": 11}), json!({"to": "eve"}), json!({})].map(said);
    assert_eq!(said, ["allow", "deny", "escalate", "allow"], "{:#?}", imported.rego);
}

#[test]
fn data_that_opa_loads_is_carried_as_packages_of_constants() {
    let bundle = [("policy/acs.rego", LIMITS), ("policy/data.json", DATA), ("policy/sub/notes.json", "[")];
    let found = with_files(MANIFEST, &bundle).unwrap();
    assert_eq!(found.missing().count(), 0, "{:#?}", found.findings);
    limited(&found);
    assert!(!found.rego.iter().any(|(_, text)| text.contains("unread") || text.contains("plain")), "{:#?}", found.rego);
    // The folder of a file is where in `data` it is.
    let split = [
        ("policy/acs.rego", LIMITS),
        ("policy/limits/data.yaml", "amount:\n  most: 10\n"),
        ("policy/lists/data.json", r#"{"watched": ["eve"]}"#),
    ];
    limited(&with_files(MANIFEST, &split).unwrap());
    let beside = MANIFEST.replace("bundle: ./policy", "data: policy\n    data_paths: [a.json, more]");
    let files = [
        ("policy/acs.rego", LIMITS),
        ("a.json", r#"{"limits": {"amount": {"most": 10}}}"#),
        ("more/lists/any.yaml", "watched: [eve]\n"),
    ];
    limited(&with_files(&beside, &files).unwrap());
    let hidden = [("policy/.x/acs.rego", LIMITS), ("policy/invariants/data.json", "{}"), ("policy/data.json", DATA)];
    let found = with_files(MANIFEST, &hidden).unwrap();
    assert_eq!(found.rego[0].0, "policy/_.x/acs.rego", "a folder of policies passes over a name with a dot");
    limited(&found);
}

#[test]
fn data_beside_a_bundle_that_claims_everything_is_silently_lost_there_and_so_listed() {
    let manifest = MANIFEST.replace("bundle: ./policy", "bundle: ./policy\n    data_paths: [d.json]");
    let files = [("policy/acs.rego", LIMITS), ("policy/data.json", DATA), ("d.json", r#"{"limits": {"x": 1}}"#)];
    let found = with_files(&manifest, &files).unwrap();
    let missing: Vec<_> = found.missing().map(ToString::to_string).collect();
    assert!(missing.len() == 1 && missing[0].contains("manifest.yaml:6: silent: `d.json` has `limits`"), "{missing:?}");
    limited(&found);
    let claims = |roots: &str| {
        let marks = format!("{{\"roots\": {roots}}}");
        let files = [("policy/acs.rego", LIMITS), ("policy/.manifest", &*marks), ("d.json", DATA)];
        with_files(&manifest, &files)
    };
    let found = claims(r#"["acs"]"#).unwrap();
    assert_eq!(found.missing().count(), 0, "{:#?}", found.findings);
    limited(&found);
    let found = claims(r#"["acs", "limits/amount"]"#).unwrap_err();
    assert!(found.message.contains("data.limits.amount"), "what is read is not there: {found}");
    assert!(claims(r#"["other"]"#).unwrap_err().message.contains("the package `acs`, which is not below its `roots`"));
}

#[test]
fn data_that_opa_would_not_load_or_no_package_can_have_is_refused() {
    let manifest = MANIFEST.replace("bundle: ./policy", "data: policy\n    data_paths: d.json");
    for (rego, data, part) in [
        (LIMITS, "[1]", "no object"),
        (LIMITS, "{", "EOF"),
        (LIMITS, r#"{"acs": {"verdict": 1}}"#, "`data.acs.verdict` is in the data and in Rego"),
        (LIMITS, r#"{"limits": {"amount": {"most": 1}}}"#, "`data.lists` is in no package"),
        (
            "package acs\nverdict := {\"decision\": \"deny\"} if data.n > 1\n",
            r#"{"n": 1}"#,
            "`data.n` is a value by itself",
        ),
        ("package acs\nverdict := {\"decision\": \"deny\"} if data.n[\"a-b\"] > 1\n", r#"{"n": {"a-b": 1}}"#, "`a-b`"),
    ] {
        let why = with_files(&manifest, &[("policy/acs.rego", rego), ("d.json", data)]).unwrap_err();
        assert!(why.message.contains(part), "{data}: {why}");
    }
    let twice = [("policy/acs.rego", LIMITS), ("policy/x.json", DATA), ("d.json", DATA)];
    assert!(with_files(&manifest, &twice).unwrap_err().message.contains("a second time"));
}

#[test]
fn rego_that_the_query_does_not_read_is_left_out() {
    let lists = "package lists\nwatched := [\"eve\"]\n";
    let files = [
        ("policy/acs.rego", LIMITS),
        ("policy/lists.rego", lists),
        ("policy/limits.rego", "package limits\namount := {\"most\": 10}\n"),
        ("policy/acs_test.rego", "package acs_test\nimport data.acs\ntest_it if acs.verdict with input as {}\n"),
    ];
    let found = with_files(MANIFEST, &files).unwrap();
    limited(&found);
    assert!(!found.rego.iter().any(|(file, _)| file.contains("_test")), "{:?}", found.rego);
}

#[test]
fn a_bundle_in_an_archive_is_read_like_its_folder() {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in [("./acs.rego", LIMITS), ("./data.json", DATA)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_cksum();
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let read = |path: &str| if path == "b/policy.tar.gz" { Ok(bytes.clone()) } else { Err(format!("no `{path}`")) };
    let list = |path: &str| Err(format!("no `{path}`"));
    let manifest = MANIFEST.replace("./policy", "./b/policy.tar.gz");
    let found = import_acs(&manifest, &options(), &Beside { read: &read, list: &list }).unwrap();
    assert!(found.proof.difference.is_none() && found.rego[0].0 == "b/policy/acs.rego", "{:#?}", found.rego);
    limited(&found);
}

#[test]
fn the_paths_of_a_manifest_that_is_extended_are_from_its_own_folder() {
    let base = MANIFEST.replace("./policy", "../rules");
    let child = "agent_control_specification_version: 0.3.1-beta\nextends: [base/manifest.yaml]\n";
    let found = with_files(child, &[("base/manifest.yaml", &base), ("rules/acs.rego", REGO)]).unwrap();
    assert_eq!((found.rules, found.missing().count()), ((1, 1), 0));
    assert_eq!(word(&decide(&found, "crm/search", &json!({"q": "secret"}))).0, "deny");
}

#[test]
fn cedar_is_answered_as_the_dispatcher_that_is_published_answers_it() {
    let vectors: Value = serde_json::from_str(include_str!("../../../vectors/import/acs-cedar.json")).unwrap();
    let calls: Vec<(&str, &str)> = vectors["calls"].as_array().unwrap().iter().map(call).collect();
    let tools: BTreeMap<&str, Value> = calls.iter().map(|(_, tool)| (*tool, json!({"type": "Tool"}))).collect();
    let (head, _) = CEDAR.split_once("tools:").unwrap();
    let manifest = format!("{head}tools: {}\n", json!(tools));
    let documents = vectors["documents"].as_array().unwrap();
    let mut refused = 0;
    for document in documents {
        let answers = document["answers"].as_str().unwrap();
        let (mut manifest, mut more) = (manifest.clone(), Vec::new());
        for (key, file) in [("entities", "entities.json"), ("schema", "schema.json")] {
            if let Some(text) = document[key].as_str() {
                manifest = manifest.replace("policies.cedar", &format!("policies.cedar\n    {key}_path: {file}"));
                more.push((file, text));
            }
        }
        let policies = document["policy_set"].as_str().unwrap();
        let Ok(imported) = cedar(&manifest, policies, &more) else {
            assert!(answers.bytes().all(|answer| answer == b'!'), "{document}");
            refused += 1;
            continue;
        };
        // An agent here has no quotes in its id.
        let known = |(agent, _): &(&str, &str)| !agent.contains(['"', '\\']);
        for ((agent, tool), answer) in calls.iter().zip(answers.chars()).filter(|(call, _)| known(call)) {
            let allowed = permitted(&imported, &[*agent], &[*tool]).len() == 1;
            assert_eq!(allowed, answer == '1', "{agent} {tool}: {document}\n{}", imported.policies);
        }
    }
    assert!(documents.len() >= 40 && refused < 8, "{} and {refused}", documents.len());
}

fn call(call: &Value) -> (&str, &str) {
    (call["agent"].as_str().unwrap(), call["tool"].as_str().unwrap())
}
