"""One live server for the whole run, and the callers that speak to it."""

import itertools
from types import SimpleNamespace

import pytest
from agenttrustid import AgentTrustClient

import countersign
from wire import Wire


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    try:
        running = countersign.start(tmp_path_factory.mktemp("countersign"))
    except countersign.CannotStart as problem:
        pytest.exit(str(problem), returncode=3)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def client_for(server):
    """An SDK client that holds the given key, or none."""

    def client(key=None):
        return AgentTrustClient(base_url=server.url, api_key=key)

    return client


@pytest.fixture(scope="session")
def admin(server, client_for):
    """The demo organisation's administrator."""
    return client_for(server.admin_key)


@pytest.fixture(scope="session")
def keyless(client_for):
    """A caller without a key: in dev mode, a developer of the demo organisation."""
    return client_for()


@pytest.fixture(scope="session")
def wire(server):
    """The administrator, without an SDK."""
    return Wire(server.url, server.admin_key)


@pytest.fixture(scope="session")
def new_key(wire):
    """Makes an API key with a role, bound to an agent when one is named."""
    number = itertools.count(1)

    def make(role, agent_id=None):
        request = {"name": f"{role}-{next(number)}", "role": role}
        if agent_id is not None:
            request["agent_id"] = agent_id
        answer = wire.post("/api/v1/keys", request)
        assert answer.status == 201, answer.text
        assert answer.json["role"] == role
        assert answer.json["key"].startswith("sk_live_")
        return answer.json["key"]

    return make


@pytest.fixture(scope="session")
def approver(client_for, new_key):
    """A human who may approve."""
    return client_for(new_key("approver"))


@pytest.fixture(scope="session")
def new_organisation(server, wire, client_for, new_name):
    """Makes another tenant; its administrator speaks through an SDK (`client`) and without one (`wire`)."""

    def make():
        answer = wire.post("/api/v1/orgs", {"name": new_name("organisation")})
        assert answer.status == 201, answer.text
        key = answer.json["admin_key"]
        return SimpleNamespace(client=client_for(key), wire=Wire(server.url, key))

    return make


@pytest.fixture(scope="session")
def stranger(new_organisation):
    """The administrator of another organisation."""
    return new_organisation()


@pytest.fixture(scope="module")
def newcomer(new_organisation):
    """The administrator of an organisation that owns nothing; tests leave it so."""
    return new_organisation()


@pytest.fixture(scope="session")
def new_name():
    """Names nobody else in this run uses."""
    number = itertools.count(1)

    def name(of_what):
        return f"{of_what}-{next(number)}"

    return name


@pytest.fixture
def new_agent(admin, new_name):
    """Registers an agent with exactly the given capabilities."""

    def register(*capabilities):
        return admin.agents.create(name=new_name("agent"), capabilities=list(capabilities))

    return register


@pytest.fixture
def new_session(admin, new_name):
    """Opens an MCP session of an agent with a server that offers the agent's capabilities."""

    def open_session(agent):
        mcp_server = admin.mcp.register_server(
            name=new_name("server"), url="http://localhost:9000", capabilities=agent.capabilities
        )
        return admin.sessions.init_session(agent.id, mcp_server.id)

    return open_session
