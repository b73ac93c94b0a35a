//! Publishing policies, as an administrator does it and as others try to.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde_json::{Value, json};

use crate::world::{Caller, Org, TestServer};

const TOOLS: &str = r#"{"tools": [{"name": "transfer", "inputSchema": {"type": "object",
    "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}}]}"#;

/// A set that forbids transfers of more than `most`.
fn limit(most: &str) -> Value {
    let text = format!(
        "@id(\"rest\") permit (principal, action, resource);\n\
         @id(\"limit\") @code(\"over_limit\") @reason(\"at most {most}\")\n\
         forbid (principal, action == Action::\"pay/transfer\", resource) when {{ context.arguments.amount > {most} }};\n"
    );
    json!({ "policies": [{ "file": "pay.cedar", "text": text }], "tools": [{ "file": "tools/pay.json", "text": TOOLS }] })
}

/// The same, with more members.
fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn closed() -> Value {
    json!({ "policies": [{ "file": "a.cedar", "text": "@id(\"closed\") forbid (principal, action, resource);" }] })
}

struct Bank {
    server: TestServer,
    agent: String,
}

impl Bank {
    async fn new() -> Self {
        let server = TestServer::new().await;
        let agent = server.agent(&server.acme, "payer", &["*"]).await;
        Self { server, agent }
    }

    fn org(&self) -> &Org {
        &self.server.acme
    }

    async fn publish(&self, body: Value) -> Value {
        self.server.post("/api/v1/policies", &self.org().admin, body).await.json(201)
    }

    async fn get(&self, path: &str) -> Value {
        self.server.get(path, &self.org().admin).await.json(200)
    }

    async fn transfer(&self, amount: u32) -> Value {
        let asked =
            json!({ "agent_id": self.agent, "action_name": "pay/transfer", "action_input": { "amount": amount } });
        self.server.post("/api/v1/agenttrust/check", &self.org().agent, asked).await.json(200)
    }

    async fn code(&self, amount: u32) -> String {
        self.transfer(amount).await["code"].as_str().unwrap_or("allow").to_owned()
    }
}

#[tokio::test]
async fn what_is_published_decides_and_the_answer_says_whose_policy_it_was() {
    let bank = Bank::new().await;
    assert_eq!(bank.get("/api/v1/policies").await, json!({}));
    let published = bank.publish(with(limit("500"), &json!({ "note": "from the board" }))).await;
    assert_eq!((&published["number"], &published["note"]), (&1.into(), &"from the board".into()));
    assert_eq!(published["summary"]["default"], "deny");
    assert_eq!((&published["summary"]["policies"], &published["summary"]["tools"]), (&2.into(), &1.into()));
    let warned = published["warnings"][0]["message"].as_str().unwrap();
    assert!(warned.contains("permits every agent every"), "{warned}");
    let denied = bank.transfer(501).await;
    assert_eq!((&denied["code"], &denied["allowed"]), (&"policy_forbids".into(), &false.into()));
    assert!(denied["reason"].as_str().unwrap().contains("at most 500"), "{denied}");
    let set = &published["summary"]["set"];
    let said = json!([{ "by": ["limit"], "code": "over_limit", "outcome": "forbid", "set": set,
        "source": "organisation", "version": 1 }]);
    assert_eq!(denied["policies"], said);
    assert_eq!(bank.server.last_entry().event["policies"], said);
    assert_eq!(bank.code(500).await, "allow");
    let in_force = bank.get("/api/v1/policies").await;
    assert_eq!((&in_force["published"]["number"], in_force.get("failure")), (&1.into(), None));
}

#[tokio::test]
async fn rego_is_the_operators_alone() {
    let bank = Bank::new().await;
    let rego = json!({ "policies": [
        { "file": "a.cedar", "text": "@id(\"all\") permit (principal, action, resource);" },
        { "file": "limits/x.REGO", "text": "package countersign\ndeny contains \"no\" if true\n" },
    ]});
    let refused = bank.server.post("/api/v1/policies", &bank.org().admin, rego).await.json(400);
    assert!(refused["faults"][0]["message"].as_str().unwrap().contains("Rego is not published"), "{refused}");
    assert_eq!(refused["faults"][0]["file"], "limits/x.REGO");
    assert_eq!(bank.get("/api/v1/policies").await, json!({}));
}

#[tokio::test]
async fn versions_are_listed_shown_compared_and_put_back() {
    let bank = Bank::new().await;
    bank.publish(limit("500")).await;
    bank.publish(with(limit("50"), &json!({ "default": "allow" }))).await;
    bank.publish(closed()).await;
    assert_eq!(bank.code(1).await, "policy_forbids");
    let versions = bank.get("/api/v1/policies/versions").await["versions"].clone();
    let numbers: Vec<_> = versions.as_array().unwrap().iter().map(|version| version["number"].clone()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert!(versions[0].get("texts").is_none());

    let first = bank.get("/api/v1/policies/versions/1").await;
    assert_eq!(first["texts"]["tools"], json!([{ "file": "tools/pay.json", "text": TOOLS }]));
    assert!(first["texts"]["policies"][0]["text"].as_str().unwrap().contains("at most 500"));

    let changed = bank.get("/api/v1/policies/versions/2/diff").await;
    assert_eq!((&changed["against"], &changed["added"], &changed["tools"]), (&1.into(), &json!([]), &json!([])));
    assert_eq!(changed["changed"][0]["policy"], "limit");
    assert!(changed["changed"][0]["after"].as_str().unwrap().contains("at most 50\""), "{changed}");
    assert_eq!((&changed["default_before"], &changed["default_after"]), (&"deny".into(), &"allow".into()));
    let all = bank.get("/api/v1/policies/versions/3/diff?against=1").await;
    assert_eq!((&all["added"][0]["policy"], &all["removed"][1]["policy"]), (&"closed".into(), &"rest".into()));
    assert_eq!(all["tools"], json!(["tools/pay.json"]));
    let from_nothing = bank.get("/api/v1/policies/versions/1/diff").await;
    assert_eq!((&from_nothing["against"], from_nothing["added"].as_array().unwrap().len()), (&0.into(), 2));
    assert!(from_nothing.get("default_before").is_none());

    let path = "/api/v1/policies/versions/1/rollback";
    let body = json!({ "note": "nothing works", "if_version": 3 });
    let restored = bank.server.post(path, &bank.org().admin, body).await.json(201);
    assert_eq!((&restored["number"], &restored["rolled_back_from"]), (&4.into(), &1.into()));
    assert_eq!((bank.code(500).await, bank.code(501).await), ("allow".into(), "policy_forbids".into()));
    assert_eq!(bank.server.last_entry().event["policies"][0]["version"], 4);

    let path = "/api/v1/policies?if_version=4&note=not%20now";
    let gone = bank.server.delete(path, &bank.org().admin).await.json(201);
    assert_eq!((&gone["number"], gone.get("summary"), &gone["note"]), (&5.into(), None, &"not now".into()));
    assert_eq!(bank.code(501).await, "allow");
    let restored =
        bank.server.post("/api/v1/policies/versions/5/rollback", &bank.org().admin, json!({})).await.json(201);
    assert_eq!((&restored["rolled_back_from"], restored.get("summary")), (&5.into(), None));
    for path in ["/api/v1/policies/versions/7", "/api/v1/policies/versions/0", "/api/v1/policies/versions/latest"] {
        bank.server.get(path, &bank.org().admin).await.refusal(404, "not_found");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_by_file_and_line_and_the_old_set_stays() {
    let bank = Bank::new().await;
    bank.publish(limit("500")).await;
    let before = bank.server.entries().len();
    let wrong = bank.server.post("/api/v1/policies", &bank.org().admin, limit("five")).await;
    let message = wrong.refusal(400, "policies_invalid");
    assert!(message.contains("nothing was published"), "{message}");
    let fault = wrong.json(400)["faults"][0].clone();
    assert_eq!((&fault["file"], &fault["line"]), (&"pay.cedar".into(), &3.into()), "{fault}");
    let misspelt = limit("1").to_string().replace("context.arguments.amount", "context.arguments.amuont");
    let misspelt = bank.server.post("/api/v1/policies", &bank.org().admin, serde_json::from_str(&misspelt).unwrap());
    let faults = misspelt.await.json(400)["faults"].clone();
    assert!(faults[0]["suggestion"].as_str().unwrap().contains("amount"), "{faults}");
    let case = "- name: a little is refused\n  when: { tool: pay/transfer, arguments: { amount: 1 } }\n  \
        then: { decision: forbid }\n";
    let cases = json!({ "cases": [{ "file": "cases/pay.yaml", "text": case }] });
    let failing = bank.server.post("/api/v1/policies", &bank.org().admin, with(limit("1"), &cases)).await;
    let fault = failing.json(400)["faults"][0].clone();
    assert_eq!((&fault["file"], &fault["line"]), (&"cases/pay.yaml".into(), &1.into()));
    let twice = json!({ "policies": [{ "file": "a.cedar", "text": "" }, { "file": "a.cedar", "text": "" }] });
    let twice = bank.server.post("/api/v1/policies", &bank.org().admin, twice).await;
    assert!(twice.refusal(400, "invalid_request").contains("`a.cedar`"));
    assert_eq!(bank.server.entries().len(), before);
    assert_eq!(bank.code(501).await, "policy_forbids");
}

#[tokio::test]
async fn a_dry_run_says_what_publishing_would_come_to_and_changes_nothing() {
    let bank = Bank::new().await;
    let before = bank.server.entries().len();
    let dry = json!({ "dry_run": true });
    let asked = |body| async { bank.server.post("/api/v1/policies", &bank.org().admin, body).await.json(200) };
    let good = asked(with(limit("5"), &dry)).await;
    assert_eq!((&good["valid"], &good["faults"], &good["summary"]["policies"]), (&true.into(), &json!([]), &2.into()));
    let wrong = asked(with(limit("five"), &dry)).await;
    assert_eq!((&wrong["valid"], wrong.get("summary")), (&false.into(), None));
    assert_eq!(wrong["faults"][0]["line"], 3);
    assert_eq!(bank.server.entries().len(), before);
    assert_eq!(bank.get("/api/v1/policies/versions").await["versions"], json!([]));
}

#[tokio::test]
async fn who_saw_another_version_is_told_which_is_the_last() {
    let bank = Bank::new().await;
    bank.publish(with(limit("500"), &json!({ "if_version": 0 }))).await;
    bank.publish(with(limit("400"), &json!({ "if_version": 1 }))).await;
    let stale = bank.server.post("/api/v1/policies", &bank.org().admin, with(limit("9"), &json!({ "if_version": 1 })));
    assert!(stale.await.refusal(409, "conflict").contains("the last version is 2, not 1"));
    let path = "/api/v1/policies/versions/1/rollback";
    bank.server.post(path, &bank.org().admin, json!({ "if_version": 1 })).await.refusal(409, "conflict");
    bank.server.delete("/api/v1/policies?if_version=1", &bank.org().admin).await.refusal(409, "conflict");
    assert_eq!((bank.code(400).await, bank.code(401).await), ("allow".into(), "policy_forbids".into()));
}

#[tokio::test]
async fn no_agent_publishes_or_looks_whatever_it_shows() {
    let bank = Bank::new().await;
    bank.publish(closed()).await;
    let key = json!({ "name": "bound", "role": "agent", "agent_id": bank.agent });
    let key = bank.server.post("/api/v1/keys", &bank.org().admin, key).await.json(201);
    let token = bank.server.token(bank.org(), &bank.agent).await;
    let agents = [Caller::key(key["key"].as_str().unwrap()), Caller::token(token["token"].as_str().unwrap())];
    let both = agents[1].clone().with(("x-api-key", bank.org().admin.secret().to_owned()));
    let before = bank.server.entries().len();
    for agent in agents.iter().chain([&both, &bank.org().agent]) {
        for (method, path) in [
            ("POST", "/api/v1/policies"),
            ("DELETE", "/api/v1/policies"),
            ("GET", "/api/v1/policies"),
            ("GET", "/api/v1/policies/versions"),
            ("GET", "/api/v1/policies/versions/1"),
            ("GET", "/api/v1/policies/versions/1/diff"),
            ("POST", "/api/v1/policies/versions/1/rollback"),
        ] {
            let ask = bank.server.ask(method, path).by(agent).body(limit("500").to_string());
            assert_eq!(ask.send().await.status, 403, "{method} {path}");
        }
    }
    assert_eq!(bank.server.entries().len(), before);
    assert_eq!(bank.code(1).await, "policy_forbids");
}

#[tokio::test]
async fn a_body_is_not_read_for_who_may_not_publish() {
    let bank = Bank::new().await;
    let unread = bank.server.ask("POST", "/api/v1/policies").by(&bank.org().agent).body("not JSON").send().await;
    unread.refusal(403, "role_insufficient");
    let large = with(closed(), &json!({ "note": "x".repeat(2 << 20) })).to_string();
    let taken = bank.server.ask("POST", "/api/v1/policies").by(&bank.org().admin).body(large).send().await.json(201);
    assert_eq!(taken["note"].as_str().unwrap().len(), 500);
    let too_large = format!("{{\"policies\":[],\"note\":\"{}\"}}", "x".repeat(20 << 20));
    let refused = bank.server.ask("POST", "/api/v1/policies").by(&bank.org().admin).body(too_large).send().await;
    refused.refusal(413, "payload_too_large");
}

#[tokio::test]
async fn what_has_no_policies_is_not_published_and_what_is_not_there_not_taken_away() {
    let bank = Bank::new().await;
    for nothing in [json!({ "policies": [] }), json!({ "policies": [], "default": "allow" })] {
        let refused = bank.server.post("/api/v1/policies", &bank.org().admin, nothing).await.json(400);
        assert_eq!(refused["faults"][0]["message"], "there are no policies", "{refused}");
    }
    bank.server.delete("/api/v1/policies", &bank.org().admin).await.refusal(409, "conflict");
    bank.publish(limit("500")).await;
    bank.server.delete("/api/v1/policies", &bank.org().admin).await.json(201);
    bank.server.delete("/api/v1/policies", &bank.org().admin).await.refusal(409, "conflict");
    assert_eq!(bank.get("/api/v1/policies/versions").await["versions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn another_organisations_policies_are_not_there_and_hold_for_nobody_else() {
    let bank = Bank::new().await;
    let other = bank.server.other_org().await;
    bank.publish(limit("500")).await;
    bank.publish(closed()).await;
    let theirs = bank.server.agent(&other, "payer", &["*"]).await;
    let answer = bank.server.check(&other.agent, &theirs, "", "pay/transfer").await.json(200);
    assert_eq!((&answer["allowed"], answer.get("policies")), (&true.into(), None));
    assert_eq!(bank.server.get("/api/v1/policies", &other.admin).await.json(200), json!({}));
    for path in ["/api/v1/policies/versions/1", "/api/v1/policies/versions/2", "/api/v1/policies/versions/2/diff"] {
        bank.server.get(path, &other.admin).await.refusal(404, "not_found");
    }
    let path = "/api/v1/policies/versions/1/rollback";
    bank.server.post(path, &other.admin, json!({})).await.refusal(404, "not_found");
    // Their own first version is not the other's, and ends nothing of it.
    bank.server.post("/api/v1/policies", &other.admin, limit("9")).await.json(201);
    let diff = bank.server.get("/api/v1/policies/versions/1/diff?against=2", &other.admin).await;
    diff.refusal(404, "not_found");
    bank.server.delete("/api/v1/policies", &other.admin).await.json(201);
    assert_eq!(bank.code(1).await, "policy_forbids");
}

/// A body that never comes.
struct Never;

impl axum::body::HttpBody for Never {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<axum::body::Bytes>, std::convert::Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn an_organisation_has_one_set_in_hand_at_a_time_and_puts_down_what_does_not_come() {
    let bank = Bank::new().await;
    let other = bank.server.other_org().await;
    bank.publish(limit("500")).await;
    let slow = bank.server.ask("POST", "/api/v1/policies").by(&bank.org().admin).body(axum::body::Body::new(Never));
    let slow = tokio::spawn(slow.send());
    tokio::task::yield_now().await;
    let refused = bank.server.post("/api/v1/policies", &bank.org().admin, limit("9")).await;
    refused.refusal(429, "too_many_requests");
    for path in ["/api/v1/policies/versions/1/rollback", "/api/v1/policies/versions/1/diff"] {
        let method = if path.ends_with("diff") { "GET" } else { "POST" };
        let refused = bank.server.ask(method, path).by(&bank.org().admin).send().await;
        refused.refusal(429, "too_many_requests");
    }
    bank.server.post("/api/v1/policies", &other.admin, limit("9")).await.json(201);
    slow.await.unwrap().refusal(408, "request_timeout");
    bank.publish(limit("9")).await;
}
