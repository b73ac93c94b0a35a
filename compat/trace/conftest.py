"""One server that auditors can reach for the whole run, and others as tests need them."""

import json

import pytest

import countersign
import serving
from world import World

PUBLIC_URL = "https://countersign.example"


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Starts a server with a `[trace]` section; all are stopped in the end."""
    started = []

    def begin(trace=None, environment=None, folder=None):
        folder = folder or tmp_path_factory.mktemp("serving")
        try:
            started.append(serving.serve(folder, trace or {}, environment))
        except countersign.CannotStart as problem:
            pytest.exit(str(problem), returncode=3)
        return World(started[-1])

    yield begin
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def world(start):
    return start({"public_url": PUBLIC_URL})


@pytest.fixture(scope="session")
def closed(world):
    """A session of that server with a read, a hold and a denial in it, closed with a nonce."""
    return world.closed(nonce="challenge-1")


@pytest.fixture
def write(tmp_path):
    """Writes JSON, or text as it is, to a file of that name."""

    def to(name, value):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value if isinstance(value, str) else json.dumps(value))
        return file

    return to
