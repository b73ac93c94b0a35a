//! Routes that later work owns say so, to those who may ask at all.

use crate::world::{Caller, TestServer};

/// E6 to E10, E26, E35 to E39, E47 to E50 of the wire reference, and GraphQL.
const LATER: [(&str, &str); 18] = [
    ("POST", "/api/v1/agents/agent_1/challenge"),
    ("POST", "/api/v1/agents/agent_1/card"),
    ("GET", "/api/v1/agents/agent_1/card"),
    ("PUT", "/api/v1/agents/agent_1/card/publish"),
    ("GET", "/a2a/agents/agent_1/agent.json"),
    ("POST", "/mcp/srv_1"),
    ("POST", "/api/v1/federation/tokens/introspect"),
    ("POST", "/api/v1/federation/tokens/verify"),
    ("POST", "/api/v1/federation/tokens/issue"),
    ("POST", "/api/v1/federation/tokens/revoke"),
    ("POST", "/api/v1/federation/sessions/init"),
    ("POST", "/api/v1/wimse/token"),
    ("POST", "/api/v1/wimse/verify"),
    ("POST", "/a2a"),
    ("POST", "/a2a/agents/agent_1"),
    ("GET", "/a2a/agents/agent_1"),
    ("POST", "/graphql"),
    ("GET", "/graphql"),
];

#[tokio::test]
async fn a_route_that_is_not_built_says_so_with_501() {
    let server = TestServer::new().await;
    for (method, path) in LATER {
        let reply = server.ask(method, path).by(&server.acme.admin).body("{}").send().await;
        let message = reply.refusal(501, "not_implemented");
        assert!(message.contains("not part of this version"), "{path}: {message}");
        assert_eq!(reply.json(501)["error"], "not_implemented", "{path}");
    }
}

#[tokio::test]
async fn a_route_that_is_not_built_tells_nothing_to_those_without_credentials() {
    let server = TestServer::new().await;
    for (method, path) in LATER {
        server.ask(method, path).send().await.refusal(401, "credentials_missing");
        server.ask(method, path).by(&Caller::stranger()).send().await.refusal(401, "api_key_unknown");
    }
}

#[tokio::test]
async fn the_document_does_not_list_what_is_not_built() {
    let server = TestServer::new().await;
    let document = server.get("/api/v1/openapi.json", &Caller::developer()).await.json(200);
    for (_, path) in LATER {
        let pattern = path.replace("agent_1", "{id}").replace("srv_1", "{server_id}");
        assert!(document["paths"].get(&pattern).is_none(), "{pattern}");
    }
}
