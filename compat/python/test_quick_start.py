"""The vendor's quick start, with a key and, as its example script runs it, without one."""

import pytest

from agenttrustid import AgentTrustClient


def quick_start(client, name):
    """The steps of the vendor's `quickstart.py`, in its order and with its values."""
    health = client.health()
    agent = client.agents.create(
        name=name,
        framework="custom",
        capabilities=["files:read", "files:write", "web:fetch"],
        metadata={"example": "quickstart"},
    )
    token = client.tokens.issue(
        agent_id=agent.id, scopes=["files:read", "files:write"], target="mcp://filesystem", ttl_seconds=300
    )
    result = client.tokens.introspect(
        token.token, target="mcp://filesystem", required_scopes=["files:read"]
    )
    again = client.tokens.issue(
        agent_id=agent.id, scopes=["files:read", "files:write"], target="mcp://filesystem", ttl_seconds=300
    )
    return health, agent, token, result, again, client.agents.list()


@pytest.fixture(params=["with an admin key", "without a key"])
def caller(request, admin, keyless):
    return admin if request.param == "with an admin key" else keyless


def test_the_quick_start_runs_to_its_end(caller, new_name):
    name = new_name("quickstart-agent")
    health, agent, token, result, again, agents = quick_start(caller, name)

    assert health["status"] == "healthy"
    assert agent.name == name
    assert agent.capabilities == ["files:read", "files:write", "web:fetch"]
    assert agent.metadata == {"example": "quickstart"}
    assert token.token.startswith("at_")
    assert result.active
    assert result.agent_id == agent.id
    assert again is token, "the second issue is answered from the client's own cache"
    assert agent.id in [listed.id for listed in agents]


def test_what_a_keyless_developer_makes_belongs_to_the_demo_organisation(admin, keyless, new_name):
    made = keyless.agents.create(name=new_name("keyless"), capabilities=["files:read"])
    assert admin.agents.get(made.id).org_id == made.org_id
    assert made.id in [agent.id for agent in admin.agents.list(org_id=made.org_id)]


def test_a_client_made_from_the_environment_works(server, monkeypatch):
    monkeypatch.setenv("AGENTTRUST_URL", server.url + "/")
    monkeypatch.setenv("AGENTTRUST_API_KEY", server.admin_key)
    for other in ("AGENTTRUST_BASE_URL", "AGENTTRUST_AUTH_URL", "AGENTTRUST_AUDIT_URL"):
        monkeypatch.delenv(other, raising=False)
    assert isinstance(AgentTrustClient.from_env().agents.list(), list)


def test_the_agent_key_of_the_dev_server_speaks_for_its_agent(server, client_for):
    decision = client_for(server.agent_key).actions.check(server.agent_id, tool_name="read_file")
    assert decision.check_id
