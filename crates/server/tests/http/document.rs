//! The OpenAPI document says what the server does: no more, no less.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use crate::routes::{ROUTES, Route, asked};
use crate::world::{Caller, TestServer};

fn document() -> Value {
    serde_json::from_str(&countersign_server::openapi_json(&[])).unwrap()
}

/// Every operation: its verb, its path and what is said about it.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let verbs = |(path, verbs): (&String, &'_ Value)| {
        let path = path.clone();
        verbs.as_object().unwrap().keys().map(move |verb| (verb.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    let all = paths.iter().flat_map(verbs);
    all.map(|(verb, path)| {
        let operation = &document["paths"][&path][verb.to_lowercase()];
        (verb, path, operation)
    })
    .collect()
}

/// The path with every parameter spelled `{}`.
fn shape(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn the_document_and_the_table_of_these_tests_name_the_same_routes() {
    let document = document();
    // The log's routes are tested in `tests/log.rs`, on a server that publishes one.
    let of_the_log =
        |path: &str| path.starts_with("/log/") || path.ends_with("}/receipt") || path.ends_with("/trace/proof");
    let documented: BTreeSet<_> = operations(&document)
        .iter()
        .filter(|(_, path, _)| !of_the_log(path))
        .map(|(verb, path, _)| (verb.clone(), shape(path)))
        .collect();
    let tested: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.to_owned(), shape(route.path))).collect();
    assert_eq!(documented, tested);
}

#[test]
fn no_two_operations_have_the_same_id() {
    let document = document();
    let mut seen = HashSet::new();
    for (verb, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(seen.insert(id), "{verb} {path}: `{id}` names another operation too");
    }
}

#[test]
fn every_parameter_in_a_path_is_described() {
    let document = document();
    for (verb, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let described: BTreeSet<String> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(described, in_path.map(str::to_owned).collect(), "{verb} {path}");
    }
}

#[tokio::test]
async fn every_documented_route_is_one_that_the_server_knows() {
    let server = TestServer::new().await;
    let document = document();
    for (verb, path, _) in operations(&document) {
        let reply = server.ask(&verb, &shape(&path).replace("{}", "unknown")).by(&server.acme.admin).send().await;
        let lost = [404, 405].contains(&reply.status.as_u16())
            && ["route_unknown", "method_not_allowed"]
                .contains(&reply.json(reply.status.as_u16())["code"].as_str().unwrap());
        assert!(!lost, "{verb} {path}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_the_document_calls_open_is_open_and_nothing_else() {
    let server = TestServer::new().await;
    let document = document();
    let open = serde_json::json!([{}]);
    for (verb, path, operation) in operations(&document) {
        let reply = server.ask(&verb, &shape(&path).replace("{}", "unknown")).send().await;
        assert_eq!(reply.status != 401, operation["security"] == open, "{}: {}", reply.asked, reply.text());
    }
}

#[tokio::test]
async fn every_documented_path_refuses_an_escape_that_is_not_utf_8() {
    let server = TestServer::new().await;
    let document = document();
    for (verb, path, _) in operations(&document).into_iter().filter(|(_, path, _)| path.contains('{')) {
        let ask = server.ask(&verb, &shape(&path).replace("{}", "%ff")).by(&server.acme.admin);
        ask.send().await.refusal(400, "invalid_request");
    }
}

#[tokio::test]
async fn every_answer_is_as_the_document_describes_it() {
    let document = document();
    for route in ROUTES.iter().filter(|route| route.path != "/metrics") {
        let (_, _, reply) = asked(route, |org| org.admin.clone()).await;
        let said = described(&document, route);
        if said["type"] == "object" && said.get("properties").is_none() {
            continue;
        }
        if let Err(why) = conforms(&document, said, &reply.json(route.status), "") {
            panic!("{} {}: {why}: {}", route.method, route.path, reply.text());
        }
    }
}

/// What the document says about the body of a route's answer.
fn described<'a>(document: &'a Value, route: &Route) -> &'a Value {
    let operation = operations(document)
        .into_iter()
        .find(|(verb, path, _)| verb == route.method && shape(path) == shape(route.path))
        .map(|(_, _, operation)| operation)
        .unwrap();
    let answer = &operation["responses"][route.status.to_string()];
    assert!(answer.is_object(), "{} {}: {} is not documented", route.method, route.path, route.status);
    let content = answer["content"].as_object().expect("a documented body");
    &content.values().next().unwrap()["schema"]
}

/// Whether `value` has every member that `schema` requires, none that it does
/// not know, and everything of the right kind.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = &flat(document, schema);
    if let Some(words) = schema["enum"].as_array() {
        return if words.contains(value) { Ok(()) } else { Err(format!("`{at}` is {value}, not one of {words:?}")) };
    }
    let right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !right {
        return Err(format!("`{at}` is {value}, not as in {schema}"));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item, &format!("{at}[]"))?;
    }
    let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return Ok(()) };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    if let Some(missing) = required.iter().find(|name| !members.contains_key(name.as_str().unwrap())) {
        return Err(format!("`{at}` has no {missing}"));
    }
    for (name, member) in members {
        let at = format!("{at}.{name}");
        let schema = known.get(name).ok_or_else(|| format!("`{at}` is not documented"))?;
        conforms(document, schema, member, &at)?;
    }
    Ok(())
}

/// A schema with its reference followed and its parts put together.
fn flat(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).expect("a reference that leads somewhere");
        return flat(document, target);
    }
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let part = flat(document, part);
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    serde_json::json!({ "type": "object", "properties": properties, "required": required })
}

#[tokio::test]
async fn the_server_serves_the_document_it_prints() {
    let server = TestServer::new().await;
    let told = server.get("/api/v1/openapi.json", &Caller::developer()).await;
    assert_eq!(told.text(), countersign_server::openapi_json(&[]));
}
