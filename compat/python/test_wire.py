"""Traps on the wire that the SDKs of all five languages depend on, checked byte for byte."""

import json
import re
from types import SimpleNamespace

import pytest

CHECK = "/api/v1/agenttrust/check"
DESTINATIONS = "/api/v1/siem/destinations"
MILLISECONDS_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# The three ways SDKs spell "no body": Rust, Go and TypeScript send nothing at all,
# Python says the length is 0, Java sends an empty object.
NO_BODY = pytest.mark.parametrize(
    "body", [None, b"", b"{}"], ids=["no length and no body", "length zero", "empty object"]
)


def check_body(agent, **extra):
    return {"agent_id": agent.id, "action_name": "read_file", "action_source": "api", **extra}


def fields(value, path="$"):
    """Every member of a JSON document with its path."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{path}.{name}", name, member
            yield from fields(member, f"{path}.{name}")
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from fields(member, f"{path}[{number}]")


@pytest.fixture
def agent(new_agent):
    return new_agent("read_file", "write_file")


@pytest.fixture
def delegation(admin, agent, new_agent):
    return admin.delegations.create(agent.id, new_agent("list_users").id, ["read_file"])


@pytest.fixture
def estate(admin, agent, delegation, new_session, new_name, wire):
    """One of each kind of thing the demo organisation can own, by its path."""
    session = new_session(agent)
    write = admin.actions.check(agent.id, tool_name="write_file", session_id=session.session_id)
    name = new_name("estate")
    provider = admin.federation.register_provider(f"https://{name}.example.invalid", name)
    destination = admin.streaming.create(name, "webhook", "https://siem.example.invalid/collect")
    yield SimpleNamespace(
        agent=f"/api/v1/agents/{agent.id}",
        session=f"/mcp/sessions/{session.session_id}",
        approval=f"/mcp/approvals/{write.approval_id}",
        server=f"/mcp/servers/{session.server_id}",
        delegation=f"/api/v1/delegations/{delegation.id}",
        provider=f"/api/v1/federation/providers/{provider.id}",
        destination=f"{DESTINATIONS}/{destination.id}",
    )
    for path in (f"{DESTINATIONS}/{destination.id}", f"/api/v1/federation/providers/{provider.id}"):
        assert wire.delete(path).status == 200


# Requests


@NO_BODY
def test_a_post_without_a_body_is_accepted_however_it_is_spelled(wire, delegation, body):
    answer = wire.send("POST", f"/api/v1/delegations/{delegation.id}/session", body)
    assert answer.status in (200, 201), answer.text
    assert answer.json["delegation_id"] == delegation.id


@NO_BODY
def test_a_put_without_a_body_changes_nothing_however_it_is_spelled(wire, estate, body):
    before = wire.get(estate.destination).json
    answer = wire.send("PUT", estate.destination, body)
    assert answer.status == 200, answer.text
    assert answer.json["name"] == before["name"]
    assert answer.json["is_active"] == before["is_active"]


def test_half_a_surrogate_pair_in_a_summary_is_accepted(wire, agent):
    body = json.dumps(check_body(agent, action_input_summary="cut SHORT")).replace("SHORT", "\\ud83d")
    answer = wire.send("POST", CHECK, body.encode("ascii"))
    assert (answer.status, answer.json.get("allowed")) == (200, True), answer.text


@pytest.mark.parametrize("again", ["action_name", "action\\u005fname"], ids=["spelled alike", "spelled by escape"])
def test_a_member_named_twice_is_invalid(wire, agent, again):
    body = json.dumps(check_body(agent))[:-1] + f', "{again}": "read_file"' + "}"
    answer = wire.send("POST", CHECK, body.encode("ascii"))
    assert answer.status == 400, answer.text
    assert answer.json["message"]


def test_a_member_named_twice_registers_no_agent(wire, new_name):
    name = new_name("twice")
    answer = wire.send("POST", "/api/v1/agents", f'{{"name":"someone-else","name":"{name}"}}'.encode())
    assert answer.status == 400, answer.text
    assert name not in [listed["name"] for listed in wire.get("/api/v1/agents").json["agents"]]


def test_what_is_not_json_is_invalid(wire):
    answer = wire.send("POST", CHECK, b'{"agent_id": ')
    assert answer.status == 400, answer.text
    assert answer.json["message"]


def test_a_member_nobody_knows_is_ignored(wire, agent):
    answer = wire.post(CHECK, check_body(agent, from_a_later_sdk=True))
    assert (answer.status, answer.json.get("allowed")) == (200, True), answer.text


def test_the_shortest_check_any_sdk_sends_is_accepted(wire, agent):
    answer = wire.post(CHECK, check_body(agent))
    assert (answer.status, answer.json.get("allowed")) == (200, True), answer.text


# Responses


def test_a_denial_is_an_answer_with_a_reason_and_a_stable_code(wire, agent):
    answer = wire.post(CHECK, {**check_body(agent), "action_name": "list_users"})
    assert answer.status == 200, answer.text
    assert answer.json["allowed"] is False
    assert answer.json["reason"]
    assert answer.json["code"] == "capability_missing"
    assert answer.json.get("elevation_required", False) is False
    assert answer.json.get("approval_id") is None


def test_numbers_rust_and_go_read_as_integers_are_integers(wire, agent):
    decision = wire.post(CHECK, check_body(agent)).json
    assert type(decision.get("latency_ms", 0)) is int


LISTS = [
    ("/api/v1/agents", "agents"),
    ("/api/v1/delegations", "delegations"),
    ("/api/v1/federation/providers", "providers"),
    ("/mcp/servers", "servers"),
    (DESTINATIONS, "destinations"),
]


@pytest.mark.parametrize("path, wrapper", LISTS)
def test_a_list_is_wrapped_in_an_object(wire, estate, path, wrapper):
    listed = wire.get(path).json
    assert isinstance(listed, dict)
    assert len(listed[wrapper]) >= 1


@pytest.mark.parametrize("path, wrapper", LISTS)
def test_an_empty_list_is_a_list_and_not_null(newcomer, path, wrapper):
    assert newcomer.wire.get(path).json[wrapper] == []


def test_a_list_of_destinations_says_how_many_there_are(wire, estate):
    listed = wire.get(DESTINATIONS).json
    assert listed["total"] == len(listed["destinations"]) >= 1


def test_an_empty_delivery_log_is_a_wrapped_list(wire, estate):
    assert wire.get(f"{estate.destination}/logs").json == {"logs": [], "total": 0}


def test_an_agent_registered_with_nothing_has_empty_lists_and_not_nulls(wire, new_name):
    answer = wire.post("/api/v1/agents", {"name": new_name("bare"), "framework": "custom"})
    assert answer.status == 201, answer.text
    made = answer.json.get("agent", answer.json)
    fetched = wire.get(f"/api/v1/agents/{made['id']}").json
    for agent in (made, fetched):
        assert agent["capabilities"] == []
        assert agent["metadata"] == {}
        assert agent["public_key"] == ""
        assert agent["status"] == "active"


def test_a_token_has_lists_and_not_nulls(wire, agent):
    token = wire.post("/api/v1/agent-tokens/issue", {"agent_id": agent.id, "scopes": ["read_file"], "ttl": 300}).json
    assert token["scopes"] == ["read_file"]
    assert isinstance(token["audience"], list)
    assert "scope" not in token, "a second spelling of `scopes` confuses three of the SDKs"


def test_an_inactive_token_is_an_answer_with_a_list_of_scopes(wire):
    answer = wire.post("/api/v1/agent-tokens/introspect", {"token": "at_unknown", "target": None})
    assert answer.status == 200, answer.text
    assert answer.json["active"] is False
    assert isinstance(answer.json.get("scopes", []), list)


def test_a_session_has_lists_and_not_nulls(wire, estate):
    session = wire.get(estate.session).json
    assert isinstance(session["allowed_actions"], list)
    assert isinstance(session["scope_ceiling"], list)
    for name in ("session_id", "agent_id", "org_id", "source", "server_id", "mode"):
        assert isinstance(session[name], str)
    for name in ("total_calls", "read_calls", "write_calls", "denied_calls"):
        assert type(session[name]) is int


def test_what_is_fetched_by_its_id_is_not_wrapped(wire, estate):
    wrapped = [path for kind, path in vars(estate).items() if kind not in ("session", "provider")
               and "id" not in wire.get(path).json]
    assert wrapped == []
    assert wire.get(estate.session).json["session_id"]


def test_a_created_delegation_and_provider_are_wrapped(wire, agent, new_agent, new_name):
    delegation = wire.post(
        "/api/v1/delegations",
        {"from_agent_id": agent.id, "to_agent_id": new_agent("list_users").id, "scope": ["read_file"]},
    )
    name = new_name("wrapped")
    provider = wire.post(
        "/api/v1/federation/providers", {"issuer": f"https://{name}.example.invalid", "name": name}
    )
    assert (delegation.status, provider.status) == (201, 201)
    assert delegation.json["delegation"]["id"]
    assert provider.json["provider"]["id"]


def test_every_time_is_utc_with_three_fractional_digits(wire, agent, estate):
    token = wire.post("/api/v1/agent-tokens/issue", {"agent_id": agent.id, "scopes": ["read_file"], "ttl": 300}).json
    documents = [token, wire.post("/api/v1/agent-tokens/introspect", {"token": token["token"]}).json]
    documents += [wire.get(path).json for kind, path in vars(estate).items() if kind != "provider"]
    documents += [wire.get("/api/v1/federation/providers").json]

    times = {
        path: value
        for number, document in enumerate(documents)
        for path, name, value in fields(document, f"{number}")
        if name.endswith("_at") and value is not None
    }
    assert len(times) >= len(documents)
    assert {path: value for path, value in times.items() if not MILLISECONDS_UTC.fullmatch(value)} == {}


def test_no_member_is_spelled_in_camel_case(wire, estate):
    documents = [wire.get(path).json for kind, path in vars(estate).items() if kind != "provider"]
    documents += [wire.get("/api/v1/federation/providers").json]
    names = {name for document in documents for _, name, _ in fields(document)}
    assert {name for name in names if name != name.lower()} == set()


@pytest.mark.parametrize(
    "status, method, path, body",
    [
        (400, "POST", "/api/v1/agents", b'{"framework":"custom"}'),
        (404, "GET", "/api/v1/agents/nobody-registered-this", None),
        (404, "GET", "/api/v1/no-such-thing", None),
    ],
)
def test_an_error_is_an_object_with_a_message_in_words(wire, status, method, path, body):
    answer = wire.send(method, path, body)
    assert answer.status == status, answer.text
    assert isinstance(answer.json["message"], str) and answer.json["message"]
    assert isinstance(answer.json.get("error", ""), str)


# Tenants


@pytest.mark.parametrize("kind", ["agent", "session", "approval", "server", "delegation", "destination"])
def test_another_organisations_thing_is_not_found(wire, stranger, estate, kind):
    path = getattr(estate, kind)
    assert wire.get(path).status == 200, "its owner finds it"
    answer = stranger.wire.get(path)
    assert answer.status == 404, answer.text


@pytest.mark.parametrize(
    "kind, method, suffix, body",
    [
        ("agent", "POST", "/revoke", {"reason": "not mine"}),
        ("approval", "POST", "/approve", {"decided_by": "a stranger"}),
        ("server", "DELETE", "", None),
        ("delegation", "POST", "/session", None),
        ("delegation", "DELETE", "", None),
        ("provider", "DELETE", "", None),
        ("destination", "PUT", "", {"name": "mine now"}),
        ("destination", "DELETE", "", None),
    ],
)
def test_another_organisations_thing_cannot_be_touched(stranger, estate, kind, method, suffix, body):
    encoded = None if body is None else json.dumps(body).encode()
    answer = stranger.wire.send(method, getattr(estate, kind) + suffix, encoded)
    assert answer.status == 404, answer.text


def test_another_organisations_agent_cannot_be_asked_about(stranger, agent):
    assert stranger.wire.post(CHECK, check_body(agent)).status == 404


def test_another_organisations_token_is_inactive(admin, stranger, agent):
    token = admin.tokens.issue(agent.id, ["read_file"])
    assert not stranger.client.tokens.introspect(token.token).active


def test_another_organisations_agents_are_not_listed(stranger, agent):
    assert agent.id not in [listed.id for listed in stranger.client.agents.list()]
