//! The tiers of the Guardian in processes of their own: asked, killed and started again.

use std::path::Path;

use serde_json::{Value, json};

use crate::deep::stub;
use crate::harness::{countersign, run};
use crate::serve::{KEY, Serving};

const TIER_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// A folder of a process: its configuration, and the keys beside it.
fn folder(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.key"), KEY).unwrap();
    std::fs::write(dir.path().join("tier.key"), TIER_KEY).unwrap();
    let file = configured(dir.path(), "127.0.0.1:0", text);
    (dir, file)
}

fn configured(dir: &Path, listen: &str, text: &str) -> String {
    let file = dir.join("countersign.toml");
    let head = format!("[server]\nlisten = ['{listen}']\n[storage]\ndata_dir = 'data'\n");
    std::fs::write(&file, format!("{head}{text}")).unwrap();
    file.to_str().unwrap().to_owned()
}

fn only(tier: &str, file: &str) -> Serving {
    Serving::start(countersign().args(["serve", "--only", tier, "--config", file]))
}

const KEYED: &str = "[guardian]\ntier_key_file = 'tier.key'\n";

fn node(spot: &str, deep: &str) -> String {
    format!(
        "[bootstrap]\nadmin_key_file = 'admin.key'\n{KEYED}[guardian.spot]\nurl = '{spot}'\ntimeout_ms = 10000\n\
         [guardian.deep]\nurl = '{deep}'\n"
    )
}

/// A node and the agent that it is asked about.
struct Node {
    serving: Serving,
    agent: String,
}

impl Node {
    fn start(file: &str) -> Self {
        let serving = only("fast", file);
        let made = serving.run(KEY, &["agent", "register", "--name", "any", "--capability", "*"]).exits(0).json();
        let agent = made["id"].as_str().or(made["agent_id"].as_str()).unwrap().to_owned();
        Self { serving, agent }
    }

    /// The answer about `tool`, and its entry.
    fn check(&self, tool: &str) -> (Value, Value) {
        let answer = self.serving.run(KEY, &["check", "--agent", &self.agent, "--tool", tool]).json();
        let id = answer["check_id"].as_str().unwrap().to_owned();
        let entry = self.serving.run(KEY, &["decision", "get", &id]).exits(0).json();
        (answer, entry["entry"]["event"].clone())
    }

    /// Whether the Spot guard knows `tool` as one that the agent uses.
    fn is_known(&self, tool: &str) -> bool {
        let (_, entry) = self.check(tool);
        let scored = &entry["risk"]["scored"]["reasons"];
        scored.as_array().is_some_and(|reasons| reasons.iter().all(|reason| reason["word"] != "tool_new"))
    }

    fn text(&self, path: &str) -> String {
        ureq::get(format!("{}{path}", self.serving.url)).call().unwrap().body_mut().read_to_string().unwrap()
    }
}

#[test]
fn a_node_goes_on_as_the_table_says_while_its_tiers_are_killed_and_started_again() {
    let (spot_dir, spot_file) = folder(KEYED);
    let spot = only("spot", &spot_file);
    let (reviewer, asked) = stub();
    let section =
        format!("{KEYED}[guardian.deep]\nreviewer = {{ kind = 'openai', model = 'local', url = '{reviewer}' }}\n");
    let (deep_dir, deep_file) = folder(&section);
    let deep = only("deep", &deep_file);
    let (_node_dir, node_file) = folder(&node(&spot.url, &deep.url));
    let node = Node::start(&node_file);

    let (answer, entry) = node.check("db/update");
    assert_eq!((&answer["allowed"], &answer["guard_tier"]), (&json!(true), &json!("spot")), "{answer}");
    assert!(answer.get("unreachable").is_none() && entry["risk"]["scored"].is_object(), "{entry}");
    let (answer, entry) = node.check("db/drop_right");
    assert_eq!((&answer["allowed"], &entry["guard"]), (&json!(true), &json!("deep")), "{answer}");
    let review = json!({"confidence": 95, "model": "local-1", "reasoning": "as asked", "reviewer": "openai", "verdict": "allow"});
    assert_eq!((&entry["review"], asked.lock().unwrap().len()), (&review, 1));
    assert_eq!(node.check("db/drop_denied").0["code"], "review_denied");
    // Nothing is opened in the data directory of a tier that keeps nothing.
    assert!(!deep_dir.path().join("data").exists());

    let address = spot.url.strip_prefix("http://").unwrap().to_owned();
    drop(spot);
    let (answer, entry) = node.check("db/update");
    assert_eq!((&answer["allowed"], &answer["unreachable"]), (&json!(true), &json!("spot")), "{answer}");
    assert_eq!((&entry["guard"], entry["risk"]["failed"].is_string()), (&json!("fast"), true), "{entry}");
    let (answer, _) = node.check("db/drop_right");
    assert_eq!((&answer["code"], &answer["unreachable"]), (&json!("spot_unavailable"), &json!("spot")), "{answer}");
    let (answer, entry) = node.check("db/get");
    assert_eq!((&answer["allowed"], answer.get("unreachable"), entry.get("risk")), (&json!(true), None, None));

    let spot = only("spot", &configured(spot_dir.path(), &address, KEYED));
    let (answer, entry) = node.check("db/update");
    assert!(answer.get("unreachable").is_none() && entry["risk"]["scored"].is_object(), "{answer} {entry}");
    assert_eq!(node.check("db/drop_right").0["allowed"], true);

    drop(deep);
    let (answer, entry) = node.check("db/drop_right");
    assert_eq!((&answer["code"], &answer["unreachable"]), (&json!("review_unavailable"), &json!("deep")), "{answer}");
    assert_eq!((&entry["review"]["reviewer"], entry["review"]["failed"].is_string()), (&json!("elsewhere"), true));
    assert_eq!(node.check("db/update").0["allowed"], true);

    let health: Value = serde_json::from_str(&node.text("/health")).unwrap();
    let tier = |tier: &str, by: &str| json!({"tier": tier, "by": by, "circuit": "closed"});
    let expected = json!([{"tier": "fast", "by": "here"}, tier("spot", "elsewhere"), tier("deep", "elsewhere")]);
    assert_eq!((&health["status"], &health["guardian"]), (&json!("healthy"), &expected));
    let metrics = node.text("/metrics");
    for line in [
        "countersign_guardian_failed_total{tier=\"spot\"} 2",
        "countersign_guardian_failed_total{tier=\"deep\"} 1",
        "countersign_guardian_circuit{tier=\"spot\",state=\"closed\"} 1",
        "countersign_guardian_circuit{tier=\"spot\",state=\"open\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    node.serving.stop();
    spot.stop();
}

#[test]
fn a_spot_guard_learns_from_its_node_and_what_it_learnt_outlives_a_stop() {
    let (spot_dir, spot_file) = folder(KEYED);
    let spot = only("spot", &spot_file);
    let (_node_dir, node_file) = folder(&node(&spot.url, "http://127.0.0.1:1"));
    let node = Node::start(&node_file);
    assert!(!node.is_known("db/update"));
    // It is told beside the answer: a moment later it knows.
    assert!((0..100).any(|_| node.is_known("db/update")));
    let address = spot.url.strip_prefix("http://").unwrap().to_owned();
    spot.stop();
    let spot = only("spot", &configured(spot_dir.path(), &address, KEYED));
    assert!(node.is_known("db/update"));
    assert!(spot_dir.path().join("data/spot.db").exists() && !spot_dir.path().join("data/seal.key").exists());
    node.serving.stop();
    spot.stop();
}

#[test]
fn who_does_not_show_the_key_is_told_nothing_and_the_key_is_in_no_log() {
    let (dir, file) = folder(KEYED);
    let spot = only("spot", &file);
    let body = r#"{"agent":"agent_1","revision":1,"tool":"db/update","effect":"mutating","egress":false,"at":0}"#;
    let look = |key: &str, body: &str| {
        let request = ureq::post(format!("{}/guardian/v1/spot/look", spot.url)).config().http_status_as_error(false);
        let mut answer = request.build().header("authorization", key).send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for wrong in ["", "Bearer ", "Bearer 0123", TIER_KEY, &format!("Bearer {TIER_KEY}0")] {
        assert_eq!(look(wrong, body).0, 401, "{wrong}");
    }
    let shown = format!("Bearer {TIER_KEY}");
    let (status, known) = look(&shown, body);
    let expected = json!({"findings": [], "decisions": 0, "denied": 0, "tool_is_new": true});
    assert_eq!((status, serde_json::from_str::<Value>(&known).unwrap()), (200, expected));
    for bad in ["", "{}", &body.replace("\"at\":0", "\"at\":0,\"more\":1"), &body.replace("mutating", "harmless")] {
        assert_eq!(look(&shown, bad).0, 400, "{bad}");
    }

    // A node that holds another key gets no answer, and says where to look.
    let (node_dir, node_file) = folder(&node(&spot.url, "http://127.0.0.1:1"));
    std::fs::write(node_dir.path().join("tier.key"), "f".repeat(48)).unwrap();
    let node = Node::start(&node_file);
    assert_eq!(node.check("db/update").1["risk"], json!({"failed": "refused"}));
    assert!(!(spot.logs.concat() + &node.serving.logs.concat()).contains(TIER_KEY));
    node.serving.stop();
    spot.stop();
    drop(dir);
}

#[test]
fn what_cannot_be_split_safely_does_not_start_and_says_what_to_do() {
    let refused = |tier: &str, text: &str, says: &[&str]| {
        let (_dir, file) = folder(text);
        run(["serve", "--only", tier, "--config", &file]).refused(says);
    };
    let (spot, deep) = ("https://spot.example", "https://deep.example");
    refused("fast", "", &["guardian.spot.url"]);
    let local = "[guardian.deep]\nreviewer = { kind = 'openai', model = 'm', url = 'http://127.0.0.1:1/v1' }\n";
    refused("fast", &format!("[guardian]\nrisk = 'off'\ndetectors = 'off'\n{local}"), &["guardian.deep.url"]);
    refused("spot", "", &["guardian.tier_key_file", "openssl rand"]);
    refused("deep", KEYED, &["nobody to ask", "[guardian.deep]"]);
    refused("fast", &node("http://spot.example", deep), &["guardian.spot.url", "unencrypted"]);
    refused("fast", &node(spot, "http://10.0.0.1:1"), &["guardian.deep.url", "unencrypted"]);
    refused("fast", &node(spot, deep).replace("10000", "10001"), &["guardian.spot.timeout_ms"]);
    refused("fast", &node(spot, deep).replace("tier_key_file = 'tier.key'", ""), &["guardian.tier_key_file"]);
    refused("fast", &node(spot, deep).replace("'tier.key'", "'no.key'"), &["guardian.tier_key_file", "cannot read"]);
    refused("fast", &node(spot, deep).replace("timeout_ms", "timeout"), &["timeout"]);
    refused("fast", &(node(spot, deep) + "deadline_seconds = 3\n"), &["guardian.deep.deadline_seconds"]);
    let both = node(spot, deep) + "reviewer = { kind = 'openai', model = 'm', url = 'http://127.0.0.1:1/v1' }\n";
    refused("fast", &both, &["exclude one another"]);
}
