//! Credentials: who shows none, a bad one or two of them is turned away, and
//! what is shown is never ignored.

use std::time::Duration;

use serde_json::json;

use crate::routes::{Everything, Needs, ROUTES};
use crate::world::{Caller, TestServer};

const CHECK: &str = "/api/v1/agenttrust/check";
const AGENTS: &str = "/api/v1/agents";

#[tokio::test]
async fn every_route_but_health_metrics_and_the_document_needs_credentials() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    for route in ROUTES {
        let reply = everything.ask(&server, route).send().await;
        match route.needs {
            Needs::Nothing => assert_eq!(reply.status.as_u16(), 200, "{}", reply.asked),
            Needs::Any(_) => {
                reply.refusal(401, "credentials_missing");
                everything.ask(&server, route).by(&Caller::stranger()).send().await.refusal(401, "api_key_unknown");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_of_credentials_comes_before_a_look_at_the_body() {
    let server = TestServer::new().await;
    server.ask("POST", CHECK).body("no JSON").send().await.refusal(401, "credentials_missing");
    server.ask("POST", CHECK).body("x".repeat(2 << 20)).send().await.refusal(401, "credentials_missing");
}

#[tokio::test]
async fn what_is_no_api_key_is_an_unknown_one() {
    let server = TestServer::new().await;
    let cut = &server.acme.admin.secret()[..server.acme.admin.secret().len() - 1];
    let more = format!("{}x", server.acme.admin.secret());
    for odd in ["nonsense", "sk_", "at_live_x", "sk_live_ü", "sk_live_a b", cut, &more] {
        let reply = server.get(AGENTS, &Caller::key(odd)).await;
        let message = reply.refusal(401, "api_key_unknown");
        assert!(!message.contains(odd), "{message}");
    }
}

#[tokio::test]
async fn a_key_works_as_a_bearer_and_whatever_the_case_of_the_header_and_the_scheme() {
    let server = TestServer::new().await;
    let secret = server.acme.auditor.secret();
    for (name, value) in [
        ("X-Api-Key", secret.to_owned()),
        ("X-API-KEY", format!("  {secret} ")),
        ("Authorization", format!("Bearer {secret}")),
        ("authorization", format!("bearer  {secret}")),
    ] {
        server.ask("GET", AGENTS).header(name, &value).send().await.json(200);
    }
}

#[tokio::test]
async fn an_empty_header_is_none() {
    let server = TestServer::new().await;
    server.ask("GET", AGENTS).header("x-api-key", "").send().await.refusal(401, "credentials_missing");
    server.ask("GET", AGENTS).by(&server.acme.admin).header("authorization", "").send().await.json(200);
    let dev = TestServer::in_dev_mode().await;
    dev.ask("GET", AGENTS).header("x-api-key", "").send().await.json(200);
}

#[tokio::test]
async fn a_credential_header_that_is_there_twice_is_refused_even_with_a_good_key_in_it() {
    let server = TestServer::new().await;
    let (admin, agent) = (&server.acme.admin, &server.acme.agent);
    for second in [admin, agent, &Caller::stranger(), &Caller::key("")] {
        let ask = server.ask("GET", AGENTS).by(admin).by(second);
        ask.send().await.refusal(401, "credentials_malformed");
    }
    let bearer = Caller::token(admin.secret());
    server.ask("GET", AGENTS).by(&bearer).by(&bearer).send().await.refusal(401, "credentials_malformed");
}

#[tokio::test]
async fn a_bad_bearer_beside_a_good_administrators_key_is_never_ignored() {
    let server = TestServer::new().await;
    let unknown = format!("Bearer at_{}", "A".repeat(43));
    for (header, code) in [
        ("Bearer", "credential_unknown"),
        ("Bearer ", "credential_unknown"),
        ("Bearer nonsense", "credential_unknown"),
        ("Bearer at_ a", "credential_unknown"),
        ("Basic YWRtaW46YWRtaW4=", "credential_unknown"),
        ("DPoP at_a", "credential_unknown"),
        ("at_a", "credential_unknown"),
        ("Bearer ü", "credential_unknown"),
        ("Bearer sk_live_unknown", "api_key_unknown"),
        (&unknown, "token_inactive"),
        ("Bearer eyJ.x.y", "credential_unsupported"),
        ("Bearer fed_a", "credential_unsupported"),
    ] {
        for path in [AGENTS, "/api/v1/orgs/security-settings"] {
            let ask = server.ask("GET", path).by(&server.acme.admin).header("authorization", header);
            ask.send().await.refusal(401, code);
        }
    }
}

#[tokio::test]
async fn two_different_keys_are_refused_and_the_same_one_twice_is_one() {
    let server = TestServer::new().await;
    let other = server.other_org().await;
    let (admin, agent) = (&server.acme.admin, &server.acme.agent);
    for second in [agent, &other.admin] {
        let ask = server.ask("GET", AGENTS).by(admin).by(&Caller::token(second.secret()));
        ask.send().await.refusal(401, "credentials_conflict");
    }
    server.ask("GET", AGENTS).by(admin).by(&Caller::token(admin.secret())).send().await.json(200);
}

#[tokio::test]
async fn a_token_beside_a_key_of_another_organisation_is_refused() {
    let server = TestServer::new().await;
    let other = server.other_org().await;
    let everything = Everything::of(&server, &server.acme).await;
    let token = Caller::token(everything.id("token"));
    server.ask("GET", AGENTS).by(&server.acme.admin).by(&token).send().await.json(200);
    server.ask("GET", AGENTS).by(&other.admin).by(&token).send().await.refusal(401, "token_inactive");
    let entry = server.last_entry();
    assert_eq!((entry.kind.as_str(), entry.org), ("rejection", Some(other.id)));
}

#[tokio::test]
async fn a_token_beside_another_agents_key_is_refused() {
    let server = TestServer::new().await;
    let everything = Everything::of(&server, &server.acme).await;
    let bound = async |agent: &str| {
        let body = json!({ "name": "bound", "role": "agent", "agent_id": agent });
        let made = server.post("/api/v1/keys", &server.acme.admin, body).await.json(201);
        Caller::key(made["key"].as_str().unwrap())
    };
    let token = Caller::token(everything.id("token"));
    let (own, others) = (bound(everything.id("agent")).await, bound(everything.id("other")).await);
    server.ask("GET", AGENTS).by(&own).by(&token).send().await.json(200);
    server.ask("GET", AGENTS).by(&others).by(&token).send().await.refusal(401, "token_inactive");
}

#[tokio::test]
async fn a_token_that_is_revoked_expired_or_of_a_stopped_agent_is_refused_at_once() {
    for ending in ["revoke", "expire", "suspend the agent", "revoke the agent"] {
        let server = TestServer::new().await;
        let everything = Everything::of(&server, &server.acme).await;
        let token = Caller::token(everything.id("token"));
        server.get(AGENTS, &token).await.json(200);
        let order =
            async |path: &str, body| server.post(&everything.fill(path), &server.acme.admin, body).await.json(200);
        match ending {
            "revoke" => drop(order("/api/v1/agent-tokens/revoke", json!({ "token": everything.id("token") })).await),
            "expire" => server.clock.pass(Duration::from_mins(5)),
            "suspend the agent" => drop(order("/api/v1/agents/{agent}/suspend", json!({})).await),
            _ => drop(order("/api/v1/agents/{agent}/revoke", json!({})).await),
        }
        server.get(AGENTS, &token).await.refusal(401, "token_inactive");
        // The administrator's key beside it does not bring it back.
        server.ask("GET", AGENTS).by(&server.acme.admin).by(&token).send().await.refusal(401, "token_inactive");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_the_last_administrators_cannot_be() {
    let server = TestServer::new().await;
    let keys = server.get("/api/v1/keys", &server.acme.admin).await.json(200);
    let id = |role: &str| {
        let all = keys["keys"].as_array().unwrap();
        all.iter().find(|key| key["role"] == role).unwrap()["id"].as_str().unwrap().to_owned()
    };
    server.get(AGENTS, &server.acme.agent).await.json(200);
    server.delete(&format!("/api/v1/keys/{}", id("agent")), &server.acme.admin).await.json(200);
    server.get(AGENTS, &server.acme.agent).await.refusal(401, "api_key_unknown");
    server.delete(&format!("/api/v1/keys/{}", id("admin")), &server.acme.admin).await.refusal(409, "conflict");
    server.get(AGENTS, &server.acme.admin).await.json(200);
}

#[tokio::test]
async fn in_dev_mode_a_bad_credential_is_refused_and_not_taken_for_none() {
    let server = TestServer::in_dev_mode().await;
    server.get(AGENTS, &Caller::developer()).await.json(200);
    server.get(AGENTS, &Caller::stranger()).await.refusal(401, "api_key_unknown");
    server.get(AGENTS, &Caller::token("at_unknown")).await.refusal(401, "token_inactive");
    server.get(AGENTS, &Caller::token("nonsense")).await.refusal(401, "credential_unknown");
}
